"""The nodes that hold a motion field, and the functions a field on them can have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from weft.fields.spline import spline_matrix
from weft.motion.kernels import DEGREE, Kernel, powers
from weft.settings.grid import parse_grid

__all__ = ["Grid", "make_grid"]

Array = NDArray[np.float64]

_AUTO_NODES = 9
_MOST_TIMES = 60
_DENSE = (np.arange(200) + 0.5) / 200


@dataclass(frozen=True, slots=True)
class Grid:
    """Nodes along x, y and t.

    Parameters
    ----------
    nodes_x, nodes_y, nodes_t : int
        Their numbers.
    frames : int
        Of the movie.
    """

    nodes_x: int
    nodes_y: int
    nodes_t: int
    frames: int

    @property
    def is_rigid(self) -> bool:
        """Whether there is no local part."""
        return self.nodes_x == 1 and self.nodes_y == 1

    def holding(self, kernels: Sequence[Kernel]) -> list[Kernel]:
        """Return covariances over the frames, projected onto what the nodes along t can hold."""
        if self.nodes_t >= self.frames:
            return list(kernels)
        return [kernel.held(self.time_spline) for kernel in kernels]

    @property
    def time_spline(self) -> Array:
        """Matrix from nodes along t to frames."""
        return spline_matrix(self.nodes_t, np.linspace(0, 1, self.frames))

    def functions(self, y_frac: Array, x_frac: Array) -> Array:
        """Return the splines nearest to products of Legendre polynomials, (place, function)."""
        y = spline_matrix(self.nodes_y, y_frac) @ _nearest(self.nodes_y)
        x = spline_matrix(self.nodes_x, x_frac) @ _nearest(self.nodes_x)
        return np.stack([y[:, a] * x[:, b] for a, b in powers()], axis=1)

    def at_nodes(self) -> Array:
        """Return the same functions' values at the nodes, (node y · node x, function)."""
        y, x = _nearest(self.nodes_y), _nearest(self.nodes_x)
        return np.stack([np.outer(y[:, a], x[:, b]).ravel() for a, b in powers()], axis=1)

    def mean(self) -> Array:
        """Return the same functions' means over the field, (1, function)."""
        y = (spline_matrix(self.nodes_y, _DENSE) @ _nearest(self.nodes_y)).mean(0)
        x = (spline_matrix(self.nodes_x, _DENSE) @ _nearest(self.nodes_x)).mean(0)
        return np.array([[y[a] * x[b] for a, b in powers()]])


def make_grid(text: str, frames: int) -> Grid:
    """Return the grid that the settings ask for; ``auto``: 9 × 9 nodes, as many in time as frames, at most 60."""
    if text == "auto":
        return Grid(_AUTO_NODES, _AUTO_NODES, min(frames, _MOST_TIMES), frames)
    x, y, t = parse_grid(text, frames)
    return Grid(x, y, t, frames)


def _nearest(nodes: int) -> Array:
    """Return the node values of the splines nearest to Legendre polynomials, (node, degree + 1)."""
    wanted = legendre.legvander(2 * _DENSE - 1, DEGREE)
    return np.asarray(np.linalg.lstsq(spline_matrix(nodes, _DENSE), wanted, rcond=None)[0])
