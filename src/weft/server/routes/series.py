"""Tilt series: as they are, as an import would make them, suggestions, exports."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends

from weft.server.exports import exports_of
from weft.server.models_series import ExportOut, HandOut, ImportOut, SeriesOut, SetHandOut, Suggestions
from weft.server.series import import_preview, series_out
from weft.server.site import RECENT_S, Site, site_of

router = APIRouter(prefix="/api", tags=["series"])
Here = Annotated[Site, Depends(site_of)]


@router.get("/series")
def get_series(site: Here) -> list[SeriesOut]:
    """Return the imported series; before an import, those that it would make."""
    return series_out(site.store.project)


@router.get("/series/{name}/hand")
def get_hand(site: Here, name: str) -> HandOut:
    """Return what the defocus gradients of a series say of its handedness."""
    site.look(max_age_s=RECENT_S)
    return site.hands.judge(name)


@router.get("/hand")
def get_set_hand(site: Here) -> SetHandOut:
    """Return what the defocus gradients of all series together say of the handedness."""
    site.look(max_age_s=RECENT_S)
    return site.hands.judge_all()


@router.post("/import/preview")
def preview_import(site: Here) -> ImportOut:
    """Return what an import would make; nothing is written."""
    return import_preview(site.store.project)


@router.get("/suggestions")
def get_suggestions(site: Here) -> Suggestions:
    """Return what speaks against images, series by series; nothing is dropped."""
    site.look(max_age_s=RECENT_S)
    return site.advisor.all()


@router.get("/exports")
def get_exports(site: Here, target: Literal["imod", "dynamo", "aretomo", "relion", "warp"] = "imod") -> list[ExportOut]:
    """Return what was written for each series, against what is decided now."""
    return exports_of(site.store.project, site.store.snapshot, target)
