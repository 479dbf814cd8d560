"""What may be wrong with angles, tilt axis or pixel size, as a series' gradients tell it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from weft.fields import Verdict
from weft.series.gradients import GradientFit, Gradients

if TYPE_CHECKING:
    from weft.series.table import TiltSeries
    from weft.state.record import Record

__all__ = ["LEAST_IMAGES", "LEAST_SPAN_DEG", "causes_of", "causes_of_absence", "nearest_axis"]

LEAST_IMAGES = 3  # with a gradient; fewer follow any axis
LEAST_SPAN_DEG = 15.0  # of the angles; specimens themselves lie and bend by several degrees


def causes_of(axis: float, data: Gradients, fit: GradientFit, posterior: Mapping[str, float]) -> tuple[str, ...]:
    """Return what may be wrong with angles, axis or pixel size."""
    if data.span_deg < LEAST_SPAN_DEG:
        return ()
    if posterior["shuffled"] > 0.5:
        return (
            "the tilt angles are probably shuffled: the mdoc's sections name other movies, or their order was changed",
            "check that each section's SubFramePath is the movie of its TiltAngle",
        )
    if posterior["none"] > 0.5:
        return (
            "defocus does not follow the tilt: CTF fits too weak, or images of an untilted specimen",
            "look at the fits, and at ctf.grid (1x1x1 cannot follow a tilt)",
        )
    measured = nearest_axis(fit.phi_deg, axis)
    off = measured - axis
    sigma = math.hypot(fit.phi_sigma_deg, 0.5)
    if posterior["other axis"] > 0.5 or abs(off) > max(4.0 * sigma, 4.0):
        return _axis_causes(axis, measured, sigma)
    found = []
    if abs(fit.offset_deg) > max(4 * fit.offset_sigma_deg, 4.0):
        found.append(
            f"the specimen lay at {fit.offset_deg:+.0f}° when the stage was at 0° (as a milled lamella does): "
            "angles for the reconstruction may need that offset"
        )
    if abs(fit.scale - 1) > max(5 * fit.scale_sigma, 0.15) and posterior["+1"] + posterior["-1"] > 0.9:
        found.append(f"gradients are {fit.scale:.2f} ± {fit.scale_sigma:.2f} of what the angles say: check pixel size")
    return tuple(found)


def causes_of_absence(
    series: TiltSeries, records: Mapping[str, Record], data: Gradients, dropped: Collection[str] = ()
) -> tuple[str, ...]:
    """Return why a series has too few images with a gradient, commonest first, each with what to do.

    Parameters
    ----------
    series : TiltSeries
        Its tilts.
    records : mapping of str to Record
        By the movies' names.
    data : Gradients
        Those that there are.
    dropped : collection of str
        Movies that a decision leaves out.
    """
    names = [tilt.movie for tilt in series.tilts if tilt.movie and tilt.movie not in dropped]
    fits = [
        record.ctf.to_fit() for name in names if (record := records.get(name)) is not None and record.ctf is not None
    ]
    failed = sum(fit.assessment.verdict is Verdict.FAILED for fit in fits)
    flat = len(fits) - failed - len(data.movies)
    of = f"of {len(names)} images"
    found = [
        (flat, f"the CTF of {flat} {of} was fitted without a plane, as with ctf.grid 1x1x1; set ctf.grid to 2x2x1 and run again"),
        (failed, f"the CTF of {failed} {of} could not be fitted; look at the fits, at ctf.range_A and ctf.defocus_um"),
        (len(names) - len(fits), f"{len(names) - len(fits)} {of} have no CTF yet; fit it with `weft run` (ctf.enabled)"),
    ]  # fmt: skip
    if len(names) < LEAST_IMAGES:
        found.append((len(names), f"the series has only {len(names)} usable images"))
    return tuple(sentence for count, sentence in sorted(found, key=lambda one: -one[0]) if count > 0)


def _axis_causes(axis: float, measured: float, sigma: float) -> tuple[str, ...]:
    off = abs(measured - axis)
    say = f"the data say {measured:.1f} ± {sigma:.1f}°, the series {axis:.1f}°"
    if abs(off - 90.0) < max(10.0, 3 * sigma):
        return (
            f"the tilt axis is off by 90° ({say}): rows and columns are exchanged, or it is counted from x, not from y",
            f"set series.tilt_axis_deg to {measured:.1f} (or {measured - 180:.1f})",
        )
    mirrored = nearest_axis(-axis, measured)
    if abs(mirrored - measured) < max(3.0, 3 * sigma):
        how = "rows turned round as between TIFF and EER, or by a flip of the camera"
        return (
            f"the images are mirrored against the mdoc's axis ({say}; mirrored it is {mirrored:.1f}°), {how}",
            f"set series.tilt_axis_deg to {measured:.1f}",
        )
    return (f"the tilt axis is wrong ({say})", f"set series.tilt_axis_deg to {measured:.1f}")


def nearest_axis(angle_deg: float, near_deg: float) -> float:
    """Return the axis (a line, so ± 180° are the same) as the angle next to another one.

    Examples
    --------
    >>> nearest_axis(265.0, 85.3)
    85.0
    """
    return near_deg + (angle_deg - near_deg + 90.0) % 180.0 - 90.0
