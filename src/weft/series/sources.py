"""Order, exposure and tilt axis of a series: from which key of the mdoc, and which others disagree."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Generic, TypeVar

from weft.io.mdoc import Mdoc, Section, number_in, parse_time
from weft.io.names import stem_of
from weft.series.names import NamePattern
from weft.series.table import Tilt
from weft.settings.schema import Settings

__all__ = ["Found", "axis_of", "exposure_warnings", "exposures_of", "order_of", "with_prior_exposures"]

T = TypeVar("T")
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 (mdocs know no time zone)
_SERIALEM_AXIS = re.compile(r"Tilt axis angle\s*=\s*([-+]?\d+(?:[.,]\d+)?)", re.IGNORECASE)
_TOMO5_AXIS = re.compile(r"TiltAxisAngle\s*=\s*([-+]?\d+(?:[.,]\d+)?)", re.IGNORECASE)
_SAME_EXPOSURE = 0.1  # a relative difference worth a warning
_LARGEST_TOTAL_E_A2 = 400.0


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A value, where it comes from, and what had to be decided."""

    value: T
    source: str
    warnings: tuple[str, ...] = ()


def order_of(sections: Sequence[Section], names: NamePattern) -> Found[list[int]]:
    """Return each section's place in the order of acquisition.

    Parameters
    ----------
    sections : sequence of Section
        Of one series.
    names : NamePattern
        How movie names are read.

    Notes
    -----
    The first of these that tells all sections apart: DateTime, TimeStamp, PriorRecordDose, the counter in the movies'
    names, the order of the sections. A later one breaks ties of an earlier. A later one that says something else is a
    warning.
    """
    count = len(sections)
    keys = _order_keys(sections, names)
    usable = [name for name, values in keys.items() if _is_usable(values)]
    warnings = []
    missing = [section.line for section, value in zip(sections, keys["DateTime"], strict=True) if value is None]
    if missing and count > 1 and usable[0] != "DateTime":
        which = (
            "none of the sections"
            if len(missing) == count
            else f"{len(missing)} of {count} sections (line {missing[0]})"
        )
        does = "tells" if len(missing) == count else "do not tell"
        warnings.append(f"{which} {does} a DateTime that can be read; the order comes from {usable[0]}")
    elif usable and usable[0] != "DateTime" and count > 1:
        warnings.append(f"the DateTimes are all alike; the order comes from {usable[0]}")
    used = [keys[name] for name in usable]
    ranked = sorted(range(count), key=lambda i: tuple(values[i] or 0.0 for values in used))
    order = [0] * count
    for place, i in enumerate(ranked):
        order[i] = place
    angles = [section.number("TiltAngle") or 0.0 for section in sections]
    is_sorted = _is_monotonic(angles)
    warnings += [
        f"{name} tells another order than {usable[0]}, which is used"
        for name in usable[1:-1]
        # counters of renamed movies follow the angle
        if _disagrees(order, keys[name]) and not (name == _COUNTER and _is_monotonic(_by(keys[name], angles)))
    ]
    if usable[0] == _SECTIONS and is_sorted and count > 2:
        warnings.append(
            "the order of acquisition is not known: the sections may have been sorted by angle, so do not trust the exposure before each tilt"
        )
    return Found(order, usable[0], tuple(warnings))


def exposures_of(sections: Sequence[Section], settings: Settings) -> list[Found[float | None]]:
    """Return each section's exposure: from weft.toml, ExposureDose or FrameDosesAndNumber; None if none tells.

    Notes
    -----
    DoseRate is not used: SerialEM measures it in the image, behind the sample; in real files it gives 0.1 to 0.4 of the
    exposure.
    """
    return [_exposure(section, settings.input.exposure_e_A2) for section in sections]


def exposure_warnings(
    sections: Sequence[Section], found: Sequence[Found[float | None]], given: float | None
) -> list[str]:
    """Return what is odd about the exposures of a series."""
    warnings = []
    told = [value for section in sections if (value := _exposure(section, None).value) is not None]
    if given is not None and told and abs(median(told) - given) > _SAME_EXPOSURE * given:
        warnings.append(f"the mdoc tells {median(told):.3g} e⁻/Å² a tilt, weft.toml {given:.3g}, which is used")
    values = [one.value for one in found]
    unknown = [i for i, value in enumerate(values) if value is None]
    if unknown:
        which = (
            "the exposure is unknown"
            if len(unknown) == len(values)
            else f"the exposure of {len(unknown)} of {len(values)} tilts is unknown"
        )
        warnings.append(
            f"{which} (ExposureDose is 0 or missing); give it with --input.exposure_e_A2 where it is needed"
        )
    total = sum(value for value in values if value is not None)
    if total > _LARGEST_TOTAL_E_A2:
        warnings.append(f"{total:.0f} e⁻/Å² in all is more than samples bear; is the exposure right?")
    return warnings


