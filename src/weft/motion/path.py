"""From gradient and curvature to the path of the whole image, averaged over priors by their evidence.

Notes
-----
With data b = C x + noise of covariance C and x of covariance K, the posterior covariance is S = (K⁻¹ + C)⁻¹, the mean S b
and the log evidence -½ [log det(I + K C) + bᵀC⁺b - bᵀS b]. For K = B Bᵀ all follows from the eigenvectors of Bᵀ C B. A
random walk s² W has the tridiagonal precision T / s², so that with A = T / s² + diag(C's) the rest of K and of C are of low
rank: K⁻¹ + C = A - F Fᵀ, F = [T B / s² · H^(-½), u], H = I + Bᵀ T B / s², and

    S = A⁻¹ + A⁻¹F (I - FᵀA⁻¹F)⁻¹ FᵀA⁻¹,   det(I + K C) = s²ⁿ det H · det A · det(I - FᵀA⁻¹F),

which costs as much as there are frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve_banded, cholesky_banded, solve_triangular

from weft.motion.curvature import Curvature
from weft.motion.kernels import Kernel

__all__ = ["PathPosterior", "solve_path"]

Array = NDArray[np.float64]


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


def solve_path(b: Array, curvature: Curvature, kernels: Sequence[Kernel]) -> PathPosterior:
    """Return the path given gradients summed over patches.

    Parameters
    ----------
    b : ndarray, shape (frame, 2)
        Σ (gradient + curvature · present displacement), 1/Å.
    curvature : Curvature
        Of one axis, all patches together.
    kernels : sequence of Kernel
        Covariances the path may have, Å².
    """
    told = curvature.in_range(b)
    nothing = -0.5 * curvature.by_inverse(told)
    if any(kernel.step_A for kernel in kernels):
        found = [_with_walk(told, curvature, kernel) for kernel in kernels]
    else:
        found = _of_modes(told, curvature, [kernel.factor for kernel in kernels])
    found = [(nothing + gain, mean, np.repeat(variance[:, None], 2, axis=1)) for gain, mean, variance in found]
    mean, variance, log_evidence = _average(found)
    free_sigma = float(np.sqrt(2 * curvature.trace_of_inverse / int(np.count_nonzero(curvature.coupling))))
    return PathPosterior(mean, np.sqrt(np.maximum(variance, 0)), free_sigma, log_evidence - nothing)


def _of_modes(b: Array, curvature: Curvature, factors: Sequence[Array]) -> list[tuple[float, Array, Array]]:
    """Return log evidence over that of no motion, mean and variance for covariances that are all in their factors."""
    together = np.zeros((len(factors), len(b), max(factor.shape[1] for factor in factors)))
    for place, factor in zip(together, factors, strict=True):
        place[:, : factor.shape[1]] = factor  # empty modes change nothing
    rooted = curvature.root_times(together)
    values, vectors = np.linalg.eigh(rooted.transpose(0, 2, 1) @ rooted)
    v, modes = np.maximum(values, 0)[..., None], together @ vectors
    y = modes.transpose(0, 2, 1) @ b
    gains = 0.5 * (y**2 / (1 + v)).sum((1, 2)) - np.log1p(v).sum((1, 2))
    modes = curvature.centred(modes)
    variances = (modes**2 @ (1 / (1 + v)))[..., 0]
    return list(zip(gains.tolist(), modes @ (y / (1 + v)), variances, strict=True))


def _with_walk(b: Array, curvature: Curvature, kernel: Kernel) -> tuple[float, Array, Array]:
    """Return the same for a smooth part and a random walk."""
    frames, modes = kernel.factor.shape
    precision = kernel.step_A**-2
    diagonal = np.full(frames, 2 * precision)
    diagonal[-1] = precision
    bent = diagonal[:, None] * kernel.factor
    bent[1:] -= precision * kernel.factor[:-1]
    bent[:-1] -= precision * kernel.factor[1:]
    half_h = np.linalg.cholesky(np.eye(modes) + kernel.factor.T @ bent)
    low = np.hstack([solve_triangular(half_h, bent.T, lower=True).T, curvature.coupling[:, None]])
    band = np.stack([diagonal + curvature.diagonal, np.full(frames, -precision)])
    half_a = cholesky_banded(band, lower=True)
    solved = cho_solve_banded((half_a, True), low)
    half_e = np.linalg.cholesky(np.eye(modes + 1) - low.T @ solved)
    spread = solve_triangular(half_e, solved.T, lower=True).T  # the posterior covariance is A⁻¹ + spread spreadᵀ

    def posterior(x: Array) -> Array:
        return np.asarray(cho_solve_banded((half_a, True), x) + spread @ (spread.T @ x))

    log_det = sum(2 * float(np.log(half.diagonal()).sum()) for half in (half_h, half_e))
    log_det += 2 * float(np.log(half_a[0]).sum()) - frames * float(np.log(precision))
    mean, share = posterior(b), curvature.share
    common = posterior(share)
    variance = _diagonal_of_inverse(half_a) + (spread**2).sum(1) - 2 * common + share @ common
    return 0.5 * float((b * mean).sum()) - log_det, curvature.centred(mean), variance


def _diagonal_of_inverse(half: Array) -> Array:
    """Return the diagonal of the inverse of a tridiagonal matrix from its Cholesky factor, (2, frame)."""
    out = 1 / half[0] ** 2
    ratio = (half[1] / half[0]) ** 2
    for place in range(len(out) - 2, -1, -1):
        out[place] += ratio[place] * out[place + 1]
    return np.asarray(out)


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
