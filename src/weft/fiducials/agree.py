"""Two witnesses: what the network sees and what the sphere fit finds, brought together."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft as sfft
import scipy.ndimage as ndi
from numpy.typing import NDArray

from weft.fiducials.calibrate import at_rim, of_fitted, of_laid, outside_share
from weft.fiducials.flatten import Flat
from weft.fiducials.render import Spot, draw_spots
from weft.fiducials.sample import WORKING_PIXEL_A

__all__ = ["Agreement", "agree", "mean_inside", "pieces", "size_of_pieces"]

_LEAST_NEW = 0.3  # of its disc a further bead must show beside beads already found
_LEAST_INSIDE = 0.7  # mean probability inside a disc that the network alone puts forward
_LEAST_AREA = 20.0  # working pixels, as Warp drops smaller masks
_DARK = -0.3  # contrast that gold has at least, without a phase plate
_ROUND = 0.6  # share that a component fills of the circle around it
_MOST = 3000


@dataclass(frozen=True, slots=True)
class Agreement:
    """Beads as spots, surest first, and their common diameter in Å."""

    spots: list[Spot]
    diameter_A: float | None


def agree(gold: NDArray[np.float32], flat: Flat, fitted: list[Spot], diameter_A: float | None) -> Agreement:
    """Return the beads that both witnesses bear out.

    Parameters
    ----------
    gold : ndarray, shape (y, x), float32
        The network's probability of gold.
    flat : Flat
        The contrast it was made from.
    fitted : list of Spot
        What the sphere fit found.
    diameter_A : float or None
        Of the beads after the sphere fit, or as given; None if it found none.

    Notes
    -----
    How sure a bead is follows from both, see `weft.fiducials.calibrate`. Where the network sees gold that no fitted
    bead covers (overlapping beads, beads on crystals), discs of the common diameter are laid into it, unless the grey
    values are no electrons: then only what both see counts.
    """
    shape = gold.shape
    spots = []
    for spot in fitted:
        share = outside_share(spot, shape)  # the sphere fit's probability has it already
        fit = spot.probability / share
        sure = of_fitted(fit, mean_inside(gold, spot))
        spots.append(replace(spot, probability=share * sure))
    if not flat.is_physical:
        return Agreement(sorted(spots, key=lambda s: -s.probability), diameter_A)
    if diameter_A is None:
        diameter_A = size_of_pieces(gold, flat)
        if diameter_A is None:
            return Agreement([], None)
    radius = 0.5 * diameter_A / WORKING_PIXEL_A
    spots += _laid_into(gold, spots, radius)
    return Agreement(sorted(spots, key=lambda s: -s.probability), diameter_A)


def pieces(gold: NDArray[np.float32]) -> list[Spot]:
    """Return each connected piece of gold as the disc of its centre and area, surest first.

    Parameters
    ----------
    gold : ndarray, shape (y, x), float32
        Probability of gold.
    """
    labels, count = ndi.label(gold > 0.5)
    numbers = np.arange(1, count + 1)
    if not count:
        return []
    areas = ndi.sum_labels(np.ones_like(gold), labels, numbers)
    centres = np.asarray(ndi.center_of_mass(gold, labels, numbers))
    means = ndi.mean(gold, labels, numbers)
    spots = [
        Spot(float(centre[0]), float(centre[1]), math.sqrt(float(area) / math.pi), float(mean))
        for centre, area, mean in zip(centres, areas, means, strict=True)
        if area >= _LEAST_AREA
    ]
    return sorted(spots, key=lambda s: -s.probability)


def mean_inside(gold: NDArray[np.float32], spot: Spot) -> float:
    """Return the mean probability of gold inside a spot, over its part in the field."""
    reach = math.ceil(spot.radius)
    rows = np.arange(max(0, round(spot.y) - reach), min(gold.shape[0], round(spot.y) + reach + 1))
    columns = np.arange(max(0, round(spot.x) - reach), min(gold.shape[1], round(spot.x) + reach + 1))
    if not len(rows) or not len(columns):
        return 0.0
    inner = np.hypot(rows[:, None] - spot.y, columns[None, :] - spot.x) <= max(1.0, 0.8 * spot.radius)
    return float(gold[np.ix_(rows, columns)][inner].mean()) if inner.any() else 0.0


def size_of_pieces(gold: NDArray[np.float32], flat: Flat) -> float | None:
    """Return the diameter (Å) of round, dark, separate pieces of gold; None if there are none."""
    labels, count = ndi.label(gold > 0.5)
    if not count:
        return None
    height, width = gold.shape
    areas = []
    for number, (rows, columns) in enumerate(ndi.find_objects(labels), 1):
        if rows.start == 0 or columns.start == 0 or rows.stop == height or columns.stop == width:
            continue
        piece = labels[rows, columns] == number
        area, around = float(piece.sum()), 0.25 * math.pi * max(piece.shape) ** 2
        if area >= _LEAST_AREA and area / around >= _ROUND and flat.contrast[rows, columns][piece].mean() < _DARK:
            areas.append(area)
    return 2 * math.sqrt(float(np.median(areas)) / math.pi) * WORKING_PIXEL_A if areas else None


def _laid_into(gold: NDArray[np.float32], spots: list[Spot], radius: float) -> list[Spot]:
    """Return further discs, one after the other, each where it covers most gold that is not covered yet."""
    shape = gold.shape
    covering = [s for s in spots if s.probability >= 0.5 * outside_share(s, shape)]
    has_sure = any(s.probability >= 0.5 for s in spots)  # of the sphere fit, within the field
    covered = draw_spots(shape, [replace(s, radius=s.radius + 1, probability=1.0) for s in covering])
    left = gold * (gold > 0.5) * (covered == 0)
    rim = math.ceil(radius)
    new: list[Spot] = []
    area = math.pi * radius**2
    scores = _disc_sums(left, radius, rim)
    seen = np.maximum(_disc_sums(np.ones_like(gold), 0.8 * radius, rim), 1)
    inner = np.asarray(_disc_sums(gold, 0.8 * radius, rim) / seen, dtype=np.float32)
    scores = np.where(inner >= _LEAST_INSIDE, scores, 0)
    while len(new) < _MOST:
        y, x = np.unravel_index(int(scores.argmax()), scores.shape)
        if scores[y, x] < max(_LEAST_NEW * area, 0.5 * _LEAST_AREA):
            break
        sure = of_laid(float(min(1.0, inner[y, x])), has_sure=has_sure)
        spot = at_rim(Spot(float(y - rim), float(x - rim), radius, sure), gold.shape)
        new.append(spot)
        scores = _without(scores, left, spot, radius, rim, inner)
    return new


def _without(
    scores: NDArray[np.float32],
    left: NDArray[np.float32],
    spot: Spot,
    radius: float,
    rim: int,
    inner: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Take a disc's gold away, and bring the sums around it up to date."""
    reach = 3 * math.ceil(radius + 2)
    y, x = round(spot.y), round(spot.x)
    rows, columns = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
    part = left[rows, columns]
    away = np.hypot(
        np.arange(part.shape[0])[:, None] + rows.start - y, np.arange(part.shape[1])[None, :] + columns.start - x
    )
    part[away <= radius + 1.5] = 0
    fresh = _disc_sums(part, radius, rim)
    out = scores
    place = np.s_[rows.start : rows.start + fresh.shape[0], columns.start : columns.start + fresh.shape[1]]
    far = reach - math.ceil(radius)
    gy, gx = np.ogrid[: fresh.shape[0], : fresh.shape[1]]
    near = np.hypot(gy + rows.start - rim - y, gx + columns.start - rim - x) < far
    target = out[place]
    target[near] = np.where(inner[place] >= _LEAST_INSIDE, fresh, 0)[near]
    return out


def _disc_sums(image: NDArray[np.float32], radius: float, rim: int) -> NDArray[np.float32]:
    """Return sums over discs around each pixel, `rim` pixels beyond the field included."""
    at = np.arange(-math.ceil(radius), math.ceil(radius) + 1)
    disc = (np.hypot(at[:, None], at[None, :]) <= radius).astype(np.float32)
    padded = np.pad(image, rim)
    shape = [sfft.next_fast_len(n + len(disc), real=True) for n in padded.shape]
    sums = sfft.irfft2(sfft.rfft2(padded, shape) * sfft.rfft2(disc, shape), shape)
    half = len(disc) // 2
    return np.asarray(sums[half : half + padded.shape[0], half : half + padded.shape[1]], dtype=np.float32)
