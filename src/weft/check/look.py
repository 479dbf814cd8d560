"""All checks of a project, in order."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from weft.check.finding import LEVELS, Finding, Input
from weft.check.gains import check_gains
from weft.check.mdocs import check_mdocs
from weft.check.names import check_names
from weft.check.pixels import check_pixels
from weft.check.space import check_space
from weft.errors import SettingsError, WeftError
from weft.movie.open import MovieInfo, open_movie
from weft.series.match import SeriesFound, build_series
from weft.settings.schema import InputSettings
from weft.state.project import Project

__all__ = ["check_project"]

_READERS = 8  # headers wait for the disk, not for the processor


def check_project(project: Project, *, names: Collection[str] | None = None) -> list[Finding]:
    """Return what was found, errors first.

    Parameters
    ----------
    project : Project
        Settings and folder; nothing is written.
    names : collection of str, optional
        Look only into these movies' files; all are counted.
    """
    found = project.found_movies()
    single = {name: paths[0] for name, paths in found.items() if len(paths) == 1}
    movies, faults = _headers(
        {name: path for name, path in single.items() if names is None or name in names}, project.settings.input
    )
    mdocs = project.mdocs()
    findings: list[Finding] = []
    series: SeriesFound | None = None
    if mdocs or project.settings.series.pattern is not None:
        try:
            series = build_series(mdocs, list(single.values()), project.settings)
        except SettingsError as error:
            findings.append(Finding("error", "series_pattern", str(error), where="series.pattern", stops="input"))
    given = Input(project, found, movies, faults, mdocs, series)
    for check in (check_names, check_mdocs, check_gains, check_pixels, check_space):
        findings += check(given)
    return sorted(findings, key=lambda one: LEVELS.index(one.level))


def _headers(paths: dict[str, Path], settings: InputSettings) -> tuple[dict[str, MovieInfo], dict[str, str]]:
    """Read all headers; return those that can be read and a sentence for each that cannot."""
    movies: dict[str, MovieInfo] = {}
    faults: dict[str, str] = {}
    with ThreadPoolExecutor(_READERS) as pool:
        for name, result in zip(paths, pool.map(lambda path: _header(path, settings), paths.values()), strict=True):
            if isinstance(result, str):
                faults[name] = result
            else:
                movies[name] = result
    return movies, faults


def _header(path: Path, settings: InputSettings) -> MovieInfo | str:
    try:
        return open_movie(path, settings).info
    except WeftError as error:
        return str(error)
    except OSError as error:
        return f"{path.name}: cannot be read ({error.strerror}); check the file and its permissions"
