"""One primitive for who works on what: files made with O_EXCL, kept fresh by a heartbeat.

Network file systems do not all keep fcntl locks; making a file exclusively works on all of them. A claim
belongs to a process on a host. It is dead when its process is gone (same host) or when it has not been
touched for `STALE_SECONDS` (another host).
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from weft.errors import BusyError
from weft.io.machine import machine_errors

__all__ = ["Claim", "beating", "claim", "holder", "is_alive", "locked"]

STALE_SECONDS = 90.0
HEARTBEAT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A file that says that this process works on something; release it when done."""

    path: Path
    token: str
    is_inherited: bool = False  # from a dead owner, who may have left files half-written

    def touch(self) -> None:
        """Say that the work goes on."""
        with suppress(FileNotFoundError):
            os.utime(self.path)

    def is_ours(self) -> bool:
        """Whether nobody has taken it over meanwhile."""
        return (holder(self.path) or {}).get("token") == self.token

    def release(self) -> None:
        """Give it up."""
        if self.is_ours():
            self.path.unlink(missing_ok=True)


def claim(path: Path, **facts: Any) -> Claim | None:
    """Claim something, taking over from the dead.

    Parameters
    ----------
    path : Path
        The claim's file.
    **facts : Any
        Kept in the file beside host, pid and token.

    Returns
    -------
    Claim or None
        None if a living process holds it.
    """
    for attempt in range(3):
        made = _make(path, facts)
        if made is not None:
            return replace(made, is_inherited=attempt > 0)
        if is_alive(path):
            return None
        _bury(path)
    return None


def holder(path: Path) -> dict[str, Any] | None:
    """Return what a claim says, or None if there is none (or one being written this moment)."""
    try:
        data = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def is_alive(path: Path) -> bool:
    """Whether the process behind a claim still works."""
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return False
    data = holder(path)
    if data is None:  # not yet written, or torn by a kill: only age tells
        return age < HEARTBEAT_SECONDS
    if data.get("host") == socket.gethostname():
        return _process_lives(int(data.get("pid", -1)), data.get("started"))
    return age < STALE_SECONDS


@contextmanager
def beating(held: Claim) -> Iterator[None]:
    """Keep a claim fresh, whatever else this process does."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            held.touch()

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        stop.set()


@contextmanager
def locked(path: Path, *, patience_s: float = 30.0) -> Iterator[None]:
    """Hold a claim for a short moment, waiting for others.

    Raises
    ------
    BusyError
        If another process keeps it for longer than `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    while (held := claim(path)) is None:
        if time.monotonic() > deadline:
            raise BusyError(f"{path}: held by another process for {patience_s:.0f} s; remove it if nothing runs")
        threading.Event().wait(0.01)
    try:
        yield
    finally:
        held.release()


def _make(path: Path, facts: dict[str, Any]) -> Claim | None:
    token = uuid.uuid4().hex
    data = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": _start_time(os.getpid()),
        "token": token,
        **facts,
    }
    with machine_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return None
        try:
            os.write(fd, json.dumps(data).encode())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
    return Claim(path, token)


def _bury(path: Path) -> None:
    """Put a dead claim aside; if a living one was caught instead (two buried at once), put it back."""
    dead = holder(path)
    grave = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.rename(grave)
    except FileNotFoundError:
        return
    if holder(grave) != dead:
        with suppress(FileExistsError):
            os.link(grave, path)
    grave.unlink(missing_ok=True)


def _process_lives(pid: int, started: str | None) -> bool:
    """Whether the process exists and is the same one, not a later one with its number."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    now = _start_time(pid)
    return started is None or now is None or now == started


def _start_time(pid: int) -> str | None:
    """Return when a process started in the kernel's ticks (Linux), None elsewhere or for a zombie's ghost."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "zombie" if fields[0] in {"Z", "X"} else fields[19]
