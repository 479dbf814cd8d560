"""What a check says, and what all checks look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from weft.movie.open import MovieInfo
from weft.series.match import SeriesFound
from weft.state.project import Project

__all__ = ["LEVELS", "Finding", "Input", "listed"]

Level = Literal["error", "warning", "info", "ok"]
LEVELS: tuple[Level, ...] = ("error", "warning", "info", "ok")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Parameters
    ----------
    level : str
        ``error`` (something will fail or be wrong), ``warning`` (look at it), ``info``, ``ok`` (looked at, right).
    code : str
        For programs: what kind of doubt.
    message : str
        What and where, without full stop.
    fix : str
        How to mend it; empty if there is nothing to do.
    where : str
        File or setting.
    stops : str
        ``input`` or ``machine`` if a run could do nothing at all; else empty.
    """

    level: Level
    code: str
    message: str
    fix: str = ""
    where: str = ""
    stops: Literal["", "input", "machine"] = ""

    @property
    def sentence(self) -> str:
        """What, where and how to mend it."""
        return f"{self.message}; {self.fix}" if self.fix else self.message

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Input:
    """What lies there, read once for all checks.

    Parameters
    ----------
    project : Project
        Settings and folder.
    found : dict of str to list of Path
        The files of each movie's name.
    movies : dict of str to MovieInfo
        Movies whose header could be read.
    faults : dict of str to str
        Sentences about those whose header could not.
    mdocs : list of Path
        The mdoc files.
    series : SeriesFound or None
        What they make; None if there are no mdocs and no pattern.
    """

    project: Project
    found: Mapping[str, list[Path]]
    movies: Mapping[str, MovieInfo]
    faults: Mapping[str, str]
    mdocs: list[Path]
    series: SeriesFound | None


def listed(names: list[str], most: int = 3) -> str:
    """Return names as people write them.

    Examples
    --------
    >>> listed(["a", "b"]), listed(["a", "b", "c", "d", "e"])
    ('a and b', 'a, b, c and 2 more')
    """
    if len(names) <= most:
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
