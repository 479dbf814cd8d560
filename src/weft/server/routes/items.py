"""Movies: all of them in columns, one of them in full."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from weft.errors import InputError
from weft.series.judgements import image_ctf
from weft.server.models import Columns, EventOut, InSeriesOut, ItemDetail, ItemOut, TrialIn, TrialOut
from weft.server.site import RECENT_S, Site, site_of
from weft.server.trial import try_ctf
from weft.state import decisions
from weft.state.project import Project
from weft.state.records import read_record

router = APIRouter(prefix="/api", tags=["items"])
Here = Annotated[Site, Depends(site_of)]


@router.get("/items", response_model=Columns)
def get_items(site: Here, request: Request) -> Response:
    """Return all movies in columns; compressed if the browser takes it."""
    site.look(max_age_s=RECENT_S)
    headers = {"content-type": "application/json"}
    is_compressed = "gzip" in request.headers.get("accept-encoding", "")
    if is_compressed:
        headers["content-encoding"] = "gzip"
    return Response(site.store.columns(compressed=is_compressed), headers=headers)


@router.get("/items/{name}")
def get_item(site: Here, name: str) -> ItemDetail:
    """Return everything about one movie, with the decisions that were ever taken about it."""
    name = site.store.require(name)
    project = site.store.project
    item = site.store.snapshot.item(name)
    record: dict[str, Any] | None = None
    with suppress(OSError, ValueError):
        record = json.loads(project.path("record", name).read_bytes())
    there = {kind: project.path(kind, name).exists() for kind in ("average", "even", "mask", "edited_mask", "spectrum")}
    return ItemDetail(
        item=ItemOut(**item),
        record=record,
        in_series=_in_series(project, item["series"], name),
        history=_history(decisions.read(project.out), name),
        has_average=there["average"],
        has_halves=there["even"],
        has_mask=there["mask"] or there["edited_mask"],
        has_spectrum=there["spectrum"],
        mask_is_edited=there["edited_mask"],
    )


@router.post("/items/{name}/try_ctf")
def try_ctf_fit(site: Here, name: str, body: TrialIn) -> TrialOut:
    """Fit the CTF of one image with other limits; nothing is kept."""
    return try_ctf(site.store.project, site.store.require(name), body)


def _in_series(project: Project, series: str, name: str) -> InSeriesOut | None:
    """Return what the series says of the CTF; None if it was not judged, or with another fit than the one of now."""
    record = None
    with suppress(InputError):  # a damaged record is told elsewhere
        record = read_record(project.path("record", name))
    if record is None or record.ctf is None:
        return None
    image = image_ctf(project.out, name, record.ctf.to_fit().defocus_A, series=series)
    if image is None:
        return None
    return InSeriesOut(
        defocus_um=image.defocus_A / 1e4,
        defocus_sigma_um=image.defocus_sigma_A / 1e4,
        astigmatism_um=(image.defocus_u_A - image.defocus_v_A) / 1e4,
        angle_deg=image.angle_deg,
        expected_um=image.expected_defocus_A / 1e4 if image.is_foretold else None,
        expected_sigma_um=image.expected_sigma_A / 1e4 if image.is_foretold else None,
        source=image.source,
        is_outlier=image.is_outlier,
        is_exported=project.settings.series.shared_ctf,
        reason=image.reason,
    )


def _history(events: list[decisions.Event], name: str) -> list[EventOut]:
    """Return the events about a movie, and those that took them back."""
    about: set[str] = set()
    found = []
    for event in events:
        if name in event.items or event.undoes in about:
            about.add(event.id)
            found.append(EventOut(**{**asdict(event), "items": [name]}))
    return found
