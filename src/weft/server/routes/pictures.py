"""Pictures: thumbnails, tiles of averages, spectra, masks; and the masks that people paint."""

from __future__ import annotations

import gzip
import math
from contextlib import suppress
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from weft.errors import InputError, MissingError
from weft.io.masktiff import read_mask, read_probability, write_mask
from weft.server.filters import CtfNumbers, Filter
from weft.server.models import PictureInfoOut
from weft.server.pictures import TILE_PX, Grey, picture_info, preview, read_spectrum, tile
from weft.server.site import Site, site_of
from weft.state.project import Project
from weft.state.records import read_record

router = APIRouter(prefix="/api/items/{name}", tags=["pictures"])
Here = Annotated[Site, Depends(site_of)]
Which = Literal["average", "even", "odd"]

_KEEP = "private, max-age=31536000, immutable"
_LARGEST_MASK_PX = 4096


@router.get("/thumbnail", response_class=Response)
def get_thumbnail(site: Here, name: str, size: Annotated[int, Query(ge=32, le=512)] = 512, v: str = "") -> Response:
    """Return the thumbnail as JPEG; `v` is the item's version, so that a browser may keep it."""
    name = site.store.require(name)
    data = preview(site.store.project.path("thumbnail", name), size)
    return Response(data, media_type="image/jpeg", headers=_cache(v))


@router.get("/picture")
def get_picture(site: Here, name: str, which: Which = "average") -> PictureInfoOut:
    """Return the size of an average and the spread of its grey values."""
    path = site.store.project.path(which, site.store.require(name))
    version = _mtime(path)
    info = picture_info(path, version)
    return PictureInfoOut(
        height=info.height,
        width=info.width,
        pixel_size_A=info.pixel_size_A,
        median=info.median,
        sigmas=list(info.sigmas),
        tile_px=TILE_PX,
    )


class TileQuery(BaseModel):
    """Which tile, and what is done to it first."""

    model_config = ConfigDict(extra="forbid")

    level: Annotated[int, Field(ge=0, le=8)]
    column: Annotated[int, Field(ge=0, le=1000)]
    row: Annotated[int, Field(ge=0, le=1000)]
    which: Which = "average"
    low_pass_A: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 0.0
    deconvolve: bool = False
    exact: bool = False
    v: str = ""


@router.get("/tile", response_class=Response)
def get_tile(site: Here, name: str, asked: Annotated[TileQuery, Query()]) -> Response:
    """Return one tile: grey bytes (`exact`) or JPEG; the headers X-Low and X-High say what 0 and 255 stand for."""
    name = site.store.require(name)
    project = site.store.project
    ctf = _ctf_of(project, name) if asked.deconvolve else None
    chosen = Filter(asked.low_pass_A, ctf)
    grey = tile(project.path(asked.which, name), asked.level, asked.column, asked.row, chosen)
    return _grey_answer(grey, exact=asked.exact, version=asked.v)


@router.get("/spectrum", response_class=Response)
def get_spectrum(site: Here, name: str, v: str = "") -> Response:
    """Return the 2D spectrum as grey bytes: half plane, k = 0 in the middle of the last row."""
    name = site.store.require(name)
    grey = read_spectrum(site.store.project.path("spectrum", name))
    return _grey_answer(grey, exact=True, version=v)


@router.get("/mask", response_class=Response)
def get_mask(site: Here, name: str, request: Request, kind: Literal["mask", "probability"] = "mask") -> Response:
    """Return the mask (1 is masked) or the probability (250 is certain) as bytes, first row at the top."""
    name = site.store.require(name)
    project = site.store.project
    edited, found = project.path("edited_mask", name), project.path("mask", name)
    if kind == "probability":
        values = np.rint(read_probability(project.path("probability", name)) * 250).astype(np.uint8)
    else:
        values = read_mask(edited if edited.exists() else found).astype(np.uint8)
    body = np.ascontiguousarray(values[::-1]).tobytes()
    headers = {"x-width": str(values.shape[1]), "x-height": str(values.shape[0]), "x-edited": str(int(edited.exists()))}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = gzip.compress(body, 1), "gzip"
    return Response(body, media_type="application/octet-stream", headers=headers)


@router.put("/mask", status_code=204)
async def put_mask(
    site: Here,
    name: str,
    request: Request,
    width: Annotated[int, Query(ge=1, le=_LARGEST_MASK_PX)],
    height: Annotated[int, Query(ge=1, le=_LARGEST_MASK_PX)],
) -> None:
    """Keep a painted mask: one byte a pixel, first row at the top; the detector's own mask stays beside it."""
    name = site.store.require(name)
    body = await request.body()
    if len(body) != width * height:
        raise InputError(f"a mask of {width} × {height} pixels has {width * height} bytes, not {len(body)}")
    values = np.frombuffer(body, dtype=np.uint8).reshape(height, width)[::-1]
    project = site.store.project
    record = read_record(project.path("record", name))
    if record is None or record.average is None:
        raise MissingError(f"{name}: there is no average to paint a mask for; run `weft run`")
    pixel_size_A = record.average.pixel_size_A * record.average.width / width
    write_mask(project.path("edited_mask", name), values != 0, pixel_size_A)
    site.hub.publish("mask", {"name": name})


@router.delete("/mask", status_code=204)
def delete_mask(site: Here, name: str) -> None:
    """Go back to the detector's mask."""
    name = site.store.require(name)
    site.store.project.path("edited_mask", name).unlink(missing_ok=True)
    site.hub.publish("mask", {"name": name})


def _grey_answer(grey: Grey, *, exact: bool, version: str) -> Response:
    headers = {
        **_cache(version),
        "x-low": f"{grey.low:.7g}",
        "x-high": f"{grey.high:.7g}",
        "x-width": str(grey.data.shape[1]),
        "x-height": str(grey.data.shape[0]),
    }
    if exact:
        return Response(
            np.ascontiguousarray(grey.data).tobytes(), media_type="application/octet-stream", headers=headers
        )
    return Response(grey.as_jpeg(), media_type="image/jpeg", headers=headers)


def _cache(version: str) -> dict[str, str]:
    return {"cache-control": _KEEP} if version else {}


def _mtime(path: object) -> int:
    with suppress(OSError):
        return int(path.stat().st_mtime_ns)  # type: ignore[attr-defined]
    return 0


def _ctf_of(project: Project, name: str) -> CtfNumbers:
    record = read_record(project.path("record", name))
    fit = record.ctf.to_fit() if record is not None and record.ctf is not None else None
    if fit is None or math.isnan(fit.defocus_A):
        raise MissingError(f"{name}: there is no CTF to deconvolve with")
    return CtfNumbers(fit.defocus_A, fit.voltage_kV, fit.cs_mm, fit.amplitude_contrast, fit.phase_shift_deg)
