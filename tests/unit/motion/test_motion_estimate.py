"""The estimator on small movies whose motion is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.moving import ENGINE, PIXEL_A, binned, dome, error_A, moving_stack

from weft.fields import MotionField, Verdict
from weft.motion import estimate_motion
from weft.motion.quality import motion_facts
from weft.settings.schema import MotionSettings

Array = NDArray[np.float64]

FRAMES = 8
WALK_A = np.cumsum(np.random.default_rng(3).normal(0, 1.5, (FRAMES, 2)), 0)
DIRECTION = np.array([0.8, -0.6])


def estimate(stack: NDArray[np.float32], grid: str = "1x1xn", band: tuple[float, float] | None = None) -> MotionField:
    settings = MotionSettings(range_A=band or "auto", grid=grid)
    return estimate_motion(binned(stack), settings, ENGINE)


def local_error_A(field: MotionField, path_A: Array, strength_A: Array) -> float:
    """Return the error on a 5 × 5 lattice, as the scorer counts it."""
    at = np.linspace(0.1, 0.9, 5)
    y, x = np.meshgrid(at, at, indexing="ij")
    found = field.displacement(at, at)
    true = path_A[:, None, None] + strength_A[:, None, None, None] * dome(y, x)
    away = (found - found.mean(0)) - (true - true.mean(0))
    return float(np.sqrt((away**2).sum(-1).mean()))


def test_a_walk_is_found_within_its_stated_error() -> None:
    field = estimate(moving_stack(WALK_A))
    stated = float(np.sqrt((field.path_sigma_A**2).sum(1).mean()))
    assert field.assessment.verdict == Verdict.GOOD
    assert field.is_rigid
    assert error_A(field.path_A, WALK_A) < 2 * stated  # one movie scatters by a fifth; twice is far out
    assert stated < 0.1
    assert np.allclose(field.path_A.mean(0), 0, atol=1e-9)


def test_the_settings_band_is_kept_to() -> None:
    field = estimate(moving_stack(WALK_A), band=(500.0, 12.0))
    assert field.details["resolution_A"] == 12.0
    assert error_A(field.path_A, WALK_A) < 0.3


def limited_stack(end_A: float) -> NDArray[np.float32]:
    """Return frames of white noise on a moving scene that is white up to a resolution."""
    rng = np.random.default_rng(6)
    shape, shifts = (720, 800), np.round(WALK_A / PIXEL_A).astype(int)
    k = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]) / PIXEL_A
    scene = np.fft.irfft2(np.fft.rfft2(rng.normal(0, 2, shape)) * (k < 1 / end_A), shape)
    frames = [20 + np.roll(scene, tuple(shift), (0, 1)) + rng.normal(0, 1, shape) for shift in shifts]
    return np.asarray(frames, dtype=np.float32)


def test_frequencies_that_tell_nothing_are_left_out() -> None:
    fields = {end_A: estimate(limited_stack(end_A)) for end_A in (5.0, 8.0, 16.0)}
    assert fields[5.0].details["resolution_A"] < 5.2  # what is left out is less than two hundredths of the rings
    assert 7.0 < fields[8.0].details["resolution_A"] <= 8.2  # rings are 0.008 / Å wide
    assert fields[16.0].details["resolution_A"] == 12.0
    for field in fields.values():
        assert error_A(field.path_A, PIXEL_A * np.round(WALK_A / PIXEL_A)) < 0.05
    assert estimate(limited_stack(16.0), band=(300.0, 6.0)).details["resolution_A"] == 6.0
    assert estimate(limited_stack(16.0), grid="3x3xn").details["resolution_A"] == 12.0


def test_local_motion_hides_fine_frequencies_but_they_are_used() -> None:
    strength_A = np.linspace(-3, 3, FRAMES)
    stack = moving_stack(WALK_A, local_A=strength_A)
    assert estimate(stack, grid="3x3xn").details["resolution_A"] == 5.0


@pytest.mark.parametrize("far_A", [50.0, 200.0])
@pytest.mark.parametrize("burst", [False, True])
def test_long_drifts_are_followed(far_A: float, burst: bool) -> None:
    number = np.arange(FRAMES)
    way = 1 - np.exp(-number / 1.2) if burst else number / (FRAMES - 1)
    path = far_A * way[:, None] * DIRECTION
    field = estimate(moving_stack(path, (384, 384)))
    assert error_A(field.path_A, path) < 0.15


@pytest.mark.parametrize("stays", [True, False])
def test_a_jump_of_30_A_is_followed(stays: bool) -> None:
    path = WALK_A.copy()
    path[3 : None if stays else 4] += 30 * DIRECTION
    assert error_A(estimate(moving_stack(path)).path_A, path) < 0.15


def test_a_frame_of_zeros_takes_part_in_nothing() -> None:
    stack = moving_stack(WALK_A)
    stack[2] = 0
    field = estimate(stack)
    others = np.arange(FRAMES) != 2
    assert error_A(field.path_A[others], WALK_A[others]) < 0.15
    assert field.path_sigma_A[2].min() > 3 * field.path_sigma_A[others].max()


def test_a_frame_that_repeats_another_moves_with_it_and_counts_once() -> None:
    stack = moving_stack(WALK_A)
    stack[5] = stack[4]
    path = WALK_A.copy()
    path[5] = path[4]
    field = estimate(stack)
    assert np.array_equal(field.path_A[5], field.path_A[4])
    assert error_A(field.path_A, path) < 0.15
    assert field.path_sigma_A.max() < 0.1


@pytest.mark.parametrize("frames", [2, 3])
def test_few_frames_are_enough(frames: int) -> None:
    assert error_A(estimate(moving_stack(WALK_A[:frames])).path_A, WALK_A[:frames]) < 0.2


def test_a_path_that_has_not_settled_is_weak_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.motion.estimate.SETTLED_A", 0.0)
    field = estimate(moving_stack(WALK_A, (192, 192)))
    assert field.assessment.verdict == Verdict.WEAK
    assert "had not settled" in field.assessment.reason


@pytest.mark.slow
def test_hundreds_of_frames_are_followed() -> None:
    number = np.arange(300)
    path = np.stack([20 * (1 - np.exp(-number / 50)), 3 * np.sin(number / 90)], axis=1)
    field = estimate(moving_stack(path, (96, 96), counts=1.0))
    assert field.assessment.verdict == Verdict.GOOD
    assert error_A(field.path_A, path) < 0.3


@pytest.mark.parametrize("grid", ["1x1xn", "auto"])
@pytest.mark.parametrize("frames", [2, 8])
def test_noise_is_never_fitted(grid: str, frames: int) -> None:
    field = estimate(moving_stack(np.zeros((frames, 2)), contrast=1e-6), grid)
    assert field.assessment.verdict == Verdict.FAILED
    assert "chance" in field.assessment.reason
    assert not field.path_A.any()
    assert field.is_rigid
    assert np.isnan(field.path_sigma_A).all()


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_images_without_contrast_fail(value: float) -> None:
    field = estimate(np.full((4, 96, 96), value, dtype=np.float32))
    assert field.assessment.verdict == Verdict.FAILED
    assert not field.path_A.any()


def test_one_frame_does_not_move() -> None:
    field = estimate(moving_stack(np.zeros((1, 2)), (96, 96)))
    assert field.assessment.verdict == Verdict.GOOD
    assert field.frames == 1
    assert not field.path_A.any()


@pytest.mark.parametrize("grid", ["auto", "5x5xn"])
def test_local_motion_is_found(grid: str) -> None:
    strength = 3 * np.exp(-np.arange(FRAMES) / 3.0)
    field = estimate(moving_stack(WALK_A, local_A=strength), grid)
    rigid = estimate(moving_stack(WALK_A, local_A=strength))
    assert local_error_A(field, WALK_A, strength) < 0.12
    assert local_error_A(rigid, WALK_A, strength) > 0.4
    assert field.details["log_evidence_local"] > 50
    assert np.isfinite(field.nodes_sigma_A).all()
    if grid == "5x5xn":
        assert field.nodes_A.shape == (FRAMES, 5, 5, 2)


def test_auto_leaves_a_rigid_movie_rigid() -> None:
    still = np.zeros(FRAMES)
    errors = []
    for seed in range(1, 5):
        stack = moving_stack(WALK_A, seed=seed)
        auto, rigid = (estimate(stack, grid) for grid in ("auto", "1x1xn"))
        errors.append([local_error_A(field, WALK_A, still) for field in (auto, rigid)])
        assert auto.details["log_evidence_local"] < 2
    auto_A, rigid_A = np.sqrt(np.square(errors).mean(0))
    assert auto_A < 1.05 * rigid_A


def test_fewer_nodes_in_time_hold_a_smooth_path() -> None:
    path = np.linspace(0, 10, FRAMES)[:, None] * DIRECTION
    field = estimate(moving_stack(path), "1x1x3")
    assert error_A(field.path_A, path) < 0.1
    bends = np.diff(field.path_A, 4, axis=0)  # a spline of three nodes has no room for more
    assert np.abs(bends).max() < 0.2


def test_equal_input_gives_equal_bytes() -> None:
    stack = moving_stack(WALK_A)
    first, second = (estimate(stack, "auto") for _ in range(2))
    assert first.path_A.tobytes() == second.path_A.tobytes()
    assert first.nodes_A.tobytes() == second.nodes_A.tobytes()


def test_facts_split_early_from_late() -> None:
    path = np.array([[0.0, 0], [3, 0], [5, 0], [6, 0], [6, 0.5]])
    facts = motion_facts(MotionField.rigid(path, np.zeros_like(path)), exposure_e_A2=10.0)
    assert facts["total_A"] == pytest.approx(6.5)
    assert facts["early_A"] == pytest.approx(3.0)
    assert facts["early_A"] + facts["late_A"] == pytest.approx(facts["total_A"])
    assert facts["largest_local_A"] == 0
