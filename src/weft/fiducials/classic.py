"""The detector without a network: a gold sphere's image is fitted everywhere, and what is no gold is told apart.

Gold differs from all else in an average by how much it absorbs: a bead's fitted strength is near 1, that of vesicles,
protein, carbon and ice far below; and the fit leaves little over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft as sfft
import scipy.ndimage as ndi
from numpy.typing import NDArray

from weft.fiducials.flatten import Flat
from weft.fiducials.render import Spot
from weft.fiducials.sample import WORKING_PIXEL_A
from weft.fiducials.template import Optics, bead_contrast

__all__ = ["find_spots"]

_DIAMETERS_A = (50.0, 60.0, 75.0, 90.0, 105.0, 125.0, 150.0, 180.0, 215.0, 260.0)
_MARGIN_A = 40.0  # of the surroundings that each fit looks at
_LEAST_SIGMAS = 4.0  # candidates; how sure they are follows from more than this
_SURE_SIGMAS, _SIGMAS_WIDTH = 7.0, 0.6
_SURE_STRENGTH, _STRENGTH_WIDTH = 0.5, 0.05
_SURE_QUALITY, _QUALITY_WIDTH = 0.55, 0.05
_MODEL_ERROR = 0.15  # of a bead's own contrast: real beads are not quite spheres of known defocus
_LEAST_PROBABILITY = 0.02
_SIZE_SPREAD = 0.75  # beads of a batch lie within this factor of each other
_ROUNDS = 3  # of taking out what was found and looking again
_NEAR = 0.75  # centres of two beads are at least this many diameters apart in one round
_MOST_CANDIDATES = 2000


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well one sphere fits at each pixel: its strength, that in sigmas, and the share of variance explained."""

    diameter_A: float
    template: NDArray[np.float32]
    strength: NDArray[np.float32]
    sigmas: NDArray[np.float32]
    quality: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Candidate:
    spot: Spot
    diameter_A: float
    sigmas: float
    template: NDArray[np.float32]


def find_spots(flat: Flat, optics: list[Optics], diameter_A: float | None) -> tuple[list[Spot], float | None]:
    """Return beads and the diameter (Å) that they have in common.

    Parameters
    ----------
    flat : Flat
        The average's contrast at the working scale.
    optics : list of Optics
        Tried at each place.
    diameter_A : float or None
        Of the beads; found from the image if not known.

    Returns
    -------
    tuple
        Spots in working pixels, surest first, those below 0.02 left out; their diameter, None without any.
    """
    if flat.is_blank:
        return [], None
    sizes = _DIAMETERS_A if diameter_A is None else (diameter_A,)
    contrast = flat.contrast
    common: float | None = diameter_A
    found: list[_Candidate] = []
    for number in range(_ROUNDS):
        fresh = _search(replace(flat, contrast=contrast), sizes, optics)
        fresh = [c for c in fresh if number == 0 or not _repeats(c, found)]
        if not fresh:
            break
        if number == 0 and diameter_A is None:
            common = _common_diameter(flat, fresh, optics)
            if common is not None:
                sizes = (common * 0.88, common, common * 1.13)
                fresh = _search(flat, sizes, optics)
        found += fresh
        contrast = _taken_out(contrast, fresh)
    found.sort(key=lambda c: -c.spot.probability)
    return [c.spot for c in found], common if found else None


