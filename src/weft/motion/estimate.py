"""The motion field of a movie: start, coarse to fine, evidence, verdict."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weft.engine.device import Engine
from weft.fields.motion import MotionField
from weft.fields.verdict import GOOD, Assessment, Verdict
from weft.motion.copies import Copies, make_bands
from weft.motion.gold import Gold, leave_out
from weft.motion.grids import Grid, make_grid
from weft.motion.reach import useful_resolution
from weft.motion.refine import Refinement, Stage
from weft.motion.search import find_start
from weft.movie.bin import BinnedMovie
from weft.settings.schema import MotionSettings

__all__ = ["estimate_motion"]

Array = NDArray[np.float64]

AUTO_RANGE_A = (300.0, 5.0)
START_A = 12.0  # resolution of the coarse copies
WEAK_A = 0.4  # stated error from which a path is not to be trusted
SETTLED_A = 0.4  # change of the path in the last step from which the search had not come to rest
_CHANCE = (
    6.0  # times √frames: significance that noise reaches, aligned as well as it can be, is 4 (measured: 4.1 to 4.7)
)

_COARSE_STAGES = (Stage(600.0, 20.0, 3), Stage(430.0, START_A, 2))
_LAST_STAGE = (
    # windows stay at whole pixels while their content moves by parts of them: edges pull the path back, the more the
    # smaller patches are
    Stage(600.0, 0.0, 2, overlap=True, least_side_A=200.0)
)


def estimate_motion(
    movie: BinnedMovie, settings: MotionSettings, engine: Engine, *, without: Gold | None = None
) -> MotionField:
    """Estimate where the sample has gone in each frame.

    Parameters
    ----------
    movie : BinnedMovie
        The frames.
    settings : MotionSettings
        Band, B-factor, grid. The B-factor weights the first guess; afterwards every frequency counts by what the
        data show that it knows.
    engine : Engine
        Where to compute.
    without : Gold, optional
        Where an average along an earlier estimate shows gold, which is to tell nothing of the motion now.

    Returns
    -------
    MotionField
        With standard deviations and a verdict: ``failed`` (and no motion at all) where the frames have nothing in
        common that could be followed, ``weak`` where the path's stated error exceeds 0.4 Å or its last step did.
    """
    if movie.frames == 1:
        return MotionField.rigid(np.zeros((1, 2)), np.zeros((1, 2)), Assessment(Verdict.GOOD, "one frame"))
    range_A = AUTO_RANGE_A if settings.range_A == "auto" else settings.range_A
    grid = make_grid(settings.grid, movie.frames)
    keep = grid.is_rigid or movie.is_binned  # local motion of unbinned frames is corrected without transforms
    bands = make_bands(movie, range_A[1], engine, keep_spectra=keep)
    same_as = bands.same_as
    used = np.flatnonzero((bands.amplitude > 0) & (same_as == np.arange(movie.frames)))
    if len(used) < 2:
        return _failed(movie.frames, "fewer than two frames hold an image of their own")
    coarse = _without(without, bands.copies(max(START_A, range_A[1]))).of(used)
    path = np.zeros((movie.frames, 2))
    path[used] = find_start(coarse, settings.b_factor_A2, engine)
    refinement = Refinement(coarse, used, path, range_A, engine)
    refinement.refine_path(Stage(None, START_A, 2), grid)
    if refinement.significance < _CHANCE * np.sqrt(len(used)):
        return _failed(movie.frames, "the frames have nothing in common beyond chance")
    may_be_rigid = settings.grid == "auto"
    if not grid.is_rigid:
        for stage in _COARSE_STAGES:
            refinement.refine_field(stage, grid, may_be_rigid=may_be_rigid)
    if bands.resolution_A < coarse.resolution_A:
        end_A = bands.resolution_A
        if settings.range_A == "auto" and refinement.is_coherent_at(end_A, grid):
            end_A = useful_resolution(bands, used, refinement.path, range_A)
        if end_A < coarse.resolution_A:
            refinement.add_finer(_without(without, bands.copies(end_A, last=True)).of(used))
    if grid.is_rigid:
        refinement.refine_path(Stage(None, 0.0, 3), grid)
    else:
        refinement.refine_field(_LAST_STAGE, grid, may_be_rigid=may_be_rigid)
    return _field(refinement, grid, same_as)


def _without(gold: Gold | None, copies: Copies) -> Copies:
    if gold is not None:
        leave_out(gold, copies)
    return copies


def _field(refinement: Refinement, grid: Grid, same_as: NDArray[np.intp]) -> MotionField:
    """Return the result with its verdict; frames that repeat another one move as that one does."""
    path, path_sigma, nodes, nodes_sigma = refinement.at_nodes(grid)
    path, path_sigma = path[same_as], path_sigma[same_as]
    path = path - path.mean(0)
    bound = refinement.free_sigma_A
    assessment = GOOD
    if bound > WEAK_A:
        assessment = Assessment(Verdict.WEAK, f"the path is uncertain by {bound:.1f} Å")
    elif refinement.last_step_A > SETTLED_A:
        reason = f"the path had not settled: the last step still changed it by {refinement.last_step_A:.1f} Å"
        assessment = Assessment(Verdict.WEAK, reason)
    details = {"bound_A": round(bound, 4)} | refinement.facts()
    if nodes is None or nodes_sigma is None:
        return MotionField.rigid(path, path_sigma, assessment, **details)
    return MotionField(path, path_sigma, nodes, nodes_sigma, assessment, details)


def _failed(frames: int, reason: str) -> MotionField:
    still = np.zeros((frames, 2))
    return MotionField.rigid(still, np.full_like(still, np.nan), Assessment(Verdict.FAILED, reason))
