"""One line per movie: what ``ls`` prints and ``show`` begins with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from weft.state.record import Record

if TYPE_CHECKING:
    from weft.state.project import Project

__all__ = ["Line", "lines_of", "tilts_of"]


@dataclass(frozen=True, slots=True)
class Line:
    """Numbers of one movie; None where there is none.

    Parameters
    ----------
    name, series : str
        Movie and its series (empty if not imported).
    state : str
        ``new``, ``done``, ``failed`` or ``dropped``.
    tilt_deg, defocus_um, astigmatism_um, resolution_A, motion_A, masked_percent : float or None
        Defocus at the centre of the field; length of the path of the sample.
    verdict : str
        Worst of motion and CTF: ``good``, ``weak``, ``failed``; empty if not done.
    reason : str
        Of the verdict, of the failure or of the decision.
    """

    name: str
    series: str
    state: str
    tilt_deg: float | None
    defocus_um: float | None
    astigmatism_um: float | None
    resolution_A: float | None
    motion_A: float | None
    masked_percent: float | None
    verdict: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        return asdict(self)


def lines_of(project: Project) -> list[Line]:
    """Return a line for every movie that is there or has a record, sorted by name."""
    records, decisions, tilts = project.records(), project.decisions(), tilts_of(project)
    names = sorted({*project.found_movies(), *records})
    dropped = {name: decision.reason for name, decision in decisions.items() if decision.verb == "drop"}
    return [_line(name, records.get(name), tilts.get(name), dropped.get(name)) for name in names]


def tilts_of(project: Project) -> dict[str, tuple[str, float]]:
    """Return series and angle of each movie of an imported series."""
    if not any((project.out / "series").glob("*.json")):
        return {}
    from weft.series.store import read_series

    series = read_series(project.out)
    return {tilt.movie: (one.name, tilt.tilt_deg) for one in series for tilt in one.tilts if tilt.movie}


def _line(name: str, record: Record | None, tilt: tuple[str, float] | None, dropped: str | None) -> Line:
    verdict, reason = _verdict(record)
    state = "new" if record is None else "failed" if record.failure else "done"
    if dropped is not None:
        state, reason = "dropped", dropped
    return Line(
        name=name,
        series=tilt[0] if tilt else "",
        state=state,
        tilt_deg=tilt[1] if tilt else None,
        verdict=verdict,
        reason=reason,
        **_numbers(record),
    )


def _numbers(record: Record | None) -> dict[str, float | None]:
    found: dict[str, float | None] = dict.fromkeys(
        ("defocus_um", "astigmatism_um", "resolution_A", "motion_A", "masked_percent")
    )
    if record is not None and record.ctf is not None:
        fit = record.ctf.to_fit()
        if math.isfinite(fit.defocus_A):
            found |= {"defocus_um": fit.defocus_A / 1e4, "astigmatism_um": fit.astigmatism_A / 1e4}
        found["resolution_A"] = fit.resolution_A
    if record is not None and record.motion is not None:
        found["motion_A"] = record.motion.total_A
    if record is not None and record.mask is not None:
        found["masked_percent"] = 100 * record.mask.masked_fraction
    return found


def _verdict(record: Record | None) -> tuple[str, str]:
    """Return the worst verdict with its reason, and a failure's sentence before all."""
    if record is None:
        return "", ""
    if record.failure is not None:
        return "failed", record.failure.message
    parts: Mapping[str, Any] = {"motion": record.motion, "CTF": record.ctf, "mask": record.mask}
    found = [(part.verdict, f"{what}: {part.reason}") for what, part in parts.items() if part is not None]
    for verdict in ("failed", "weak"):
        reasons = [reason for one, reason in found if one == verdict]
        if reasons:
            return verdict, "; ".join(reasons)
    return ("good", "") if found else ("", "")
