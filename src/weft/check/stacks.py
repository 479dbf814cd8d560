"""Tilt-series stacks among movies: their sections are tilts, which must not be aligned and summed as frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from weft.check.finding import Finding, Input, listed
from weft.errors import InputError
from weft.io.mdoc import read_mdoc
from weft.io.names import stem_of
from weft.series.names import series_stem

__all__ = ["HOW_TO_SPLIT", "check_stacks", "is_tilt_stack", "may_be_stack", "mdocs_by_stem"]

_STACK_ENDINGS = {".st", ".ali"}  # IMOD's, never those of movies
_MOVIE_ENDINGS = {".mrc", ".mrcs"}
_MOST_LOOKED_AT = 200
HOW_TO_SPLIT = (
    "set input.movies to the raw movies alone, or split a stack into one file per tilt "
    "(IMOD: `newstack -split 0 -append mrc STACK NAME_`)"
)


def mdocs_by_stem(mdocs: Iterable[Path]) -> dict[str, list[Path]]:
    """Return mdocs by the name of what they describe, such as TS_01 for ``TS_01.st.mdoc``."""
    found: dict[str, list[Path]] = {}
    for path in mdocs:
        found.setdefault(_stem(Path(series_stem(path))), []).append(path)
    return found


def may_be_stack(path: Path, mdocs: Mapping[str, list[Path]]) -> bool:
    """Return whether a file is worth opening: by its ending, or because an mdoc has its name."""
    ending = path.suffix.lower()
    return ending in _STACK_ENDINGS or (ending in _MOVIE_ENDINGS and _stem(path) in mdocs)


def is_tilt_stack(path: Path, frames: int, mdocs: Mapping[str, list[Path]]) -> bool:
    """Return whether a file's images are those of a tilt series.

    Parameters
    ----------
    path : Path
        The file.
    frames : int
        Its images.
    mdocs : mapping of str to list of Path
        From `mdocs_by_stem`.

    Notes
    -----
    So it is if it ends in ``.st`` or ``.ali``, or if an mdoc of its name has as many ``[ZValue = n]`` sections.
    """
    if frames < 2:
        return False
    if path.suffix.lower() in _STACK_ENDINGS:
        return True
    return any(_tilts_in(mdoc) == frames for mdoc in mdocs.get(_stem(path), ()))


def check_stacks(given: Input) -> Iterator[Finding]:
    """Yield which movies are tilt series."""
    beside = [info.path.with_name(f"{info.path.name}.mdoc") for info in given.movies.values()][:_MOST_LOOKED_AT]
    mdocs = mdocs_by_stem([*given.mdocs, *(path for path in beside if path.is_file())])
    likely = [(name, info) for name, info in given.movies.items() if may_be_stack(info.path, mdocs)]
    stacks = [info.path.name for _, info in likely[:_MOST_LOOKED_AT] if is_tilt_stack(info.path, info.frames, mdocs)]
    if stacks:
        what = "is a tilt series, not a movie" if len(stacks) == 1 else "are tilt series, not movies"
        yield Finding(
            "error", "tilt_stack", f"{listed(stacks)} {what}: a run would align and sum the tilts as frames",
            HOW_TO_SPLIT, "input.movies",
        )  # fmt: skip


def _tilts_in(mdoc: Path) -> int:
    try:
        return len(read_mdoc(mdoc).of_kind("ZValue"))
    except InputError:
        return 0


def _stem(path: Path) -> str:
    return stem_of(path.name.removesuffix(".ali"))
