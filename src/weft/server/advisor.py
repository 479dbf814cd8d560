"""Suggested deselections for the page: asked of ``weft suggest`` in a child, series by series as they change.

Judging a series takes about a second of computing, which is no work for the server. What was found is kept in
``cache/suggestions.json``; deleted, it comes back.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.errors import WeftError
from weft.io.atomic import write_text
from weft.series.known import known_series
from weft.server.models_series import SuggestionOut, Suggestions
from weft.server.runs import ask_verb

if TYPE_CHECKING:
    from weft.series.table import TiltSeries
    from weft.server.store import Snapshot, Store

__all__ = ["Advisor"]

_BATCH = 40  # series a child: starting one costs about as much as judging one
_QUIET_S = 1.0
_LONGEST_WAIT_S = 8.0
_PATIENCE_S = 1800.0
_VERSION = 1

Judged = tuple[str, list[SuggestionOut]]


class Advisor:
    """Keeps the suggestions for every series up to date while somebody asks for them.

    Parameters
    ----------
    store : Store
        What is known of the project.
    on_change : callable
        Called when new suggestions are there.
    """

    def __init__(self, store: Store, on_change: Callable[[], None]) -> None:
        self._store = store
        self._on_change = on_change
        self._kept: dict[str, Judged] | None = None
        self._busy = threading.Lock()
        self._reading = threading.Lock()
        self._note = ""
        self._pending = 0
        self._series: tuple[Any, list[TiltSeries]] = (None, [])

    def all(self) -> Suggestions:
        """Return what is suggested as far as it is known; the rest is asked for."""
        kept = self._read_kept()
        self.want()
        found = [one for _, judged in list(kept.values()) for one in judged]
        found = [one for one in found if one.item in self._store.snapshot.places]
        return Suggestions(suggestions=found, note=self._note, pending=self._pending)

    def want(self) -> None:
        """Have the series judged that changed since they were; returns at once."""
        if self._busy.acquire(blocking=False):
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        try:
            while stale := self._stale():
                self._pending = len(stale)
                self._on_change()
                self._settle()
                self._judge(dict(list(self._stale().items())[:_BATCH]))
            if self._pending:
                self._pending = 0
                self._on_change()
        except WeftError as error:
            self._note = str(error)
        finally:
            self._pending = 0
            self._busy.release()

    def _settle(self) -> None:
        """Wait until nothing has changed for a moment."""
        pause, begun, revision = threading.Event(), time.monotonic(), -1
        while self._store.snapshot.revision != revision and time.monotonic() - begun < _LONGEST_WAIT_S:
            revision = self._store.snapshot.revision
            pause.wait(_QUIET_S)

    def _stale(self) -> dict[str, str]:
        """Return the stamps of the series whose suggestions are missing or old."""
        snapshot = self._store.snapshot
        kept = self._read_kept()
        series = self._known()
        self._note = "" if series else "Suggestions compare the images of a series: import the mdocs first."
        stamps = {one.name: stamp for one in series if (stamp := _stamp(one, snapshot))}
        for gone in kept.keys() - stamps.keys():
            del kept[gone]
        return {name: stamp for name, stamp in stamps.items() if kept.get(name, ("", []))[0] != stamp}

    def _read_kept(self) -> dict[str, Judged]:
        """Return what was found, read from the cache the first time."""
        with self._reading:
            if self._kept is None:
                self._kept = _read(self._file)
            return self._kept

    def _known(self) -> list[TiltSeries]:
        """Return the series, read again only if movies, the import or the settings changed."""
        project, places = self._store.project, self._store.snapshot.places
        if self._series[0] is None or self._series[0][0] is not places or self._series[0][1] != project.settings_hash:
            self._series = ((places, project.settings_hash), known_series(project))
        return self._series[1]

    def _judge(self, stale: Mapping[str, str]) -> None:
        kept = self._read_kept()
        found = _asked(self._store.folder, list(stale))
        held = self._store.snapshot.decisions
        for name, stamp in stale.items():
            # the verb passes over images with a decision; taken back, they are suspected as before
            earlier = [one for one in kept.get(name, ("", []))[1] if one.item in held]
            known = {one.item for one in found.get(name, [])}
            judged = [*found.get(name, []), *(one for one in earlier if one.item not in known)]
            kept[name] = (stamp, judged)
        text = {name: [stamp, [one.model_dump() for one in judged]] for name, (stamp, judged) in kept.items()}
        with suppress(WeftError, OSError):  # a folder that cannot be written to has no cache
            write_text(self._file, json.dumps({"version": _VERSION, "series": text}, ensure_ascii=False))

    @property
    def _file(self) -> Path:
        return self._store.project.out / "cache" / "suggestions.json"


def _stamp(one: TiltSeries, snapshot: Snapshot) -> str:
    """Return a text that changes with whatever the suggestions for a series depend on; empty if nothing is processed."""
    movies = [tilt.movie for tilt in one.tilts if tilt.movie in snapshot.rows]
    if not movies:
        return ""
    facts = [
        (movie, snapshot.versions.get(movie, 0), snapshot.decisions[movie].verb if movie in snapshot.decisions else "")
        for movie in movies
        if movie
    ]
    return hashlib.sha1(repr((one, facts)).encode(), usedforsecurity=False).hexdigest()


def _asked(folder: Path, names: Sequence[str]) -> dict[str, list[SuggestionOut]]:
    """Return what ``weft suggest`` says about series."""
    try:
        done = ask_verb(folder, "suggest", *names, patience_s=_PATIENCE_S, gently=True)
        document: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return {}
    found: dict[str, list[SuggestionOut]] = {}
    for row in document.get("suggestions", []):
        found.setdefault(row["series"], []).append(SuggestionOut(**row))
    return found


def _read(file: Path) -> dict[str, Judged]:
    with suppress(OSError, ValueError, KeyError, TypeError):
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["version"] == _VERSION:
            return {
                name: (stamp, [SuggestionOut(**one) for one in judged])
                for name, (stamp, judged) in data["series"].items()
            }
    return {}
