"""The application: routes, guard, the built page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles

from weft import __version__
from weft.server.faults import install_handlers
from weft.server.models import ErrorOut
from weft.server.routes import all_routers
from weft.server.security import Guard, GuardSettings
from weft.server.site import Site

__all__ = ["PAGE", "make_app", "openapi_schema"]

PAGE = Path(__file__).resolve().parent.parent / "web"
_ERRORS: dict[int | str, dict[str, Any]] = {"default": {"model": ErrorOut, "description": "An error"}}


def make_app(site: Site, guard: GuardSettings) -> FastAPI:
    """Return the application for one project.

    Parameters
    ----------
    site : Site
        The project on show.
    guard : GuardSettings
        Who may ask.
    """
    app = _routes(_lifespan)
    app.state.site = site
    if (PAGE / "assets").is_dir():
        app.mount("/assets", StaticFiles(directory=PAGE / "assets"), name="assets")

    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"cache-control": "no-cache"})

    app.add_middleware(Guard, settings=guard)
    return app


def openapi_schema() -> dict[str, Any]:
    """Return the OpenAPI document, from which the page's types are generated."""
    return _routes(None).openapi()


def _routes(lifespan: Any) -> FastAPI:
    app = FastAPI(
        title="Weft",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
        responses=_ERRORS,
        generate_unique_id_function=_operation_id,
    )
    install_handlers(app)
    for router in all_routers():
        app.include_router(router)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    site: Site = app.state.site
    watching = asyncio.create_task(site.watch())
    try:
        yield
    finally:
        watching.cancel()
        for queue in list(site.hub.queues):
            queue.put_nowait(("bye", "", ""))
