"""What the window of the patches, and the width of the cells, do to the rings."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from weft.ctf.background import Flat
from weft.ctf.fit import Solution
from weft.ctf.model import Optics
from weft.ctf.spectra import PatchSpectra, taper_of

__all__ = ["window_fade"]

Array = NDArray[np.float64]

_LEAST_STRENGTH = 0.02  # of the strongest; how steep D is matters only where there are rings
_LEAST_FADE = 0.02


def window_fade(spectra: PatchSpectra, flat: Flat, optics: Optics, found: Solution) -> NDArray[np.complex128]:
    """Return by what rings are weakened and turned in each cell, shape (cell,), complex.

    Parameters
    ----------
    spectra : PatchSpectra
        Whose window and frequencies count.
    flat : Flat
        The cells.
    optics : Optics
        Of the microscope.
    found : Solution
        A fit near the right one; its D tells how steep the rings' strength is.

    Notes
    -----
    The expected spectrum of a windowed patch is the true one convolved with |W|², W the window's transform (Welch 1967).
    D falls steeply and 2γ is curved, so this does not only weaken the rings (by the window's autocorrelation at 2λzk,
    how far apart defocus carries what interferes) but turns them: tens of Å in defocus at 3 µm and patches of 700 Å.
    The convolution of D e^{i2γ}, at the mean defocus, is a product with the window's autocorrelation in real space;
    its mean over the frequencies of a cell, over its value at the cell's mean frequency, is returned.
    """
    side = spectra.side_px
    pixel_size_A = spectra.side_A / side
    size = 2 * side  # holds the autocorrelation, and every second frequency is one of the patches'
    taper = taper_of(side)
    overlap = scipy.fft.irfft(np.abs(scipy.fft.rfft(taper, size)) ** 2, size)
    overlap = (overlap / overlap[0]).astype(np.float32)
    k: Array = np.asarray(np.fft.fftfreq(size, pixel_size_A), dtype=np.float64)
    rings: Any = _rings(k[:, None], k[None, :], flat, optics, found)
    seen = scipy.fft.fft2(scipy.fft.ifft2(rings, overwrite_x=True) * overlap[:, None] * overlap, overwrite_x=True)
    rows, columns = (np.rint(2 * f * spectra.side_A).astype(np.intp) % size for f in (spectra.ky, spectra.kx))
    each = seen[rows, columns].astype(np.complex128)
    n, index = flat.cells.n.ravel(), flat.cells.index
    mean = np.bincount(index, each.real, len(n)) + 1j * np.bincount(index, each.imag, len(n))
    mean = mean[n > 0] / n[n > 0]
    k2, k2_cos, k2_sin, k4 = flat.terms()
    phase = optics.per_defocus * (k2 * found.at.field_A[0] + found.at.a1_A * k2_cos + found.at.a2_A * k2_sin)
    ideal = _strength(flat, found)[flat.ring] * np.exp(1j * (phase + optics.per_k4 * k4))
    fade = mean / ideal
    size_of = np.abs(fade)
    return np.asarray(fade / np.maximum(size_of, 1e-9) * np.clip(size_of, _LEAST_FADE, 1.2), dtype=np.complex128)


def _rings(ky: Array, kx: Array, flat: Flat, optics: Optics, found: Solution) -> NDArray[np.complex64]:
    """Return D e^{i2γ} (without the constant phase) over a plane of frequencies."""
    k2 = ky**2 + kx**2
    at = found.at
    phase = optics.per_defocus * (k2 * at.field_A[0] + at.a1_A * (kx**2 - ky**2) + 2 * at.a2_A * kx * ky)
    phase += optics.per_k4 * k2 * k2
    known = flat.cells.k > 0
    strength = np.exp(np.interp(np.sqrt(k2), flat.cells.k[known], np.log(_strength(flat, found)[known])))
    turned = np.mod(phase, 2 * np.pi).astype(np.float32)
    return np.asarray(strength.astype(np.float32) * np.exp(1j * turned), dtype=np.complex64)


def _strength(flat: Flat, found: Solution) -> Array:
    """Return |D| E0 per ring, kept above a share of the greatest |D|."""
    d = np.abs(found.d)
    return np.asarray(np.maximum(d, _LEAST_STRENGTH * float(d.max(initial=0.0)) + 1e-12) * flat.background)
