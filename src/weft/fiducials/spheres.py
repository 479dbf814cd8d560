"""How well the image of a gold sphere fits, everywhere in the field or at chosen places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.fiducials.correlate import Correlator, sums_in_field
from weft.fiducials.flatten import Flat
from weft.fiducials.sample import WORKING_PIXEL_A
from weft.fiducials.template import Optics, bead_contrast

__all__ = ["SphereFit", "fit_at", "fit_everywhere"]

_MARGIN_A = 40.0  # of the surroundings that each fit looks at
_MODEL_ERROR = 0.15  # of a bead's own contrast: real beads are not quite spheres of known defocus
_LEAST_SEEN = 0.15  # of a template must lie in the field
_EVERY = 3  # pixel of a map suffices for its spread
_EVERY_ALONE = 12  # where only some places are fitted

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SphereFit:
    """How well one sphere fits at each place: its strength, that in sigmas, and the share of variance explained."""

    diameter_A: float
    template: Values
    strength: Values
    sigmas: Values
    quality: Values

    @property
    def merit(self) -> Values:
        """What sizes and places are compared by."""
        return self.sigmas * self.quality


@dataclass(frozen=True, slots=True)
class _Sums:
    """Over the pixels around each place that lie in the field, t the kernel and x the contrast."""

    n: Values
    x: Values
    x2: Values
    t: Values
    t2: Values
    tx: Values


def fit_everywhere(flat: Flat, sizes: Iterable[float], optics: list[Optics], rim: int) -> list[SphereFit]:
    """Return how well spheres fit at each pixel, by correlation; maps reach `rim` pixels beyond the field.

    Parameters
    ----------
    flat : Flat
        The average's contrast at the working scale.
    sizes : iterable of float
        Diameters in Å.
    optics : list of Optics
        Each is tried with each size.
    rim : int
        Pixels beyond the border.

    Notes
    -----
    At each place the template's strength and a constant are fitted to the pixels around it that lie in the field:
    with sums over those, t the template, x the contrast and n their number, the strength is
    (Σtx - Σt Σx / n) / (Σt² - (Σt)² / n).
    """
    shape = flat.contrast.shape
    groups = [(size, [_template(size, o) for o in optics]) for size in sizes]
    reach = max(len(t) for _, group in groups for t in group) // 2
    contrast, square = (Correlator(values, rim, reach) for values in (flat.contrast, flat.contrast**2))
    sigma = np.pad(flat.sigma, rim, mode="edge")
    out = []
    for size, group in groups:
        support = _support(len(group[0]), size)
        support_ft = contrast.transformed(support)
        n = np.maximum(sums_in_field(shape, support, rim), 1)
        x, x2 = contrast.with_transformed(support_ft), square.with_transformed(support_ft)
        for template in group:
            kernel = _kernel(template, support)
            t, t2 = sums_in_field(shape, kernel, rim), sums_in_field(shape, kernel**2, rim)
            sums = _Sums(n, x, x2, t, t2, contrast.with_kernel(kernel))
            out.append(_fit(size, template, kernel, sums, sigma, np.s_[::_EVERY, ::_EVERY]))
    return out


def fit_at(flat: Flat, sizes: Iterable[float], optics: Optics, places: NDArray[np.int64]) -> list[SphereFit]:
    """Return how well spheres fit at some places, one value a place: those of `fit_everywhere` there, faster.

    Parameters
    ----------
    flat, sizes
        See `fit_everywhere`.
    optics : Optics
        At all places.
    places : ndarray, shape (place, 2), int
        Pixels (y, x) in the field.

    Notes
    -----
    The spread that counts as one sigma comes from fewer pixels than in `fit_everywhere`.
    """
    shape = flat.contrast.shape
    rows, columns = (np.arange(0, side, _EVERY_ALONE) for side in shape)
    lattice = np.stack([np.repeat(rows, len(columns)), np.tile(columns, len(rows))], 1)
    ys, xs = np.concatenate([places, lattice]).T
    out = []
    for size in sizes:
        template = _template(size, optics)
        side = len(template)
        support = _support(side, size)
        kernel = _kernel(template, support)
        padded = np.pad(flat.contrast, side // 2)
        around = np.lib.stride_tricks.sliding_window_view(padded, (side, side))[ys, xs].reshape(len(ys), -1)
        x, tx = (around @ np.stack([support.ravel(), kernel.ravel()], 1)).T
        n, t, t2 = (sums_in_field(shape, weight, 0)[ys, xs] for weight in (support, kernel, kernel**2))
        sums = _Sums(np.maximum(n, 1), x, around**2 @ support.ravel(), t, t2, tx)
        fit = _fit(size, template, kernel, sums, flat.sigma[ys, xs], np.s_[len(places) :])
        chosen = (a[: len(places)] for a in (fit.strength, fit.sigmas, fit.quality))
        out.append(SphereFit(size, template, *chosen))
    return out


def _fit(size: float, template: Values, kernel: Values, sums: _Sums, sigma: Values, some: Any) -> SphereFit:
    """Return the fit that follows from sums around each place; `some` are the places that its spread is taken from."""
    power = np.maximum(sums.t2 - sums.t**2 / sums.n, _LEAST_SEEN * float((kernel**2).sum()))
    covariance = sums.tx - sums.t * sums.x / sums.n
    strength = covariance / power
    sigmas = covariance / (np.sqrt(power) * sigma)
    spread = 1.4826 * float(np.median(np.abs(sigmas[some] - np.median(sigmas[some]))))
    sigmas /= np.float32(max(1.0, spread))  # structure makes the response wider than counting noise alone
    explained = strength * covariance
    variance = np.maximum(sums.x2 - sums.x**2 / sums.n, 0)
    left = variance - explained - sums.n * sigma**2 - _MODEL_ERROR**2 * explained
    quality = explained / np.maximum(explained + np.maximum(left, 0), 1e-9)
    maps = (a.astype(np.float32, copy=False) for a in (strength, sigmas, quality))
    return SphereFit(size, template, *maps)


@lru_cache(maxsize=64)
def _template(diameter_A: float, optics: Optics) -> Values:
    """Return a sphere's image; not to be written to."""
    template = bead_contrast(diameter_A / 2, optics, margin_A=_MARGIN_A)
    template.flags.writeable = False
    return template


def _support(side: int, diameter_A: float) -> Values:
    """Return the disc of pixels that a fit looks at."""
    at = np.arange(side) - side // 2
    return (np.hypot(at[:, None], at[None, :]) <= (0.5 * diameter_A + _MARGIN_A) / WORKING_PIXEL_A).astype(np.float32)


def _kernel(template: Values, support: Values) -> Values:
    """Return the template inside its support, mean taken out."""
    return ((template - float((template * support).sum() / support.sum())) * support).astype(np.float32)
