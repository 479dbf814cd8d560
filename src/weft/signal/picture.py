"""Pictures of images: shrunk by means of blocks, stretched by median and robust spread, as bytes and as JPEG."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["THUMBNAIL_PX", "grey_bytes", "robust_spread", "shrink", "thumbnail_jpeg"]

Image = NDArray[np.float32]

THUMBNAIL_PX = 512
_SIGMAS = 3.0  # shown on either side of the median, as in Warp's pictures
_QUALITY = 88
_SAMPLE = 200_000  # values that a spread is taken from


def thumbnail_jpeg(image: Image) -> bytes:
    """Return a grey JPEG of an image, its longer side 512 px, row 0 at the bottom.

    Parameters
    ----------
    image : ndarray, shape (y, x), float32
        Any grey values; smaller images are not enlarged.

    Returns
    -------
    bytes
        Grey runs from the median - 3 σ to the median + 3 σ of the shrunk image, σ being robust, so that neither gold
        nor an edge of carbon decides about the contrast.
    """
    from PIL import Image as Pil

    longer = max(image.shape)
    small = shrink(np.asarray(image, dtype=np.float32), max(1, longer // THUMBNAIL_PX))
    picture = Pil.fromarray(np.ascontiguousarray(small[::-1]))
    if max(small.shape) > THUMBNAIL_PX:
        scale = THUMBNAIL_PX / longer
        width, height = (max(1, round(side * scale)) for side in image.shape[::-1])
        picture = picture.resize((width, height), Pil.Resampling.BOX)
    values = np.asarray(picture, dtype=np.float32)
    median, sigma = robust_spread(values)
    out = io.BytesIO()
    Pil.fromarray(grey_bytes(values, median - _SIGMAS * sigma, median + _SIGMAS * sigma)).save(
        out, "jpeg", quality=_QUALITY
    )
    return out.getvalue()


def shrink(image: Image, fold: int) -> Image:
    """Return the means of blocks of `fold` × `fold` pixels; blocks at the far edges may be smaller.

    Examples
    --------
    >>> shrink(np.arange(6, dtype=np.float32).reshape(2, 3), 2)
    array([[2. , 3.5]], dtype=float32)
    """
    if fold == 1:
        return image
    height, width = image.shape
    rows = np.add.reduceat(image, np.arange(0, height, fold), axis=0)
    sums = np.add.reduceat(rows, np.arange(0, width, fold), axis=1)
    tall = np.minimum(fold, height - np.arange(0, height, fold))
    wide = np.minimum(fold, width - np.arange(0, width, fold))
    return np.asarray(sums / (tall[:, None] * wide[None, :]), dtype=np.float32)


def robust_spread(values: NDArray[Any]) -> tuple[float, float]:
    """Return the median and 1.4826 × the median absolute deviation of all finite values, the latter never 0."""
    flat = values.reshape(-1)
    sample = flat[:: max(1, flat.size // _SAMPLE)]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    median = float(np.median(sample))
    spread = 1.4826 * float(np.median(np.abs(sample - median)))
    return median, spread or float(sample.std()) or 1.0


def grey_bytes(image: Image, low: float, high: float) -> NDArray[np.uint8]:
    """Return bytes that are 0 at `low` and below, 255 at `high` and above; what is not finite is 0, but 255 for +∞."""
    scaled = (np.nan_to_num(image, nan=low, posinf=high, neginf=low) - low) * (255.0 / (high - low)) + 0.5
    return np.asarray(np.clip(scaled, 0, 255), dtype=np.uint8)
