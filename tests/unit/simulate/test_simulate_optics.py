from __future__ import annotations

import math

import numpy as np
import pytest

from weft.conventions import electron_wavelength_A
from weft.simulate.optics import Optics, damage_envelope, detector_transfer, interaction_constant, rfft_frequencies


def _optics(u: float = 30_000, v: float = 30_000, angle: float = 0) -> Optics:
    return Optics(300, 2.7, 0.07, u, v, angle, 100)


def test_aberration_is_the_formula_of_the_conventions() -> None:
    k, lam = 0.1, electron_wavelength_A(300)
    found = _optics().aberration(np.zeros((1, 1), np.float32), np.full((1, 1), k, np.float32))[0, 0]
    assert found == pytest.approx(math.pi * lam * 3e4 * k**2 - 0.5 * math.pi * 2.7e7 * lam**3 * k**4, rel=1e-5)


def test_defocus_is_largest_along_the_angle_from_x_towards_y() -> None:
    optics = _optics(32_000, 28_000, 30)
    k = 0.05
    phi = np.radians(np.arange(0, 180, 10))
    ky, kx = (k * np.sin(phi)).astype(np.float32), (k * np.cos(phi)).astype(np.float32)
    assert np.degrees(phi[np.argmax(optics.aberration(ky, kx))]) == pytest.approx(30)


def test_a_higher_level_is_further_from_focus() -> None:
    ky, kx = rfft_frequencies((8, 8), 2.7)
    lifted = _optics(30_000, 30_000).aberration(ky, kx, 500.0)
    assert np.allclose(lifted, _optics(30_500, 30_500).aberration(ky, kx), atol=1e-3)


def test_interaction_constant_at_200_kV() -> None:
    # 7.288e-4 rad/(V Å): tables of electron optics (Reimer & Kohl 2008, table 3.2, as 7.29 rad/(MV Å) · 1e-2)
    assert interaction_constant(200) == pytest.approx(7.288e-4, rel=1e-3)


def test_damage_at_3_A_is_half_gone_after_two_critical_exposures_of_ln_2() -> None:
    k = np.full((1, 1), 1 / 3, np.float32)
    critical = 0.245 * (1 / 3) ** -1.665 + 2.81
    left = damage_envelope(np.zeros_like(k), k, 2 * math.log(2) * critical, 300)
    assert left[0, 0] == pytest.approx(0.5, rel=1e-4)


def test_detector_passes_half_at_nyquist_and_all_at_zero() -> None:
    k = np.array([[0, 1 / (2 * 2.7)]], np.float32)
    assert detector_transfer(np.zeros_like(k), k, 2.7).ravel() == pytest.approx([1, 0.5])
