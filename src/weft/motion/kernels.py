"""Prior knowledge of how samples move: covariances over the frames, smooth functions over the field.

Notes
-----
A covariance K is kept as a factor B with K = B Bᵀ. Smooth ones have few columns however many frames there are, so that
the work grows with the frames and not with their cube; a random walk has as many as frames, but a precision that is
tridiagonal, and stays apart in long movies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

__all__ = ["DEGREE", "Kernel", "local_kernels", "path_kernels", "powers"]

Array = NDArray[np.float64]

_WARP = 10.0  # time runs as log(1 + 10 t/T): early motion is fast
DEGREE = 6
_MANY_FRAMES = 100  # beyond, a finer choice of kernels costs more than it brings
_NEGLIGIBLE = 1e-10  # part of the variance that a factor may leave out: 0.0003 Å of a drift of 30 Å


@dataclass(frozen=True, slots=True)
class Kernel:
    """A covariance over the frames, B Bᵀ + step² W, W_ij = min(i, j) being that of a random walk.

    Parameters
    ----------
    factor : ndarray, shape (frame, mode)
        B, Å.
    step_A : float
        Of the walk; 0 = all is in the factor.
    """

    factor: Array
    step_A: float = 0.0

    @property
    def covariance(self) -> Array:
        """The matrix, (frame, frame)."""
        return np.asarray(self.factor @ self.factor.T + self.step_A**2 * _walk(len(self.factor)))

    def held(self, spline: Array) -> Kernel:
        """Return the covariance projected onto the paths that nodes can hold, given the matrix (frame, node)."""
        to_nodes = np.linalg.pinv(spline)
        factor = to_nodes @ self.factor
        if self.step_A:
            steps = np.cumsum(to_nodes[:, ::-1], axis=1)[:, ::-1]  # a walk's factor sums all steps so far
            factor = np.hstack([factor, self.step_A * steps])
        return Kernel(spline @ _factor(factor @ factor.T))


def powers() -> list[tuple[int, int]]:
    """Return the degrees along y and x of the surface functions: all up to total degree 6 but the constant."""
    return [(a, total - a) for total in range(1, DEGREE + 1) for a in range(total, -1, -1)]


@lru_cache(maxsize=2)
def local_kernels(frames: int) -> tuple[Kernel, ...]:
    """Return covariances over the frames that local motion may have, of mean variance 1.

    Matérn 5/2 in warped time, larger early as it is faster, and in plain time, of several lengths. Evidence chooses.
    """
    warped, plain = _times(frames)
    speed = 1 / (1 + _WARP * plain)  # of warped time; the variance falls as it does
    early = np.sqrt(np.outer(speed, speed)) / speed.mean()
    if frames > _MANY_FRAMES:
        return tuple(Kernel(_factor(early * _matern(warped, length))) for length in (1.2, 3.6))
    kernels = [early * _matern(warped, length) for length in (0.6, 1.2, 2.4, 4.8)]
    kernels += [_matern(plain, length) for length in (0.3, 1.0)]
    return tuple(Kernel(_factor(kernel)) for kernel in kernels)


@lru_cache(maxsize=2)
def path_kernels(frames: int) -> tuple[Kernel, ...]:
    """Return covariances (Å²) that the path of the whole image may have.

    A smooth drift in warped time plus a random walk, of several strengths each; the strongest walk leaves every
    frame free.
    """
    warped, _ = _times(frames)
    if frames > _MANY_FRAMES:
        smooth = _factor(_matern(warped, 2.4))
        return tuple(Kernel(drift * smooth, step) for drift in (3.0, 30.0) for step in (0.1, 0.5, 3.0))
    walk = _walk(frames)
    return tuple(
        Kernel(_factor(drift**2 * kernel + step**2 * walk))
        for kernel in (_matern(warped, length) for length in (1.2, 2.4, 4.8))
        for drift in (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
        for step in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 5.0, 20.0, 100.0)
    )


def _walk(frames: int) -> Array:
    number = np.arange(1.0, frames + 1)
    return np.asarray(np.minimum(number[:, None], number[None, :]))


def _factor(covariance: Array) -> Array:
    """Return B with B Bᵀ = covariance, as many columns as matter, by Cholesky's way with pivots."""
    lower, pivots, rank, _ = lapack.dpstrf(covariance, tol=_NEGLIGIBLE * covariance.diagonal().max(), lower=1)
    out = np.empty((len(covariance), rank))
    out[pivots - 1] = np.tril(lower)[:, :rank]
    return out


def _times(frames: int) -> tuple[Array, Array]:
    plain = (np.arange(frames) + 0.5) / frames
    return np.log1p(_WARP * plain), plain


def _matern(times: Array, length: float) -> Array:
    """Return the Matérn 5/2 covariance."""
    r = np.sqrt(5.0) * np.abs(times[:, None] - times[None, :]) / length
    return np.asarray((1 + r + r * r / 3) * np.exp(-r))
