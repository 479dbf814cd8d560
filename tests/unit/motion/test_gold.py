"""Beads that move otherwise than the sample: they mislead, unless they are left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tests.moving import ENGINE, PIXEL_A, binned, error_A, moving_stack

from weft.fields import MotionField, Verdict
from weft.motion import Gold, estimate_motion
from weft.motion.copies import Copies, make_bands
from weft.motion.gold import leave_out
from weft.movie.bin import BinnedMovie
from weft.settings.schema import MotionSettings

Array = NDArray[np.float64]

FRAMES, SHAPE = 6, (288, 320)
SAMPLE_A = np.linspace(-4, 4, FRAMES)[:, None] * np.array([0.8, -0.6])
BEADS_A = -SAMPLE_A[:, ::-1]
PLACES = np.array([(60, 70), (80, 230), (150, 150), (225, 90), (220, 260)])  # (y, x), pixels
RADIUS_PX = 12


def beads_at(path_A: Array) -> Array:
    """Return what is left of the beam behind the beads, (frame, y, x)."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    out = np.ones((len(path_A), *SHAPE))
    for number, (dy, dx) in enumerate(path_A / PIXEL_A):
        for by, bx in PLACES:
            away = np.hypot(y - by - dy, x - bx - dx)
            out[number] *= 1 - 0.9 * np.clip(RADIUS_PX + 0.5 - away, 0, 1)
    return out


def stack_with_beads() -> NDArray[np.float32]:
    frames = moving_stack(SAMPLE_A, SHAPE, contrast=0.05, counts=8.0)
    return np.random.default_rng(5).binomial(frames.astype(int), beads_at(BEADS_A)).astype(np.float32)


def gold(field: MotionField) -> Gold:
    return Gold(beads_at(np.zeros((1, 2)))[0] < 0.5, 12.0, field)


def test_what_beads_do_is_not_taken_for_the_samples_motion() -> None:
    movie = binned(stack_with_beads())
    first = estimate_motion(movie, MotionSettings(), ENGINE)
    second = estimate_motion(movie, MotionSettings(), ENGINE, without=gold(first))
    assert second.assessment.verdict is Verdict.GOOD
    assert error_A(first.path_A, SAMPLE_A) > 2 * second.details["bound_A"]
    assert error_A(second.path_A, SAMPLE_A) < second.details["bound_A"]


def test_nothing_in_common_is_left_in_the_holes() -> None:
    movie = binned(stack_with_beads())
    still = MotionField.rigid(np.zeros((FRAMES, 2)))
    before, after = (copies_of(movie) for _ in range(2))
    leave_out(gold(still), after)
    step = after.pixel_sizes_A[0] / PIXEL_A
    y, x = np.mgrid[: after.field_px[0], : after.field_px[1]] * step
    away = np.min([np.hypot(y - by, x - bx) for by, bx in PLACES], axis=0)
    inside, far = away < RADIUS_PX, away > RADIUS_PX + 30
    old, new = (copies.images[:, : y.shape[0], : y.shape[1]].numpy() for copies in (before, after))
    assert np.array_equal(old[:, far], new[:, far])
    assert common(old[:, inside]) > 0.3
    assert abs(common(new[:, inside])) < 0.05
    assert 0.85 < new[:, inside].std() / new[:, far].std() < 1.15


def test_a_mask_of_everything_changes_nothing() -> None:
    movie = binned(stack_with_beads())
    copies = copies_of(movie)
    before = copies.images.clone()
    leave_out(Gold(np.ones((4, 4), dtype=bool), 12.0, MotionField.rigid(np.zeros((FRAMES, 2)))), copies)
    assert bool((copies.images == before).all())


def common(frames: NDArray[np.float32]) -> float:
    """Return the mean correlation between frames."""
    return float(np.asarray(np.corrcoef(frames))[np.triu_indices(len(frames), 1)].mean())


def copies_of(movie: BinnedMovie) -> Copies:
    return make_bands(movie, 5.0, ENGINE).copies(5.0)
