"""Small movies whose motion is known: blobs that move, counted electron by electron."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from weft.engine.device import Engine
from weft.movie.bin import BinnedMovie, bin_movie

Array = NDArray[np.float64]

ENGINE = Engine(torch.device("cpu"), 1, 2_000_000_000)
PIXEL_A = 2.0


@dataclass(frozen=True)
class Info:
    frames: int
    height: int
    width: int


@dataclass(frozen=True)
class Source:
    """Frames from memory."""

    stack: NDArray[np.float32]

    @property
    def info(self) -> Any:
        return Info(*self.stack.shape)

    def frames(self, into: NDArray[np.float32] | None = None) -> Iterator[NDArray[np.float32]]:
        for frame in self.stack:
            if into is None:
                yield frame.copy()
            else:
                into[:] = frame
                yield into


def dome(y_frac: Array, x_frac: Array) -> Array:
    """Return a smooth displacement (y, x) with zero mean over the field, largest about 1, shape (..., 2)."""
    u, v = 2 * x_frac - 1, 2 * y_frac - 1
    return np.stack([0.6 * v + 0.5 * (u**2 - 1 / 3), 0.7 * u - 0.4 * u * v], -1)


def moving_stack(
    path_A: Array, shape: tuple[int, int] = (288, 320), *, seed: int = 1, local_A: Array | None = None,
    contrast: float = 0.2, counts: float = 4.0,
) -> NDArray[np.float32]:  # fmt: skip
    """Return frames (frame, y, x) of counts.

    Parameters
    ----------
    path_A : ndarray, shape (frame, 2)
        Displacement (y, x) of the whole field: content at p is seen at p + d.
    shape : tuple of int
        (y, x) of a frame.
    seed : int
        Of blobs and counts.
    local_A : ndarray, shape (frame,), optional
        Strength of `dome` in each frame.
    contrast : float
        Standard deviation of the signal over the mean.
    counts : float
        Mean electrons per pixel and frame.
    """
    rng = np.random.default_rng(seed)
    margin = int(np.ceil(np.abs(path_A).max() / PIXEL_A)) + 16
    canvas = rng.normal(size=(shape[0] + 2 * margin, shape[1] + 2 * margin))
    canvas = ndimage.gaussian_filter(canvas, 1.3) - 0.9 * ndimage.gaussian_filter(canvas, 8)
    canvas *= contrast / canvas.std()
    spline = ndimage.spline_filter(canvas, order=5)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    bend = dome((y + 0.5) / shape[0], (x + 0.5) / shape[1])
    frames = np.empty((len(path_A), *shape), dtype=np.float32)
    for number, step in enumerate(path_A):
        moved = step / PIXEL_A + (0.0 if local_A is None else local_A[number] / PIXEL_A * bend)
        moved = np.broadcast_to(moved, (*shape, 2))
        place = [y + margin - moved[..., 0], x + margin - moved[..., 1]]
        signal = ndimage.map_coordinates(spline, place, order=5, prefilter=False)
        frames[number] = rng.poisson(counts * np.clip(1 + signal, 0, None))
    return frames


def binned(stack: NDArray[np.float32]) -> BinnedMovie:
    """Return a movie as the estimator takes it."""
    return bin_movie(Source(stack), 0.0, PIXEL_A, ENGINE)


def error_A(found: Array, true: Array) -> float:
    """Return the root mean square over frames of the 2D error, each less its mean over the frames."""
    away = (found - found.mean(0)) - (true - true.mean(0))
    return float(np.sqrt((away**2).sum(-1).mean()))
