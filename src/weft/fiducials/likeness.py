"""How much a place looks like a bead, pixel by pixel: what lies over a part of a bead takes that part away, no more.

Under a phase plate protein is as dark as gold, and a fit by least squares cannot tell a bead under a protein from two
proteins. But where it is not covered, a bead agrees with its image to within the noise, right up to a sharp rim, and
what covers it makes it darker: hardly a pixel of its disc is brighter than gold can be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from weft.fiducials.flatten import Flat
from weft.fiducials.sample import WORKING_PIXEL_A
from weft.fiducials.template import Optics, shifted_contrasts

__all__ = ["Likeness", "likeness"]

_RIM = 1.5  # working pixels beyond the bead that are looked at
_REACH = 3  # quarter pixels by which the centre may lie off the place, each way
_MODEL_ERROR = 0.05  # of contrast: real beads are not quite spheres of known defocus
_TOLERANCE = 1.5  # sigmas at which a pixel counts half
_MOST_OFFSET = 0.8  # sigmas that the level around a bead may be off
_MOST_STEPS = 4  # by which the centre is followed beyond that
_LEAST_SHARE = 0.3  # of the disc must lie in the field
_HALVES = 8
_BRIGHT, _BESIDE = 0.95, 0.75  # shares of pixels that are darker than what is told of the disc and of its rim
_RIM_FROM = 0.5  # working pixels beyond the bead where its rim begins
_MOST_OFF = 5.0  # sigmas: beyond this it does not matter how much is told of either

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Share of pixels that agree with a bead's image, 0 to about 0.75 for a perfect bead: one value a place.

    Parameters
    ----------
    whole : ndarray, shape (place,)
        In the disc and its rim.
    half : ndarray, shape (place,)
        In the half, cut through the centre, that agrees best.
    gain : ndarray, shape (place,)
        `whole`, less what it is for no bead: near 0 where noise hides everything.
    bright : ndarray, shape (place,)
        Sigmas by which the brightest twentieth of the disc exceeds a bead's image: high where protein is taken for gold.
    beside : ndarray, shape (place,)
        The same for the brightest quarter of the rim: low where what is dark goes on beyond the bead.
    y, x : ndarray, shape (place,)
        Centre, to a quarter pixel.
    """

    whole: Values
    half: Values
    gain: Values
    bright: Values
    beside: Values
    y: Values
    x: Values


@dataclass(frozen=True, slots=True)
class _Kind:
    """The pixels around a bead, nearest first, for each shift of its centre; `reach` pixels each way hold them."""

    reach: int
    shifts: Values  # [shift, 2] (y, x)
    pixels: NDArray[np.intp]  # [shift, n] in the square of 2 reach + 1 pixels
    transmission: Values  # [shift, n] of the bead
    halves: Values  # [shift, half, n] 1 in it
    core: Values  # [shift, n] 1 in the disc
    rim: Values  # [shift, n] 1 beyond it


def likeness(flat: Flat, places: NDArray[np.intp], diameter_A: float, optics: Sequence[Optics]) -> Likeness:
    """Return how much places look like beads of a diameter.

    Parameters
    ----------
    flat : Flat
        The average's contrast at the working scale.
    places : ndarray, shape (place, 2), int
        Pixels (y, x), in the field or a little beyond, near a centre.
    diameter_A : float
        Of the beads.
    optics : sequence of Optics
        The one that agrees best counts.

    Notes
    -----
    What is left after dividing by the bead's transmission is set against the noise; a pixel that is z sigmas off counts
    1 / (1 + (z / 1.5)²).
    """
    kinds = [_kind(diameter_A, one) for one in optics]
    reach = kinds[0].reach
    contrast = np.pad(flat.contrast, 2 * reach, constant_values=np.nan)
    sigma = np.pad(flat.sigma, 2 * reach, mode="edge")
    last = np.array(flat.contrast.shape) + reach - 1
    out = np.zeros((7, len(places)), np.float32)
    for number, place in enumerate(places.tolist()):
        y, x = np.clip(place, -reach, last).tolist()
        for _ in range(_MOST_STEPS):
            part = contrast[y + reach : y + 3 * reach + 1, x + reach : x + 3 * reach + 1].ravel()
            found = max(_at(part, float(sigma[y + 2 * reach, x + 2 * reach]), kind) for kind in kinds)
            dy, dx = found[-2:]
            out[:, number] = *found[:-2], y + dy, x + dx
            if max(abs(dy), abs(dx)) <= 0.5:
                break
            y, x = np.clip((y + round(dy), x + round(dx)), -reach, last).tolist()
    return Likeness(*out)


