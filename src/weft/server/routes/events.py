"""The one stream of events that a page listens to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from weft.server.runs import LogTail
from weft.server.site import Site, site_of

router = APIRouter(prefix="/api/events", tags=["events"])
Here = Annotated[Site, Depends(site_of)]

_PING_S = 15.0
_QUEUE_LENGTH = 512
_EVENT_ID = re.compile(r"(run-[^/\\:]+\.jsonl):(\d{1,15})")


@router.get("", response_class=StreamingResponse)
async def get_events(site: Here, request: Request) -> StreamingResponse:
    """Stream events (server-sent events); goes on behind `Last-Event-ID`, which names a log and an offset in it."""
    missed = await asyncio.to_thread(_missed, site, request.headers.get("last-event-id", ""))
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_stream(site, missed), media_type="text/event-stream", headers=headers)


async def _stream(site: Site, missed: list[str]) -> AsyncIterator[str]:
    queue: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue(_QUEUE_LENGTH)
    site.hub.queues.add(queue)
    try:
        yield f'retry: 1000\n\nevent: hello\ndata: {{"revision":{site.store.snapshot.revision}}}\n\n'
        for text in missed:
            yield text
        while True:
            try:
                kind, data, event_id = await asyncio.wait_for(queue.get(), _PING_S)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if kind == "bye":
                return
            yield _format(kind, data, event_id)
    finally:
        site.hub.queues.discard(queue)


def _format(kind: str, data: str, event_id: str) -> str:
    return f"{f'id: {event_id}' + chr(10) if event_id else ''}event: {kind}\ndata: {data}\n\n"


def _missed(site: Site, last: str) -> list[str]:
    """Return the log events behind the last one that the page has seen."""
    import json

    found = _EVENT_ID.fullmatch(last)
    if found is None:
        return []
    path = site.store.project.out / "log" / found[1]
    if path not in set((site.store.project.out / "log").glob("run-*.jsonl")):
        return []
    events = LogTail(path, int(found[2])).read()
    return [
        _format("log", json.dumps({"log": path.name, "offset": at, **event}), f"{path.name}:{at}")
        for at, event in events[-1000:]
    ]
