"""Defocus gradients of a series' images against what its tilt angles say: data, model, likelihood; numpy only.

Model: at tilt θ the defocus rises by g = -κ tan(θ + θ0) u(φ) + q / cos(θ + θ0) v(φ), Å per Å, with u = (cos φ, sin φ)
across and v = (-sin φ, cos φ) along the tilt axis. Handedness +1 is φ = axis, -1 is φ = axis + 180°. θ0 is how far the
specimen lies tilted at 0° about the same axis, q about the axis across it, κ is 1.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weft.fields import CtfFit, Verdict

if TYPE_CHECKING:
    from weft.series.table import TiltSeries
    from weft.state.record import Record

__all__ = ["GradientFit", "Gradients", "collect_gradients", "fit_gradients", "log_outlier", "log_terms", "predict"]

Array = NDArray[np.float64]

FLOOR = 0.03  # gradients of real specimens are off by about this much: they bend, and patches see thick and thin parts
OUTLIER_SPREAD = 1.0  # of the gradients that fits gone astray report
_PARAMETERS = 4  # φ, θ0, q, κ
_PRIOR_SIGMA = np.array([math.inf, math.radians(20.0), 0.3, 0.5])
_PRIOR_MEAN = np.array([0.0, 0.0, 0.0, 1.0])
_FALLBACK_SIGMA = 0.3  # of a gradient whose uncertainty is not known


@dataclass(frozen=True, slots=True)
class Gradients:
    """What the images of a series say about the slope of the specimen.

    Parameters
    ----------
    movies : tuple of str, length image
        Names.
    tilt_rad : ndarray, shape (image,)
        Angles as the mdoc tells them.
    g : ndarray, shape (image, 2)
        Change of the defocus in Å per Å along +x and +y.
    covariance : ndarray, shape (image, 2, 2)
        Of `g`, as the fits state it.
    is_weak : ndarray of bool, shape (image,)
        Fits that are not trusted.
    """

    movies: tuple[str, ...]
    tilt_rad: Array
    g: Array
    covariance: Array
    is_weak: NDArray[np.bool_]

    @property
    def span_deg(self) -> float:
        """Largest minus smallest angle."""
        return float(np.degrees(np.ptp(self.tilt_rad))) if len(self.movies) else 0.0


@dataclass(frozen=True, slots=True)
class GradientFit:
    """The plane's parameters that fit best, with standard deviations.

    Parameters
    ----------
    phi_deg, phi_sigma_deg : float
        Direction in which the defocus falls as the tilt grows; the axis, or the axis + 180°.
    offset_deg, offset_sigma_deg : float
        θ0.
    scale, scale_sigma : float
        κ: 1 if the gradients are as large as the angles say.
    trust : ndarray, shape (image,)
        Probability of each image to follow the model.
    """

    phi_deg: float
    phi_sigma_deg: float
    offset_deg: float
    offset_sigma_deg: float
    scale: float
    scale_sigma: float
    trust: Array


def collect_gradients(series: TiltSeries, records: Mapping[str, Record], *, dropped: Collection[str] = ()) -> Gradients:
    """Return the gradients of a series' images, without those left out and those without an answer.

    Parameters
    ----------
    series : TiltSeries
        Angles.
    records : mapping of str to Record
        By the movies' names.
    dropped : collection of str
        Movies that a decision leaves out.
    """
    rows: list[tuple[str, float, CtfFit]] = []
    for tilt in series.tilts:
        record = records.get(tilt.movie) if tilt.movie and tilt.movie not in dropped else None
        fit = record.ctf.to_fit() if record is not None and record.ctf is not None else None
        if fit is None or not math.isfinite(fit.gradient_x + fit.gradient_y) or not _has_plane(fit):
            continue
        if fit.assessment.verdict is not Verdict.FAILED:
            rows.append((str(tilt.movie), math.radians(tilt.tilt_deg), fit))
    fits = [fit for _, _, fit in rows]
    return Gradients(
        tuple(name for name, _, _ in rows),
        np.array([tilt for _, tilt, _ in rows], dtype=np.float64),
        np.array([(fit.gradient_x, fit.gradient_y) for fit in fits], dtype=np.float64).reshape(-1, 2),
        np.array([_covariance(fit) for fit in fits], dtype=np.float64).reshape(-1, 2, 2),
        np.array([fit.assessment.verdict is Verdict.WEAK for fit in fits], dtype=np.bool_),
    )


def predict(data: Gradients, phi: Array, offset: Array, along: Array) -> Array:
    """Return the model's gradients, shape (node, image, 2), for nodes of φ, θ0 (radians) and q."""
    tilt = data.tilt_rad[None, :] + offset[:, None]
    across, slope = -np.tan(tilt), along[:, None] / np.cos(tilt)
    cos, sin = np.cos(phi)[:, None], np.sin(phi)[:, None]
    return np.stack([across * cos - slope * sin, across * sin + slope * cos], axis=-1)


def log_terms(data: Gradients, means: Array, inflation: float) -> Array:
    """Return ln N(g; mean, inflation² C + floor²), shape (..., image), for means (..., image, 2)."""
    inverse, log_norm = _inverse(inflation**2 * data.covariance + FLOOR**2 * np.eye(2))
    off = data.g - means
    chi2 = np.einsum("...ia,iab,...ib->...i", off, inverse, off)
    return np.asarray(log_norm - 0.5 * chi2)


