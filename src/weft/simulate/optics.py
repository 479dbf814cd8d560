"""Frequencies, contrast transfer, damage and the detector: plain formulas in numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.conventions import electron_wavelength_A

__all__ = [
    "Optics",
    "damage_envelope",
    "detector_transfer",
    "interaction_constant",
    "rfft_frequencies",
]

Array = NDArray[np.float32]


def interaction_constant(voltage_kV: float) -> float:
    """Return the phase (rad) that 1 V over 1 Å gives an electron.

    Notes
    -----
    σ = 2π / (λ V) · (m c² + eV) / (2 m c² + eV), V the acceleration voltage.

    Examples
    --------
    >>> round(interaction_constant(300) * 1e4, 3)
    6.526
    """
    rest_kV = 510.99895
    ratio = (rest_kV + voltage_kV) / (2 * rest_kV + voltage_kV)
    return 2 * math.pi / (electron_wavelength_A(voltage_kV) * voltage_kV * 1e3) * ratio


def rfft_frequencies(shape: tuple[int, int], pixel_size_A: float) -> tuple[Array, Array]:
    """Return (ky, kx) in 1/Å of an rfft2, shapes (y, 1) and (1, x // 2 + 1)."""
    ky = np.fft.fftfreq(shape[0], pixel_size_A)[:, None].astype(np.float32)
    kx = np.fft.rfftfreq(shape[1], pixel_size_A)[None, :].astype(np.float32)
    return ky, kx


@dataclass(frozen=True, slots=True)
class Optics:
    """The microscope and the defocus of one exposure, signs and angles as `weft.conventions`.

    Parameters
    ----------
    voltage_kV, cs_mm, amplitude_contrast : float
        As in the settings.
    defocus_u_A, defocus_v_A, angle_deg : float
        At the centre of the image, for the middle of the ice.
    b_factor_A2 : float
        Envelope of the whole microscope, exp(-B/4 k²).
    """

    voltage_kV: float
    cs_mm: float
    amplitude_contrast: float
    defocus_u_A: float
    defocus_v_A: float
    angle_deg: float
    b_factor_A2: float

    @property
    def wavelength_A(self) -> float:
        """Of the electron."""
        return electron_wavelength_A(self.voltage_kV)

    def aberration(self, ky: Array, kx: Array, height_A: float = 0.0) -> Array:
        """Return γ (rad) without the amplitude contrast's part, for a defocus larger by `height_A`."""
        k2 = ky**2 + kx**2
        mean = 0.5 * (self.defocus_u_A + self.defocus_v_A) + height_A
        half = 0.5 * (self.defocus_u_A - self.defocus_v_A)
        two = np.float32(2 * math.radians(self.angle_deg))
        # cos 2(φ-α) k² without an arctangent: cos 2φ k² = kx² - ky², sin 2φ k² = 2 kx ky
        turned = (kx**2 - ky**2) * np.cos(two) + 2 * kx * ky * np.sin(two)
        lam = self.wavelength_A
        spherical = 0.5 * math.pi * self.cs_mm * 1e7 * lam**3
        gamma = math.pi * lam * (mean * k2 + half * turned) - spherical * k2**2
        return np.asarray(gamma, dtype=np.float32)

    def envelope(self, ky: Array, kx: Array) -> Array:
        """Return exp(-B/4 k²)."""
        return np.asarray(np.exp(-self.b_factor_A2 / 4 * (ky**2 + kx**2)), dtype=np.float32)


def damage_envelope(ky: Array, kx: Array, exposure_e_A2: float, voltage_kV: float) -> Array:
    """Return what is left of a protein's amplitudes after an exposure.

    Notes
    -----
    exp(-N / 2Nc(k)), Nc(k) = 0.245 k^-1.665 + 2.81 at 300 kV, 0.8 of it at 200 kV (Grant & Grigorieff 2015,
    eLife 4:e06980, equation 3).
    """
    k = np.sqrt(ky**2 + kx**2)
    critical = 0.245 * np.maximum(k, 1e-4) ** -1.665 + 2.81
    if voltage_kV < 250:
        critical = 0.8 * critical
    return np.asarray(np.exp(-0.5 * exposure_e_A2 / critical), dtype=np.float32)


def detector_transfer(ky: Array, kx: Array, pixel_size_A: float) -> Array:
    """Return the modulation transfer of a counting camera: 1 / (1 + (k / Nyquist)²), half at Nyquist."""
    return np.asarray(1 / (1 + (ky**2 + kx**2) * (2 * pixel_size_A) ** 2), dtype=np.float32)
