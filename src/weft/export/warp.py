"""WarpTools and M: the output folder is a processing folder of theirs; what it lacks is added here.

``tomostar/TS.tomostar``, settings for frame series and tilt series, and the list of processed items. Movies' XML, averages, halves
and masks stand where Warp has them already.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weft.io.atomic import write_text
from weft.settings.warp import frames_settings_text, series_settings_text
from weft.state.project import Project
from weft.state.record import Record

__all__ = ["FRAMES_SETTINGS", "SERIES_SETTINGS", "write_warp_project"]

FRAMES_SETTINGS = "warp_frameseries.settings"
SERIES_SETTINGS = "warp_tiltseries.settings"
_THICKNESS_A = 1900.0  # of the tomogram; WarpTools' own tutorials take 1000 unbinned pixels of 1.9 Å
_PROCESSED, _LEFT_OUT = 1, 5


def write_warp_project(project: Project) -> list[Path]:
    """Write settings and the list of processed items; return the files.

    Parameters
    ----------
    project : Project
        With records; nothing else of it changes.
    """
    out, given = project.out, project.settings.input
    records, dropped = project.records(), project.dropped()
    pattern = project.folder / given.movies
    data = _from(out, pattern.parent)
    gain = _from(out, project.folder / given.gain) if given.gain else ""
    frames = frames_settings_text(project.settings, data=data, processing=".", extension=pattern.name, gain=gain)
    files = [out / FRAMES_SETTINGS, out / SERIES_SETTINGS, out / "processed_items.json"]
    write_text(files[0], frames)
    series = series_settings_text(
        project.settings, data="tomostar", processing="warp_tiltseries", dimensions_px=_dimensions(records)
    )
    write_text(files[1], series)
    items = [_item(record, is_dropped=name in dropped) for name, record in sorted(records.items())]
    write_text(files[2], json.dumps(items, indent=1) + "\n")
    return files


def _dimensions(records: Mapping[str, Record]) -> tuple[int, int, int]:
    """Return a tomogram's size in unbinned pixels, even."""
    record = next(iter(records.values()), None)
    if record is None:
        return 4096, 4096, 1000
    depth = _THICKNESS_A / record.movie.raw_pixel_size_A
    return tuple(2 * round(side / 2) for side in (record.movie.width, record.movie.height, depth))  # type: ignore[return-value]


def _item(record: Record, *, is_dropped: bool) -> dict[str, Any]:
    item: dict[str, Any] = {
        "Path": Path(record.movie.path).name,
        "ProcessingStatus": _LEFT_OUT if is_dropped else _PROCESSED,
    }
    if record.ctf is not None:
        fit = record.ctf.to_fit().to_json()
        u, v, angle = fit["defocus_u_A"], fit["defocus_v_A"], fit["angle_deg"]
        if None not in {u, v, angle}:
            import math

            delta = (u - v) / 1e4
            item["CTF"] = {
                "Defocus": round((u + v) / 2e4, 4),
                "Phase": round(fit["phase_shift_deg"] / 180, 4),
                "Resolution": fit["resolution_A"],
                "AstigX": round(delta * math.cos(2 * math.radians(angle)), 5),
                "AstigY": round(delta * math.sin(2 * math.radians(angle)), 5),
            }
    item["Motion"] = record.motion.mean_frame_A if record.motion is not None else None
    item["Junk"] = round(100 * record.mask.masked_fraction, 3) if record.mask is not None else None
    item["Particles"] = None
    return item


def _from(folder: Path, path: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