def log_outlier(data: Gradients) -> Array:
    """Return the log-likelihood of each gradient if its fit went astray, shape (image,)."""
    inverse, log_norm = _inverse(data.covariance + OUTLIER_SPREAD**2 * np.eye(2))
    return np.asarray(log_norm - 0.5 * np.einsum("ia,iab,ib->i", data.g, inverse, data.g))


def fit_gradients(data: Gradients, phi_rad: float, *, outliers: float = 0.1, inflation: float = 1.0) -> GradientFit:
    """Return the parameters that fit best, starting from a direction.

    Parameters
    ----------
    data : Gradients
        At least one.
    phi_rad : float
        Where to start.
    outliers : float
        Share of images expected not to follow.
    inflation : float
        By which the stated standard deviations are too small.

    Notes
    -----
    Gauss-Newton steps on the expected log-likelihood (each image weighted by its probability to follow); weak priors
    keep what the data do not tell: θ0 0 ± 20°, q 0 ± 0.3, κ 1 ± 0.5.
    """
    at = np.array([phi_rad, 0.0, 0.0, 1.0])
    share = np.where(data.is_weak, np.maximum(outliers, 0.5), outliers)
    astray = np.log(share) + log_outlier(data)
    inverse, log_norm = _inverse(inflation**2 * data.covariance + FLOOR**2 * np.eye(2))
    prior = 1.0 / _PRIOR_SIGMA**2
    trust = np.ones(len(data.movies))
    hessian = np.diag(prior + 1e-12)
    for _ in range(25):
        mean, jacobian = _mean_and_jacobian(data, at)
        off = data.g - mean
        follows = np.log1p(-share) + log_norm - 0.5 * np.einsum("ia,iab,ib->i", off, inverse, off)
        trust = 1.0 / (1.0 + np.exp(np.clip(astray - follows, -60, 60)))
        weighted = trust[:, None, None] * inverse
        hessian = np.einsum("iap,iab,ibq->pq", jacobian, weighted, jacobian) + np.diag(prior + 1e-12)
        rise = np.einsum("iap,iab,ib->p", jacobian, weighted, off) + prior * (_PRIOR_MEAN - at)
        step = np.clip(np.linalg.solve(hessian, rise), -0.2, 0.2)
        at += step
        if np.abs(step).max() < 1e-6:
            break
    sigma = np.sqrt(np.diag(np.linalg.inv(hessian)))
    return GradientFit(
        phi_deg=math.degrees(at[0]) % 360.0,
        phi_sigma_deg=min(180.0, math.degrees(sigma[0])),
        offset_deg=math.degrees(at[1]),
        offset_sigma_deg=math.degrees(sigma[1]),
        scale=float(at[3]),
        scale_sigma=float(sigma[3]),
        trust=trust,
    )


def _mean_and_jacobian(data: Gradients, at: Array) -> tuple[Array, Array]:
    """Return the model's gradients (image, 2) and their derivatives (image, 2, parameter)."""
    phi, offset, along, scale = at
    tilt = np.clip(data.tilt_rad + offset, -1.4, 1.4)
    u = np.array([math.cos(phi), math.sin(phi)])
    v = np.array([-math.sin(phi), math.cos(phi)])
    tan, sec = np.tan(tilt)[:, None], 1.0 / np.cos(tilt)[:, None]
    mean = -scale * tan * u + along * sec * v
    jacobian = np.stack(
        [-scale * tan * v - along * sec * u, -scale * sec**2 * u + along * sec * tan * v, sec * v, -tan * u], axis=-1
    )
    return mean, jacobian


def _inverse(covariance: Array) -> tuple[Array, Array]:
    """Return the inverses (image, 2, 2) and ln of the Gaussians' height (image,)."""
    height = -math.log(2 * math.pi) - 0.5 * np.log(np.linalg.det(covariance))
    return np.asarray(np.linalg.inv(covariance), dtype=np.float64), np.asarray(height, dtype=np.float64)


def _has_plane(fit: CtfFit) -> bool:
    """Whether gradients were fitted at all (ctf.grid 1x1x1 has none)."""
    return (fit.gradient_x, fit.gradient_y) != (0.0, 0.0) or fit.sigma.get("gradient_x", 1.0) > 0


def _covariance(fit: CtfFit) -> Array:
    """Return the covariance of the gradients, from the fit's whole covariance where it holds one."""
    sigma = [float(fit.sigma.get(name, math.nan)) for name in ("gradient_x", "gradient_y")]
    sigma = [value if math.isfinite(value) and value > 0 else _FALLBACK_SIGMA for value in sigma]
    return np.diag(np.square(sigma)) + _correlation(fit.details, sigma)


def _correlation(details: Mapping[str, Any], sigma: list[float]) -> Array:
    """Return what lies off the diagonal: 0 if the fit does not tell."""
    names, matrix = details.get("parameters"), details.get("covariance")
    try:
        x, y = names.index("gradient_x"), names.index("gradient_y")  # type: ignore[union-attr]
        covariance = np.asarray(matrix, dtype=np.float64)
        r = covariance[x, y] / math.sqrt(covariance[x, x] * covariance[y, y])
    except (AttributeError, IndexError, TypeError, ValueError, ZeroDivisionError):
        return np.zeros((2, 2))
    r = float(np.clip(r, -0.95, 0.95)) if math.isfinite(r) else 0.0
    return np.array([[0.0, 1.0], [1.0, 0.0]]) * r * sigma[0] * sigma[1]
