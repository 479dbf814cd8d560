"""Pictures for the page: tiles of averages, spectra and masks as bytes; small previews of thumbnails.

Everything is turned to the way it is shown: MRC's row 0 is at the bottom of the picture, so the first row sent is the
average's last. Grey values are sent as bytes between two stated limits; the page stretches them as the user likes,
without asking again.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError, MissingError
from weft.io.mrc import MrcHeader, read_mrc_header
from weft.server.filters import Filter, filtered
from weft.signal.picture import grey_bytes, robust_spread, shrink

__all__ = ["TILE_PX", "Grey", "PictureInfo", "picture_info", "preview", "read_spectrum", "tile"]

Image = NDArray[np.float32]

TILE_PX = 512
_LEVELS = 6
_SIGMAS = 8.0  # half of the range that the bytes of a tile span; the page shows ±2.5 of them
_MARGIN_PX = 64
_JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class Grey:
    """Bytes that stand for grey values: 0 is `low`, 255 is `high`; first row at the top of the picture."""

    data: NDArray[np.uint8]
    low: float
    high: float

    def as_jpeg(self) -> bytes:
        """Return the bytes as a grey JPEG."""
        from PIL import Image as Pil

        out = io.BytesIO()
        Pil.fromarray(self.data).save(out, "jpeg", quality=_JPEG_QUALITY)
        return out.getvalue()


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """Size of an average and the spread of its grey values when shrunk by 1, 2, 4, ...

    Parameters
    ----------
    height, width : int
        In pixels.
    pixel_size_A : float or None
        From the header.
    median : float
        Of all pixels.
    sigmas : tuple of float
        Robust standard deviation at each level.
    """

    height: int
    width: int
    pixel_size_A: float | None
    median: float
    sigmas: tuple[float, ...]


@lru_cache(maxsize=512)
def picture_info(path: Path, _version: int) -> PictureInfo:
    """Return size and spread of an average; remembered until its version changes.

    Raises
    ------
    MissingError
        If the file is not there.
    InputError
        If it is no average.
    """
    image, header = _mapped(path)
    sample = np.array(image[_middle(header.ny), _middle(header.nx)], dtype=np.float32)
    sigmas = []
    for level in range(_LEVELS):
        reduced = shrink(sample, 2**level)
        sigmas.append(robust_spread(reduced)[1])
    step = max(1, header.nx * header.ny // 1_000_000)
    median = float(np.median(np.asarray(image).reshape(-1)[::step]))
    return PictureInfo(header.ny, header.nx, header.pixel_size_A, median, tuple(sigmas))


def tile(path: Path, level: int, column: int, row: int, chosen: Filter) -> Grey:
    """Return one tile of an average.

    Parameters
    ----------
    path : Path
        The average.
    level : int
        The average is shrunk by 2^level.
    column, row : int
        Which tile of `TILE_PX` pixels, from the top left corner of the picture.
    chosen : Filter
        What is done to the grey values first.

    Raises
    ------
    MissingError
        If the file, or such a tile, is not there.
    """
    image, header = _mapped(path)
    fold = 2**level
    height, width = -(-header.ny // fold), -(-header.nx // fold)
    top, left = row * TILE_PX, column * TILE_PX
    if not (0 <= top < height and 0 <= left < width and 0 <= level < 16):
        raise MissingError(f"{path.name}: there is no tile {column}, {row} at level {level}")
    margin = _MARGIN_PX if chosen.is_on else 0
    y0, y1 = max(0, top - margin), min(height, top + TILE_PX + margin)
    x0, x1 = max(0, left - margin), min(width, left + TILE_PX + margin)
    # the picture's rows run against the array's
    first, last = max(0, header.ny - y1 * fold), header.ny - y0 * fold
    part = np.array(image[first:last, x0 * fold : min(header.nx, x1 * fold)], dtype=np.float32)[::-1]
    part = shrink(part, fold)
    if chosen.is_on:
        part = filtered(part, chosen, (header.pixel_size_A or 1.0) * fold)
    part = part[top - y0 : top - y0 + TILE_PX, left - x0 : left - x0 + TILE_PX]
    return _as_bytes(part)


def read_spectrum(path: Path) -> Grey:
    """Return the 2D spectrum of a movie: half plane, k = 0 in the middle of the last row of the array.

    The rows are sent as they are in the file (the last row is k_y = 0), because the page builds the full plane.
    """
    image, _ = _mapped(path)
    values = np.array(image, dtype=np.float32)
    usable = values[np.isfinite(values)]
    if usable.size == 0:
        raise InputError(f"{path.name}: the spectrum holds no numbers; run the CTF again")
    centre, sigma = robust_spread(usable)
    low, high = centre - 3 * sigma, centre + 12 * sigma
    return Grey(grey_bytes(values, low, high), low, high)


def preview(thumbnail: Path, side: int) -> bytes:
    """Return a thumbnail's JPEG, made smaller if `side` is below its own.

    Raises
    ------
    MissingError
        If there is no thumbnail.
    """
    try:
        data = thumbnail.read_bytes()
    except FileNotFoundError as error:
        raise MissingError(f"{thumbnail.stem}: no thumbnail yet") from error
    return data if side >= 512 else _smaller(data, side)


def _smaller(data: bytes, side: int) -> bytes:
    from PIL import Image as Pil

    with Pil.open(io.BytesIO(data)) as image:
        image.draft("L", (side, side))  # the decoder shrinks: a quarter of the time
        small = image.convert("L")
        small.thumbnail((side, side), Pil.Resampling.BOX)
        out = io.BytesIO()
        small.save(out, "jpeg", quality=80)
    return out.getvalue()


def _middle(size: int) -> slice:
    """Return the middle 1024 pixels of a side."""
    begin = max(0, (size - 1024) // 2)
    return slice(begin, begin + 1024)


def _as_bytes(image: Image) -> Grey:
    median, sigma = robust_spread(image)
    low = max(float(image.min()), median - _SIGMAS * sigma)
    high = min(float(image.max()), median + _SIGMAS * sigma)
    if not high > low:
        high = low + 1.0
    return Grey(grey_bytes(image, low, high), low, high)


def _mapped(path: Path) -> tuple[NDArray[Any], MrcHeader]:
    """Return a file's first section without reading it all; files are replaced by renaming, so maps stay valid."""
    try:
        header = read_mrc_header(path)
    except FileNotFoundError as error:
        raise MissingError(f"{path.name}: not there (yet); run `weft run`") from error
    if header.packed:
        raise InputError(f"{path.name}: packed 4-bit images cannot be shown")
    shape = (header.ny, header.nx)
    return np.memmap(path, dtype=header.dtype, mode="r", offset=header.offset, shape=shape), header
