"""What was judged about a series, on disk: ``series/hand/NAME.json`` and ``series/ctf/NAME.json``.

Both follow from records, table and decisions and can be deleted; each carries a stamp of what it was made from, so that a
reader knows whether it still holds.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from weft.io.atomic import write_text
from weft.series.handedness import HandVerdict
from weft.series.neighbours import ImageCtf, SeriesCtf
from weft.series.table import TiltSeries
from weft.state.record import Record

__all__ = ["image_ctf", "read_hand", "read_series_ctf", "stamp_of", "write_hand", "write_series_ctf"]

Kind = Literal["hand", "ctf"]


def stamp_of(series: TiltSeries, records: Mapping[str, Record], dropped: Collection[str]) -> str:
    """Return a hash of what a series is judged by: angles, axis, the keys of the CTF stages, decisions."""
    rows = []
    for tilt in series.tilts:
        record = records.get(tilt.movie) if tilt.movie else None
        stage = record.stages.get("ctf") if record is not None else None
        key = stage.key if stage is not None else ""
        rows.append([tilt.movie, round(tilt.tilt_deg, 3), tilt.order, key, tilt.movie in dropped])
    return hashlib.sha256(json.dumps([series.axis_deg, rows]).encode()).hexdigest()[:16]


def write_hand(out: Path, verdict: HandVerdict, stamp: str) -> None:
    """Write what a series' gradients say about its handedness."""
    _write(out, "hand", verdict.series, {"schema": "weft.series_hand/1", "stamp": stamp, **verdict.to_json()})


def read_hand(out: Path, name: str) -> tuple[HandVerdict, str] | None:
    """Return the verdict and its stamp; None if there is none that can be read."""
    data = _read(out, "hand", name)
    try:
        if data is None or data.pop("schema") != "weft.series_hand/1":
            return None
        stamp = str(data.pop("stamp"))
        for key in ("astray", "causes"):
            data[key] = tuple(data[key])
        return HandVerdict(**data), stamp
    except (KeyError, TypeError):
        return None


def write_series_ctf(out: Path, ctf: SeriesCtf, stamp: str) -> None:
    """Write the CTF of a series."""
    _write(out, "ctf", ctf.series, {**ctf.to_json(), "stamp": stamp})


def read_series_ctf(out: Path, name: str) -> tuple[SeriesCtf, str] | None:
    """Return the CTF of a series and its stamp; None if there is none that can be read."""
    data = _read(out, "ctf", name)
    try:
        if data is None:
            return None
        stamp = str(data.pop("stamp"))
        return SeriesCtf.from_json(data), stamp
    except (KeyError, TypeError, ValueError):
        return None


def image_ctf(out: Path, movie: str, own_defocus_A: float, *, series: str = "") -> ImageCtf | None:
    """Return what its series says of an image's CTF; None if there is nothing, or it was made from another fit.

    Parameters
    ----------
    out : Path
        The project's output folder.
    movie : str
        Name.
    own_defocus_A : float
        Of the fit in the record; nan if it has none.
    series : str
        The movie's, where it is known; else all are looked through.
    """
    for name in [series] if series else sorted(path.stem for path in (out / "series" / "ctf").glob("*.json")):
        found = read_series_ctf(out, name)
        image = next((one for one in found[0].images if one.movie == movie), None) if found else None
        if image is not None:
            own = image.own_defocus_A
            is_same = math.isnan(own_defocus_A) if own is None else abs(own - own_defocus_A) < 0.1
            return image if is_same else None
    return None


def _path(out: Path, kind: Kind, name: str) -> Path:
    return out / "series" / kind / f"{name}.json"


def _write(out: Path, kind: Kind, name: str, data: Mapping[str, Any]) -> None:
    write_text(_path(out, kind, name), json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def _read(out: Path, kind: Kind, name: str) -> dict[str, Any] | None:
    try:
        data = json.loads(_path(out, kind, name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None
