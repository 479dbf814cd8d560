"""Progress of a run on stderr: a live bar on a terminal, else a plain line now and then."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from weft.cli.output import is_terminal, message

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Listener", "duration_text", "plain_progress", "rate_text", "run_progress"]

Listener = Callable[[dict[str, Any]], None]
LINE_EVERY_S = 30.0


@contextlib.contextmanager
def run_progress(*, quiet: bool = False, every_s: float = LINE_EVERY_S) -> Iterator[Listener]:
    """Give a listener for a run's events that shows how far it is.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    every_s : float
        Seconds between lines where there is no terminal.
    """
    if quiet or not is_terminal(sys.stderr):
        yield plain_progress(quiet=quiet, every_s=every_s)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        yield _live(bar)


def plain_progress(*, quiet: bool = False, every_s: float = LINE_EVERY_S) -> Listener:
    """Return a listener that writes plain lines; see `run_progress`. Failures are counted here and listed at the end."""
    pace = _Pace()
    last = time.monotonic()

    def listen(event: Mapping[str, Any]) -> None:
        nonlocal last
        kind = event["event"]
        pace.hear(event)
        if quiet:
            return
        if kind == "run_started" and pace.total:
            message(f"{pace.total} to do, {event['up_to_date']} up to date, {event['dropped']} left out")
        elif kind in {"item_done", "item_failed"} and time.monotonic() - last >= every_s:
            last = time.monotonic()
            message(f"{pace.done} of {pace.total} done{pace.failures()}, {pace.text()}")

    return listen


def _live(bar: Progress) -> Listener:
    pace = _Pace()
    task = bar.add_task("starting", total=None, rate="")
    at_work: dict[str, str] = {}

    def listen(event: Mapping[str, Any]) -> None:
        kind, item = event["event"], event.get("item", "")
        pace.hear(event)
        if kind == "item_started":
            at_work[item] = str(event["stages"][0]) if event["stages"] else ""
        elif kind == "stage_done":
            at_work[item] = f"{event['stage']} done"
        else:
            at_work.pop(item, None)
        failure = _failure(event)
        if failure:
            bar.console.print(failure, markup=False, highlight=False)
        shown = ", ".join(f"{name}: {stage}" for name, stage in list(at_work.items())[:2]) or "weft run"
        bar.update(task, total=pace.total or None, completed=pace.done, description=shown, rate=pace.text())

    return listen


def _failure(event: Mapping[str, Any]) -> str:
    if event["event"] == "item_failed":
        return f"failed: {event['message']}"
    return str(event["message"]) if event["event"] == "machine" else ""


class _Pace:
    """How many items are done, how fast, how long it will take."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.total = 0
        self.done = 0
        self.failed = 0

    def hear(self, event: Mapping[str, Any]) -> None:
        """Count an event."""
        if event["event"] == "run_started":
            self.total = int(event["total"])
            self.began = time.monotonic()
            self.done = self.failed = 0  # `weft watch` makes one run after the other
        elif event["event"] in {"item_done", "item_failed"} and event.get("total"):
            self.done += 1
            self.failed += event["event"] == "item_failed"

    def failures(self) -> str:
        """Return how many failed in words; empty if none."""
        return f", {self.failed} of them failed" if self.failed else ""

    def text(self) -> str:
        """Return rate and time left in words."""
        return rate_text(self.done, self.total, time.monotonic() - self.began)


def rate_text(done: int, total: int, seconds: float) -> str:
    """Return rate and time left in words; empty if they cannot be told yet.

    Examples
    --------
    >>> rate_text(10, 40, 120)
    '5.0 movies/min, about 6 min 0 s left'
    """
    if not done or seconds <= 0:
        return ""
    rate = done / seconds
    speed = f"{rate * 60:.1f} movies/min" if rate < 1 else f"{rate:.1f} movies/s"
    return f"{speed}, about {duration_text(max(0, total - done) / rate)} left"


def duration_text(seconds: float) -> str:
    """Return a duration for people.

    Examples
    --------
    >>> duration_text(42), duration_text(90), duration_text(7300)
    ('42 s', '1 min 30 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
