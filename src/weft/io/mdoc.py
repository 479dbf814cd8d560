"""Mdoc files: a tolerant parser that keeps every line, its number and every key, and a writer for repaired ones.

The grammar is IMOD's autodoc: ``key = value`` lines, titles ``[T = …]`` and sections ``[ZValue = n]``. What is met in the
wild differs: a byte order mark, Latin-1 letters, CRLF, titles without brackets (Tomography 5), empty values, ``NaN``,
decimal commas, five ways to write a time, sections cut off because the file is still growing. Nothing of that is an error
here; only a file without a single section or key is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from weft.errors import InputError
from weft.io.atomic import write_text

__all__ = ["Entry", "Mdoc", "Section", "mdoc_text", "number_in", "parse_mdoc", "parse_time", "read_mdoc", "write_mdoc"]

_HEADER = re.compile(r"\[\s*(?P<kind>[A-Za-z_]\w*)\s*=\s*(?P<value>.*?)\s*\]?\s*")
_ENTRY = re.compile(r"(?P<key>[^=\[\]#][^=]*?)\s*=\s*(?P<value>.*?)\s*")
_LINE_END = re.compile(r"\r\n|\n|\r")
_TITLE = "T"
_MOST_BYTES = 64 << 20
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SERIALEM_TIME = re.compile(
    r"(\d{1,2})[-. /]([A-Za-z]{3})[a-z]*[-. /](\d{4}|\d{2})\s+(\d{1,2}):(\d{2})[:-](\d{2})(?:\.\d+)?"
)
_ISO_TIME = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[T\s]+(\d{1,2}):(\d{2})[:-](\d{2})(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``key = value`` line as it stands, with its number in the file (from 1); a stray line has no key."""

    key: str
    value: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Section:
    """A block of an mdoc.

    Parameters
    ----------
    kind : str
        ``ZValue`` (a tilt), ``FrameSet`` (a movie), ``MontSection``, ``Image`` or what else stands there.
    value : str
        What stands behind the kind.
    entries : tuple of Entry
        Its lines in order, unknown keys included.
    line : int
        Number of its first line.
    """

    kind: str
    value: str
    entries: tuple[Entry, ...] = ()
    line: int = field(default=0, compare=False)

    def get(self, key: str) -> str:
        """Return the last value of a key that is not empty; empty if there is none."""
        return next((entry.value for entry in reversed(self.entries) if entry.key == key and entry.value), "")

    def number(self, key: str) -> float | None:
        """Return a key's first number; None if it is missing, empty, no number or NaN."""
        return number_in(self.get(key).split()[0]) if self.get(key).split() else None

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return a key's numbers, those that are none left out."""
        return tuple(value for word in self.get(key).split() if (value := number_in(word)) is not None)

    def file_name(self) -> str:
        r"""Return the movie's name from SubFramePath, whatever machine wrote it (``\`` and ``/`` both end a folder)."""
        return re.split(r"[\\/]", self.get("SubFramePath").strip().strip('"'))[-1].strip()

    def with_values(self, **values: str) -> Section:
        """Return the section with some values replaced in place, or added at its end."""
        left = dict(values)
        entries = [Entry(e.key, left.pop(e.key), e.line) if e.key in left else e for e in self.entries]
        return replace(self, entries=(*entries, *(Entry(key, value) for key, value in left.items())))


@dataclass(frozen=True, slots=True)
class Mdoc:
    """A parsed mdoc.

    Parameters
    ----------
    head : tuple of Entry
        Lines before the first section that are no titles.
    titles : tuple of str
        What the ``[T = …]`` lines say.
    sections : tuple of Section
        All of them, in the file's order.
    notes : tuple of str
        What was odd about the file, one sentence each, with line numbers.
    """

    head: tuple[Entry, ...] = ()
    titles: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    def get(self, key: str) -> str:
        """Return the last value of a key of the head that is not empty; empty if there is none."""
        return Section("", "", self.head).get(key)

    def number(self, key: str) -> float | None:
        """Return the first number of a key of the head."""
        return Section("", "", self.head).number(key)

    def of_kind(self, kind: str) -> tuple[Section, ...]:
        """Return the sections of one kind."""
        return tuple(section for section in self.sections if section.kind == kind)

    @property
    def is_montage(self) -> bool:
        """Whether the file describes a map of pieces rather than a tilt series."""
        return self.get("Montage").strip() == "1" or bool(self.of_kind("MontSection"))


