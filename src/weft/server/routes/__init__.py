"""The routes, one file for each part of the page."""

from __future__ import annotations

from fastapi import APIRouter

from weft.server.routes import decisions, events, items, logs, pictures, project, runs, series, settings, verbs

__all__ = ["all_routers"]


def all_routers() -> list[APIRouter]:
    """Return every part's routes."""
    parts = (project, items, pictures, decisions, settings, runs, series, verbs, logs, events)
    return [part.router for part in parts]
