"""Images that something measured speaks against; robust within a series, and never more than a suggestion."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from weft.fields import Verdict
from weft.series.neighbours import SeriesCtf, share_ctf

if TYPE_CHECKING:
    from weft.series.table import Tilt, TiltSeries
    from weft.state.record import Record

__all__ = ["ReasonCode", "Suggestion", "suggest"]

Array = NDArray[np.float64]
ReasonCode = Literal["dark", "blocked", "no_rings", "blurred", "jumped", "defocus", "masked", "intensity", "failed"]

# An image is suspected from a score of 1: what was measured, divided by these limits.
DARK_LN = 1.2  # below the 1 / cos law: less than a third of the expected light
INTENSITY_LN = 0.25  # off the 1 / cos law, either way
INTENSITY_SIGMAS = 8.0  # and so many robust standard deviations of the series
BLOCKED_FRACTION = 0.08  # of the field darker than half its bright part, beyond what the series' images usually have
MASKED_FRACTION = 0.4  # gold and dirt together
BLUR_A = 6.0  # way per frame that wipes out what is finer than twice that
BLUR_RATIO = 4.0  # and so many times the series' median
DEFOCUS_A = 4000.0  # off what the neighbours foretell
DEFOCUS_SIGMAS = 6.0
FEW_IMAGES = 5  # laws of a series need as many


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An image to look at, perhaps to leave out.

    Parameters
    ----------
    item : str
        The movie.
    reason_code : str
        For programs.
    reason : str
        For people, with the number.
    score : float
        From 1 up: how far beyond what is usual.
    """

    item: str
    reason_code: ReasonCode
    reason: str
    score: float


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of the series' images, each array by image; nan where it is not."""

    tilts: tuple[Tilt, ...]
    records: tuple[Record, ...]
    light: Array  # ln of the mean, and its distance from the law
    off_law: Array
    law_sigma: float
    dark: Array
    step: Array
    ctf: SeriesCtf | None
    jumps: Mapping[str, tuple[float, str]]


_Rule = Callable[[_Facts, int], Suggestion | None]


def suggest(
    series: TiltSeries,
    records: Mapping[str, Record],
    *,
    dropped: Collection[str] = (),
    jumps: Mapping[str, tuple[float, str]] | None = None,
) -> list[Suggestion]:
    """Return the images of a series that something speaks against, worst first; one suggestion an image.

    Parameters
    ----------
    series : TiltSeries
        Angles and order.
    records : mapping of str to Record
        By the movies' names.
    dropped : collection of str
        Movies left out already: they set no standard.
    jumps : mapping of str to (score, sentence), optional
        Movies whose field of view is not their neighbours', from `weft.series.jumps`.

    Notes
    -----
    Each rule compares an image with its own series: mean intensity with the line ln I = a - b / cos θ (a slab of even
    thickness), dark parts with the usual share, motion and blur with the median, defocus with what the neighbours
    foretell. Reasons of one image are joined, causes before what follows from them.
    """
    facts = _collect(series, records, dropped, jumps or {})
    found = []
    for image in range(len(facts.records)):
        reasons = [one for rule in _RULES if (one := rule(facts, image)) is not None and one.score >= 1.0]
        if reasons:
            text = "; ".join(one.reason for one in reasons[:3])
            score = max(one.score for one in reasons)
            found.append(Suggestion(reasons[0].item, reasons[0].reason_code, text, round(score, 2)))
    return sorted(found, key=lambda one: (-one.score, one.item))


def _collect(
    series: TiltSeries,
    records: Mapping[str, Record],
    dropped: Collection[str],
    jumps: Mapping[str, tuple[float, str]],
) -> _Facts:
    rows = [(tilt, records[tilt.movie]) for tilt in series.tilts if tilt.movie and tilt.movie in records]
    light = np.array([_light(record) for _, record in rows])
    cosine = np.cos(np.radians([tilt.tilt_deg for tilt, _ in rows])) if rows else np.zeros(0)
    sets = np.array([tilt.movie not in dropped for tilt, _ in rows], dtype=np.bool_)
    off, sigma = _off_law(light, 1.0 / cosine, sets)
    return _Facts(
        tuple(tilt for tilt, _ in rows),
        tuple(record for _, record in rows),
        light,
        off,
        sigma,
        np.array([_number(record, "dark") for _, record in rows]),
        np.array([record.motion.mean_frame_A if record.motion else math.nan for _, record in rows]),
        share_ctf(series, records, dropped=dropped),
        jumps,
    )


def _light(record: Record) -> float:
    """Return ln of the mean in electrons; nan if there is no average, very small if nothing arrived."""
    if record.average is None:
        return math.nan
    return math.log(max(record.average.mean, 1e-6))