def with_prior_exposures(tilts: Sequence[Tilt], sections: Sequence[Section]) -> tuple[tuple[Tilt, ...], list[str]]:
    """Return tilts whose exposure before each is PriorRecordDose, if that knows of images that the mdoc does not list.

    Parameters
    ----------
    tilts : sequence of Tilt
        With the sum over the listed sections.
    sections : sequence of Section
        All of the series'.
    """
    told = {tilt.section: sections[tilt.section].number("PriorRecordDose") for tilt in tilts}
    excess = 0.0
    for tilt in tilts:
        prior, own = told[tilt.section], tilt.pre_exposure_e_A2
        if prior is None or own is None or tilt.exposure_e_A2 is None or tilt.exposure_source == "weft.toml":
            return tuple(tilts), []
        if prior < own - _SAME_EXPOSURE * tilt.exposure_e_A2 * max(1, tilt.order):
            return tuple(tilts), []
        excess = max(excess, prior - own - 0.5 * tilt.exposure_e_A2)
    if excess <= 0:
        return tuple(tilts), []
    note = (
        "PriorRecordDose tells of more exposure than the listed sections: images were taken that the mdoc does not list; "
        "it is used"
    )
    return tuple(replace(tilt, pre_exposure_e_A2=told[tilt.section]) for tilt in tilts), [note]


def axis_of(mdoc: Mdoc, sections: Sequence[Section], given: float | None) -> Found[float | None]:
    """Return the tilt axis in degrees from +y, counter-clockwise: from weft.toml, SerialEM's title or RotationAngle - 90.

    Tomography 5 states its axis by other rules, so its value comes with a warning that names the candidates.
    """
    if given is not None:
        return Found(given, "weft.toml")
    for regex, source in ((_SERIALEM_AXIS, "title of the mdoc"), (_TOMO5_AXIS, "title of the mdoc (Tomography 5)")):
        for title in mdoc.titles:
            match = regex.search(title)
            value = number_in(match[1]) if match else None
            if value is not None:
                return Found(value, source, _candidates(value) if regex is _TOMO5_AXIS else ())
    rotations = [value for section in sections if (value := section.number("RotationAngle")) is not None]
    if not rotations:
        return Found(None, "", ("the mdoc tells no tilt axis; give it with --series.tilt_axis_deg",))
    return Found(round(_wrapped(median(rotations) - 90), 4), "RotationAngle of the mdoc")


def _candidates(value: float) -> tuple[str, ...]:
    angles = sorted({round(_wrapped(a), 2) for a in (value, -value, value + 90, value - 90, 180 - value)})
    listed = ", ".join(f"{angle:g}" for angle in angles)
    return (
        f"Tomography 5 tells the axis by rules of its own: it may be one of {listed}; settle it with --series.tilt_axis_deg",
    )


def _wrapped(angle: float) -> float:
    return (angle + 180) % 360 - 180


def _exposure(section: Section, given: float | None) -> Found[float | None]:
    if given is not None:
        return Found(given, "weft.toml")
    whole = section.number("ExposureDose")
    if whole is not None and whole > 0:
        return Found(whole, "ExposureDose")
    pairs = section.numbers("FrameDosesAndNumber")
    frames = sum(exposure * number for exposure, number in zip(pairs[::2], pairs[1::2], strict=False))
    return Found(round(frames, 6), "FrameDosesAndNumber") if frames > 0 else Found(None, "")


_COUNTER, _SECTIONS = "the counter in the names", "the order of the sections"


def _order_keys(sections: Sequence[Section], names: NamePattern) -> dict[str, list[float | None]]:
    def all_of(read: Callable[[Section], float | None]) -> list[float | None]:
        return [read(section) for section in sections]

    return {
        "DateTime": all_of(_seconds),
        "TimeStamp": all_of(lambda section: section.number("TimeStamp")),
        "PriorRecordDose": all_of(lambda section: section.number("PriorRecordDose")),
        _COUNTER: all_of(lambda section: names.read(stem_of(section.file_name())).index),
        _SECTIONS: [float(i) for i in range(len(sections))],
    }


def _seconds(section: Section) -> float | None:
    time = parse_time(section.get("DateTime"))
    return (time - _EPOCH).total_seconds() if time else None


def _is_usable(values: Sequence[float | None]) -> bool:
    """Return whether every section has a value and most have one of their own."""
    return None not in values and (len(values) == 1 or len(set(values)) > len(values) / 2)


def _disagrees(order: Sequence[int], values: Sequence[float | None]) -> bool:
    by_order = [value or 0.0 for _, value in sorted(zip(order, values, strict=True))]
    return any(later < earlier for earlier, later in pairwise(by_order))


def _by(keys: Sequence[float | None], values: Sequence[float]) -> list[float]:
    return [value for _, value in sorted(zip((key or 0.0 for key in keys), values, strict=True))]


def _is_monotonic(values: Sequence[float]) -> bool:
    steps = [b - a for a, b in pairwise(values)]
    return all(step >= 0 for step in steps) or all(step <= 0 for step in steps)
