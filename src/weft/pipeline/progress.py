"""The run's log: events as JSON lines, the same that ``run --json`` prints and the page receives."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weft.io.machine import machine_errors

__all__ = ["Event", "RunLog"]

Event = dict[str, Any]


@dataclass
class RunLog:
    """Writes each event to ``log/run-*.jsonl`` and hands it on.

    Parameters
    ----------
    out : Path
        The project's output folder.
    listener : callable, optional
        Called with each event after it is written.
    """

    out: Path
    listener: Callable[[Event], None] | None = None
    path: Path = field(init=False)

    def __post_init__(self) -> None:
        """Choose the file's name."""
        now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        self.path = self.out / "log" / f"run-{now}-{socket.gethostname()}-{os.getpid()}.jsonl"
        with machine_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)

    def emit(self, event: str, **facts: Any) -> None:
        """Write one event."""
        data: Event = {"t": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **facts}
        line = json.dumps(data, ensure_ascii=False)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError:
            # a full disk must not hide the event that says so
            data["log_lost"] = True
        if self.listener is not None:
            self.listener(data)
