"""How a gain reference lies on the movies, told by the movies; a gain, and defects, from the movies alone.

Notes
-----
A sum of raw frames holds the camera's fixed pattern: a pixel that counts 5 % too much does so in every frame. Divided by
its local mean, the sum is r = u + noise with u = 1/g - 1 if the reference g is to be multiplied, u = g - 1 if it is to
be divided by. The slope of r on u is 1 for the right way, about 0 for all others, and 0 for all if the movies are
corrected already. Its standard deviation, sd(r) / (sd(u) √pixels), says how much the movies can tell.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weft.errors import InputError
from weft.movie.gain import fit_gain, turn
from weft.movie.outliers import find_background, find_dead, find_hot
from weft.settings.schema import InputSettings

__all__ = ["Estimate", "Orientation", "OrientationVerdict", "Pattern", "estimate_gain", "find_orientation"]

_T = TypeVar("_T", bound=np.generic)

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

Outcome = Literal["found", "already corrected", "other data", "undecided"]

_BOX = 9  # px of the local mean
_WIDE_BOX = 33  # px of the local mean when a gain is estimated, so that steps between blocks of columns stay
_MIDDLE_PX = 4096  # the middle of the field tells enough
_CUT = 5.0  # standard deviations at which residuals are cut
_ENOUGH = 8.0  # standard deviations of the slope that decide
_RIVAL = 0.7  # of the best score, that no other way may reach
_NOTHING = 0.15  # slope below which no pattern is left
_SLOPES = (0.3, 1.7)


@dataclass(frozen=True, slots=True)
class Orientation:
    """One way to apply a reference, and what the movies say about it.

    Parameters
    ----------
    flip_x, flip_y, transpose : bool
        Steps in this order, as in the settings.
    mode : str
        ``multiply`` or ``divide``.
    slope : float
        Part of the reference's pattern that the movies show: 1 if it is theirs and this way is right.
    score : float
        The slope in standard deviations.
    """

    flip_x: bool
    flip_y: bool
    transpose: bool
    mode: Literal["multiply", "divide"]
    slope: float
    score: float

    @property
    def settings(self) -> dict[str, bool | str]:
        """The keys of ``[input]``."""
        return {
            "gain_flip_x": self.flip_x,
            "gain_flip_y": self.flip_y,
            "gain_transpose": self.transpose,
            "gain_mode": self.mode,
        }


@dataclass(frozen=True, slots=True)
class OrientationVerdict:
    """What the movies say about a reference.

    Parameters
    ----------
    outcome : str
        ``found``, ``already corrected``, ``other data`` or ``undecided``.
    reason : str
        Why, in a sentence.
    ways : tuple of Orientation
        All that fit the frames, the best first.
    margin : float
        Standard deviations between the best way and the next one.
    """

    outcome: Outcome
    reason: str
    ways: tuple[Orientation, ...]
    margin: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A gain reference made from movies.

    Parameters
    ----------
    gain : ndarray, shape (y, x), float32
        To multiply by, as the movies lie; mean 1, 0 where a pixel is bad.
    bad : ndarray, shape (y, x), bool
        Hot and dead pixels.
    pattern, noise : float
        Relative standard deviations of the fixed pattern and of the noise it was seen through.
    outcome : str
        ``good``, ``weak`` or ``none needed``.
    reason : str
        Why, in a sentence.
    """

    gain: Image
    bad: Mask
    pattern: float
    noise: float
    outcome: Literal["good", "weak", "none needed"]
    reason: str


class Pattern:
    """The fixed pattern of a camera, from the sums of movies, added one by one.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the frames.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.total = np.zeros(shape, dtype=np.float32)
        self.movies = 0
        self._residuals = np.zeros(tuple(min(side, _MIDDLE_PX) for side in shape), dtype=np.float32)
        self._squares = 0.0
        self._hot = np.zeros(shape, dtype=np.uint8)

    def add(self, total: Image, *, is_integer: bool) -> None:
        """Add the sum of a movie's raw frames."""
        self.total += total
        self.movies += 1
        residual = _residual(_middle(total), None)
        self._residuals += residual
        self._squares += float(np.mean(np.square(residual, dtype=np.float64)))
        background = find_background(total, None, is_integer=is_integer)
        flat = self._hot.reshape(-1)
        flat[find_hot(total, background, None)] += 1

    @property
    def electrons(self) -> float:
        """Counts per pixel in all movies together."""
        return float(self.total.mean(dtype=np.float64))

    @property
    def shared_variance(self) -> float | None:
        """Relative variance of what all movies have in common; None for a single movie."""
        if self.movies < 2:
            return None
        both = float(np.mean(np.square(self._residuals, dtype=np.float64)))
        return (both - self._squares) / (self.movies * (self.movies - 1))

    @property
    def hot(self) -> Mask:
        """Pixels that are hot in more than half of the movies; X-rays are not."""
        return np.asarray(2 * self._hot.astype(int) > self.movies)


