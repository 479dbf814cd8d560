"""Logs of the runs, as events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from weft.errors import MissingError
from weft.server.models import LogLines, LogOut
from weft.server.runs import LogTail
from weft.server.site import Site, site_of

router = APIRouter(prefix="/api/logs", tags=["logs"])
Here = Annotated[Site, Depends(site_of)]


@router.get("")
def get_logs(site: Here) -> list[LogOut]:
    """Return the runs' logs, newest first."""
    logs = sorted((site.store.project.out / "log").glob("run-*.jsonl"), reverse=True)
    return [LogOut(name=p.name, size_bytes=p.stat().st_size, modified=p.stat().st_mtime) for p in logs[:100]]


@router.get("/{name}")
def get_log(site: Here, name: str, offset: Annotated[int, Query(ge=0)] = 0) -> LogLines:
    """Return the events of a log from an offset on, at most some thousands."""
    known = {path.name: path for path in (site.store.project.out / "log").glob("run-*.jsonl")}
    if name not in known:
        raise MissingError("there is no such log in this project")
    tail = LogTail(known[name], offset)
    events = [{**event, "offset": at} for at, event in tail.read()]
    return LogLines(name=name, offset=tail.offset, is_end=tail.offset >= known[name].stat().st_size, events=events)
