"""Runs: start, stop, how it stands."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from weft.server.models import RunIn, RunOut, StopIn
from weft.server.runs import start_run, stop_run
from weft.server.site import Site, site_of

router = APIRouter(prefix="/api/run", tags=["run"])
Here = Annotated[Site, Depends(site_of)]


@router.get("")
def get_run(site: Here) -> RunOut:
    """Return how the newest run stands."""
    site.look()
    return RunOut(**site.follower.summary())


@router.post("/start")
def start_processing(site: Here, body: RunIn) -> RunOut:
    """Start a run that goes on without the page."""
    names = [site.store.require(name) for name in body.items]
    start_run(site.store.project, names, retry=body.retry, redo=body.redo)
    site.look(force=True)
    return RunOut(**site.follower.summary())


@router.post("/stop")
def stop_processing(site: Here, body: StopIn) -> RunOut:
    """Stop the run after the movies in hand, or now."""
    stop_run(site.store.project, now=body.now)
    site.look()
    return RunOut(**site.follower.summary())
