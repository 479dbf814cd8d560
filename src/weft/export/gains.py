"""The gain reference for programs that read the movies again: the file itself where they understand it as we do, else a copy.

A copy is made for multiplying, with 0 where a pixel is bad. Its name holds a hash of what it was made from, so that tables of
earlier exports stay right and nothing is written twice.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from weft.export.reading import input_as_read
from weft.io.identity import file_identity
from weft.io.mrc import read_mrc_header, write_mrc
from weft.io.sniff import recognise
from weft.io.tiff import read_tiff_header, write_tiff
from weft.movie.gain import load_correction
from weft.settings.schema import InputSettings
from weft.state.project import Project
from weft.state.record import Record

__all__ = ["relion_gain", "warp_gain"]

_TURNS = ("gain_flip_x", "gain_flip_y", "gain_transpose")
_RELION_READS = {".mrc", ".tif", ".tiff"}


def relion_gain(project: Project, record: Record, folder: Path) -> Path | None:
    """Return the gain reference that RELION shall multiply a movie's frames by; None without one.

    Parameters
    ----------
    project : Project
        With the gain reference.
    record : Record
        Of a movie; all of them have one gain reference.
    folder : Path
        ``gain`` is made in it for a copy.

    Raises
    ------
    InputError
        If a copy is needed, but the gain reference cannot be read or does not fit.

    Notes
    -----
    RELION turns nothing. For EER it multiplies by a ``.gain``, whose rows it takes as they are, and divides by anything else.
    """
    given = _with_full_path(project, record)
    if given.gain is None or not given.gain.exists() or _relion_agrees(given, given.gain, record):
        return given.gain
    return _copy(given, record, folder / "gain", ".gain" if record.movie.format == "eer" else ".mrc")


def warp_gain(project: Project, record: Record, folder: Path) -> Path | None:
    """Return the gain reference that Warp shall flip and transpose as our settings say, and multiply by; None without one.

    Parameters
    ----------
    project, record, folder
        See `relion_gain`.

    Raises
    ------
    InputError
        If a copy is needed, but the gain reference cannot be read or does not fit.

    Notes
    -----
    Warp turns the rows of any ``.gain``, which `weft.settings.warpreading.gain_options` undoes by its flips; a map of defects would be
    flipped, too.
    """
    given = _with_full_path(project, record)
    if given.gain is None or not given.gain.exists() or _warp_agrees(given, given.gain, record):
        return given.gain
    as_stored = given.model_copy(update=dict.fromkeys(_TURNS, False))
    return _copy(as_stored, record, folder / "gain", ".mrc", is_transposed=given.gain_transpose)


def _with_full_path(project: Project, record: Record) -> InputSettings:
    given = input_as_read(project, record)
    return given.model_copy(update={"gain": project.folder / given.gain if given.gain else None})


def _relion_agrees(given: InputSettings, gain: Path, record: Record) -> bool:
    if any(getattr(given, turn) for turn in _TURNS):
        return False
    suffix, frame = gain.suffix.lower(), _frame(record)
    if record.movie.format != "eer":
        return suffix in _RELION_READS and given.gain_mode == "multiply" and _size(gain) == frame
    if suffix not in {".gain", *_RELION_READS} or (suffix == ".gain") != (given.gain_mode == "multiply"):
        return False
    height, width = _size(gain)
    # it repeats pixels of a gain of the sensor's size for the grid of 8K
    return (height, width) == frame or (given.eer_supersampling == 2 and (2 * height, 2 * width) == frame)


def _warp_agrees(given: InputSettings, gain: Path, record: Record) -> bool:
    if given.gain_mode != "multiply":
        return False
    if record.movie.format == "eer":  # scaled by Warp itself
        return gain.suffix.lower() != ".gain" or given.defects is None
    if recognise(gain) == "dm":
        return True
    height, width = _size(gain)
    return ((width, height) if given.gain_transpose else (height, width)) == _frame(record)


def _frame(record: Record) -> tuple[int, int]:
    return record.movie.height, record.movie.width


def _size(path: Path) -> tuple[int, int]:
    header = read_mrc_header(path) if recognise(path) == "mrc" else read_tiff_header(path, allow_packed_bytes=False)
    return header.ny, header.nx


def _copy(given: InputSettings, record: Record, folder: Path, suffix: str, *, is_transposed: bool = False) -> Path:
    """Write what frames are multiplied by, if it is not there yet; return the file."""
    assert given.gain is not None
    shape = _frame(record)[::-1] if is_transposed else _frame(record)
    is_eer = record.movie.format == "eer"
    made_from = [file_identity(given.gain), *(getattr(given, key) for key in (*_TURNS, "gain_mode")), shape, is_eer]
    path = folder / f"{given.gain.stem}_{hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:8]}{suffix}"
    if path.exists():
        return path
    correction = load_correction(given.model_copy(update={"defects": None}), shape, is_eer=is_eer)
    assert correction.factor is not None
    factor = correction.factor if correction.bad is None else np.where(correction.bad, np.float32(0), correction.factor)
    if suffix == ".gain":
        write_tiff(path, factor)
    else:
        write_mrc(path, factor, record.movie.raw_pixel_size_A, label="Weft: multiply frames by this")
    return path
