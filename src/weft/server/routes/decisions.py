"""Decisions: taken, taken back, read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends

from weft.pipeline import decide as deciding
from weft.server.models import DecisionIn, DecisionOut, EventOut, ItemOut, UndoIn
from weft.server.site import Site, site_of
from weft.state import decisions

router = APIRouter(prefix="/api/decisions", tags=["decisions"])
Here = Annotated[Site, Depends(site_of)]


@router.get("")
def get_decisions(site: Here) -> list[EventOut]:
    """Return all events in order."""
    return [_out(event) for event in decisions.read(site.store.project.out)]


@router.post("")
def decide(site: Here, body: DecisionIn) -> DecisionOut:
    """Write a decision down; when the answer comes, it is on disk."""
    names = [site.store.require(name) for name in body.items]
    event = deciding.decide(
        site.store.project, names, body.verb, reason=body.reason.strip(), by=body.by.strip(), event_id=body.key
    )
    return _answer(site, event)


@router.post("/undo")
def undo(site: Here, body: UndoIn) -> DecisionOut:
    """Take back a decision."""
    return _answer(site, deciding.undo(site.store.project, by=body.by.strip(), event_id=body.event))


@router.post("/redo")
def redo(site: Here, body: UndoIn) -> DecisionOut:
    """Take back the latest undo."""
    return _answer(site, deciding.redo(site.store.project, by=body.by.strip()))


def _answer(site: Site, event: decisions.Event) -> DecisionOut:
    site.look()
    by_id = {one.id: one for one in decisions.read(site.store.project.out)}
    about = event
    while about.verb == "undo" and about.undoes in by_id:
        about = by_id[about.undoes]
    snapshot = site.store.snapshot
    items = [ItemOut(**snapshot.item(name)) for name in about.items if name in snapshot.places]
    return DecisionOut(event=_out(event), items=items)


def _out(event: decisions.Event) -> EventOut:
    return EventOut(**{**asdict(event), "items": list(event.items)})
