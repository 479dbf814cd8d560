"""From an average to a bead mask, by whichever detector the settings name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weft.engine.device import Engine
from weft.errors import SettingsError
from weft.fiducials.classic import find_spots
from weft.fiducials.flatten import Flat, flatten
from weft.fiducials.render import Spot, draw_spots
from weft.fiducials.sample import WORKING_PIXEL_A, Sampled, sample
from weft.fiducials.template import optics_of
from weft.fields import Assessment, Bead, BeadMask, CtfFit, Verdict
from weft.settings.schema import FiducialSettings

__all__ = ["segment"]


def segment(
    average: NDArray[np.float32],
    pixel_size_A: float,
    settings: FiducialSettings,
    engine: Engine,
    *,
    ctf: CtfFit | None,
) -> BeadMask:
    """Return where an average shows gold beads.

    Parameters
    ----------
    average : ndarray, shape (y, x), float32
        Electrons per pixel; other grey values are accepted, the verdict is then weak.
    pixel_size_A : float
        Of the average.
    settings : FiducialSettings
        Model, bead diameter, threshold.
    engine : Engine
        Where to compute.
    ctf : CtfFit or None
        What shapes the fringes around beads; common values are tried without it.

    Returns
    -------
    BeadMask
        At about 8 Å a pixel; empty for images without gold, blank ones too.

    Raises
    ------
    SettingsError
        If there is no model of that name, or the pixel size is not above 0.
    """
    if not pixel_size_A > 0:
        raise SettingsError(f"pixel size {pixel_size_A:g} Å: must be above 0; set input.raw_pixel_size_A")
    sampled = sample(average, pixel_size_A)
    flat = flatten(sampled.image)
    diameter_A = 10 * settings.bead_diameter_nm if settings.bead_diameter_nm is not None else None
    spots, common_A = find_spots(flat, optics_of(ctf), diameter_A, engine.threads)
    probability = draw_spots(sampled.image.shape, spots)
    beads = tuple(_bead(sampled, spot) for spot in spots if spot.probability >= settings.threshold)
    return BeadMask(
        probability=probability,
        pixel_size_A=sampled.step_A[1],
        threshold=settings.threshold,
        beads=beads,
        dirt=np.zeros(sampled.image.shape, dtype=bool),
        assessment=_assess(flat),
        details={"model": settings.model, "bead_diameter_nm": None if common_A is None else round(common_A / 10, 2)},
    )


def _bead(sampled: Sampled, spot: Spot) -> Bead:
    y_A, x_A = sampled.to_A(spot.y, spot.x)
    return Bead(y_A, x_A, spot.radius * WORKING_PIXEL_A, spot.probability)


def _assess(flat: Flat) -> Assessment:
    if flat.is_blank:
        return Assessment(Verdict.WEAK, "the image is blank")
    if not flat.is_physical:
        return Assessment(Verdict.WEAK, "grey values are not electrons, so gold is judged by its shape alone")
    return Assessment()