def _search(flat: Flat, sizes: tuple[float, ...], optics: list[Optics]) -> list[_Candidate]:
    """Return the places where a sphere fits best, each once."""
    fits = _fits(flat, sizes, optics)
    best = np.max([fit.sigmas for fit in fits], axis=0)
    which = np.argmax([fit.sigmas for fit in fits], axis=0)
    peaks = (best == ndi.maximum_filter(best, 3)) & (best > _LEAST_SIGMAS)
    ys, xs = np.nonzero(peaks)
    order = np.argsort(-best[ys, xs], kind="stable")[:_MOST_CANDIDATES]
    out: list[_Candidate] = []
    for y, x in zip(ys[order].tolist(), xs[order].tolist(), strict=True):
        fit = fits[which[y, x]]
        probability = _probability(float(best[y, x]), float(fit.strength[y, x]), float(fit.quality[y, x]))
        if probability < _LEAST_PROBABILITY:
            continue
        dy, dx = _subpixel(best, y, x)
        spot = Spot(y + dy, x + dx, 0.5 * fit.diameter_A / WORKING_PIXEL_A, probability)
        candidate = _Candidate(spot, fit.diameter_A, float(best[y, x]), float(fit.strength[y, x]) * fit.template)
        if not _is_near(candidate, out):
            out.append(candidate)
    return out


