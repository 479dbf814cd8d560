"""All checks of a project, in order."""

from __future__ import annotations

import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from weft import __version__
from weft.check.finding import LEVELS, Finding, Input
from weft.check.gains import check_gains
from weft.check.mdocs import check_mdocs
from weft.check.names import check_names
from weft.check.pixels import check_pixels
from weft.check.space import check_space
from weft.check.stacks import check_stacks
from weft.errors import SettingsError, WeftError
from weft.movie.open import MovieInfo, header_settings, open_movie
from weft.series.match import SeriesFound, build_series
from weft.settings.doubts import doubts_of
from weft.settings.schema import InputSettings
from weft.state.index import Index
from weft.state.project import Project

__all__ = ["check_project"]

_READERS = 8  # headers wait for the disk, not for the processor


def check_project(project: Project, *, names: Collection[str] | None = None) -> list[Finding]:
    """Return what was found, errors first.

    Parameters
    ----------
    project : Project
        Settings and folder; nothing is written but the index, which remembers what headers say.
    names : collection of str, optional
        Look only into these movies' files; all are counted.
    """
    found = project.found_movies()
    single = {name: paths[0] for name, paths in found.items() if len(paths) == 1}
    movies, faults = _headers({name: path for name, path in single.items() if names is None or name in names}, project)
    mdocs = project.mdocs()
    findings: list[Finding] = []
    series: SeriesFound | None = None
    if mdocs or project.settings.series.pattern is not None:
        try:
            series = build_series(mdocs, list(single.values()), project.settings)
        except SettingsError as error:
            findings.append(Finding("error", "series_pattern", str(error), where="series.pattern", stops="input"))
    given = Input(project, found, movies, faults, mdocs, series)
    for name, sentence in doubts_of(project.settings).items():
        what, _, fix = sentence.partition("; ")
        findings.append(Finding("warning", "settings", what, fix, name))
    for check in (check_names, check_stacks, check_mdocs, check_gains, check_pixels, check_space):
        findings += check(given)
    return sorted(findings, key=lambda one: LEVELS.index(one.level))


def _headers(paths: dict[str, Path], project: Project) -> tuple[dict[str, MovieInfo], dict[str, str]]:
    """Return what the headers say, and a sentence for each that cannot be read; only new or changed files are opened."""
    settings = project.settings.input
    faults: dict[Path, str] = {}
    opened: dict[Path, MovieInfo] = {}

    def read(those: list[Path]) -> dict[Path, tuple[str, str]]:
        with ThreadPoolExecutor(_READERS) as pool:
            for path, result in zip(those, pool.map(lambda path: _header(path, settings), those), strict=True):
                if isinstance(result, str):
                    faults[path] = result
                else:
                    opened[path] = result
        return {path: (json.dumps(info.to_json()), info.identity) for path, info in opened.items()}

    way = json.dumps([__version__, header_settings(settings)])
    kept = Index(project.out).headers(paths.values(), way, read)
    movies = {
        name: opened.get(path) or MovieInfo.from_json(path, json.loads(kept[path]))
        for name, path in paths.items()
        if path in kept
    }
    return movies, {name: faults[path] for name, path in paths.items() if path in faults}


def _header(path: Path, settings: InputSettings) -> MovieInfo | str:
    try:
        return open_movie(path, settings).info
    except WeftError as error:
        return str(error)
    except OSError as error:
        return f"{path.name}: cannot be read ({error.strerror}); check the file and its permissions"
