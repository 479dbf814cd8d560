"""What the server knows of a project, brought up to date by looking at the files; numbers only, no pictures.

Nothing here is truth: settings, records, decisions and series are read from their files whenever those change, so
that the command line, other machines and a second page are seen within a second.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.errors import MissingError, WeftError
from weft.server.names import guess_series
from weft.server.rows import FIELDS, Row, RowCache
from weft.server.watching import FolderWatch, folder_of_pattern
from weft.settings.file import SETTINGS_FILE
from weft.state import decisions
from weft.state.project import Project
from weft.state.record import STAGES

__all__ = ["STATES", "Place", "Snapshot", "Store"]

STATES = ("waiting", "running", "done", "stale", "failed", "impossible")
VERDICTS = ("", "good", "weak", "failed")
VERBS = ("auto", "keep", "drop")
PLACE_FIELDS = ("tilt_deg", "order", "exposure_e_A2", "pre_exposure_e_A2", "target_defocus_um")
_LOOK_FOR_MOVIES_S = 3.0
_STATE_CODES = {state: code for code, state in enumerate(STATES)}
_VERDICT_CODES = {verdict: code for code, verdict in enumerate(VERDICTS)}
_NO_ROW: Row = {}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a movie stands in its tilt series.

    Parameters
    ----------
    series : str
        Name; empty if unknown.
    tilt_deg, exposure_e_A2, pre_exposure_e_A2, target_defocus_um : float or None
        As the mdoc says.
    order : int or None
        Of acquisition, from 0.
    time : str
        Of acquisition, as written.
    is_guessed : bool
        Told by the name alone.
    """

    series: str = ""
    tilt_deg: float | None = None
    order: int | None = None
    exposure_e_A2: float | None = None
    pre_exposure_e_A2: float | None = None
    target_defocus_um: float | None = None
    time: str = ""
    is_guessed: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All movies at one moment.

    Parameters
    ----------
    revision : int
        Grows with every change.
    names : tuple of str
        Sorted.
    rows : mapping of str to dict
        See `weft.server.rows.row_of`; only movies with a record.
    versions : mapping of str to int
        Changes with the record.
    places : mapping of str to Place
        For every name.
    decisions : mapping of str to Decision
        Those that hold.
    states : mapping of str to str
        One of `STATES`.
    reasons : mapping of str to str
        Why a movie is stale, failed or impossible.
    """

    revision: int = 0
    names: tuple[str, ...] = ()
    rows: Mapping[str, Row] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    decisions: Mapping[str, decisions.Decision] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def is_dropped(self, name: str) -> bool:
        """Whether a decision leaves a movie out."""
        return name in self.decisions and self.decisions[name].verb == "drop"

    def item(self, name: str) -> dict[str, Any]:
        """Return one movie as the page gets it."""
        row, place, decision = self.rows.get(name, {}), self.places[name], self.decisions.get(name)
        return {
            "name": name,
            "series": place.series,
            "tilt_deg": place.tilt_deg,
            "order": place.order,
            "exposure_e_A2": place.exposure_e_A2,
            "pre_exposure_e_A2": place.pre_exposure_e_A2,
            "target_defocus_um": place.target_defocus_um,
            "state": self.states[name],
            "verdict": row.get("verdict", ""),
            "reason": self.reasons.get(name) or row.get("failure") or row.get("reason", ""),
            "decision": decision.verb if decision else "auto",
            "decision_reason": decision.reason if decision else "",
            "decision_by": decision.by if decision else "",
            "version": str(self.versions.get(name, 0)),
            "numbers": {key: row.get(key) for key in FIELDS},
        }

    def columns(self) -> dict[str, Any]:
        """Return all movies column by column; texts that few have are given by index."""
        places = [self.places[name] for name in self.names]
        rows = [self.rows.get(name, _NO_ROW) for name in self.names]
        held = [(number, self.decisions[name]) for number, name in enumerate(self.names) if name in self.decisions]
        verbs = [0] * len(self.names)
        for number, decision in held:
            verbs[number] = VERBS.index(decision.verb)
        series = sorted({place.series for place in places})
        index = {name: number for number, name in enumerate(series)}
        reasons = {
            str(number): reason
            for number, (name, row) in enumerate(zip(self.names, rows, strict=True))
            if (reason := self.reasons.get(name) or row.get("failure") or row.get("reason", ""))
        }
        numbers = {key: [row.get(key) for row in rows] for key in FIELDS}
        numbers |= {key: [getattr(place, key) for place in places] for key in PLACE_FIELDS}
        return {
            "revision": self.revision,
            "names": list(self.names),
            "series_names": series,
            "series": [index[place.series] for place in places],
            "state": [_STATE_CODES[self.states[name]] for name in self.names],
            "verdict": [_VERDICT_CODES[row.get("verdict", "")] for row in rows],
            "decision": verbs,
            "version": [str(self.versions.get(name, 0)) for name in self.names],
            "reasons": reasons,
            "decision_reasons": {str(number): decision.reason for number, decision in held if decision.reason},
            "decision_by": {str(number): decision.by for number, decision in held if decision.by},
            "numbers": numbers,
        }


class Store:
    """Keeps a `Snapshot` of a project and says what changed.

    Parameters
    ----------
    folder : Path
        The project's folder; its ``weft.toml`` may be missing or wrong while the page is open.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._lock = threading.Lock()
        self._project = Project.open(self.folder)
        self._settings_stamp = _stamp(self.folder / SETTINGS_FILE)
        self._settings_error = ""
        self._cache = RowCache(self._project.out)
        self._movies: dict[str, list[Path]] = {}
        self._movie_folder = FolderWatch()
        self._names: tuple[Any, Any, tuple[str, ...]] = (None, None, ())
        self._basis: tuple[Any, ...] = ()
        self._looked = -1e9
        self._series_stamp: Any = None
        self._places: dict[str, Place] = {}
        self._decision_stamp: Any = None
        self._decisions: dict[str, decisions.Decision] = {}
        self._plan: Mapping[str, tuple[str, str]] = {}
        self._running: frozenset[str] = frozenset()
        self._snapshot = Snapshot()
        self._columns: tuple[int, bytes, bytes] = (-1, b"", b"")

    @property
    def project(self) -> Project:
        """The project with the settings that its file last held without error."""
        return self._project

    @property
    def settings_error(self) -> str:
        """What is wrong with ``weft.toml`` now; empty if nothing."""
        return self._settings_error

    @property
    def snapshot(self) -> Snapshot:
        """The latest snapshot."""
        return self._snapshot

    def require(self, name: str) -> str:
        """Return a name if it is one of the project's movies.

        Raises
        ------
        MissingError
            If it is not; whatever a client sends, only names that were found on disk reach a path.
        """
        if name not in self._snapshot.places:
            self.refresh(look=True)
        if name not in self._snapshot.places:
            raise MissingError(f"{name[:120]}: there is no such movie in this project")
        return name

    def set_plan(self, plan: Mapping[str, tuple[str, str]]) -> None:
        """Take what a dry run says of each movie: state and reason."""
        self._plan = plan

    def set_running(self, names: Iterable[str]) -> None:
        """Take the names of the movies that a run has in hand."""
        fresh = frozenset(names)
        self._running = self._running if fresh == self._running else fresh

    def columns(self, *, compressed: bool = False) -> bytes:
        """Return the snapshot's columns as JSON, made (and compressed with gzip) once for each revision."""
        snapshot = self._snapshot
        if self._columns[0] != snapshot.revision:
            body = json.dumps(snapshot.columns(), separators=(",", ":"), ensure_ascii=False).encode()
            self._columns = (snapshot.revision, body, gzip.compress(body, 1))
        _, plain, packed = self._columns
        return packed if compressed else plain

    def refresh(self, *, look: bool = False) -> tuple[Snapshot, set[str], bool]:
        """Look at the files and return the snapshot, the names that changed and whether any came or went.

        Parameters
        ----------
        look : bool
            Look for new movies even if that was done a moment ago.
        """
        with self._lock:
            self._refresh_settings()
            rows, fresh = self._cache.refresh()
            self._look_for_movies(force=look)
            names = self._all_names(rows)
            self._refresh_places(names)
            self._refresh_decisions()
            old = self._snapshot
            basis = (names, rows, self._places, self._decisions, self._plan, self._running, self._project)
            if not self._is_new(basis):
                return old, set(), False
            states, reasons = self._states(names, rows)
            new = Snapshot(
                revision=old.revision + 1,
                names=names,
                rows=rows,
                versions={name: self._cache.version(name) for name in rows},
                places=self._places,
                decisions=self._decisions,
                states=states,
                reasons=reasons,
            )
            changed = _changed(old, new, fresh)
            moved = old.names != names
            if not changed and not moved and old.revision:
                return old, set(), False
            self._snapshot = new
            return new, changed, moved

    def _refresh_settings(self) -> None:
        stamp = _stamp(self.folder / SETTINGS_FILE)
        if stamp == self._settings_stamp:
            return
        self._settings_stamp = stamp
        try:
            project = Project.open(self.folder)
        except WeftError as error:
            self._settings_error = str(error)
            return
        self._settings_error = ""
        if project.out != self._project.out:
            self._cache = RowCache(project.out)
            self._decision_stamp = self._series_stamp = None
        self._project, self._looked = project, -1e9

    def _look_for_movies(self, *, force: bool) -> None:
        if not force and time.monotonic() - self._looked <= _LOOK_FOR_MOVIES_S:
            return
        folder = folder_of_pattern(self.folder, self._project.settings.input.movies)
        is_due = folder is None or self._movie_folder.is_due([folder])
        if is_due or force or self._looked < 0:
            found = self._project.found_movies()
            self._movies = self._movies if found == self._movies else found
        self._looked = time.monotonic()

    def _all_names(self, rows: Mapping[str, Row]) -> tuple[str, ...]:
        """Return the names of all movies, sorted; the same tuple while nothing came or went."""
        movies, before, names = self._names
        if movies is not self._movies or before is not rows:
            fresh = tuple(sorted({*self._movies, *rows}))
            names = names if fresh == names else fresh
            self._names = (self._movies, rows, names)
        return names

    def _is_new(self, basis: tuple[Any, ...]) -> bool:
        """Whether anything that the states depend on is another object than at the last look."""
        before, self._basis = self._basis, basis
        return len(before) != len(basis) or any(a is not b for a, b in zip(before, basis, strict=True))

    def _refresh_places(self, names: tuple[str, ...]) -> None:
        stamp = (_stamp(self._project.out / "series", folder=True), names)
        if stamp == self._series_stamp:
            return
        self._series_stamp = stamp
        known = _imported_places(self._project.out)
        self._places = {name: known.get(name) or _guessed(name) for name in names}

    def _refresh_decisions(self) -> None:
        stamp = _stamp(self._project.out / "decisions.jsonl")
        if stamp != self._decision_stamp:
            self._decision_stamp = stamp
            self._decisions = self._project.decisions()

    def _states(self, names: tuple[str, ...], rows: Mapping[str, Row]) -> tuple[dict[str, str], dict[str, str]]:
        settings = self._project.settings
        off = {"ctf": not settings.ctf.enabled, "mask": not settings.fiducials.enabled}
        wanted = {stage for stage in STAGES if not off.get(stage)}
        states, reasons = {}, {}
        for name in names:
            row = rows.get(name)
            planned, why = self._plan.get(name, ("", ""))
            if name in self._running:
                states[name] = "running"
            elif row is not None and row["failure"]:
                states[name] = "failed"
            elif row is not None and wanted <= set(row["stages"]):
                states[name] = "stale" if planned == "stale" else "done"
            elif planned in {"failed", "impossible"}:
                states[name] = planned
            else:
                states[name] = "stale" if row is not None and row["stages"] else "waiting"
            if why and states[name] in {"stale", "failed", "impossible"}:
                reasons[name] = why
        return states, reasons


