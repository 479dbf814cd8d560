"""RELION's motion of one movie, ``motion/NAME.star``: shifts are corrections, -d in raw pixels, against the first used frame.

RELION's shift at a place is the global one plus a polynomial; both are 0 at the first frame. So the geometry of reference is that
of the first used frame, and what comes back from the file is d(t) - d(first).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.fields import MotionField
from weft.io.star import Block, Loop

__all__ = ["LocalModel", "MovieMotion", "accumulated_px", "local_model", "motion_blocks", "relion_displacement"]

Array = NDArray[np.float64]
_LATTICE = np.linspace(0.02, 0.98, 9)  # places at which the local model is fitted
UNUSED = -9999.0
_NOTHING_PX = 1e-6
EARLY_E_A2 = 4.0  # RELION counts motion before this exposure as early


@dataclass(frozen=True, slots=True)
class MovieMotion:
    """What a motion STAR says beside the shifts.

    Parameters
    ----------
    movie : str
        Path as RELION shall see it.
    width, height, frames : int
        Of the raw movie.
    raw_pixel_size_A : float
        Of the raw movie.
    binning : float
        Averages' pixel over the raw one.
    exposure_e_A2 : float
        Per frame; EER: per fraction.
    pre_exposure_e_A2 : float
        Before the movie.
    voltage_kV : float
        Of the microscope.
    first_frame, last_frame : int
        In use, counted from 0.
    gain : str
        Path; empty without.
    eer : tuple of int or None
        Upsampling as RELION counts it, and raw frames per fraction.
    """

    movie: str
    width: int
    height: int
    frames: int
    raw_pixel_size_A: float
    binning: float
    exposure_e_A2: float
    pre_exposure_e_A2: float
    voltage_kV: float
    first_frame: int = 0
    last_frame: int = -1
    gain: str = ""
    eer: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class LocalModel:
    """RELION's polynomial.

    Parameters
    ----------
    coefficients : ndarray, shape (2, 18)
        For x, then y, in raw pixels: 1, x, x², y, y², xy, each by z, z², z³.
    residual_px : float
        Rms of what it cannot follow, in raw pixels.
    """

    coefficients: Array
    residual_px: float


def motion_blocks(field: MotionField, facts: MovieMotion) -> list[Block]:
    """Return the blocks of a movie's motion STAR.

    Parameters
    ----------
    field : MotionField
        Of all frames.
    facts : MovieMotion
        The rest.
    """
    shifts = _global_shifts(field, facts)
    local = local_model(field, facts)
    values = {
        "rlnImageSizeX": str(facts.width),
        "rlnImageSizeY": str(facts.height),
        "rlnImageSizeZ": str(facts.frames),
        "rlnMicrographMovieName": facts.movie,
        **({"rlnMicrographGainName": facts.gain} if facts.gain else {}),
        "rlnMicrographBinning": f"{facts.binning:.6f}",
        "rlnMicrographOriginalPixelSize": f"{facts.raw_pixel_size_A:.6f}",
        "rlnMicrographDoseRate": f"{facts.exposure_e_A2:.6f}",
        "rlnMicrographPreExposure": f"{facts.pre_exposure_e_A2:.6f}",
        "rlnVoltage": f"{facts.voltage_kV:.6f}",
        "rlnMicrographStartFrame": str(facts.first_frame + 1),
        **({"rlnEERUpsampling": str(facts.eer[0]), "rlnEERGrouping": str(facts.eer[1])} if facts.eer else {}),
        "rlnMotionModelVersion": "0" if local is None else "1",
    }
    columns = {
        "rlnMicrographFrameNumber": [str(frame + 1) for frame in range(facts.frames)],
        "rlnMicrographShiftX": [f"{x:.6f}" for x in shifts[:, 0]],
        "rlnMicrographShiftY": [f"{y:.6f}" for y in shifts[:, 1]],
    }
    blocks = [Block("general", values), Block("global_shift", loop=Loop(columns))]
    if local is not None:
        flat = local.coefficients.ravel()
        table = {
            "rlnMotionModelCoeffsIdx": [str(number) for number in range(len(flat))],
            "rlnMotionModelCoeff": [f"{value:.8g}" for value in flat],
        }
        blocks.append(Block("local_motion_model", loop=Loop(table)))
    return blocks


def relion_displacement(blocks: dict[str, Block], y_frac: Any, x_frac: Any) -> Array:
    """Return d(t) - d(first used frame), in Å, that a motion STAR says; the slow reading of RELION's definition.

    Parameters
    ----------
    blocks : dict of str to Block
        Of the STAR.
    y_frac, x_frac : array_like, shape (y,) and (x,)
        Places as fractions of the field.

    Returns
    -------
    ndarray, shape (frame, y, x, 2)
        Displacement (y, x); nan for frames not in use.
    """
    general = blocks["general"].values
    table = blocks["global_shift"].loop
    assert table is not None
    start = int(general["rlnMicrographStartFrame"]) - 1
    pixel = float(general["rlnMicrographOriginalPixelSize"])
    y, x = np.asarray(y_frac, dtype=np.float64), np.asarray(x_frac, dtype=np.float64)
    shift = np.stack([table.numbers("rlnMicrographShiftY"), table.numbers("rlnMicrographShiftX")], axis=1)
    shift[shift <= UNUSED] = np.nan
    found = np.broadcast_to(shift[:, None, None, :], (len(shift), len(y), len(x), 2)).copy()
    model = blocks.get("local_motion_model")
    if int(general["rlnMotionModelVersion"]) == 1 and model is not None and model.loop is not None:
        c = np.array(model.loop.numbers("rlnMotionModelCoeff")).reshape(2, 18)
        z = np.arange(len(shift), dtype=np.float64) - start
        design = _design(z, y, x)
        found[..., 1] += design @ c[0]
        found[..., 0] += design @ c[1]
    return -found * pixel


def accumulated_px(field: MotionField, facts: MovieMotion) -> tuple[float, float, float]:
    """Return RELION's total, early and late motion: lengths of the steps of the global shift in raw pixels.

    Notes
    -----
    A step belongs to the early part if the exposure before its end, that before the movie included, is less than 4 e⁻/Å².
    """
    shifts = _global_shifts(field, facts)[facts.first_frame : _end(facts)]
    steps = np.linalg.norm(np.diff(shifts, axis=0), axis=1)
    frames = np.arange(facts.first_frame + 1, facts.first_frame + 1 + len(steps))
    is_early = facts.pre_exposure_e_A2 + frames * facts.exposure_e_A2 < EARLY_E_A2
    return float(steps.sum()), float(steps[is_early].sum()), float(steps[~is_early].sum())


def _end(facts: MovieMotion) -> int:
    return facts.frames if facts.last_frame < 0 else facts.last_frame + 1


def _global_shifts(field: MotionField, facts: MovieMotion) -> Array:
    """Return the shifts (x, y) of all frames in raw pixels; those not in use are marked."""
    path = field.path_A[:, ::-1]
    shifts = -(path - path[facts.first_frame]) / facts.raw_pixel_size_A + 0.0
    unused = np.ones(len(shifts), dtype=bool)
    unused[facts.first_frame : _end(facts)] = False
    shifts[unused] = UNUSED
    return np.asarray(shifts)


def local_model(field: MotionField, facts: MovieMotion) -> LocalModel | None:
    """Return the polynomial that stands for a field's local part; None if that does not change in time."""
    if field.is_rigid or facts.frames < 2:
        return None
    used = slice(facts.first_frame, _end(facts))
    local = field.displacement(_LATTICE, _LATTICE) - field.path_A[:, None, None, :]
    wanted = -(local[used] - local[facts.first_frame]) / facts.raw_pixel_size_A
    if np.abs(wanted).max() < _NOTHING_PX:
        return None
    design = _design(np.arange(wanted.shape[0], dtype=np.float64), _LATTICE, _LATTICE).reshape(-1, 18)
    scale = np.abs(design).max(axis=0)
    scale[scale == 0] = 1.0
    flat = wanted.reshape(-1, 2)[:, ::-1]
    solved = np.linalg.lstsq(design / scale, flat, rcond=1e-10)[0] / scale[:, None]
    residual = design @ solved - flat
    return LocalModel(np.asarray(solved.T), float(np.sqrt((residual**2).sum(axis=1).mean())))


def _design(z: Array, y_frac: Array, x_frac: Array) -> Array:
    """Return RELION's terms, shape (frame, y, x, 18): 1, x, x², y, y², xy by z, z², z³; x and y from the centre."""
    x, y = (x_frac - 0.5)[None, None, :], (y_frac - 0.5)[None, :, None]
    t = z[:, None, None]
    one = np.ones_like(t + x + y)
    space = [one, one * x, one * x**2, one * y, one * y**2, one * x * y]
    return np.stack([term * t**power for term in space for power in (1, 2, 3)], axis=-1)
