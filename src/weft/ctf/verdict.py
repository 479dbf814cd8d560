"""Whether a fit may be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping

from weft.ctf.fit import Solution
from weft.ctf.model import Optics
from weft.fields import Assessment, Verdict
from weft.settings.schema import CtfSettings

__all__ = ["assess"]

NO_RINGS_GAIN = 20.0  # noise reaches 14 in the exhaustive search
WEAK_GAIN = 25.0
_SURE_GAIN = 200.0
_LEAST_RINGS = 3.0  # fewer are also what fringes of motion or a bent background look like
_SHORT = 1.5  # of the range's end; low defocus has few rings even where all of them are seen
_WEAK_SIGMA_A = 200.0
_WEAK_ASTIGMATISM = 0.25  # of the defocus


def assess(
    found: Solution, sigma: Mapping[str, float], resolution_A: float | None, settings: CtfSettings, optics: Optics
) -> Assessment:
    """Return ``failed`` without rings, ``weak`` where the answer is not to be trusted."""
    defocus_A = float(found.at.field_A[0])
    if found.gain < NO_RINGS_GAIN or resolution_A is None:
        return Assessment(Verdict.FAILED, f"no rings: a score of {max(found.gain, 0):.0f}, as noise has")
    low, high = (limit * 1e4 for limit in settings.defocus_um)
    if not low - 300 <= defocus_A <= high + 300:
        return Assessment(Verdict.WEAK, f"defocus {defocus_A / 1e4:.2f} µm lies outside ctf.defocus_um")
    if found.gain < WEAK_GAIN:
        return Assessment(Verdict.WEAK, f"faint rings: a score of {found.gain:.0f} only")
    rings = optics.per_defocus * defocus_A * (resolution_A**-2 - settings.range_A[0] ** -2) / (2 * math.pi)
    is_short = resolution_A > _SHORT * settings.range_A[1]
    if found.gain < _SURE_GAIN and is_short and rings < _LEAST_RINGS:
        return Assessment(Verdict.WEAK, f"the fit is supported to {resolution_A:.1f} Å only, over {rings:.1f} rings")
    size = 2 * math.hypot(found.at.a1_A, found.at.a2_A)
    if size > max(_WEAK_ASTIGMATISM * abs(defocus_A), 1000.0) + 3 * sigma["astigmatism_A"]:
        return Assessment(
            Verdict.WEAK, f"astigmatism of {size:.0f} Å is more than a microscope has; fringes of motion?"
        )
    if sigma["defocus_A"] > _WEAK_SIGMA_A:
        return Assessment(Verdict.WEAK, f"defocus uncertain by {sigma['defocus_A']:.0f} Å")
    return Assessment()