def _changed(old: Snapshot, new: Snapshot, fresh: set[str]) -> set[str]:
    """Return the names that look different in the new snapshot."""
    changed = {name for name in fresh if name in new.places}
    for before, now in (
        (old.states, new.states),
        (old.decisions, new.decisions),
        (old.reasons, new.reasons),
        (old.places, new.places),
    ):
        if before is now:
            continue
        changed.update(name for name in new.names if before.get(name) != now.get(name))
    return changed


def _stamp(path: Path, *, folder: bool = False) -> Any:
    """Return size and time of a file (or of a folder and its files), None if it is not there."""
    try:
        status = path.stat()
        inside = sum(entry.stat().st_mtime_ns for entry in path.iterdir()) if folder else 0
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns, inside)


def _imported_places(out: Path) -> dict[str, Place]:
    """Return the place of each movie of the imported series; damaged files count as absent."""
    if not any((out / "series").glob("*.json")):
        return {}
    from weft.series.store import read_series

    places = {}
    with suppress(WeftError):
        for series in read_series(out):
            for tilt in series.tilts:
                if tilt.movie:
                    places[tilt.movie] = Place(
                        series=series.name,
                        tilt_deg=tilt.tilt_deg,
                        order=tilt.order,
                        exposure_e_A2=tilt.exposure_e_A2,
                        pre_exposure_e_A2=tilt.pre_exposure_e_A2,
                        target_defocus_um=tilt.target_defocus_um,
                        time=str(tilt.time or ""),
                    )
    return places


def _guessed(name: str) -> Place:
    series, tilt = guess_series(name)
    return Place(series=series, tilt_deg=tilt, is_guessed=True)
