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

from weft.motion.patches import Patches

__all__ = ["Information", "Rings", "measure", "ring_statistics"]

Array = NDArray[np.float64]

_CHUNK = 1 << 22  # complex numbers at a time


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
    curvature : ndarray, shape (frame, frame)
        Of one axis for a patch of weight 1, 1/Å².
    rings : Rings
        What they were computed with.
    log_likelihood : float
        ½ Σ m w |S|² less what the frames' own power contributes.
    """

    gradient: Array
    weight: Array
    curvature: Array
    rings: Rings
    log_likelihood: float


def ring_statistics(patches: Patches) -> Rings:
    """Return signal and noise of the rings from patches as they are aligned now."""
    common = torch.zeros_like(patches.plain_power)
    for part in _chunks(patches):
        total = torch.einsum("pjyx,j->pyx", patches.aligned[part], patches.amplitude.to(torch.complex64))
        common += (total.real**2 + total.imag**2).sum(0)
    own = patches.power.sum(0)
    q = patches.amplitude.cpu().numpy().astype(np.float64) ** 2
    pairs = q.sum() ** 2 - (q**2).sum()
    count = _by_ring(patches, torch.ones_like(own))
    safe = np.maximum(count, 1e-9) * patches.count
    signal = _by_ring(patches, common - own) / (safe * pairs)
    plain = _by_ring(patches, patches.plain_power) / (safe * patches.frames)
    return Rings(signal, plain - np.maximum(signal, 0) * q.mean(), count * patches.count)


def measure(patches: Patches, rings: Rings, *, share: float = 1.0) -> Information:
    """Return gradient and curvature.

    Parameters
    ----------
    patches : Patches
        As aligned now.
    rings : Rings
        From `ring_statistics`, or any other estimate on the same rings.
    share : float
        How much of the likelihood counts if patches overlap such that the field is counted more than once.
    """
    q = patches.amplitude.cpu().numpy().astype(np.float64) ** 2
    big_q, rho = q.sum(), rings.rho
    w_ring = np.where(rings.noise > 0, rho / (1 + big_q * rho) / np.maximum(rings.noise, 1e-30), 0.0)
    weight = patches.multiplicity * torch.from_numpy(w_ring.astype(np.float32)).to(patches.ring.device)[patches.ring]
    k2 = (2 * torch.pi) ** 2 * 0.5 * (patches.ky[:, None] ** 2 + patches.kx[None, :] ** 2)
    slope = torch.stack([weight * (2 * torch.pi) * patches.ky[:, None], weight * (2 * torch.pi) * patches.kx[None, :]])
    gradient = torch.empty((patches.count, patches.frames, 2), dtype=torch.float64)
    coherent = torch.empty(patches.count, dtype=torch.float64)
    log_likelihood = 0.0
    amplitude = patches.amplitude.to(torch.complex64)
    for part in _chunks(patches):
        spectra = patches.aligned[part]
        total = torch.einsum("pjyx,j->pyx", spectra, amplitude)
        excess = total.real**2 + total.imag**2 - patches.power[part]
        coherent[part] = (excess * (weight * k2)).sum((1, 2), dtype=torch.float64).cpu()
        log_likelihood += 0.5 * float((excess * weight).sum(dtype=torch.float64))
        pull = (total.conj()[:, None] * slope).flatten(2)  # (patch, axis, k)
        product = torch.matmul(spectra.flatten(2), pull.transpose(1, 2)).imag
        gradient[part] = -(product * patches.amplitude[:, None]).to(torch.float64).cpu()
    pairs = big_q**2 - (q**2).sum()
    ring_k2 = _by_ring(patches, k2)
    kappa = share * float((ring_k2 * rho**2 / (1 + big_q * rho)).sum())
    expected = float((ring_k2 * w_ring * np.maximum(rings.signal, 0)).sum()) * pairs
    own = coherent.numpy() / max(expected, 1e-30)
    curvature = kappa * (big_q * np.diag(q) - np.outer(q, q))
    return Information(share * gradient.numpy(), own, curvature, rings, share * log_likelihood)


def _by_ring(patches: Patches, values: Tensor) -> Array:
    """Return Σ m · values over each ring."""
    weighted = (patches.multiplicity * values).to(torch.float64).flatten()
    return torch.bincount(patches.ring.flatten(), weighted, minlength=patches.rings).cpu().numpy()


def _chunks(patches: Patches) -> list[slice]:
    each = max(1, _CHUNK // max(1, patches.aligned[0].numel()))
    return [slice(start, min(start + each, patches.count)) for start in range(0, patches.count, each)]
