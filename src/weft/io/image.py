"""Any single image, whatever its format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from weft.errors import InputError
from weft.io.dm import read_dm
from weft.io.mrc import read_mrc
from weft.io.sniff import recognise
from weft.io.tiff import read_tiff, read_tiff_header

__all__ = ["read_image"]


def read_image(path: Path, *, flip_tiff: bool = True) -> tuple[NDArray[Any], float | None]:
    """Return the first image (y, x) of a file, and its pixel size in Å if the file tells it.

    Parameters
    ----------
    path : Path
        MRC, TIFF (a Falcon's ``.gain`` is one), DM3 or DM4.
    flip_tiff : bool
        Turn TIFF rows round, as for movies; not for the ``.gain`` of an EER, whose rows are not turned either.

    Raises
    ------
    InputError
        If it cannot be read as an image.
    MissingError
        If there is no such file.
    """
    kind = recognise(path)
    if kind == "mrc":
        return read_mrc(path)
    if kind == "dm":
        return read_dm(path)
    if kind == "eer":
        raise InputError(f"{path.name}: is an EER movie, not an image")
    return read_tiff(path, flip=flip_tiff), read_tiff_header(path, allow_packed_bytes=False).pixel_size_A
