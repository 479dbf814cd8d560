"""Repaired mdocs: what Weft has found out about a series, in the words that other programs read; original keys are kept."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from weft import __version__
from weft.errors import InputError
from weft.io.mdoc import Entry, Mdoc, Section, number_in, parse_time, read_mdoc
from weft.io.names import stem_of
from weft.series.names import plain_name
from weft.series.table import Tilt, TiltSeries, sorted_tilts, with_exposures

__all__ = ["read_table", "repaired_mdoc"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MADE_UP = datetime(2000, 1, 1)  # noqa: DTZ001 (mdocs know no time zone)
_SECONDS = 60
_COLUMNS = {
    "movie": ("movie", "name", "file", "subframepath", "micrograph"),
    "angle": ("angle", "tilt", "tilt_deg", "tiltangle", "angle_deg"),
    "order": ("order", "index", "acquisition"),
    "exposure": ("exposure", "dose", "exposure_e_a2", "exposuredose"),
    "series": ("series", "tilt_series", "position"),
}


@dataclass(frozen=True, slots=True)
class _Row:
    series: str
    movie: str
    angle_deg: float
    order: float
    exposure_e_A2: float | None


def repaired_mdoc(series: TiltSeries, files: Mapping[str, str], folder: Path) -> tuple[Mdoc, list[str]]:
    """Return an mdoc of the tilts that have a movie, in the order of acquisition, and what was made up.

    Parameters
    ----------
    series : TiltSeries
        The table.
    files : mapping of str to str
        File name of each movie.
    folder : Path
        To which the path of the series' own mdoc is relative.

    Notes
    -----
    Sections are numbered anew; angle, file, exposures and time are what Weft has settled on, other keys as they were. Where a
    series has no times, one minute per image from the year 2000 keeps the order for programs that go by time.
    """
    original = _original(series, folder)
    by_line = {section.line: section for section in original.sections} if original else {}
    tilts = sorted((tilt for tilt in series.tilts if tilt.movie and not tilt.problem), key=lambda tilt: tilt.order)
    times = [_time(tilt) for tilt in tilts]
    notes = []
    if any(b is None or a is None or b <= a for a, b in pairwise(times)) or None in times:
        times = [_MADE_UP + timedelta(seconds=_SECONDS * tilt.order) for tilt in tilts]
        notes.append("DateTime is made up, one minute per image, to keep the order")
    sections = []
    for number, (tilt, time) in enumerate(zip(tilts, times, strict=True)):
        values = {"TiltAngle": f"{tilt.tilt_deg:g}", "SubFramePath": files.get(tilt.movie or "", tilt.file)}
        if tilt.exposure_e_A2 is not None:
            values["ExposureDose"] = f"{tilt.exposure_e_A2:g}"
        if tilt.pre_exposure_e_A2 is not None:
            values["PriorRecordDose"] = f"{tilt.pre_exposure_e_A2:g}"
        if tilt.target_defocus_um is not None:
            values["TargetDefocus"] = f"{-tilt.target_defocus_um:g}"
        if time is not None:
            values["DateTime"] = _serialem(time)
        entries = by_line[tilt.line].entries if tilt.line in by_line else ()
        sections.append(Section("ZValue", str(number), entries).with_values(**values))
    left = [tilt for tilt in series.tilts if not tilt.movie or tilt.problem]
    if left:
        notes.append(f"{len(left)} of {len(series.tilts)} sections are left out: {left[0].problem or 'no movie'}")
    head = original.head if original else _head(series)
    return Mdoc(head, _titles(series, original, notes), tuple(sections)), notes


def read_table(path: Path, *, axis_deg: float | None = None, exposure_e_A2: float | None = None) -> list[TiltSeries]:
    """Return series from a table of movies: comma- or tab-separated, with a line of titles.

    Parameters
    ----------
    path : Path
        Columns ``movie`` and ``angle``; ``series``, ``order`` and ``exposure`` if they are known. Without ``order`` the rows are in
        the order of acquisition; without ``series`` the file's name is the series'.
    axis_deg, exposure_e_A2 : float, optional
        For all tilts.

    Raises
    ------
    InputError
        If a column or a number is missing.
    """
    rows = _table_rows(path)
    found = []
    for name in dict.fromkeys(row.series for row in rows):
        members = sorted((row for row in rows if row.series == name), key=lambda row: row.order)
        tilts = [
            Tilt(stem_of(row.movie), order, row.angle_deg, order, row.exposure_e_A2 or exposure_e_A2, file=row.movie)
            for order, row in enumerate(members)
        ]
        found.append(TiltSeries(plain_name(name), "", sorted_tilts(with_exposures(tilts)), axis_deg=axis_deg))
    return found


def _table_rows(path: Path) -> list[_Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: cannot be read as a table ({error})") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise InputError(
            f"{path.name}: holds no rows; the first line names the columns, such as movie,angle,order,exposure"
        )
    separator = "\t" if "\t" in lines[0] else ","
    table = list(csv.reader(lines, delimiter=separator))
    places = _places(path, [title.strip().lower() for title in table[0]])
    rows = []
    for number, cells in enumerate(table[1:], 2):
        told = {what: cells[place].strip() for what, place in places.items() if place < len(cells)}
        angle = number_in(told.get("angle", ""))
        if not told.get("movie") or angle is None:
            raise InputError(f"{path.name}: line {number} lacks a movie or an angle; every row needs both")
        order = number_in(told.get("order", ""))
        if "order" in places and order is None:
            raise InputError(f"{path.name}: line {number} has no order; number all rows or none")
        series = told.get("series") or stem_of(path.name).rsplit(".", 1)[0]
        exposure = number_in(told.get("exposure", ""))
        rows.append(_Row(series, told["movie"], angle, order if order is not None else float(number), exposure))
    return rows


def _places(path: Path, titles: Sequence[str]) -> dict[str, int]:
    """Return the place of each column that the table has."""
    places = {}
    for what, names in _COLUMNS.items():
        place = next((titles.index(name) for name in names if name in titles), None)
        if place is not None:
            places[what] = place
    for what in ("movie", "angle"):
        if what not in places:
            raise InputError(
                f'{path.name}: has no column "{what}" (it has {", ".join(titles)}); name it in the first line'
            )
    return places


def _original(series: TiltSeries, folder: Path) -> Mdoc | None:
    try:
        return read_mdoc(folder / series.mdoc) if series.mdoc else None
    except InputError:
        return None


def _head(series: TiltSeries) -> tuple[Entry, ...]:
    values = {"PixelSpacing": series.pixel_size_A, "Voltage": series.voltage_kV}
    entries = [Entry(key, f"{value:g}") for key, value in values.items() if value is not None]
    return (*entries, Entry("ImageFile", f"{series.name}.mrc"))


def _titles(series: TiltSeries, original: Mdoc | None, notes: Sequence[str]) -> tuple[str, ...]:
    """Return the titles: the original ones but the axis, then ours, then the axis as SerialEM writes it."""
    kept = [title for title in (original.titles if original else ()) if "axis" not in title.lower()]
    ours = f"Weft {__version__}: repaired" + "".join(f"; {note}" for note in notes)
    axis = (
        []
        if series.axis_deg is None
        else [f"    Tilt axis angle = {series.axis_deg:.1f}, binning = 1  spot = 0  camera = 0"]
    )
    return tuple(title.strip() for title in (*kept, ours, *axis))


def _time(tilt: Tilt) -> datetime | None:
    return parse_time(tilt.time) if tilt.time else None


def _serialem(time: datetime) -> str:
    return f"{time.day:02d}-{_MONTHS[time.month - 1]}-{time.year:04d}  {time:%H:%M:%S}"
