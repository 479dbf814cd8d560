"""The working scale of the detectors: about 8 Å a pixel, electrons summed by area, and positions there and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

__all__ = ["WORKING_PIXEL_A", "Sampled", "sample", "working_side"]

WORKING_PIXEL_A = 8.0


@dataclass(frozen=True, slots=True)
class Sampled:
    """An average at the working scale.

    Parameters
    ----------
    image : ndarray, shape (y, x), float32
        Grey values summed over the area of each working pixel, finite.
    step_A : tuple of float
        Side (y, x) of a working pixel in Å; both near 8, equal to within the rounding of the sides.
    raw_pixel_size_A : float
        Of the average it was made from.
    """

    image: NDArray[np.float32]
    step_A: tuple[float, float]
    raw_pixel_size_A: float

    def to_A(self, y: float, x: float) -> tuple[float, float]:
        """Return a place given in working pixels (0 = centre of the first) in Å from the centre of raw pixel (0, 0)."""
        half = 0.5 * self.raw_pixel_size_A
        return (y + 0.5) * self.step_A[0] - half, (x + 0.5) * self.step_A[1] - half

    def from_A(self, y_A: float, x_A: float) -> tuple[float, float]:
        """Return the place in working pixels of one in Å from the centre of raw pixel (0, 0)."""
        half = 0.5 * self.raw_pixel_size_A
        return (y_A + half) / self.step_A[0] - 0.5, (x_A + half) / self.step_A[1] - 0.5


def working_side(side_px: int, pixel_size_A: float) -> int:
    """Return the even number of working pixels on a side, as Warp 2 rounds it.

    Examples
    --------
    >>> working_side(3710, 1.35), working_side(3838, 1.35)
    (626, 648)
    """
    return max(2, int((side_px * pixel_size_A / WORKING_PIXEL_A + 1) / 2) * 2)


def sample(average: NDArray[np.float32], pixel_size_A: float) -> Sampled:
    """Return an average at the working scale.

    Each working pixel holds the sum of what lies on its area, raw pixels on its rim shared by area; so counted
    electrons stay counted electrons with Poisson noise, and the field's outer edges coincide.

    Parameters
    ----------
    average : ndarray, shape (y, x)
        Grey values; what is not finite is replaced by the median of the rest (0 if there is none).
    pixel_size_A : float
        Of the average, above 0.
    """
    image = np.asarray(average, dtype=np.float32)
    finite = np.isfinite(image)
    if not finite.all():
        image = np.where(finite, image, np.median(image[finite]) if finite.any() else 0).astype(np.float32)
    sides = [working_side(side, pixel_size_A) for side in image.shape]
    rows, columns = (_shares(side, new) for side, new in zip(image.shape, sides, strict=True))
    small = np.asarray((columns @ (rows @ image).T).T, dtype=np.float32)
    steps = [side * pixel_size_A / new for side, new in zip(image.shape, sides, strict=True)]
    return Sampled(np.ascontiguousarray(small), (steps[0], steps[1]), pixel_size_A)


def _shares(old: int, new: int) -> csr_array:
    """Return the matrix, shape (new, old), of the shares of old pixels that lie in new ones; columns sum to 1."""
    edges = np.unique(np.concatenate([np.arange(old + 1, dtype=float), np.linspace(0, old, new + 1)]))
    middle, length = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    from_old = np.minimum(middle.astype(int), old - 1)
    to_new = np.minimum((middle * new / old).astype(int), new - 1)
    return csr_array((length.astype(np.float32), (to_new, from_old)), shape=(new, old))
