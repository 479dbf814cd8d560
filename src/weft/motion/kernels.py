"""Prior knowledge of how samples move: covariances over the frames, smooth functions over the field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEGREE", "local_kernels", "path_kernels", "powers"]

Array = NDArray[np.float64]

_WARP = 10.0  # time runs as log(1 + 10 t/T): early motion is fast
DEGREE = 6
_MANY_FRAMES = 128  # beyond, decompositions of the kernels cost more than a finer choice brings


def powers() -> list[tuple[int, int]]:
    """Return the degrees along y and x of the surface functions: all up to total degree 6 but the constant."""
    return [(a, total - a) for total in range(1, DEGREE + 1) for a in range(total, -1, -1)]


def local_kernels(frames: int) -> list[Array]:
    """Return unit covariances over the frames that local motion may have.

    Matérn 5/2 in warped and in plain time, of several lengths. Evidence chooses.
    """
    warped, plain = _times(frames)
    if frames > _MANY_FRAMES:
        return [_matern(warped, 1.2), _matern(warped, 3.6)]
    return [_matern(warped, length) for length in (0.6, 1.2, 2.4, 4.8)] + [
        _matern(plain, length) for length in (0.3, 1.0)
    ]


def path_kernels(frames: int) -> list[Array]:
    """Return covariances (Å²) that the path of the whole image may have.

    A smooth drift in warped time plus a random walk, of several strengths each; the strongest walk leaves every
    frame free.
    """
    warped, _ = _times(frames)
    number = np.arange(1, frames + 1)
    walk = np.minimum(number[:, None], number[None, :]).astype(np.float64)
    many = frames > _MANY_FRAMES
    drifts = (3.0, 30.0) if many else (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    steps = (0.1, 0.5, 3.0) if many else (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 5.0, 20.0, 100.0)
    lengths = (2.4,) if many else (1.2, 2.4, 4.8)
    smooth = [_matern(warped, length) for length in lengths]
    return [drift**2 * kernel + step**2 * walk for kernel in smooth for drift in drifts for step in steps]


def _times(frames: int) -> tuple[Array, Array]:
    plain = (np.arange(frames) + 0.5) / frames
    return np.log1p(_WARP * plain), plain


def _matern(times: Array, length: float) -> Array:
    """Return the Matérn 5/2 covariance."""
    r = np.sqrt(5.0) * np.abs(times[:, None] - times[None, :]) / length
    return np.asarray((1 + r + r * r / 3) * np.exp(-r))
