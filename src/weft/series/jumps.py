"""Images whose field of view is not their neighbours': thumbnails compared along the tilt; numpy and Pillow only."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
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
_LARGEST_STEP_DEG = 12.5  # images farther apart look different anyway
_LOW_FRAC, _HIGH_FRAC = 2.5 / _SIDE, 0.12  # band, cycles per px: below lie gradients of the ice, above noise
_FAR_FRAC = 0.3  # of the field: a shift from which the overlap is too small for the reconstruction
_SURE = 10.0  # peak of the correlation in its own standard deviations; pictures of different places reach about 6


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
    Each image is stretched by 1 / cos θ across the axis and correlated with the last one that is in place, from the middle
    of the series outwards. Where nothing can be recognised (blank ice, large steps) nothing is said, unless the images
    around show the same place and only this one does not.
    """
    axis = series.axis_deg
    rows = [
        (tilt.movie, tilt.tilt_deg, path)
        for tilt in series.tilts
        if tilt.movie and tilt.movie not in dropped and (path := thumbnail(tilt.movie)).exists()
    ]
    if len(rows) < _LEAST_IMAGES or axis is None:
        return {}
    walk = _Walk([_picture(path, tilt, axis) for _, tilt, path in rows], [tilt for _, tilt, _ in rows])
    middle = _anchor(walk)
    if middle is None:
        return {}
    walk.outwards(range(middle + 1, len(rows)), middle)
    walk.outwards(range(middle - 1, -1, -1), middle)
    return {rows[i][0]: found for i, found in walk.found.items()}


@dataclass
class _Walk:
    """Compares images with the last one in place, and notes those that are not."""

    pictures: list[Array]
    tilts: list[float]
    found: dict[int, tuple[float, str]] = field(default_factory=dict)

    def outwards(self, images: Iterable[int], start: int) -> None:
        """Go through images in order of their distance from the one that is in place."""
        reference, before, lost = start, start, list[int]()
        for i in images:
            if abs(self.tilts[i] - self.tilts[reference]) > _LARGEST_STEP_DEG and before not in self.found:
                return
            sure, *shift = self._likeness(reference, i)
            off = math.hypot(*shift)
            if sure >= _SURE and off <= _FAR_FRAC:
                for one in lost:
                    self.found[one] = (
                        1.1,
                        "shows nothing of what its neighbours show: another place, or nothing at all",
                    )
                reference, lost = i, []
            elif sure >= _SURE:
                text = f"the field of view lies {100 * off:.0f} % of its side off its neighbours"
                self.found[i] = (off / _FAR_FRAC, text)
            elif before in self.found and self.is_same_place(before, i):
                self.found[i] = self.found[before]
            else:
                lost.append(i)
            before = i

    def is_same_place(self, first: int, second: int) -> bool:
        """Whether two images surely show the same place."""
        sure, *shift = self._likeness(first, second)
        return sure >= _SURE and math.hypot(*shift) <= _FAR_FRAC

    def _likeness(self, first: int, second: int) -> tuple[float, float, float]:
        return likeness(self.pictures[first], self.pictures[second])


def _anchor(walk: _Walk) -> int | None:
    """Return the image nearest to 0° that shows the same place as the next; None if there is none."""
    for i in sorted(range(len(walk.tilts) - 1), key=lambda i: abs(walk.tilts[i]))[:7]:
        if walk.is_same_place(i, i + 1):
            return i
    return None


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
