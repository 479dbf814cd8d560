"""A look at a folder of data: which files are movies, mdocs, gain references, and what their headers say."""

from __future__ import annotations

import glob
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.check.finding import listed
from weft.check.gain_names import is_gain_by_ending, looks_like_gain, named_gains, sampled_mdocs
from weft.check.stacks import HOW_TO_SPLIT, is_tilt_stack, may_be_stack, mdocs_by_stem
from weft.cli.output import counted
from weft.errors import WeftError
from weft.io.sniff import recognise
from weft.settings.schema import InputSettings

if TYPE_CHECKING:
    from weft.movie.open import MovieInfo

__all__ = ["Look", "look_at"]

DEEPEST = 4
MOST_FILES = 200_000
MOST_STACKS = 200  # that are opened
MOST_GAINS = 30  # more files with such a name are movies
SAMPLES = 3  # files of a group that are opened: first, middle, last
_MADE_BY_US = {"weft", "truth"}
_NO_IMAGE = {".mdoc", ".xml", ".txt", ".json", ".toml", ".star", ".log", ".pdf", ".png", ".jpg", ".py", ".csv", ".md"}
_MDOC_LINE = re.compile(r"^\s*(Voltage|PixelSpacing|ExposureDose)\s*=\s*(\S+)", re.MULTILINE)
_UNLIKELY_PIXEL_A = 1.0  # programs write 1 when they do not know


@dataclass(frozen=True, slots=True)
class Look:
    """What was found in a folder.

    Parameters
    ----------
    settings : dict of table to keys
        What the data tell of ``weft.toml``.
    found : tuple of str
        Sentences about what was found.
    doubts : tuple of str
        Sentences about what could not be told, each with what to do.
    """

    settings: dict[str, dict[str, Any]]
    found: tuple[str, ...]
    doubts: tuple[str, ...]


@dataclass
class _Notes:
    settings: dict[str, dict[str, Any]] = field(default_factory=lambda: {"input": {}, "optics": {}})
    found: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Group:
    """Files of one ending in one folder, with what the sampled headers say."""

    folder: Path
    ending: str
    files: tuple[Path, ...]
    infos: tuple[MovieInfo, ...]

    @property
    def frames(self) -> int:
        return max(info.frames for info in self.infos)


def look_at(folder: Path, given: Mapping[str, Any]) -> Look:
    """Look at a folder.

    Parameters
    ----------
    folder : Path
        Of the future project.
    given : mapping
        Keys of ``[input]`` that the user has told already; they are not searched for.
    """
    files = list(_files(folder))
    mdocs = sampled_mdocs([path for path in files if path.suffix.lower() == ".mdoc"])
    named = {name.lower() for name in named_gains(mdocs)}
    gains = _gain_files(files, named)
    notes = _Notes()
    movies = None
    stacks = _tilt_stacks(files)
    if "movies" in given:
        names = glob.glob(str(given["movies"]), root_dir=folder, recursive=True)  # noqa: PTH207 (absolute ones, too)
        paths = [folder / name for name in sorted(names)]
        movies = _group(folder, "", paths) if paths else None
    else:
        movies = _find_movies(folder, [path for path in files if path not in gains and path not in stacks], notes)
    if stacks:
        _tell_stacks(
            folder, stacks, notes, pattern=str(given.get("movies") or notes.settings["input"].get("movies", ""))
        )
    elif movies is None:
        notes.doubts.append(
            "no movies were found (MRC, TIFF or EER with several frames); say where they are: "
            "`weft config set input.movies 'FOLDER/*.mrc'`"
        )
    if movies is not None:
        _describe_movies(movies, given, notes)
    if "mdocs" not in given:
        _find_mdocs(folder, files, notes)
    if "gain" not in given:
        told = [path for path in sorted(gains) if path.name.lower() in named]
        _find_gain(folder, told or sorted(gains), movies, notes)
    return Look(notes.settings, tuple(notes.found), tuple(notes.doubts))


def _files(folder: Path) -> Iterator[Path]:
    """Yield files to a depth of four folders; hidden ones and what Weft has made are passed over."""
    count = 0
    for place, folders, names in os.walk(folder, followlinks=True):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _MADE_BY_US)
        if depth >= DEEPEST:
            folders.clear()
        for name in sorted(names):
            if name.startswith("."):
                continue
            count += 1
            if count > MOST_FILES:
                return
            yield Path(place) / name


