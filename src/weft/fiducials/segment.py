"""From an average to a bead mask, by whichever detector the settings name."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from weft.engine.device import Engine
from weft.errors import SettingsError
from weft.fiducials.agree import agree, pieces, size_of_pieces
from weft.fiducials.classic import find_spots
from weft.fiducials.flatten import Flat, flatten
from weft.fiducials.models import load_net
from weft.fiducials.net import infer, inputs_of
from weft.fiducials.plate import find_under_plate
from weft.fiducials.render import Spot, draw_spots
from weft.fiducials.sample import WORKING_PIXEL_A, Sampled, sample
from weft.fiducials.scenes import DIRT, GOLD
from weft.fiducials.template import optics_of
from weft.fields import Assessment, Bead, BeadMask, CtfFit, Verdict
from weft.fields.mask import PROBABILITY_STEPS
from weft.io.models import ModelInfo, find_model
from weft.settings.schema import FiducialSettings

__all__ = ["brought_together", "detect", "segment"]

_PHASE_PLATE_DEG = 20.0  # a fitted phase shift above this is a phase plate
_LEAST_DIRT_PX = 56
_SURE_DIRT = 0.8  # under a phase plate, where protein is as dark as thin ice crystals
_NO_GOLD = 0.1  # nowhere more than this: the network sees no gold, and both would have to


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
    model = find_model(settings.model)
    sampled = sample(average, pixel_size_A)
    flat = flatten(sampled.image)
    probability, dirt, spots, diameter_A = detect(flat, model, settings, engine, ctf)
    probability = (np.rint(probability * PROBABILITY_STEPS) / PROBABILITY_STEPS).astype(np.float32)  # as it is kept
    beads = [_bead(sampled, spot) for spot in spots]
    return BeadMask(
        probability=probability,
        pixel_size_A=sampled.step_A[1],
        threshold=settings.threshold,
        beads=tuple(bead for bead in beads if bead.probability >= settings.threshold),
        dirt=dirt,
        assessment=_assess(flat),
        doubtful=tuple(bead for bead in beads if bead.probability < settings.threshold),
        details={
            "model": settings.model,
            "bead_diameter_nm": None if diameter_A is None else round(diameter_A / 10, 2),
        },
    )


def detect(
    flat: Flat, model: ModelInfo, settings: FiducialSettings, engine: Engine, ctf: CtfFit | None
) -> tuple[NDArray[np.float32], NDArray[np.bool_], list[Spot], float | None]:
    """Return probability, dirt, beads and their diameter (Å) by the model that is asked for.

    Parameters
    ----------
    flat : Flat
        The average's contrast at the working scale.
    model : ModelInfo
        See `weft.io.models.find_model`.
    settings : FiducialSettings
        Bead diameter.
    engine : Engine
        Where to compute.
    ctf : CtfFit or None
        See `segment`.
    """
    shape = flat.contrast.shape
    no_dirt = np.zeros(shape, dtype=bool)
    if flat.is_blank:
        return np.zeros(shape, np.float32), no_dirt, [], None
    given_A = 10 * settings.bead_diameter_nm if settings.bead_diameter_nm is not None else None
    has_plate = _has_plate(ctf)
    if model.path is None:
        find = find_under_plate if has_plate else find_spots
        spots, found_A = find(flat, optics_of(ctf), given_A, engine.threads)
        return draw_spots(shape, spots), no_dirt, spots, found_A
    classes = infer(load_net(model.path, engine.device), inputs_of(flat), engine)
    dirt = _without_specks(classes[DIRT] > (_SURE_DIRT if has_plate else 0.5))
    if not model.uses_sphere_fit:
        return classes[GOLD], dirt, pieces(classes[GOLD]), given_A
    probability, spots, found_A = brought_together(classes[GOLD], flat, settings, engine, ctf)
    return probability, dirt, spots, found_A


def brought_together(
    gold: NDArray[np.float32], flat: Flat, settings: FiducialSettings, engine: Engine, ctf: CtfFit | None
) -> tuple[NDArray[np.float32], list[Spot], float | None]:
    """Return probability, beads and their diameter (Å) after the sphere fit has checked what a network sees.

    Under a phase plate the network is not asked.

    Parameters
    ----------
    gold : ndarray, shape (y, x), float32
        The network's probability.
    flat, settings, engine, ctf
        See `detect`.
    """
    shape = flat.contrast.shape
    given_A = 10 * settings.bead_diameter_nm if settings.bead_diameter_nm is not None else None
    if _has_plate(ctf):
        spots, found_A = find_under_plate(flat, optics_of(ctf), given_A, engine.threads)
        return draw_spots(shape, spots), spots, found_A
    if gold.max() < _NO_GOLD:
        return np.zeros(shape, np.float32), [], None
    near_A = size_of_pieces(gold, flat)
    spots, found_A = find_spots(flat, optics_of(ctf), given_A, engine.threads, near_A=near_A)
    both = agree(gold, flat, spots, found_A)
    return draw_spots(shape, both.spots), both.spots, both.diameter_A


def _has_plate(ctf: CtfFit | None) -> bool:
    return ctf is not None and abs(ctf.phase_shift_deg) > _PHASE_PLATE_DEG


def _without_specks(dirt: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return dirt without pieces smaller than 60 × 60 Å."""
    labels, count = ndi.label(dirt)
    if not count:
        return dirt
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= _LEAST_DIRT_PX)[labels])


def _bead(sampled: Sampled, spot: Spot) -> Bead:
    y_A, x_A = sampled.to_A(spot.y, spot.x)
    return Bead(y_A, x_A, spot.radius * WORKING_PIXEL_A, round(spot.probability, 3))  # as the record keeps it


def _assess(flat: Flat) -> Assessment:
    if flat.is_blank:
        return Assessment(Verdict.WEAK, "the image is blank")
    if not flat.is_physical:
        return Assessment(Verdict.WEAK, "grey values are not electrons, so gold is judged by its shape alone")
    return Assessment()
