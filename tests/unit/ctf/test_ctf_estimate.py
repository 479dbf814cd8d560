"""The whole estimate on images whose CTF is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.rings import ENGINE, OPTICS, ring_image

from weft.ctf import estimate_ctf
from weft.errors import SettingsError
from weft.fields import CtfFit, Verdict
from weft.settings.schema import CtfSettings


def vector(u_A: float, v_A: float, angle_deg: float) -> complex:
    return (u_A - v_A) * complex(math.cos(2 * math.radians(angle_deg)), math.sin(2 * math.radians(angle_deg)))


@pytest.mark.parametrize(("u_A", "v_A", "angle_deg"), [(20500, 20000, 30), (31500, 29000, -80), (4200, 3800, 10)])
def test_defocus_and_astigmatism_lie_within_their_uncertainties(u_A: float, v_A: float, angle_deg: float) -> None:
    image = ring_image(u_A=u_A, v_A=v_A, angle_deg=angle_deg)
    fit, _ = estimate_ctf(image, 2.0, CtfSettings(defocus_um=(0.2, 8)), OPTICS, ENGINE)
    assert fit.assessment.verdict is Verdict.GOOD
    assert abs(fit.defocus_A - 0.5 * (u_A + v_A)) < 4 * fit.sigma["defocus_A"]
    error = abs(vector(fit.defocus_u_A, fit.defocus_v_A, fit.angle_deg) - vector(u_A, v_A, angle_deg))
    assert error < 4 * math.hypot(fit.sigma["astigmatism_A"], fit.sigma["astigmatism_A"])
    assert fit.sigma["defocus_A"] < 40


def test_a_tilted_sample_gives_its_gradient_and_grid() -> None:
    image = ring_image(gradient=(0.9, -0.4), u_A=30000, v_A=30000)
    fit, _ = estimate_ctf(image, 2.0, CtfSettings(), OPTICS, ENGINE)
    assert fit.gradient_x == pytest.approx(0.9, abs=4 * fit.sigma["gradient_x"])
    assert fit.gradient_y == pytest.approx(-0.4, abs=4 * fit.sigma["gradient_y"])
    corner = fit.defocus_at(-1024.0, -1024.0)
    assert fit.grid_A[0][0][0] == pytest.approx(corner, abs=1)
    assert np.shape(fit.grid_A) == (1, 2, 2)


def test_a_phase_plate_is_fitted_with_the_defocus() -> None:
    image = ring_image(u_A=10000, v_A=9800, phase_deg=80)
    settings = CtfSettings(phase_shift=True, range_A=(60, 4.2))
    fit, _ = estimate_ctf(image, 2.0, settings, OPTICS, ENGINE)
    assert fit.phase_shift_deg == pytest.approx(80, abs=4 * fit.sigma["phase_shift_deg"])
    assert fit.defocus_A == pytest.approx(9900, abs=4 * fit.sigma["defocus_A"])
    assert fit.details["parameters"][-1] == "phase_shift_deg"


def test_noise_has_no_rings() -> None:
    image = np.random.default_rng(4).standard_normal((1024, 1024)).astype(np.float32)
    fit, curves = estimate_ctf(image, 2.0, CtfSettings(), OPTICS, ENGINE)
    assert fit.assessment.verdict is Verdict.FAILED
    assert math.isnan(fit.defocus_A)
    assert fit.resolution_A is None
    assert np.isfinite(curves.experimental).all()


@pytest.mark.parametrize("value", [0.0, 7.0, math.nan])
def test_an_image_without_content_fails_quietly(value: float) -> None:
    image = np.full((300, 257), value, dtype=np.float32)
    fit, curves = estimate_ctf(image, 2.0, CtfSettings(), OPTICS, ENGINE)
    assert fit.assessment.verdict is Verdict.FAILED
    assert np.isfinite(curves.spectrum).all()


@pytest.mark.parametrize(("shape", "window"), [((333, 517), 512), ((96, 101), 64), ((700, 64), 4096)])
def test_any_shape_and_window_gives_finite_curves(shape: tuple[int, int], window: int) -> None:
    image = ring_image(shape)
    fit, curves = estimate_ctf(image, 2.0, CtfSettings(window_px=window), OPTICS, ENGINE)
    assert curves.spectrum.shape == (window, window // 2 + 1)
    for curve in (curves.spectrum, curves.k, curves.experimental, curves.model, curves.quality, curves.background):
        assert np.isfinite(curve).all()
    assert CtfFit.from_json(fit.to_json()).assessment == fit.assessment


def test_hot_pixels_and_gaps_do_not_matter() -> None:
    image = ring_image()
    clean, _ = estimate_ctf(image, 2.0, CtfSettings(), OPTICS, ENGINE)
    image[np.arange(5, 1000, 97), np.arange(7, 1000, 97)[: len(np.arange(5, 1000, 97))]] = 1e5
    image[100:103] = math.nan
    fit, _ = estimate_ctf(image, 2.0, CtfSettings(), OPTICS, ENGINE)
    assert abs(fit.defocus_A - clean.defocus_A) < clean.sigma["defocus_A"]


def test_a_range_beyond_nyquist_ends_at_nyquist() -> None:
    fit, _ = estimate_ctf(ring_image(pixel_size_A=3.0), 3.0, CtfSettings(range_A=(40, 3)), OPTICS, ENGINE)
    assert fit.details["range_A"][1] == pytest.approx(7.143, abs=0.001)
    assert fit.assessment.verdict is Verdict.GOOD


def test_a_range_wholly_beyond_nyquist_is_refused() -> None:
    with pytest.raises(SettingsError, match="Nyquist"):
        estimate_ctf(ring_image((256, 256)), 4.0, CtfSettings(range_A=(7, 3)), OPTICS, ENGINE)


def test_spectra_of_frames_are_averaged_and_follow_time() -> None:
    settings = CtfSettings(grid="1x1x2", use_movie_sum=False)
    frames = [ring_image(u_A=z, v_A=z, seed=n) for n, z in enumerate((20000, 20000, 21000, 21000))]
    fit, _ = estimate_ctf(np.asarray(sum(frames)), 2.0, settings, OPTICS, ENGINE, frames=iter(frames))
    assert np.shape(fit.grid_A) == (2, 1, 1)
    assert fit.grid_A[0][0][0] < 20250
    assert fit.grid_A[1][0][0] > 20750
    assert fit.defocus_A == pytest.approx(20500, abs=60)


def test_the_covariance_holds_every_parameter() -> None:
    fit, _ = estimate_ctf(ring_image(), 2.0, CtfSettings(), OPTICS, ENGINE)
    covariance = np.array(fit.details["covariance"])
    names = fit.details["parameters"]
    assert names == ["defocus_A", "astigmatism_x_A", "astigmatism_y_A", "gradient_x", "gradient_y"]
    assert covariance.shape == (5, 5)
    assert np.linalg.eigvalsh(covariance).min() > 0
    assert math.sqrt(covariance[3, 3]) == pytest.approx(fit.sigma["gradient_x"])
