"""Mdocs against movies: what is missing, double, or says something else than the settings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from weft.check.finding import Finding, Input, listed
from weft.series.names import nearest_name
from weft.series.table import TiltSeries

__all__ = ["check_mdocs"]

_MOST_WARNINGS = 4
_SAID_ONCE = ("cannot be used", "tells no tilt axis", "is unknown (ExposureDose")  # by a finding about all series


def check_mdocs(given: Input) -> Iterator[Finding]:
    """Yield what is odd about the mdocs."""
    settings = given.project.settings
    if not given.mdocs and settings.series.pattern is None:
        yield Finding(
            "info", "no_mdocs", f'no mdoc fits input.mdocs = "{settings.input.mdocs}": single movies, no tilt series',
            "correct input.mdocs, or tell series from names with series.pattern", "input.mdocs",
        )  # fmt: skip
        return
    if given.series is None:
        return
    for sentence in given.series.unreadable:
        what, _, fix = sentence.partition("; ")
        yield Finding("error", "unreadable_mdoc", what, fix or "repair or remove it", _file_in(sentence))
    for sentence in given.series.warnings:
        yield Finding("warning", "mdoc", sentence, where=_file_in(sentence))
    for series in given.series.series:
        yield from _movies(series, given.found)
    yield from _axes(given.series.series)
    yield from _warnings(given.series.series)
    yield from _unmatched(given)
    yield from _exposure(given)
    yield from _voltage(given)
    if given.series.series:
        count, tilts = len(given.series.series), sum(len(one.tilts) for one in given.series.series)
        yield Finding("ok", "series", f"{count} tilt series with {tilts} tilts", where=settings.input.mdocs)


def _movies(series: TiltSeries, movies: Collection[str]) -> Iterator[Finding]:
    absent = [tilt for tilt in series.tilts if tilt.movie is None]
    if not absent:
        return
    shown = listed([tilt.file or f"section {tilt.section}" for tilt in absent])
    near = nearest_name(absent[0].file, movies) if absent[0].file else ""
    compare = f" (of {len(movies)} movies, {near} has the nearest name)" if near else ""
    where = f"{Path(series.mdoc).name}:{absent[0].line}" if series.mdoc else series.name
    if len(absent) == len(series.tilts):
        yield Finding(
            "error", "no_movie_fits", f"{series.name}: none of its {len(absent)} movies is there ({shown})",
            f"compare the names in SubFramePath with input.movies{compare}, or set input.mdocs to the mdocs of these movies", where,
        )  # fmt: skip
        return
    yield Finding(
        "warning", "absent_movies", f"{series.name}: {len(absent)} of {len(series.tilts)} movies are not there ({shown})",
        f"copy them, correct input.movies if they lie elsewhere{compare}, or go on without these tilts", where,
    )  # fmt: skip


def _axes(series: Sequence[TiltSeries]) -> Iterator[Finding]:
    without = [one.name for one in series if one.axis_deg is None]
    if without:
        yield Finding(
            "warning", "no_axis", f"no mdoc tells the tilt axis of {listed(without)}",
            "set series.tilt_axis_deg; handedness, RELION and WarpTools need it", "series.tilt_axis_deg",
        )  # fmt: skip


def _warnings(series: Sequence[TiltSeries]) -> Iterator[Finding]:
    """Yield what the import would say, once for all series it would say it of."""
    said: dict[str, list[TiltSeries]] = {}
    for one in series:
        for sentence in one.warnings[:_MOST_WARNINGS]:
            if not any(said in sentence for said in _SAID_ONCE):
                said.setdefault(sentence, []).append(one)
    for sentence, members in said.items():
        names = listed([one.name for one in members])
        yield Finding("warning", "mdoc", f"{names}: {sentence}", where=Path(members[0].mdoc).name)


def _unmatched(given: Input) -> Iterator[Finding]:
    if given.series is None or not given.series.series:
        return
    left = [path.name for path in given.series.unmatched]
    if left:
        yield Finding(
            "warning", "movies_without_mdoc", f"no mdoc names {listed(left)}",
            "corrected, but in no series; copy the mdocs, or leave them out with `weft drop`", left[0],
        )  # fmt: skip


def _exposure(given: Input) -> Iterator[Finding]:
    assert given.series is not None
    settings = given.project.settings
    unknown = [one.name for one in given.series.series if any(tilt.exposure_e_A2 is None for tilt in one.tilts)]
    if unknown:
        yield Finding(
            "error" if settings.output.exposure_weighting else "warning", "exposure_unknown", f"the exposure is not known for {listed(unknown)}",
            "set input.exposure_e_A2 (e⁻/Å² of one movie); RELION and weighting need it", "input.exposure_e_A2",
        )  # fmt: skip


def _voltage(given: Input) -> Iterator[Finding]:
    assert given.series is not None
    stated = given.project.settings.optics.voltage_kV
    told = {one.name: one.voltage_kV for one in given.series.series if one.voltage_kV}
    wrong = [name for name, voltage in told.items() if abs(voltage - stated) > 1.0]
    if wrong:
        yield Finding(
            "warning", "voltage", f"optics.voltage_kV is {stated:g}, the mdocs of {listed(wrong)} say {told[wrong[0]]:g} kV",
            f"set it with `weft config set optics.voltage_kV {told[wrong[0]]:g}`", "optics.voltage_kV",
        )  # fmt: skip


def _file_in(sentence: str) -> str:
    return sentence.split(":", 1)[0] if ":" in sentence else ""
