"""What the other images of a series expect of each: a trend over tilt and time with scatter, learnt from the data.

A Gaussian process whose few numbers (how far values wander with the tilt, with time, and from image to image) are chosen
by how well each value is foretold by the others. Nothing is smoothed that the data do not show to be smooth.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Expected", "Scales", "expect"]

Array = NDArray[np.float64]

TILT_LENGTH_DEG = 20.0  # over which a trend with the tilt may bend
ORDER_LENGTH = 6.0  # images over which a drift in time is remembered
GAIN_OF_TREND = 2.5  # ln-likelihood by which a trend must foretell better than none
_LEAST_TRUST = 1e-5
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Scales:
    """What sizes are tried, in the values' unit.

    Parameters
    ----------
    level : float
        How far the series' mean may lie from its median.
    trends : tuple of float
        Amplitudes of what varies with tilt or time; 0 is always tried.
    jitters : tuple of float
        Standard deviations from image to image.
    astray : float
        Range over which values that are simply wrong are spread.
    """

    level: float
    trends: tuple[float, ...]
    jitters: tuple[float, ...]
    astray: float


@dataclass(frozen=True, slots=True)
class Expected:
    """What the others say of each image, and what follows with its own measurement.

    Parameters
    ----------
    value, sigma : ndarray, shape (component, image) and (image,)
        Foretold by the other images, with the standard deviation of one image about it.
    both, both_sigma : ndarray
        The same, with the image's own measurement (if it is not astray).
    trust : ndarray, shape (image,)
        Probability that the image's own value is right.
    jitter : float
        From image to image.
    tilt_trend, order_trend : float
        Amplitudes of the trends; 0 if none is seen.
    """

    value: Array
    sigma: Array
    both: Array
    both_sigma: Array
    trust: Array
    jitter: float
    tilt_trend: float
    order_trend: float


def expect(
    measured: Array, variance: Array, tilt_deg: Array, order: Array, share_astray: Array, scales: Scales
) -> Expected:
    """Return what the images of a series expect of each other.

    Parameters
    ----------
    measured : ndarray, shape (component, image)
        Values; nan where there is none.
    variance : ndarray, shape (image,)
        Of one component.
    tilt_deg, order : ndarray, shape (image,)
        Angle and place in the acquisition.
    share_astray : ndarray, shape (image,)
        Probability beforehand that a value is wrong.
    scales : Scales
        Sizes to try.
    """
    missing = ~np.isfinite(measured).all(0)
    centre = np.array([np.median(row[~missing]) if (~missing).any() else 0.0 for row in measured])[:, None]
    values = np.where(missing, 0.0, measured - centre)
    spread = np.where(missing, 1e12 * scales.level**2, variance)
    shapes = _shapes(tilt_deg, order)
    trust = np.where(missing, _LEAST_TRUST, _first_trust(values, spread, tilt_deg))
    best = (0.0, 0.0, scales.jitters[0])
    for _ in range(_ROUNDS):
        best = _choose(values, spread, trust, share_astray, shapes, scales)
        value, sigma2 = _left_out(values, spread, trust, shapes, scales, best)
        trust = np.where(missing, _LEAST_TRUST, _trust(values, spread, value, sigma2, share_astray, scales))
    own = trust / spread
    weight = 1.0 / sigma2 + own
    both = (value / sigma2 + values * own) / weight
    return Expected(
        value + centre, np.sqrt(sigma2), both + centre, np.sqrt(1.0 / weight), np.where(missing, 0.0, trust), best[2],
        best[0], best[1],
    )  # fmt: skip


def _shapes(tilt_deg: Array, order: Array) -> tuple[Array, Array]:
    """Return the correlations over tilt and over time."""
    tilt = np.exp(-0.5 * ((tilt_deg[:, None] - tilt_deg[None, :]) / TILT_LENGTH_DEG) ** 2)
    return tilt, np.exp(-np.abs(order[:, None] - order[None, :]) / ORDER_LENGTH)


def _first_trust(values: Array, variance: Array, tilt_deg: Array) -> Array:
    """Return 1 for values near the median of their neighbours in tilt, almost 0 for others."""
    by_tilt = np.argsort(tilt_deg, kind="stable")
    off = np.zeros(values.shape[1])
    for place, image in enumerate(by_tilt):
        near = by_tilt[max(0, place - 4) : place + 5]
        near = near[near != image] if len(near) > 1 else near
        off[image] = float(np.linalg.norm(values[:, image] - np.median(values[:, near], axis=1)))
    usual = 1.4826 * float(np.median(off))
    return np.where(off <= 4.0 * np.sqrt(usual**2 + variance), 1.0, _LEAST_TRUST)


def _left_out(
    values: Array,
    variance: Array,
    trust: Array,
    shapes: tuple[Array, Array],
    scales: Scales,
    chosen: tuple[float, float, float],
) -> tuple[Array, Array]:
    """Return what the others foretell of each image's true value: mean (component, image) and variance (image,).

    Notes
    -----
    With K the covariance of all measurements, leaving one out gives y - (K⁻¹ y) / diag K⁻¹ with variance 1 / diag K⁻¹
    (Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, eq. 5.12), less the image's own noise.
    """
    by_tilt, by_order, jitter = chosen
    count = values.shape[1]
    noise = (variance + jitter**2) / np.maximum(trust, _LEAST_TRUST)
    covariance = scales.level**2 + by_tilt**2 * shapes[0] + by_order**2 * shapes[1]
    inverse = np.linalg.inv(covariance + np.diag(noise))
    diagonal = np.diag(inverse)
    mean = values - (values @ inverse) / diagonal
    floor = jitter**2 + 1e-9 * scales.level**2 / max(1, count)
    return mean, np.maximum(1.0 / diagonal - noise, 0.0) + floor


def _choose(
    values: Array, variance: Array, trust: Array, share: Array, shapes: tuple[Array, Array], scales: Scales
) -> tuple[float, float, float]:
    """Return the amplitudes that foretell best; a trend only if it is clearly better than none.

    The jitter is the mean over those tried, weighted by how well they foretell: where the data hardly tell it, the
    likeliest one would be too small as often as too large, and uncertainties with it.
    """
    amplitudes = (0.0, *scales.trends)
    scores: dict[tuple[float, float], list[float]] = {}
    for tilt, time in itertools.product(amplitudes, amplitudes):
        for jitter in scales.jitters:
            mean, sigma2 = _left_out(values, variance, trust, shapes, scales, (tilt, time, jitter))
            follows, astray = _logs(values, variance, mean, sigma2, scales)
            score = float(np.logaddexp(np.log1p(-share) + follows, np.log(share) + astray).sum())
            scores.setdefault((tilt, time), []).append(score - GAIN_OF_TREND * ((tilt > 0) + (time > 0)))
    trend = max(scores, key=lambda one: max(scores[one]))
    weights = np.exp(np.array(scores[trend]) - max(scores[trend]))
    jitter = float(np.sqrt((weights * np.square(scales.jitters)).sum() / weights.sum()))
    return *trend, jitter


def _trust(values: Array, variance: Array, mean: Array, sigma2: Array, share: Array, scales: Scales) -> Array:
    follows, astray = _logs(values, variance, mean, sigma2, scales)
    gap = np.log(share) + astray - np.log1p(-share) - follows
    return np.maximum(1.0 / (1.0 + np.exp(np.clip(gap, -60, 60))), _LEAST_TRUST)


def _logs(values: Array, variance: Array, mean: Array, sigma2: Array, scales: Scales) -> tuple[Array, float]:
    """Return ln-densities of the values if they follow, shape (image,), and if they are astray."""
    total = sigma2 + variance
    chi2 = ((values - mean) ** 2).sum(0) / total
    components = len(values)
    return -0.5 * (chi2 + components * np.log(2 * np.pi * total)), -components * float(np.log(scales.astray))
