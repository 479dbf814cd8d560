"""Grids of nodes as people write them: ``2x2x1``, ``1x1xn``."""

from __future__ import annotations

import re

__all__ = ["check_grid", "parse_grid"]

_GRID = re.compile(r"(\d+)\s*[x×,]\s*(\d+)\s*[x×,]\s*(\d+|n)", re.IGNORECASE)


def check_grid(text: str) -> str:
    """Return the grid in its usual spelling.

    Parameters
    ----------
    text : str
        X×Y×T with ``x``, ``×`` or ``,`` between; ``n`` in the last place means the movie's number of frames.

    Raises
    ------
    ValueError
        If it cannot be read or has a side outside 1 to 100.
    """
    found = _GRID.fullmatch(text.strip())
    if found is None:
        raise ValueError(f'grid = "{text}": write it as XxYxT, for example 2x2x1 or 1x1xn')
    sides = [side.lower() for side in found.groups()]
    if any(side != "n" and not 1 <= int(side) <= 100 for side in sides):
        raise ValueError(f'grid = "{text}": each side must be between 1 and 100')
    return "x".join(sides)


def parse_grid(text: str, frames: int) -> tuple[int, int, int]:
    """Return the grid's nodes along x, y and t for a movie of `frames` frames.

    Examples
    --------
    >>> parse_grid("1x1xn", 8)
    (1, 1, 8)
    """
    x, y, t = check_grid(text).split("x")
    return int(x), int(y), min(frames if t == "n" else int(t), frames)
