"""What is wrong with a movie's pixels: in all frames, and in single ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.movie.outliers import (
    FALSE_POSITIVES,
    Background,
    find_background,
    find_dead,
    find_hot,
    poisson_limit,
    replacement_sources,
)

__all__ = ["Flaws", "Repair", "find_flaws"]

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Places = NDArray[np.intp]

_CHOICES = 8  # good neighbours that take turns in standing for a pixel that is bad in all frames


@dataclass(frozen=True, slots=True)
class Flaws:
    """Pixels that were found, as flat indices.

    Parameters
    ----------
    hot : ndarray
        Hot or dead in all frames.
    struck : tuple of ndarray
        Hit in one frame, for each frame.
    """

    hot: Places
    struck: tuple[Places, ...]

    @property
    def xrays(self) -> int:
        """Number of pixels hit in one frame."""
        return sum(len(places) for places in self.struck)


@dataclass(frozen=True, slots=True)
class Repair:
    """Which pixel stands for which.

    Parameters
    ----------
    places : ndarray, shape (n,)
        Flat indices of pixels that are replaced in all frames.
    sources : ndarray, shape (choices, n)
        Whose values they get; frames take turns.
    struck : tuple of (places, sources)
        The same for each frame alone.
    """

    places: Places
    sources: Places
    struck: tuple[tuple[Places, Places], ...]

    @classmethod
    def of(cls, bad: Mask | None, flaws: Flaws, shape: tuple[int, int], rng: np.random.Generator) -> Repair:
        """Choose the sources."""
        always = np.zeros(shape, dtype=bool) if bad is None else bad.copy()
        always.reshape(-1)[flaws.hot] = True
        places = np.flatnonzero(always)
        sources = replacement_sources(always, places, rng, _CHOICES)
        struck = []
        flat = always.reshape(-1)
        for hit in flaws.struck:
            alone = hit[~flat[hit]]
            flat[alone] = True
            struck.append((alone, replacement_sources(always, alone, rng)[0]))
            flat[alone] = False
        return cls(places, sources, tuple(struck))

    def mend(self, frame: Image, number: int) -> None:
        """Replace the flawed pixels of a frame in place."""
        width = frame.shape[1]
        if len(self.places):
            sources = self.sources[number % len(self.sources)]
            frame[np.divmod(self.places, width)] = frame[np.divmod(sources, width)]
        places, sources = self.struck[number]
        frame[np.divmod(places, width)] = frame[np.divmod(sources, width)]


def find_flaws(
    total: Image, frames: Iterable[NDArray[Any]], shares: Sequence[float], bad: Mask | None, *, is_integer: bool
) -> Flaws:
    """Find the pixels that cannot be chance.

    Parameters
    ----------
    total : ndarray, shape (y, x), float32
        Sum of the corrected frames.
    frames : iterable of ndarray, shape (y, x)
        Corrected frames; read only if counting statistics apply and there is more than one.
    shares : sequence of float
        Part of all counts that each frame holds.
    bad : ndarray, shape (y, x), bool, optional
        Pixels known to be bad.
    is_integer : bool
        The raw frames are whole numbers.

    Notes
    -----
    One strike can lift a pixel's sum above chance, too: a pixel that is hot by its sum, beyond chance in just one
    frame, and unsuspicious without that frame was struck, and its other frames are good. One that is beyond chance in
    several frames is hot.
    """
    background = find_background(total, bad, is_integer=is_integer)
    hot, dead = find_hot(total, background, bad), find_dead(total, background, bad)
    none = tuple(np.empty(0, dtype=np.intp) for _ in shares)
    if not background.is_counts or len(shares) < 2:
        return Flaws(np.union1d(hot, dead), none)
    above = [
        _beyond_chance(frame, background, share, total.size * len(shares))
        for frame, share in zip(frames, shares, strict=True)
    ]
    places, times = np.unique(np.concatenate([found for found, _ in above]), return_counts=True)
    several = places[times > 1]
    hot = _still_hot(hot, total, background, above, several)
    always = np.union1d(np.union1d(hot, several), dead)
    if bad is not None:
        always = always[~bad.reshape(-1)[always]]
    struck = (np.setdiff1d(found, always) for found, _ in above)
    flat = None if bad is None else bad.reshape(-1)
    return Flaws(always, tuple(hit if flat is None else hit[~flat[hit]] for hit in struck))


_Above = tuple[Places, NDArray[np.float64]]


def _beyond_chance(frame: NDArray[Any], background: Background, share: float, pixels: int) -> _Above:
    """Return where a frame is beyond chance, and its values there."""
    level = FALSE_POSITIVES / pixels
    share = max(share, 1e-6)
    lowest = float(poisson_limit(np.array([share * background.lowest]), background.dispersion, level)[0])
    # compared in the frame's own type, a copy in double precision is saved
    places = np.flatnonzero(frame > (math.floor(lowest) if frame.dtype.kind in "iu" else lowest))
    values = frame.reshape(-1)[places].astype(np.float64)
    is_far = background.beyond_chance(places, values, share, level)
    return places[is_far], values[is_far]


def _still_hot(hot: Places, total: Image, background: Background, above: Sequence[_Above], several: Places) -> Places:
    """Return the hot pixels that are so even without the one frame in which they are beyond chance."""
    rest = total.reshape(-1)[hot].astype(np.float64)
    for places, values in above:
        _, mine, theirs = np.intersect1d(hot, places, assume_unique=True, return_indices=True)
        rest[mine] -= values[theirs]
    is_far = background.beyond_chance(hot, rest, 1.0, FALSE_POSITIVES / total.size)
    return hot[is_far | np.isin(hot, several)]
