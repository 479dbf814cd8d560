"""``weft serve``: show the project in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from weft.cli.output import json_line, message, say
from weft.cli.verb import Here, make_app

app = make_app(
    "serve",
    "weft serve\n"
    "weft serve --socket                # for machines that many share\n"
    "weft serve --read-only --no-open   # a screen to look at",
    takes_settings=False,
)


@app.default
def serve(
    *,
    port: Annotated[int | None, Parameter(help="8765, or the next free one, if not given.")] = None,
    socket: Annotated[bool, Parameter(help="Listen on a Unix socket instead of a port.")] = False,
    socket_path: Annotated[Path | None, Parameter(help="Where the socket is; chosen if not given.")] = None,
    host: Annotated[
        str, Parameter(help="Address to listen on; anything but loopback lets other machines try.")
    ] = "127.0.0.1",
    allow_host: Annotated[
        tuple[str, ...], Parameter(help="Another name that the page may be reached by (behind a proxy).")
    ] = (),
    read_only: Annotated[bool, Parameter(help="Refuse everything that changes anything.")] = False,
    open_: Annotated[
        bool, Parameter(name="--open", negative="--no-open", help="Open the link in a browser here, if there is one.")
    ] = True,
    until_closed: Annotated[bool, Parameter(help="End when standard input is closed; `weft open` uses it.")] = False,
    call: Here,
) -> int:
    """Show the project in a browser: look, decide, start and stop runs. Prints one link; runs go on without the page."""
    from weft.server import serve as serve_project

    folder = call.project().folder
    if host not in {"127.0.0.1", "localhost", "::1"}:
        message(f"listening on {host}: everybody who can reach this machine can try to open the page")
    if until_closed:
        _end_with_stdin()
    serve_project(
        folder,
        host=host,
        port=port,
        socket=socket_path or (True if socket else None),
        read_only=read_only,
        open_browser=open_ and _has_screen() and not call.json,
        allow_hosts=allow_host,
        say=message if call.json or call.quiet else say,
        on_ready=_tell_ready if call.json else None,
    )
    return 0


def _tell_ready(facts: dict[str, Any]) -> None:
    json_line({"schema": "weft.serve/1", **facts})


def _has_screen() -> bool:
    import os
    import sys

    if os.environ.get("SSH_CONNECTION") or os.environ.get("SLURM_JOB_ID"):
        return False
    return sys.platform in {"darwin", "win32"} or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _end_with_stdin() -> None:
    """Interrupt this process when whoever started it has gone."""
    import os
    import signal
    import sys
    import threading

    def wait() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()
