"""Compare the handedness that defocus gradients tell with the true one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.fields import Verdict
from weft.simulate.truth import MovieTruth, read_truth
from weft.state.record import Record

__all__ = ["HandComparison", "compare_hands"]

DECIDED_SIGMA = 4.0  # a hand is told only if it is this many standard deviations from 0
OUTLIER_SIGMA = 4.0  # gradients of images whose CTF fit went astray


@dataclass(frozen=True, slots=True)
class HandComparison:
    """Handedness of a series: true, found (None: cannot tell), the slope it rests on and its standard deviation.

    A slope of 1 means that defocus follows the tilt exactly as handedness +1 says, -1 as handedness -1 says.
    """

    series: str
    true_hand: int
    found_hand: int | None
    slope: float
    sigma: float


def compare_hands(folder: Path, records: Mapping[str, Record]) -> list[HandComparison]:
    """Tell each series' handedness from the defocus gradients of its tilts, beside the true one.

    Parameters
    ----------
    folder : Path
        Of the set.
    records : mapping of str to Record
        By the movies' names.

    Notes
    -----
    With p = -tan θ, the gradient across the axis is hand · p. Fitted by least squares through 0, weighted by the
    gradients' standard deviations where they are known; that of the slope is widened to the scatter found. Gradients far off
    the rest are left out once.
    """
    series: dict[str, list[MovieTruth]] = {}
    for movie in read_truth(folder).movies.values():
        if movie.series:
            series.setdefault(movie.series, []).append(movie)
    return [_compare_hand(name, movies, records) for name, movies in series.items()]


def _compare_hand(name: str, movies: Sequence[MovieTruth], records: Mapping[str, Record]) -> HandComparison:
    """Return one series' comparison."""
    true = next((movie.hand for movie in movies if movie.hand is not None), 1)
    rows = [row for movie in movies if (row := _gradient(movie, records.get(movie.name))) is not None]
    if len(rows) < 3 or not any(p for p, _, _ in rows):
        return HandComparison(name, true, None, 0.0, math.inf)
    p, g, sigma = np.array(rows, dtype=np.float64).T
    known = np.isfinite(sigma) & (sigma > 0)
    sigma = np.where(known, sigma, np.median(sigma[known]) if known.any() else 1.0)
    slope, _ = _slope(p, g, sigma)
    off = np.abs(g - slope * p)
    kept = off <= OUTLIER_SIGMA * 1.4826 * max(float(np.median(off)), 1e-12)
    if kept.sum() >= 3 and np.any(p[kept]):
        p, g, sigma = p[kept], g[kept], sigma[kept]
    slope, spread = _slope(p, g, sigma)
    decided = abs(slope) > DECIDED_SIGMA * spread
    return HandComparison(name, true, (1 if slope > 0 else -1) if decided else None, slope, spread)


def _gradient(movie: MovieTruth, record: Record | None) -> tuple[float, float, float] | None:
    """Return -tan θ, the gradient across the axis and its standard deviation (nan if unknown)."""
    fit = record.ctf.to_fit() if record is not None and record.ctf is not None else None
    if fit is None or fit.assessment.verdict is Verdict.FAILED or not math.isfinite(fit.gradient_x + fit.gradient_y):
        return None
    axis = math.radians(movie.axis_deg)
    across = fit.gradient_x * math.cos(axis) + fit.gradient_y * math.sin(axis)
    spread = math.hypot(
        fit.sigma.get("gradient_x", math.nan) * math.cos(axis), fit.sigma.get("gradient_y", math.nan) * math.sin(axis)
    )
    return -math.tan(math.radians(movie.tilt_deg)), across, spread


def _slope(p: NDArray[np.float64], g: NDArray[np.float64], sigma: NDArray[np.float64]) -> tuple[float, float]:
    """Return the weighted slope of g over p through 0, and its standard deviation from the scatter."""
    norm = float((p * p / sigma**2).sum())
    slope = float((p * g / sigma**2).sum()) / norm
    scatter = float(((g - slope * p) ** 2 / sigma**2).sum()) / max(1, len(p) - 1)
    return slope, math.sqrt(scatter / norm)
