"""``weft serve``: bind, print one link, serve until interrupted."""

from __future__ import annotations

import secrets
import socket as sockets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from weft.errors import BusyError
from weft.server.app import make_app
from weft.server.listen import default_socket_path, listen_tcp, listen_unix, tunnel_lines
from weft.server.security import LOCAL_HOSTS, GuardSettings
from weft.server.site import Site
from weft.state.locks import claim, holder

__all__ = ["serve"]


def serve(
    project_folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    socket: Path | bool | None = None,
    read_only: bool = False,
    open_browser: bool = False,
    allow_hosts: Sequence[str] = (),
    say: Callable[[str], None] = lambda _text: None,
    on_ready: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Show a project in the browser until interrupted; runs that were started go on.

    Parameters
    ----------
    project_folder : Path
        Holds ``weft.toml``.
    host : str
        Address to listen on; anything but loopback is the user's own decision.
    port : int, optional
        8765, or the next free one, if not given.
    socket : Path or True, optional
        Listen on a Unix socket instead; True chooses its path.
    read_only : bool
        Refuse everything that writes.
    open_browser : bool
        Open the link here.
    allow_hosts : sequence of str
        More names that the page may be reached by.
    say : callable
        Takes the lines for people.
    on_ready : callable, optional
        Takes link, port and socket once the server listens.

    Raises
    ------
    MissingError, SettingsError
        If there is no project, or its settings are wrong.
    BusyError
        If this project is already shown from here, or the port is taken.
    """
    import uvicorn

    site = Site(project_folder, read_only=read_only)
    held = claim(site.store.project.out / "claims" / f"page-{sockets.gethostname()}.claim") if not read_only else None
    if held is None and not read_only:
        known = holder(site.store.project.out / "claims" / f"page-{sockets.gethostname()}.claim") or {}
        raise BusyError(f"{project_folder}: process {known.get('pid')} shows this project already; use its link")
    token = secrets.token_urlsafe(32)
    guard = GuardSettings(token, read_only, LOCAL_HOSTS | {name.lower() for name in allow_hosts} | _own(host))
    path = default_socket_path(site.store.folder) if socket is True else socket or None
    try:
        listening = listen_unix(Path(path)) if path else listen_tcp(host, port)
        shown_port = (port or 8765) if path else listening.getsockname()[1]
        link = f"http://{_shown_host(host)}:{shown_port}/#t={token}"
        _announce(say, link, str(path) if path else f"localhost:{shown_port}", shown_port, is_socket=bool(path))
        if on_ready is not None:
            on_ready({"link": link, "port": shown_port, "socket": str(path) if path else None, "read_only": read_only})
        if open_browser and not path:
            _open(link)
        config = uvicorn.Config(
            make_app(site, guard), log_level="critical", access_log=False, server_header=False,
            timeout_graceful_shutdown=2, proxy_headers=False,
        )  # fmt: skip
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        if path:
            with suppress(OSError):
                Path(path).unlink()
        if held is not None:
            held.release()


def _announce(say: Callable[[str], None], link: str, target: str, port: int, *, is_socket: bool) -> None:
    say(f"Weft is at  {link}")
    if is_socket:
        say("It listens on a socket that only you can open; make the tunnel first, from here or from your laptop:")
    else:
        say("From your laptop, make a tunnel and open the same link there:")
    for line in tunnel_lines(target, port):
        say(f"  {line}")
    say("Ctrl+C stops the page; processing goes on.")


def _own(host: str) -> set[str]:
    """Return the names under which a server bound to other addresses is reached."""
    if host in {"127.0.0.1", "::1", "localhost"}:
        return set()
    if host in {"0.0.0.0", "::"}:  # noqa: S104 (asked for by the user)
        return {sockets.gethostname().lower(), sockets.getfqdn().lower()}
    return {host.lower(), f"[{host.lower()}]"}


def _shown_host(host: str) -> str:
    if host in {"127.0.0.1", "::1", "localhost"}:
        return "localhost" if host != "::1" else "[::1]"
    return sockets.gethostname() if host in {"0.0.0.0", "::"} else host  # noqa: S104


def _open(link: str) -> None:
    import webbrowser

    timer = threading.Timer(0.5, webbrowser.open, (link,))
    timer.daemon = True
    timer.start()
