"""What the page may do to an average before showing it: a low-pass filter, a deconvolution by the fitted CTF."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.conventions import electron_wavelength_A

__all__ = ["CtfNumbers", "Filter", "filtered"]

Image = NDArray[np.float32]
_HIGH_PASS_A = 100.0
_STRENGTH = 1.0
_FALLOFF = 1.0


@dataclass(frozen=True, slots=True)
class CtfNumbers:
    """What the deconvolution needs of a CTF fit; signs as `weft.conventions`."""

    defocus_A: float
    voltage_kV: float
    cs_mm: float
    amplitude_contrast: float
    phase_shift_deg: float


@dataclass(frozen=True, slots=True)
class Filter:
    """What is done to the grey values.

    Parameters
    ----------
    low_pass_A : float
        Finest detail that stays; 0 for all.
    ctf : CtfNumbers or None
        Deconvolve by this CTF.
    """

    low_pass_A: float = 0.0
    ctf: CtfNumbers | None = None

    @property
    def is_on(self) -> bool:
        """Whether anything is done."""
        return self.low_pass_A > 0 or self.ctf is not None


def filtered(image: Image, chosen: Filter, pixel_size_A: float) -> Image:
    """Return an image with a filter applied, its mean kept.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        A tile with a margin: edges are mirrored, and what wraps around is cut off by the caller.
    chosen : Filter
        What to do.
    pixel_size_A : float
        Of the image.
    """
    from scipy import fft

    height, width = image.shape
    mean = float(image.mean())
    tall, wide = fft.next_fast_len(height + 32), fft.next_fast_len(width + 32, real=True)
    padded = np.pad(image - mean, ((0, tall - height), (0, wide - width)), mode="reflect")
    k_y, k_x = np.fft.fftfreq(tall, pixel_size_A)[:, None], np.fft.rfftfreq(wide, pixel_size_A)[None, :]
    k = np.sqrt(k_y**2 + k_x**2).astype(np.float32)
    weight = np.ones_like(k)
    if chosen.ctf is not None:
        weight *= _wiener(k, chosen.ctf)
    if chosen.low_pass_A > 0:
        weight *= _soft_edge(k * chosen.low_pass_A)
    result = fft.irfft2(fft.rfft2(padded) * weight, s=(tall, wide))[:height, :width]
    return np.asarray(result + mean, dtype=np.float32)


def _soft_edge(ratio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 below 0.9 of the cut-off, 0 above 1.1, a cosine between."""
    inside = np.clip((ratio - 0.9) / 0.2, 0, 1)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * inside), dtype=np.float32)


def _wiener(k: NDArray[np.float32], ctf: CtfNumbers) -> NDArray[np.float32]:
    """Return CTF / (CTF² + 1/SNR) with contrast of the specimen dark as in the average.

    Notes
    -----
    SNR(k) = 10³ · exp(−200 k) · h(k), k in 1/Å, h a raised cosine from 0 at k = 0 to 1 at 1/100 Å: Warp's deconvolution
    filter with its defaults.
    """
    gamma = _phase(k, ctf)
    value = -np.sin(gamma)
    high_pass = 0.5 - 0.5 * np.cos(np.pi * np.clip(k * _HIGH_PASS_A, 0, 1))
    snr = 10 ** (3 * _STRENGTH) * np.exp(-200.0 * _FALLOFF * k) * high_pass
    # the average shows mass dark: turned by the sign of the CTF at low frequency
    return np.asarray(-value / (value**2 + 1 / np.maximum(snr, 1e-6)), dtype=np.float32)


def _phase(k: NDArray[np.float32], ctf: CtfNumbers) -> NDArray[np.float32]:
    wavelength_A = electron_wavelength_A(ctf.voltage_kV)
    k2 = k.astype(np.float64) ** 2
    constant = math.radians(ctf.phase_shift_deg) + math.asin(ctf.amplitude_contrast)
    gamma = math.pi * wavelength_A * ctf.defocus_A * k2 - 0.5 * math.pi * ctf.cs_mm * 1e7 * wavelength_A**3 * k2**2
    return np.asarray(gamma + constant, dtype=np.float32)
