"""The exhaustive start: every defocus, coarse astigmatisms and gradients, and phases where asked.

Notes
-----
2γ is a sum of terms, so for a given gradient one complex sum over patches, for a given astigmatism one over sectors,
reduces the data to rings: b_j(z, φ) = −Re e^{i2γ0(z, φ)} Σ_r B_j(r) Q(r), Q = Σ n f (P − A) e^{i·the other terms}. With
the normal equations of D in white form (cos² averaging to ½) the gain in lnL is ½ |b|².
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.ctf.background import Flat
from weft.ctf.fit import Field, Parameters
from weft.ctf.model import Optics, root_k_basis

__all__ = ["Reach", "Start", "search"]

Array = NDArray[np.float64]

_SPLINES = 4
_STEP_RAD = 1.0  # of 2γ at the highest frequency
_LARGEST_STEP_A = 200.0
_GRADIENTS = (0.7, 1.5)  # tan 35°, tan 56°; in 8 directions
_ASTIGMATISMS_A = (600.0, 1500.0)  # half of U − V; in 6 directions of 2α
_PHASE_STEP_DEG = 15.0


@dataclass(frozen=True, slots=True)
class Reach:
    """Where to search.

    Parameters
    ----------
    defocus_A : tuple of float
        Lower and upper limit.
    with_gradient, with_phase : bool
        Whether gradients and phase shifts are tried.
    """

    defocus_A: tuple[float, float]
    with_gradient: bool = True
    with_phase: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """A local maximum of the coarse scan."""

    at: Parameters
    gain: float


def search(flat: Flat, field: Field, optics: Optics, reach: Reach, most: int = 6) -> list[Start]:
    """Return the best local maxima over defocus (and phase), best first.

    Parameters
    ----------
    flat : Flat
        Normalised powers, up to moderate frequencies (7 Å or so: higher ones only make maxima narrow).
    field : Field
        Its first column is 1, the next two x and y if gradients are to be tried.
    optics : Optics
        Of the microscope.
    reach : Reach
        Where to search.
    most : int
        How many to return.
    """
    k2, k2_cos, k2_sin, k4 = flat.terms()
    rings = len(flat.cells.k)
    weight = np.bincount(flat.ring, flat.weight, minlength=rings)
    used = weight > 0
    patches = flat.power.shape[1]
    basis = root_k_basis(flat.cells.k[used], max(1, min(_SPLINES, used.sum() // 6)))
    rest = _without_background(flat, used)
    gradients = _gradients(field) if reach.with_gradient else [np.zeros(field.basis.shape[1])]
    astigmatisms = [(0.0, 0.0)] + [
        (size * math.cos(turn), size * math.sin(turn))
        for size in _ASTIGMATISMS_A
        for turn in np.arange(6) * math.pi / 3
    ]
    phase = optics.per_defocus * np.stack([a1 * k2_cos + a2 * k2_sin for a1, a2 in astigmatisms])
    turn_cells = np.exp(1j * phase)
    rings_of: list[NDArray[np.complex128]] = []
    for gradient in gradients:
        summed = _sum_patches(flat, rest, k2, optics, field.basis @ gradient)
        rings_of.extend(_ring_sums(flat.ring, turned, rings) for turned in turn_cells * (summed * flat.weight))
    q = np.stack(rings_of)[:, used]  # (combination, ring)
    mean_k2, mean_k4 = (np.bincount(flat.ring, v * flat.weight, rings)[used] / weight[used] for v in (k2, k4))
    gram = 0.5 * patches * (basis * weight[used, None]).T @ basis
    white = basis @ np.linalg.inv(np.linalg.cholesky(gram + 1e-6 * np.trace(gram) * np.eye(len(gram)))).T
    defoci = _defoci(optics, float(flat.cells.k.max()), reach.defocus_A)
    waves = np.exp(1j * (optics.per_defocus * np.outer(defoci, mean_k2) + optics.per_k4 * mean_k4 + optics.offset_rad))
    projected = waves @ (q[:, :, None] * white[None]).transpose(1, 0, 2).reshape(q.shape[1], -1)
    projected = projected.reshape(len(defoci), len(q), -1)
    mean_d = white.T @ weight[used]  # its sign is that of the mean of D
    phases = np.arange(0, 180, _PHASE_STEP_DEG) if reach.with_phase else np.zeros(1)
    gains = np.empty((len(phases), len(defoci), len(q)))
    for index, degrees in enumerate(phases.tolist()):
        b = -(projected * np.exp(2j * math.radians(degrees))).real
        gains[index] = np.where(b @ mean_d > 0, 0.5 * np.sum(b * b, axis=2), 0.0)
    combinations = list(itertools.product(gradients, astigmatisms))
    return _maxima(gains, phases, defoci, combinations, most)


def _ring_sums(ring: NDArray[np.intp], values: NDArray[np.complex128], rings: int) -> NDArray[np.complex128]:
    return np.asarray(np.bincount(ring, values.real, rings) + 1j * np.bincount(ring, values.imag, rings))


def _without_background(flat: Flat, used: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return powers minus the smooth curve that fits all patches best, shape (cell, patch)."""
    rings = len(flat.cells.k)
    weight = np.bincount(flat.ring, flat.weight, minlength=rings)[used]
    means = (
        np.bincount(flat.ring, flat.weight * flat.power.mean(axis=1, dtype=np.float64), minlength=rings)[used] / weight
    )
    basis = root_k_basis(flat.cells.k[used], max(1, min(8, int(used.sum()) // 3)))
    smooth = np.zeros(rings)
    solve = np.linalg.pinv((basis * weight[:, None]).T @ basis, hermitian=True)
    smooth[used] = basis @ (solve @ ((basis * weight[:, None]).T @ means))
    return flat.power - smooth[flat.ring, None].astype(np.float32)


def _gradients(field: Field) -> list[Array]:
    """Return coefficients of no gradient, and of steep ones in eight directions."""
    none = np.zeros(field.basis.shape[1])
    if field.basis.shape[1] < 3:
        return [none]
    out = [none]
    for size in _GRADIENTS:
        for turn in np.arange(8) * math.pi / 4:
            one = none.copy()
            one[1], one[2] = size * field.unit_A * math.cos(turn), size * field.unit_A * math.sin(turn)
            out.append(one)
    return out


def _sum_patches(
    flat: Flat, rest: NDArray[np.float32], k2: Array, optics: Optics, defocus_A: Array
) -> NDArray[np.complex128]:
    """Return Σ over patches of P e^{i2πλk² Δz}, shape (cell,); phases are taken per ring."""
    if not defocus_A.any():
        return np.asarray(rest.sum(axis=1, dtype=np.float64), dtype=np.complex128)
    rings = len(flat.cells.k)
    weight = np.maximum(np.bincount(flat.ring, minlength=rings), 1)
    ring_k2 = np.bincount(flat.ring, k2, minlength=rings) / weight
    angle = optics.per_defocus * np.outer(ring_k2, defocus_A)
    cos, sin = np.cos(angle).astype(np.float32)[flat.ring], np.sin(angle).astype(np.float32)[flat.ring]
    real = np.einsum("cp,cp->c", rest, cos)
    imaginary = np.einsum("cp,cp->c", rest, sin)
    return np.asarray(real + 1j * imaginary, dtype=np.complex128)


def _defoci(optics: Optics, k_max: float, limits_A: tuple[float, float]) -> Array:
    step = min(_LARGEST_STEP_A, _STEP_RAD / (optics.per_defocus * k_max**2))
    low, high = limits_A
    return np.linspace(low, high, max(3, 1 + math.ceil((high - low) / step)))


def _maxima(
    gains: Array, phases: Array, defoci: Array, combinations: list[tuple[Array, tuple[float, float]]], most: int
) -> list[Start]:
    """Return the highest local maxima over defocus of the best combination (and phase)."""
    flat_gains = gains.transpose(1, 0, 2).reshape(len(defoci), -1)
    best = flat_gains.argmax(axis=1)
    curve = flat_gains[np.arange(len(defoci)), best]
    padded = np.concatenate([[-1.0], curve, [-1.0]])
    peaks = np.flatnonzero((padded[1:-1] >= padded[:-2]) & (padded[1:-1] > padded[2:]))
    chosen = peaks[np.argsort(-curve[peaks], kind="stable")][:most]
    out = []
    for z in chosen.tolist():
        phase, combination = divmod(int(best[z]), len(combinations))
        gradient, (a1, a2) = combinations[combination]
        coefficients = gradient.copy()
        coefficients[0] += defoci[z]
        out.append(Start(Parameters(coefficients, a1, a2, math.radians(float(phases[phase]))), float(curve[z])))
    return out