def _number(record: Record, name: str) -> float:
    value = record.average.picture.get(name) if record.average is not None else None
    return float(value) if isinstance(value, int | float) else math.nan


def _off_law(light: Array, path: Array, sets: NDArray[np.bool_]) -> tuple[Array, float]:
    """Return the distance of each value from the robust line over 1 / cos θ, and the robust scatter about it.

    Notes
    -----
    Theil and Sen's line (median of the slopes between all pairs), which up to 29 % of bad images do not move; slopes that
    would mean a specimen thinner than nothing are not believed.
    """
    good = np.isfinite(light) & sets
    if good.sum() < FEW_IMAGES:
        return np.zeros_like(light), math.inf
    x, y = path[good], light[good]
    i, j = np.triu_indices(len(x), 1)
    apart = np.abs(x[i] - x[j]) > 0.05
    slopes = (y[i] - y[j])[apart] / (x[i] - x[j])[apart]
    slope = min(0.0, float(np.median(slopes))) if len(slopes) else 0.0
    level = float(np.median(y - slope * x))
    off = light - level - slope * path
    sigma = 1.4826 * float(np.median(np.abs(off[good])))
    return np.where(np.isfinite(off), off, 0.0), max(sigma, 0.01)


def _failed(facts: _Facts, i: int) -> Suggestion | None:
    record = facts.records[i]
    if record.failure is None:
        return None
    return Suggestion(record.name, "failed", f"could not be processed: {record.failure.message}", 3.0)


def _intensity(facts: _Facts, i: int) -> Suggestion | None:
    off = float(facts.off_law[i])
    name = facts.records[i].name
    if off <= -DARK_LN:
        return Suggestion(name, "dark", f"dark: {100 * math.exp(off):.0f} % of the expected light", -2 * off / DARK_LN)
    score = min(abs(off) / INTENSITY_LN, abs(off) / (INTENSITY_SIGMAS * facts.law_sigma))
    how = "less" if off < 0 else "more"
    reason = f"{100 * abs(math.expm1(off)):.0f} % {how} light than its tilt lets expect"
    return Suggestion(name, "intensity", reason, score)


def _blocked(facts: _Facts, i: int) -> Suggestion | None:
    dark = float(facts.dark[i])
    if not math.isfinite(dark):
        return None
    beyond = dark - float(np.nanmedian(facts.dark))
    reason = f"{100 * dark:.0f} % of the field is dark: a grid bar, thick ice or dirt"
    return Suggestion(facts.records[i].name, "blocked", reason, beyond / BLOCKED_FRACTION)


def _masked(facts: _Facts, i: int) -> Suggestion | None:
    mask = facts.records[i].mask
    if mask is None:
        return None
    share = mask.masked_fraction + mask.dirt_fraction
    return Suggestion(
        facts.records[i].name, "masked", f"{100 * share:.0f} % of the field is masked", share / MASKED_FRACTION
    )


def _blurred(facts: _Facts, i: int) -> Suggestion | None:
    step = float(facts.step[i])
    if not math.isfinite(step):
        return None
    usual = float(np.nanmedian(facts.step))
    score = min(step / BLUR_A, step / max(BLUR_RATIO * usual, 1e-9))
    return Suggestion(facts.records[i].name, "blurred", f"moved by {step:.0f} Å a frame (usually {usual:.1f})", score)


def _no_rings(facts: _Facts, i: int) -> Suggestion | None:
    ctf = facts.records[i].ctf
    if ctf is None or ctf.verdict != Verdict.FAILED:
        return None
    return Suggestion(facts.records[i].name, "no_rings", f"no rings in its spectrum ({ctf.reason})", 1.5)


def _defocus(facts: _Facts, i: int) -> Suggestion | None:
    name = facts.records[i].name
    image = next((one for one in facts.ctf.images if one.movie == name), None) if facts.ctf else None
    if image is None or image.own_defocus_A is None or not image.is_outlier:
        return None
    off = image.own_defocus_A - image.expected_defocus_A
    sigma = math.hypot(image.expected_sigma_A, image.own_sigma_A or 0.0)
    score = min(abs(off) / DEFOCUS_A, abs(off) / (DEFOCUS_SIGMAS * sigma))
    reason = f"defocus {image.own_defocus_A / 1e4:.2f} µm, {off / 1e4:+.2f} µm off its neighbours"
    return Suggestion(name, "defocus", reason, score)


def _jumped(facts: _Facts, i: int) -> Suggestion | None:
    found = facts.jumps.get(facts.records[i].name)
    return None if found is None else Suggestion(facts.records[i].name, "jumped", found[1], found[0])


_RULES: tuple[_Rule, ...] = (_failed, _blocked, _intensity, _blurred, _jumped, _masked, _no_rings, _defocus)
