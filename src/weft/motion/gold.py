"""Frames with noise where gold was seen, so that beads tell nothing of the motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage as ndi
import torch
from numpy.typing import NDArray

from weft.fields import MotionField
from weft.motion.copies import Copies
from weft.signal.masked import scaled, share_open, smoothed

__all__ = ["Gold", "leave_out"]

Image = NDArray[np.float32]

_SEAM_A = 24.0  # over which the noise goes over into the frame
_SMOOTH_A = 80.0  # slower changes than this come from the surroundings
_TRIES = 24  # places from which a frame's noise may be taken
_COARSE = 8  # pixels of the raster on which these are compared


@dataclass(frozen=True, slots=True)
class Gold:
    """Where gold was seen in an average.

    Parameters
    ----------
    holes : ndarray, shape (any, any), bool
        True is gold; covers the field at its own scale, rows as the average's.
    halo_A : float
        How far fringes reach beyond it.
    field : MotionField
        The motion along which the average was made.
    """

    holes: NDArray[np.bool_]
    halo_A: float
    field: MotionField


def leave_out(gold: Gold, copies: Copies) -> None:
    """Put noise where frames show gold, in place.

    Parameters
    ----------
    gold : Gold
        Where it is.
    copies : Copies
        All frames of the movie.

    Notes
    -----
    The noise of a frame is the frame itself from another place, another one in each frame, so that it has the
    detector's spectrum and strength and nothing in common between frames. In the seam both are weighted by roots, which
    keeps the variance. Holes follow the path; the local part moves them by less than a pixel of the copies or so.
    """
    shape = copies.field_px
    away_A = ndi.distance_transform_edt(~scaled(gold.holes, shape), sampling=copies.pixel_sizes_A) - gold.halo_A
    share = share_open(away_A, _SEAM_A)
    if not (share == 1).any():
        return
    shifts = np.round(gold.field.path_A / np.array(copies.pixel_sizes_A)).astype(int)
    smooth_px = _SMOOTH_A / float(np.mean(copies.pixel_sizes_A))
    for number, shift in enumerate(shifts.tolist()):
        if copies.amplitude[number] == 0:
            continue
        place = copies.images[number, : shape[0], : shape[1]]
        here = _moved(share, shift)
        filled = _filled(place.cpu().numpy(), here, smooth_px, np.random.default_rng(number))
        place.copy_(torch.from_numpy(filled))


def _moved(share: Image, shift: list[int]) -> Image:
    """Return the shares where a frame shows them; what enters the field is open."""
    out = np.ones_like(share)
    into, source = [], []
    for wanted, side in zip(shift, share.shape, strict=True):
        far = max(-side, min(side, wanted))
        into.append(slice(max(0, far), side + min(0, far)))
        source.append(slice(max(0, -far), side - max(0, far)))
    out[tuple(into)] = share[tuple(source)]
    return out


def _filled(frame: Image, share: Image, smooth_px: float, rng: np.random.Generator) -> Image:
    open_ = (share == 1).astype(np.float32)
    slow = smoothed(frame, open_, smooth_px)
    fast = frame - slow
    offset = _best_offset(share, rng)
    noise = np.roll(fast * open_, offset, (0, 1))
    mixed = slow + np.sqrt(share) * fast + np.sqrt(1 - share) * noise
    return np.where(share == 1, frame, mixed).astype(np.float32)


def _best_offset(share: Image, rng: np.random.Generator) -> tuple[int, int]:
    """Return by how much a frame is turned round so that hardly any gold comes to lie in the holes."""
    coarse = share[::_COARSE, ::_COARSE]
    holes = 1 - coarse
    offsets = rng.integers(0, coarse.shape, (_TRIES, 2))
    offsets[(offsets == 0).all(1)] = np.array(coarse.shape) // 2
    overlaps = [float((holes * np.roll(holes, tuple(offset), (0, 1))).sum()) for offset in offsets]
    y, x = offsets[int(np.argmin(overlaps))]
    return int(y) * _COARSE, int(x) * _COARSE
