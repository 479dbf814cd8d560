"""What ``drop``, ``keep`` and ``auto`` share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import Parameter

from weft.cli.output import document, message, say
from weft.cli.verb import Call
from weft.errors import UsageError
from weft.state.ids import match_ids

__all__ = ["Ids", "Reason", "decide"]

Ids = Annotated[str, Parameter(help="Names: exact, a glob such as 'TS_01_*', or a beginning that fits one name only.")]
Reason = Annotated[str, Parameter(name=("--reason", "-r"), help="Why; kept with the decision.")]
_DONE = {"drop": "left out", "keep": "kept", "auto": "without a decision"}


def decide(
    call: Call, patterns: Sequence[str], verb: Literal["drop", "keep", "auto"], reason: str, *, dry_run: bool
) -> int:
    """Record a decision and say what it was.

    Raises
    ------
    UsageError
        If no name is given.
    MissingError
        If a name fits nothing.
    """
    if not patterns:
        raise UsageError(f"weft {verb}: name at least one movie, for example `weft {verb} TS_01_039`")
    project = call.project()
    names = match_ids(patterns, sorted({*project.found_movies(), *project.records()}))
    event = None
    if not dry_run:
        from weft.pipeline.decide import decide as record_decision

        event = record_decision(project, names, verb, reason=reason)
    if call.json:
        facts = {"id": event.id, "at": event.at, "by": event.by} if event else {}
        document(verb, {"items": names, "reason": reason, "dry_run": dry_run, **facts})
        return 0
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    if dry_run:
        say(f"would be {_DONE[verb]}: {shown}")
    elif not call.quiet:
        say(f"{_DONE[verb]}: {shown}")
        if project.path("series", "*").parent.is_dir():
            message("stacks follow with `weft stack`; `weft undo` takes the decision back")
    return 0
