"""Frames as the camera should have given them: gain, defects, hot pixels and X-rays dealt with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import ItemFailed
from weft.movie.flaws import Flaws, Repair, find_flaws
from weft.movie.gain import load_correction
from weft.movie.open import Movie, MovieInfo
from weft.settings.schema import InputSettings

__all__ = ["PreparationFacts", "PreparedMovie", "prepare"]

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

_LINES = 512  # of a frame, at least, that tell its share of the counts
_BAND = 16  # rows summed over all frames at a time, so that a CPU's cache holds the sum
KEPT_BYTES = 1_500_000_000  # decoded frames of a movie are kept in their small type up to this size


@dataclass(frozen=True, slots=True)
class PreparationFacts:
    """What was found and done.

    Parameters
    ----------
    hot_pixels, xrays, defect_pixels : int
        Pixels replaced: found hot or dead, struck in one frame (both of the sensor), known to be bad.
    notes : tuple of str
        What had to be decided, for people.
    """

    hot_pixels: int
    xrays: int
    defect_pixels: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PreparedMovie:
    """A movie whose corrected frames can be read any number of times.

    Parameters
    ----------
    info : MovieInfo
        The movie.
    facts : PreparationFacts
        What was done.
    """

    info: MovieInfo
    facts: PreparationFacts
    _movie: Movie
    _kept: tuple[NDArray[Any], ...] | None
    _factor: Image | None
    _repair: Repair

    def frames(self, into: Image | None = None) -> Iterator[Image]:
        """Yield corrected frames (y, x) in electrons per raw pixel, float32.

        Each is the caller's own, or the array `into`, if given, that holds one frame after the other.
        """
        raw = self._kept if self._kept is not None else self._movie.frames()
        for number, counts in enumerate(raw):
            frame = _correct(counts, self._factor, into)
            self._repair.mend(frame, number)
            yield frame


def prepare(movie: Movie, settings: InputSettings, *, kept_bytes: int = KEPT_BYTES) -> PreparedMovie:
    """Read a movie once, find what is wrong with its pixels, and return it corrected.

    Parameters
    ----------
    movie : Movie
        As opened.
    settings : InputSettings
        Gain, defects, what to do about X-rays.
    kept_bytes : int
        Frames are kept in memory in their small type up to this size, else read again each time.

    Raises
    ------
    InputError
        If the gain or the defects do not fit, or the movie is damaged.
    ItemFailed
        If the movie holds nothing but bad pixels.
    """
    info = movie.info
    shape = (info.height, info.width)
    correction = load_correction(settings, shape, is_eer=info.format == "eer")
    keep = info.frames * info.height * info.width * info.dtype.itemsize <= kept_bytes
    pass_ = _read(movie, keep=keep)
    notes = list(info.notes + correction.notes)
    bad = correction.bad
    if pass_.unfinite is not None and pass_.unfinite.any():
        notes.append(f"{int(pass_.unfinite.sum())} pixels are not finite and were replaced")
        bad = pass_.unfinite if bad is None else bad | pass_.unfinite
    if correction.factor is not None:
        np.multiply(pass_.total, correction.factor, out=pass_.total)
    fold = settings.eer_supersampling if info.format == "eer" else 1
    flaws = Flaws(np.empty(0, dtype=np.intp), tuple(np.empty(0, dtype=np.intp) for _ in pass_.sums))
    if settings.xrays == "remove":
        source = pass_.kept if pass_.kept is not None else movie.frames()
        frames = (counts if correction.factor is None else _correct(counts, correction.factor) for counts in source)
        flaws = _flaws(pass_, frames, bad, fold, is_integer=info.dtype.kind in "iu")
    repair = Repair.of(bad, flaws, shape, np.random.default_rng(int(info.identity[:8], 16)))
    defects = 0 if bad is None else int(bad.sum())
    facts = PreparationFacts(len(flaws.hot) // fold**2, flaws.xrays // fold**2, defects, tuple(notes))
    return PreparedMovie(info, facts, movie, pass_.kept, correction.factor, repair)


@dataclass(frozen=True, slots=True)
class _Pass:
    """What the first reading of a movie leaves."""

    kept: tuple[NDArray[Any], ...] | None
    total: Image
    sums: tuple[float, ...]
    unfinite: Mask | None

    @property
    def shares(self) -> tuple[float, ...]:
        """Part of all counts that each frame holds."""
        whole = sum(self.sums)
        return tuple(one / whole if whole > 0 and one > 0 else 1 / len(self.sums) for one in self.sums)


def _read(movie: Movie, *, keep: bool) -> _Pass:
    info = movie.info
    total = np.zeros((info.height, info.width), dtype=np.float32)
    unfinite = np.zeros(total.shape, dtype=bool) if info.dtype.kind == "f" else None
    frames: list[NDArray[Any]] = []
    sums: list[float] = []
    lines = slice(None, None, max(1, info.height // _LINES))
    for raw in movie.frames():
        values = raw
        if unfinite is not None:
            unfinite |= ~np.isfinite(raw)
            values = np.nan_to_num(raw, nan=0.0, posinf=0.0, neginf=0.0)
        if unfinite is not None or not keep:
            total += values
        sums.append(float(values[lines].sum(dtype=np.float64 if unfinite is not None else np.int64)))
        if keep:
            frames.append(raw)
    if keep and unfinite is None:
        _add(frames, total)
    if len(sums) != info.frames:
        raise ItemFailed(f"{info.path.name}: {len(sums)} of {info.frames} frames could be read; copy it again")
    if unfinite is not None and unfinite.all():
        raise ItemFailed(f"{info.path.name}: not one pixel is a finite number; the file is damaged")
    return _Pass(tuple(frames) if keep else None, total, tuple(sums), unfinite)


def _add(frames: Sequence[NDArray[Any]], total: Image) -> None:
    """Add frames to a sum in place."""
    for first in range(0, len(total), _BAND):
        band = total[first : first + _BAND]
        for frame in frames:
            band += frame[first : first + _BAND]


def _flaws(pass_: _Pass, frames: Iterator[NDArray[Any]], bad: Mask | None, fold: int, *, is_integer: bool) -> Flaws:
    """Find flaws on the sensor's own pixels: rendered finer, a hot pixel is surrounded by hot ones."""
    if fold == 1:
        return find_flaws(pass_.total, frames, pass_.shares, bad, is_integer=is_integer)
    folded_bad = None if bad is None else _folded(bad.astype(np.float32), fold) > 0
    found = find_flaws(
        _folded(pass_.total, fold),
        (_folded(frame, fold) for frame in frames),
        pass_.shares,
        folded_bad,
        is_integer=is_integer,
    )
    width = pass_.total.shape[1]
    return Flaws(_finer(found.hot, fold, width), tuple(_finer(places, fold, width) for places in found.struck))


def _folded(image: NDArray[Any], fold: int) -> Image:
    """Return the sums of blocks of `fold` × `fold` pixels."""
    height, width = (side // fold for side in image.shape)
    blocks = image.reshape(height, fold, width, fold)
    return np.asarray(blocks.sum(axis=(1, 3), dtype=np.float32))


def _finer(places: NDArray[np.intp], fold: int, width: int) -> NDArray[np.intp]:
    """Return the flat indices of all fine pixels of coarse ones; `width` is that of the fine image."""
    y, x = np.divmod(places, width // fold)
    step = np.arange(fold)
    rows = (y[:, None] * fold + step)[:, :, None]
    return np.asarray(rows * width + (x[:, None] * fold + step)[:, None, :]).reshape(-1)


def _correct(counts: NDArray[Any], factor: Image | None, into: Image | None = None) -> Image:
    frame: Image = np.empty(counts.shape, dtype=np.float32) if into is None else into
    if factor is not None and counts.dtype.kind != "f":
        np.multiply(counts, factor, out=frame, casting="same_kind")
        return frame
    np.copyto(frame, counts, casting="same_kind")
    if counts.dtype.kind == "f":
        np.nan_to_num(frame, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return frame if factor is None else np.multiply(frame, factor, out=frame)
