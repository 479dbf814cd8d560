"""Cubic splines that interpolate their nodes, per axis, as matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["spline_matrix"]


def spline_matrix(nodes: int, at: ArrayLike) -> NDArray[np.float64]:
    """Return the matrix that takes values at the nodes to values at given places.

    The spline is the natural cubic that passes through its nodes; node i of n sits at i/(n-1), an
    axis with one node is constant, one with two a straight line. Outside [0, 1] the outer cubic
    goes on. These are the grids of Warp (its user guide and files), so that nodes can be exchanged.

    Parameters
    ----------
    nodes : int
        Number of nodes, at least 1.
    at : array_like, shape (place,)
        Places as fractions of the axis.

    Returns
    -------
    ndarray, shape (place, nodes), float64
        Weights; each row sums to 1.

    Examples
    --------
    >>> spline_matrix(2, [0.25])
    array([[0.75, 0.25]])
    """
    x = np.atleast_1d(np.asarray(at, dtype=np.float64))
    if nodes == 1:
        return np.ones((len(x), 1))
    h = 1.0 / (nodes - 1)
    cell = np.clip(np.floor(x / h).astype(int), 0, nodes - 2)
    b = x / h - cell
    a = 1.0 - b
    rows = np.arange(len(x))
    weights = np.zeros((len(x), nodes))
    weights[rows, cell] = a
    weights[rows, cell + 1] += b
    second = _second_derivatives(nodes)
    weights += ((a**3 - a) / 6)[:, None] * second[cell] + ((b**3 - b) / 6)[:, None] * second[cell + 1]
    return weights


def _second_derivatives(nodes: int) -> NDArray[np.float64]:
    """Return the matrix from node values to second derivatives (in units of the spacing²), natural ends."""
    if nodes <= 2:
        return np.zeros((nodes, nodes))
    inner = nodes - 2
    left = np.diag(np.full(inner, 4.0)) + np.diag(np.ones(inner - 1), 1) + np.diag(np.ones(inner - 1), -1)
    right = np.zeros((inner, nodes))
    index = np.arange(inner)
    right[index, index] = 6.0
    right[index, index + 1] = -12.0
    right[index, index + 2] = 6.0
    out = np.zeros((nodes, nodes))
    out[1:-1] = np.linalg.solve(left, right)
    return out