def _tilt_stacks(files: Sequence[Path]) -> list[Path]:
    """Return the files that hold a tilt series."""
    mdocs = mdocs_by_stem(path for path in files if path.suffix.lower() == ".mdoc")
    likely = [path for path in files if may_be_stack(path, mdocs)][:MOST_STACKS]
    opened = [(path, _group(path.parent, path.suffix, [path])) for path in likely]
    return [path for path, group in opened if group is not None and is_tilt_stack(path, group.frames, mdocs)]


def _tell_stacks(folder: Path, stacks: Sequence[Path], notes: _Notes, *, pattern: str) -> None:
    """Note tilt series; those that the movies' pattern takes in would be summed as if they were movies."""
    taken = {folder / name for name in glob.glob(pattern, root_dir=folder, recursive=True)} if pattern else set()  # noqa: PTH207
    names = listed([path.name for path in stacks if path in taken or not pattern])
    if names:
        what = f'and input.movies = "{pattern}" takes them in' if pattern else "and no movies were found"
        notes.doubts.append(f"{names}: tilt series, not movies, {what}; {HOW_TO_SPLIT}")
    else:
        notes.doubts.append(f"{listed([path.name for path in stacks])}: tilt series, not movies; left alone")


def _find_movies(folder: Path, files: Sequence[Path], notes: _Notes) -> _Group | None:
    """Return the group of files that are most likely the movies."""
    by_place: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path in files:
        ending = path.suffix.lower()
        if ending and ending not in _NO_IMAGE:
            by_place[path.parent, path.suffix].append(path)
    found = [_group(place, ending, paths) for (place, ending), paths in by_place.items()]
    groups = [group for group in found if group is not None]
    movies = [group for group in groups if group.frames > 1] or groups
    if not movies:
        return None
    movies.sort(key=lambda group: -len(group.files))
    best = movies[0]
    twins = [g for g in movies if g.ending == best.ending and g.folder.parent == best.folder.parent and g is not best]
    if twins and best.folder != folder:
        pattern = f"{_relative(best.folder.parent, folder)}*/*{best.ending}"
        all_files = tuple(path for group in (best, *twins) for path in group.files)
        best = _Group(best.folder.parent, best.ending, all_files, best.infos)
    else:
        pattern = _pattern(best, folder)
        for other in movies[1:4]:
            notes.doubts.append(
                f"{len(other.files)} more image files are in {other.folder} (*{other.ending}) and left alone"
            )
    notes.settings["input"]["movies"] = pattern
    return best


def _pattern(group: _Group, folder: Path) -> str:
    """Return a pattern for the group's files, and for no others beside them (a gain reference among them)."""
    alike = [path for path in group.folder.glob(f"*{group.ending}") if not path.name.startswith(".")]
    beginning = ""
    if len(alike) > len(group.files):
        first, last = min(path.name for path in group.files), max(path.name for path in group.files)
        same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(group.ending))
        beginning = re.sub(r"\d.*", "", first[:same])  # numbers go on: TS_01_00 would miss TS_01_010
    return f"{_relative(group.folder, folder)}{beginning}*{group.ending}"


def _relative(place: Path, folder: Path) -> str:
    """Return the beginning of a pattern for files in a folder."""
    shown = place.relative_to(folder).as_posix()
    return "" if shown == "." else f"{shown}/"


