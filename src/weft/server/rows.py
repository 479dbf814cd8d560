"""One row of numbers for each movie: what the bar, the plots and the tables show, small enough for 10,000 of them.

A record holds curves and grids of some 20 kB; a row holds two dozen numbers. Rows are cached in ``cache/rows.sqlite``
so that opening the page of a large project reads no record that did not change; deleted, the cache comes back.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from weft.server.watching import FolderWatch

__all__ = ["FIELDS", "RowCache", "row_of"]

Row = dict[str, Any]

FIELDS = (
    "defocus_um",
    "defocus_sigma_um",
    "astigmatism_um",
    "astigmatism_angle_deg",
    "phase_shift_deg",
    "resolution_A",
    "ctf_score",
    "gradient_x",
    "gradient_y",
    "motion_A",
    "motion_early_A",
    "motion_late_A",
    "motion_frame_A",
    "masked_percent",
    "beads",
    "mean_e",
    "median_e",
    "sigma_e",
    "frames",
    "pixel_size_A",
    "width",
    "height",
)
_SCHEMA = (
    "create table if not exists row (name text primary key, size integer, mtime_ns integer, version integer, body text)"
)
_VERSION = 3
_DIGITS = 6  # no measurement has more; shorter numbers travel faster


def row_of(record: Mapping[str, Any]) -> Row:
    """Return the numbers of a record as read from its JSON file; what is unknown is None.

    Parameters
    ----------
    record : mapping
        See `weft.state.record.Record`.

    Returns
    -------
    dict
        The keys of `FIELDS`, and ``verdict``, ``reason``, ``failure``, ``stages``.
    """
    ctf, motion, mask = (record.get(part) or {} for part in ("ctf", "motion", "mask"))
    average, movie = record.get("average") or {}, record.get("movie") or {}
    fit = ctf.get("fit") or {}
    failure = record.get("failure")
    verdict, reason = _verdict({"motion": motion, "CTF": ctf, "mask": mask})
    sigma = (fit.get("sigma") or {}).get("defocus_A")
    numbers = {
        **_ctf_numbers(fit),
        "defocus_sigma_um": _scaled(sigma, 1e-4),
        "motion_A": motion.get("total_A"),
        "motion_early_A": motion.get("early_A"),
        "motion_late_A": motion.get("late_A"),
        "motion_frame_A": motion.get("mean_frame_A"),
        "masked_percent": _scaled(mask.get("masked_fraction"), 100),
        "beads": len(mask["beads"]) if "beads" in mask else None,
        "mean_e": average.get("mean"),
        "median_e": average.get("median"),
        "sigma_e": average.get("sigma"),
        "frames": movie.get("frames"),
        "pixel_size_A": average.get("pixel_size_A"),
        "width": average.get("width"),
        "height": average.get("height"),
    }
    return {
        **{key: _shortened(value) for key, value in numbers.items()},
        "verdict": verdict,
        "reason": reason,
        "failure": failure["message"] if failure else "",
        "stages": sorted(record.get("stages") or {}),
    }


def _ctf_numbers(fit: Mapping[str, Any]) -> Row:
    u, v = fit.get("defocus_u_A"), fit.get("defocus_v_A")
    both = None if u is None or v is None else (float(u), float(v))
    return {
        "defocus_um": round(sum(both) * 0.5e-4, 5) if both else None,
        "astigmatism_um": round((both[0] - both[1]) * 1e-4, 5) if both else None,
        "astigmatism_angle_deg": fit.get("angle_deg") if both else None,
        "phase_shift_deg": fit.get("phase_shift_deg") if both else None,
        "resolution_A": fit.get("resolution_A"),
        "ctf_score": fit.get("score"),
        "gradient_x": fit.get("gradient_x"),
        "gradient_y": fit.get("gradient_y"),
    }


def _verdict(parts: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """Return the worst verdict of motion and CTF with the reasons for it."""
    found = [(part["verdict"], f"{what}: {part['reason']}") for what, part in parts.items() if part]
    for verdict in ("failed", "weak"):
        reasons = [reason for one, reason in found if one == verdict]
        if reasons:
            return verdict, "; ".join(reasons)
    return ("good", "") if found else ("", "")


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else round(value * factor, 5)


def _shortened(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


class RowCache:
    """Reads the records of a project as rows, each record only when its file changed.

    Parameters
    ----------
    out : Path
        The project's output folder.

    Notes
    -----
    Where the cache cannot be written, rows are read from the records at every start.
    """

    def __init__(self, out: Path) -> None:
        self._folder = out / "records"
        self._database = out / "cache" / "rows.sqlite"
        self._rows: dict[str, tuple[int, int, Row]] = {}
        self._plain: dict[str, Row] = {}
        self._watch = FolderWatch()
        self._is_loaded = False

    def refresh(self) -> tuple[dict[str, Row], set[str]]:
        """Return all rows by name and the names whose rows changed since the last call; the same mapping if none did."""
        if not self._watch.is_due([self._folder]):
            return self._plain, set()
        if not self._is_loaded:
            self._load()
        present, fresh = {}, {}
        for name, path, size, mtime in self._files():
            known = self._rows.get(name)
            if known is not None and known[:2] == (size, mtime):
                present[name] = known
                continue
            row = _read(path)
            if row is not None:
                present[name] = fresh[name] = (size, mtime, row)
        gone = self._rows.keys() - present.keys()
        self._rows = present
        if fresh or gone:
            self._save(fresh, gone)
        if fresh or gone or len(self._plain) != len(present):
            self._plain = {name: entry[2] for name, entry in present.items()}
        return self._plain, set(fresh) | gone

    def version(self, name: str) -> int:
        """Return a number that changes when the record does; 0 without a record."""
        return self._rows[name][1] if name in self._rows else 0

    def _files(self) -> list[tuple[str, str, int, int]]:
        found = []
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json") and not entry.name.startswith("."):
                    with suppress(FileNotFoundError):
                        status = entry.stat()
                        found.append((entry.name[:-5], entry.path, status.st_size, status.st_mtime_ns))
        return found

    def _load(self) -> None:
        self._is_loaded = True
        query = "select name, size, mtime_ns, body from row where version = ?"
        with suppress(sqlite3.Error, OSError, ValueError), closing(sqlite3.connect(self._database)) as db:
            self._rows = {
                name: (size, mtime, json.loads(body)) for name, size, mtime, body in db.execute(query, (_VERSION,))
            }

    def _save(self, fresh: Mapping[str, tuple[int, int, Row]], gone: set[str]) -> None:
        with suppress(sqlite3.Error, OSError):
            self._database.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._database, timeout=2)) as db, db:
                db.execute(_SCHEMA)
                db.executemany(
                    "insert or replace into row values (?, ?, ?, ?, ?)",
                    [(name, size, mtime, _VERSION, json.dumps(row)) for name, (size, mtime, row) in fresh.items()],
                )
                db.executemany("delete from row where name = ?", [(name,) for name in gone])


def _read(path: str) -> Row | None:
    """Return the row of a record file; None if it is damaged or just being replaced."""
    try:
        return row_of(json.loads(Path(path).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
