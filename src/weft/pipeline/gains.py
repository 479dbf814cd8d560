"""What raw movies tell about their gain reference; no torch is needed for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError
from weft.movie.gain import read_gain
from weft.movie.gain_search import Estimate, OrientationVerdict, Pattern, estimate_gain, find_orientation
from weft.movie.open import MovieInfo, open_movie
from weft.settings.schema import InputSettings

__all__ = ["GainFindings", "defect_rectangles", "find_gain"]


@dataclass(frozen=True, slots=True)
class GainFindings:
    """What the movies tell.

    Parameters
    ----------
    movies : tuple of Path
        Those that were read.
    skipped : tuple of str
        Why others were not, a sentence each.
    orientation : OrientationVerdict or None
        About the reference, if there is one.
    estimate : Estimate
        A reference, and bad pixels, from the movies alone.
    """

    movies: tuple[Path, ...]
    skipped: tuple[str, ...]
    orientation: OrientationVerdict | None
    estimate: Estimate


def find_gain(
    paths: Sequence[Path],
    settings: InputSettings,
    reference: Path | None,
    *,
    on_movie: Callable[[int, int], None] = lambda _done, _all: None,
) -> GainFindings:
    """Sum raw movies and find out how a gain reference lies on them.

    Parameters
    ----------
    paths : sequence of Path
        Movies of one size.
    settings : InputSettings
        How EER is grouped and rendered; the gain's own settings are not used.
    reference : Path or None
        The reference to try.
    on_movie : callable
        Called with the number of movies done, and of all.

    Raises
    ------
    InputError
        If no movie can be read, or the reference fits in no orientation.
    MissingError
        If the reference does not exist.
    """
    pattern: Pattern | None = None
    read: list[Path] = []
    skipped: list[str] = []
    is_eer = False
    for number, path in enumerate(paths):
        try:
            total, info = _sum(path, settings, None if pattern is None else pattern.shape)
        except InputError as error:
            skipped.append(str(error))
            continue
        pattern = pattern or Pattern((info.height, info.width))
        pattern.add(total, is_integer=info.dtype.kind in "iu")
        read.append(path)
        is_eer = info.format == "eer"
        on_movie(number + 1, len(paths))
    if pattern is None:
        raise InputError(skipped[0] if skipped else "no movie was named, so nothing can be told about the gain")
    orientation = None
    if reference is not None:
        orientation = find_orientation(pattern, read_gain(reference, is_eer=is_eer), reference)
    return GainFindings(tuple(read), tuple(skipped), orientation, estimate_gain(pattern))


def _sum(path: Path, settings: InputSettings, wanted: tuple[int, int] | None) -> tuple[NDArray[np.float32], MovieInfo]:
    """Return the sum of a movie's raw frames.

    Raises
    ------
    InputError
        If it cannot be read, has another size, or is not raw.
    """
    movie = open_movie(path, settings)
    shape = (movie.info.height, movie.info.width)
    if wanted is not None and shape != wanted:
        raise InputError(
            f"{path.name}: is {shape[1]} × {shape[0]} pixels, the first movie {wanted[1]} × {wanted[0]}; "
            "name movies of one size"
        )
    total = np.zeros(shape, dtype=np.float32)
    for frame in movie.frames():
        total += frame
    if total.min() < 0 or not np.isfinite(total).all():
        raise InputError(f"{path.name}: holds negative or no numbers, so it is not raw; name raw movies")
    return total, movie.info


def defect_rectangles(bad: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    """Return bad pixels as rectangles (x, y, width, height): whole columns first, then runs along rows.

    Examples
    --------
    >>> defect_rectangles(np.array([[True, False, True], [False, False, True]]))
    [(2, 0, 1, 2), (0, 0, 1, 1)]
    """
    rest = bad.copy()
    columns = np.flatnonzero(bad.all(axis=0))
    out = [(int(x), 0, 1, bad.shape[0]) for x in columns]
    rest[:, columns] = False
    for y in np.flatnonzero(rest.any(axis=1)):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], rest[y].astype(np.int8), [0]])))
        out += [(int(x0), int(y), int(x1 - x0), 1) for x0, x1 in zip(edges[::2], edges[1::2], strict=True)]
    return out
