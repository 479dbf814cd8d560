"""How far out in frequency frames tell something of a common path, found before fine copies are made.

Notes
-----
From the spectra of whole frames, aligned along the path found so far, and some of their rows only: with Σ over the
components of a ring, P pairs of frames and n components, ρ = Σ (|S|² - Σ q |X|²) / (n P σ²) is the common signal over
the noise, with a variance of 1 / (n P) where there is none. A ring tells n (2πk)² ρ² / (1 + Qρ) of the path (see
`weft.motion.likelihood`).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from weft.motion.copies import Bands

__all__ = ["useful_resolution"]

Array = NDArray[np.float64]

_NEGLIGIBLE = 0.005  # of all that is told: as much larger, at most, is the variance of a path without it
_RINGS = 24  # finer ones would scatter too much
_ROWS = 512  # looked at, about
_CROSS = 3  # components beside the axes, where the borders of the frames show


def useful_resolution(bands: Bands, used: NDArray[np.intp], path_A: Array, range_A: tuple[float, float]) -> float:
    """Return the resolution beyond which frames tell next to nothing.

    Parameters
    ----------
    bands : Bands
        The frames.
    used : ndarray, shape (used frame,)
        Those that count.
    path_A : ndarray, shape (frame, 2)
        Their path, so well known that phases hold to the end of the band.
    range_A : tuple of float
        Lowest and highest resolution.

    Returns
    -------
    float
        In Å, not beyond the band's: what is left out, and one standard deviation of it, is less than 0.5 % of all.
    """
    low, high = 1 / range_A[0], 1 / max(range_A[1], bands.resolution_A)
    spectra, (ky, kx) = bands.spectra, _components(bands, high)
    k = torch.hypot(ky[:, None], kx[None, :])
    ring = ((k - low) * (_RINGS / (high - low))).long()
    ring[(k < low) | (k >= high)] = _RINGS
    rows = torch.round(ky * bands.extent_A[0]).long() % bands.shape[0]
    columns = slice(_CROSS, _CROSS + len(kx))
    total = torch.zeros_like(k, dtype=torch.complex64)
    own, plain = torch.zeros_like(k), torch.zeros_like(k)
    for frame in used.tolist():
        some = spectra[frame, :, columns][rows]
        power = some.real.square() + some.imag.square()
        scale, amplitude = float(1 / bands.sigmas[frame]), float(bands.amplitude[frame])
        plain.add_(power, alpha=scale**2)
        own.add_(power, alpha=(scale * amplitude) ** 2)
        y, x = (torch.exp(2j * torch.pi * shift * axis) for shift, axis in zip(path_A[frame], (ky, kx), strict=True))
        total.addcmul_(some, (scale * amplitude * y)[:, None] * x[None, :])
    excess, noise, count = (
        torch.bincount(ring.flatten(), values.flatten().double(), minlength=_RINGS + 1)[:_RINGS].cpu().numpy()
        for values in (total.real.square() + total.imag.square() - own, plain, torch.ones_like(k))
    )
    q = bands.amplitude[used] ** 2
    components = np.maximum(count, 1) * (q.sum() ** 2 - (q**2).sum())
    rho = excess / components / np.maximum(noise / np.maximum(count, 1) / len(used), 1e-30)
    edges = np.linspace(low, high, _RINGS + 1)
    weight = count * ((edges[1:] + edges[:-1]) / 2) ** 2 / (1 + q.sum() * np.maximum(rho, 0))
    told, variance = weight * (rho**2 - 1 / components), 2 * (weight / components) ** 2
    beyond = np.cumsum(told[::-1])[::-1] + np.sqrt(np.cumsum(variance[::-1])[::-1])
    matters = np.flatnonzero(beyond > _NEGLIGIBLE * told.sum())
    return float(1 / edges[int(matters[-1]) + 1]) if len(matters) else 1 / high


def _components(bands: Bands, high: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the frequencies (1/Å) of the rows and columns that are looked at."""
    far = [int(high * extent) for extent in bands.extent_A]
    rows = np.arange(_CROSS, min(far[0], (bands.shape[0] - 1) // 2) + 1, max(1, 2 * far[0] // _ROWS))
    columns = np.arange(_CROSS, min(far[1], (bands.shape[1] - 1) // 2) + 1)
    ky, kx = (
        torch.from_numpy((lines / extent).astype(np.float32)).to(bands.spectra.device)
        for lines, extent in zip((np.concatenate([rows, -rows]), columns), bands.extent_A, strict=True)
    )
    return ky, kx
