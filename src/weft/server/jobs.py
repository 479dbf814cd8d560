"""Other verbs started from the page (check, stacks, exports): children whose JSON output is kept while the page looks on."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from weft.errors import BusyError, MissingError
from weft.server.readback import ReadBack, read_back
from weft.server.runs import command, verb_environment

__all__ = ["Job", "Jobs"]

_KEPT = 20
_WRITERS = {"stack", "export"}
_MOST_LINES = 5000


@dataclass
class Job:
    """One verb at work or ended.

    Parameters
    ----------
    id : str
        Random.
    verb : str
        Which.
    words : tuple of str
        Its arguments.
    """

    id: str
    verb: str
    words: tuple[str, ...]
    began: float = field(default_factory=time.time)
    exit_code: int | None = None
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    read_back: ReadBack | None = None

    def facts(self) -> dict[str, Any]:
        """Return what the page gets: state, progress lines, the document, what was said on stderr."""
        output, events = _parsed(self.lines)
        return {
            "id": self.id,
            "verb": self.verb,
            "command": " ".join(["weft", self.verb, *self.words]),
            "began": self.began,
            "exit_code": self.exit_code,
            "is_running": self.exit_code is None,
            "document": output,
            "events": events[-200:],
            "message": "\n".join(self.errors[-12:]),
            "read_back": asdict(self.read_back) if self.read_back else None,
        }


class Jobs:
    """Starts verbs and keeps what they said.

    Parameters
    ----------
    folder : Path
        The project's.
    on_change : callable
        Called when a job said something or ended.
    """

    def __init__(self, folder: Path, on_change: Callable[[Job], None]) -> None:
        self._folder = folder
        self._on_change = on_change
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(self, verb: str, words: Sequence[str]) -> Job:
        """Start a verb with ``--json``.

        Raises
        ------
        BusyError
            If the same verb is still at work.
        """
        with self._lock:
            if any(job.verb == verb and job.exit_code is None for job in self._jobs.values()):
                raise BusyError(f"`weft {verb}` is still at work; wait for it, or stop it first")
            job = Job(uuid.uuid4().hex[:12], verb, tuple(words))
            job.process = subprocess.Popen(  # noqa: S603 (our own program, arguments checked by the routes)
                command(verb, "--json", "-C", str(self._folder), *words),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=verb_environment(),
                start_new_session=True,
            )
            self._jobs[job.id] = job
            for old in list(self._jobs)[:-_KEPT]:
                if self._jobs[old].exit_code is not None:
                    del self._jobs[old]
        threading.Thread(target=self._follow, args=(job,), daemon=True).start()
        return job

    def get(self, job_id: str) -> Job:
        """Return a job.

        Raises
        ------
        MissingError
            If there is none of this id.
        """
        if job_id not in self._jobs:
            raise MissingError("there is no such job any more")
        return self._jobs[job_id]

    def latest(self, verb: str) -> Job | None:
        """Return the newest job of a verb."""
        return next((job for job in reversed(self._jobs.values()) if job.verb == verb), None)

    def stop(self, job_id: str) -> Job:
        """Ask a job to stop; what is finished stays."""
        job = self.get(job_id)
        if job.process is not None and job.exit_code is None:
            with suppress(ProcessLookupError):
                job.process.send_signal(2)
        return job

    def _follow(self, job: Job) -> None:
        process = job.process
        assert process is not None
        assert process.stdout is not None
        assert process.stderr is not None
        errors = threading.Thread(target=_drain, args=(process.stderr, job.errors), daemon=True)
        errors.start()
        last = 0.0
        for line in process.stdout:
            if len(job.lines) < _MOST_LINES:
                job.lines.append(line)
            if time.monotonic() - last > 0.2:
                last = time.monotonic()
                self._on_change(job)
        errors.join(5)
        code = process.wait()
        try:
            if job.verb in _WRITERS:
                job.read_back = read_back(job.facts()["document"])
        finally:
            job.exit_code = code
            self._on_change(job)


def _drain(stream: Any, into: list[str]) -> None:
    for line in stream:
        into.append(line.rstrip("\n"))
        del into[:-200]


def _parsed(lines: Sequence[str]) -> tuple[Any, list[Any]]:
    """Return the JSON document of a verb's output and the events before it.

    A verb prints one document over many lines, or one event a line.
    """
    text = "".join(lines)
    with suppress(ValueError):
        return json.loads(text), []
    events, rest = [], []
    for number, line in enumerate(lines):
        try:
            events.append(json.loads(line))
        except ValueError:
            rest = list(lines[number:])
            break
    with suppress(ValueError):
        return json.loads("".join(rest)), events
    return (events[-1] if events else None), events
