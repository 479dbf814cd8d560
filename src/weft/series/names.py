"""What names tell: series, place in the order, angle; and names that every program takes."""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from weft.errors import SettingsError
from weft.io.names import stem_of

__all__ = ["NOT_AMONG", "MovieNames", "NamePattern", "Told", "nearest_name", "plain_name", "series_stem", "unique_name"]

_WITH_TILT = r"(?P<series>.+)[_-](?P<index>\d{1,5})_\[?(?P<angle>[+-]\d+(?:\.\d+)?|\d+\.\d+)\]?(?:_.*)?"
_WITH_INDEX = r"(?P<series>.+)_(?P<index>\d{1,5})"
_FIELDS = {
    "{series}": r"(?P<series>.+)",
    "{index}": r"(?P<index>\d+)",
    "{angle}": r"(?P<angle>[+-]?\d+(?:\.\d+)?)",
    "*": ".*",
}
_ENDINGS = re.compile(r"(_fractions|_eer|_frames)$", re.IGNORECASE)
_NEAR_DEG = 1.0  # names are rounded
_MOST_COMPARED = 500  # names; a comparison takes some 50 µs
NOT_AMONG = "is not among the movies"


@dataclass(frozen=True, slots=True)
class Told:
    """What a name tells; a missing part is empty or None."""

    series: str = ""
    index: int | None = None
    angle_deg: float | None = None


