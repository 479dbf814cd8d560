"""Likelihood of patch spectra, refinement of all parameters together, and their covariance.

Notes
-----
The mean power of n frequencies, divided by the background E0 and by the patch's own smooth ratio to it, has mean 1 and
variance 1 / (n f) (gamma distribution; f the share of independent samples), and the modulation by the rings is
small. So lnL = −½ Σ n f (P/E0 − A + D cos 2γ)², summed over rings, sectors and patches. Given the phases, A and D
are linear and are solved for; the phases' parameters are refined by Fisher scoring with Levenberg's damping, A and D
in the same system, so that the inverse of the final system is the covariance of everything (the Cramér-Rao bound).

The score of a fit is the gain in lnL of the best rings over no rings (A alone). Pure noise reaches about 9 over the
whole range of defocus and astigmatism.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.ctf.background import Flat
from weft.ctf.model import Optics, root_k_basis

__all__ = ["Field", "Parameters", "Solution", "evaluate", "refine"]

Array = NDArray[np.float64]

NOISE_SPLINES = 6
SIGNAL_SPLINES = 8
GRADIENT_PRIOR = 2.0  # Å per Å; tan 63°: only where the patches cannot tell
_ASTIGMATISM_PRIOR_A = 5000.0  # weak, keeps a system with few rings solvable
_RIDGE = 1e-3  # of D's own curvature


@dataclass(frozen=True, slots=True)
class Field:
    """How defocus may vary over the patches.

    Parameters
    ----------
    basis : ndarray, shape (patch, term)
        First column 1; then x and y (in `unit_A`) and whatever else the grid allows.
    sigma : ndarray, shape (term,)
        Prior standard deviation of each coefficient in Å; inf for none.
    unit_A : float
        Length in which x and y are counted, so that all coefficients are Å.
    """

    basis: Array
    sigma: Array
    unit_A: float


@dataclass(frozen=True, slots=True)
class Parameters:
    """A point in the space of phases.

    Parameters
    ----------
    field_A : ndarray, shape (term,)
        Coefficients of `Field.basis`.
    a1_A, a2_A : float
        Astigmatism, half of U − V.
    phase_rad : float
        Of a phase plate.
    """

    field_A: Array
    a1_A: float
    a2_A: float
    phase_rad: float = 0.0

    def moved(self, step: Array) -> Parameters:
        """Return the point after a step in (field, a1, a2[, phase])."""
        m = len(self.field_A)
        phase = self.phase_rad + (float(step[m + 2]) if len(step) > m + 2 else 0.0)
        return Parameters(self.field_A + step[:m], self.a1_A + float(step[m]), self.a2_A + float(step[m + 1]), phase)


@dataclass(frozen=True, slots=True)
class Solution:
    """The best A and D at some parameters, and the system around them.

    Parameters
    ----------
    at : Parameters
        Where.
    gain : float
        lnL of rings over no rings.
    a, d : ndarray, shape (ring,)
        A and D.
    system : ndarray, shape (A + D + parameters, ...)
        Fisher information with priors.
    rise : ndarray
        Derivative of lnL along the parameters, A and D being at their best.
    covariance : ndarray, shape (parameters, parameters)
        Of (field, a1, a2[, phase]).
    chi2 : float
        Weighted mean square of the residuals; 1 if the noise is as expected.
    """

    at: Parameters
    gain: float
    a: Array
    d: Array
    rise: Array
    information: Array
    covariance: Array
    chi2: float


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stays the same while parameters move: bases and priors."""

    flat: Flat
    field: Field
    optics: Optics
    fit_phase: bool
    a_basis: Array
    d_basis: Array
    fade: NDArray[np.complex128]


def evaluate(
    flat: Flat,
    field: Field,
    optics: Optics,
    at: Parameters,
    *,
    fit_phase: bool,
    fade: NDArray[np.complex128] | None = None,
) -> Solution:
    """Return the best A and D at given parameters with the gain in lnL and the derivatives.

    Parameters
    ----------
    flat : Flat
        Normalised powers.
    field : Field
        How defocus may vary.
    optics : Optics
        Of the microscope.
    at : Parameters
        Where.
    fit_phase : bool
        Whether the phase shift is a parameter.
    fade : ndarray, shape (cell,), complex, optional
        Mean of exp(i 2γ) over a cell, relative to the phase at the cell's mean frequency; 1 if not given.
    """
    ones = np.ones(len(flat.weight), dtype=np.complex128)
    return _solve(_frame(flat, field, optics, ones if fade is None else fade, fit_phase=fit_phase), at)


