"""``weft undo``: take back the latest decision."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from weft.cli.output import document, say
from weft.cli.verb import DryRun, Here, make_app
from weft.pipeline import decide
from weft.state import decisions

app = make_app("undo", "weft undo\nweft undo --redo")
_DONE = {False: "taken back", True: "holds again"}


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
        target = (decisions.redoable if redo else decisions.undoable)(events)
        facts = {"dry_run": True, "undoes": target.id}
    else:
        event = (decide.redo if redo else decide.undo)(project)
        target = next(one for one in events if one.id == event.undoes)
        facts = {"dry_run": False, "id": event.id, "undoes": event.undoes}
    decision = decisions.behind(events, target)
    if call.json:
        document("undo", {**facts, "verb": decision.verb, "items": list(decision.items)})
    elif not call.quiet:
        done = "hold again" if redo else "be taken back"
        say(f"{f'would {done}' if dry_run else _DONE[redo]}: {_told(decision)}")
    return 0


def _told(event: decisions.Event) -> str:
    items = ", ".join(event.items[:5]) + (f" and {len(event.items) - 5} more" if len(event.items) > 5 else "")
    why = f" ({event.reason})" if event.reason else ""
    return f"{event.verb} {items}{why}, by {event.by} at {event.at[:16].replace('T', ' ')}"
