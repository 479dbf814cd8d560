"""The detector without a network: a gold sphere's image is fitted everywhere, and what is no gold is told apart.

Gold differs from all else in an average by how much it absorbs: a bead's fitted strength is near 1, that of vesicles,
protein, carbon and ice far below; and the fit leaves little over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft as sfft
import scipy.ndimage as ndi
from numpy.typing import NDArray

from weft.fiducials.calibrate import at_rim
from weft.fiducials.flatten import Flat
from weft.fiducials.render import Spot
from weft.fiducials.sample import WORKING_PIXEL_A
from weft.fiducials.spheres import fit_at, fit_everywhere
from weft.fiducials.template import Optics

__all__ = ["DIAMETERS_A", "SIZES", "Candidate", "find_spots", "search"]

DIAMETERS_A = (50.0, 60.0, 75.0, 88.0, 100.0, 120.0, 150.0, 200.0, 250.0)
_LEAST_MERIT = 2.0  # of candidates; how sure they are follows from more than this
_SURE_SIGMAS, _SIGMAS_WIDTH = 7.0, 0.6
_SURE_STRENGTH, _STRENGTH_WIDTH = 0.5, 0.05
_SURE_QUALITY, _QUALITY_WIDTH = 0.55, 0.05
_EASED_QUALITY = 0.4  # enough once it is sure that there are large beads: what lies over one disturbs its fit
_LEAST_PROBABILITY = 0.02
_LEAST_STRENGTH = 0.2
_KIND_SIZES, _KIND_QUALITY = (60.0, 90.0), (0.8, 0.62)  # (Å, least): large beads are mistaken for less
_KIND_QUALITY_BY_SHAPE = 0.88  # where the strength says nothing because grey values are no electrons
_LEAST_VOTES, _MOST_SIZES = 0.1, 3  # other diameters are tried if they have a tenth of the first one's votes
SIZES = (0.9, 1.0, 1.1)  # of the common diameter: a batch varies by some percent
_SIZE_SPREAD = 0.75  # beads of a batch lie within this factor of each other
_TAKEN_OUT = 0.2  # least probability of what is taken out
_ROUNDS = 2  # of taking out what was found and looking again
_NEAR = 0.75  # centres of two beads are at least this many diameters apart in one round
_MOST_CANDIDATES = 2000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place where a sphere fits, and how well; see `weft.fiducials.spheres`."""

    spot: Spot
    diameter_A: float
    sigmas: float
    strength: float
    quality: float
    template: NDArray[np.float32]


def find_spots(
    flat: Flat,
    optics: list[Optics],
    diameter_A: float | None,
    threads: int = 1,
    *,
    near_A: float | None = None,
) -> tuple[list[Spot], float | None]:
    """Return beads and the diameter (Å) that they have in common.

    Parameters
    ----------
    flat : Flat
        The average's contrast at the working scale.
    optics : list of Optics
        Tried at each place.
    diameter_A : float or None
        Of the beads; found from the image if not known.
    threads : int
        Of the Fourier transforms.
    near_A : float, optional
        A rough diameter: only such as are near it are tried, which is faster.

    Returns
    -------
    tuple
        Spots in working pixels, surest first, those below 0.02 left out; their diameter, None without any.
    """
    if flat.is_blank:
        return [], None
    with sfft.set_workers(threads):
        return _find(flat, optics, diameter_A, near_A)