def _group(place: Path, ending: str, paths: Sequence[Path]) -> _Group | None:
    """Open some files of a group; None if they are no movies."""
    from weft.movie.open import open_movie

    infos = []
    for index in sorted({0, len(paths) // 2, len(paths) - 1})[:SAMPLES]:
        try:
            recognise(paths[index])
            infos.append(open_movie(paths[index], InputSettings()).info)
        except (WeftError, OSError):
            continue
    return _Group(place, ending, tuple(paths), tuple(infos)) if infos else None


def _describe_movies(movies: _Group, given: Mapping[str, Any], notes: _Notes) -> None:
    """Note size, frames and pixel size."""
    info = movies.infos[0]
    what = f"{info.frames} {'fractions' if info.format == 'eer' else 'frames'} of {info.width} × {info.height}"
    notes.found.append(f"{len(movies.files)} movies ({info.format.upper()}, {what}), such as {info.name}")
    if len({(i.height, i.width) for i in movies.infos}) > 1:
        notes.doubts.append("the movies differ in size; `weft check` tells which")
    if info.frames == 1:
        notes.doubts.append("the files have one frame only: they will pass through without motion correction")
    if info.format == "eer" and not any(key.startswith("eer_") for key in given):
        notes.doubts.append(
            f"EER: {what} is only a beginning; choose with `weft config set input.eer_frames_per_fraction N` "
            "(about 0.5 e⁻/Å² a fraction is usual)"
        )
    if "raw_pixel_size_A" in given:
        return
    pixel = info.pixel_size_A
    if pixel and abs(pixel - _UNLIKELY_PIXEL_A) > 1e-6:
        notes.settings["input"]["raw_pixel_size_A"] = round(pixel, 5)
        notes.found.append(f"pixel size {pixel:.5g} Å, from the header of {info.path.name}")
    else:
        notes.doubts.append("the headers tell no pixel size; give it: `weft config set input.raw_pixel_size_A 0.675`")


def _find_mdocs(folder: Path, files: Sequence[Path], notes: _Notes) -> None:
    """Note where the mdocs are and what the first one says."""
    places: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        if path.suffix.lower() == ".mdoc":
            places[path.parent].append(path)
    if not places:
        notes.doubts.append("no mdoc files were found; without them there are movies, but no tilt series")
        return
    place = max(places, key=lambda one: len(places[one]))
    notes.settings["input"]["mdocs"] = f"{_relative(place, folder)}*{places[place][0].suffix}"
    notes.found.append(f"{counted(len(places[place]), 'mdoc')} in {place}")
    text = places[place][0].read_text(encoding="utf-8", errors="replace")
    facts: dict[str, list[float]] = defaultdict(list)
    for key, value in _MDOC_LINE.findall(text):
        try:
            facts[key].append(float(value))
        except ValueError:
            continue
    if facts["Voltage"] and 10 <= facts["Voltage"][0] <= 2000:
        notes.settings["optics"]["voltage_kV"] = facts["Voltage"][0]
    if not any(facts["ExposureDose"]):
        notes.doubts.append(
            "the mdocs tell no exposure; exports that need it will ask: `weft config set input.exposure_e_A2 3`"
        )


def _gain_files(files: Sequence[Path], named: Collection[str]) -> set[Path]:
    """Return the files that are gain references by ending, by the mdocs, or by name if they hold one image only."""
    certain = {path for path in files if is_gain_by_ending(path) or path.name.lower() in named}
    by_name = [path for path in files if looks_like_gain(path) and path not in certain]
    if len(by_name) > MOST_GAINS:
        return certain
    groups = {path: _group(path.parent, path.suffix, [path]) for path in by_name}
    return certain | {path for path, group in groups.items() if group is not None and group.frames == 1}


def _find_gain(folder: Path, found: Sequence[Path], movies: _Group | None, notes: _Notes) -> None:
    """Note the gain reference, if there is one and the movies are integers."""
    if not found:
        return
    names = ", ".join(path.name for path in found[:4])
    if len(found) > 1:
        notes.doubts.append(
            f"several files may be the gain reference ({names}); choose: `weft config set input.gain FILE`"
        )
        return
    if movies is not None and movies.infos[0].dtype.kind == "f":
        notes.doubts.append(f"{names} is not used: the movies hold fractions of counts, so they look gain-corrected")
        return
    notes.settings["input"]["gain"] = found[0].relative_to(folder).as_posix()
    notes.found.append(f"gain reference {names}")
    _orient(found[0], movies, notes)


def _orient(gain: Path, movies: _Group | None, notes: _Notes) -> None:
    """Compare the gain's size with the movies'."""
    if movies is None:
        return
    from weft.io.image import read_image

    try:
        height, width = read_image(gain)[0].shape
    except (WeftError, OSError) as error:
        notes.doubts.append(str(error))
        return
    info = movies.infos[0]
    if (height, width) == (info.width, info.height) and height != width:
        notes.settings["input"]["gain_transpose"] = True
        notes.found.append("the gain lies across the movies and will be transposed")
    elif (height, width) != (info.height, info.width):
        notes.doubts.append(
            f"{gain.name} is {width} × {height}, the movies are {info.width} × {info.height}: "
            "it does not fit them and is not used; look for the right one"
        )
        del notes.settings["input"]["gain"]
        return
    notes.doubts.append(
        "the gain's flips cannot be told from its size; `weft check` compares them with what SerialEM wrote, "
        "`weft gain` finds them from the movies"
    )
