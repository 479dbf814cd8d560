"""The motion field of a movie: start, coarse to fine, evidence, verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.engine.device import Engine
from weft.fields.motion import MotionField
from weft.fields.verdict import GOOD, Assessment, Verdict
from weft.motion.copies import coarser, make_copies
from weft.motion.evidence import PathPosterior, solve_path
from weft.motion.grids import make_grid
from weft.motion.kernels import path_kernels
from weft.motion.likelihood import Information, measure, ring_statistics
from weft.motion.patches import Patches, cut_patches, plan_layout
from weft.motion.search import find_start
from weft.movie.bin import BinnedMovie
from weft.settings.schema import MotionSettings

__all__ = ["estimate_motion"]

Array = NDArray[np.float64]

AUTO_RANGE_A = (300.0, 5.0)
_START_A = 12.0  # resolution of the first guess
_WEAK_A = 0.4  # stated error from which a path is not to be trusted
_CLOSE_ENOUGH_A = 0.01


@dataclass(frozen=True, slots=True)
class _Stage:
    """One step from coarse to fine: side of the patches, end of the band, iterations."""

    side_A: float | None
    resolution_A: float
    iterations: int
    overlap: bool = False


def estimate_motion(movie: BinnedMovie, settings: MotionSettings, engine: Engine) -> MotionField:
    """Estimate where the sample has gone in each frame.

    Parameters
    ----------
    movie : BinnedMovie
        The frames.
    settings : MotionSettings
        Band, B-factor, grid.
    engine : Engine
        Where to compute.

    Returns
    -------
    MotionField
        With standard deviations and a verdict: ``failed`` (and no motion at all) where the frames have nothing in
        common that could be followed, ``weak`` where the path's stated error exceeds 0.4 Å.
    """
    if movie.frames == 1:
        return MotionField.rigid(np.zeros((1, 2)), np.zeros((1, 2)), Assessment(Verdict.GOOD, "one frame"))
    return _Estimation(movie, settings, engine).run()


class _Estimation:
    """One movie in hand."""

    def __init__(self, movie: BinnedMovie, settings: MotionSettings, engine: Engine) -> None:
        self._settings, self._engine = settings, engine
        self._range = AUTO_RANGE_A if settings.range_A == "auto" else settings.range_A
        self._frames = movie.frames
        copies = make_copies(movie, self._range[1], engine)
        self._same_as = copies.same_as
        self._used = np.flatnonzero((copies.amplitude > 0) & (copies.same_as == np.arange(movie.frames)))
        self._copies = copies.of(self._used) if len(self._used) else copies
        self._grid = make_grid(settings.grid, movie.frames)

    def run(self) -> MotionField:
        """Return the field."""
        if len(self._used) < 2:
            return self._failed("fewer than two frames hold an image of their own")
        path = np.zeros((self._frames, 2))
        coarse = coarser(self._copies, _START_A, self._engine)
        path[self._used] = find_start(coarse, _START_A, self._settings.b_factor_A2, self._engine)
        posterior, information = None, None
        for stage in (_Stage(None, 2 * _START_A, 3), _Stage(None, _START_A, 2), _Stage(None, self._range[1], 3)):
            path, posterior, information = self._rigid(stage, path)
        assert posterior is not None
        assert information is not None
        return self._field(path, posterior)

    def _rigid(self, stage: _Stage, path: Array) -> tuple[Array, PathPosterior, Information]:
        """Refine the path with the whole field as one patch."""
        band = (self._range[0], max(stage.resolution_A, self._copies.resolution_A))
        copies = coarser(self._copies, band[1], self._engine)
        layout = plan_layout(copies, None, overlap=False)
        patches = cut_patches(copies, layout, path[None, self._used], band, self._engine)
        for _ in range(stage.iterations):
            information = measure(patches, ring_statistics(patches), share=layout.share)
            posterior = self._solve_path(information, patches)
            step = np.abs(posterior.mean - path).max()
            path = posterior.mean
            patches.move_to(path[None, self._used])
            if step < _CLOSE_ENOUGH_A:
                break
        return path, posterior, information

    def _solve_path(self, information: Information, patches: Patches) -> PathPosterior:
        weight = np.maximum(information.weight, 0.1) if patches.count > 1 else np.ones(1)
        curvature = information.curvature * weight.sum()
        b = (information.gradient + weight[:, None, None] * (information.curvature @ patches.displacement)).sum(0)
        project = self._grid.in_time
        kernels = [project @ kernel @ project.T for kernel in path_kernels(self._frames)]
        return solve_path(*self._all_frames(b, curvature), kernels)

    def _all_frames(self, b: Array, curvature: Array) -> tuple[Array, Array]:
        """Return gradient and curvature with zeros for frames that tell nothing."""
        if len(self._used) == self._frames:
            return b, curvature
        full_b = np.zeros((*b.shape[:-2], self._frames, 2))
        full_b[..., self._used, :] = b
        full = np.zeros((self._frames, self._frames))
        full[np.ix_(self._used, self._used)] = curvature
        return full_b, full

    def _field(self, path: Array, posterior: PathPosterior) -> MotionField:
        path = path[self._same_as]
        sigma = posterior.sigma[self._same_as]
        path = path - path.mean(0)
        bound = posterior.free_sigma
        assessment = GOOD
        if bound > _WEAK_A:
            assessment = Assessment(Verdict.WEAK, f"the path is uncertain by {bound:.1f} Å")
        return MotionField.rigid(path, sigma, assessment, bound_A=round(bound, 4))

    def _failed(self, reason: str) -> MotionField:
        still = np.zeros((self._frames, 2))
        return MotionField.rigid(still, np.full_like(still, np.nan), Assessment(Verdict.FAILED, reason))