def _frame(flat: Flat, field: Field, optics: Optics, fade: NDArray[np.complex128], *, fit_phase: bool) -> _Frame:
    k = flat.cells.k
    used = k[k > 0]
    limits = (float(used.min()), float(used.max()))
    rings = len(used)
    a_basis = root_k_basis(np.maximum(k, limits[0]), max(1, min(NOISE_SPLINES, rings // 3)), limits)
    a_basis = a_basis * (float(flat.background[-1]) / flat.background)[:, None]
    d_basis = root_k_basis(np.maximum(k, limits[0]), max(1, min(SIGNAL_SPLINES, rings // 4)), limits)
    return _Frame(flat, field, optics, fit_phase, a_basis, d_basis, fade)


def refine(
    flat: Flat,
    field: Field,
    optics: Optics,
    start: Parameters,
    *,
    fit_phase: bool,
    fade: NDArray[np.complex128] | None = None,
    steps: int = 8,
    tolerance: float = 0.01,
) -> Solution:
    """Return the nearest maximum of the likelihood.

    Parameters
    ----------
    flat, field, optics, fit_phase, fade
        As for `evaluate`.
    start : Parameters
        First point.
    steps : int
        At most this many accepted or refused steps.
    tolerance : float
        Stop when a step promises to raise lnL by less.
    """
    ones = np.ones(len(flat.weight), dtype=np.complex128)
    frame = _frame(flat, field, optics, ones if fade is None else fade, fit_phase=fit_phase)
    best = _solve(frame, start)
    damping = 1e-3
    for _ in range(steps):
        information = best.information + damping * np.diag(np.diag(best.information))
        step: Array = np.asarray(np.linalg.solve(information, best.rise), dtype=np.float64)
        if 0.5 * float(best.rise @ step) < tolerance and damping <= 1e-2:
            break
        trial = _solve(frame, best.at.moved(step))
        if _penalised(trial, field) > _penalised(best, field):
            best, damping = trial, damping * 0.1
        else:
            damping = max(damping, 1e-3) * 10
            if damping > 1e4:
                break
    return best


def _penalised(solution: Solution, field: Field) -> float:
    at = solution.at
    prior = float(np.sum((at.field_A / field.sigma) ** 2)) + (at.a1_A**2 + at.a2_A**2) / _ASTIGMATISM_PRIOR_A**2
    return solution.gain - 0.5 * prior


def _moments(frame: _Frame, at: Parameters) -> tuple[Array, Array]:
    """Return sums over patches of the products of (1, cos, sin·F0, sin·F1, ..., power), and κ, per cell."""
    k2, k2_cos, k2_sin, k4 = frame.flat.terms()
    o = frame.optics
    kappa = o.per_defocus * k2
    base = o.per_defocus * (at.a1_A * k2_cos + at.a2_A * k2_sin) + o.per_k4 * k4 + o.offset_rad + 2 * at.phase_rad
    base = base + np.angle(frame.fade)
    defocus = frame.field.basis @ at.field_A
    centre = float(defocus.mean())
    turns = np.mod(base + kappa * centre, 2 * np.pi)  # so that float32 holds the phase to 1e-5
    theta = turns[:, None].astype(np.float32) + kappa[:, None].astype(np.float32) * (defocus - centre).astype(
        np.float32
    )
    basis = frame.field.basis.astype(np.float32)
    columns = np.empty((theta.shape[0], basis.shape[1] + 3, theta.shape[1]), dtype=np.float32)
    columns[:, 0] = 1
    np.cos(theta, out=columns[:, 1])
    columns[:, 1] *= -np.abs(frame.fade).astype(np.float32)[:, None]
    columns[:, 1] += 1
    sine = np.sin(theta)
    for term in range(basis.shape[1]):
        np.multiply(sine, basis[:, term], out=columns[:, 2 + term])
    columns[:, -1] = frame.flat.power - 1  # about 0, for float32's sake
    return np.matmul(columns, columns.transpose(0, 2, 1)).astype(np.float64), kappa


def _solve(frame: _Frame, at: Parameters) -> Solution:
    moments, kappa = _moments(frame, at)
    weight, ring = frame.flat.weight, frame.flat.ring
    size = np.abs(frame.fade)
    a_basis, d_basis = frame.a_basis[ring], frame.d_basis[ring]
    n_a, n_d = a_basis.shape[1], d_basis.shape[1]

    def block(u: Array, i: int, v: Array, j: int) -> Array:
        return np.asarray((u * (weight * moments[:, i, j])[:, None]).T @ v)

    aa, ad, dd = block(a_basis, 0, a_basis, 0), block(a_basis, 0, d_basis, 1), block(d_basis, 1, d_basis, 1)
    last = moments.shape[1] - 1
    b_a = a_basis.T @ (weight * moments[:, 0, last])
    b_d = d_basis.T @ (weight * moments[:, 1, last])
    aa[np.diag_indices(n_a)] += 1e-9 * np.trace(aa) / n_a + 1e-12
    dd[np.diag_indices(n_d)] += _RIDGE * np.trace(dd) / n_d + 1e-12
    linear = np.block([[aa, ad], [ad.T, dd]])
    right = np.concatenate([b_a, b_d])
    found = np.linalg.solve(linear, right)
    gain = 0.5 * (
        float(right @ found) - _without_rings(a_basis, d_basis, weight * moments[:, 0, 0], weight * moments[:, 0, last])
    )
    a, d = frame.a_basis @ found[:n_a], frame.d_basis @ found[n_a:]
    scale = d[ring] * size
    cross, inner, rise = _derivatives(frame, at, moments, kappa, scale, (a_basis, d_basis, found))
    information = inner - cross.T @ np.linalg.solve(linear, cross)
    total = float(np.sum(weight * moments[:, last, last]))
    chi2 = (total - float(right @ found)) / max(1, moments.shape[0] * frame.flat.power.shape[1])
    chi2 = max(chi2, 1e-6)
    if float(np.sum(d * np.bincount(ring, weight, minlength=len(d)))) < 0 and not frame.fit_phase:
        gain = min(gain, 0.0)  # rings of the wrong sign: a phase shift of 90°
    covariance: Array = np.asarray(np.linalg.pinv(information, hermitian=True), dtype=np.float64)
    return Solution(at, gain, 1 + a + d, d, rise, information, covariance, chi2)


def _without_rings(a_basis: Array, d_basis: Array, weight: Array, sums: Array) -> float:
    """Return twice the lnL of the smooth curves alone."""
    both = np.concatenate([a_basis, d_basis], axis=1)
    matrix, right = (both * weight[:, None]).T @ both, both.T @ sums
    return float(right @ np.linalg.pinv(matrix, rcond=1e-10, hermitian=True) @ right)


def _derivatives(
    frame: _Frame, at: Parameters, moments: Array, kappa: Array, scale: Array, linear: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array]:
    """Return the information between linear and phase parameters, that among the latter, and lnL's derivatives."""
    a_basis, d_basis, found = linear
    weight = frame.flat.weight
    _, k2_cos, k2_sin, _ = frame.flat.terms()
    terms = len(at.field_A)
    per = frame.optics.per_defocus
    factors = [scale * kappa] * terms + [scale * per * k2_cos, scale * per * k2_sin]
    column = [2 + term for term in range(terms)] + [2, 2]
    if frame.fit_phase:
        factors.append(2 * scale)
        column.append(2)
    weighted = np.stack(factors) * weight
    last = moments.shape[1] - 1
    m0, m1 = moments[:, 0, column].T, moments[:, 1, column].T
    cross = np.concatenate([a_basis.T @ (weighted * m0).T, d_basis.T @ (weighted * m1).T])
    pairs = moments[:, column][:, :, column]
    inner = np.einsum("uc,cuv,vc->uv", weighted, pairs, np.stack(factors), optimize=True)
    rise = np.sum(weighted * moments[:, column, last].T, axis=1) - cross.T @ found
    prior = np.concatenate([frame.field.sigma**-2.0, np.full(len(column) - terms, 0.0)])
    prior[terms : terms + 2] = _ASTIGMATISM_PRIOR_A**-2
    point = np.concatenate([at.field_A, [at.a1_A, at.a2_A], [at.phase_rad] * frame.fit_phase])
    return cross, inner + np.diag(prior), rise - prior * point
