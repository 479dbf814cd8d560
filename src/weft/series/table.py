"""A tilt series as a table: one row per section of its mdoc, used or not, and which of them go into stacks."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

__all__ = [
    "Tilt",
    "TiltSeries",
    "Use",
    "duplicate_groups",
    "same_angle_deg",
    "sorted_tilts",
    "uses_of",
    "with_exposures",
]

SCHEMA = "weft.series/1"
_SAME_ANGLE_DEG = 0.3  # the stage misses its target by less
Rule = Literal["latest", "best", "ask"]


@dataclass(frozen=True, slots=True)
class Tilt:
    """One tilt of a series.

    Parameters
    ----------
    movie : str or None
        Name of the movie; None if there is none.
    section : int
        Place of its section in the mdoc, counted from 0.
    tilt_deg : float
        The mdoc's TiltAngle.
    order : int
        Place in the order of acquisition, counted from 0.
    exposure_e_A2 : float or None
        Of this movie; None if unknown.
    pre_exposure_e_A2 : float or None
        Before this movie: the sum over the earlier sections, used or not.
    target_defocus_um : float or None
        What the microscope was asked for; positive = underfocus.
    time : str or None
        ISO 8601, in the microscope's local time.
    problem : str
        Why it cannot be used; empty if it can.
    file : str
        The movie's file name as the mdoc tells it.
    line : int
        Of the section in the mdoc; 0 if there is no mdoc.
    exposure_source : str
        Where the exposure comes from.
    frames : int or None
        As the mdoc tells it.
    """

    movie: str | None
    section: int
    tilt_deg: float
    order: int
    exposure_e_A2: float | None = None
    pre_exposure_e_A2: float | None = None
    target_defocus_um: float | None = None
    time: str | None = None
    problem: str = ""
    file: str = ""
    line: int = 0
    exposure_source: str = ""
    frames: int | None = None


@dataclass(frozen=True, slots=True)
class TiltSeries:
    """One tilt series, rows by ascending angle, equal ones in the order of acquisition.

    Parameters
    ----------
    name : str
        Letters, digits, ``_`` and ``-`` only, so that every program takes it.
    mdoc : str
        Path of its mdoc; empty if it was told from names.
    tilts : tuple of Tilt
        One per section of the mdoc, used or not.
    axis_deg : float or None
        Tilt axis from +y, counter-clockwise.
    axis_source, order_source : str
        Where axis and order come from.
    pixel_size_A : float or None
        Of the images that the mdoc describes, at their binning.
    voltage_kV : float or None
        As the mdoc tells it.
    warnings : tuple of str
        What had to be decided, or is odd.
    """

    name: str
    mdoc: str
    tilts: tuple[Tilt, ...]
    axis_deg: float | None = None
    axis_source: str = ""
    order_source: str = ""
    pixel_size_A: float | None = None
    voltage_kV: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def exposure_e_A2(self) -> float | None:
        """Of the whole series; None if a tilt's is unknown."""
        return _sum(tilt.exposure_e_A2 for tilt in self.tilts)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TiltSeries:
        """Return the series that `to_json` described.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is something else.
        """
        values = {key: value for key, value in data.items() if key != "schema"}
        if data["schema"] != SCHEMA:
            raise ValueError(f"{data['schema']} is not {SCHEMA}")
        values["tilts"] = tuple(Tilt(**tilt) for tilt in values["tilts"])
        values["warnings"] = tuple(values["warnings"])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Use:
    """A tilt and why it is left out; empty if it is used."""

    tilt: Tilt
    left_out: str = field(default="")

    @property
    def is_used(self) -> bool:
        """Whether the tilt goes into stacks."""
        return not self.left_out


