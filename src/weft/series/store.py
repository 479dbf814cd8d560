"""Imported tilt series on disk: one JSON file each, beside Warp's tomostar."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from weft.errors import InputError
from weft.io.atomic import write_text
from weft.series.table import TiltSeries

__all__ = ["read_series", "with_relative_mdoc", "write_series"]


def read_series(out: Path) -> list[TiltSeries]:
    """Return the imported series of a project, sorted by name.

    Parameters
    ----------
    out : Path
        The project's output folder.

    Raises
    ------
    InputError
        If a file is damaged.
    """
    return [_read(path) for path in sorted((out / "series").glob("*.json"))]


def write_series(out: Path, series: Sequence[TiltSeries]) -> None:
    """Write series, each whole or not at all."""
    for one in series:
        write_text(out / "series" / f"{one.name}.json", json.dumps(one.to_json(), indent=1, ensure_ascii=False) + "\n")


def with_relative_mdoc(series: TiltSeries, folder: Path) -> TiltSeries:
    """Return a series that names its mdoc from the project's folder, if it lies in it, so that both can be moved."""
    path = Path(series.mdoc)
    inside = bool(series.mdoc) and path.is_relative_to(folder)
    return replace(series, mdoc=path.relative_to(folder).as_posix()) if inside else series


def _read(path: Path) -> TiltSeries:
    try:
        return TiltSeries.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged; run `weft import` again") from error
