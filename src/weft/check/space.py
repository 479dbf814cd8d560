"""The disk: room for what will be made, permission to make it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from weft.check.finding import Finding, Input
from weft.conventions import binned_side
from weft.settings.schema import Settings

__all__ = ["check_space", "needed_bytes"]

_TIGHT = 1.2  # of what is needed
_SMALL_FILES = 400_000  # thumbnail, masks, record, spectrum of one movie
_GIGA = 1e9


def check_space(given: Input) -> Iterator[Finding]:
    """Yield whether the output folder can be written and holds what is to come."""
    out = given.project.out
    place = _existing(out)
    if not os.access(place, os.W_OK | os.X_OK):
        yield Finding(
            "error", "read_only", f"{place} cannot be written by you",
            "set output.folder to a place that can (the raw data may stay read-only)", "output.folder", "machine",
        )  # fmt: skip
        return
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        yield Finding(
            "warning", "disk", f"{place}: its free room cannot be told ({error.strerror})", where="output.folder"
        )
        return
    made = {path.stem for path in (out / "average").glob("*.mrc")}
    left = {name: info for name, info in given.movies.items() if name not in made}
    needed = sum(needed_bytes(given.project.settings, i.height, i.width, i.frames) for i in left.values())
    if given.series is not None and given.series.series:
        needed += sum(_plane(given.project.settings, i.height, i.width) for i in given.movies.values())  # IMOD stacks
    room = f"{needed / _GIGA:.1f} GB are needed, {free / _GIGA:.1f} GB are free on the disk of {place}"
    if needed > free:
        yield Finding(
            "error", "disk_full", room, 'make room, or set output.folder to another disk; output.dtype = "float16" halves it',
            "output.folder",
        )  # fmt: skip
    elif needed * _TIGHT > free:
        yield Finding("warning", "disk_tight", room, "make room before it runs out", "output.folder")
    else:
        yield Finding("ok", "disk", room, where="output.folder")


def needed_bytes(settings: Settings, height: int, width: int, frames: int) -> int:
    """Return the bytes that the files of one movie take.

    Parameters
    ----------
    settings : Settings
        Binning and outputs.
    height, width, frames : int
        Of the raw movie.
    """
    plane = _plane(settings, height, width)
    output = settings.output
    images = (1 if output.average else 0) + (2 if output.halves else 0)
    if output.aligned_stack:
        images += max(1, (frames - output.skip_first - output.skip_last) // output.collapse)
    return plane * images + _SMALL_FILES


def _plane(settings: Settings, height: int, width: int) -> int:
    sides = [binned_side(side, settings.input.bin) for side in (height, width)]
    return sides[0] * sides[1] * (2 if settings.output.dtype == "float16" else 4)


def _existing(path: Path) -> Path:
    """Return the nearest folder that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
