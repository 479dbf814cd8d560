"""From grey values to transmission: an average divided by its local background, with the noise that is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

__all__ = ["Flat", "flatten"]

_BLOCK = 8  # working pixels; a block of 64 Å is smaller than most beads, so that beads empty whole blocks
_SMOOTH_BLOCKS = 5.0  # background varies over more than 5 blocks of 64 Å
_DARK_SIGMAS = 2.5  # blocks this far below the background do not belong to it
_ROUNDS = 4
_LEAST_LEVEL = 0.02  # of the median background: where there are no electrons nothing can be told
_LEAST_NOISE = 0.004  # of the level: 60,000 electrons a working pixel; less noise means that there is an offset
_ASSUMED_NOISE = 0.12  # contrast noise taken for images whose grey values are no electrons


@dataclass(frozen=True, slots=True)
class Flat:
    """An average without its background.

    Parameters
    ----------
    contrast : ndarray, shape (y, x), float32
        Transmission relative to the surroundings, minus 1: 0 for ice, near -0.8 in a 10 nm bead.
    sigma : ndarray, shape (y, x), float32
        Standard deviation of its noise.
    is_physical : bool
        Whether grey values are proportional to electrons; otherwise the scale of `contrast` is a guess.
    is_blank : bool
        Nothing but a constant or darkness: there is nothing to find.
    """

    contrast: NDArray[np.float32]
    sigma: NDArray[np.float32]
    is_physical: bool
    is_blank: bool


def flatten(image: NDArray[np.float32]) -> Flat:
    """Return the contrast of an image at the working scale.

    Parameters
    ----------
    image : ndarray, shape (y, x), float32
        Grey values, finite.

    Notes
    -----
    The background is a smoothed mean of blocks, those that are dark left out. The noise is taken as proportional to
    the root of the background, its factor from the median absolute difference of diagonal neighbours.
    """
    values = image.astype(np.float64)
    noise = _difference_noise(values)
    level = float(np.median(values))
    spread = float(np.abs(values - level).mean())
    if noise <= 1e-6 * max(abs(level), spread) or min(image.shape) < 4:
        return _blank(image.shape, is_physical=level > 0)
    is_physical = _LEAST_NOISE * level < noise < 3 * level and float(np.percentile(values, 1)) > -3 * noise
    if not is_physical:
        background = _background(values)
        contrast = (values - background) * (_ASSUMED_NOISE / noise)
        return _flat(contrast, np.full(image.shape, _ASSUMED_NOISE), is_physical=False)
    background = np.maximum(_background(values), _LEAST_LEVEL * level)
    contrast = values / background - 1
    factor = _difference_noise(contrast * np.sqrt(background))
    return _flat(contrast, factor / np.sqrt(background), is_physical=True)


def _flat(contrast: NDArray[np.float64], sigma: NDArray[np.float64], *, is_physical: bool) -> Flat:
    return Flat(contrast.astype(np.float32), sigma.astype(np.float32), is_physical, is_blank=False)


def _blank(shape: tuple[int, ...], *, is_physical: bool) -> Flat:
    return Flat(np.zeros(shape, np.float32), np.ones(shape, np.float32), is_physical, is_blank=True)


def _difference_noise(values: NDArray[np.float64]) -> float:
    """Return the standard deviation of white noise, from second differences, which slopes do not touch."""
    if min(values.shape) < 2:
        return 0.0
    differences = values[1:, 1:] - values[1:, :-1] - values[:-1, 1:] + values[:-1, :-1]
    return float(np.median(np.abs(differences)) * 1.4826 / 2)


def _background(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smooth level around each pixel, dark places left out."""
    blocks = _block_means(values)
    weight = np.ones_like(blocks)
    smooth = blocks
    for _ in range(_ROUNDS):
        share = ndi.gaussian_filter(weight, _SMOOTH_BLOCKS, mode="nearest")
        smooth = ndi.gaussian_filter(weight * blocks, _SMOOTH_BLOCKS, mode="nearest") / np.maximum(share, 1e-3)
        smooth = np.where(share > 1e-3, smooth, blocks)
        rest = blocks - smooth
        sigma = 1.4826 * float(np.median(np.abs(rest - np.median(rest)))) + 1e-12
        weight = (rest > -_DARK_SIGMAS * sigma).astype(np.float64)
    rows, columns = (
        np.clip((np.arange(side) + 0.5) * count / side - 0.5, 0, count - 1)
        for side, count in zip(values.shape, blocks.shape, strict=True)
    )
    return np.asarray(_interpolated(smooth, rows, columns))


def _block_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = [max(1, round(side / _BLOCK)) for side in values.shape]
    starts = [np.arange(count) * side // count for side, count in zip(values.shape, counts, strict=True)]
    sizes = [np.diff(np.append(start, side)) for start, side in zip(starts, values.shape, strict=True)]
    sums = np.add.reduceat(np.add.reduceat(values, starts[0], axis=0), starts[1], axis=1)
    return np.asarray(sums / (sizes[0][:, None] * sizes[1][None, :]))


def _interpolated(
    grid: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a linear interpolation of the grid at rows × columns."""
    for axis, at in ((0, rows), (1, columns)):
        low = np.minimum(at.astype(int), max(grid.shape[axis] - 2, 0))
        high = np.minimum(low + 1, grid.shape[axis] - 1)
        part = np.expand_dims(at - low, 1 - axis)
        grid = grid.take(low, axis) * (1 - part) + grid.take(high, axis) * part
    return grid
