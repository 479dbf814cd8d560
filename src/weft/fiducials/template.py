"""What a gold sphere looks like: absorption and phase of its exit wave, propagated to the defocus."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft as sfft
from numpy.typing import NDArray

from weft.conventions import electron_wavelength_A
from weft.fiducials.sample import WORKING_PIXEL_A
from weft.fields import CtfFit, Verdict

__all__ = ["Optics", "bead_contrast", "interaction_constant", "optics_of", "shifted_contrasts"]

GOLD_INNER_POTENTIAL_V = 27.0  # mean inner potential of gold, 21 to 30 V in the literature
GOLD_MEAN_FREE_PATH_A = 60.0  # of scattering out of the aperture at 300 kV: intensity falls as exp(-t / 60 Å)
_REST_ENERGY_KEV = 510.99895
_FINE = 4  # samples a working pixel
_B_FACTOR_A2 = 100.0  # amplitude envelope exp(-B k² / 4)


@dataclass(frozen=True, slots=True)
class Optics:
    """What shapes the fringes around a bead; positive defocus is underfocus."""

    defocus_A: float
    voltage_kV: float = 300.0
    cs_mm: float = 2.7
    phase_shift_deg: float = 0.0


def optics_of(ctf: CtfFit | None) -> list[Optics]:
    """Return the optics that beads of an average may have: at the mean defocus and towards both ends of its slope.

    Without a fit, or with one that failed, the common range of underfocus is tried.
    """
    if ctf is None or ctf.assessment.verdict == Verdict.FAILED or not math.isfinite(ctf.defocus_A):
        return [Optics(defocus) for defocus in (10_000.0, 22_000.0, 38_000.0)]
    slope = math.hypot(ctf.gradient_x, ctf.gradient_y)
    reach = 1500.0 * slope if math.isfinite(slope) else 0.0  # Å: most of a field lies within 1500 Å of its centre line
    phase = ctf.phase_shift_deg if math.isfinite(ctf.phase_shift_deg) else 0.0
    steps = (0.0,) if reach < 800 else (-reach, 0.0, reach)  # 800 Å of defocus move fringes by under a pixel
    return [Optics(max(2000.0, ctf.defocus_A + step), ctf.voltage_kV, ctf.cs_mm, phase) for step in steps]


def bead_contrast(
    radius_A: float,
    optics: Optics,
    *,
    offset_px: tuple[float, float] = (0.0, 0.0),
    margin_A: float = 160.0,
    mean_free_path_A: float = GOLD_MEAN_FREE_PATH_A,
    inner_potential_V: float = GOLD_INNER_POTENTIAL_V,
) -> NDArray[np.float32]:
    """Return the contrast (intensity - 1) of a gold sphere at the working scale.

    Parameters
    ----------
    radius_A : float
        Of the sphere.
    optics : Optics
        At the sphere's height.
    offset_px : tuple of float
        Place (y, x) of its centre from the middle pixel's centre.
    margin_A : float
        Shown around the sphere.
    mean_free_path_A, inner_potential_V : float
        Of gold.

    Returns
    -------
    ndarray, shape (n, n), float32
        n is odd; the middle pixel is n // 2.

    Notes
    -----
    Exit wave exp(t (i σ V - 1 / (2 Λ))), t the thickness passed; intensity after multiplication of the wave's
    transform with exp(i χ), χ = π λ Δf k² - ½ π Cs λ³ k⁴ + phase shift (Reimer & Kohl, Transmission Electron
    Microscopy, ch. 6). The phase shift acts on what was scattered.
    """
    n = _side(radius_A, margin_A)
    fine, first = _fine_contrast(radius_A, optics, n, offset_px, mean_free_path_A, inner_potential_V)
    return _binned(fine, n, first, first)


def shifted_contrasts(radius_A: float, optics: Optics, reach: int, *, margin_A: float) -> NDArray[np.float32]:
    """Return `bead_contrast` with the centre moved by each multiple of a quarter pixel.

    Parameters
    ----------
    radius_A, optics, margin_A
        See `bead_contrast`.
    reach : int
        Quarter pixels each way.

    Returns
    -------
    ndarray, shape (2 reach + 1, 2 reach + 1, n, n), float32
        By the shift of y, then of x.
    """
    n = _side(radius_A, margin_A)
    fine, first = _fine_contrast(radius_A, optics, n, (0.0, 0.0), GOLD_MEAN_FREE_PATH_A, GOLD_INNER_POTENTIAL_V)
    starts = [first - shift for shift in range(-reach, reach + 1)]
    return np.stack([[_binned(fine, n, top, left) for left in starts] for top in starts])


def _side(radius_A: float, margin_A: float) -> int:
    return 2 * math.ceil((radius_A + margin_A) / WORKING_PIXEL_A) + 1


def _binned(fine: NDArray[np.float64], n: int, top: int, left: int) -> NDArray[np.float32]:
    inner = fine[top : top + n * _FINE, left : left + n * _FINE]
    return np.asarray(inner.reshape(n, _FINE, n, _FINE).mean((1, 3)), dtype=np.float32)


def _fine_contrast(
    radius_A: float,
    optics: Optics,
    n: int,
    offset_px: tuple[float, float],
    mean_free_path_A: float,
    inner_potential_V: float,
) -> tuple[NDArray[np.float64], int]:
    """Return a sphere's contrast at `_FINE` samples a pixel, with a rim, and the sample that the picture starts at."""
    fine = sfft.next_fast_len(n * _FINE + 2 * int(100 / WORKING_PIXEL_A) * _FINE)
    step = WORKING_PIXEL_A / _FINE
    first = (fine - n * _FINE) // 2
    grid = (np.arange(fine) - first + 0.5) / _FINE - 0.5 - n // 2  # working pixels from the middle pixel's centre
    d2 = ((grid[:, None] - offset_px[0]) ** 2 + (grid[None, :] - offset_px[1]) ** 2) * WORKING_PIXEL_A**2
    thickness = 2 * np.sqrt(np.maximum(radius_A**2 - d2, 0))
    scattered = (
        np.exp(
            thickness * complex(-0.5 / mean_free_path_A, interaction_constant(optics.voltage_kV) * inner_potential_V)
        )
        - 1
    )
    lam = electron_wavelength_A(optics.voltage_kV)
    k = sfft.fftfreq(fine, step)
    k2 = k[:, None] ** 2 + k[None, :] ** 2
    chi = math.pi * lam * optics.defocus_A * k2 - 0.5 * math.pi * optics.cs_mm * 1e7 * lam**3 * k2**2
    transfer = np.exp(1j * (chi + math.radians(optics.phase_shift_deg)) - 0.25 * _B_FACTOR_A2 * k2)
    return np.abs(1 + sfft.ifft2(sfft.fft2(scattered) * transfer)) ** 2 - 1, first


def interaction_constant(voltage_kV: float) -> float:
    """Return the phase per projected potential, rad / (V Å)."""
    ratio = (_REST_ENERGY_KEV + voltage_kV) / (2 * _REST_ENERGY_KEV + voltage_kV)
    return 2 * math.pi * ratio / (electron_wavelength_A(voltage_kV) * voltage_kV * 1e3)