def _fits(flat: Flat, sizes: tuple[float, ...], optics: list[Optics]) -> list[_Fit]:
    """Fit each template everywhere by correlation, see `_Fit`."""
    height, width = flat.contrast.shape
    templates = [(size, bead_contrast(size / 2, o, margin_A=_MARGIN_A)) for size in sizes for o in optics]
    reach = max(len(t) for _, t in templates) // 2
    padded = tuple(sfft.next_fast_len(side + 2 * reach, real=True) for side in (height, width))
    contrast_ft = sfft.rfft2(_padded(flat.contrast, padded))
    square_ft = sfft.rfft2(_padded(flat.contrast**2, padded))

    def correlated(spectrum: NDArray[np.complex64], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
        canvas = np.zeros(padded, np.float32)
        half = len(kernel) // 2
        canvas[: len(kernel), : len(kernel)] = kernel
        canvas = np.roll(canvas, (-half, -half), (0, 1))
        product = spectrum * np.conj(sfft.rfft2(canvas))
        return np.asarray(sfft.irfft2(product, padded)[:height, :width], dtype=np.float32)

    out = []
    for size, template in templates:
        support = _disc(len(template), (0.5 * size + _MARGIN_A) / WORKING_PIXEL_A)
        count = float(support.sum())
        mean = float((template * support).sum() / count)
        kernel = ((template - mean) * support).astype(np.float32)
        power = float((kernel**2).sum())
        covariance = correlated(contrast_ft, kernel)
        local_mean = correlated(contrast_ft, support) / count
        variance = correlated(square_ft, support) - count * local_mean**2
        strength = covariance / power
        sigmas = strength * np.float32(np.sqrt(power)) / flat.sigma
        spread = 1.4826 * float(np.median(np.abs(sigmas - np.median(sigmas))))
        sigmas /= np.float32(max(1.0, spread))  # structure makes the response wider than counting noise alone
        explained = strength * covariance
        left = variance - explained - count * flat.sigma**2 - _MODEL_ERROR**2 * explained
        quality = explained / np.maximum(explained + np.maximum(left, 0), 1e-9)
        out.append(_Fit(size, template, strength, sigmas, quality))
    return out


def _padded(image: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the image with its own border mirrored around, cyclically, so that beads cut off by the rim are seen."""
    after = [new - old for new, old in zip(shape, image.shape, strict=True)]
    mirrored = np.pad(image, [(0, n) for n in after], mode="symmetric")
    for axis, (n, old) in enumerate(zip(after, image.shape, strict=True)):
        place: list[slice] = [slice(None), slice(None)]
        half = n // 2
        place[axis] = slice(old + n - half, old + n)
        source: list[slice] = [slice(None), slice(None)]
        source[axis] = slice(0, half)
        mirrored[tuple(place)] = np.flip(mirrored[tuple(source)], axis)
    return mirrored


def _disc(side: int, radius: float) -> NDArray[np.float32]:
    at = np.arange(side) - side // 2
    return (np.hypot(at[:, None], at[None, :]) <= radius).astype(np.float32)


def _probability(sigmas: float, strength: float, quality: float) -> float:
    """Return how sure it is that a fit is gold."""
    too_strong = (
        2.2  # nothing of this size can be darker than gold by more than noise; a shadow of something larger can
    )
    steps = (
        (sigmas - _SURE_SIGMAS) / _SIGMAS_WIDTH,
        (strength - _SURE_STRENGTH) / _STRENGTH_WIDTH,
        (quality - _SURE_QUALITY) / _QUALITY_WIDTH,
        (too_strong - strength) / 0.1,
    )
    return float(np.prod([1 / (1 + np.exp(-np.clip(step, -30, 30))) for step in steps]))


def _subpixel(values: NDArray[np.float32], y: int, x: int) -> tuple[float, float]:
    """Return the offset (y, x) of a peak by a parabola along each axis, at most half a pixel."""

    def offset(before: float, here: float, after: float) -> float:
        bend = before - 2 * here + after
        return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0

    height, width = values.shape
    dy = offset(*values[y - 1 : y + 2, x].tolist()) if 0 < y < height - 1 else 0.0
    dx = offset(*values[y, x - 1 : x + 2].tolist()) if 0 < x < width - 1 else 0.0
    return dy, dx


def _is_near(candidate: _Candidate, others: list[_Candidate]) -> bool:
    return any(
        np.hypot(candidate.spot.y - o.spot.y, candidate.spot.x - o.spot.x)
        < _NEAR * max(candidate.diameter_A, o.diameter_A) / WORKING_PIXEL_A
        for o in others
    )


def _repeats(candidate: _Candidate, others: list[_Candidate]) -> bool:
    """Whether a candidate is only what taking out a bead has left."""
    return any(
        np.hypot(candidate.spot.y - o.spot.y, candidate.spot.x - o.spot.x) < 0.5 * o.diameter_A / WORKING_PIXEL_A
        for o in others
    )


def _common_diameter(flat: Flat, found: list[_Candidate], optics: list[Optics]) -> float | None:
    """Return the diameter of most beads, to some percent; None if nothing is sure."""
    sure = [c for c in found if c.spot.probability > 0.5]
    if not sure:
        return None
    coarse = max({c.diameter_A for c in sure}, key=lambda d: sum(c.sigmas for c in sure if c.diameter_A == d))
    chosen = [c for c in sure if _SIZE_SPREAD <= c.diameter_A / coarse <= 1 / _SIZE_SPREAD]
    tried = coarse * np.array([0.82, 0.88, 0.94, 1.0, 1.06, 1.13, 1.2])
    fits = _fits(flat, tuple(tried.tolist()), optics)
    places = np.array([(round(c.spot.y), round(c.spot.x)) for c in chosen])
    inside = np.clip(places, 0, np.array(flat.contrast.shape) - 1)
    worth = [
        sum(max(float(fit.sigmas[y, x]) for fit in fits if fit.diameter_A == size) ** 2 for y, x in inside.tolist())
        for size in tried.tolist()
    ]
    best = int(np.argmax(worth))
    if not 0 < best < len(tried) - 1:
        return float(tried[best])
    before, here, after = worth[best - 1 : best + 2]
    bend = before - 2 * here + after
    return float(tried[best] * (1 + 0.06 * (0.5 * (before - after) / bend if bend < 0 else 0.0)))


def _taken_out(contrast: NDArray[np.float32], found: list[_Candidate]) -> NDArray[np.float32]:
    """Return the contrast with the fitted beads divided out."""
    out = contrast.copy()
    for candidate in found:
        half = len(candidate.template) // 2
        y, x = round(candidate.spot.y), round(candidate.spot.x)
        rows = slice(max(0, y - half), min(out.shape[0], y + half + 1))
        columns = slice(max(0, x - half), min(out.shape[1], x + half + 1))
        part = candidate.template[
            rows.start - y + half : rows.stop - y + half, columns.start - x + half : columns.stop - x + half
        ]
        out[rows, columns] = (1 + out[rows, columns]) / np.maximum(1 + part, 0.1) - 1
    return out
