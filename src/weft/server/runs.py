"""Runs of the pipeline as the page sees them: started as detached children, followed by their logs, stopped by signals.

The server never computes. A run that it starts is a process of its own session: closing the page or the server leaves
it at work, and the next server finds it by its claim and its log.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from weft.errors import BusyError, InputError, MissingError
from weft.pipeline.run import current_runs
from weft.state.project import Project

__all__ = ["LogTail", "RunFollower", "ask_verb", "command", "start_run", "stop_run", "verb_environment"]

Event = dict[str, Any]
_START_PATIENCE_S = 20.0
_RATE_WINDOW = 40  # finished movies from which the rate is told: follows changes, and does not jump


def command(verb: str, *words: str) -> list[str]:
    """Return the command line of one of Weft's verbs in this installation."""
    return [sys.executable, "-m", "weft", verb, *words]


def verb_environment() -> dict[str, str]:
    """Return the environment of child processes: plain output, UTF-8."""
    return {**os.environ, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}


def ask_verb(
    folder: Path, verb: str, *words: str, patience_s: float, gently: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a verb with ``--json`` to its end and return what it said.

    Parameters
    ----------
    folder : Path
        The project's.
    verb, *words : str
        Names and flags checked by the caller.
    patience_s : float
        After so many seconds it is stopped.
    gently : bool
        Let everything else on the machine go first.

    Raises
    ------
    subprocess.TimeoutExpired
        If it took longer.
    """
    first = ["nice", "-n", "10"] if gently and shutil.which("nice") else []
    return subprocess.run(  # noqa: S603 (our own program)
        [*first, *command(verb, "--json", "-C", str(folder), *words)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=patience_s,
        check=False,
        env=verb_environment(),
    )


def start_run(project: Project, names: Sequence[str], *, retry: bool = False, redo: bool = False) -> dict[str, Any]:
    """Start ``weft run`` and return what its claim says, once it is at work.

    Parameters
    ----------
    project : Project
        Where.
    names : sequence of str
        Only these movies; all if empty.
    retry, redo : bool
        Try failed ones again; do everything again.

    Raises
    ------
    BusyError
        If a run is at work already.
    InputError
        If it ended at once; with what it said.
    """
    if runs := current_runs(project.out):
        raise BusyError(
            "`weft watch` is at work in this project and takes new movies by itself; stop it first"
            if any(run.get("watches") for run in runs)
            else "a run is at work in this project already; stop it first, or wait for it"
        )
    verb = ["retry", "--json"] if retry else ["run", "--json"] + (["--redo"] if redo else [])
    words = [*verb[1:], "-C", str(project.folder), *names]
    (project.out / "log").mkdir(parents=True, exist_ok=True)
    said = project.out / "log" / "page-run.err"
    with said.open("wb") as errors:
        child = subprocess.Popen(  # noqa: S603 (our own program, names checked against the project)
            command(verb[0], *words),
            cwd=project.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=verb_environment(),
            start_new_session=True,
        )
    _reap(child)
    return _await_claim(project, child, said)


def _reap(child: subprocess.Popen[bytes]) -> None:
    """Wait for the child in the background, so that it leaves no zombie that looks alive."""
    threading.Thread(target=child.wait, daemon=True).start()


def _await_claim(project: Project, child: subprocess.Popen[bytes], said: Path) -> dict[str, Any]:
    pause, deadline = threading.Event(), time.monotonic() + _START_PATIENCE_S
    while time.monotonic() < deadline:
        runs = current_runs(project.out)
        mine = [run for run in runs if run.get("pid") == child.pid] or runs
        if mine:
            return mine[0]
        if child.poll() is not None:
            text = said.read_text(encoding="utf-8", errors="replace").strip()
            if child.returncode in {0, 1}:  # nothing to do, or only failures
                return {"pid": child.pid, "host": socket.gethostname(), "ended": child.returncode}
            raise InputError(text.splitlines()[-1] if text else f"`weft run` ended with code {child.returncode}")
        pause.wait(0.05)
    return {"pid": child.pid, "host": socket.gethostname()}


def stop_run(project: Project, *, now: bool = False) -> list[int]:
    """Ask the runs on this machine to stop and return their process numbers.

    Parameters
    ----------
    project : Project
        Where.
    now : bool
        Do not wait for the movies in hand.

    Raises
    ------
    MissingError
        If none is at work.
    InputError
        If they work on other machines.
    """
    runs = current_runs(project.out)
    if not runs:
        raise MissingError("no run is at work")
    here = [int(run["pid"]) for run in runs if run.get("host") == socket.gethostname()]
    if not here:
        where = ", ".join(f"process {run['pid']} on {run['host']}" for run in runs)
        raise InputError(f"the run is on another machine ({where}); stop it there with `kill -INT PID`")
    for pid in here:
        for _ in range(2 if now else 1):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
    return here


@dataclass
class LogTail:
    """Reads the new events of one log file; a line that is not yet whole is left for the next time."""

    path: Path
    offset: int = 0

    def read(self) -> list[tuple[int, Event]]:
        """Return new events, each with the offset behind it."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read(4 << 20)
        except OSError:
            return []
        events = []
        end = data.rfind(b"\n") + 1
        for line in data[:end].splitlines(keepends=True):
            self.offset += len(line)
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    events.append((self.offset, event))
        return events


@dataclass
class RunFollower:
    """Follows the logs of a project's runs and knows what is in hand, how far it is and how fast.

    A watch makes one run with its own log at each look that finds something; here it is one run from its start on.

    Parameters
    ----------
    out : Path
        The project's output folder.
    """

    out: Path
    tails: dict[Path, LogTail] = field(default_factory=dict)
    states: dict[Path, _RunState] = field(default_factory=dict)  # by the first log of each
    whole: set[Path] = field(default_factory=set)
    watches: dict[str, Path] = field(default_factory=dict)  # token of a claim: the log that its watch began with

    def poll(self) -> tuple[list[tuple[str, int, Event]], bool]:
        """Return new events (log, offset, event), and whether the runs at work changed."""
        logs = sorted((self.out / "log").glob("run-*.jsonl"))
        before = {path for path, state in self.states.items() if state.is_alive}
        living = self._living(logs)
        followed = living | {path: self.states[path].of_process for path in before if path not in living}
        if not followed and not self.states and logs:
            followed = {logs[-1]: ""}
        events: list[tuple[str, int, Event]] = []
        for first, of_process in sorted(followed.items()):
            state = self.states.setdefault(first, _RunState(of_process=of_process))
            paths = (
                [path for path in logs if path >= first and path.name.endswith(of_process)] if of_process else [first]
            )
            for path in paths:
                for offset, event in self._fresh(path, is_last=path == paths[-1]):
                    state.take(event)
                    events.append((path.name, offset, event))
                state.log = path.name
            state.is_alive = first in living
        return events, before != set(living)

    @property
    def in_hand(self) -> set[str]:
        """Names of the movies that living runs work on."""
        return {name for state in self.states.values() if state.is_alive for name in state.in_hand}

    def summary(self) -> dict[str, Any]:
        """Return how the newest run stands, as the page shows it."""
        if not self.states:
            return {"is_running": False, "watches": False, "log": "", "done": 0, "total": 0, "failed": 0}
        first = max(self.states, key=lambda p: (self.states[p].is_alive, p.name))
        return self.states[first].facts()

    def _living(self, logs: Sequence[Path]) -> dict[Path, str]:
        """Return the first log of each living run; and how the names of its process's logs end, if it watches."""
        found = {}
        for run in current_runs(self.out):
            of_process = f"-{run.get('host')}-{run.get('pid')}.jsonl"
            mine = [path for path in logs if path.name.endswith(of_process)]
            if not mine:
                continue
            token = str(run.get("token", ""))
            if run.get("watches") and token not in self.watches:
                # the newest one: a process before may have had the same number
                begun = next((path for path in reversed(mine) if _begins_watch(path)), None)
                self.watches |= {token: begun} if begun else {}
            first = self.watches.get(token)
            found[first or mine[-1]] = of_process if first else ""
        return found

    def _fresh(self, path: Path, *, is_last: bool) -> list[tuple[int, Event]]:
        """Return new events of a log; one that others of its process follow is read to its end and then left alone."""
        if path in self.whole:
            return []
        events = self.tails.setdefault(path, LogTail(path)).read()
        if not is_last and not events:
            self.whole.add(path)
        return events


@dataclass
class _RunState:
    of_process: str = ""
    log: str = ""
    is_alive: bool = False
    total: int = 0
    done: int = 0
    began: str = ""
    last: str = ""
    pid: int = 0
    host: str = ""
    message: str = ""
    in_hand: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)  # names: each look of a watch tells again what failed before
    finished: list[float] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Take one event of the log into account."""
        kind, name = event.get("event"), str(event.get("item", ""))
        self.last = str(event.get("t", self.last))
        if kind in {"watch_started", "run_started"}:
            self.total += int(event.get("total", 0))
            self.began = self.began or self.last
            self.pid, self.host = int(event.get("pid", 0)), str(event.get("host", ""))
        elif kind == "item_started":
            self.in_hand[name] = str((event.get("stages") or [""])[0])
        elif kind == "stage_done" and name in self.in_hand:
            self.in_hand[name] = str(event.get("stage", ""))
        elif kind in {"item_done", "item_failed"}:
            self._finish(name, has_failed=kind == "item_failed")
        elif kind == "machine":
            self.message = str(event.get("message", ""))
        elif kind == "run_finished":
            self.in_hand.clear()

    def _finish(self, name: str, *, has_failed: bool) -> None:
        (self.failed.add if has_failed else self.failed.discard)(name)
        if self.in_hand.pop(name, None) is not None:
            self.done += 1
            self.finished = [*self.finished[-_RATE_WINDOW:], _seconds(self.last)]

    def facts(self) -> dict[str, Any]:
        """Return counts, rate and the time that is left."""
        rate = None
        if self.finished and self.began:
            # workers finish together: from the beginning as long as the window reaches back to it
            is_window_full = len(self.finished) > _RATE_WINDOW
            since = self.finished[0] if is_window_full else _seconds(self.began)
            rate = (len(self.finished) - is_window_full) / max(1e-3, self.finished[-1] - since)
        left = max(0, self.total - self.done)
        return {
            "is_running": self.is_alive,
            "watches": bool(self.of_process),
            "log": self.log,
            "total": self.total,
            "done": self.done,
            "failed": len(self.failed),
            "began": self.began,
            "last": self.last,
            "pid": self.pid,
            "host": self.host,
            "message": self.message,
            "in_hand": dict(self.in_hand),
            "per_minute": round(rate * 60, 2) if rate else None,
            "left_s": round(left / rate) if rate and left and self.is_alive else None,
        }


def _begins_watch(path: Path) -> bool:
    events = LogTail(path).read()
    return bool(events) and events[0][1].get("event") == "watch_started"


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return time.time()