def read_mdoc(path: Path) -> Mdoc:
    """Return what an mdoc file says.

    Parameters
    ----------
    path : Path
        The file; any of the encodings UTF-8, UTF-16 (with its mark), Windows-1252.

    Raises
    ------
    InputError
        If it cannot be read, is empty or holds neither keys nor sections.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(
                f"{path.name}: {path.stat().st_size:,} bytes are too many for an mdoc; check the pattern input.mdocs"
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path.name}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from error
    if not data.strip():
        raise InputError(f"{path.name}: is empty; it is probably still being written, so import again later")
    mdoc = parse_mdoc(data)
    if not mdoc.sections and not any(entry.key for entry in mdoc.head):
        raise InputError(
            f"{path.name}: holds neither keys nor a [ZValue = n] section, so it is no mdoc; check input.mdocs"
        )
    return mdoc


def parse_mdoc(data: bytes) -> Mdoc:
    r"""Return what the bytes of an mdoc say; odd lines are kept and noted, never fatal.

    Examples
    --------
    >>> mdoc = parse_mdoc(b"T = SerialEM\r\n[ZValue = 0]\r\nTiltAngle = -3.0\r\nSubFramePath = D:\\a b\\x.tif\r\n")
    >>> mdoc.titles, mdoc.sections[0].number("TiltAngle"), mdoc.sections[0].file_name()
    (('SerialEM',), -3.0, 'x.tif')
    """
    head: list[Entry] = []
    titles: list[str] = []
    blocks: list[tuple[str, str, int, list[Entry]]] = []
    notes: list[str] = []
    here = head
    for number, raw in enumerate(_LINE_END.split(_decode(data)), 1):
        text = raw.strip("\0 \t\v\f")
        if not text:
            continue
        found = _HEADER.fullmatch(text)
        entry = None if found else _ENTRY.fullmatch(text)
        if found and found["kind"] == _TITLE:
            titles.append(found["value"])
        elif found:
            here = []
            blocks.append((found["kind"], found["value"], number, here))
        elif entry and entry["key"] == _TITLE:
            titles.append(entry["value"])
        else:
            here.append(Entry(entry["key"], entry["value"], number) if entry else Entry("", text, number))
            if not entry and not text.startswith("#"):
                notes.append(f'line {number}: "{text[:40]}" is no key with a value; kept as it stands')
    sections = tuple(Section(kind, value, tuple(entries), line) for kind, value, line, entries in blocks)
    return Mdoc(tuple(head), tuple(titles), sections, (*notes, *_duplicates(sections)))


def mdoc_text(mdoc: Mdoc) -> str:
    """Return an mdoc's text as SerialEM lays it out, every key kept."""
    lines = [_line(entry) for entry in mdoc.head]
    for title in mdoc.titles:
        lines += ["", f"[T = {title}]"]
    for section in mdoc.sections:
        lines += ["", f"[{section.kind} = {section.value}]", *(_line(entry) for entry in section.entries)]
    return "\n".join([*lines, ""])


def write_mdoc(path: Path, mdoc: Mdoc) -> None:
    """Write an mdoc, whole or not at all.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    write_text(path, mdoc_text(mdoc))


def parse_time(text: str) -> datetime | None:
    """Return the time that DateTime tells, without a zone, or None.

    Examples
    --------
    >>> parse_time("30-Nov-15  15:21:38"), parse_time("2024-08-01T15:27:36"), parse_time("soon")
    (datetime.datetime(2015, 11, 30, 15, 21, 38), datetime.datetime(2024, 8, 1, 15, 27, 36), None)
    """
    text = " ".join(text.split())
    found = _SERIALEM_TIME.fullmatch(text)
    if found and found[2].lower() in _MONTHS:
        date = (_century(found[3]), _MONTHS.index(found[2].lower()) + 1, int(found[1]))
    else:
        found = _ISO_TIME.fullmatch(text)
        if not found:
            return None
        date = (int(found[1]), int(found[2]), int(found[3]))
    try:
        return datetime(*date, int(found[4]), int(found[5]), int(found[6]))  # noqa: DTZ001 (mdocs know no time zone)
    except ValueError:
        return None


def number_in(word: str) -> float | None:
    """Return a number, a decimal comma allowed; None for NaN, infinity and what is no number."""
    try:
        value = float(word.replace(",", ".") if word.count(",") == 1 and "." not in word else word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _century(year: str) -> int:
    """Return the year; SerialEM wrote two digits, all of this century."""
    return int(year) if len(year) == 4 else 2000 + int(year)


def _decode(data: bytes) -> str:
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", errors="replace").lstrip("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.removeprefix(b"\xef\xbb\xbf").decode("cp1252", errors="replace")


def _line(entry: Entry) -> str:
    return f"{entry.key} = {entry.value}" if entry.key else entry.value


def _duplicates(sections: Sequence[Section]) -> list[str]:
    """Return a note for each section whose number was used before."""
    first: dict[tuple[str, str], int] = {}
    notes = []
    for section in sections:
        key = (section.kind, section.value)
        if key in first:
            notes.append(
                f"line {section.line}: [{section.kind} = {section.value}] stands already in line {first[key]}; both are kept"
            )
        first.setdefault(key, section.line)
    return notes
