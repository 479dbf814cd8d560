"""Hot pixels, dead pixels and X-rays, by tests that know the statistics of counting.

Notes
-----
Counts scatter as a (quasi-)Poisson variable about the mean of their surroundings. A pixel is hot if its sum over the
frames is too high for chance, dead if it is zero where many counts are expected; an X-ray is a pixel too high in one
frame. The levels are set so that ten movies without any flaw have about one false positive together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

__all__ = ["Background", "find_background", "find_dead", "find_hot", "poisson_limit", "replacement_sources"]

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Places = NDArray[np.intp]

FALSE_POSITIVES = 0.1  # expected per movie, of each kind
_BLOCK = 8  # side of the blocks whose means, 3 × 3 of them, are the surroundings
_BAND = 32 * _BLOCK  # rows worked on at once
_SAMPLED_BANDS = 16  # of blocks, that the dispersion is taken from
_GAUSSIAN_LIMIT = 12.0  # standard deviations, for images that are no counts
_DEAD_COUNTS = 25.0  # expected counts from which a zero has a chance of e^-25
_LEAST_MEAN = 1e-4


@dataclass(frozen=True, slots=True)
class Background:
    """What the sum of the frames is expected to be.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the frames.
    blocks : ndarray, shape (y // 8, x // 8 rounded up), float32
        Upper estimate of the mean about each block of 8 × 8 pixels: mean counts and two standard deviations of them.
    middle : float
        Median of the blocks' means.
    dispersion : float
        Variance over mean, 1 for counted electrons; nan for images that are no counts.
    total : ndarray, shape (y, x), float32
        The sum itself.
    """

    shape: tuple[int, int]
    blocks: Image
    middle: float
    dispersion: float
    total: Image

    @property
    def is_counts(self) -> bool:
        """Whether the statistics of counting apply."""
        return bool(np.isfinite(self.dispersion))

    def expected(self, places: Places) -> NDArray[np.float64]:
        """Return what is expected in the sum at flat indices, not less than a quarter of what is usual.

        Beside the edge of a bead or a hole, the mean of the surroundings says too little.
        """
        y, x = np.divmod(places, self.shape[1])
        return np.asarray(np.maximum(self.blocks[y // _BLOCK, x // _BLOCK].astype(np.float64), self.least))

    def beyond_chance(
        self, places: Places, values: NDArray[np.float64], share: float, level: float
    ) -> NDArray[np.bool_]:
        """Return which values, of frames that hold a share of all counts, chance does not reach.

        A pixel must be beyond what its surroundings and what its eight neighbours let expect: fine and strong
        structure is no flaw. The three largest neighbours do not count: an X-ray may have hit them as well, and in
        super-resolution a hot pixel is four.
        """
        is_far = values > poisson_limit(share * self.expected(places), self.dispersion, level)
        rest = np.flatnonzero(is_far)
        seen = np.sort(_neighbours(self.total, places[rest]), axis=0)[:-3].sum(axis=0, dtype=np.float64)
        upper = np.maximum((seen + 2 * np.sqrt(np.maximum(seen, 0) * self.dispersion)) / 5, self.least)
        is_far[rest] = values[rest] > poisson_limit(share * upper, self.dispersion, level)
        return is_far

    @property
    def least(self) -> float:
        """What `expected` is at least."""
        return max(0.25 * self.middle, _LEAST_MEAN)

    @property
    def lowest(self) -> float:
        """The smallest value of `expected` of all pixels: below its limit nothing is beyond chance."""
        return max(float(self.blocks.min()), self.least)


def find_background(total: Image, bad: Mask | None, *, is_integer: bool) -> Background:
    """Return the background of a sum of frames.

    Parameters
    ----------
    total : ndarray, shape (y, x), float32
        Sum of the corrected frames.
    bad : ndarray, shape (y, x), bool, optional
        Pixels known to be bad; they do not count.
    is_integer : bool
        The frames are whole numbers, so a dispersion below 1 is not believed.
    """
    shape = (total.shape[0], total.shape[1])
    sample = total[::7, ::7]
    cut = float(np.quantile(sample, 0.999)) or float(sample.max())
    usual = float(np.minimum(sample, cut).mean(dtype=np.float64))
    if usual < 0 or float(total.min()) < -1e-6 * max(1.0, float(total.max())):
        sums, counts = _block_sums(total, bad, np.inf)
        means = ndimage.uniform_filter(sums / np.maximum(counts, 1), 3, mode="reflect")
        return Background(shape, means.astype(np.float32), float(np.median(means)), float("nan"), total)
    dispersion = _dispersion(total, bad)
    dispersion = max(1.0, dispersion) if is_integer else dispersion
    ceiling = float(poisson_limit(np.array([max(8 * usual, 0.01)]), dispersion, 1e-9)[0])
    sums, counts = _block_sums(total, bad, ceiling)
    seen, pixels = _about(sums), _about(counts)
    middle = float(np.median(seen / np.maximum(pixels, 1)))
    upper = seen + 2 * np.sqrt(seen * dispersion) + 2 * dispersion
    upper = np.where(pixels > 0, upper / np.maximum(pixels, 1), middle)
    return Background(shape, upper.astype(np.float32), middle, dispersion, total)


def find_hot(total: Image, background: Background, bad: Mask | None) -> Places:
    """Return the flat indices of pixels whose sum over the frames cannot be chance."""
    if not background.is_counts:
        return _far_out(total, background, bad)
    level = FALSE_POSITIVES / total.size
    lowest = float(poisson_limit(np.array([background.lowest]), background.dispersion, level)[0])
    places = np.flatnonzero(total > lowest)
    values = total.reshape(-1)[places].astype(np.float64)
    places = places[background.beyond_chance(places, values, 1.0, level)]
    return places if bad is None else places[~bad.reshape(-1)[places]]


def find_dead(total: Image, background: Background, bad: Mask | None) -> Places:
    """Return the flat indices of pixels without counts where many are expected, and of lines far below the others."""
    if not background.is_counts:
        return np.empty(0, dtype=np.intp)
    places = np.empty(0, dtype=np.intp)
    if float(background.blocks.max()) > _DEAD_COUNTS * background.dispersion:
        places = np.flatnonzero(total <= 0)
        places = places[background.expected(places) > _DEAD_COUNTS * background.dispersion]
    line_counts = background.middle * min(total.shape) / background.dispersion
    if min(total.shape) >= 32 and line_counts > 10 * _DEAD_COUNTS:
        places = np.union1d(places, np.flatnonzero(_dead_lines(total)))
    return places if bad is None else places[~bad.reshape(-1)[places]]


def poisson_limit(expected: NDArray[np.float64], dispersion: float, level: float) -> NDArray[np.float64]:
    """Return the largest value that a pixel of a given expectation reaches by chance.

    Parameters
    ----------
    expected : ndarray, float64
        Mean counts, above 0.
    dispersion : float
        Variance over mean.
    level : float
        Chance of exceeding the limit.

    Notes
    -----
    A value of mean m and dispersion φ is treated as φ times a Poisson number of mean m/φ. The limit is the smallest
    k with P(K > k) < level, read from a table of 400 means: that of the next larger mean, so it is never too low.
    """
    if not expected.size:
        return np.empty(0)
    means = np.geomspace(expected.min() / dispersion, 1.0001 * expected.max() / dispersion, 400)
    table = dispersion * _poisson_quantile(means, level)
    return np.asarray(table[np.minimum(np.searchsorted(means, expected / dispersion), 399)])


def replacement_sources(bad: Mask, places: Places, rng: np.random.Generator, choices: int = 1) -> Places:
    """Return for bad pixels some good pixels nearby, whose values can stand for them.

    A value taken from a neighbour keeps the noise as it is; a mean would leave a smooth spot.

    Parameters
    ----------
    bad : ndarray, shape (y, x), bool
        Pixels that cannot be sources.
    places : ndarray, shape (n,)
        Flat indices of the pixels to replace.
    rng : Generator
        Chooses.
    choices : int
        Sources per pixel; frames take turns.

    Returns
    -------
    ndarray, shape (choices, n)
        Flat indices of good pixels; of the pixel itself where there is none.
    """
    sources = np.full((choices, len(places)), -1, dtype=np.intp)
    rows, columns = np.divmod(places, bad.shape[1])
    for radius in (2, 4, 8, 16):
        for choice in range(choices):
            todo = np.flatnonzero(sources[choice] < 0)
            offsets = rng.integers(-radius, radius + 1, size=(2, len(todo)))
            y = np.clip(rows[todo] + offsets[0], 0, bad.shape[0] - 1)
            x = np.clip(columns[todo] + offsets[1], 0, bad.shape[1] - 1)
            good = ~bad[y, x]
            sources[choice, todo[good]] = y[good] * bad.shape[1] + x[good]
    if bad.all():
        return np.broadcast_to(places, sources.shape)
    if (sources < 0).any():
        nearest = ndimage.distance_transform_edt(bad, return_distances=False, return_indices=True)
        flat = nearest[0][rows, columns] * bad.shape[1] + nearest[1][rows, columns]
        sources = np.where(sources < 0, flat[None], sources)
    return sources


def _bands(rows: int) -> Iterator[slice]:
    for start in range(0, rows, _BAND):
        yield slice(start, min(rows, start + _BAND))


def _block_sums(total: Image, bad: Mask | None, ceiling: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sum and number of the good pixels of each block, values cut at a ceiling."""
    sums = np.concatenate(
        [
            _in_blocks(_masked(np.minimum(total[band], np.float32(ceiling)), bad, band))
            for band in _bands(total.shape[0])
        ]
    )
    if bad is None:
        sides = [np.minimum(_BLOCK, side - np.arange(0, side, _BLOCK)) for side in total.shape]
        return sums, np.outer(*sides).astype(np.float64)
    ones = np.ones((1, total.shape[1]), dtype=np.float32)
    counts = [_in_blocks(_masked(np.repeat(ones, len(bad[band]), 0), bad, band)) for band in _bands(total.shape[0])]
    return sums, np.concatenate(counts)


def _masked(values: Image, bad: Mask | None, band: slice) -> Image:
    """Set the bad pixels of a band of rows to 0, in place."""
    if bad is not None:
        values[bad[band]] = 0
    return values


def _in_blocks(values: Image) -> NDArray[np.float64]:
    """Return the sums of blocks of rows and columns; the last ones may be smaller."""
    whole = len(values) // _BLOCK * _BLOCK
    rows = values[:whole].reshape(-1, _BLOCK, values.shape[1]).sum(axis=1)
    if whole < len(values):
        rows = np.concatenate((rows, values[whole:].sum(axis=0, keepdims=True)))
    return np.add.reduceat(rows, np.arange(0, values.shape[1], _BLOCK), axis=1).astype(np.float64)


def _about(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sums over 3 × 3 blocks, mirrored at the edges."""
    return np.asarray(np.maximum(9 * ndimage.uniform_filter(blocks, 3, mode="reflect"), 0))


def _dispersion(total: Image, bad: Mask | None) -> float:
    """Return variance over mean within blocks, the median of many: contrast and flaws sit in few of them."""
    height, width = (side // _BLOCK * _BLOCK for side in total.shape)
    if height == 0 or width == 0:
        return 1.0
    starts = np.unique(np.linspace(0, height - _BLOCK, _SAMPLED_BANDS * 8).astype(int) // _BLOCK * _BLOCK)
    rows = (starts[:, None] + np.arange(_BLOCK)).reshape(-1)
    values = total[rows, :width].astype(np.float64)
    if bad is not None:
        values[bad[rows, :width]] = np.nan
    blocks = values.reshape(-1, _BLOCK, width // _BLOCK, _BLOCK).transpose(0, 2, 1, 3).reshape(-1, _BLOCK * _BLOCK)
    means, variances = blocks.mean(axis=1), blocks.var(axis=1, ddof=1)
    ratios = variances[means > 0] / means[means > 0]  # a block with a bad pixel has no mean and is left out
    return float(np.median(ratios)) or 1.0 if ratios.size else 1.0


def _dead_lines(total: Image) -> Mask:
    """Return columns and rows that count less than a fifth of their neighbours."""
    dead = np.zeros(total.shape, dtype=bool)
    for axis in (0, 1):
        ones = np.ones(total.shape[axis], dtype=np.float32)
        line = ones @ total if axis == 0 else total @ ones
        low = line < 0.2 * ndimage.median_filter(line, 15, mode="reflect")
        dead |= low[None, :] if axis == 0 else low[:, None]
    return dead


def _far_out(total: Image, background: Background, bad: Mask | None) -> Places:
    """Return pixels that stand out from images that are no counts, such as averages of other programs.

    They must stand out from all of their eight neighbours but one, too, which the pixels of a bead do not.
    """
    width = total.shape[1]
    sample = np.arange(0, total.size, max(1, total.size // 500_000))
    flat = total.reshape(-1)
    expected = background.blocks[sample // width // _BLOCK, sample % width // _BLOCK]
    sigma = 1.4826 * float(np.median(np.abs(flat[sample] - expected))) or float(total.std(dtype=np.float64)) or 1.0
    found = []
    for band in _bands(total.shape[0]):
        rows = np.arange(band.start, band.stop) // _BLOCK
        about = np.repeat(background.blocks[rows], _BLOCK, axis=1)[:, :width]
        found.append(np.flatnonzero(np.abs(total[band] - about) > _GAUSSIAN_LIMIT * sigma) + band.start * width)
    places = np.concatenate(found)
    y, x = np.divmod(places, width)
    around = np.stack(
        [
            total[np.clip(y + dy, 0, total.shape[0] - 1), np.clip(x + dx, 0, width - 1)]
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
            if dy or dx
        ]
    )
    apart = np.sort(np.abs(flat[places] - around), axis=0)[1]
    places = places[apart > _GAUSSIAN_LIMIT * sigma]
    return np.asarray(places if bad is None else places[~bad.reshape(-1)[places]])


def _neighbours(image: Image, places: Places) -> Image:
    """Return the eight neighbours of pixels, shape (8, place)."""
    y, x = np.divmod(places, image.shape[1])
    return np.stack(
        [
            image[np.clip(y + dy, 0, image.shape[0] - 1), np.clip(x + dx, 0, image.shape[1] - 1)]
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
            if dy or dx
        ]
    )


def _poisson_quantile(means: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return the smallest k with P(K > k) < level for Poisson numbers of the given means."""
    low, high = np.full(len(means), -1.0), np.ceil(means + 10 * np.sqrt(means * -np.log(level)) - 4 * np.log(level))
    while np.any(high - low > 1):  # P(K > low) ≥ level > P(K > high)
        middle = np.floor((low + high) / 2)
        enough = special.pdtrc(middle, means) < level
        high = np.where(enough, middle, high)
        low = np.where(enough, low, middle)
    return np.asarray(high, dtype=np.float64)
