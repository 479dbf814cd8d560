"""Wait for the gain reference and the defects that ``weft watch`` is to use: programs write them with the first movie."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from weft.cli.output import json_line, message
from weft.errors import Interrupted, MissingError

if TYPE_CHECKING:
    from weft.cli.verb import Call
    from weft.state.project import Project

__all__ = ["await_references"]

_HEED_S = 0.2  # a signal is heeded within this time


def await_references(call: Call, project: Project, *, interval_s: float, quiet_s: float | None) -> None:
    """Wait until the files that `input.gain` and `input.defects` name are there and have stopped growing; at once if they are.

    All the while the project is held, as by the watching that follows.

    Parameters
    ----------
    call : Call
        Flags.
    project : Project
        Folder and settings.
    interval_s : float
        Seconds between looks.
    quiet_s : float, optional
        Give up after this time without a new movie.

    Raises
    ------
    BusyError
        If another process works here with other settings.
    Interrupted
        If a signal ended it.
    MissingError
        If they did not come.
    """
    from weft.pipeline.run import registered, stop_signals

    given = {f"input.{key}": getattr(project.settings.input, key) for key in ("gain", "defects")}
    paths = {key: project.folder / path for key, path in given.items() if path is not None}
    missing = {key: path for key, path in paths.items() if not path.exists()}
    if not missing:
        return
    names = " and ".join(f"{path} ({key})" for key, path in missing.items())
    with registered(project, watches=True), stop_signals() as stop:
        _tell(call, names, missing)
        movies, last = set(project.found_movies()), time.monotonic()
        seen: dict[str, int] = {}
        still = threading.Event()
        while True:
            until = time.monotonic() + interval_s
            while not stop.asked and (left := until - time.monotonic()) > 0:
                still.wait(min(left, _HEED_S))
            if stop.asked:
                raise Interrupted(f"stopped waiting for {names}; no movie was processed")
            before, seen = seen, _sizes(missing)
            if seen == before and len(seen) == len(missing) and all(seen.values()):
                return
            now = set(project.found_movies())
            if now != movies:
                movies, last = now, time.monotonic()
            elif not seen and quiet_s is not None and time.monotonic() - last > quiet_s:
                raise MissingError(
                    f"{names}: has not come, and no new movie either, so {len(movies)} movies are not processed; "
                    "correct the setting, or copy the file there"
                )


def _tell(call: Call, names: str, missing: dict[str, Path]) -> None:
    if call.json:
        json_line({"event": "waiting", "files": {key: str(path) for key, path in missing.items()}})
    elif not call.quiet:
        message(f"waiting for {names}: not there yet; movies are processed as soon as it is (Ctrl-C ends it)")


def _sizes(paths: dict[str, Path]) -> dict[str, int]:
    """Return the sizes of those files that are there."""
    found = {}
    for key, path in paths.items():
        try:
            found[key] = path.stat().st_size
        except FileNotFoundError:
            continue
    return found
