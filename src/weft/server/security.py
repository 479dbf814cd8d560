"""Who may ask: token, Host, Origin, size of the body, read-only; and the headers that every answer carries.

The page is reached through a forwarded port on machines that many people share, so every request must show the
token of this start, and nothing that a browser sends by itself (cookies, Basic) is ever accepted. Host and Origin are
checked because a foreign web page can make the user's browser ask us (DNS rebinding).
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

__all__ = ["LOCAL_HOSTS", "READ_ONLY_POSTS", "Guard", "GuardSettings"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
READ_ONLY_POSTS = frozenset({"/api/settings/check", "/api/suggest", "/api/import/preview"})  # they change nothing
MAX_BODY_BYTES = 16 * 1024 * 1024  # a painted mask of 4096 × 4096 pixels

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """What is let through.

    Parameters
    ----------
    token : str
        The secret of this start.
    read_only : bool
        Refuse everything that writes.
    hosts : frozenset of str
        Names that the Host header may give, without port.
    """

    token: str
    read_only: bool = False
    hosts: frozenset[str] = LOCAL_HOSTS


class Guard:
    """ASGI middleware that refuses before any route is looked up.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    settings : GuardSettings
        The rules' parameters.
    """

    def __init__(self, app: App, settings: GuardSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no WebSockets
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        await self._app(scope, _limited(receive), _with_headers(send, is_api=_is_api(scope)))

    def _refusal(self, scope: MutableMapping[str, Any]) -> tuple[int, str, str] | None:
        """Return status, code and sentence of the rule that a request breaks, None if it may pass."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if _without_port(host) not in self._settings.hosts:
            sentence = f"this server answers for localhost, not for {host[:80]!r}; see --allow-host of `weft serve`"
            return 421, "wrong_host", sentence
        origin = headers.get(b"origin")
        if origin is not None and origin not in {f"http://{host}", f"https://{host}"}:
            return 403, "foreign_origin", "another web page asked; only Weft's own page may"
        if headers.get(b"sec-fetch-site", "none") not in {"none", "same-origin"} and _is_api(scope):
            return 403, "foreign_origin", "another web page asked; only Weft's own page may"
        length = headers.get(b"content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return 413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes"
        if _is_api(scope):
            return self._api_refusal(scope, headers)
        if scope["method"] not in {"GET", "HEAD"}:
            return 405, "wrong_method", "the page itself can only be read"
        return None

    def _api_refusal(
        self, scope: MutableMapping[str, Any], headers: MutableMapping[bytes, str]
    ) -> tuple[int, str, str] | None:
        shown = headers.get(b"authorization", "")
        expected = f"Bearer {self._settings.token}"
        if not hmac.compare_digest(shown.encode("latin-1", "replace"), expected.encode()):
            return (
                401,
                "no_token",
                "the token is missing or of an earlier start; open the link that `weft serve` printed",
            )
        writes = scope["method"] not in {"GET", "HEAD"} and scope["path"] not in READ_ONLY_POSTS
        if self._settings.read_only and writes:
            return 403, "read_only", "this page was started with --read-only; nothing can be changed here"
        return None


def _is_api(scope: MutableMapping[str, Any]) -> bool:
    return bool(scope["path"] == "/api" or scope["path"].startswith("/api/"))


def _without_port(host: str) -> str:
    """Return the name in a Host header, in lower case.

    Examples
    --------
    >>> _without_port("[::1]:8765"), _without_port("LOCALHOST:80")
    ('[::1]', 'localhost')
    """
    if host.startswith("["):
        return host[: host.find("]") + 1].lower()
    return host.partition(":")[0].lower()


def _limited(receive: Receive) -> Receive:
    """Count the bytes of a body that told no length."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return {"type": "http.disconnect"} if seen > MAX_BODY_BYTES else message

    return counted


def _with_headers(send: Send, *, is_api: bool) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            names = {name.lower() for name, _ in headers}
            more: Iterable[tuple[bytes, bytes]] = _HEADERS
            if is_api and b"cache-control" not in names:
                more = (*_HEADERS, (b"cache-control", b"no-store"))
            message["headers"] = [*headers, *more]
        await send(message)

    return sent


async def _refuse(send: Send, status: int, code: str, sentence: str) -> None:
    body = json.dumps({"error": {"code": code, "message": sentence}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"cache-control", b"no-store"), *_HEADERS]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
