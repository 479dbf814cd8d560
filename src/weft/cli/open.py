"""``weft open``: the page of a project on another machine, through the user's own ssh."""

from __future__ import annotations

import contextlib
import json
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Annotated, Any

from cyclopts import Parameter

from weft.cli.output import json_line, message, say
from weft.cli.verb import Here, make_app
from weft.errors import MachineError, UsageError

app = make_app(
    "open",
    "weft open me@cluster:/data/hiv\nweft open workstation:hiv --weft /opt/weft/bin/weft",
    takes_settings=False,
)
_PATIENCE_S = 60.0


@app.default
def open_(
    place: Annotated[str, Parameter(help="HOST:PROJECT, as ssh and scp write it.")],
    *,
    weft: Annotated[str, Parameter(help="The weft command there.")] = "weft",
    port: Annotated[int, Parameter(help="Port here; any free one if 0.")] = 0,
    browser: Annotated[bool, Parameter(negative="--no-browser", help="Open the link in a browser.")] = True,
    read_only: Annotated[bool, Parameter(help="Refuse everything that changes anything.")] = False,
    call: Here,
) -> int:
    """Start the page of a project on another machine and show it here; processing there goes on when this ends."""
    host, colon, folder = place.partition(":")
    if not colon or not host or host.startswith("-"):
        raise UsageError(f"weft open {place}: write HOST:PROJECT, such as me@cluster:/data/hiv")
    words = [weft, "serve", "--socket", "--json", "--until-closed", "-C", folder or "."]
    words += ["--read-only"] if read_only else []
    with _remote_server(host, shlex.join(words)) as (server, facts):
        local = port or _free_port()
        link = f"http://localhost:{local}/#{facts['link'].partition('#')[2]}"
        with _tunnel(host, local, facts["socket"]) as tunnel:
            if call.json:
                json_line({"schema": "weft.open/1", "link": link, "port": local, "host": host})
            else:
                say(f"Weft is at  {link}")
                say("Ctrl+C stops the page; processing goes on.")
            if browser and not call.json:
                import webbrowser

                webbrowser.open(link)
            _wait(server, tunnel)
    return 0


@contextlib.contextmanager
def _remote_server(host: str, command: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Start the server there; it ends when our end of its standard input closes."""
    server = subprocess.Popen(  # noqa: S603 (the user's ssh; every word is quoted for the shell there)
        ["ssh", "-T", host, command],  # noqa: S607 (whatever ssh the user has)
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
    )
    try:
        yield server, _first_line(server, host)
    finally:
        with contextlib.suppress(OSError):
            server.stdin.close()  # type: ignore[union-attr]
        _end(server)


def _first_line(server: subprocess.Popen[str], host: str) -> dict[str, Any]:
    assert server.stdout is not None
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(server.stdout.readline()), daemon=True)  # type: ignore[union-attr]
    reader.start()
    reader.join(_PATIENCE_S)
    try:
        facts = json.loads(found[0])
        assert isinstance(facts, dict)
    except (IndexError, ValueError, AssertionError):
        raise MachineError(
            f"{host}: `weft serve` did not start there; try it by hand, and give --weft if it is not on the path"
        ) from None
    return facts


@contextlib.contextmanager
def _tunnel(host: str, port: int, remote_socket: str) -> Iterator[subprocess.Popen[bytes]]:
    tunnel = subprocess.Popen(  # noqa: S603
        ["ssh", "-N", "-T", "-o", "ExitOnForwardFailure=yes", "-L", f"{port}:{remote_socket}", host],  # noqa: S607
        stdin=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not _answers(port):
            if tunnel.poll() is not None or time.monotonic() > deadline:
                raise MachineError(
                    f"{host}: the tunnel to {remote_socket} could not be made; does sshd allow forwarding?"
                )
            threading.Event().wait(0.1)
        yield tunnel
    finally:
        _end(tunnel)


def _wait(*processes: subprocess.Popen[Any]) -> None:
    """Wait until one of them ends or the user has enough."""
    try:
        while all(process.poll() is None for process in processes):
            threading.Event().wait(0.3)
        message("the connection ended")
    except KeyboardInterrupt:
        return


def _end(process: subprocess.Popen[Any]) -> None:
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait(5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
