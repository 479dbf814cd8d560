"""Tilt series for the page: as imported, or as an import would make them; suggestions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from weft.series.alignment import read_alignment
from weft.series.match import build_series
from weft.series.store import read_series
from weft.series.table import uses_of
from weft.server.models_series import ImportOut, SeriesOut, TiltOut
from weft.state.project import Project

if TYPE_CHECKING:
    from weft.series.table import TiltSeries

__all__ = ["import_preview", "series_out"]


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


def _series(project: Project, one: TiltSeries, *, is_imported: bool) -> SeriesOut:
    exposures = [tilt.exposure_e_A2 for tilt in one.tilts if tilt.exposure_e_A2 is not None]
    whole = sum(exposures) if len(exposures) == len(one.tilts) and exposures else None
    folder = project.path("imod", one.name)
    verbs = {name: decision.verb for name, decision in project.decisions().items()}
    left_out = {use.tilt.section: use.left_out for use in uses_of(one, verbs, rule=project.settings.series.duplicates)}
    return SeriesOut(
        name=one.name,
        is_imported=is_imported,
        mdoc=Path(one.mdoc).name if one.mdoc else "",
        axis_deg=one.axis_deg,
        axis_source=str(one.axis_source or ""),
        exposure_e_A2=whole,
        is_aligned=read_alignment(project.out, one.name) is not None
        or any(folder.glob("*.xf"))
        or any(folder.glob("*.aln")),
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
                left_out=left_out[tilt.section],
            )
            for tilt in one.tilts
        ],
    )
