"""Warp's lists of tilt series, ``tomostar/TS.tomostar``: the output folder is Warp's processing folder."""

from __future__ import annotations

from pathlib import Path

from weft.errors import ItemFailed
from weft.export.alone import alone
from weft.export.chosen import Chosen, only_aligned
from weft.io.names import stem_of
from weft.io.tomostar import TomostarRow, write_tomostar
from weft.series.table import Tilt
from weft.state.project import Project

__all__ = ["movie_place", "unknown_exposure", "write_series_list"]


def write_series_list(project: Project, chosen: Chosen) -> Path:
    """Write the list of one series: the tilts in use, by ascending angle; of an aligned series those that are aligned.

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
    series, (chosen, _) = chosen.series, only_aligned(chosen)
    if any(tilt.pre_exposure_e_A2 is None for tilt in chosen.used):
        raise ItemFailed(unknown_exposure(chosen, "a tomostar"))
    path = project.path("tomostar", series.name)
    with alone(project.out, f"tomostar-{series.name}", [f"tomostar/{path.name}"]):
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


def movie_place(chosen: Chosen, tilt: Tilt) -> str:
    """Return where WarpTools looks for a movie's results, from the folder of lists: its name in the output folder."""
    movie = tilt.movie or ""
    record = chosen.records.get(movie)
    suffix = tilt.file[len(stem_of(tilt.file)) :] if stem_of(tilt.file) == movie else ""
    if record is not None:
        suffix = Path(record.movie.path).name.removeprefix(movie)
    return f"../{movie}{suffix or '.mrc'}"


def _row(chosen: Chosen, tilt: Tilt) -> TomostarRow:
    record = chosen.records.get(tilt.movie or "")
    # an alignment that lacks an image says nothing of the others either: one list, one geometry
    aligned = chosen.alignment.by_movie[tilt.movie or ""] if chosen.alignment and chosen.is_aligned else None
    return TomostarRow(
        movie=movie_place(chosen, tilt),
        tilt_deg=aligned.tilt_deg if aligned is not None else tilt.tilt_deg,
        axis_deg=aligned.axis_deg if aligned is not None else chosen.series.axis_deg or 0.0,
        pre_exposure_e_A2=tilt.pre_exposure_e_A2 or 0.0,
        offset_A=aligned.offset_A if aligned is not None else None,
        intensity=record.average.median if record is not None and record.average is not None else None,
        masked_fraction=record.mask.masked_fraction if record is not None and record.mask is not None else None,
    )
