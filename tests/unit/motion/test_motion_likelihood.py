"""Gradient, curvature and the ways from them to displacements, against slow definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.moving import ENGINE, binned, moving_stack

from weft.motion.copies import Copies, make_bands
from weft.motion.curvature import Curvature
from weft.motion.evidence import solve_local
from weft.motion.grids import make_grid
from weft.motion.kernels import Kernel, local_kernels, path_kernels, powers
from weft.motion.layout import constant_side, plan_layout
from weft.motion.likelihood import Rings, measure, ring_statistics
from weft.motion.patches import Strips
from weft.motion.path import solve_path
from weft.motion.search import find_start

Array = NDArray[np.float64]

PATH_A = np.array([[1.0, -2.0], [-0.5, 1.0], [2.0, 0.5], [-2.5, 0.5]])
AWAY = np.array([[0.0, 0], [1, 0], [0, 1], [-1, -1]])


def copies_of(path: Array, resolution_A: float = 8.0) -> Copies:
    return make_bands(binned(moving_stack(path, (160, 192))), resolution_A, ENGINE).copies(resolution_A)


def strips_at(copies: Copies, side_A: float | None, displacement: Array) -> Strips:
    layout = plan_layout(copies, side_A, overlap=False)
    everywhere = np.repeat(displacement[None], layout.count, axis=0)
    return Strips(copies, layout, everywhere, (200.0, 8.0), ENGINE)


def test_the_level_of_the_frames_adds_nothing_to_patches() -> None:
    copies = copies_of(PATH_A)
    layout = plan_layout(copies, 110.0, overlap=True)  # windows of several kinds
    still = np.zeros((layout.count, copies.frames, 2))
    found = []
    for images in (copies.images, copies.images + 3):
        strips = Strips(replace(copies, images=images), layout, still, (200.0, 8.0), ENGINE)
        found.append(np.concatenate([patches.aligned.numpy() for patches in strips.each()]))
    np.testing.assert_allclose(found[1], found[0], atol=1e-4 * np.abs(found[0]).max())


def slow_log_likelihood(strips: Strips, rings: Rings) -> float:
    """Return ½ Σ m w (|S|² - Σ q|X|²), w = ρ / ((1 + Qρ) σ²)."""
    q = strips.amplitude.numpy().astype(float) ** 2
    w = rings.rho / (1 + q.sum() * rings.rho) / rings.noise
    weight = strips.band.multiplicity.numpy() * w[strips.band.ring.numpy()]
    value = 0.0
    for patches in strips.each():
        g = patches.aligned.numpy().astype(np.complex128) * np.sqrt(q)[:, None, None]
        value += float((0.5 * weight * (np.abs(g.sum(1)) ** 2 - (np.abs(g) ** 2).sum(1))).sum())
    return value * strips.layout.share


@pytest.mark.parametrize("side_A", [None, 110.0])
def test_gradient_is_the_slope_of_the_likelihood(side_A: float | None) -> None:
    strips = strips_at(copies_of(PATH_A), side_A, 0.8 * PATH_A)
    rings = ring_statistics(strips)
    found = measure(strips, rings)
    assert found.log_likelihood == pytest.approx(slow_log_likelihood(strips, rings), rel=1e-4)
    here = strips.displacement
    h = 0.02
    for patch, frame, axis in ((0, 0, 0), (strips.count - 1, 2, 1)):
        values = []
        for sign in (1, -1):
            there = here.copy()
            there[patch, frame, axis] += sign * h
            strips.move_to(there)
            values.append(slow_log_likelihood(strips, rings))
        slope = (values[0] - values[1]) / (2 * h)
        assert found.gradient[patch, frame, axis] == pytest.approx(slope, rel=0.01, abs=0.05)  # float32 phases


def test_a_common_displacement_changes_nothing() -> None:
    strips = strips_at(copies_of(PATH_A), None, PATH_A)
    found = measure(strips, ring_statistics(strips))
    size = np.abs(found.gradient).max()
    assert np.abs(found.gradient.sum(1)).max() < 1e-3 * max(size, 1.0)
    still = found.curvature.times(np.ones((len(PATH_A), 1)))
    assert np.allclose(still, 0, atol=1e-9 * found.curvature.diagonal.max())


def test_truth_is_where_the_gradient_is_small_for_its_curvature() -> None:
    strips = strips_at(copies_of(PATH_A), None, PATH_A)
    found = measure(strips, ring_statistics(strips))
    step = np.linalg.pinv(found.curvature.dense) @ found.gradient[0]
    stated = np.sqrt(np.diag(np.linalg.pinv(found.curvature.dense)))
    assert np.abs(step).max() < 4 * stated.max()


def test_aligned_frames_are_significant_and_shuffled_ones_are_not() -> None:
    copies = copies_of(PATH_A)
    there, away = (measure(s, ring_statistics(s)) for s in (
        strips_at(copies, None, PATH_A), strips_at(copies, None, PATH_A + 40 * AWAY),
    ))  # fmt: skip
    assert there.significance > 50
    assert abs(away.significance) < 0.1 * there.significance


def test_patches_that_do_not_fit_into_memory_give_the_same_numbers() -> None:
    copies = copies_of(PATH_A)
    kept, cut = strips_at(copies, 110.0, PATH_A), strips_at(copies, 110.0, PATH_A)
    cut._keep = False
    cut._rows = 1
    rings = ring_statistics(kept)
    assert np.allclose(ring_statistics(cut).signal, rings.signal, rtol=1e-4, atol=1e-6)
    assert np.allclose(measure(cut, rings).gradient, measure(kept, rings).gradient, rtol=1e-3, atol=1e-2)


def test_patches_are_cut_where_their_content_is() -> None:
    path = np.array([[0.0, 0], [16, -20], [-10, 12], [-6, 8]])
    copies = copies_of(path)
    strips = strips_at(copies, 110.0, path)
    rings = ring_statistics(strips)
    good = rings.count > 0
    assert rings.rho[good].mean() > 0.6 * _rho_at_rest()


def _rho_at_rest() -> float:
    still = np.zeros((4, 2))
    rings = ring_statistics(strips_at(copies_of(still), 110.0, still))
    return float(rings.rho[rings.count > 0].mean())


def test_layouts_with_overlap_see_each_place_alike() -> None:
    copies = copies_of(PATH_A)
    layout = plan_layout(copies, 110.0, overlap=True)
    seen = np.zeros(copies.field_px[0])
    for start, window in zip(layout.starts_y, layout.windows_y, strict=True):
        seen[start : start + layout.shape[0]] += window**2
    inner = seen[4:-4]  # the outer edges fall off over 2 pixels
    assert len(layout.starts_y) > 2
    assert inner.std() < 0.15 * inner.mean()
    assert 0.2 < layout.share <= 1


def test_centres_are_those_of_what_the_windows_see() -> None:
    copies = copies_of(PATH_A)
    layout = plan_layout(copies, 110.0, overlap=True)
    rows, _ = layout.centres_frac(copies)
    side = layout.shape[0]
    halves = (rows * copies.field_A[0] / copies.pixel_sizes_A[0] - layout.starts_y) / side
    assert halves[0] < 0.47  # the first window falls off towards the second only
    assert halves[-1] > 0.53
    assert np.allclose(halves[1:-1], 0.5, atol=1e-6)


@given(st.integers(0, 10_000), st.floats(3.0, 20.0))
def test_patches_are_as_large_as_the_field_is_constant_within_them(seed: int, resolution_A: float) -> None:
    rng = np.random.default_rng(seed)
    bend, speed = rng.normal(0, 1e-3, (2, 2)), rng.normal(0, 1, 5)  # Å per Å; of each frame
    at_y, at_x = np.meshgrid((np.arange(6) + 0.5) / 6 * 900, (np.arange(8) + 0.5) / 8 * 1200, indexing="ij")
    displacement = np.einsum("yxa,ac,t->yxtc", np.stack([at_y, at_x], -1), bend, speed)
    side = constant_side(displacement, (900.0, 1200.0), resolution_A)
    within = rng.uniform(-side / 2, side / 2, (20_000, 2)) @ bend
    turns = 2 * np.pi / resolution_A * within[:, None] * speed[:, None]
    assert np.sqrt((turns**2).mean()) == pytest.approx(0.1, rel=0.02)


def test_patches_of_a_rigid_field_may_have_any_size() -> None:
    assert constant_side(np.zeros((6, 8, 3, 2)), (900.0, 1200.0), 5.0) > 1e6


def test_a_whole_field_keeps_to_what_all_frames_show() -> None:
    copies = copies_of(PATH_A)
    far = np.array([[-30.0, 0.0], [30.0, 0.0]])
    layout = plan_layout(copies, None, overlap=False, path_A=far)
    before = int(np.ceil(30 / copies.pixel_sizes_A[0]))
    assert layout.starts_y[0] == before
    assert layout.starts_y[0] + layout.shape[0] + before <= copies.field_px[0]
    assert layout.starts_x[0] == 0


def test_copies_know_repeats_and_empty_frames() -> None:
    stack = moving_stack(PATH_A, (96, 96))
    stack[1] = 0
    stack[3] = stack[2]
    copies = make_bands(binned(stack), 8.0, ENGINE).copies(8.0)
    assert copies.amplitude[1] == 0
    assert copies.same_as.tolist() == [0, 1, 2, 2]
    assert copies.images[0].std() == pytest.approx(1, abs=0.01)


def test_brighter_frames_hold_more_signal() -> None:
    stack = np.concatenate([moving_stack(PATH_A[:2], (128, 128)), moving_stack(PATH_A[:2], (128, 128), counts=8.0)])
    amplitude = make_bands(binned(stack), 8.0, ENGINE).copies(8.0).amplitude
    assert amplitude[2] / amplitude[0] == pytest.approx(np.sqrt(2), rel=0.03)


def test_coarser_copies_show_the_same_field() -> None:
    bands = make_bands(binned(moving_stack(PATH_A, (160, 192))), 5.0, ENGINE)
    less, copies = bands.copies(12.0), bands.copies(5.0)
    assert less.images.shape[1] < copies.images.shape[1]
    for axis in (0, 1):
        assert less.images.shape[1 + axis] * less.pixel_sizes_A[axis] == pytest.approx(
            copies.images.shape[1 + axis] * copies.pixel_sizes_A[axis]
        )


def test_copies_hardly_coarser_are_not_made() -> None:
    bands = make_bands(binned(moving_stack(PATH_A, (160, 192))), 8.0, ENGINE)
    copies = bands.copies(8.2)
    assert copies.resolution_A == 8.0
    assert (copies.images.shape[1], copies.images.shape[2]) == bands.shape


def test_start_is_near_from_anywhere() -> None:
    path = np.linspace(0, 90, 5)[:, None] * np.array([0.6, 0.8])
    copies = make_bands(binned(moving_stack(path, (256, 256))), 12.0, ENGINE).copies(12.0)
    found = find_start(copies, -500.0, ENGINE)
    assert np.abs(found - (path - path.mean(0))).max() < 1.5


def random_curvature(rng: np.random.Generator, frames: int, strength: float = 50.0) -> Curvature:
    return Curvature(np.sqrt(strength) * rng.uniform(0.5, 1.5, frames))


def slow_path(b: Array, curvature: Curvature, kernel: Kernel) -> tuple[float, Array, Array]:
    """Return log evidence over that of no motion, mean and variance with dense matrices."""
    frames, bend = len(b), curvature.dense
    covariance = np.linalg.inv(np.linalg.inv(kernel.covariance) + bend)
    centre = np.eye(frames) - curvature.share
    log_det = np.linalg.slogdet(np.eye(frames) + kernel.covariance @ bend)[1]
    evidence = 0.5 * float((b * (covariance @ b)).sum()) - float(log_det)
    return evidence, centre @ covariance @ b, np.diag(centre @ covariance @ centre.T)


@given(st.integers(0, 10_000), st.integers(2, 9))
def test_path_of_a_strong_likelihood_is_the_data(seed: int, frames: int) -> None:
    rng = np.random.default_rng(seed)
    curvature = random_curvature(rng, frames, 5e5)
    true = rng.normal(0, 2, (frames, 2))
    found = solve_path(curvature.times(true), curvature, path_kernels(frames))
    assert np.allclose(found.mean, true - true.mean(0), atol=0.02)
    assert np.allclose(found.mean.mean(0), 0, atol=1e-8)


@pytest.mark.parametrize(("frames", "kernel"), [(6, 20), (6, 177), (40, 33), (160, 0), (160, 5), (301, 3)])
@pytest.mark.parametrize("blind", [False, True])
def test_path_posterior_equals_the_slow_definition(frames: int, kernel: int, blind: bool) -> None:
    rng = np.random.default_rng(5)
    curvature = random_curvature(rng, frames, 50 / frames)
    if blind:
        curvature.coupling[[1, 3]] = 0
    b = curvature.times(rng.normal(0, 1, (frames, 2)))
    prior = path_kernels(frames)[kernel]
    found = solve_path(b, curvature, [prior])
    evidence, mean, variance = slow_path(b, curvature, prior)
    assert found.log_evidence == pytest.approx(evidence, rel=1e-6, abs=1e-5)
    assert np.allclose(found.mean, mean, atol=1e-6)
    assert np.allclose(found.sigma[:, 0] ** 2, variance, atol=1e-6)
    free = np.trace(np.linalg.pinv(curvature.dense)) * 2 / np.count_nonzero(curvature.coupling)
    assert found.free_sigma**2 == pytest.approx(free, rel=1e-9)


@pytest.mark.parametrize("frames", [30, 150])
def test_few_nodes_in_time_hold_projected_covariances(frames: int) -> None:
    grid = make_grid("1x1x5", frames)
    project = grid.time_spline @ np.linalg.pinv(grid.time_spline)
    kernels = path_kernels(frames)
    for kernel, held in zip(kernels, grid.holding(kernels), strict=True):
        wanted = project @ kernel.covariance @ project.T
        assert held.factor.shape[1] <= 5
        assert np.allclose(held.covariance, wanted, atol=1e-9 * wanted.max())


def test_local_posterior_follows_the_data_and_rigid_data_stay_rigid() -> None:
    rng = np.random.default_rng(8)
    frames = 6
    grid = make_grid("auto", frames)
    at = (np.arange(6) + 0.5) / 6
    y, x = (side.ravel() for side in np.meshgrid(at, at, indexing="ij"))
    functions = grid.functions(y, x)
    weight = rng.uniform(0.5, 1.5, len(functions))
    curvature = random_curvature(rng, frames)
    degrees = np.array([a + b for a, b in powers()])
    offset = weight @ functions / weight.sum()
    true = np.zeros((len(functions), frames, 2))
    true[..., 0] = (2 * x - 1)[:, None] * np.exp(-np.arange(frames) / 2)
    noise = np.linalg.cholesky(curvature.dense + 1e-6 * np.eye(frames))
    draw = np.sqrt(weight)[:, None, None] * np.einsum("tu,puc->ptc", noise, rng.normal(size=true.shape))
    for strength in (1.0, 0.0):
        b = weight[:, None, None] * curvature.times(strength * true) + draw
        found = solve_local(
            b, weight, curvature, functions, degrees, functions - offset, local_kernels(frames), may_be_rigid=True
        )
        wanted = strength * (true - (weight[:, None, None] * true).sum(0) / weight.sum())
        wanted -= wanted.mean(1, keepdims=True)
        pull = np.sqrt(((found.mean - wanted) ** 2).mean() / max((found.sigma**2).mean(), 1e-12))
        if strength:
            assert found.log_evidence > 20
            assert 0.5 < pull < 1.6  # 36 patches scatter
        else:
            assert found.log_evidence < 0
            assert np.abs(found.mean).max() < 0.05


def test_the_stated_error_holds_where_local_motion_is_hardly_seen() -> None:
    rng = np.random.default_rng(9)
    frames, size_A = 12, 0.05
    grid = make_grid("auto", frames)
    at = (np.arange(6) + 0.5) / 6
    y, x = (side.ravel() for side in np.meshgrid(at, at, indexing="ij"))
    functions, weight = grid.functions(y, x), np.ones(36)
    curvature = Curvature(np.ones(frames))
    degrees = np.array([a + b for a, b in powers()])
    early = np.exp(-np.arange(frames) / 1.5)  # most of the motion lies in the first two frames
    noise = np.linalg.cholesky(curvature.dense + 1e-9 * np.eye(frames))
    errors, stated, evidences = [], [], []
    for _ in range(30):
        true = np.einsum("pm,t,mc->ptc", functions[:, :5], early, rng.normal(size=(5, 2)))
        true -= true.mean((0, 1))
        true *= size_A / np.sqrt((true**2).mean())
        b = curvature.times(true) + np.einsum("tu,puc->ptc", noise, rng.normal(size=true.shape))
        places = functions - functions.mean(0)
        found = solve_local(b, weight, curvature, functions, degrees, places, local_kernels(frames), may_be_rigid=True)
        wanted = true - true.mean(0)
        wanted -= wanted.mean(1, keepdims=True)
        errors.append(((found.mean - wanted) ** 2).mean())
        stated.append((found.sigma**2).mean())
        evidences.append(found.log_evidence)
    assert abs(np.median(evidences)) < 3
    assert 0.8 < np.sqrt(np.mean(errors) / np.mean(stated)) < 1.2


@pytest.mark.parametrize("nodes", ["5x5xn", "auto"])
def test_nodes_give_back_the_surface_functions(nodes: str) -> None:
    grid = make_grid(nodes, 4)
    from weft.fields.spline import spline_matrix

    at = np.linspace(0.05, 0.95, 5)
    y, x = (side.ravel() for side in np.meshgrid(at, at, indexing="ij"))
    nodes_there = np.einsum(
        "ay,bx,yxm->abm", spline_matrix(grid.nodes_y, at), spline_matrix(grid.nodes_x, at),
        grid.at_nodes().reshape(grid.nodes_y, grid.nodes_x, -1),
    )  # fmt: skip
    assert np.allclose(nodes_there.reshape(25, -1), grid.functions(y, x))