def find_orientation(pattern: Pattern, gain: NDArray[np.generic], path: Path) -> OrientationVerdict:
    """Try the eight orientations of a reference, to be multiplied and divided by.

    Parameters
    ----------
    pattern : Pattern
        Of raw movies.
    gain : ndarray, shape (y, x)
        The reference as read.
    path : Path
        Its file, for messages.

    Raises
    ------
    InputError
        If it fits the frames in no orientation.
    """
    residual = _residual(_middle(pattern.total), _middle(pattern.hot))
    ways: list[Orientation] = []
    errors: list[InputError] = []
    spread = variance = float("inf")
    for flip_x, flip_y, transpose in itertools.product((False, True), repeat=3):
        given = InputSettings(gain_flip_x=flip_x, gain_flip_y=flip_y, gain_transpose=transpose)
        try:
            fitted = _middle(fit_gain(turn(gain, given), pattern.shape, path, []))
        except InputError as error:
            errors.append(error)
            continue
        for mode, expected in _expected(fitted):
            slope, sigma = _slope(residual, expected)
            ways.append(Orientation(flip_x, flip_y, transpose, mode, slope, slope / sigma))
            spread = min(spread, sigma)
            variance = min(variance, float(np.mean(np.square(expected, dtype=np.float64))))
    if not ways:
        raise errors[0]
    ways.sort(key=lambda way: -way.score)
    return _judge(pattern, ways, spread, variance)


def estimate_gain(pattern: Pattern) -> Estimate:
    """Return a gain to multiply by, from the movies alone.

    Notes
    -----
    Each pixel's sum over all movies is divided by its local mean, so specimen and illumination drop out, with them
    changes of the gain over more than 33 pixels. What is left is the pattern and the noise of counting, of
    variance 1 / electrons; the pattern's part of the variance is the factor that makes the estimate best (Wiener).
    """
    bad = pattern.hot.copy()
    bad.reshape(-1)[find_dead(pattern.total, find_background(pattern.total, bad, is_integer=True), bad)] = True
    residual = _residual(pattern.total, bad, _WIDE_BOX)
    electrons = max(pattern.electrons, 1e-9)
    noise = 1 / electrons
    variance = float(np.mean(np.square(residual[~bad], dtype=np.float64)))
    shared = pattern.shared_variance
    signal = max(0.0, variance - noise if shared is None else shared)
    part = signal / (signal + noise)
    gain = (1 / (1 + np.float32(part) * residual)).astype(np.float32)
    gain /= gain[~bad].mean(dtype=np.float64)
    gain[bad] = 0
    told = f"{pattern.movies} movies with {electrons:.3g} electrons a pixel together"
    if signal < 0.05 * noise and signal**0.5 < 0.01:
        reason = f"{told} show no fixed pattern ({100 * signal**0.5:.2f} %): they need no gain reference"
        return Estimate(gain, bad, signal**0.5, noise**0.5, "none needed", reason)
    if part < 0.5:
        needed = 1 / max(signal, 1e-9)
        reason = f"{told} leave more noise than pattern; take about {needed:.2g} electrons a pixel"
        return Estimate(gain, bad, signal**0.5, noise**0.5, "weak", reason)
    reason = f"{told} show a fixed pattern of {100 * signal**0.5:.1f} % with a noise of {100 * noise**0.5:.1f} %"
    return Estimate(gain, bad, signal**0.5, noise**0.5, "good", reason)


