"""Movies: are there any, can they be read, do they belong together."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from weft.check.finding import Finding, Input, listed

__all__ = ["check_names"]

_BEING_WRITTEN_S = 60.0
_MOST_FAULTS = 20
_MOST_NOTES = 6
_NUMBER = re.compile(r"\d+(\.\d+)?")
_CUT = "cut off"
_ODD_LETTERS = re.compile(r"[^A-Za-z0-9_.+\-\[\]=]")


def check_names(given: Input) -> Iterator[Finding]:
    """Yield what is odd about the movies' files."""
    pattern = given.project.settings.input.movies
    if not given.found:
        yield Finding(
            "error", "no_movies", f'no movie fits input.movies = "{pattern}" in {given.project.folder}',
            _other_movies(given.project.folder), "input.movies", "input",
        )  # fmt: skip
        return
    yield from _doubles(given)
    yield from _unreadable(given)
    yield from _sizes(given)
    yield from _odd_names(given)
    yield from _in_motion(given)
    yield from _notes(given)
    if given.movies:
        kinds = Counter(info.format for info in given.movies.values())
        shown = ", ".join(f"{count} {kind.upper()}" for kind, count in kinds.most_common())
        yield Finding("ok", "movies", f"{len(given.movies)} movies can be read ({shown})", where=pattern)


def _other_movies(folder: Path) -> str:
    """Return where movies could be instead."""
    for place in (
        "frames/*.tif",
        "frames/*.tiff",
        "frames/*.eer",
        "frames/*.mrcs",
        "*.mrc",
        "*.tif",
        "*.eer",
        "*/*.mrc",
    ):
        if next(folder.glob(place), None) is not None:
            return f"there are files like {place}: `weft config set input.movies '{place}'`"
    return "correct it with `weft config set input.movies PATTERN`"


def _doubles(given: Input) -> Iterator[Finding]:
    for name, paths in given.found.items():
        if len(paths) > 1:
            files = listed([_shown(path, given.project.folder) for path in paths])
            yield Finding(
                "error", "two_movies", f"{name}: {len(paths)} movies have this name ({files})",
                "rename or remove all but one, or narrow input.movies", name,
            )  # fmt: skip


def _unreadable(given: Input) -> Iterator[Finding]:
    faults = list(given.faults.items())
    for name, sentence in faults[:_MOST_FAULTS]:
        what, _, fix = sentence.partition("; ")
        yield Finding("error", "unreadable", what, fix or "copy it again, or leave it out with `weft drop`", name)
    if len(faults) > _MOST_FAULTS:
        more = len(faults) - _MOST_FAULTS
        yield Finding("error", "unreadable", f"{more} more movies cannot be read", "see `weft check --json`")


def _sizes(given: Input) -> Iterator[Finding]:
    sizes = Counter((info.width, info.height) for info in given.movies.values())
    if len(sizes) > 1:
        (usual, _), *others = sizes.most_common()
        rare = [name for name, info in given.movies.items() if (info.width, info.height) != usual]
        shown = " and ".join(f"{width} × {height}" for (width, height), _ in others[:3])
        yield Finding(
            "warning", "mixed_sizes",
            f"{len(rare)} of {len(given.movies)} movies are {shown} pixels, the others {usual[0]} × {usual[1]}: {listed(rare)}",
            "keep data of different cameras or modes in projects of their own, or leave them out with `weft drop`",
            rare[0],
        )  # fmt: skip
    kinds = {info.format for info in given.movies.values()}
    if {"eer", "tiff"} <= kinds:
        yield Finding(
            "warning", "eer_and_tiff",
            "EER and TIFF movies are mixed: TIFF rows are turned round on reading, EER rows are not",
            "tilt axis and handedness differ between them: use one project for each", "input.movies",
        )  # fmt: skip
    frames = Counter(info.frames for info in given.movies.values())
    if len(frames) > 1:
        shown = ", ".join(f"{count} with {number}" for number, count in frames.most_common(4))
        yield Finding("info", "frame_counts", f"the movies have different numbers of frames ({shown})")


def _odd_names(given: Input) -> Iterator[Finding]:
    odd = [name for name in given.found if _ODD_LETTERS.search(name)]
    if odd:
        yield Finding(
            "warning", "odd_names", f"blanks, or letters that other programs stumble over, are in the names of {listed(odd)}",
            "rename the movies (and SubFramePath in the mdocs) if IMOD or RELION is to read them", odd[0],
        )  # fmt: skip


def _in_motion(given: Input) -> Iterator[Finding]:
    """Tell of files that somebody may still be writing."""
    now = time.time()
    fresh = []
    for name, info in given.movies.items():
        try:
            age = now - info.path.stat().st_mtime
        except OSError:
            continue
        if 0 <= age < _BEING_WRITTEN_S:
            fresh.append(name)
    if fresh:
        yield Finding(
            "info", "being_written",
            f"written in the last minute, so perhaps not complete: {listed(fresh)}",
            "`weft watch` waits until files stand still", fresh[0],
        )  # fmt: skip


def _notes(given: Input) -> Iterator[Finding]:
    """Tell what had to be decided on reading: signs, packed pixels, EER frames that are cut off or left over."""
    said: dict[str, list[tuple[str, str]]] = {}
    for name, info in given.movies.items():
        for note in info.notes:
            said.setdefault(_NUMBER.sub("#", note), []).append((name, note))
    for members in list(said.values())[:_MOST_NOTES]:
        name, note = members[0]
        is_lost = _CUT in note
        more = f" (and {len(members) - 1} movies alike)" if len(members) > 1 else ""
        yield Finding(
            "warning" if is_lost else "info", "reading", f"{name}: {note}{more}",
            "copy them again if the originals are whole" if is_lost else "", name,
        )  # fmt: skip


def _shown(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
