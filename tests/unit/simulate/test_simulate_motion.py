from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from weft.simulate.drift import LATTICE, TrueMotion, make_motion, move_locally, tile_centres


def test_motion_has_no_mean_over_frames_at_any_place() -> None:
    motion = make_motion(8, 6, 0.4, 0.3, np.random.default_rng(1))
    assert np.abs(motion.displacement(LATTICE, LATTICE).mean(0)).max() < 1e-9


def test_local_part_has_the_size_asked_for_and_no_mean_over_the_field() -> None:
    motion = make_motion(8, 6, 0.4, 0.7, np.random.default_rng(2))
    local = motion.displacement(LATTICE, LATTICE) - motion.path_A[:, None, None]
    assert np.isclose(np.sqrt((local**2).sum(-1).mean()), 0.7)
    fine = np.linspace(0, 1, 201)
    weights = np.ones(201)
    weights[[0, -1]] = 0.5
    w = weights[:, None] * weights[None, :] / weights.sum() ** 2
    mean = np.einsum("fyxc,yx->fc", motion.displacement(fine, fine) - motion.path_A[:, None, None], w)
    assert np.abs(mean).max() < 1e-3  # trapezoid rule on 201 places


def test_drift_is_fast_at_first() -> None:
    steps = np.mean(
        [np.hypot(*np.diff(make_motion(8, 6, 0.1, 0, np.random.default_rng(s)).path_A, axis=0).T) for s in range(20)], 0
    )
    assert steps[0] > 3 * steps[-1]


def test_one_frame_does_not_move() -> None:
    motion = make_motion(1, 6, 0.4, 0.3, np.random.default_rng(1))
    assert not motion.displacement([0.5], [0.5]).any()


def test_uniform_local_motion_equals_a_fourier_shift() -> None:
    rng = np.random.default_rng(3)
    image = ndimage.gaussian_filter(rng.normal(size=(160, 208)), 2, mode="wrap").astype(np.float32)
    d = (0.4, -0.7)
    local = np.broadcast_to(d, (len(tile_centres(160)), len(tile_centres(208)), 2))
    moved = move_locally(image, np.array(local))
    fy, fx = np.fft.fftfreq(160)[:, None], np.fft.rfftfreq(208)[None]
    expected = fft.irfft2(fft.rfft2(image) * np.exp(-2j * np.pi * (fy * d[0] + fx * d[1])), s=image.shape)
    inner = (slice(24, -24), slice(24, -24))  # at the border one wraps and the other reflects
    # 1 % of the contrast: reflected content that comes in from the border, and float32
    assert np.abs(moved - expected)[inner].max() < 0.01 * image.std()


def test_content_moves_towards_positive_displacement() -> None:
    image = np.zeros((144, 144), np.float32)
    image[70, 60] = 1
    image = ndimage.gaussian_filter(image, 3)
    tiles = len(tile_centres(144))
    moved = move_locally(image, np.broadcast_to((2.0, -1.0), (tiles, tiles, 2)).copy())
    assert np.allclose(ndimage.center_of_mass(np.clip(moved, 0, None)), (72, 59), atol=0.1)


def test_displacement_of_a_linear_term_is_its_slope() -> None:
    local = np.zeros((1, 2, 9))
    local[0, 1, 0] = 2.0  # x-displacement grows along x
    motion = TrueMotion(np.zeros((1, 2)), local, np.zeros((1, 2)))
    d = motion.displacement([0.3], [0.0, 0.5, 1.0])
    assert np.allclose(d[0, 0, :, 1], [-2, 0, 2])
    assert not d[..., 0].any()
