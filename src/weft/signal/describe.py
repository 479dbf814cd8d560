"""What the grey values of an image are like, in a few numbers: for contrast, for search, for suspects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weft.signal.picture import robust_spread, shrink

__all__ = ["PERCENTILES", "describe"]

PERCENTILES = (0.1, 1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0, 99.9)
_LEVELS = 6
_MIDDLE_PX = 1024
_LATTICE = 8
_DIGITS = 6


def describe(image: NDArray[np.float32]) -> dict[str, float | list[float]]:
    """Return numbers that tell how an image looks.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Any grey values.

    Returns
    -------
    dict
        ``median``; ``percentiles``, those of `PERCENTILES`; ``sigmas``, the robust standard deviation of the middle
        1024 × 1024 pixels as they are and shrunk by 2, 4, … 32 (noise falls from one to the next, structure
        stays); ``lattice``, the medians of 8 × 8 fields, rows from row 0 on; ``dark``, the part of the image darker
        than half the median of its brighter half, which is what grid bars and thick dirt leave.
    """
    values = np.asarray(image, dtype=np.float32)
    step = max(1, int(np.sqrt(values.size / 1_000_000)))
    sample = values[::step, ::step]
    finite = sample[np.isfinite(sample)]
    if not finite.size:
        return {}
    middle = values[_middle(values.shape[0]), _middle(values.shape[1])]
    lattice = _lattice(sample)
    smooth = shrink(values, 16)
    bright = float(np.nanpercentile(smooth, 75))
    return {
        "median": _short(float(np.median(finite))),
        "percentiles": [_short(value) for value in np.percentile(finite, PERCENTILES)],
        "sigmas": [_short(robust_spread(shrink(middle, 2**level))[1]) for level in range(_LEVELS)],
        "lattice": [_short(value) for value in lattice],
        "dark": _short(float(np.nanmean(smooth < 0.5 * bright))) if bright > 0 else 0.0,
    }


def _middle(side: int) -> slice:
    begin = max(0, (side - _MIDDLE_PX) // 2)
    return slice(begin, begin + _MIDDLE_PX)


def _lattice(sample: NDArray[np.float32]) -> list[float]:
    rows, columns = (min(_LATTICE, side) for side in sample.shape)
    return [
        float(np.nan_to_num(np.median(part)))
        for row in np.array_split(sample, rows, axis=0)
        for part in np.array_split(row, columns, axis=1)
    ]


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
