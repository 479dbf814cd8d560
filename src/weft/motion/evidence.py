"""From gradients and curvatures to displacements: priors whose strength the data decide.

Notes
-----
Near its maximum the likelihood of all patches is that of data b_p = a_p Λ d_p with noise a_p Λ. The field is
d_p = g + Σ_m φ_m(p) c_m over a free path g; taking the functions' means over the patches (weighted by a) away makes g
and c independent. In the coordinates in which N = Φᵀ A Φ, the functions' prior, Λ and the kernel over time are diagonal,
the posterior is y v/(1 + v) and the log evidence -½ Σ [log(1 + v) + y²/(1 + v)], v = s² λ_space λ_time: a grid over all
strengths costs next to nothing. Results are averaged over the grid by evidence, so that no single choice decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LocalPosterior", "PathPosterior", "solve_local", "solve_path"]

Array = NDArray[np.float64]

_STRENGTHS_A = np.geomspace(0.02, 40.0, 24)  # of the local part, standard deviation of its first-degree functions
_ROUGHNESS = (0.01, 0.03, 0.08, 0.2, 0.45)  # variance from one degree to the next
_LEAST_SHARE = 1e-3  # models with less of the evidence are left out of the average
_MOST_MODELS = 60
_CUT = 1e-12


@dataclass(frozen=True, slots=True)
class PathPosterior:
    """The path of the whole image.

    Parameters
    ----------
    mean, sigma : ndarray, shape (frame, 2)
        Å; the mean over the frames that tell something is 0.
    free_sigma : float
        Error of the path (root of the mean over frames of the 2D variance) without any prior, Å.
    log_evidence : float
        Of the average over all priors, less that of no motion at all.
    """

    mean: Array
    sigma: Array
    free_sigma: float
    log_evidence: float


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


def solve_path(b: Array, curvature: Array, kernels: Sequence[Array]) -> PathPosterior:
    """Return the path given gradients summed over patches.

    Parameters
    ----------
    b : ndarray, shape (frame, 2)
        Σ (gradient + curvature · present displacement), 1/Å.
    curvature : ndarray, shape (frame, frame)
        Of one axis, all patches together, 1/Å².
    kernels : sequence of ndarray, shape (frame, frame)
        Covariances the path may have, Å².
    """
    root, inverse_root = _roots(curvature)
    tells = (np.diag(curvature) > 0).astype(np.float64)
    share = tells / tells.sum()
    whitened = inverse_root @ b
    found = []
    for kernel in kernels:
        mu, vectors = np.linalg.eigh(root @ kernel @ root)
        v = np.maximum(mu, 0)
        y = vectors.T @ whitened
        out = kernel @ (root @ vectors)
        out -= share @ out  # the mean over the frames that tell something is taken away
        evidence = -0.5 * float((2 * np.log1p(v)).sum() + (y**2 / (1 + v)[:, None]).sum())
        mean = out @ (y / (1 + v)[:, None])
        to_mean = kernel @ share
        prior = np.diag(kernel) - 2 * to_mean + share @ to_mean
        variance = prior - (out**2 / (1 + v)).sum(1)
        found.append((evidence, mean, np.repeat(variance[:, None], 2, axis=1)))
    mean, variance, log_evidence = _average(found)
    nothing = -0.5 * float((whitened**2).sum())
    free = float((inverse_root**2).sum())  # the trace of the curvature's pseudo-inverse
    free_sigma = float(np.sqrt(2 * free / max(1, int(np.count_nonzero(tells)))))
    return PathPosterior(mean, np.sqrt(np.maximum(variance, 0)), free_sigma, log_evidence - nothing)


def solve_local(
    b: Array,
    weight: Array,
    curvature: Array,
    functions: Array,
    degrees: NDArray[np.intp],
    places: Array,
    kernels: Sequence[Array],
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
    curvature : ndarray, shape (frame, frame)
        Of one axis at weight 1, 1/Å².
    functions : ndarray, shape (patch, function)
        Surface functions at the patches.
    degrees : ndarray, shape (function,)
        Their degree: the prior variance falls with it.
    places : ndarray, shape (place, function)
        What is wanted, as differences of surface functions from their weighted mean over the patches, or between
        places: the local part is known up to a path common to all patches.
    kernels : sequence of ndarray, shape (frame, frame)
        Unit covariances over the frames.
    may_be_rigid : bool
        Let no local motion at all be one of the strengths.
    """
    centred = functions - weight @ functions / weight.sum()
    normal = centred.T @ (weight[:, None] * centred)
    data = np.einsum("pm,pjc->mjc", centred, b)
    root, inverse_root = _roots(curvature)
    frames = b.shape[1]
    centre = _centring(curvature)
    times = [_time_modes(kernel, root, inverse_root, centre, data) for kernel in kernels]
    models: list[tuple[float, float, float, int]] = []
    spaces = {rough: _space_modes(normal, degrees, rough) for rough in _ROUGHNESS}
    whitened = {}
    for rough, space in spaces.items():
        for index, time in enumerate(times):
            y = np.einsum("mi,mjc->ijc", space.whiten, time.data)
            whitened[rough, index] = y
            product = space.values[:, None] * time.values[None, :]
            for strength in _STRENGTHS_A:
                v = strength**2 * product
                evidence = -0.5 * float((2 * np.log1p(v) - (y**2).sum(-1) * v / (1 + v)).sum())
                models.append((evidence, strength, rough, index))
    rigid = float(np.log(len(models) / len(_STRENGTHS_A)))
    found = [(rigid, 0.0, _ROUGHNESS[0], 0), *models] if may_be_rigid else models
    chosen = _best(found)
    total = sum(share for share, _ in chosen)
    means: list[tuple[float, Array]] = []
    variance = np.zeros((len(places), frames))
    coefficients = np.zeros((functions.shape[1], frames, 2))
    for share, (_, strength, rough, index) in chosen:
        if strength == 0.0:
            means.append((share / total, np.zeros_like(coefficients)))
            continue
        space, time = spaces[rough], times[index]
        v = strength**2 * space.values[:, None] * time.values[None, :]
        core = (whitened[rough, index] / (1 + v)[..., None]).transpose(0, 2, 1) @ time.out.T
        found_here = strength**2 * np.einsum("mi,ict->mtc", space.spread, core)
        means.append((share / total, found_here))
        coefficients += share / total * found_here
        here = strength**2 * places @ space.spread
        prior = strength**2 * np.einsum("pm,m,pm->p", places, space.prior, places)
        gained = here**2 @ (1 / (1 + v)) @ (time.out**2).T
        variance += share / total * (prior[:, None] * time.prior - gained)
    mean = np.einsum("pm,mtc->ptc", places, coefficients)
    spread = np.zeros_like(mean)
    for share, one in means:
        spread += share * (np.einsum("pm,mtc->ptc", places, one) - mean) ** 2
    sigma = np.sqrt(np.maximum(variance, 0)[..., None] + spread)
    evidences = np.array([model[0] for model in models])
    log_evidence = float(evidences.max() + np.log(np.exp(evidences - evidences.max()).mean()))
    return LocalPosterior(mean, sigma, coefficients, log_evidence, max(models)[1])


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


