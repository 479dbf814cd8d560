"""Whether a fit may be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping

from weft.ctf.fit import Solution
from weft.fields import Assessment, Verdict
from weft.settings.schema import CtfSettings

__all__ = ["assess"]

NO_RINGS_GAIN = 20.0  # noise reaches 12 in the exhaustive search
WEAK_GAIN = 60.0
_WEAK_SIGMA_A = 200.0
_WEAK_ASTIGMATISM = 0.25  # of the defocus


def assess(
    found: Solution, sigma: Mapping[str, float], resolution_A: float | None, settings: CtfSettings, defocus_A: float
) -> Assessment:
    """Return ``failed`` without rings, ``weak`` where the answer is not to be trusted."""
    if found.gain < NO_RINGS_GAIN or resolution_A is None:
        return Assessment(Verdict.FAILED, f"no rings: they raise the ln-likelihood by {max(found.gain, 0):.0f} only")
    low, high = (limit * 1e4 for limit in settings.defocus_um)
    if not low - 300 <= defocus_A <= high + 300:
        return Assessment(Verdict.WEAK, f"defocus {defocus_A / 1e4:.2f} µm lies outside ctf.defocus_um")
    if found.gain < WEAK_GAIN:
        return Assessment(Verdict.WEAK, f"faint rings: they raise the ln-likelihood by {found.gain:.0f} only")
    size = 2 * math.hypot(found.at.a1_A, found.at.a2_A)
    if size > max(_WEAK_ASTIGMATISM * abs(defocus_A), 1000.0) + 3 * sigma["astigmatism_A"]:
        return Assessment(
            Verdict.WEAK, f"astigmatism of {size:.0f} Å is more than a microscope has; fringes of motion?"
        )
    if sigma["defocus_A"] > _WEAK_SIGMA_A:
        return Assessment(Verdict.WEAK, f"defocus uncertain by {sigma['defocus_A']:.0f} Å")
    return Assessment()
