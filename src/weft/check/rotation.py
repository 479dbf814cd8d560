"""SerialEM's rotation and flip of the frames against the orientation that the settings give the gain reference."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from weft.check.finding import Finding, Input, listed
from weft.check.gain_names import sampled_mdocs
from weft.errors import InputError
from weft.io.mdoc import Mdoc, number_in
from weft.io.mrc import read_mrc_header
from weft.movie.open import MovieInfo
from weft.settings.schema import InputSettings

__all__ = ["STEPS_OF_CODE", "check_rotation", "code_in"]

_Steps = tuple[bool, bool, bool]  # flip x, flip y, then transpose

# The code's operation on a gain in the camera's orientation, in Warp's steps, movie and gain both in the order of MRC's
# rows: code mod 4 quarter turns counter-clockwise as displayed, after a mirroring left-right if 4 is in it.
STEPS_OF_CODE: tuple[_Steps, ...] = (
    (False, False, False),
    (False, True, True),
    (True, True, False),
    (True, False, True),
    (True, False, False),
    (True, True, True),
    (False, True, False),
    (False, False, True),
)
_TITLE = re.compile(r"\br/f\s+(\d+)")
_KEYS = ("gain_flip_x", "gain_flip_y", "gain_transpose")
_MOST_MOVIES = 6
_ROWS = "TIFF rows are turned round on reading, those of an MRC gain are not"


def check_rotation(given: Input) -> Iterator[Finding]:
    """Yield whether the gain lies as SerialEM's code says, and what rows of different order may need besides."""
    settings = given.project.settings.input
    if settings.gain is None or not given.movies:
        return
    codes, where = _codes(given)
    if len(codes) > 1:
        yield Finding(
            "warning", "rotations", f"SerialEM wrote the movies with different rotations and flips ({where}): r/f {listed(codes)}",
            "one gain orientation cannot fit them all: use a project for each", "input.gain",
        )  # fmt: skip
        return
    steps = _steps(settings)
    is_mixed = _has_mixed_rows(settings, given.movies.values())
    if codes:
        meant = STEPS_OF_CODE[int(codes[0])]
        turned = (meant[0], not meant[1], meant[2])
        said = f"SerialEM's r/f {codes[0]} ({where}) means {_shown(meant)}"
        said += f", or {_shown(turned)} as {_ROWS}" if is_mixed else ""
        if steps == meant and not is_mixed:
            yield Finding("ok", "rotation", said, where="input.gain")
        elif steps not in {meant, turned} or not is_mixed:
            yield Finding(
                "warning", "rotation", f"{said}; the settings have {_shown(steps)}",
                "`weft gain` tells from the data which is right", "input.gain_flip_x",
            )  # fmt: skip
    if is_mixed and (steps == STEPS_OF_CODE[int(codes[0])] if codes else not settings.gain_flip_y):
        flip = f"input.gain_flip_y = {str(not settings.gain_flip_y).lower()}"
        yield Finding(
            "warning", "gain_rows", f"{_ROWS}; without {flip} they rarely fit",
            "try the eight orientations with `weft gain`", "input.gain_flip_y",
        )  # fmt: skip
    elif not codes and not any(steps) and all(info.height == info.width for info in given.movies.values()):
        yield Finding(
            "info", "gain_square", "frames and gain reference are square, so that their size does not tell how it lies",
            "`weft gain` tells from the data", "input.gain",
        )  # fmt: skip


def code_in(titles: Sequence[str]) -> str:
    """Return the rotation and flip in titles of a file of frames, 0 to 7; empty if they tell none.

    Examples
    --------
    >>> code_in(["SerialEMCCD: Dose frac. image, scaled by 32.00 r/f 3"]), code_in(["Weft"])
    ('3', '')
    """
    found = next((match[1] for title in titles if (match := _TITLE.search(title))), "")
    return found if found and int(found) < len(STEPS_OF_CODE) else ""


def _has_mixed_rows(settings: InputSettings, movies: Iterable[MovieInfo]) -> bool:
    """Return whether the rows of TIFF movies are turned round on reading, but those of their gain reference not."""
    is_mrc = settings.gain is not None and settings.gain.suffix.lower() in {".mrc", ".mrcs"}
    return is_mrc and any(info.format == "tiff" for info in movies)


def _codes(given: Input) -> tuple[list[str], str]:
    """Return the codes, the commonest first, and what tells them: the movies' titles, else the mdocs.

    Titles win, as frames may be saved without the rotation that the mdoc tells of. EER files are the camera's own.
    """
    movies = [info for info in given.movies.values() if info.format != "eer"]
    some = movies[:: max(1, -(-len(movies) // _MOST_MOVIES))]
    told = Counter(code for info in some if (code := code_in(_titles(info))))
    if told:
        return [code for code, _ in told.most_common()], "title of the movies"
    mdocs = sampled_mdocs(given.mdocs) if movies else []
    told = Counter(code for mdoc in mdocs for code in _mdoc_codes(mdoc))
    return [code for code, _ in told.most_common()], "RotationAndFlip of the mdocs"


def _titles(info: MovieInfo) -> Sequence[str]:
    """Return what a movie's file says of itself in words."""
    import tifffile

    try:
        if info.format == "mrc":
            return read_mrc_header(info.path).labels
        with tifffile.TiffFile(info.path) as file:
            return (str(file.pages.first.description),)
    except (InputError, OSError, ValueError):
        return ()


def _mdoc_codes(mdoc: Mdoc) -> list[str]:
    numbers = [number_in(one.get("RotationAndFlip")) for one in mdoc.sections]
    return [str(int(number)) for number in numbers if number is not None and 0 <= number < len(STEPS_OF_CODE)]


def _steps(settings: InputSettings) -> _Steps:
    return settings.gain_flip_x, settings.gain_flip_y, settings.gain_transpose


def _shown(steps: _Steps) -> str:
    names = [key for key, is_set in zip(_KEYS, steps, strict=True) if is_set]
    return listed(names) if names else "no flip"
