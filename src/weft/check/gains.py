"""Gain reference and defects: there, of the right size, needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from weft.check.finding import Finding, Input, listed
from weft.check.gain_names import looks_like_gain, named_gains, sampled_mdocs
from weft.check.rotation import check_rotation
from weft.errors import WeftError
from weft.movie.gain import load_correction
from weft.movie.open import MovieInfo

__all__ = ["check_gains"]

_PLACES = (".", "gain", "frames")  # besides the movies' own folders and those above them
_MOST_FOLDERS = 20


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
    yield from _among_movies(given)
    if settings.gain is None:
        yield from _unused(given)
    if settings.gain is None and settings.defects is None:
        return
    yield from _fits(given)
    yield from check_rotation(given)
    yield from _divided(given)


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


def _divided(given: Input) -> Iterator[Finding]:
    """Tell of an EER's gain that others would divide by."""
    settings = given.project.settings.input
    gain = settings.gain
    is_eer = any(info.format == "eer" for info in given.movies.values())
    if is_eer and gain is not None and gain.suffix.lower() != ".gain" and settings.gain_mode == "multiply":
        yield Finding(
            "warning", "eer_gain", f"RELION divides EER movies by a gain that is no .gain, Weft multiplies them by {gain.name}",
            "`weft gain` tells from the data which is right; `weft config set input.gain_mode divide` does as RELION", "input.gain_mode",
        )  # fmt: skip


def _among_movies(given: Input) -> Iterator[Finding]:
    """Tell of single images among movies that are called as gain references are."""
    if max(info.frames for info in given.movies.values()) == 1:
        return
    names = [name for name, info in given.movies.items() if info.frames == 1 and looks_like_gain(info.path)]
    if names:
        yield Finding(
            "warning", "gain_among_movies", f"{listed(names)} looks like a gain reference, but input.movies counts it as a movie",
            "narrow input.movies, or leave it out with `weft drop`", names[0],
        )  # fmt: skip


def _unused(given: Input) -> Iterator[Finding]:
    """Tell of a gain reference that is not used: one that the mdocs name, or that is called like one."""
    folder = given.project.folder
    named = _named(given)
    wanted = {name.lower() for name in named}
    path = next((one for one in _candidates(given) if one.name.lower() in wanted and one.is_file()), None)
    what = "is the gain reference that the mdocs name"
    if path is None:
        path = next((one for one in _candidates(given) if looks_like_gain(one) and one.is_file()), None)
        what = "looks like a gain reference"
    if path is not None:
        shown = path.relative_to(folder) if path.is_relative_to(folder) else path
        yield Finding(
            "warning", "gain_unused", f"{shown} {what}, but input.gain is not set",
            f"`weft config set input.gain {shown}` if the movies are not corrected yet", "input.gain",
        )  # fmt: skip
    elif named:
        yield Finding(
            "warning", "gain_absent", f"the mdocs name {listed(named)} as gain reference, which is not here",
            "copy it beside the movies and set input.gain if the movies are not corrected yet", "input.gain",
        )  # fmt: skip


def _named(given: Input) -> list[str]:
    """Return the gain references that the mdocs of series or movies name."""
    beside = [info.path.with_name(f"{info.path.name}.mdoc") for info in given.movies.values()]
    return named_gains([*sampled_mdocs(given.mdocs), *sampled_mdocs(beside)])


def _candidates(given: Input) -> Iterator[Path]:
    """Yield what may be a gain reference: in the project, beside the movies and in the folder above these."""
    folder = given.project.folder
    movies = {path for paths in given.found.values() for path in paths}
    homes = sorted({path.parent for path in movies})[:_MOST_FOLDERS]
    above = [home.parent for home in homes if home != folder]
    for place in dict.fromkeys([*(folder / name for name in _PLACES), *homes, *above]):
        for path in sorted(place.glob("*")):
            if path not in movies and not path.is_relative_to(given.project.out):
                yield path