def _find(
    flat: Flat, optics: list[Optics], diameter_A: float | None, near_A: float | None
) -> tuple[list[Spot], float | None]:
    if diameter_A is not None:
        likely = [diameter_A]
    else:
        middle = [optics[len(optics) // 2]]
        tried = tuple(d for d in DIAMETERS_A if near_A is None or _SIZE_SPREAD <= d / near_A <= 1 / _SIZE_SPREAD)
        likely = _likely_diameters(flat, search(flat, tried or DIAMETERS_A, middle), middle)
    best: list[Candidate] = []
    common = None
    for size in likely:
        found = _told_apart(_of_one_size(flat, size, optics), size, is_physical=flat.is_physical)
        if _weight(found) > _weight(best):
            best, common = found, size
    spots = [at_rim(c.spot, flat.contrast.shape) for c in best]
    spots = [spot for spot in spots if spot.probability >= _LEAST_PROBABILITY]
    spots.sort(key=lambda spot: -spot.probability)
    return spots, common if any(spot.probability > 0.5 for spot in spots) else None


def _of_one_size(flat: Flat, common_A: float, optics: list[Optics]) -> list[Candidate]:
    """Return beads of about one diameter; what was found is taken out and the rest looked through again."""
    sizes = tuple(common_A * factor for factor in SIZES)
    found: list[Candidate] = []
    contrast = flat.contrast
    for _ in range(_ROUNDS):
        fresh = [c for c in search(replace(flat, contrast=contrast), sizes, optics) if not _repeats(c, found)]
        found += fresh
        if not any(c.spot.probability >= _TAKEN_OUT for c in fresh):
            break  # nothing would change
        contrast = _taken_out(contrast, fresh)
    return found


def _weight(found: list[Candidate]) -> float:
    return sum(c.spot.probability * c.sigmas**2 for c in found)


def search(flat: Flat, sizes: tuple[float, ...], optics: list[Optics]) -> list[Candidate]:
    """Return the places where a sphere fits best, each once, strongest first; unlikely ones, too."""
    rim = math.ceil(0.5 * max(sizes) / WORKING_PIXEL_A)
    fits = fit_everywhere(flat, sizes, optics, rim)
    which, best = np.zeros(fits[0].merit.shape, np.intp), fits[0].merit
    for number, fit in enumerate(fits[1:], 1):
        merit = fit.merit
        which[merit > best] = number
        best = np.maximum(best, merit)
    peaks = (best == ndi.maximum_filter(best, 3)) & (best > _LEAST_MERIT)
    ys, xs = np.nonzero(peaks)
    order = np.argsort(-best[ys, xs], kind="stable")[:_MOST_CANDIDATES]
    out: list[Candidate] = []
    taken = np.zeros((0, 3))
    for y, x in zip(ys[order].tolist(), xs[order].tolist(), strict=True):
        fit = fits[which[y, x]]
        strength, apart = float(fit.strength[y, x]), _NEAR * fit.diameter_A / WORKING_PIXEL_A
        near = np.hypot(taken[:, 0] - y, taken[:, 1] - x) < np.maximum(apart, taken[:, 2])
        if strength < _LEAST_STRENGTH or near.any():
            continue
        taken = np.vstack([taken, (y, x, apart)])
        dy, dx = _subpixel(best, y, x)
        sigmas, quality = float(fit.sigmas[y, x]), float(fit.quality[y, x])
        probability = _probability(sigmas, strength, quality)
        spot = Spot(y + dy - rim, x + dx - rim, 0.5 * fit.diameter_A / WORKING_PIXEL_A, probability)
        out.append(Candidate(spot, fit.diameter_A, sigmas, strength, quality, fit.template))
    return out


def _probability(sigmas: float, strength: float, quality: float, sure_quality: float = _SURE_QUALITY) -> float:
    """Return how sure it is that a fit is gold."""
    too_strong = (
        2.2  # nothing of this size can be darker than gold by more than noise; a shadow of something larger can
    )
    steps = (
        (sigmas - _SURE_SIGMAS) / _SIGMAS_WIDTH,
        (strength - _SURE_STRENGTH) / _STRENGTH_WIDTH,
        (quality - sure_quality) / _QUALITY_WIDTH,
        (too_strong - strength) / 0.1,
    )
    return math.prod(_step(step) for step in steps)


def _subpixel(values: NDArray[np.float32], y: int, x: int) -> tuple[float, float]:
    """Return the offset (y, x) of a peak by a parabola along each axis, at most half a pixel."""

    def offset(before: float, here: float, after: float) -> float:
        bend = before - 2 * here + after
        return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0

    height, width = values.shape
    dy = offset(*values[y - 1 : y + 2, x].tolist()) if 0 < y < height - 1 else 0.0
    dx = offset(*values[y, x - 1 : x + 2].tolist()) if 0 < x < width - 1 else 0.0
    return dy, dx


def _repeats(candidate: Candidate, others: list[Candidate]) -> bool:
    """Whether a candidate is only what taking out a bead has left."""
    return any(
        math.hypot(candidate.spot.y - o.spot.y, candidate.spot.x - o.spot.x) < 0.5 * o.diameter_A / WORKING_PIXEL_A
        for o in others
    )


def _told_apart(found: list[Candidate], common_A: float, *, is_physical: bool) -> list[Candidate]:
    """Return candidates, less sure where most of their kind are fitted badly.

    Dense protein under a phase plate may be as strong as a small bead, but it is no sphere: half of its variance is
    left over, where beads leave a tenth.
    """
    sure = [c.quality for c in found if c.spot.probability > 0.5]
    if not sure:
        return found
    least = float(np.interp(common_A, _KIND_SIZES, _KIND_QUALITY)) if is_physical else _KIND_QUALITY_BY_SHAPE
    trust = _step((float(np.median(sure)) - least) / 0.015)
    eased = _EASED_QUALITY if is_physical and common_A >= _KIND_SIZES[1] else _SURE_QUALITY
    again = [_probability(c.sigmas, c.strength, c.quality, eased) for c in found]
    return [replace(c, spot=replace(c.spot, probability=p * trust)) for c, p in zip(found, again, strict=True)]


def _step(x: float) -> float:
    return 1 / (1 + math.exp(-min(max(x, -30.0), 30.0)))


def _likely_diameters(flat: Flat, found: list[Candidate], optics: list[Optics]) -> list[float]:
    """Return diameters that most beads may have, each to some percent, likeliest first; none if nothing is sure."""
    sure = [c for c in found if c.spot.probability > _LEAST_PROBABILITY]
    votes = dict.fromkeys(sorted({c.diameter_A for c in sure}), 0.0)
    for c in sure:
        votes[c.diameter_A] += c.sigmas**2 * c.quality**4  # many doubtful ones do not outvote a few good ones
    ranked = sorted(votes, key=lambda size: -votes[size])
    out: list[float] = []
    for coarse in ranked:
        is_new = all(not _SIZE_SPREAD <= coarse / other <= 1 / _SIZE_SPREAD for other in out)
        if is_new and votes[coarse] >= _LEAST_VOTES * votes[ranked[0]] and len(out) < _MOST_SIZES:
            out.append(_refined_diameter(flat, sure, coarse, optics))
    return out


def _refined_diameter(flat: Flat, sure: list[Candidate], coarse: float, optics: list[Optics]) -> float:
    """Return the diameter near a coarse one that fits best where candidates of about that size lie."""
    chosen = [c for c in sure if _SIZE_SPREAD <= c.diameter_A / coarse <= 1 / _SIZE_SPREAD]
    tried = [coarse * factor for factor in (0.82, 0.88, 0.94, 1.0, 1.06, 1.13, 1.2)]
    places = np.rint([(c.spot.y, c.spot.x) for c in chosen]).astype(int)
    places = np.clip(places, 0, np.array(flat.contrast.shape) - 1)
    worth = [float((fit.merit**2).sum()) for fit in fit_at(flat, tried, optics[0], places)]
    best = int(np.argmax(worth))
    if not 0 < best < len(tried) - 1:
        return tried[best]
    before, here, after = worth[best - 1 : best + 2]
    bend = before - 2 * here + after
    return tried[best] * (1 + 0.06 * (0.5 * (before - after) / bend if bend < 0 else 0.0))


def _taken_out(contrast: NDArray[np.float32], found: list[Candidate]) -> NDArray[np.float32]:
    """Return the contrast with the beads that are likely divided out."""
    out = contrast.copy()
    height, width = out.shape
    for candidate in found:
        if candidate.spot.probability < _TAKEN_OUT:
            continue
        half = len(candidate.template) // 2
        y, x = round(candidate.spot.y), round(candidate.spot.x)
        rows, columns = (
            slice(max(0, y - half), min(height, y + half + 1)),
            slice(max(0, x - half), min(width, x + half + 1)),
        )
        part = (
            candidate.strength
            * candidate.template[
                rows.start - y + half : rows.stop - y + half, columns.start - x + half : columns.stop - x + half
            ]
        )
        out[rows, columns] = (1 + out[rows, columns]) / np.maximum(1 + part, 0.1) - 1
    return out
