"""Reads back from the disk what a verb says that it has written: a full disk or a broken share shows here, not in the aligner."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from weft.errors import InputError, WeftError
from weft.io.mrc import read_mrc, read_mrc_header
from weft.io.star import read_star

__all__ = ["ReadBack", "read_back"]

_STACKS = {".st", ".mrc"}


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What was found.

    Parameters
    ----------
    files : int
        Read; those that were up to date before are not.
    faults : tuple of str
        A sentence for each that is not as it should be.
    """

    files: int
    faults: tuple[str, ...]


def read_back(document: Any) -> ReadBack | None:
    """Read the files that ``weft stack --json`` or ``weft export --json`` tells of.

    Of a stack: the header against the file's size and the number of sections, the last section, the number of angles beside
    it; of a table: its rows.

    Parameters
    ----------
    document : dict
        The verb's.

    Returns
    -------
    ReadBack or None
        None if the document tells of no files.
    """
    if not isinstance(document, dict) or document.get("dry_run"):
        return None
    rows = document.get("stacks", document.get("files"))
    if not isinstance(rows, list):
        return None
    files, faults = 0, []
    for row in rows:
        if not row["is_new"]:
            continue
        # the table of single images lacks those that failed
        count = None if document.get("target") == "star" else int(row.get("sections", row.get("images")))
        for path in _with_halves(Path(row["file"])):
            files += 1
            try:
                _require_whole(path, count)
            except (WeftError, OSError) as error:
                faults.append(str(error))
    return ReadBack(files, tuple(faults))


def _with_halves(path: Path) -> list[Path]:
    """Return a stack and those of the even and odd averages that were written with it."""
    with suppress(OSError, ValueError, KeyError):
        made = json.loads((path.parent / f"{path.stem}_stack.json").read_text(encoding="utf-8"))
        return [path.parent / name for name in made["files"] if Path(name).suffix == path.suffix]
    return [path]


def _require_whole(path: Path, count: int | None) -> None:
    """Read a file.

    Raises
    ------
    InputError
        If it is not what was written.
    """
    if path.suffix not in _STACKS:
        loops = [block.loop for block in read_star(path).values() if block.loop is not None]
        _require_count(path, len(loops[-1]) if loops else 0, count, "rows")
        return
    header = read_mrc_header(path)
    _require_count(path, header.nz, count, "sections")
    image, _ = read_mrc(path, header.nz - 1)
    # blank images are left out of stacks: what is constant was lost
    if not np.isfinite(image).all() or float(np.ptp(image)) == 0:
        raise InputError(f"{path}: its last section is empty or no image; write it again (--force)")
    angles = path.with_suffix(".rawtlt")
    if angles.exists():
        _require_count(angles, len(angles.read_text(encoding="utf-8").split()), count, "angles")


def _require_count(path: Path, found: int, meant: int | None, what: str) -> None:
    if meant is not None and found != meant:
        raise InputError(f"{path}: holds {found} {what}, {meant} were meant; write it again (--force)")
