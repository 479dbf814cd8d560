"""How likely displacements are: gradient and curvature, ring by ring, with an unknown common signal.

Notes
-----
A Fourier component of patch p in frame j is c_j s exp(-2πi k·d_pj) plus noise: s Gaussian with ring variance ρσ²,
noise with σ², c_j the frame's share of the signal (1 for equal exposures), q = c². With s integrated out and
G_j = exp(2πi k·d_j) X_j, S = Σ c_j G_j, Q = Σ q_j,

    L = ½ Σ_k m w |S|² + const,   w = ρ / ((1 + Qρ) σ²)
    ∂L/∂d_j = -c_j Σ_k m w 2πk Im(conj(S) G_j)

where a frame's product with itself is real, so that it never pulls on itself (leave-one-out comes by itself).
The expected curvature of one axis is κ (Q diag(q) - q qᵀ) with κ = Σ m (2πk)²/2 · ρ²/(1 + Qρ).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.motion.curvature import Curvature
from weft.motion.patches import Strips

__all__ = ["Information", "Rings", "measure", "ring_statistics"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rings:
    """Signal and noise of each ring, pooled over all patches.

    Parameters
    ----------
    signal, noise : ndarray, shape (ring,)
        Power of the common signal in the mean frame, and of the noise.
    count : ndarray, shape (ring,)
        Components (conjugates included) times patches.
    """

    signal: Array
    noise: Array
    count: Array

    @property
    def rho(self) -> Array:
        """Signal over noise, not negative."""
        noise = np.maximum(self.noise, 1e-12 * max(float(self.noise.max(initial=0)), 1e-30))
        return np.maximum(self.signal, 0) / noise


@dataclass(frozen=True, slots=True)
class Information:
    """Gradient and expected curvature at the patches' present displacement.

    Parameters
    ----------
    gradient : ndarray, shape (patch, frame, 2)
        ∂L/∂d, 1/Å.
    weight : ndarray, shape (patch,)
        A patch's own information over the mean patch's.
    curvature : Curvature
        Of one axis for a patch of weight 1.
    rings : Rings
        What they were computed with.
    log_likelihood : float
        ½ Σ m w |S|² less what the frames' own power contributes.
    significance : float
        The same over its standard deviation if the frames held nothing but noise at a displacement not chosen by it.
    """

    gradient: Array
    weight: Array
    curvature: Curvature
    rings: Rings
    log_likelihood: float
    significance: float


def ring_statistics(strips: Strips, *, every: int = 1) -> Rings:
    """Return signal and noise of the rings from patches as they are aligned now.

    Parameters
    ----------
    strips : Strips
        The patches.
    every : int
        One strip in so many is looked at: where patches overlap, every other one sees all of the field.
    """
    band, q = strips.band, _shares(strips)
    excess, plain = torch.zeros_like(band.multiplicity), torch.zeros_like(band.multiplicity)
    count = 0
    for patches in strips.each(every=every):
        for some in patches.groups():
            excess += _excess(_sum(patches.aligned[some], strips.amplitude), patches.powers[0, some]).sum(0)
        plain += patches.powers[1].sum(0)
        count += len(patches.aligned)
    pairs = q.sum() ** 2 - (q**2).sum()
    components = band.ring_count * count
    safe = np.maximum(components, 1e-9)
    signal = band.by_ring(excess) / (safe * pairs)
    noise = band.by_ring(plain) / (safe * strips.frames) - np.maximum(signal, 0) * q.mean()
    return Rings(signal, noise, components)


def measure(strips: Strips, rings: Rings) -> Information:
    """Return gradient and curvature of all patches.

    Parameters
    ----------
    strips : Strips
        The patches.
    rings : Rings
        From `ring_statistics`, or any other estimate on the same rings.
    """
    band, share, q = strips.band, strips.layout.share, _shares(strips)
    big_q, rho = q.sum(), rings.rho
    w_ring = np.where(rings.noise > 0, rho / (1 + big_q * rho) / np.maximum(rings.noise, 1e-30), 0.0)
    weight = band.multiplicity * torch.from_numpy(w_ring.astype(np.float32)).to(band.ring.device)[band.ring]
    k2 = (2 * torch.pi) ** 2 * 0.5 * (band.ky[:, None] ** 2 + band.kx[None, :] ** 2)
    slope = (2 * torch.pi) * torch.stack([weight * band.ky[:, None], weight * band.kx[None, :]]).flatten(1)
    gradient = np.empty((strips.count, strips.frames, 2))
    coherent = np.empty(strips.count)
    log_likelihood = 0.0
    amplitude = strips.amplitude.cpu().numpy().astype(np.float64)
    weights = torch.stack([weight * k2, weight]).flatten(1)
    for patches in strips.each():
        for some in patches.groups():
            spectra = patches.aligned[some]
            total = _sum(spectra, strips.amplitude)
            told = (_excess(total, patches.powers[0, some]).flatten(1) @ weights.T).cpu().numpy()
            # Im(conj(S) G) is the product of the real pairs iS and G
            pull = (torch.view_as_real(1j * total.flatten(1))[:, None] * slope[..., None]).flatten(2)
            product = torch.matmul(torch.view_as_real(spectra).flatten(2), pull.mT).cpu().numpy()
            numbers = slice(patches.first + some.start, patches.first + some.stop)
            coherent[numbers] = told[:, 0]
            log_likelihood += 0.5 * float(told[:, 1].sum())
            gradient[numbers] = -product.astype(np.float64) * amplitude[:, None]
    pairs = big_q**2 - (q**2).sum()
    ring_k2 = band.ring_count * (2 * np.pi * band.ring_k) ** 2 / 2
    kappa = share * float((ring_k2 * rho**2 / (1 + big_q * rho)).sum())
    expected = float((ring_k2 * w_ring * np.maximum(rings.signal, 0)).sum()) * pairs
    curvature = Curvature(np.sqrt(kappa) * q)
    chance = float((2 * band.ring_count * (w_ring * rings.noise) ** 2).sum()) * pairs
    significance = 2 * log_likelihood * np.sqrt(share / max(chance * strips.count, 1e-30))
    return Information(
        share * gradient, coherent / max(expected, 1e-30), curvature, rings, share * log_likelihood, float(significance)
    )


def _shares(strips: Strips) -> Array:
    return strips.amplitude.cpu().numpy().astype(np.float64) ** 2


def _excess(total: Tensor, own: Tensor) -> Tensor:
    """Return |S|² less the frames' own power, (patch, ky, kx)."""
    return total.real.square() + total.imag.square() - own


def _sum(spectra: Tensor, amplitude: Tensor) -> Tensor:
    """Return Σ c X over the frames of patches, (patch, ky, kx)."""
    flat = torch.view_as_real(spectra).flatten(2)
    return torch.view_as_complex(torch.matmul(amplitude, flat).reshape(len(spectra), *spectra.shape[2:], 2))
