"""The tilt series of a project: the imported ones, or those that an import would make."""

from __future__ import annotations

from weft.series.match import build_series
from weft.series.store import read_series
from weft.series.table import TiltSeries
from weft.state.project import Project

__all__ = ["known_series"]


def known_series(project: Project) -> list[TiltSeries]:
    """Return the imported series; before an import, those that mdocs and ``series.pattern`` tell.

    Raises
    ------
    InputError
        If a file of an imported series is damaged.
    SettingsError
        If ``series.pattern`` makes no sense.
    """
    imported = read_series(project.out)
    if imported:
        return imported
    return list(build_series(project.mdocs(), list(project.movies().values()), project.settings).series)
