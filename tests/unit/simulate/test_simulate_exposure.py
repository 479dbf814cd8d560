from __future__ import annotations

import math

import numpy as np
import pytest

from weft.conventions import expected_gradient
from weft.simulate.exposure import Pose, _seen, _splat, ice_transmission, make_scene
from weft.simulate.optics import Optics
from weft.simulate.options import SimulationOptions
from weft.simulate.specimen import Specimen, make_specimen

PIXEL = 2.7


def _gold_only(*beads: tuple[float, float, float]) -> Specimen:
    return Specimen(np.zeros((0, 3)), np.zeros(0), np.array(beads).reshape(-1, 3), 50.0, 300.0)


def _optics(defocus: float = 30_000) -> Optics:
    return Optics(300, 2.7, 0.07, defocus, defocus, 0, 120)


def test_gold_is_dark_and_lies_where_the_truth_says() -> None:
    pose = Pose(0, 0, 1, (0, 0))
    scene = make_scene(_gold_only((100, -60, 20)), pose, _optics(), (160, 200), PIXEL, 32, np.random.default_rng(1))
    (bead,) = scene.beads
    assert bead.x_px == pytest.approx((200 - 1) / 2 + 100 / PIXEL)
    assert bead.y_px == pytest.approx((160 - 1) / 2 - 60 / PIXEL)
    y, x = np.mgrid[:160, :200]
    disc = np.hypot(y - bead.y_px, x - bead.x_px) < 0.6 * bead.radius_px
    field = scene.lasting[32:-32, 32:-32]
    assert field[disc].mean() < 0.7 * field[np.hypot(y - bead.y_px, x - bead.x_px) > 3 * bead.radius_px].mean()


@pytest.mark.parametrize("hand", [1, -1])
def test_bead_in_the_middle_of_the_ice_has_the_defocus_that_the_gradient_gives(hand: int) -> None:
    pose = Pose(40, 85.3, hand, (10, -20))
    specimen = _gold_only((150, 120, 0), (-180, 30, 0))
    scene = make_scene(specimen, pose, _optics(), (256, 256), PIXEL, 32, np.random.default_rng(1))
    gx, gy = expected_gradient(40, 85.3, hand)
    for bead in scene.beads:
        along = gx * (bead.x_px - 127.5) * PIXEL + gy * (bead.y_px - 127.5) * PIXEL
        assert bead.defocus_A == pytest.approx(30_000 + along, abs=0.01)


def test_a_point_above_the_middle_moves_across_the_axis_when_tilted() -> None:
    ((y, x, height),) = _seen(np.array([[0.0, 0.0, 100.0]]), Pose(30, 0, 1, (0, 0)), (101, 101), 1.0)
    assert (x - 50, y - 50, height) == pytest.approx((50, 0, 100 * math.cos(math.radians(30))))


def test_ice_shows_rings_where_the_ctf_has_them() -> None:
    empty = _gold_only()
    shape = (384, 384)
    scene = make_scene(empty, Pose(0, 0, 1, (0, 0)), _optics(25_000), shape, PIXEL, 0, np.random.default_rng(5))
    power = np.abs(np.fft.rfft2(scene.lasting - 1)) ** 2
    ky, kx = np.fft.fftfreq(384, PIXEL)[:, None], np.fft.rfftfreq(384, PIXEL)[None]
    k = np.hypot(ky, kx)
    optics = _optics(25_000)
    gamma = optics.aberration(ky.astype(np.float32), kx.astype(np.float32)) + math.asin(0.07)
    expected = np.sin(gamma) ** 2 * optics.envelope(ky.astype(np.float32), kx.astype(np.float32)) ** 2
    band = (k > 1 / 40) & (k < 1 / 8)
    # white noise through the CTF has an exponential distribution in power: correlation of about 0.5 per pixel
    assert np.corrcoef(power[band], expected[band])[0, 1] > 0.45
    other = np.sin(gamma * 1.1) ** 2
    assert np.corrcoef(power[band], other[band])[0, 1] < 0.2


def test_transmission_falls_with_the_path_through_the_ice() -> None:
    assert ice_transmission(1550, 60) == pytest.approx(math.exp(-1))
    assert ice_transmission(1550, 0) == pytest.approx(math.exp(-0.5))


def test_splat_keeps_the_sum_and_the_centre() -> None:
    canvas = _splat(np.array([[3.25, 4.75]]), np.array([2.0]), (8, 9))
    assert canvas.sum() == pytest.approx(2)
    assert (canvas.sum(1) @ np.arange(8) / 2, canvas.sum(0) @ np.arange(9) / 2) == pytest.approx((3.25, 4.75))


def test_specimen_holds_beads_inside_the_ice_and_apart() -> None:
    specimen = make_specimen(SimulationOptions(), np.random.default_rng(4))
    assert np.abs(specimen.beads_A[:, 2]).max() <= 0.5 * specimen.thickness_A - specimen.bead_radius_A
    gaps = np.linalg.norm(specimen.beads_A[:, None] - specimen.beads_A[None], axis=-1)
    gaps[np.diag_indices_from(gaps)] = np.inf
    assert gaps.min() >= 2.2 * specimen.bead_radius_A
    assert len(specimen.points_A) == len(specimen.weights_VA3)


def test_thin_ice_holds_no_vesicles() -> None:
    thin = SimulationOptions(thickness_A=300, proteins=0, beads=0)
    assert len(make_specimen(thin, np.random.default_rng(4)).points_A) == 0
