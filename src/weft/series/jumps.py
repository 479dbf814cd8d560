"""Images whose field of view is not their neighbours': thumbnails compared along the tilt; numpy and Pillow only."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from weft.series.table import TiltSeries

__all__ = ["find_jumps", "likeness"]

Array = NDArray[np.float64]

_SIDE = 128  # px of the small copies that are compared
_LEAST_IMAGES = 5
_LARGEST_STEP_DEG = 6.5  # images farther apart look different anyway
_LOW_FRAC, _HIGH_FRAC = 2.5 / _SIDE, 0.12  # band, cycles per px: below lie gradients of the ice, above noise
_FAR_FRAC = 0.35  # of the field: a shift from which the overlap is too small for the reconstruction
_SURE = 7.0  # peak of the correlation in its own standard deviations


def find_jumps(
    series: TiltSeries, thumbnail: Callable[[str], Path], *, dropped: Collection[str] = ()
) -> dict[str, tuple[float, str]]:
    """Return movies that lie far off both their neighbours' fields, with a score (1 = suspicious) and a sentence.

    Parameters
    ----------
    series : TiltSeries
        Angles and axis.
    thumbnail : callable
        Where a movie's thumbnail lies; missing ones are passed over.
    dropped : collection of str
        Movies not to be compared with.

    Notes
    -----
    Each image is stretched by 1 / cos θ across the axis and correlated with its neighbours in tilt. It has jumped if the
    neighbours, compared with each other across it, agree surely on their place and it agrees surely on another with both.
    Where nothing can be recognised (blank ice, large steps) nothing is said.
    """
    axis = series.axis_deg
    rows = [
        (tilt.movie, tilt.tilt_deg, path)
        for tilt in series.tilts
        if tilt.movie and tilt.movie not in dropped and (path := thumbnail(tilt.movie)).exists()
    ]
    if len(rows) < _LEAST_IMAGES or axis is None:
        return {}
    pictures = [_picture(path, tilt, axis) for _, tilt, path in rows]
    found: dict[str, tuple[float, str]] = {}
    for i in range(1, len(rows) - 1):
        if rows[i + 1][1] - rows[i - 1][1] > 2 * _LARGEST_STEP_DEG:
            continue
        before, after, across = (
            likeness(pictures[a], pictures[b]) for a, b in ((i - 1, i), (i, i + 1), (i - 1, i + 1))
        )
        if min(before[0], after[0], across[0]) < _SURE or _length(across) > 0.5 * _FAR_FRAC:
            continue
        far = min(_length(before), _length(after))
        closes = math.hypot(before[1] + after[1] - across[1], before[2] + after[2] - across[2]) < 0.1
        if far > _FAR_FRAC and closes:
            found[rows[i][0]] = (
                far / _FAR_FRAC,
                f"the field of view lies {100 * far:.0f} % of its side off its neighbours",
            )
    return found


def likeness(first: Array, second: Array) -> tuple[float, float, float]:
    """Return how surely two pictures agree (peak over standard deviation) and by which shift (y, x as fractions).

    Parameters
    ----------
    first, second : ndarray, shape (side, side)
        Of `_picture`.
    """
    a, b = np.fft.rfft2(first), np.fft.rfft2(second)
    cross = np.conj(a) * b
    correlation = np.fft.irfft2(cross / np.sqrt(np.abs(cross) + 1e-12), first.shape)
    at = int(np.argmax(correlation))
    y, x = divmod(at, first.shape[1])
    side = first.shape[0]
    y, x = (y + side // 2) % side - side // 2, (x + side // 2) % side - side // 2
    spread = float(correlation.std()) or 1.0
    return float(correlation.flat[at]) / spread, 2.0 * y / side, 2.0 * x / side


def _length(found: tuple[float, float, float]) -> float:
    return math.hypot(found[1], found[2])


def _picture(path: Path, tilt_deg: float, axis_deg: float) -> Array:
    """Return a small copy, stretched to 0°, band-passed, tapered and padded to twice its side."""
    from PIL import Image

    axis, shrink = math.radians(axis_deg), 1.0 - math.cos(math.radians(tilt_deg))
    u = (math.cos(axis), -math.sin(axis))  # rows of a thumbnail run downwards
    # the pixel p shown, from the centre, is p - (1 - cos θ) (p · u) u of the image, which is twice as fine
    m = (1 - shrink * u[0] ** 2, -shrink * u[0] * u[1], 1 - shrink * u[1] ** 2)
    matrix = (2 * m[0], 2 * m[1], _SIDE * (1 - m[0] - m[1]), 2 * m[1], 2 * m[2], _SIDE * (1 - m[1] - m[2]))
    with Image.open(path) as picture:
        small = picture.convert("L").resize((_SIDE * 2, _SIDE * 2), Image.Resampling.BOX)
        view = small.transform((_SIDE, _SIDE), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    values = np.asarray(view, dtype=np.float64)
    return _prepared(values)


def _prepared(values: Array) -> Array:
    low, high = np.percentile(values, (1, 99))
    values = np.clip(values, low, high)
    side = values.shape[0]
    ky, kx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    k = np.hypot(ky, kx)
    band = (k > _LOW_FRAC) * np.exp(-0.5 * (k / _HIGH_FRAC) ** 2)
    values = np.fft.irfft2(np.fft.rfft2(values - values.mean()) * band, values.shape)
    taper = np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 0.5
    values = values * taper[:, None] * taper[None, :]
    padded = np.zeros((2 * side, 2 * side))
    padded[:side, :side] = values
    return padded
