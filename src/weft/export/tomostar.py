"""Warp's lists of tilt series, ``tomostar/TS.tomostar``: the output folder is Warp's processing folder."""

from __future__ import annotations

from pathlib import Path

from weft.errors import ItemFailed
from weft.export.chosen import Chosen
from weft.io.names import stem_of
from weft.io.tomostar import TomostarRow, write_tomostar
from weft.series.table import Tilt
from weft.state.project import Project

__all__ = ["unknown_exposure", "write_series_list"]


def write_series_list(project: Project, chosen: Chosen) -> Path:
    """Write the list of one series: the tilts in use, by ascending angle.

    Parameters
    ----------
    project : Project
        Where it goes.
    chosen : Chosen
        What is used.

    Raises
    ------
    ItemFailed
        If an exposure is unknown: Warp cannot do without.
    """
    series = chosen.series
    if any(tilt.pre_exposure_e_A2 is None for tilt in chosen.used):
        raise ItemFailed(unknown_exposure(chosen, "a tomostar"))
    path = project.path("tomostar", series.name)
    write_tomostar(path, [_row(chosen, tilt) for tilt in chosen.used])
    return path


def unknown_exposure(chosen: Chosen, target: str) -> str:
    """Return the sentence for a series whose exposures are not known."""
    count = sum(tilt.exposure_e_A2 is None for tilt in chosen.series.tilts)
    return (
        f"{chosen.series.name}: {target} needs the exposure, which the mdoc does not tell for {count} of "
        f"{len(chosen.series.tilts)} tilts; give it, in e⁻/Å² of one tilt: --exposure 3, or for good: "
        "`weft config set input.exposure_e_A2 3` and `weft import`"
    )


def _row(chosen: Chosen, tilt: Tilt) -> TomostarRow:
    movie = tilt.movie or ""
    record = chosen.records.get(movie)
    suffix = tilt.file[len(stem_of(tilt.file)) :] if stem_of(tilt.file) == movie else ""
    if record is not None:
        suffix = Path(record.movie.path).name.removeprefix(movie)
    return TomostarRow(
        movie=f"../{movie}{suffix or '.mrc'}",
        tilt_deg=tilt.tilt_deg,
        axis_deg=chosen.series.axis_deg or 0.0,
        pre_exposure_e_A2=tilt.pre_exposure_e_A2 or 0.0,
        intensity=record.average.median if record is not None and record.average is not None else None,
        masked_fraction=record.mask.masked_fraction if record is not None and record.mask is not None else None,
    )
