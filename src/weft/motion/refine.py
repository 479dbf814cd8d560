"""Gauss-Newton from coarse to fine: first the path, then the field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.engine.device import Engine
from weft.motion.copies import Copies
from weft.motion.curvature import Curvature
from weft.motion.evidence import LocalPosterior, solve_local
from weft.motion.grids import Grid
from weft.motion.kernels import DEGREE, local_kernels, path_kernels, powers
from weft.motion.layout import Layout, constant_side, plan_layout
from weft.motion.likelihood import Information, measure, ring_statistics
from weft.motion.patches import Strips
from weft.motion.path import PathPosterior, solve_path

__all__ = ["Refinement", "Stage"]

Array = NDArray[np.float64]

_SMALL_TURN = 0.35  # radians at the band's end; after a step that turns no phase more, the next is 0.005 Å or less
_LEAST_WEIGHT = 0.1  # of a patch; measured values of empty places scatter about zero
_LEAST_SIDE_A = 60.0
_LEAST_PATCHES = 3  # along the shorter side of the field
_PLACES = 15  # along each side of the field, where the local part's slopes are looked at


@dataclass(frozen=True, slots=True)
class Stage:
    """One step from coarse to fine.

    Parameters
    ----------
    side_A : float or None
        Of the patches; None = the whole field.
    resolution_A : float
        End of the band; 0 = that of the settings.
    iterations : int
        At most.
    overlap : bool
        Whether patches overlap.
    least_side_A : float or None
        How much smaller patches may become where the field found so far is not constant within them; None = no smaller.
    """

    side_A: float | None
    resolution_A: float
    iterations: int
    overlap: bool = False
    least_side_A: float | None = None


class Refinement:
    """What is known of a movie's motion so far, and how it is made better.

    Parameters
    ----------
    coarse : Copies
        The frames that tell something.
    used : ndarray, shape (used frame,)
        Their numbers in the movie.
    path : ndarray, shape (frame, 2)
        First guess, Å.
    range_A : tuple of float
        Lowest and highest resolution.
    engine : Engine
        Where to compute.
    """

    def __init__(
        self,
        coarse: Copies,
        used: NDArray[np.intp],
        path: Array,
        range_A: tuple[float, float],
        engine: Engine,
    ) -> None:
        self._levels, self._used, self._range, self._engine = [coarse], used, range_A, engine
        self.path = path
        self.significance = 0.0
        self.last_step_A = 0.0  # root of the mean over frames of the last change of the path, squared
        self._posterior: PathPosterior | None = None
        self._local: LocalPosterior | None = None
        self._offset = np.zeros(len(powers()))

    @property
    def free_sigma_A(self) -> float:
        """Error of the path without any prior, root of the mean over frames of the 2D variance, Å."""
        return self._posterior.free_sigma if self._posterior else float("inf")

    def add_finer(self, copies: Copies) -> None:
        """Use finer copies of the same frames, too."""
        self._levels.insert(0, copies)

    def is_coherent_at(self, resolution_A: float, grid: Grid) -> bool:
        """Return whether phases at a resolution hold all over the field along the path.

        That is, the path is known well before any prior, and local motion is small.
        """
        off_A = np.hypot(self.free_sigma_A, np.sqrt((self._local_part(grid) ** 2).sum(-1).mean()))
        return bool(off_A * 2 * np.pi / resolution_A < _SMALL_TURN)

    def refine_path(self, stage: Stage, grid: Grid) -> None:
        """Improve the path with the whole field as one patch."""
        copies, band = self._band(stage)
        layout = plan_layout(copies, None, overlap=False, path_A=self.path[self._used])
        strips = Strips(copies, layout, self.path[None, self._used], band, self._engine)
        for _ in range(stage.iterations):
            information = measure(strips, ring_statistics(strips))
            self.significance = information.significance
            before = self.path
            self._solve_path(information, np.ones(1), strips, grid)
            self.last_step_A = float(np.sqrt(((self.path - before) ** 2).sum(1).mean()))
            strips.move_to(self.path[None, self._used])
            if _is_small(self.path - before, band):
                break

    def refine_field(self, stage: Stage, grid: Grid, *, may_be_rigid: bool) -> None:
        """Improve path and local part with many patches."""
        assert stage.side_A is not None
        copies, band = self._band(stage)
        side = stage.side_A if stage.least_side_A is None else self._constant_within(stage, grid, copies, band)
        side = max(_LEAST_SIDE_A, min(side, min(copies.field_A) / _LEAST_PATCHES))
        layout = plan_layout(copies, side, overlap=stage.overlap, path_A=self.path[self._used])
        functions = self._functions(grid, layout, copies)
        strips = Strips(copies, layout, self._displacement(functions), band, self._engine)
        for _ in range(stage.iterations):
            information = measure(strips, ring_statistics(strips, every=2 if stage.overlap else 1))
            weight = np.maximum(information.weight, _LEAST_WEIGHT)
            before, path = strips.displacement, self.path
            self._solve_path(information, weight, strips, grid)
            self.last_step_A = float(np.sqrt(((self.path - path) ** 2).sum(1).mean()))
            self._solve_local(information, weight, strips, functions, grid, may_be_rigid=may_be_rigid)
            strips.move_to(self._displacement(functions))
            if _is_small(strips.displacement - before, band):
                break

    def at_nodes(self, grid: Grid) -> tuple[Array, Array, Array | None, Array | None]:
        """Return path, its standard deviation, nodes of the local part, their standard deviation."""
        posterior, local = self._posterior, self._local
        assert posterior is not None
        if local is None:
            return self.path, posterior.sigma, None, None
        path = self.path + local.mean[-1]
        sigma = np.sqrt(posterior.sigma**2 + local.sigma[-1] ** 2)
        shape = (grid.nodes_y, grid.nodes_x, grid.nodes_t, 2)
        to_nodes = np.linalg.pinv(grid.time_spline)
        nodes = np.einsum("nt,ptc->pnc", to_nodes, local.mean[:-1]).reshape(shape).transpose(2, 0, 1, 3)
        nearest = np.round(np.linspace(0, len(self.path) - 1, grid.nodes_t)).astype(int)
        nodes_sigma = local.sigma[:-1, nearest].reshape(shape).transpose(2, 0, 1, 3)
        return path, sigma, np.ascontiguousarray(nodes), np.ascontiguousarray(nodes_sigma)

    def facts(self) -> dict[str, float]:
        """Return numbers for people."""
        facts = {"resolution_A": round(max(self._range[1], self._levels[0].resolution_A), 2)}
        if self._local is not None:
            facts |= {
                "log_evidence_local": round(self._local.log_evidence, 2),
                "strength_local_A": round(float(self._local.strength_A), 3),
            }
        return facts

    def _band(self, stage: Stage) -> tuple[Copies, tuple[float, float]]:
        resolution = max(stage.resolution_A, self._range[1], self._levels[0].resolution_A)
        fine_enough = [copies for copies in self._levels if copies.resolution_A <= resolution]
        return fine_enough[-1], (self._range[0], resolution)

    def _constant_within(self, stage: Stage, grid: Grid, copies: Copies, band: tuple[float, float]) -> float:
        """Return the side of patches, as large as the local part found so far is constant within them."""
        assert stage.side_A is not None
        assert stage.least_side_A is not None
        side = constant_side(self._local_part(grid), copies.field_A, band[1])
        most = min(stage.side_A, min(copies.field_A) / (DEGREE + 1))  # as many along a side as functions
        return max(stage.least_side_A, min(most, side))

    def _local_part(self, grid: Grid) -> Array:
        """Return the local part found so far on a lattice over the field, (row, column, used frame, 2)."""
        if self._local is None:
            return np.zeros((_PLACES, _PLACES, len(self._used), 2))
        place = (np.arange(_PLACES) + 0.5) / _PLACES
        y, x = np.meshgrid(place, place, indexing="ij")
        functions = grid.functions(y.ravel(), x.ravel()) - self._offset
        local = np.einsum("pm,mtc->ptc", functions, self._local.coefficients[:, self._used])
        return np.asarray(local.reshape(_PLACES, _PLACES, -1, 2))

    def _functions(self, grid: Grid, layout: Layout, copies: Copies) -> Array:
        rows, columns = layout.centres_frac(copies)
        y, x = np.meshgrid(rows, columns, indexing="ij")
        return grid.functions(y.ravel(), x.ravel())

    def _displacement(self, functions: Array) -> Array:
        """Return the displacement of patches in the used frames, (patch, used frame, 2)."""
        out = np.repeat(self.path[None, self._used], len(functions), axis=0)
        if self._local is not None:
            out += np.einsum("pm,mtc->ptc", functions - self._offset, self._local.coefficients[:, self._used])
        return out

    def _solve_path(self, information: Information, weight: Array, strips: Strips, grid: Grid) -> None:
        b, curvature = self._data(information, weight, strips)
        kernels = grid.holding(path_kernels(len(self.path)))
        self._posterior = solve_path(b.sum(0), curvature.weighted(weight.sum()), kernels)
        self.path = self._posterior.mean

    def _solve_local(
        self, information: Information, weight: Array, strips: Strips, functions: Array, grid: Grid, *,
        may_be_rigid: bool,
    ) -> None:  # fmt: skip
        b, curvature = self._data(information, weight, strips)
        kernels = grid.holding(local_kernels(len(self.path)))
        degrees = np.array([a + c for a, c in powers()])
        self._offset = weight @ functions / weight.sum()
        places = np.concatenate([grid.at_nodes() - grid.mean(), grid.mean() - self._offset])
        self._local = solve_local(b, weight, curvature, functions, degrees, places, kernels, may_be_rigid=may_be_rigid)

    def _data(self, information: Information, weight: Array, strips: Strips) -> tuple[Array, Curvature]:
        """Return gradient + curvature · displacement of each patch, and the curvature; 0 for frames that tell nothing."""
        frames, told = len(self.path), information.curvature
        b = np.zeros((len(weight), frames, 2))
        b[:, self._used] = information.gradient + weight[:, None, None] * told.times(strips.displacement)
        coupling = np.zeros(frames)
        coupling[self._used] = told.coupling
        return b, Curvature(coupling)


def _is_small(step_A: Array, band: tuple[float, float]) -> bool:
    return float(np.abs(step_A).max()) * 2 * np.pi / band[1] < _SMALL_TURN