def uses_of(
    series: TiltSeries,
    decisions: Mapping[str, str],
    *,
    rule: Rule = "latest",
    resolution_A: Mapping[str, float | None] | None = None,
    available: Collection[str] | None = None,
) -> tuple[Use, ...]:
    """Return for every tilt whether it is used and, if not, why; the one list that stacks, STAR and XML follow.

    Parameters
    ----------
    series : TiltSeries
        The table.
    decisions : mapping of str to str
        ``drop`` or ``keep`` for movies with a decision.
    rule : str
        Which image of an angle taken twice is used: the ``latest``, the ``best`` (by the resolution of its CTF fit, then
        the latest), or ``ask``: all of them, until a decision says otherwise.
    resolution_A : mapping of str to float or None, optional
        For the rule ``best``.
    available : collection of str, optional
        Movies that have an average; all if not given.

    Notes
    -----
    A person's ``keep`` wins over the rule: of the images of one angle the kept ones are used, and no other.
    """
    reasons: dict[int, str] = {}
    for tilt in series.tilts:
        if tilt.problem or tilt.movie is None:
            reasons[tilt.section] = tilt.problem or "no movie"
        elif decisions.get(tilt.movie) == "drop":
            reasons[tilt.section] = "left out by a decision"
        elif available is not None and tilt.movie not in available:
            reasons[tilt.section] = "no average"
    candidates = [tilt for tilt in series.tilts if tilt.section not in reasons]
    for group in duplicate_groups(candidates, same_angle_deg(series.tilts)):
        for tilt, chosen in _beaten(group, decisions, rule, resolution_A or {}):
            reasons[tilt.section] = f"{tilt.tilt_deg:.1f}° was taken again: {chosen.movie} is used"
    return tuple(Use(tilt, reasons.get(tilt.section, "")) for tilt in series.tilts)


def duplicate_groups(tilts: Sequence[Tilt], tolerance_deg: float) -> list[list[Tilt]]:
    """Return the groups of tilts that show the same angle, two or more each."""
    groups: list[list[Tilt]] = []
    for tilt in sorted(tilts, key=lambda one: one.tilt_deg):
        if groups and tilt.tilt_deg - groups[-1][-1].tilt_deg <= tolerance_deg:
            groups[-1].append(tilt)
        else:
            groups.append([tilt])
    return [group for group in groups if len(group) > 1]


def same_angle_deg(tilts: Sequence[Tilt]) -> float:
    """Return how near two angles must be to count as the same: 0.3°, or a quarter of the series' step if that is less."""
    angles = sorted(tilt.tilt_deg for tilt in tilts)
    steps = sorted(b - a for a, b in pairwise(angles) if b - a > 0.05)
    return min(_SAME_ANGLE_DEG, 0.25 * steps[len(steps) // 2]) if steps else _SAME_ANGLE_DEG


def sorted_tilts(tilts: Sequence[Tilt]) -> tuple[Tilt, ...]:
    """Return tilts by ascending angle, equal ones in the order of acquisition."""
    return tuple(sorted(tilts, key=lambda tilt: (tilt.tilt_deg, tilt.order)))


def with_exposures(tilts: Sequence[Tilt]) -> tuple[Tilt, ...]:
    """Return tilts, in the order of acquisition, with the exposure before each, as far as it is known."""
    done: list[Tilt] = []
    before: float | None = 0.0
    for tilt in sorted(tilts, key=lambda one: one.order):
        done.append(replace(tilt, pre_exposure_e_A2=None if before is None else round(before, 6)))
        before = None if before is None or tilt.exposure_e_A2 is None else before + tilt.exposure_e_A2
    return tuple(done)


def _beaten(
    group: Sequence[Tilt], decisions: Mapping[str, str], rule: Rule, resolution_A: Mapping[str, float | None]
) -> list[tuple[Tilt, Tilt]]:
    """Return the tilts of a group that are not used, each with the one that is."""
    kept = [tilt for tilt in group if decisions.get(tilt.movie or "") == "keep"]
    if not kept and rule == "ask":
        return []
    if not kept and rule == "best":
        kept = [min(group, key=lambda tilt: (resolution_A.get(tilt.movie or "") or math.inf, -tilt.order))]
    if not kept:
        kept = [max(group, key=lambda tilt: tilt.order)]
    return [(tilt, kept[-1]) for tilt in group if tilt not in kept]


def _sum(values: Any) -> float | None:
    listed = list(values)
    return None if None in listed or not listed else round(float(sum(listed)), 6)
