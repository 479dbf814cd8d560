"""Pictures in a terminal: kitty's protocol where it is spoken, else half blocks, else letters."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from weft.signal.sheet import png_bytes, stretched

__all__ = ["picture_lines", "speaks_kitty"]

Bytes = NDArray[np.uint8]

_LETTERS = " .:-=+*#%@"
_FIRST_GREY, _GREYS = 232, 24  # of the 256 colours
_CHUNK = 4096
_KITTY_PX_A_COLUMN = 8


def speaks_kitty(environment: Mapping[str, str]) -> bool:
    """Whether the terminal shows pictures by kitty's protocol; inside tmux and screen it does not arrive."""
    if environment.get("TMUX") or environment.get("STY"):
        return False
    names = f"{environment.get('TERM', '')} {environment.get('TERM_PROGRAM', '')}".lower()
    return "KITTY_WINDOW_ID" in environment or any(name in names for name in ("kitty", "ghostty", "wezterm"))


def picture_lines(picture: Bytes, environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the lines that show a grey picture (y, x) in this terminal, as large as fits.

    Parameters
    ----------
    picture : ndarray, shape (y, x), uint8
        First row at the top.
    environment : mapping, optional
        Tells the terminal; this process's if not given.
    """
    given = os.environ if environment is None else environment
    columns, rows = shutil.get_terminal_size((80, 24))
    if speaks_kitty(given):
        return ["".join(_kitty(picture, columns))]
    has_colours = not given.get("NO_COLOR") and given.get("TERM", "dumb") != "dumb"
    small = stretched(_fitted(picture, columns - 1, 2 * max(4, rows - 2)))
    return list(_half_blocks(small) if has_colours else _letters(small))


def _fitted(picture: Bytes, width: int, height: int) -> Bytes:
    """Return the picture shrunk to at most this size, an even number of rows."""
    from PIL import Image

    scale = min(width / picture.shape[1], height / picture.shape[0], 1.0)
    size = (max(1, int(picture.shape[1] * scale)), max(2, 2 * int(picture.shape[0] * scale / 2)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def _half_blocks(picture: Bytes) -> Iterator[str]:
    """Yield lines of upper half blocks: the letter's colour is the upper pixel, the ground's the lower."""
    greys = _FIRST_GREY + np.minimum(picture.astype(int) * _GREYS // 256, _GREYS - 1)
    for upper, lower in zip(greys[::2], greys[1::2], strict=True):
        yield "".join(f"\x1b[38;5;{a};48;5;{b}m▀" for a, b in zip(upper, lower, strict=True)) + "\x1b[0m"


def _letters(picture: Bytes) -> Iterator[str]:
    levels = picture.astype(int) * len(_LETTERS) // 256
    for row in (levels[::2] + levels[1::2]) // 2:
        yield "".join(_LETTERS[level] for level in row)


def _kitty(picture: Bytes, columns: int) -> Iterator[str]:
    """Yield kitty's escapes: a PNG in pieces."""
    width = min(columns, max(8, picture.shape[1] // _KITTY_PX_A_COLUMN))
    data = base64.standard_b64encode(png_bytes(picture)).decode()
    pieces = [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]
    for number, piece in enumerate(pieces):
        head = f"a=T,f=100,c={width}," if number == 0 else ""
        yield f"\x1b_G{head}m={int(number < len(pieces) - 1)};{piece}\x1b\\"
