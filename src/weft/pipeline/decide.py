"""Decisions and everything that follows them at once: Warp's XML beside the movies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from weft.io.warpxml import write_selection
from weft.state import decisions
from weft.state.project import Project

__all__ = ["decide", "redo", "undo"]


def decide(
    project: Project,
    items: Sequence[str],
    verb: Literal["keep", "drop", "auto"],
    *,
    reason: str = "",
    by: str = "",
    event_id: str = "",
) -> decisions.Event:
    """Record a decision about movies and let Warp's XML files say the same.

    See `weft.state.decisions.append` for the parameters.

    Raises
    ------
    MachineError
        If it could not be written; then nothing was decided.
    """
    event = decisions.append(project.out, items, verb, reason=reason, by=by, event_id=event_id)
    _follow(project, event.items)
    return event


def undo(project: Project, *, by: str = "", event_id: str = "") -> decisions.Event:
    """Take back a decision, the latest if not named."""
    event = decisions.undo(project.out, by=by, event_id=event_id)
    _follow(project, _items_behind(project, event))
    return event


def redo(project: Project, *, by: str = "") -> decisions.Event:
    """Take back the latest undo."""
    event = decisions.redo(project.out, by=by)
    _follow(project, _items_behind(project, event))
    return event


def _items_behind(project: Project, event: decisions.Event) -> tuple[str, ...]:
    """Return the items that an undo, or the undo of an undo, is about."""
    return decisions.behind(decisions.read(project.out), event).items


def _follow(project: Project, items: Sequence[str]) -> None:
    now = project.decisions()
    for item in items:
        path = project.path("xml", item)
        if path.exists():
            write_selection(path, now[item].verb if item in now else None)
