"""The tilt series that verbs are about (imported ones, or those that the mdocs tell), and whether their images are of now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weft.cli.output import counted
from weft.errors import MissingError, WeftError

if TYPE_CHECKING:
    from weft.export.chosen import Chosen
    from weft.series.table import TiltSeries
    from weft.state.project import Project

__all__ = ["series_of", "stale_averages", "told_stale"]


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


def stale_averages(project: Project, chosen: Sequence[Chosen]) -> list[str]:
    """Return the used images whose average was made with other settings or from another file than now."""
    from weft.pipeline.plan import make_plan

    names = {tilt.movie for one in chosen for tilt in one.used if tilt.movie}
    try:
        plan = make_plan(project, names=names)
    except WeftError:  # such as a gain reference that is gone: the averages are there all the same
        return []
    return [item.name for item in plan.items if item.state == "stale" and "average" in item.stages]


def told_stale(names: Sequence[str]) -> str:
    """Return a sentence about averages that are not of now."""
    shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    return (
        f"{counted(len(names), 'average')} not as the settings are now ({shown}): `weft run` makes them anew, "
        "`weft run --dry-run` tells why"
    )
