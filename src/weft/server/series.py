"""Tilt series for the page: as imported, or as an import would make them; suggestions; what was exported."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.errors import WeftError
from weft.io.mrc import read_mrc_header
from weft.series.match import build_series
from weft.series.store import read_series
from weft.series.suggest import suggest
from weft.server.models import ExportOut, ImportOut, LeftOut, SeriesOut, SuggestionOut, Suggestions, TiltOut
from weft.state.project import Project
from weft.state.record import Record
from weft.state.records import read_record

if TYPE_CHECKING:
    from weft.series.table import TiltSeries
    from weft.server.store import Store

__all__ = ["Advisor", "exports_of", "import_preview", "series_out"]


def import_preview(project: Project) -> ImportOut:
    """Return what an import would make now; nothing is written."""
    mdocs, movies = project.mdocs(), list(project.movies().values())
    found = build_series(mdocs, movies, project.settings)
    imported = {one.name for one in read_series(project.out)}
    unreadable = [str(entry) for entry in found.unreadable]
    return ImportOut(
        series=[_series(project, one, is_imported=one.name in imported) for one in found.series],
        warnings=[*(str(warning) for warning in found.warnings), *unreadable],
        unmatched_movies=[Path(str(movie)).name for movie in found.unmatched],
        movies_found=len(movies),
        mdocs_found=len(mdocs),
        mdocs_pattern=project.settings.input.mdocs,
    )


def series_out(project: Project) -> list[SeriesOut]:
    """Return the imported series; before an import, those that it would make."""
    imported = read_series(project.out)
    if imported:
        return [_series(project, one, is_imported=True) for one in imported]
    return import_preview(project).series


def exports_of(project: Project, target: str) -> list[ExportOut]:
    """Return for each imported series what is written and whether it still says what is decided."""
    dropped = project.decisions()
    rows = []
    for one in read_series(project.out):
        names = [tilt.movie for tilt in one.tilts if tilt.movie]
        processed = [name for name in names if project.path("average", name).exists()]
        used = [name for name in processed if not (name in dropped and dropped[name].verb == "drop")]
        path = _exported_file(project, one.name, target)
        written = _written(path)
        rows.append(
            ExportOut(
                series=one.name,
                mdoc=len(one.tilts),
                processed=len(processed),
                used=len(used),
                written=written,
                stale=_staleness(project, path, written, used),
                missing=[name for name in names if name not in set(processed)],
                left_out=[
                    LeftOut(item=name, reason=dropped[name].reason)
                    for name in names
                    if name in dropped and dropped[name].verb == "drop"
                ],
                file=str(path.relative_to(project.folder)) if path.is_relative_to(project.folder) else str(path),
                size_bytes=path.stat().st_size if path.exists() else 0,
            )
        )
    return rows


class Advisor:
    """Suggests deselections, series by series; a series is judged again only when something about it changed.

    Parameters
    ----------
    store : Store
        What is known of the project.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, tuple[Any, list[SuggestionOut]]] = {}
        self._lock = threading.Lock()

    def all(self) -> Suggestions:
        """Return the suggestions for every series, imported or told by the mdocs."""
        project, snapshot = self._store.project, self._store.snapshot
        with self._lock:
            try:
                series = read_series(project.out) or list(_built(project))
            except WeftError as error:
                return Suggestions(suggestions=[], note=str(error))
            found = []
            for one in series:
                names = [tilt.movie for tilt in one.tilts if tilt.movie in snapshot.rows]
                stamp = tuple((name, snapshot.versions.get(name, 0)) for name in names if name)
                kept = self._kept.get(one.name)
                if kept is None or kept[0] != stamp:
                    kept = (stamp, self._judge(project, one, [name for name in names if name]))
                    self._kept[one.name] = kept
                found += kept[1]
        note = "" if series else "Suggestions compare the images of a series: import the mdocs first."
        return Suggestions(suggestions=found, note=note)

    def _judge(self, project: Project, one: TiltSeries, names: Sequence[str]) -> list[SuggestionOut]:
        records: dict[str, Record] = {}
        for name in names:
            record = read_record(project.path("record", name))
            if record is not None:
                records[name] = record
        return [
            SuggestionOut(
                item=found.item, series=one.name, code=found.reason_code, reason=found.reason, score=float(found.score)
            )
            for found in suggest(one, records)
        ]


def _built(project: Project) -> Sequence[TiltSeries]:
    mdocs = project.mdocs()
    return build_series(mdocs, list(project.movies().values()), project.settings).series if mdocs else ()


def _series(project: Project, one: TiltSeries, *, is_imported: bool) -> SeriesOut:
    exposures = [tilt.exposure_e_A2 for tilt in one.tilts if tilt.exposure_e_A2 is not None]
    whole = sum(exposures) if len(exposures) == len(one.tilts) and exposures else None
    folder = project.path("imod", one.name)
    return SeriesOut(
        name=one.name,
        is_imported=is_imported,
        mdoc=Path(one.mdoc).name if one.mdoc else "",
        axis_deg=one.axis_deg,
        axis_source=str(one.axis_source or ""),
        exposure_e_A2=whole,
        is_aligned=any(folder.glob("*.xf")) or any(folder.glob("*.aln")),
        hand=_hand(project, one.name),
        warnings=[str(warning) for warning in one.warnings],
        tilts=[
            TiltOut(
                item=tilt.movie,
                section=tilt.section,
                tilt_deg=tilt.tilt_deg,
                order=tilt.order,
                exposure_e_A2=tilt.exposure_e_A2,
                pre_exposure_e_A2=tilt.pre_exposure_e_A2,
                target_defocus_um=tilt.target_defocus_um,
                time=str(tilt.time or ""),
                problem=tilt.problem or "",
            )
            for tilt in one.tilts
        ],
    )


def _hand(project: Project, _series_name: str) -> str | None:
    hand = project.settings.series.hand
    return None if hand is None else f"{hand:+d}, as weft.toml says"


def _exported_file(project: Project, series: str, target: str) -> Path:
    places = {
        "imod": f"imod/{series}/{series}.st",
        "dynamo": f"dynamo/{series}/{series}.st",
        "aretomo": f"aretomo/{series}/{series}.mrc",
        "relion": f"relion/tilt_series/{series}.star",
        "warp": f"tomostar/{series}.tomostar",
    }
    return project.out / places[target]


def _written(path: Path) -> int | None:
    """Return how many images an exported file holds."""
    if not path.exists():
        return None
    if path.suffix in {".st", ".mrc"}:
        try:
            return read_mrc_header(path).nz
        except (WeftError, OSError):
            return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return sum(
        1 for line in lines if line.strip() and line.lstrip()[0] not in "_#;" and line.split()[0] not in _STAR_WORDS
    )


_STAR_WORDS = frozenset({"loop_"})


def _staleness(project: Project, path: Path, written: int | None, used: Sequence[str]) -> str:
    """Return why an export no longer says what is decided; empty if it does."""
    if written is None:
        return ""
    if written != len(used):
        return f"holds {written}, you now use {len(used)}"
    made = path.stat().st_mtime
    newer = [name for name in used if project.path("average", name).stat().st_mtime > made]
    return f"{len(newer)} averages are newer" if newer else ""
