"""From the grid of the settings to the terms of a defocus field, and back to the grid's nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.ctf.fit import GRADIENT_PRIOR, Field
from weft.fields.spline import spline_matrix

__all__ = ["GridField", "make_field"]

Array = NDArray[np.float64]

_UNIT_A = 1000.0
_BENDING_PRIOR_A = 200.0  # standard deviation of a node's departure from the plane, and of a time node's from the mean
_MOST_NODES = 7  # per axis in the fit; more nodes of the settings are interpolated


@dataclass(frozen=True, slots=True)
class GridField:
    """A defocus field and how its coefficients make the nodes of the grid.

    Parameters
    ----------
    field : Field
        Terms at the patches: 1, x, y, bending over the field, change with time.
    nodes : ndarray, shape (t · y · x, term)
        The same terms at the grid's nodes.
    shape : tuple of int
        (t, y, x) of the grid.
    """

    field: Field
    nodes: Array
    shape: tuple[int, int, int]

    def grid_A(self, coefficients_A: Array) -> list[list[list[float]]]:
        """Return the defocus at the nodes, [t][y][x]."""
        values = (self.nodes @ coefficients_A).reshape(self.shape)
        return [[[round(float(v), 2) for v in row] for row in plane] for plane in values]


def make_field(places_A: Array, times: Array, sides_A: tuple[float, float], grid: tuple[int, int, int]) -> GridField:
    """Return the field that a grid allows.

    Parameters
    ----------
    places_A : ndarray, shape (patch, 2)
        Centres (y, x) from the centre of the field.
    times : ndarray, shape (patch,)
        As fractions of the movie.
    sides_A : tuple of float
        (y, x) sides of the field, over which the nodes spread from edge to edge.
    grid : tuple of int
        Nodes along x, y and t.

    Notes
    -----
    1×1 is a constant, anything else has a plane (the grid 2×2 is the plane: its fourth degree of freedom, the twist, is
    bending). Grids beyond 2×2 bend: natural cubic splines through their nodes, less the plane that fits them best,
    held to the plane by a Gaussian prior. Change with time is one value a time node, the same for all places.
    """
    nx, ny, nt = grid
    at_y, at_x, at_t = (np.linspace(0, 1, n) if n > 1 else np.array([0.5]) for n in (ny, nx, nt))
    mesh = np.stack(np.meshgrid(at_t, at_y, at_x, indexing="ij"), axis=-1).reshape(-1, 3)
    patch = np.column_stack([times, places_A[:, 0] / sides_A[0] + 0.5, places_A[:, 1] / sides_A[1] + 0.5])
    terms, nodes, sigma = [np.ones(len(patch))], [np.ones(len(mesh))], [np.inf]
    if nx > 1 or ny > 1:
        for axis in (2, 1):
            side = sides_A[axis - 1] / _UNIT_A
            terms.append((patch[:, axis] - 0.5) * side)
            nodes.append((mesh[:, axis] - 0.5) * side)
            sigma.append(GRADIENT_PRIOR * _UNIT_A)
    if nx > 2 or ny > 2:
        counts = min(ny, _MOST_NODES), min(nx, _MOST_NODES)
        _extend(terms, nodes, sigma, _surface(counts, patch), _surface(counts, mesh))
    if nt > 1:
        count = min(nt, _MOST_NODES)
        _extend(terms, nodes, sigma, spline_matrix(count, patch[:, 0]), spline_matrix(count, mesh[:, 0]))
    field = Field(np.column_stack(terms), np.array(sigma), _UNIT_A)
    return GridField(field, np.column_stack(nodes), (nt, ny, nx))


def _surface(counts: tuple[int, int], at: Array) -> Array:
    """Return the weights of nodes (y, x) at places, shape (place, y · x)."""
    along_y, along_x = spline_matrix(counts[0], at[:, 1]), spline_matrix(counts[1], at[:, 2])
    return np.asarray((along_y[:, :, None] * along_x[:, None, :]).reshape(len(at), -1))


def _extend(terms: list[Array], nodes: list[Array], sigma: list[float], at_patches: Array, at_nodes: Array) -> None:
    """Add what the columns tell beyond the terms there are, as orthogonal combinations."""
    have, have_nodes = np.column_stack(terms), np.column_stack(nodes)
    inside = np.linalg.lstsq(have, at_patches, rcond=None)[0]
    beyond, beyond_nodes = at_patches - have @ inside, at_nodes - have_nodes @ inside
    _, size, turned = np.linalg.svd(beyond, full_matrices=False)
    for row in turned[size > 1e-3 * np.sqrt(len(at_patches))]:
        terms.append(beyond @ row)
        nodes.append(beyond_nodes @ row)
        sigma.append(_BENDING_PRIOR_A)
