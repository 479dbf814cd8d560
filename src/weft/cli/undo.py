"""``weft undo``: take back the latest decision."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from weft.cli.output import document, say
from weft.cli.verb import DryRun, Here, make_app
from weft.errors import MissingError
from weft.state import decisions

app = make_app("undo", "weft undo\nweft undo --redo")


@app.default
def undo(
    *,
    redo: Annotated[bool, Parameter(help="Take back the latest undo instead.")] = False,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Take back the latest decision that still holds; the undoing is kept in the history, too."""
    project = call.project()
    events = decisions.read(project.out)
    if dry_run:
        target = _latest(events)
        say(f"would be taken back: {_told(target)}")
        return 0
    from weft.pipeline import decide

    event = (decide.redo if redo else decide.undo)(project)
    by_id = {one.id: one for one in events}
    target = by_id[event.undoes]
    if target.verb == "undo":
        target = by_id[target.undoes]
    if call.json:
        document("undo", {"id": event.id, "undoes": event.undoes, "verb": target.verb, "items": list(target.items)})
    elif not call.quiet:
        say(f"{'holds again' if redo else 'taken back'}: {_told(target)}")
    return 0


def _latest(events: list[decisions.Event]) -> decisions.Event:
    """Return the event that undo would take back.

    Raises
    ------
    MissingError
        If there is none.
    """
    undone: set[str] = set()
    for event in reversed(events):
        if event.id in undone:
            continue
        if event.verb != "undo":
            return event
        undone.add(event.undoes)
    raise MissingError("there is no decision to undo")


def _told(event: decisions.Event) -> str:
    items = ", ".join(event.items[:5]) + (f" and {len(event.items) - 5} more" if len(event.items) > 5 else "")
    why = f" ({event.reason})" if event.reason else ""
    return f"{event.verb} {items}{why}, by {event.by} at {event.at[:16].replace('T', ' ')}"
