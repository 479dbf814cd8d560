"""Likelihood of patch spectra, refinement of all parameters together, and their covariance.

Notes
-----
The mean power of n frequencies, divided by the background E0 and by the patch's own smooth ratio to it, is gamma
distributed around its expectation E with variance E² / (n f), f being the share of independent samples. With E known
from an earlier fit, lnL = −½ Σ n f (P/E0 − N − D (1 − cos 2γ))² / E², summed over rings, sectors and patches; repeated,
that is the likelihood of the gamma distribution. N is the noise and D the strength of the rings. Given the phases, N
and D are linear and are solved for, held smooth by `weft.ctf.smooth`; the phases' parameters are refined by Fisher
scoring with Levenberg's damping, N and D in the same system, so that the inverse of the final system is the covariance
of everything (the Cramér-Rao bound, with the prior of smoothness).

The score of a fit is the gain in lnL of the best rings over no rings. Pure noise reaches about 14 over the whole range
of defocus and astigmatism.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.ctf.background import Flat
from weft.ctf.model import Optics, root_k_basis
from weft.ctf.smooth import Stiffness, penalty

__all__ = [
    "FINE",
    "LEAN",
    "Field",
    "Model",
    "Parameters",
    "Solution",
    "evaluate",
    "expected_powers",
    "make_model",
    "refine",
]

Array = NDArray[np.float64]
Image = NDArray[np.float32]

LEAN = (6, 8)  # splines of N and of D, few enough to need no prior
FINE = (8, 24)  # with a prior
GRADIENT_PRIOR = 2.0  # Å per Å; tan 63°: only where the patches cannot tell
_ASTIGMATISM_PRIOR_A = 5000.0  # weak, keeps a system with few rings solvable
_RIDGE = 1e-5  # of each spline's own weight: a common ridge would push D down at low k and the phase by 3°


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
    """The best N and D at some parameters, and the system around them.

    Parameters
    ----------
    at : Parameters
        Where.
    gain : float
        lnL of rings over no rings.
    a, d : ndarray, shape (ring,)
        N + D, and D.
    rise : ndarray
        Derivative of lnL along the parameters, N and D being at their best.
    information : ndarray, shape (parameter, parameter)
        Fisher information on the parameters, N and D being unknown.
    covariance : ndarray, shape (parameter, parameter)
        Of (field, a1, a2[, phase]).
    chi2 : float
        Weighted mean square of the residuals.
    linear : ndarray, shape (coefficient, coefficient)
        Information of the data on the coefficients of N and D, the phases being known.
    pull : ndarray, shape (coefficient,)
        Derivative of lnL with respect to these coefficients at 0.
    """

    at: Parameters
    gain: float
    a: Array
    d: Array
    rise: Array
    information: Array
    covariance: Array
    chi2: float
    linear: Array
    pull: Array


@dataclass(frozen=True, slots=True)
class Model:
    """What stays the same while parameters move; made by `make_model`.

    Parameters
    ----------
    flat : Flat
        Normalised powers.
    field : Field
        How defocus may vary.
    optics : Optics
        Of the microscope.
    fit_phase : bool
        Whether the phase shift is a parameter.
    noise, strength : ndarray, shape (ring, spline)
        Bases of N and D in units of the background.
    stiffness : tuple of float
        Of N and D (`weft.ctf.smooth`).
    fade : ndarray, shape (cell,), complex
        By what rings are weakened and turned in a cell (`weft.ctf.window`).
    expected : ndarray, shape (cell, patch), float32, or None
        Powers by which each cell's variance is known; 1 where None.
    """

    flat: Flat
    field: Field
    optics: Optics
    fit_phase: bool
    noise: Array
    strength: Array
    stiffness: Stiffness
    fade: NDArray[np.complex128]
    expected: Image | None

    @property
    def counts(self) -> tuple[int, int]:
        """Return the coefficients of N and of D."""
        return self.noise.shape[1], self.strength.shape[1]


def make_model(
    flat: Flat,
    field: Field,
    optics: Optics,
    *,
    fit_phase: bool,
    splines: tuple[int, int] = LEAN,
    stiffness: Stiffness = (0.0, 0.0),
    fade: NDArray[np.complex128] | None = None,
    expected: Image | None = None,
) -> Model:
    """Return the model of some spectra; `splines` says how many there are of N and of D, the rest as in `Model`.

    N is smooth by itself, so its splines are divided by the background; the ratio of D to the background is smooth.
    """
    k = flat.cells.k
    used = k[k > 0]
    limits = (float(used.min()), float(used.max()))
    at = np.maximum(k, limits[0])
    few = max(1, len(used) // 4)
    noise = root_k_basis(at, min(splines[0], few), limits) * (float(flat.background[-1]) / flat.background)[:, None]
    strength = root_k_basis(at, min(splines[1], few), limits)
    whole = np.ones(len(flat.weight), dtype=np.complex128) if fade is None else fade
    return Model(flat, field, optics, fit_phase, noise, strength, stiffness, whole, expected)


def evaluate(model: Model, at: Parameters) -> Solution:
    """Return the best N and D at given parameters with the gain in lnL and the derivatives."""
    return _solve(model, at)


def refine(model: Model, start: Parameters, *, steps: int = 8, tolerance: float = 0.01) -> Solution:
    """Return the nearest maximum of the likelihood.

    Parameters
    ----------
    model : Model
        Of the spectra.
    start : Parameters
        First point.
    steps : int
        At most this many accepted or refused steps.
    tolerance : float
        Stop when a step promises to raise lnL by less.
    """
    best = _solve(model, start)
    damping = 1e-3
    for _ in range(steps):
        information = best.information + damping * np.diag(np.diag(best.information))
        inverse = np.linalg.pinv(information, hermitian=True)  # singular where there is nothing
        step: Array = np.asarray(inverse @ best.rise, dtype=np.float64)
        if 0.5 * float(best.rise @ step) < tolerance and damping <= 1e-2:
            break
        trial = _solve(model, best.at.moved(step))
        if _penalised(trial, model.field) > _penalised(best, model.field):
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


def expected_powers(model: Model, found: Solution) -> Image:
    """Return the powers that a fit expects, shape (cell, patch), float32; never below a tenth of the background."""
    theta, _ = _phases(model, found.at)
    ring = model.flat.ring
    out = np.cos(theta, out=theta)
    out *= (-found.d[ring] * np.abs(model.fade)).astype(np.float32)[:, None]
    out += found.a[ring].astype(np.float32)[:, None]
    return np.maximum(out, np.float32(0.1))


def _phases(model: Model, at: Parameters) -> tuple[Image, Array]:
    """Return 2γ, shape (cell, patch), and its derivative with respect to defocus, per cell."""
    k2, k2_cos, k2_sin, k4 = model.flat.terms()
    o = model.optics
    kappa = o.per_defocus * k2
    base = o.per_defocus * (at.a1_A * k2_cos + at.a2_A * k2_sin) + o.per_k4 * k4 + o.offset_rad + 2 * at.phase_rad
    base = base + np.angle(model.fade)
    defocus = model.field.basis @ at.field_A
    centre = float(defocus.mean())
    turns = np.mod(base + kappa * centre, 2 * np.pi)  # so that float32 holds the phase to 1e-5
    rest = kappa.astype(np.float32)[:, None] * (defocus - centre).astype(np.float32)
    return turns.astype(np.float32)[:, None] + rest, kappa


def _moments(model: Model, at: Parameters) -> tuple[Array, Array]:
    """Return sums over patches of the products of (1, 1 − cos, sin·F0, sin·F1, ..., power), and κ, per cell."""
    theta, kappa = _phases(model, at)
    basis = model.field.basis.astype(np.float32)
    columns = np.empty((theta.shape[0], basis.shape[1] + 3, theta.shape[1]), dtype=np.float32)
    columns[:, 0] = 1
    np.cos(theta, out=columns[:, 1])
    columns[:, 1] *= -np.abs(model.fade).astype(np.float32)[:, None]
    columns[:, 1] += 1
    sine = np.sin(theta)
    for term in range(basis.shape[1]):
        np.multiply(sine, basis[:, term], out=columns[:, 2 + term])
    columns[:, -1] = model.flat.power - 1  # about 0, for float32's sake
    if model.expected is not None:
        columns /= model.expected[:, None, :]
    moments = np.matmul(columns, columns.transpose(0, 2, 1)).astype(np.float64)
    moments[:, -1, -1] += 2 * moments[:, 0, -1] + moments[:, 0, 0]
    moments[:, :-1, -1] += moments[:, :-1, 0]
    return moments, kappa


def _solve(model: Model, at: Parameters) -> Solution:
    moments, kappa = _moments(model, at)
    weight, ring = model.flat.weight, model.flat.ring
    noise, strength = model.noise[ring], model.strength[ring]
    first = model.counts[0]

    def block(u: Array, i: int, v: Array, j: int) -> Array:
        return np.asarray((u * (weight * moments[:, i, j])[:, None]).T @ v)

    nn, nd, dd = block(noise, 0, noise, 0), block(noise, 0, strength, 1), block(strength, 1, strength, 1)
    nn += np.diag(np.full(len(nn), 1e-9 * np.trace(nn) / len(nn) + 1e-12))
    dd += np.diag(_RIDGE * np.diag(dd) + 1e-9 * np.trace(dd) / len(dd) + 1e-12)
    linear = np.block([[nn, nd], [nd.T, dd]])
    pull = np.concatenate([noise.T @ (weight * moments[:, 0, -1]), strength.T @ (weight * moments[:, 1, -1])])
    held = linear + penalty(model.counts, model.stiffness)
    found = np.linalg.solve(held, pull)
    smooth = _without_rings(noise, strength, weight * moments[:, 0, 0], weight * moments[:, 0, -1])
    gain = 0.5 * (float(pull @ found) - smooth)
    n, d = model.noise @ found[:first], model.strength @ found[first:]
    cross, inner, rise = _derivatives(model, at, moments, kappa, d[ring] * np.abs(model.fade), found)
    information = inner - cross.T @ np.linalg.solve(held, cross)
    left = float(np.sum(weight * moments[:, -1, -1])) - float(pull @ found)
    chi2 = max(left / max(1, model.flat.power.size), 1e-6)
    if float(np.sum(d * np.bincount(ring, weight, minlength=len(d)))) < 0 and not model.fit_phase:
        gain = min(gain, 0.0)  # rings of the wrong sign: a phase shift of 90°
    covariance: Array = np.asarray(np.linalg.pinv(information, hermitian=True), dtype=np.float64)
    return Solution(at, gain, n + d, d, rise, information, covariance, chi2, linear, pull)


def _without_rings(noise: Array, strength: Array, weight: Array, sums: Array) -> float:
    """Return twice the lnL of the smooth curves alone."""
    both = np.concatenate([noise, strength], axis=1)
    matrix, right = (both * weight[:, None]).T @ both, both.T @ sums
    return float(right @ np.linalg.pinv(matrix, rcond=1e-10, hermitian=True) @ right)


def _derivatives(
    model: Model, at: Parameters, moments: Array, kappa: Array, scale: Array, found: Array
) -> tuple[Array, Array, Array]:
    """Return the information between linear and phase parameters, that among the latter, and lnL's derivatives."""
    weight, ring = model.flat.weight, model.flat.ring
    _, k2_cos, k2_sin, _ = model.flat.terms()
    terms = len(at.field_A)
    per = model.optics.per_defocus
    factors = [scale * kappa] * terms + [scale * per * k2_cos, scale * per * k2_sin]
    column = [2 + term for term in range(terms)] + [2, 2]
    if model.fit_phase:
        factors.append(2 * scale)
        column.append(2)
    weighted = np.stack(factors) * weight
    m0, m1 = moments[:, 0, column].T, moments[:, 1, column].T
    cross = np.concatenate([model.noise[ring].T @ (weighted * m0).T, model.strength[ring].T @ (weighted * m1).T])
    pairs = moments[:, column][:, :, column]
    inner = np.einsum("uc,cuv,vc->uv", weighted, pairs, np.stack(factors), optimize=True)
    rise = np.sum(weighted * moments[:, column, -1].T, axis=1) - cross.T @ found
    prior = np.concatenate([model.field.sigma**-2.0, np.full(len(column) - terms, 0.0)])
    prior[terms : terms + 2] = _ASTIGMATISM_PRIOR_A**-2
    point = np.concatenate([at.field_A, [at.a1_A, at.a2_A], [at.phase_rad] * model.fit_phase])
    return cross, inner + np.diag(prior), rise - prior * point
