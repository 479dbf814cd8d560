"""What was exported, against what is decided now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from weft.errors import WeftError
from weft.io.mrc import read_mrc_header
from weft.series.store import read_series
from weft.series.table import uses_of
from weft.server.models_series import ExportOut, LeftOut
from weft.state.project import Project

if TYPE_CHECKING:
    from weft.server.store import Snapshot

__all__ = ["exports_of"]

_PLACES = {
    "imod": "imod/{0}/{0}.st",
    "dynamo": "dynamo/{0}/{0}.st",
    "aretomo": "aretomo/{0}/{0}.mrc",
    "relion": "relion/tilt_series/{0}.star",
    "warp": "tomostar/{0}.tomostar",
}


def exports_of(project: Project, snapshot: Snapshot, target: str) -> list[ExportOut]:
    """Return for each imported series what is written and whether it still says what is decided."""
    held = project.decisions()
    verbs = {name: decision.verb for name, decision in held.items()}
    resolution = {name: row.get("resolution_A") for name, row in snapshot.rows.items()}
    rows = []
    for one in read_series(project.out):
        names = [tilt.movie for tilt in one.tilts if tilt.movie]
        processed = {name for name in names if project.path("average", name).exists()}
        uses = uses_of(
            one, verbs, rule=project.settings.series.duplicates, resolution_A=resolution, available=processed
        )
        used = [use.tilt.movie for use in uses if use.is_used and use.tilt.movie]
        path = project.out / _PLACES[target].format(one.name)
        written = _written(path)
        rows.append(
            ExportOut(
                series=one.name,
                mdoc=len(one.tilts),
                processed=len(processed),
                used=len(used),
                written=written,
                stale=_staleness(project, path, written, used),
                missing=[name for name in names if name not in processed],
                left_out=[
                    LeftOut(
                        item=use.tilt.movie,
                        reason=(held[use.tilt.movie].reason if use.tilt.movie in held else "") or use.left_out,
                    )
                    for use in uses
                    if use.tilt.movie in processed and not use.is_used and use.tilt.movie
                ],
                without_exposure=sum(tilt.exposure_e_A2 is None for tilt in one.tilts),
                file=str(path.relative_to(project.folder)) if path.is_relative_to(project.folder) else str(path),
                size_bytes=path.stat().st_size if path.exists() else 0,
            )
        )
    return rows


def _written(path: Path) -> int | None:
    """Return how many images an exported file holds."""
    if not path.exists():
        return None
    if path.suffix in {".st", ".mrc"}:
        try:
            return read_mrc_header(path).nz
        except (WeftError, OSError):
            return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return sum(
        1
        for line in lines
        if line.strip() and line.lstrip()[0] not in "_#;" and not line.startswith(("loop_", "data_"))
    )


def _staleness(project: Project, path: Path, written: int | None, used: Sequence[str]) -> str:
    """Return why an export no longer says what is decided; empty if it does."""
    if written is None:
        return ""
    held = _held(path)
    lacking = [name for name in used if held is not None and name not in held]
    extra = sorted(set(held or ()) - set(used))
    if written != len(used):
        return f"holds {written}, you now use {len(used)}"
    if lacking or extra:
        return f"holds {', '.join(extra[:3]) or 'others'}, lacks {', '.join(lacking[:3])}"
    made = path.stat().st_mtime
    newer = [name for name in used if project.path("average", name).stat().st_mtime > made]
    return f"{len(newer)} averages are newer" if newer else ""


def _held(path: Path) -> set[str] | None:
    """Return the movies of a stack as its table tells them; None if there is none beside it."""
    table = path.parent / f"{path.stem}_stack.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        made = json.loads(table.read_text(encoding="utf-8"))
        return {str(tilt[0]) for tilt in made["made_of"]["tilts"]}
    return None
