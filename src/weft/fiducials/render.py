"""Beads as a probability map."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spot", "draw_spots"]


@dataclass(frozen=True, slots=True)
class Spot:
    """A disc at the working scale: centre and radius in working pixels, and how sure it is (0..1)."""

    y: float
    x: float
    radius: float
    probability: float


def draw_spots(shape: tuple[int, int], spots: Iterable[Spot]) -> NDArray[np.float32]:
    """Return the probability that a pixel belongs to a disc: the disc's own times the pixel's covered share.

    Where discs overlap the larger value holds.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the map.
    spots : iterable of Spot
        Discs; parts outside the map are cut off.

    Returns
    -------
    ndarray, shape (y, x), float32
        0 to 1.
    """
    out = np.zeros(shape, np.float32)
    for spot in spots:
        reach = math.ceil(spot.radius + 1.5)
        top, left = max(0, round(spot.y) - reach), max(0, round(spot.x) - reach)
        bottom, right = min(shape[0], round(spot.y) + reach + 1), min(shape[1], round(spot.x) + reach + 1)
        if top >= bottom or left >= right:
            continue
        distance = np.hypot(np.arange(top, bottom)[:, None] - spot.y, np.arange(left, right)[None, :] - spot.x)
        covered = np.clip(spot.radius + 0.5 - distance, 0, 1)  # share of a pixel inside a straight rim
        part = out[top:bottom, left:right]
        np.maximum(part, (covered * spot.probability).astype(np.float32), out=part)
    return out
