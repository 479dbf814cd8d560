"""A run that looks as if it were going: its claim, its log, and records that appear when a test says so."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weft.state.locks import claim

__all__ = ["FakeRun", "fake_run"]


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

    def finish(self, name: str, changes: Mapping[str, Mapping[str, Any]]) -> None:
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
    out = folder / "weft"
    who = f"{socket.gethostname()}-{os.getpid()}"
    (out / "log").mkdir(exist_ok=True)
    run = FakeRun(out, out / "log" / f"run-{datetime.now(UTC):%Y%m%d-%H%M%S}-{who}.jsonl")
    held = claim(out / "claims" / f"run-{who}.claim", settings="")
    assert held is not None
    try:
        run.say("run_started", total=total, up_to_date=0, dropped=0, pid=os.getpid(), host=socket.gethostname())
        for name in in_hand:
            run.say("item_started", item=name, stages=["motion", "ctf"])
        yield run
    finally:
        run.say("run_finished")
        held.release()