def _time_modes(kernel: Array, root: Array, inverse_root: Array, centre: Array, data: Array) -> _Time:
    values, vectors = np.linalg.eigh(root @ kernel @ root)
    keep = values > _CUT * max(values[-1], 1e-30)
    values, vectors = values[keep], vectors[:, keep]
    projected = np.einsum("mtc,tu,uj->mjc", data, inverse_root, vectors, optimize=True)
    prior = np.einsum("tu,tu->t", centre @ kernel, centre)
    return _Time(values, projected, centre @ kernel @ root @ vectors, prior)


def _space_modes(normal: Array, degrees: NDArray[np.intp], rough: float) -> _Space:
    prior = np.asarray(rough ** (degrees - 1.0), dtype=np.float64)
    half = np.sqrt(prior)
    values, vectors = np.linalg.eigh(half[:, None] * normal * half[None, :])
    keep = values > _CUT * max(values[-1], 1e-30)
    values, vectors = values[keep], vectors[:, keep]
    scaled = half[:, None] * vectors
    return _Space(values, scaled / np.sqrt(values), scaled * np.sqrt(values), prior)


def _centring(curvature: Array) -> Array:
    """Return the matrix that takes from a path its mean over the frames that tell something."""
    tells = (np.diag(curvature) > 0).astype(np.float64)
    return np.asarray(np.eye(len(curvature)) - tells / tells.sum())


def _roots(curvature: Array) -> tuple[Array, Array]:
    """Return the symmetric root and its pseudo-inverse."""
    values, vectors = np.linalg.eigh(curvature)
    keep = values > 1e-9 * max(values[-1], 1e-30)
    roots = np.sqrt(np.where(keep, values, 0))
    inverse = np.where(keep, 1 / np.where(keep, roots, 1), 0)
    return (vectors * roots) @ vectors.T, (vectors * inverse) @ vectors.T


def _best(
    models: list[tuple[float, float, float, int]],
) -> list[tuple[float, tuple[float, float, float, int]]]:
    """Return the models that matter with their share of evidence relative to the best."""
    top = max(model[0] for model in models)
    shares = [(float(np.exp(model[0] - top)), model) for model in models if model[0] > top + np.log(_LEAST_SHARE)]
    return sorted(shares, reverse=True)[:_MOST_MODELS]


def _average(found: list[tuple[float, Array, Array]]) -> tuple[Array, Array, float]:
    """Return mean, variance and log evidence averaged over models of equal prior probability."""
    top = max(evidence for evidence, _, _ in found)
    shares = np.array([np.exp(evidence - top) for evidence, _, _ in found])
    shares_sum = shares.sum()
    means = np.stack([mean for _, mean, _ in found])
    variances = np.stack([variance for _, _, variance in found])
    weights = (shares / shares_sum)[:, None, None]
    mean = (weights * means).sum(0)
    variance = (weights * (variances + (means - mean) ** 2)).sum(0)
    return mean, variance, top + float(np.log(shares_sum / len(found)))
