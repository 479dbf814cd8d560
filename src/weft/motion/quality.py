"""Numbers that tell people how a sample moved; numpy only."""

from __future__ import annotations

import math

import numpy as np

from weft.fields.motion import MotionField

__all__ = ["motion_facts"]

EARLY_E_A2 = 4.0  # motion during the first electrons is the fastest; RELION's and cryoSPARC's summaries split here, too


def motion_facts(field: MotionField, exposure_e_A2: float | None) -> dict[str, float]:
    """Return lengths of the path at the image's centre, and the largest local residual.

    Parameters
    ----------
    field : MotionField
        As estimated.
    exposure_e_A2 : float or None
        Of the whole movie. Steps that end within the first 4 e⁻/Å² are early; the first third of the frames if
        the exposure is unknown.

    Returns
    -------
    dict
        ``total_A``, ``early_A``, ``late_A``, ``mean_frame_A`` (mean step), ``largest_local_A`` (largest
        distance of any place in any frame from the path of the whole image).
    """
    track = field.track()
    steps = np.linalg.norm(np.diff(track, axis=0), axis=1)
    if exposure_e_A2:
        early = int(np.count_nonzero(np.arange(2, field.frames + 1) * (exposure_e_A2 / field.frames) <= EARLY_E_A2))
    else:
        early = math.ceil(field.frames / 3) - 1 if field.frames > 1 else 0
    places = (np.arange(15) + 0.5) / 15
    local = field.displacement(places, places) - field.path_A[:, None, None, :]
    return {
        "total_A": float(steps.sum()),
        "early_A": float(steps[:early].sum()),
        "late_A": float(steps[early:].sum()),
        "mean_frame_A": float(steps.mean()) if len(steps) else 0.0,
        "largest_local_A": float(np.linalg.norm(local, axis=-1).max()),
    }