@dataclass(frozen=True, slots=True)
class NamePattern:
    """How names are read: as programs usually write them, or by a pattern of the user's.

    Parameters
    ----------
    pattern : str or None
        With ``{series}``, ``{index}``, ``{angle}`` and ``*``; None for the usual ways.

    Raises
    ------
    SettingsError
        If the pattern makes no sense.
    """

    pattern: str | None = None
    _found: tuple[re.Pattern[str], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        texts = (_WITH_TILT, _WITH_INDEX) if self.pattern is None else (_regex(self.pattern),)
        object.__setattr__(self, "_found", tuple(re.compile(text) for text in texts))

    def read(self, name: str) -> Told:
        """Return what a movie's name tells.

        Examples
        --------
        >>> NamePattern().read("TS_01_039_-60.0")
        Told(series='TS_01', index=39, angle_deg=-60.0)
        >>> NamePattern("{series}_{angle}_*").read("pos3_12.0_Jun01")
        Told(series='pos3', index=None, angle_deg=12.0)
        """
        for regex in self._found:
            match = regex.fullmatch(name)
            if match:
                parts = match.groupdict()
                index, angle = parts.get("index"), parts.get("angle")
                return Told(parts.get("series") or "", int(index) if index else None, float(angle) if angle else None)
        return Told()


class MovieNames:
    """Finds movies by the names that mdocs tell.

    Parameters
    ----------
    movies : iterable of Path
        The files.
    names : NamePattern
        How names are read.
    """

    def __init__(self, movies: Iterable[Path], names: NamePattern) -> None:
        self.paths: dict[str, Path] = {stem_of(path): path for path in movies}
        self._names = names
        self._lower: dict[str, list[str]] = {}
        self._bare: dict[str, list[str]] = {}
        self._places: dict[tuple[str, int | None], list[tuple[str, float | None]]] = {}
        for name in self.paths:
            self._lower.setdefault(name.lower(), []).append(name)
            self._bare.setdefault(_bare(name), []).append(name)
            told = names.read(name)
            if told.series:
                self._places.setdefault((told.series.lower(), told.index), []).append((name, told.angle_deg))

    def find(self, file: str, series: str, angle_deg: float | None) -> tuple[str | None, str]:
        """Return the movie that a section means, and the reason if there is none or it is doubtful.

        Its stem decides; then its stem without regard to case, then without endings such as ``_fractions``; then what its
        name tells of series, index and angle. Without a file name only series and angle can tell.
        """
        stem = stem_of(file)
        if stem in self.paths:
            return stem, ""
        for table, key in ((self._lower, stem.lower()), (self._bare, _bare(stem))):
            found = table.get(key, []) if stem else []
            if len(found) == 1:
                return found[0], ""
        return self._by_place(file, series, angle_deg)

    def _by_place(self, file: str, series: str, angle_deg: float | None) -> tuple[str | None, str]:
        told = self._names.read(stem_of(file)) if file else Told(series)
        entries: list[tuple[str, float | None]] = []
        if told.series and told.index is not None:
            entries = self._places.get((told.series.lower(), told.index), [])
        elif not file:
            entries = [entry for (name, _), group in self._places.items() if name == series.lower() for entry in group]
        angle = told.angle_deg if told.angle_deg is not None else angle_deg
        near = [name for name, at in entries if at is not None and angle is not None and abs(at - angle) <= _NEAR_DEG]
        if len(near) == 1:
            return near[0], ""
        if len(near) > 1:
            return None, f"{' and '.join(sorted(near)[:3])} may be meant"
        return None, f"{file} {NOT_AMONG}" if file else "the mdoc names no movie (SubFramePath)"


def nearest_name(file: str, names: Collection[str]) -> str:
    """Return the name that is most like a file's, so that people see how they differ; empty if none is.

    Parameters
    ----------
    file : str
        As an mdoc gives it.
    names : collection of str
        Of the movies; of very many only those next to it in the alphabet are compared.

    Examples
    --------
    >>> nearest_name("TS_01_039_-60.0.tif", ["TS_01_039_-60", "TS_01_001_3", "grid_map"])
    'TS_01_039_-60'
    """
    wanted = stem_of(file).lower()
    by_lower = {name.lower(): name for name in names}
    lower = sorted(by_lower)
    if len(lower) > _MOST_COMPARED:
        place = bisect_left(lower, wanted)
        lower = lower[max(0, place - _MOST_COMPARED // 2) : place + _MOST_COMPARED // 2]
    return next((by_lower[name] for name in difflib.get_close_matches(wanted, lower, n=1)), "")


def series_stem(path: Path) -> str:
    """Return a series' name from its mdoc's: without ``.mdoc`` and without an image's ending.

    Examples
    --------
    >>> series_stem(Path("mdoc/TS_01.mrc.mdoc")), series_stem(Path("TS_01.mdoc"))
    ('TS_01', 'TS_01')
    """
    name = path.name
    return stem_of(name[:-5] if name.lower().endswith(".mdoc") else name)


def plain_name(name: str) -> str:
    """Return a name that every program takes: letters, digits, ``_`` and ``-``, not a mere number.

    Examples
    --------
    >>> plain_name("pos 3+4.5"), plain_name("017"), plain_name("TS_01")
    ('pos_3_4_5', 'TS_017', 'TS_01')
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-") or "series"
    return f"TS_{plain}" if plain.isdigit() else plain


def unique_name(name: str, path: Path, taken: Mapping[str, object]) -> str:
    """Return a name not yet taken, the folder before it where two sessions use the same one."""
    if name in taken:
        name = plain_name(f"{path.parent.name}_{name}")
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    return unique


def _bare(name: str) -> str:
    return _ENDINGS.sub("", name.lower())


def _regex(pattern: str) -> str:
    if "{series}" not in pattern or not ("{index}" in pattern or "{angle}" in pattern):
        raise SettingsError(
            f'series.pattern = "{pattern}": needs {{series}} and {{index}} or {{angle}}, for example {{series}}_{{index}}_{{angle}}'
        )
    parts = re.split(r"(\{series\}|\{index\}|\{angle\}|\*)", pattern)
    if len([part for part in parts if part in _FIELDS and part != "*"]) != len(
        {p for p in parts if p in _FIELDS and p != "*"}
    ):
        raise SettingsError(f'series.pattern = "{pattern}": names a part twice; once each is enough')
    return "".join(_FIELDS.get(part) or re.escape(part) for part in parts)
