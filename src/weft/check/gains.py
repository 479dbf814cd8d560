"""Gain reference and defects: there, of the right size, needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from weft.check.finding import Finding, Input
from weft.errors import WeftError
from weft.movie.gain import load_correction
from weft.movie.open import MovieInfo

__all__ = ["check_gains"]

_GAIN_NAME = re.compile(r"gain|flat", re.IGNORECASE)
_GAIN_ENDINGS = {".gain", ".dm4", ".mrc", ".tif", ".tiff"}
_PLACES = ("*", "gain/*", "frames/*")


def check_gains(given: Input) -> Iterator[Finding]:
    """Yield what is wrong with gain reference and defects."""
    settings, folder = given.project.settings.input, given.project.folder
    missing = False
    for key in ("gain", "defects"):
        path: Path | None = getattr(settings, key)
        if path is not None and not (folder / path).exists():
            missing = True
            yield Finding(
                "error", f"no_{key}", f"{folder / path}: no such file, but input.{key} names it",
                "correct the path or remove the key", f"input.{key}", "input",
            )  # fmt: skip
    if missing or not given.movies:
        return
    if settings.gain is None:
        yield from _unused(given)
    if settings.gain is None and settings.defects is None:
        return
    yield from _fits(given)
    yield from _rows(given)


def _fits(given: Input) -> Iterator[Finding]:
    """Try them on one movie of each size."""
    settings, folder = given.project.settings.input, given.project.folder
    paths = {key: folder / path for key in ("gain", "defects") if (path := getattr(settings, key)) is not None}
    full = settings.model_copy(update=paths)
    samples: dict[tuple[int, int, bool], MovieInfo] = {}
    for info in given.movies.values():
        samples.setdefault((info.height, info.width, info.format == "eer"), info)
    for (height, width, is_eer), info in samples.items():
        try:
            correction = load_correction(full, (height, width), is_eer=is_eer)
        except WeftError as error:
            what, _, fix = str(error).partition("; ")
            stops = "input" if len(samples) == 1 else ""
            yield Finding("error", "gain_size", what, fix, "input.gain", stops)  # type: ignore[arg-type]
            continue
        for note in correction.notes:
            yield Finding(
                "warning" if "zero" in note else "info", "gain", f"{info.path.name}: {note}", where="input.gain"
            )
        yield Finding(
            "ok", "gain_size", f"gain reference and defects fit frames of {width} × {height}", where="input.gain"
        )


def _rows(given: Input) -> Iterator[Finding]:
    """Remind of the flip that a TIFF movie with an MRC gain needs."""
    settings = given.project.settings.input
    kinds = {info.format for info in given.movies.values()}
    gain = settings.gain
    is_mrc = gain is not None and gain.suffix.lower() in {".mrc", ".mrcs"}
    if "tiff" in kinds and is_mrc and not settings.gain_flip_y:
        yield Finding(
            "warning", "gain_rows",
            "TIFF rows are turned round on reading, those of an MRC gain are not; without input.gain_flip_y they rarely fit",
            "try the eight orientations with `weft gain`", "input.gain_flip_y",
        )  # fmt: skip


def _unused(given: Input) -> Iterator[Finding]:
    """Tell of a gain reference that lies there and is not used."""
    folder = given.project.folder
    movies = {path for paths in given.found.values() for path in paths}
    for pattern in _PLACES:
        for path in sorted(folder.glob(pattern)):
            is_gain = _GAIN_NAME.search(path.name) and path.suffix.lower() in _GAIN_ENDINGS and path.is_file()
            if is_gain and path not in movies and not path.is_relative_to(given.project.out):
                shown = path.relative_to(folder)
                yield Finding(
                    "warning", "gain_unused", f"{shown} looks like a gain reference, but input.gain is not set",
                    f"`weft config set input.gain {shown}` if the movies are not corrected yet", "input.gain",
                )  # fmt: skip
                return
