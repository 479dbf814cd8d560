"""Beads under a phase plate, where protein is as dark as gold: told by how well they agree with a bead's image."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft as sfft
from numpy.typing import NDArray

from weft.fiducials.calibrate import at_rim, of_likeness, outside_share
from weft.fiducials.classic import DIAMETERS_A, SIZES, Candidate, search
from weft.fiducials.flatten import Flat
from weft.fiducials.likeness import likeness
from weft.fiducials.render import Spot
from weft.fiducials.sample import WORKING_PIXEL_A
from weft.fiducials.template import Optics

__all__ = ["LEAST_HALF", "LEAST_SURE", "SURE", "Evidence", "common_diameter", "evidence", "find_under_plate"]

_LEAST_SIGMAS, _LEAST_GAIN = 6.0, 0.1  # less is noise
LEAST_HALF = 0.57  # of a bead that makes others likely
_EASED_HALF = 0.45  # enough once there is one: what lies over a large, bright bead is many sigmas off
_LEAST_WHOLE = 0.6  # likeness that votes for a size: hardly any protein reaches it
_VOTERS, _MOST = 60, 300  # candidates that vote, and that are looked at in the end
_REFINED_ON = 12
_TRIED = (0.82, 0.88, 0.94, 1.0, 1.06, 1.13, 1.2)  # of a rough diameter
_APART = 0.6  # diameters: what is nearer is the same bead
SURE, LEAST_SURE = 0.98, 2  # beads as sure as this that make others likely: one may be a protein
_NONE_SURE = 0.49  # share of its probability that is left to each bead where there are fewer
_LEAST_PROBABILITY = 0.02


@dataclass(frozen=True, slots=True)
class Evidence:
    """A place, in working pixels, and what is known of it; see `Likeness` and `SphereFit`.

    `off` is the share by which its diameter differs from the common one.
    """

    y: float
    x: float
    diameter_A: float
    off: float
    sigmas: float
    half: float
    gain: float
    bright: float
    beside: float

    @property
    def spot(self) -> Spot:
        """Its disc."""
        return Spot(self.y, self.x, 0.5 * self.diameter_A / WORKING_PIXEL_A, self.probability)

    @property
    def probability(self) -> float:
        """How sure it is by itself."""
        agreement = (self.half, self.gain, self.bright, self.beside)
        return of_likeness(agreement, self.diameter_A, self.sigmas, self.off)


def find_under_plate(
    flat: Flat, optics: list[Optics], diameter_A: float | None, threads: int = 1
) -> tuple[list[Spot], float | None]:
    """Return beads and the diameter (Å) that they have in common, as `weft.fiducials.classic.find_spots` does.

    Parameters
    ----------
    flat, optics, threads
        See `find_spots`.
    diameter_A : float or None
        Of the beads; found from the image if not known.
    """
    if flat.is_blank:
        return [], None
    with sfft.set_workers(threads):
        common = diameter_A if diameter_A is not None else common_diameter(flat, [optics[len(optics) // 2]])
        found = evidence(flat, common, optics)
    shape = flat.contrast.shape
    sure = [e for e in found if e.probability > SURE and e.half >= LEAST_HALF and outside_share(e.spot, shape) == 1]
    is_sure = len(sure) >= LEAST_SURE
    share = 1.0 if is_sure else _NONE_SURE
    spots = [at_rim(replace(e.spot, probability=share * e.probability), shape) for e in found]
    spots = [spot for spot in spots if spot.probability >= _LEAST_PROBABILITY]
    return spots, common if is_sure else None


def evidence(flat: Flat, common_A: float, optics: list[Optics]) -> list[Evidence]:
    """Return the places that may be beads of about a diameter (Å), each once, likeliest first."""
    sizes = [common_A * factor for factor in SIZES]
    chosen = [c for c in search(flat, tuple(sizes), optics)[:_MOST] if c.sigmas >= _LEAST_SIGMAS]
    found: list[Evidence] = []
    for size in sizes:
        like = likeness(flat, _places(chosen), size, optics)
        off = abs(size / common_A - 1)
        values = np.stack([like.half, like.gain, like.bright, like.beside], 1).tolist()
        found += [
            Evidence(y, x, size, off, candidate.sigmas, *agreement)
            for candidate, y, x, agreement in zip(chosen, like.y.tolist(), like.x.tolist(), values, strict=True)
        ]
    found = [e for e in found if e.gain >= _LEAST_GAIN and e.half >= _EASED_HALF]
    found.sort(key=lambda e: -e.probability)
    kept: list[Evidence] = []
    for one in found:
        apart = _APART * one.diameter_A / WORKING_PIXEL_A
        if all(math.hypot(one.y - other.y, one.x - other.x) >= apart for other in kept):
            kept.append(one)
    return kept


def common_diameter(flat: Flat, optics: list[Optics]) -> float:
    """Return the diameter (Å) that most places agree with."""
    best, most, voters = DIAMETERS_A[0], -1.0, np.zeros((0, 2), np.intp)
    for size in DIAMETERS_A:
        places = _places(search(flat, (size,), optics)[:_VOTERS])
        like = likeness(flat, places, size, optics)
        votes = np.maximum(like.whole - _LEAST_WHOLE, 0) ** 2 * np.maximum(like.gain, 0)
        if votes.sum() > most:
            best, most = size, float(votes.sum())
            order = np.argsort(-like.whole, kind="stable")[:_REFINED_ON]
            voters = places[order[: max(3, int((like.whole > _LEAST_WHOLE).sum()))]]
    worth = [float(likeness(flat, voters, best * factor, optics).whole.sum()) for factor in _TRIED]
    top = int(np.argmax(worth))
    if not 0 < top < len(worth) - 1:
        return best * _TRIED[top]
    before, here, after = worth[top - 1 : top + 2]
    bend = before - 2 * here + after
    return best * (_TRIED[top] + 0.06 * (0.5 * (before - after) / bend if bend < 0 else 0.0))


def _places(candidates: list[Candidate]) -> NDArray[np.intp]:
    return np.rint([(c.spot.y, c.spot.x) for c in candidates]).astype(np.intp).reshape(-1, 2)