def _at(part: Values, sigma: float, kind: _Kind) -> tuple[float, ...]:
    """Return the values of `Likeness` at the best shift, but for the place that shift (y, x)."""
    values = part[kind.pixels]
    is_seen = np.isfinite(values)
    if is_seen.mean() < _LEAST_SHARE:
        return (0.0,) * 7
    off = _sigmas_off(values, is_seen, kind.transmission, sigma)
    agrees = _agreement(off, is_seen)
    whole = agrees.sum(1) / is_seen.sum(1)
    best = int(whole.argmax())
    middle = len(values) // 2  # no shift
    here = is_seen[middle]
    plain = _agreement(_sigmas_off(values[middle], here, np.float32(1), sigma), here).sum() / here.sum()
    seen = is_seen[best].astype(np.float32)
    in_half = kind.halves[best] @ seen
    halves = kind.halves[best] @ agrees[best] / np.maximum(in_half, 1)
    half = halves[in_half >= 0.5 * in_half.max()].max()
    bright = _reached(off[best], seen * kind.core[best], _BRIGHT)
    beside = _reached(off[best], seen * kind.rim[best], _BESIDE)
    dy, dx = kind.shifts[best].tolist()
    return float(whole[best]), float(half), float(whole[best] - plain), bright, beside, dy, dx


def _sigmas_off(values: Values, is_seen: NDArray[np.bool_], transmission: Values | np.float32, sigma: float) -> Values:
    """Return how much brighter each pixel is than a transmission, in sigmas; the last axis holds one place's pixels."""
    z = ((1 + values) / transmission - 1) / np.sqrt(sigma**2 / transmission + _MODEL_ERROR**2)
    level = (np.median if is_seen.all() else np.nanmedian)(z, -1, keepdims=True)
    return np.asarray(z - np.clip(level, -_MOST_OFFSET, _MOST_OFFSET))


def _agreement(off: Values, is_seen: NDArray[np.bool_]) -> Values:
    """Return how far pixels agree that are some sigmas off, 0..1."""
    return np.where(is_seen, 1 / (1 + (off / _TOLERANCE) ** 2), 0)


def _reached(off: Values, chosen: Values, share: float) -> float:
    """Return what a share of the chosen pixels stays below, in sigmas; 0 if there are none."""
    some = off[chosen > 0]
    return float(np.clip(np.quantile(some, share), -_MOST_OFF, _MOST_OFF)) if len(some) else 0.0


@lru_cache(maxsize=32)
def _kind(diameter_A: float, optics: Optics) -> _Kind:
    """Return what `likeness` needs to know of beads; not to be written to."""
    radius = 0.5 * diameter_A / WORKING_PIXEL_A
    margin = _RIM + 0.25 * _REACH + 1
    images = shifted_contrasts(0.5 * diameter_A, optics, _REACH, margin_A=margin * WORKING_PIXEL_A)
    images = images.reshape(-1, *images.shape[2:])
    shifts = np.arange(-_REACH, _REACH + 1) / 4
    dy, dx = (a.ravel()[:, None] for a in np.meshgrid(shifts, shifts, indexing="ij"))
    reach = images.shape[1] // 2
    y, x = (a.ravel()[None, :] for a in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    away = np.hypot(y - dy, x - dx)
    count = round(math.pi * (radius + _RIM) ** 2)
    pixels = np.argsort(away, 1, kind="stable")[:, :count]
    transmission = np.maximum(1 + np.take_along_axis(images.reshape(len(images), -1), pixels, 1), 0.1)
    gy, gx = (np.take_along_axis(np.broadcast_to(a, away.shape) - b, pixels, 1) for a, b in ((y, dy), (x, dx)))
    turns = np.arange(_HALVES) * (2 * math.pi / _HALVES)
    halves = np.cos(turns)[None, :, None] * gy[:, None] + np.sin(turns)[None, :, None] * gx[:, None] > 0
    near = np.take_along_axis(away, pixels, 1)
    parts = (a.astype(np.float32) for a in (halves, near <= radius, near > radius + _RIM_FROM))
    moved = np.concatenate([dy, dx], 1).astype(np.float32)
    return _Kind(reach, moved, pixels, transmission, *parts)
