"""Contact sheets: small pictures side by side with their names; dropped ones are dimmed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.errors import MissingError
from weft.signal.picture import grey_bytes, robust_spread

__all__ = ["Cell", "contact_sheet", "png_bytes", "read_picture", "stretched"]

Bytes = NDArray[np.uint8]

_GAP_PX = 4
_LINE_PX = 12
_DIMMED = 0.35
_SIGMAS = 3.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of a sheet.

    Parameters
    ----------
    title : str
        Written under it.
    picture : ndarray or None, shape (y, x), uint8
        First row at the top; None if there is none yet.
    is_dropped : bool
        Shown dimmed.
    """

    title: str
    picture: Bytes | None
    is_dropped: bool = False


def read_picture(path: Path) -> Bytes:
    """Return a grey picture (y, x), first row at the top.

    Raises
    ------
    MissingError
        If there is no such file, or it is no picture.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.array(image.convert("L"))
    except FileNotFoundError as error:
        raise MissingError(f"{path.stem}: has no picture yet; `weft run` makes it") from error
    except (UnidentifiedImageError, OSError) as error:
        raise MissingError(f"{path}: cannot be read as a picture; delete it and `weft run` makes it anew") from error


def contact_sheet(cells: Sequence[Cell], side_px: int, columns: int | None = None) -> Bytes:
    """Return a picture of all cells, row by row.

    Parameters
    ----------
    cells : sequence of Cell
        At least one.
    side_px : int
        Longer side of each picture.
    columns : int, optional
        Cells in a row; about half more than rows if not given.
    """
    from PIL import Image, ImageDraw

    across = columns or max(1, math.ceil(math.sqrt(1.5 * len(cells))))
    across = min(across, len(cells))
    down = math.ceil(len(cells) / across)
    wide, tall = side_px + _GAP_PX, side_px + _LINE_PX + _GAP_PX
    sheet = Image.new("L", (across * wide + _GAP_PX, down * tall + _GAP_PX), 16)
    draw = ImageDraw.Draw(sheet)
    for number, cell in enumerate(cells):
        left, top = _GAP_PX + number % across * wide, _GAP_PX + number // across * tall
        if cell.picture is not None:
            image = Image.fromarray(cell.picture)
            image.thumbnail((side_px, side_px), Image.Resampling.BOX)
            image = Image.fromarray(_dimmed(np.asarray(image)) if cell.is_dropped else stretched(np.asarray(image)))
            sheet.paste(image, (left + (side_px - image.width) // 2, top + (side_px - image.height) // 2))
        draw.text((left, top + side_px), cell.title, fill=110 if cell.is_dropped else 230)
    return np.asarray(sheet)


def png_bytes(picture: Bytes) -> bytes:
    """Return a picture as PNG."""
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, "png")
    return out.getvalue()


def stretched(picture: Bytes) -> Bytes:
    """Return a shrunk picture with the contrast that shrinking took: 3 robust σ on either side of the median."""
    median, sigma = robust_spread(picture)
    return grey_bytes(picture.astype(np.float32), median - _SIGMAS * sigma, median + _SIGMAS * sigma)


def _dimmed(picture: Bytes) -> Bytes:
    return np.asarray(stretched(picture) * _DIMMED, dtype=np.uint8)
