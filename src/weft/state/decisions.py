"""Decisions about items: an append-only file, one event a line, undo being an event too.

Nobody's decision is lost: a line is appended under a lock and fsynced before anything is told that it was
taken. A line torn by a power cut is left where it is and passed over.
"""

from __future__ import annotations

import getpass
import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from weft.errors import MissingError, UsageError
from weft.io.machine import machine_errors
from weft.state.locks import locked

__all__ = [
    "Decision", "Event", "append", "behind", "default_author", "effective", "read", "redo", "redoable", "undo", "undoable",
]  # fmt: skip

Verb = Literal["keep", "drop", "auto", "undo"]
VERBS = frozenset({"keep", "drop", "auto", "undo"})


@dataclass(frozen=True, slots=True)
class Event:
    """One act of a person or of a rule that a person switched on.

    Parameters
    ----------
    id : str
        Unique; sorts by nothing, the file's order is the order.
    at : str
        UTC, ISO 8601.
    by : str
        Who.
    verb : str
        ``keep``, ``drop``, ``auto`` (no decision any more) or ``undo``.
    items : tuple of str
        Names of movies; empty for ``undo``.
    reason : str
        Why, in the person's words.
    undoes : str
        Id of the event that an ``undo`` takes back.
    """

    id: str
    at: str
    by: str
    verb: Verb
    items: tuple[str, ...]
    reason: str = ""
    undoes: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What holds for an item now."""

    verb: Verb
    reason: str
    by: str
    at: str
    event: str


def default_author() -> str:
    """Return the user's name on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid{os.getuid()}"


def append(
    out: Path,
    items: Iterable[str],
    verb: Literal["keep", "drop", "auto"],
    *,
    reason: str = "",
    by: str = "",
    event_id: str = "",
) -> Event:
    """Record one decision about some items and return its event.

    Parameters
    ----------
    out : Path
        The project's output folder.
    items : iterable of str
        Names of movies.
    verb : str
        ``keep``, ``drop`` or ``auto``.
    reason : str
        Why.
    by : str
        Who; the user of this machine if empty.
    event_id : str
        The event's id, chosen by a caller who may ask twice (an answer lost on the way): the second time nothing is
        written and the first event is returned. Made here if empty.

    Raises
    ------
    UsageError
        If the verb is none of these: a reader would pass such an event over.
    MachineError
        If it could not be written; then nothing was decided.
    """
    if verb not in VERBS - {"undo"}:
        raise UsageError(f'"{verb}" is no decision about images; it is keep, drop or auto')
    event = _event(verb, items, reason=reason, by=by, event_id=event_id)
    with _lock(out):
        if event_id:
            known = next((one for one in read(out) if one.id == event_id), None)
            if known is not None:
                return known
        _write(out, event)
    return event


def undo(out: Path, *, by: str = "", event_id: str = "") -> Event:
    """Take back an event (the latest one that still holds, if not named) and return the event that does so.

    Raises
    ------
    MissingError
        If there is nothing to take back.
    """
    with _lock(out):
        target = undoable(read(out), event_id)
        event = _event("undo", (), by=by, undoes=target.id)
        _write(out, event)
    return event


def redo(out: Path, *, by: str = "") -> Event:
    """Take back the latest undo that still holds, and return the event that does so.

    Raises
    ------
    MissingError
        If nothing was undone since the latest decision.
    """
    with _lock(out):
        target = redoable(read(out))
        event = _event("undo", (), by=by, undoes=target.id)
        _write(out, event)
    return event


def read(out: Path) -> list[Event]:
    """Return all events in order; lines that are no events are passed over."""
    try:
        data = _file(out).read_bytes()
    except FileNotFoundError:
        return []
    return [event for line in data.split(b"\n") if (event := _parse(line)) is not None]


def effective(events: Sequence[Event]) -> dict[str, Decision]:
    """Return the decision that holds for each item; items without one are not in it.

    The last event that was not undone wins; ``auto`` takes an item back out.
    """
    active = _active(events)
    now: dict[str, Decision] = {}
    for event in events:
        if event.id not in active or event.verb == "undo":
            continue
        for item in event.items:
            if event.verb == "auto":
                now.pop(item, None)
            else:
                now[item] = Decision(event.verb, event.reason, event.by, event.at, event.id)
    return now


def undoable(events: Sequence[Event], event_id: str = "") -> Event:
    """Return the decision that undo would take back: the latest that still holds, if none is named.

    Raises
    ------
    MissingError
        If there is none.
    """
    active = _active(events)
    for event in reversed(events):
        if event.id in active and event.verb != "undo" and event_id in {"", event.id}:
            return event
    raise MissingError("there is no decision to undo")


def redoable(events: Sequence[Event]) -> Event:
    """Return the undo that redo would take back: the last thing that stands, redone ones passed over.

    Raises
    ------
    MissingError
        If nothing was undone since the latest decision.
    """
    active = _active(events)
    undos = {event.id for event in events if event.verb == "undo"}
    for event in reversed(events):
        if event.id in active and event.undoes not in undos:
            if event.verb == "undo":
                return event
            break
    raise MissingError("there is nothing to redo")


def behind(events: Sequence[Event], event: Event) -> Event:
    """Return the decision that an undo, or the undo of an undo, is about."""
    by_id = {one.id: one for one in events}
    while event.verb == "undo":
        event = by_id[event.undoes]
    return event


def _active(events: Sequence[Event]) -> set[str]:
    """Return the ids of events that nobody took back; an undo may itself be undone."""
    undone: set[str] = set()
    active: set[str] = set()
    for event in reversed(events):
        if event.id in undone:
            continue
        active.add(event.id)
        if event.verb == "undo":
            undone.add(event.undoes)
    return active


def _event(
    verb: Verb, items: Iterable[str], *, reason: str = "", by: str = "", undoes: str = "", event_id: str = ""
) -> Event:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Event(event_id or uuid.uuid4().hex[:16], now, by or default_author(), verb, tuple(items), reason, undoes)


def _file(out: Path) -> Path:
    return out / "decisions.jsonl"


def _lock(out: Path) -> Any:
    return locked(out / "claims" / "decisions.lock")


def _write(out: Path, event: Event) -> None:
    file = _file(out)
    line = json.dumps(asdict(event), ensure_ascii=False).encode() + b"\n"
    with machine_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            end = os.fstat(fd).st_size
            if end and os.pread(fd, 1, end - 1) != b"\n":
                line = b"\n" + line  # somebody's line was torn; ours must not grow onto it
            if os.write(fd, line) != len(line):
                os.ftruncate(fd, end)
                raise OSError(28, "No space left on device")
            os.fsync(fd)
        finally:
            os.close(fd)


def _parse(line: bytes) -> Event | None:
    try:
        data: Mapping[str, Any] = json.loads(line)
        event = Event(**{**data, "items": tuple(data["items"])})
    except (ValueError, TypeError, KeyError):
        return None
    return event if event.verb in VERBS else None
