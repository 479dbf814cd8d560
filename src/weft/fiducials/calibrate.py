"""How often it is gold, given what the sphere fit and the network say.

The constants are those that `bench/beads_calibration.py` finds on scenes of the training simulator and on images of the
test data's; both have other seeds than those that the network learnt from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from weft.fiducials.render import Spot
from weft.fields.mask import OUTSIDE_SHARE

__all__ = ["at_rim", "of_fitted", "of_laid", "of_likeness", "outside_share"]

FITTED = (-1.0, 0.63, 5.74)  # constant, a logit of the sphere fit, the network's mean inside
LAID = (-6.77, 6.45, 2.24)  # constant, the network's mean inside, more if the image has sure beads
UNDER_PLATE = (-61.23, 25.44, 14.67, -1.63, 0.8, 9.43, 2.04, -5.54)  # see `of_likeness`; logarithms of Å and sigmas
_UNSEEN, _SEEN = 0.4, 0.1  # share that is left where the network sees nothing; its mean inside that lifts the doubt
_LEAST = 0.001  # and as much below 1: beyond this the sphere fit's probability says nothing more


def of_fitted(fit: float, inside: float) -> float:
    """Return how sure a bead of the sphere fit is.

    Parameters
    ----------
    fit : float
        Probability by the sphere fit, 0..1.
    inside : float
        Mean probability by the network inside the bead, 0..1.

    Notes
    -----
    Rises with both. What the network does not see at all stays below one half, though none such was seen in
    calibration: gold needs both witnesses.
    """
    constant, slope, more = FITTED
    return _step(constant + slope * _logit(fit) + more * inside) * seen(inside)


def of_laid(inside: float, *, has_sure: bool) -> float:
    """Return how sure a disc is that the network alone puts forward.

    Parameters
    ----------
    inside : float
        Mean probability by the network inside the disc.
    has_sure : bool
        Whether the sphere fit found sure beads in the image, that the disc's size comes from.
    """
    constant, slope, more = LAID
    return _step(constant + slope * inside + more * has_sure)


def of_likeness(agreement: Sequence[float], diameter_A: float, sigmas: float, off: float) -> float:
    """Return how sure a bead under a phase plate is, in an image where some are.

    Parameters
    ----------
    agreement : sequence of float
        half, gain, bright and beside of `weft.fiducials.likeness.Likeness`.
    diameter_A : float
        Of the bead.
    sigmas : float
        Of the sphere fit, above 0.
    off : float
        Share by which its diameter differs from that of the others.
    """
    evidence = (1.0, *agreement, math.log(diameter_A), math.log(sigmas), off)
    return _step(sum(c * e for c, e in zip(UNDER_PLATE, evidence, strict=True)))


def seen(inside: float) -> float:
    """Return the share that is left of a fitted bead's probability by what the network sees there."""
    return min(1.0, _UNSEEN + (1 - _UNSEEN) * inside / _SEEN)


def at_rim(spot: Spot, shape: tuple[int, ...]) -> Spot:
    """Return the spot, kept below one half if its centre lies outside the field."""
    return replace(spot, probability=spot.probability * outside_share(spot, shape))


def outside_share(spot: Spot, shape: tuple[int, ...]) -> float:
    """Return the share of its probability that is left to a spot for where its centre lies: 1 within the field."""
    is_inside = -0.5 <= spot.y <= shape[0] - 0.5 and -0.5 <= spot.x <= shape[1] - 0.5
    return 1.0 if is_inside else OUTSIDE_SHARE


def _logit(probability: float) -> float:
    p = min(max(probability, _LEAST), 1 - _LEAST)
    return math.log(p / (1 - p))


def _step(x: float) -> float:
    return 1 / (1 + math.exp(-x))
