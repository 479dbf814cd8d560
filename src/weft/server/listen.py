"""Where the server listens: a Unix socket that only its owner can open, or loopback."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from weft.errors import BusyError, MachineError

__all__ = ["default_socket_path", "listen_tcp", "listen_unix", "tunnel_lines"]

_LONGEST_SOCKET_PATH = 107  # what the kernel's address structure holds
_PORTS_TRIED = 50


def listen_tcp(host: str, port: int | None) -> socket.socket:
    """Return a listening socket on loopback (or where the user insists).

    Parameters
    ----------
    host : str
        Address.
    port : int or None
        None takes 8765, or the next one that is free.

    Raises
    ------
    BusyError
        If the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    tried = [port] if port is not None else [*range(8765, 8765 + _PORTS_TRIED), 0]
    for number in tried:
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host.strip("[]"), number))
        except OSError as error:
            listening.close()
            if port is not None:
                raise BusyError(f"port {port} of {host}: {error.strerror}; choose another with --port") from error
            continue
        listening.listen(128)
        return listening
    raise BusyError(f"no free port from 8765 on at {host}; choose one with --port")


def listen_unix(path: Path) -> socket.socket:
    """Return a listening Unix socket with mode 0600 in a folder of mode 0700.

    Notes
    -----
    It is bound here under a strict umask, because servers that bind by themselves open it to everybody.

    Raises
    ------
    BusyError
        If another server answers there.
    MachineError
        If the path is too long, or the folder is not ours alone.
    """
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        raise MachineError(f"{path}: too long for a socket (at most {_LONGEST_SOCKET_PATH} bytes); give --socket PATH")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.parent.stat()
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise MachineError(f"{path.parent}: must belong to you alone (chmod 700); or give --socket PATH elsewhere")
    if path.exists():
        if _answers(path):
            raise BusyError(f"{path}: another `weft serve` shows this project already")
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen(128)
    return listening


def default_socket_path(project: Path) -> Path:
    """Return a socket path that belongs to a project: in the user's runtime folder, else a private temporary one."""
    digest = hashlib.sha256(str(project).encode()).hexdigest()[:8]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) if runtime and Path(runtime).is_dir() else Path(tempfile.gettempdir()) / f"weft-{_uid()}"
    folder = base / "weft" if runtime and Path(runtime).is_dir() else base
    return folder / f"{project.name[:24]}-{digest}.sock"


def tunnel_lines(target: str, port: int) -> list[str]:
    """Return the ssh commands that bring the page to a laptop.

    Parameters
    ----------
    target : str
        What to forward to: ``localhost:PORT`` or a socket's path.
    port : int
        On the laptop.
    """
    user, host = _user(), socket.gethostname()
    job = os.environ.get("SLURM_JOB_ID")
    login = os.environ.get("SLURM_SUBMIT_HOST")
    if job and login and login != host:
        return [f"ssh -N -J {user}@{login} -L {port}:{target} {user}@{host}"]
    return [f"ssh -N -L {port}:{target} {user}@{host}"]


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        with suppress(OSError):
            probe.connect(str(path))
            return True
    return False


def _uid() -> int:
    return os.getuid() if sys.platform != "win32" else 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "you"
