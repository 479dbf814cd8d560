"""The smooth background of the patches' spectra, by which they are divided."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from weft.ctf.spectra import Cells

__all__ = ["Flat", "flatten", "smooth_background"]

Array = NDArray[np.float64]
Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Flat:
    """Cells after division by the background: mean 1, variance 1 / weight.

    Parameters
    ----------
    cells : Cells
        As binned.
    power : ndarray, shape (cell, patch), float32
        Normalised powers of the filled cells.
    weight : ndarray, shape (cell,)
        n f.
    ring : ndarray, shape (cell,), int
        Ring of each cell.
    background : ndarray, shape (ring,)
        E0.
    ratio : ndarray, shape (ring, patch)
        The patches' own smooth ratios.
    """

    cells: Cells
    power: Image
    weight: Array
    ring: NDArray[np.intp]
    background: Array
    ratio: Array

    def terms(self) -> tuple[Array, Array, Array, Array]:
        """Return k², k² cos 2α, k² sin 2α and k⁴ of the filled cells."""
        filled = self.cells.n > 0
        c = self.cells
        return c.k2[filled], c.k2_cos[filled], c.k2_sin[filled], c.k4[filled]

    def levelled(self, level: Array) -> Flat:
        """Return the same divided by a level above 0, shape (ring,): the first background follows rings of low defocus."""
        power = self.power / level.astype(np.float32)[self.ring, None]
        return replace(self, power=power, background=self.background * level)


def flatten(cells: Cells, share: float) -> Flat:
    """Divide by the background and by each patch's smooth ratio to it."""
    filled = cells.n > 0
    n = cells.n[filled]
    ring = np.nonzero(filled)[0]
    power = cells.power[filled]
    rings = len(cells.k)
    per_ring = np.bincount(ring, n, minlength=rings).astype(np.float64)
    inside = per_ring > 0
    sums = np.zeros((rings, power.shape[1]))
    np.add.at(sums, ring, power * n[:, None])
    profile = sums[inside] / per_ring[inside, None]
    k = cells.k[inside]
    typical = np.maximum(np.median(profile, axis=1), 1e-30 + 1e-9 * float(profile.max(initial=0.0)))
    background = smooth_background(k, typical, per_ring[inside])
    low = np.log(k / k.mean())
    shape = np.stack([np.ones_like(low), low, low**2], axis=1)[:, : max(1, min(3, len(k) // 8))]
    log_ratio = _gamma_fit(shape, np.maximum(profile / background[:, None], 1e-9), per_ring[inside])
    ratio = np.ones((rings, power.shape[1]))
    ratio[inside] = np.exp(log_ratio)
    whole = np.ones(rings)
    whole[inside] = background
    flat = power / (whole[ring, None] * ratio[ring]).astype(np.float32)
    return Flat(cells, np.minimum(flat, np.float32(50.0)), n * share, ring, whole, ratio)


def smooth_background(k: Array, profile: Array, weights: Array) -> Array:
    """Return a monotonous-looking curve through a ring profile that cannot follow the rings.

    Parameters
    ----------
    k, profile, weights : ndarray, shape (ring,)
        Frequencies, mean powers, numbers of samples.

    Notes
    -----
    Shot noise and scattering: E0 = exp(b0 + b1 ln k) + exp(c0 + c1 ln k + c2 ln² k). At the minima of the CTF the power
    is that of the noise alone, nearly flat, while scattering falls steeply: a spline through the mean of both has
    waves of its own that a second spline must undo; the sum of two such terms has not.
    """
    low = np.log(k / math.sqrt(float(k.min()) * float(k.max())))
    size = float(np.exp(np.average(np.log(profile), weights=weights)))
    target = np.log(profile / size)
    top = target[-max(1, len(k) // 4) :].mean()
    first = float(np.exp(target[: max(1, len(k) // 12)].mean()) - math.exp(top))
    start = np.array([top, 0.0, math.log(max(first, 1e-3)) + 3 * low[0], -3.0, 0.0])[: 5 if len(k) > 10 else 1]
    root = np.sqrt(weights / weights.mean())

    def curve(p: Array) -> Array:
        noise = np.exp(np.clip(p[0] + (p[1] * low if len(p) > 1 else 0 * low), -60, 60))
        if len(p) == 1:
            return np.asarray(noise)
        return np.asarray(noise + np.exp(np.clip(p[2] + p[3] * low + p[4] * low**2, -60, 60)))

    def miss(p: Array) -> Array:
        ridge = 0.05 * np.concatenate([p[1:2], p[3:4] + 3, p[4:5]])
        return np.concatenate([root * (np.log(curve(p)) - target), ridge])

    found = least_squares(miss, start, method="trf", max_nfev=60)
    return np.asarray(size * curve(found.x))


def _gamma_fit(basis: Array, values: Array, weights: Array) -> Array:
    """Return ln of the means exp(basis @ c) that fit gamma-distributed values best, column by column."""
    solve = np.linalg.pinv((basis * weights[:, None]).T @ basis, hermitian=True) @ (basis * weights[:, None]).T
    coefficients = solve @ np.log(values)
    for _ in range(4):
        excess = values * np.exp(np.clip(-(basis @ coefficients), -80, 80)) - 1
        coefficients += solve @ np.clip(excess, -1, 3)
    return np.asarray(basis @ coefficients)
