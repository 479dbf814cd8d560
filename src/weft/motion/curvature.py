"""How the likelihood bends with the displacement of each frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curvature"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curvature:
    """The matrix C = U diag(u) - u uᵀ with U = Σ u, of one axis, 1/Å²: xᵀCx = U Σ u (x - x̄)², x̄ = Σ u x / U.

    A displacement common to all frames changes nothing. The pseudo-inverse is P diag(1 / (U u)) P, where P takes away
    the mean over the frames that tell something.

    Parameters
    ----------
    coupling : ndarray, shape (frame,)
        u, 1/Å; 0 = the frame tells nothing.
    """

    coupling: Array

    @property
    def diagonal(self) -> Array:
        """U u, (frame,)."""
        return np.asarray(self.coupling.sum() * self.coupling)

    @property
    def share(self) -> Array:
        """What takes the mean over the frames that tell something, (frame,)."""
        tells = (self.coupling > 0).astype(np.float64)
        return np.asarray(tells / tells.sum())

    @property
    def dense(self) -> Array:
        """The matrix, (frame, frame)."""
        return np.asarray(np.diag(self.diagonal) - np.outer(self.coupling, self.coupling))

    @property
    def trace_of_inverse(self) -> float:
        """Trace of the pseudo-inverse, Å²."""
        tells = self.coupling > 0
        return float((1 / self.diagonal[tells]).sum() * (1 - 1 / np.count_nonzero(tells)))

    def weighted(self, weight: float) -> Curvature:
        """Return so many times the matrix."""
        return Curvature(np.sqrt(weight) * self.coupling)

    def times(self, x: Array) -> Array:
        """Return C x, shape (..., frame, column)."""
        return np.asarray(self.diagonal[:, None] * (x - self._mean(x)))

    def root_times(self, x: Array) -> Array:
        """Return R x with RᵀR = C, shape (..., frame, column)."""
        return np.asarray(np.sqrt(self.diagonal)[:, None] * (x - self._mean(x)))

    def centred(self, x: Array) -> Array:
        """Return x less its mean over the frames that tell something, shape (..., frame, column)."""
        return np.asarray(x - np.einsum("t,...tc->...c", self.share, x)[..., None, :])

    def in_range(self, b: Array) -> Array:
        """Return the part of b that can be C x, shape (..., frame, column)."""
        tells = (self.coupling > 0)[:, None]
        return np.asarray(np.where(tells, self.centred(np.where(tells, b, 0.0)), 0.0))

    def by_inverse(self, b: Array) -> float:
        """Return bᵀ C⁺ b, summed over columns; b in the range of C, shape (frame, column)."""
        tells = self.coupling > 0
        return float((b[tells] ** 2 / self.diagonal[tells, None]).sum())

    def _mean(self, x: Array) -> Array:
        return np.asarray(np.einsum("t,...tc->...c", self.coupling / self.coupling.sum(), x)[..., None, :])
