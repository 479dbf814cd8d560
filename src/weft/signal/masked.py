"""Images of which some places do not count."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

__all__ = ["scaled", "share_open", "smoothed"]

Image = NDArray[np.float32]

_LEAST_WEIGHT = 1e-3


def scaled(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a mask on another number of pixels, outer edges coinciding."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(shape, mask.shape, strict=True)
    )
    return np.asarray(mask[rows[:, None], columns[None, :]])


def share_open(away: NDArray[np.float64], seam: float) -> Image:
    """Return the image's share at distances from holes: 0 in them, 1 beyond a seam, half a cosine between."""
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(away / seam, 0, 1)).astype(np.float32))


def smoothed(values: Image, weight: Image, sigma: float) -> Image:
    """Return a mean over neighbours of weight 1, reaching wider where there are few; some weight must be above 0."""
    out = np.zeros_like(values)
    missing = np.ones(values.shape, dtype=bool)
    while missing.any():
        share = _gaussian(weight, sigma)
        known = missing & (share > _LEAST_WEIGHT)
        out[known] = (_gaussian(values * weight, sigma)[known] / share[known]).astype(np.float32)
        missing &= ~known
        sigma *= 2
    return out


def _gaussian(values: Image, sigma: float) -> Image:
    """Return a Gaussian blur; wide ones are made at a coarser scale, which changes them by less than noise."""
    step = int(sigma / 4)
    if step < 2 or min(values.shape) < 4 * step:
        return np.asarray(ndi.gaussian_filter(values, sigma, mode="reflect", truncate=3), dtype=np.float32)
    height, width = (-(-side // step) * step for side in values.shape)
    padded = np.pad(values, [(0, height - values.shape[0]), (0, width - values.shape[1])], mode="symmetric")
    coarse = padded.reshape(height // step, step, width // step, step).mean((1, 3))
    coarse = ndi.gaussian_filter(coarse, sigma / step, mode="reflect", truncate=3)
    places = [(np.arange(side) + 0.5) / step - 0.5 for side in values.shape]
    for axis, at in enumerate(places):
        low = np.clip(np.floor(at).astype(int), 0, max(coarse.shape[axis] - 2, 0))
        high = np.minimum(low + 1, coarse.shape[axis] - 1)
        part = np.expand_dims(np.clip(at - low, 0, 1), 1 - axis).astype(np.float32)
        coarse = coarse.take(low, axis) * (1 - part) + coarse.take(high, axis) * part
    return np.asarray(coarse, dtype=np.float32)
