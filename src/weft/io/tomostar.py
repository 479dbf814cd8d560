"""Warp's list of a tilt series, ``TS.tomostar``: the angle is written as -θ, the exposure is that before the tilt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weft.io.atomic import write_text

__all__ = ["TomostarRow", "tomostar_text", "write_tomostar"]


@dataclass(frozen=True, slots=True)
class TomostarRow:
    """One tilt in Weft's own convention.

    Parameters
    ----------
    movie : str
        Path to the movie's place in the processing folder, relative to the list's folder; no file need be there.
    tilt_deg : float
        θ, as in the mdoc.
    axis_deg : float
        From +y, counter-clockwise.
    pre_exposure_e_A2 : float
        Before the tilt.
    offset_A : tuple of float or None
        The specimen's offset (x, y) on the image; None if it was not aligned.
    intensity : float or None
        Median of the average.
    masked_fraction : float or None
        Share of the average under its bead mask.
    """

    movie: str
    tilt_deg: float
    axis_deg: float
    pre_exposure_e_A2: float
    offset_A: tuple[float, float] | None = None
    intensity: float | None = None
    masked_fraction: float | None = None


def tomostar_text(rows: Sequence[TomostarRow]) -> str:
    """Return the text of a list, rows in the order given; offsets, intensity and mask only if all rows have them."""
    columns = {
        "wrpMovieName": [row.movie for row in rows],
        "wrpAngleTilt": [f"{-row.tilt_deg:.2f}" for row in rows],
        "wrpAxisAngle": [f"{row.axis_deg:.3f}" for row in rows],
    }
    offsets = [row.offset_A for row in rows if row.offset_A is not None]
    if rows and len(offsets) == len(rows):
        columns["wrpAxisOffsetX"] = [f"{x:.3f}" for x, _ in offsets]
        columns["wrpAxisOffsetY"] = [f"{y:.3f}" for _, y in offsets]
    columns["wrpDose"] = [f"{row.pre_exposure_e_A2:.8g}" for row in rows]
    intensities = [row.intensity for row in rows if row.intensity is not None]
    masked = [row.masked_fraction for row in rows if row.masked_fraction is not None]
    if len(intensities) == len(masked) == len(rows):
        columns["wrpAverageIntensity"] = [f"{value:.3f}" for value in intensities]
        columns["wrpMaskedFraction"] = [f"{value:.3f}" for value in masked]
    widths = [max((len(cell) for cell in column), default=0) for column in columns.values()]
    lines = ["", "data_", "", "loop_", *(f"_{name} #{number}" for number, name in enumerate(columns, 1))]
    table = (
        "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        for cells in zip(*columns.values(), strict=True)
    )
    return "\n".join([*lines, *table, ""])


def write_tomostar(path: Path, rows: Sequence[TomostarRow]) -> None:
    """Write a list, whole or not at all.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    write_text(path, tomostar_text(rows))
