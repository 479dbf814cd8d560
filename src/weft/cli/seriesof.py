"""The tilt series that ``hand``, ``suggest`` and ``report`` are about: imported ones, or those that the mdocs tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weft.errors import MissingError

if TYPE_CHECKING:
    from weft.series.table import TiltSeries
    from weft.state.project import Project

__all__ = ["series_of"]


def series_of(project: Project, patterns: Sequence[str] = ()) -> list[TiltSeries]:
    """Return the series that are meant, all if none is named.

    Raises
    ------
    MissingError
        If there are none, or a name fits none.
    """
    from weft.series.known import known_series
    from weft.state.ids import match_ids

    series = known_series(project)
    if not series:
        raise MissingError(
            f"{project.folder}: no tilt series is known; set input.mdocs to the mdoc files, or series.pattern to how the "
            "movies' names tell series and angle"
        )
    if not patterns:
        return series
    names = set(match_ids(patterns, sorted(one.name for one in series)))
    return [one for one in series if one.name in names]
