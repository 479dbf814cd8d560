"""Stacks while movies still arrive: each series once, when it is finished.

A program that watches the stacks may never look twice, so a stack must not appear before its series is complete. Nobody
says when that is: the list of images has stood still for a while, and all of them are processed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.errors import ItemFailed
from weft.export.chosen import Chosen, choose, require_images
from weft.export.imod import StackOptions, StackResult, write_stack
from weft.export.tomostar import write_series_list
from weft.series.match import build_series
from weft.series.store import with_relative_mdoc, write_series
from weft.series.table import TiltSeries
from weft.state.project import Project

__all__ = ["LiveStacks"]


@dataclass
class LiveStacks:
    """Writes the stack of each series that is finished.

    Parameters
    ----------
    project : Project
        Mdocs, movies and averages.
    still_s : float
        So long the list of a series' images must not have changed.
    """

    project: Project
    still_s: float
    _seen: Any = None
    _series: dict[str, TiltSeries] = field(default_factory=dict)
    _since: dict[str, tuple[Any, float]] = field(default_factory=dict)
    _written: dict[str, Any] = field(default_factory=dict)

    def look(self, now: float | None) -> Iterator[StackResult | str]:
        """Yield the stacks written, and a sentence for each that could not be.

        Parameters
        ----------
        now : float or None
            Seconds of a clock that never goes back; None if nothing more will come.
        """
        self._read(now or 0.0)
        ready = []
        for name, one in self._series.items():
            images, since = self._since[name]
            if (now is None or now - since >= self.still_s) and self._written.get(name) != images:
                ready.append(one)
        if not ready:
            return
        write_series(self.project.out, [with_relative_mdoc(one, self.project.folder) for one in ready])
        for chosen in choose(self.project, ready):
            if chosen.waiting or any(tilt.movie is None for tilt in chosen.series.tilts):
                continue
            self._written[chosen.series.name] = self._since[chosen.series.name][0]
            yield self._write(chosen)

    def _read(self, now: float) -> None:
        """Make the series anew if a file has changed, and note since when each is what it is."""
        marks = tuple(filter(None, map(_mark, self.project.mdocs())))
        movies = self.project.movies()
        seen = (marks, tuple(movies))
        if seen == self._seen:
            return
        self._seen = seen
        found = build_series([path for path, *_ in marks], list(movies.values()), self.project.settings)
        self._series = {one.name: one for one in found.series}
        for name, one in self._series.items():
            images = tuple((tilt.file, tilt.tilt_deg, tilt.time) for tilt in one.tilts)
            if self._since.get(name, (None,))[0] != images:
                self._since[name] = (images, now)

    def _write(self, chosen: Chosen) -> StackResult | str:
        try:
            require_images(chosen, self.project.settings.series.min_tilts, incomplete=False)
            result = write_stack(self.project, chosen, StackOptions())
        except ItemFailed as error:
            return str(error)
        try:
            write_series_list(self.project, chosen)
        except ItemFailed:  # without exposures; `weft import` tells
            self.project.path("tomostar", chosen.series.name).unlink(missing_ok=True)
        return result


def _mark(path: Path) -> tuple[Path, int, int] | None:
    """Return an mdoc with its size and time; None if it has gone this moment."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return path, status.st_size, status.st_mtime_ns
