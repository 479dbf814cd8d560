"""Live processing: new movies are taken as they become whole."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.errors import Interrupted
from weft.pipeline.plan import make_plan
from weft.pipeline.progress import RunLog
from weft.pipeline.run import registered, run, stop_signals
from weft.state.project import Project

__all__ = ["Watched", "Watcher", "watch"]

_HEED_S = 0.2  # a signal is heeded within this time


@dataclass
class Watcher:
    """Tells which movies have stopped growing: same size and time in two looks.

    Network file systems do not announce what other machines write, so the folder is looked at again and again.
    """

    seen: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def whole(self, project: Project) -> set[str]:
        """Return the names of movies whose files have not changed since the look before."""
        names = set()
        for name, path in project.movies().items():
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            now = (status.st_size, status.st_mtime_ns)
            if self.seen.get(path) == now and status.st_size > 0:
                names.add(name)
            self.seen[path] = now
        return names


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of the watching: movies finished, and names and sentences of those that failed."""

    done: int
    failed: dict[str, str]


def watch(
    project: Project,
    *,
    interval_s: float = 10.0,
    quiet_s: float | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
    each_look: Callable[[float | None], None] | None = None,
) -> Watched:
    """Process movies as they arrive, until interrupted or until nothing came for `quiet_s`.

    All the while, also between two looks, the project is held: others work here with equal settings only.

    Parameters
    ----------
    project : Project
        Folder and settings.
    interval_s : float
        Seconds between looks.
    quiet_s : float, optional
        End after this time without anything to do.
    on_event : callable, optional
        Called with each event of each run, first of all with ``watch_started``.
    each_look : callable, optional
        Called after each look with the time (monotonic), at the end with None: for series and stacks.

    Raises
    ------
    BusyError
        If another process works here with other settings.
    Interrupted
        If a signal ended it; the state is whole.
    WeftError
        See `weft.pipeline.run.run`.
    """
    tell_time = each_look or (lambda _now: None)
    watcher = Watcher()
    watcher.whole(project)
    done, last = 0, time.monotonic()
    failed: dict[str, str] = {}
    with registered(project, watches=True), stop_signals() as stop:
        # each look is a run with its own log; this says where those of one watch begin
        RunLog(project.out, on_event).emit("watch_started", pid=os.getpid(), host=socket.gethostname())
        while True:
            _pause(interval_s, lambda: stop.asked > 0)
            if stop.asked:
                raise Interrupted(f"stopped watching after {done} movies; the state is whole")
            names = watcher.whole(project)
            if make_plan(project, names=names).to_run:
                summary = run(project, names=names, is_registered=True, on_event=on_event)
                done, last = done + summary.done, time.monotonic()
                failed |= dict(summary.failed)
            elif quiet_s is not None and time.monotonic() - last > quiet_s:
                tell_time(None)
                return Watched(done, failed)
            tell_time(time.monotonic())


def _pause(seconds: float, is_over: Callable[[], bool]) -> None:
    """Wait, but not on when it is over."""
    until, still = time.monotonic() + seconds, threading.Event()
    while not is_over() and (left := until - time.monotonic()) > 0:
        still.wait(min(left, _HEED_S))