def _judge(pattern: Pattern, ways: Sequence[Orientation], spread: float, variance: float) -> OrientationVerdict:
    """Say what the slopes mean: `spread` is their standard deviation, `variance` the reference's."""
    best, rival = ways[0], max((way.score for way in ways[1:]), default=0.0)
    told = f"{pattern.movies} movies with {pattern.electrons:.3g} electrons a pixel together"
    percent = 100 * best.slope
    outcome: Outcome = "undecided"
    if variance < 1e-12:
        reason = "the reference is the same everywhere: it changes nothing, however it lies"
    elif spread * _ENOUGH > 1:
        needed = (_ENOUGH * spread) ** 2 * pattern.electrons
        reason = f"{told} cannot show the reference's pattern; about {needed:.2g} electrons a pixel are needed"
    elif best.score > _ENOUGH and _SLOPES[0] < best.slope < _SLOPES[1]:
        if rival > _RIVAL * best.score:
            reason = f"two ways explain the pattern nearly alike ({best.score:.0f} and {rival:.0f} σ)"
        else:
            outcome, doubt = "found", "" if best.slope > 0.7 else "; the camera has changed since it was taken"
            reason = f"{told} show {percent:.0f} % of the reference's pattern{doubt}"
    elif best.slope < _NOTHING:
        shared = pattern.shared_variance
        if shared is not None and shared > 0.3 * variance:
            outcome = "other data"
            reason = f"{told} share a fixed pattern of {100 * shared**0.5:.1f} %, but the reference explains none of it"
        else:
            outcome = "already corrected"
            reason = f"{told} show nothing of the reference's pattern in any orientation"
    else:
        reason = f"{told} show {percent:.0f} % of the reference's pattern in the best orientation"
    return OrientationVerdict(outcome, reason, tuple(ways), best.score - rival)


def _expected(gain: Image) -> list[tuple[Literal["multiply", "divide"], Image]]:
    """Return the pattern that raw frames show if the gain is to be multiplied, and if it is to be divided by."""
    bad = ~np.isfinite(gain) | (gain <= 0)
    smooth = _local_mean(np.where(bad, 0, gain), bad, _BOX)
    relative = np.where(bad, 1, gain / smooth).clip(0.2, 5)
    multiply, divide = (1 / relative - 1).astype(np.float32), (relative - 1).astype(np.float32)
    return [("multiply", _cut(multiply)), ("divide", _cut(divide))]


def _slope(residual: Image, expected: Image) -> tuple[float, float]:
    """Return the slope of the residual on what is expected, and its standard deviation."""
    square = float(np.mean(np.square(expected, dtype=np.float64)))
    if square == 0:
        return 0.0, float("inf")
    scatter = float(np.mean(np.square(residual, dtype=np.float64)))
    product = float(np.mean(residual * expected, dtype=np.float64))
    return product / square, (scatter / (square * residual.size)) ** 0.5


def _residual(total: Image, bad: Mask | None, box: int = _BOX) -> Image:
    """Return a sum of frames relative to its local mean, minus 1; 0 at bad pixels, cut where it is far out."""
    smooth = _local_mean(total if bad is None else np.where(bad, 0, total), bad, box)
    relative = total / smooth - 1
    flawed = (total <= 0) & (smooth > 5) if bad is None else bad | ((total <= 0) & (smooth > 5))
    relative[flawed] = 0
    return _cut(relative.astype(np.float32))


def _local_mean(image: NDArray[np.generic], bad: Mask | None, box: int) -> Image:
    values = np.asarray(image, dtype=np.float32)
    mean = ndimage.uniform_filter(values, box, mode="reflect")
    least = np.float32(1e-3) * max(float(values.mean(dtype=np.float64)), 1e-9)
    if bad is not None and bad.any():
        mean /= np.maximum(ndimage.uniform_filter((~bad).astype(np.float32), box, mode="reflect"), np.float32(1e-3))
    return np.asarray(np.maximum(mean, least))


def _cut(values: Image) -> Image:
    limit = _CUT * max(float(values[::3, ::3].std()), 1e-9)
    return np.asarray(np.clip(values, -limit, limit))


def _middle(image: NDArray[_T]) -> NDArray[_T]:
    """Return the middle of the field, at most 4096 × 4096 pixels."""
    first = [max(0, (side - _MIDDLE_PX) // 2) for side in image.shape]
    return image[first[0] : first[0] + _MIDDLE_PX, first[1] : first[1] + _MIDDLE_PX]
