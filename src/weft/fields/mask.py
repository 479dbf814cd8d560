"""Gold beads found in an average."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.fields.verdict import GOOD, Assessment

__all__ = ["OUTSIDE_SHARE", "PROBABILITY_STEPS", "Bead", "BeadMask"]

PROBABILITY_STEPS = 250  # probabilities are kept as multiples of 1/250: 0, 0.5 and 1 are among them, files stay small
OUTSIDE_SHARE = 0.45  # of its probability is stated of a bead whose centre lies outside: it is another image's


@dataclass(frozen=True, slots=True)
class Bead:
    """One bead: its place in Å from the centre of pixel (0, 0), its radius, how sure it is (0..1)."""

    y_A: float
    x_A: float
    radius_A: float
    probability: float


@dataclass(frozen=True, slots=True)
class BeadMask:
    """Where an average shows gold.

    Parameters
    ----------
    probability : ndarray, shape (y, x), float32
        Of gold, 0..1; spans the whole field at about 8 Å a pixel, rows as the average's.
    pixel_size_A : float
        Of `probability` (width of the field in Å / columns).
    threshold : float
        From which a pixel is masked.
    beads : tuple of Bead
        Separate beads.
    dirt : ndarray, shape (y, x), bool
        Other things that do not belong: ice crystals, carbon edge.
    assessment : Assessment
        Verdict with reason.
    doubtful : tuple of Bead
        Possible beads below the threshold, so that another one can be applied later.
    details : dict
        Model name, bead diameter found; plain JSON.
    """

    probability: NDArray[np.float32]
    pixel_size_A: float
    threshold: float
    beads: tuple[Bead, ...]
    dirt: NDArray[np.bool_]
    assessment: Assessment = GOOD
    doubtful: tuple[Bead, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Pixels at or above the threshold."""
        return np.asarray(self.probability >= self.threshold)

    @property
    def likely_beads(self) -> tuple[Bead, ...]:
        """All that may be beads, doubtful ones, too: what erasing wants to know of, see `weft.signal.fill`."""
        return (*self.beads, *self.doubtful)

    @property
    def masked_fraction(self) -> float:
        """Share of the field that is masked, 0..1."""
        return float(self.mask.mean()) if self.probability.size else 0.0
