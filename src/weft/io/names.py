"""Names of items: a movie's stem, with its dots kept."""

from __future__ import annotations

from pathlib import Path

__all__ = ["MOVIE_SUFFIXES", "stem_of"]

MOVIE_SUFFIXES = (".mrc", ".mrcs", ".tif", ".tiff", ".eer", ".ecc", ".st", ".map", ".gain")


def stem_of(path: str | Path) -> str:
    """Return the name without folder and without one known suffix.

    Only suffixes of movies are cut, so that ``TS_-3.0_Dec01_12.30.45.tif`` and
    ``TS_-3.5_Dec01_12.30.45.tif`` stay apart.

    Examples
    --------
    >>> stem_of("frames/TS_01_039_-60.0.mrc"), stem_of("TS_01_039_-60.0")
    ('TS_01_039_-60.0', 'TS_01_039_-60.0')
    """
    name = str(path).replace("\\", "/").rsplit("/", 1)[-1]
    lower = name.lower()
    for suffix in MOVIE_SUFFIXES:
        if lower.endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name
