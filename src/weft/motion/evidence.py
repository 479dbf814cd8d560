"""From gradients and curvatures to the local part: priors whose strength the data decide.

Notes
-----
Near its maximum the likelihood of all patches is that of data b_p = a_p Λ d_p with noise a_p Λ. The field is
d_p = g + Σ_m φ_m(p) c_m over a free path g; taking the functions' means over the patches (weighted by a) away makes g
and c independent. In the coordinates in which N = Φᵀ A Φ, the functions' prior, Λ and the kernel over time are diagonal,
the posterior is y v/(1 + v) and the log evidence -½ Σ [log(1 + v) + y²/(1 + v)], v = s² λ_space λ_time: a grid over all
strengths costs next to nothing. Results are averaged over the grid by evidence, so that no single choice decides.

Before the data are seen, the local part's standard deviation and its ratio from one degree to the next are uniform, the
former up to about 1 Å (half-Cauchy): were its logarithm uniform, a likelihood that falls off slowly towards nothing would
leave most of its weight to strengths that are too small (Gelman 2006, Bayesian Analysis 1, 515).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.motion.curvature import Curvature
from weft.motion.kernels import Kernel

__all__ = ["LocalPosterior", "solve_local"]

Array = NDArray[np.float64]

_STRENGTHS_A = np.geomspace(0.02, 40.0, 24)  # of the local part, standard deviation of its first-degree functions
_USUAL_A = 1.0  # local motion of some Å is common, of tens of Å is not
_ROUGHNESS = tuple(ratio**2 for ratio in (0.1, 0.25, 0.4, 0.55, 0.7))  # variance from one degree to the next
_RIGID_SHARE = 1 / 24  # of the prior, where no local motion at all is one of the strengths
_LEAST_SHARE = 1e-3  # models with less of the evidence are left out of the average
_CUT = 1e-12


@dataclass(frozen=True, slots=True)
class LocalPosterior:
    """The local part.

    Parameters
    ----------
    mean, sigma : ndarray, shape (place, frame, 2)
        At the places asked for, Å; the mean over the frames that tell something is 0.
    coefficients : ndarray, shape (function, frame, 2)
        Of the surface functions less their weighted mean over the patches.
    log_evidence : float
        Over the rigid model, averaged over all priors.
    strength_A : float
        Most likely size.
    """

    mean: Array
    sigma: Array
    coefficients: Array
    log_evidence: float
    strength_A: float


def solve_local(
    b: Array,
    weight: Array,
    curvature: Curvature,
    functions: Array,
    degrees: NDArray[np.intp],
    places: Array,
    kernels: Sequence[Kernel],
    *,
    may_be_rigid: bool,
) -> LocalPosterior:
    """Return the local part given each patch's gradient.

    Parameters
    ----------
    b : ndarray, shape (patch, frame, 2)
        Gradient + weight · curvature · present displacement, 1/Å.
    weight : ndarray, shape (patch,)
        Information of each patch, a_p.
    curvature : Curvature
        Of one axis at weight 1.
    functions : ndarray, shape (patch, function)
        Surface functions at the patches.
    degrees : ndarray, shape (function,)
        Their degree: the prior variance falls with it.
    places : ndarray, shape (place, function)
        What is wanted, as differences of surface functions from their weighted mean over the patches, or between
        places: the local part is known up to a path common to all patches.
    kernels : sequence of Kernel
        Covariances over the frames of mean variance 1, without a walk.
    may_be_rigid : bool
        Let no local motion at all be one of the strengths.
    """
    centred = functions - weight @ functions / weight.sum()
    normal = centred.T @ (weight[:, None] * centred)
    data = curvature.in_range(np.einsum("pm,pjc->mjc", centred, b))
    frames = b.shape[1]
    times = [_time_modes(kernel.factor, curvature, data) for kernel in kernels]
    models: list[tuple[float, float, float, int]] = []
    shares = np.log(_strength_shares() / (len(_ROUGHNESS) * len(times)))
    spaces = {rough: _space_modes(normal, degrees, rough) for rough in _ROUGHNESS}
    whitened = {}
    for rough, space in spaces.items():
        for index, time in enumerate(times):
            y = np.einsum("mi,mjc->ijc", space.whiten, time.data)
            whitened[rough, index] = y
            v = _STRENGTHS_A[:, None, None] ** 2 * space.values[:, None] * time.values
            evidence = shares - 0.5 * (2 * np.log1p(v) - (y**2).sum(-1) * v / (1 + v)).sum((1, 2))
            models += [(*pair, rough, index) for pair in zip(evidence.tolist(), _STRENGTHS_A.tolist(), strict=True)]
    rigid = (float(np.log(_RIGID_SHARE)), 0.0, _ROUGHNESS[0], 0)
    found = [rigid, *models] if may_be_rigid else models
    chosen = _best(found)
    total = sum(share for share, _ in chosen)
    reach = {rough: places @ space.spread for rough, space in spaces.items()}
    priors = {rough: places**2 @ space.prior for rough, space in spaces.items()}
    means: list[tuple[float, Array]] = []
    variance = np.zeros((len(places), frames))
    coefficients = np.zeros((functions.shape[1], frames, 2))
    for share, (_, strength, rough, index) in chosen:
        if strength == 0.0:
            means.append((share / total, np.zeros((len(places), frames, 2))))
            continue
        space, time = spaces[rough], times[index]
        v = strength**2 * space.values[:, None] * time.values[None, :]
        core = (whitened[rough, index] / (1 + v)[..., None]).transpose(0, 2, 1) @ time.out.T
        here = strength**2 * reach[rough]
        means.append((share / total, np.tensordot(here, core, 1).transpose(0, 2, 1)))
        coefficients += share / total * strength**2 * np.tensordot(space.spread, core, 1).transpose(0, 2, 1)
        gained = here**2 @ (1 / (1 + v)) @ (time.out**2).T
        variance += share / total * (strength**2 * priors[rough][:, None] * time.prior - gained)
    mean = np.einsum("pm,mtc->ptc", places, coefficients)
    spread = np.zeros_like(mean)
    for share, one in means:
        spread += share * (one - mean) ** 2
    sigma = np.sqrt(np.maximum(variance, 0)[..., None] + spread)
    evidences = np.array([model[0] for model in models])
    log_evidence = float(evidences.max() + np.log(np.exp(evidences - evidences.max()).sum()))
    return LocalPosterior(mean, sigma, coefficients, log_evidence, max(models)[1])


def _strength_shares() -> Array:
    """Return what of the prior falls to each strength of the grid, even in their logarithm."""
    density = _STRENGTHS_A / (1 + (_STRENGTHS_A / _USUAL_A) ** 2)
    return np.asarray(density / density.sum())


@dataclass(frozen=True, slots=True)
class _Time:
    values: Array
    data: Array
    out: Array
    prior: Array


@dataclass(frozen=True, slots=True)
class _Space:
    values: Array
    whiten: Array
    spread: Array
    prior: Array


def _time_modes(factor: Array, curvature: Curvature, data: Array) -> _Time:
    rooted = curvature.root_times(factor)
    values, vectors = np.linalg.eigh(rooted.T @ rooted)
    keep = values > _CUT * max(values[-1], 1e-30)
    values, modes = values[keep], factor @ vectors[:, keep]
    projected = np.einsum("mtc,tj->mjc", data, modes / np.sqrt(values))
    prior = (curvature.centred(factor) ** 2).sum(1)
    return _Time(values, projected, curvature.centred(modes) * np.sqrt(values), prior)


def _space_modes(normal: Array, degrees: NDArray[np.intp], rough: float) -> _Space:
    prior = np.asarray(rough ** (degrees - 1.0), dtype=np.float64)
    half = np.sqrt(prior)
    values, vectors = np.linalg.eigh(half[:, None] * normal * half[None, :])
    keep = values > _CUT * max(values[-1], 1e-30)
    values, vectors = values[keep], vectors[:, keep]
    scaled = half[:, None] * vectors
    return _Space(values, scaled / np.sqrt(values), scaled * np.sqrt(values), prior)


def _best(
    models: list[tuple[float, float, float, int]],
) -> list[tuple[float, tuple[float, float, float, int]]]:
    """Return the models that matter, most likely first, with their share of evidence relative to the best."""
    top = max(model[0] for model in models)
    shares = [(float(np.exp(model[0] - top)), model) for model in models if model[0] > top + np.log(_LEAST_SHARE)]
    return sorted(shares, reverse=True)
