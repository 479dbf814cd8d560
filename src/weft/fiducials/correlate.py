"""Sums of an image under a small kernel placed everywhere, beyond the field's border, too."""

from __future__ import annotations

import numpy as np
import scipy.fft as sfft
from numpy.typing import NDArray

__all__ = ["Correlator", "sums_in_field"]

Image = NDArray[np.float32]


class Correlator:
    """An image, transformed once, to be correlated with many kernels.

    Parameters
    ----------
    image : ndarray, shape (y, x), float32
        Zero outside.
    rim : int
        Pixels beyond the border for which answers are given.
    reach : int
        Half the side of the largest kernel.
    """

    def __init__(self, image: Image, rim: int, reach: int) -> None:
        height, width = image.shape
        self._shown = (height + 2 * rim, width + 2 * rim)
        self._padded = tuple(sfft.next_fast_len(side + reach, real=True) for side in self._shown)
        canvas = np.zeros(self._padded, np.float32)
        canvas[rim : rim + height, rim : rim + width] = image
        self._image_ft = sfft.rfft2(canvas)

    def with_kernel(self, kernel: Image) -> Image:
        """Return at each pixel the sum of the image times the kernel centred there.

        Parameters
        ----------
        kernel : ndarray, shape (n, n), float32
            n is odd.
        """
        return self.with_transformed(self.transformed(kernel))

    def transformed(self, kernel: Image) -> NDArray[np.complex64]:
        """Return what `with_transformed` takes, to be used for several images of one size."""
        canvas = np.zeros(self._padded, np.float32)
        canvas[: len(kernel), : len(kernel)] = kernel
        canvas = np.roll(canvas, (-(len(kernel) // 2), -(len(kernel) // 2)), (0, 1))
        return np.asarray(np.conj(sfft.rfft2(canvas)))

    def with_transformed(self, kernel_ft: NDArray[np.complex64]) -> Image:
        """Return what `with_kernel` does, of a kernel that `transformed` has prepared."""
        sums = sfft.irfft2(self._image_ft * kernel_ft, self._padded)
        return np.asarray(sums[: self._shown[0], : self._shown[1]], dtype=np.float32)


def sums_in_field(shape: tuple[int, ...], kernel: Image, rim: int) -> Image:
    """Return at each pixel the sum over the part of the kernel, centred there, that lies in the field.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the field.
    kernel : ndarray, shape (n, n), float32
        n is odd.
    rim : int
        Pixels beyond the border for which answers are given.

    Notes
    -----
    Equals ``Correlator(ones(shape), rim, n // 2).with_kernel(kernel)``. All inner pixels have the same answer, so a
    field just large enough to have one inner pixel is correlated, and its middle repeated.
    """
    half = len(kernel) // 2
    small = [min(side, 2 * half + 1) for side in shape]
    sums = Correlator(np.ones(small, np.float32), rim, half).with_kernel(kernel)
    rows, columns = (_repeating_middle(side, few, half, rim) for side, few in zip(shape, small, strict=True))
    return sums[:, columns][rows]


def _repeating_middle(side: int, few: int, half: int, rim: int) -> NDArray[np.int64]:
    """Return for each place along a side its place along the short side: both ends, and the middle again and again."""
    at = np.arange(side + 2 * rim)
    return np.where(at < half + rim, at, np.maximum(np.minimum(at, half + rim), at - (side - few)))
