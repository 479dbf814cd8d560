"""A run that looks as if it were going: its claim, its log, and records that appear when a test says so."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from weft.state.locks import claim

__all__ = ["FakeRun", "fake_run", "fake_watch"]

Changes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class FakeRun:
    """What the page takes for a living run of this process."""

    out: Path
    log: Path

    def say(self, event: str, **facts: Any) -> None:
        """Write an event into the log."""
        line = json.dumps({"t": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **facts})
        with self.log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def finish(self, name: str, changes: Changes) -> None:
        """Have a movie done, with a record that differs from the one that is there."""
        self.say("item_started", item=name, stages=["motion"])
        path = self.out / "records" / f"{name}.json"
        record = json.loads(path.read_text())
        for part, values in changes.items():
            record[part] = {**record[part], **values}
        fresh = path.with_name(f".{name}.new")
        fresh.write_text(json.dumps(record))
        fresh.replace(path)
        self.say("item_done", item=name, seconds=1.0)


@contextmanager
def fake_run(folder: Path, *, total: int, in_hand: tuple[str, ...] = ()) -> Iterator[FakeRun]:
    """Have a run under way in a project while the block lasts."""
    with _claimed(folder) as run:
        run.say("run_started", total=total, up_to_date=0, dropped=0, **_who())
        for name in in_hand:
            run.say("item_started", item=name, stages=["motion", "ctf"])
        yield run
        run.say("run_finished")


@contextmanager
def fake_watch(folder: Path) -> Iterator[Callable[[str, Changes], None]]:
    """Have a watch under way while the block lasts; what is returned has one movie arrive: a run and a log of its own."""
    with _claimed(folder, watches=True) as watch:
        watch.say("watch_started", **_who())
        looks = count(1)

        def arrive(name: str, changes: Changes) -> None:
            look = FakeRun(watch.out, _log_of(watch.out, next(looks)))
            look.say("run_started", total=1, up_to_date=0, dropped=0, **_who())
            look.finish(name, changes)
            look.say("run_finished")

        yield arrive


@contextmanager
def _claimed(folder: Path, **facts: Any) -> Iterator[FakeRun]:
    out = folder / "weft"
    (out / "log").mkdir(exist_ok=True)
    held = claim(out / "claims" / f"run-{socket.gethostname()}-{os.getpid()}.claim", settings="", **facts)
    assert held is not None
    try:
        yield FakeRun(out, _log_of(out))
    finally:
        held.release()


def _who() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname()}


def _log_of(out: Path, seconds: int = 0) -> Path:
    """Return the log of a run that begins so many seconds from now: times in their names tell logs apart."""
    began = datetime.now(UTC) + timedelta(seconds=seconds)
    return out / "log" / f"run-{began:%Y%m%d-%H%M%S}-{socket.gethostname()}-{os.getpid()}.jsonl"
