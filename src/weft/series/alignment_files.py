"""Find and read the alignments that IMOD, Dynamo, AreTomo and RELION leave, and tell which line is which movie.

A stack's lines have no names. Which movies they are is told, in this order, by the angles beside the alignment
(``.rawtlt``), by the table beside the stack that was aligned, by the images in use now, by all images; the first that
has the right number of lines and fits the refined angles is taken, and none is taken otherwise.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from weft.errors import InputError
from weft.io.imod import Transform, read_aln, read_angles, read_tilt_com, read_xf
from weft.io.names import stem_of
from weft.io.star import Loop, find_named, read_star
from weft.series.alignment import Alignment, TiltAlignment, rotation
from weft.series.table import Tilt, TiltSeries

__all__ = ["Stack", "find_alignment", "read_relion_alignments"]

_ENDINGS = ("", "_st", ".mrc", ".st")  # of the stack's name, as programs leave it in their files
_PLACES = ("{name}", ".", "{name}_Imod", "{name}/{name}_Imod", "{name}_aligned_Imod", "{name}.mrc", "{name}_st_Imod")
_STACK_FOLDERS = ("imod", "aretomo", "dynamo")
_ROUNDED_DEG = 0.02  # angles are written with two decimals
_CUT_DEG = 0.2
_LEAST_TOLERANCE_DEG = 1.0
_LIKELY_OFFSET_DEG = 1.2  # less than steps of series are, mostly; more is a tilted specimen, or another list
_AXIS_DEG = 10.0
_IDENTITY = 1e-6
_RELION_AXIS = "rlnTomoZRot"


@dataclass(frozen=True, slots=True)
class Stack:
    """What is known of the stack that was aligned.

    Parameters
    ----------
    pixel_size_A : float
        Of the images that Weft made, in x and y.
    width : int
        Their columns.
    used : tuple of Tilt
        What would go into a stack now, by ascending angle.
    out : Path
        The project's output folder, where the tables of stacks stand.
    given_pixel_A : float or None
        Pixel size of the aligned stack, if the user tells it.
    """

    pixel_size_A: float
    width: int
    used: tuple[Tilt, ...]
    out: Path
    given_pixel_A: float | None = None


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of an alignment: transforms in pixels of its stack, refined angles (none if not known)."""

    program: str
    source: Path
    transforms: tuple[Transform, ...]
    tilts_deg: tuple[float, ...] | None
    sections: tuple[int, ...]
    total: int
    pixel_size_A: float
    notes: tuple[str, ...] = ()


def find_alignment(place: Path, series: TiltSeries, stack: Stack) -> Alignment | None:
    """Return the alignment of a series that lies in a folder; None if there is none.

    Parameters
    ----------
    place : Path
        With ``NAME/NAME.xf`` or ``NAME.xf`` (IMOD, Dynamo), ``NAME.aln`` (AreTomo), or ``NAME_Imod/NAME_st.xf``.
    series : TiltSeries
        Whose.
    stack : Stack
        What may have been aligned.

    Raises
    ------
    InputError
        If its files are empty or damaged, or do not fit the series; the sentence tells both counts.
    """
    lines = _read(place, series.name, stack)
    if lines is None:
        return None
    movies, sign, notes = _movies_of(lines, series, stack)
    tilts = []
    for index, (transform, tilt) in enumerate(zip(lines.transforms, movies, strict=True)):
        if tilt is None or tilt.movie is None:
            continue
        angle = sign * lines.tilts_deg[index] if lines.tilts_deg is not None else tilt.tilt_deg
        tilts.append(_tilt(tilt.movie, angle, transform, lines.pixel_size_A))
    notes += _tilt_com_notes(lines, movies)
    found = Alignment(series.name, str(lines.source), lines.program, tuple(tilts), (*lines.notes, *notes))
    return _with_axis_note(found, series)


def _tilt_com_notes(lines: _Lines, movies: Sequence[Tilt | None]) -> list[str]:
    """Return what etomo does beyond the alignment: nothing of it is taken over silently."""
    path = next((p for name in ("tilt.com", "tilta.com") if (p := lines.source.with_name(name)).is_file()), None)
    if path is None or lines.program != "imod":
        return []
    offset, views = read_tilt_com(path)
    by_section = dict(zip(lines.sections, movies, strict=True))
    out = [tilt.movie for view in views if (tilt := by_section.get(view)) is not None and tilt.movie]
    notes = []
    if out:
        notes.append(f"{path.name} leaves {', '.join(out)} out of the tomogram; `weft drop` does so here, too")
    if offset:
        notes.append(
            f"{path.name} turns the tomogram by {offset:+g}° (OFFSET); the angles are those of the .tlt, without it"
        )
    return notes


def read_relion_alignments(star: Path, series: Sequence[TiltSeries]) -> dict[str, Alignment]:
    """Return the alignments in a table of RELION 5, of all series or of one; movies are told by their names.

    Raises
    ------
    InputError
        If it is no such table, or has not been aligned yet.
    """
    owner = {_plain(tilt.movie): (one.name, tilt) for one in series for tilt in one.tilts if tilt.movie}
    found: dict[str, list[TiltAlignment]] = {}
    sources: dict[str, str] = {}
    for path, loop in _relion_tables(star):
        if _RELION_AXIS not in loop:
            raise InputError(
                f"{path.name}: holds no alignment ({_RELION_AXIS}); give the table from after tilt-series alignment"
            )
        label = "rlnMicrographMovieName" if "rlnMicrographMovieName" in loop else "rlnMicrographName"
        shifts = [
            loop.numbers(name) if name in loop else [0.0] * len(loop)
            for name in ("rlnTomoXShiftAngst", "rlnTomoYShiftAngst")
        ]
        rows = zip(loop[label], loop.numbers(_RELION_AXIS), loop.numbers("rlnTomoYTilt"), *shifts, strict=True)
        for movie, axis_deg, tilt_deg, x_A, y_A in rows:
            known = owner.get(_plain(stem_of(movie)))
            if known is None:
                continue
            name, tilt = known
            one = _tilt(tilt.movie or "", tilt_deg, rotation(axis_deg, (x_A, y_A)), 1.0)
            found.setdefault(name, []).append(one)
            sources[name] = str(path)
    by_name = {one.name: one for one in series}
    return {
        name: _with_axis_note(Alignment(name, sources[name], "relion", tuple(tilts)), by_name[name])
        for name, tilts in found.items()
    }


def _relion_tables(star: Path) -> Iterator[tuple[Path, Loop]]:
    for block in read_star(star).values():
        loop = block.loop
        if loop is None:
            continue
        if "rlnTomoTiltSeriesStarFile" in loop:
            for name in loop["rlnTomoTiltSeriesStarFile"]:
                path = find_named(star, name) or _beside(star, name)
                if path is not None:
                    yield from _relion_tables(path)
        elif "rlnMicrographName" in loop or "rlnMicrographMovieName" in loop:
            yield star, loop
        else:
            raise InputError(f"{star.name}: is a STAR file of another kind, not a table of tilt series of RELION 5")


def _beside(star: Path, name: str) -> Path | None:
    """Return a series' table that was copied together with the global one."""
    path = star.parent / Path(name).name
    return path if path.is_file() else None


def _plain(name: str | None) -> str:
    """Return a movie's name as RELION makes files of it: without dots."""
    return (name or "").replace(".", "_")


def _tilt(movie: str, tilt_deg: float, one: Transform, pixel_size_A: float) -> TiltAlignment:
    return TiltAlignment(
        movie, tilt_deg, one.a11, one.a12, one.a21, one.a22, one.dx * pixel_size_A, one.dy * pixel_size_A
    )


def _read(place: Path, name: str, stack: Stack) -> _Lines | None:
    """Return the lines of a series' alignment; None if the place holds none."""
    folders = [place / where.format(name=name) for where in _PLACES]
    for folder in folders:
        for ending in _ENDINGS:
            path = folder / f"{name}{ending}.xf"
            if path.is_file():
                return _read_xf(path, stack)
        path = folder / f"{name}.aln"
        if path.is_file():
            return _read_aln(path, stack)
    return None


def _read_xf(path: Path, stack: Stack) -> _Lines:
    transforms = read_xf(path)
    moved = [index for index, one in enumerate(transforms) if not _is_identity(one)]
    if not moved:
        raise InputError(
            f"{path}: turns and shifts no image, because its stack is aligned already (AreTomo's -OutImod 3 makes such); "
            "give the .aln, or the .xf of the stack that went in"
        )
    angles, notes = _refined(path.with_suffix(".tlt"), len(transforms))
    if len(moved) < len(transforms):
        notes.append(f"{path.name}: {len(transforms) - len(moved)} images have no alignment and count as not aligned")
    return _Lines(
        "imod",
        path,
        tuple(transforms[index] for index in moved),
        tuple(angles[index] for index in moved) if angles else None,
        tuple(moved),
        len(transforms),
        stack.given_pixel_A or stack.pixel_size_A,
        tuple(notes),
    )


def _is_identity(one: Transform) -> bool:
    return max(abs(one.a11 - 1), abs(one.a22 - 1), abs(one.a12), abs(one.a21), abs(one.dx), abs(one.dy)) < _IDENTITY


def _refined(path: Path, count: int) -> tuple[list[float], list[str]]:
    """Return the refined angles, none if they cannot be had, and why."""
    if not path.is_file():
        return [], [f"{path.name}: is not there, so the angles are the mdoc's"]
    angles = read_angles(path)
    if not any(angles):
        return [], [f"{path.name}: all its angles are 0, so the mdoc's are taken"]
    if len(angles) != count:
        raise InputError(f"{path}: has {len(angles)} angles, but {path.stem}.xf has {count} lines; align again")
    return angles, []


def _read_aln(path: Path, stack: Stack) -> _Lines:
    found = read_aln(path)
    total = max(found.size[2], len(found.sections) + len(found.dark))
    pixel, notes = stack.given_pixel_A or stack.pixel_size_A, []
    if stack.given_pixel_A is None and found.size[0] and found.size[0] != stack.width:
        pixel = stack.pixel_size_A * stack.width / found.size[0]
        notes.append(
            f"{path.name}: its stack is {found.size[0]} pixels wide, the averages {stack.width}; shifts are taken in pixels of {pixel:.4g} Å"
        )
    if found.dark:
        notes.append(f"{path.name}: AreTomo left out {len(found.dark)} images; they count as not aligned")
    return _Lines("aretomo", path, found.transforms, found.tilts_deg, found.sections, total, pixel, tuple(notes))


def _movies_of(lines: _Lines, series: TiltSeries, stack: Stack) -> tuple[list[Tilt | None], float, list[str]]:
    """Return the tilt of each line, the sign that makes the alignment's angles the mdoc's, and notes.

    Raises
    ------
    InputError
        If no list of images fits.
    """
    counts: dict[str, int] = {}
    fits: list[tuple[float, list[Tilt | None], float]] = []
    for what, tilts in _candidates(lines, series, stack):
        counts.setdefault(what, len(tilts))
        if len(tilts) != lines.total:
            continue
        mine = [tilts[section] for section in lines.sections]
        for sign in (1.0, -1.0):
            offset = 0.0 if lines.tilts_deg is None else _offset_deg(lines.tilts_deg, mine, sign)
            if offset is not None:
                fits.append((offset, mine, sign))
    if not fits:
        told = ", ".join(f"{count} in {what}" for what, count in counts.items())
        raise InputError(
            f"{lines.source}: has {lines.total} lines, which fit no list of {series.name}'s images by number and angle ({told}); "
            "was another stack aligned? put its .rawtlt beside it"
        )
    # a list that is one image off fits, too, with all angles one step off: the best evidence that is not, else the least
    likely = [fit for fit in fits if abs(fit[0]) <= _LIKELY_OFFSET_DEG]
    offset, mine, sign = likely[0] if likely else min(fits, key=lambda fit: abs(fit[0]))
    notes = []
    if sign < 0:
        notes.append("its angles are minus the mdoc's, as WarpTools writes them")
    if not likely:
        notes.append(
            f"all its angles are {offset:+.1f}° off the mdoc's; if the specimen has no such tilt, lines and images do not belong together"
        )
    return mine, sign, notes


def _candidates(lines: _Lines, series: TiltSeries, stack: Stack) -> Iterator[tuple[str, list[Tilt | None]]]:
    """Yield lists of tilts that the lines may stand for, the best evidence first."""
    rawtlt = _rawtlt(lines.source, series.name)
    if rawtlt:
        # Weft's stacks ascend; those of WarpTools descend, because their angles are minus the mdoc's
        for sign in (-1.0, 1.0) if rawtlt[0] > rawtlt[-1] else (1.0, -1.0):
            told = _by_angle([sign * angle for angle in rawtlt], series, stack)
            if all(tilt is not None for tilt in told):
                yield "the .rawtlt beside it", told
    by_name = {tilt.movie: tilt for tilt in series.tilts if tilt.movie}
    for folder in _STACK_FOLDERS:
        movies = _table(stack.out / folder / series.name / f"{series.name}_sections.csv")
        if movies:
            yield f"the stack in {folder}/{series.name}", [by_name.get(movie) for movie in movies]
    cut = _cut_angles(lines.source, series.name)
    here = [tilt for tilt in series.tilts if tilt.movie and not tilt.problem]
    for what, tilts in (
        ("the images in use", list(stack.used)),
        ("all images", here),
        ("the mdoc", list(series.tilts)),
    ):
        left = [tilt for tilt in tilts if all(abs(tilt.tilt_deg - angle) > _CUT_DEG for angle in cut)]
        yield what, list(left)


def _offset_deg(angles: Sequence[float], tilts: Sequence[Tilt | None], sign: float) -> float | None:
    """Return by how much refined angles are off the tilts', all alike; None if they are not the tilts' angles."""
    pairs = [(sign * angle, tilt.tilt_deg) for angle, tilt in zip(angles, tilts, strict=True) if tilt is not None]
    if not pairs:
        return None
    offset = statistics.median(refined - nominal for refined, nominal in pairs)
    nominal = sorted(value for _, value in pairs)
    steps = [b - a for a, b in pairwise(nominal)]
    tolerance = max(_LEAST_TOLERANCE_DEG, 0.5 * statistics.median(steps)) if steps else _LEAST_TOLERANCE_DEG
    fits = all(abs(refined - value - offset) <= tolerance for refined, value in pairs)
    return offset if fits else None


def _by_angle(angles: Sequence[float], series: TiltSeries, stack: Stack) -> list[Tilt | None]:
    """Return the tilt of each angle of a ``.rawtlt``; of images of one angle those in use go first, then the latest."""
    used = {tilt.movie for tilt in stack.used}
    left = sorted(
        (tilt for tilt in series.tilts if tilt.movie), key=lambda tilt: (tilt.movie in used, tilt.order), reverse=True
    )
    found: list[Tilt | None] = []
    for angle in angles:
        one = next((tilt for tilt in left if abs(tilt.tilt_deg - angle) <= _ROUNDED_DEG), None)
        if one is not None:
            left.remove(one)
        found.append(one)
    return found


def _rawtlt(source: Path, name: str) -> list[float]:
    for ending in _ENDINGS:
        path = source.parent / f"{name}{ending}.rawtlt"
        if path.is_file() and path.stat().st_size:
            return read_angles(path)
    return []


def _cut_angles(source: Path, name: str) -> list[float]:
    """Return the angles of images that etomo removed from the stack."""
    for ending in _ENDINGS:
        path = source.parent / f"{name}{ending}_cutviews0.rawtlt"
        if path.is_file() and path.stat().st_size:
            return read_angles(path)
    return []


def _table(path: Path) -> list[str]:
    """Return the movies of a stack's sections, as the table beside it tells them."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [row["movie"] for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError):
        return []


def _with_axis_note(found: Alignment, series: TiltSeries) -> Alignment:
    """Return an alignment with a note if its tilt axis is not the one that is known."""
    if not found.tilts:
        raise InputError(f"{found.source}: holds no image of {series.name}; was another series aligned?")
    notes = list(found.notes)
    if series.axis_deg is not None:
        off = abs((found.axis_deg - series.axis_deg + 90) % 180 - 90)
        if off > _AXIS_DEG:
            notes.append(
                f"its tilt axis is {found.axis_deg:.1f}°, that of the series {series.axis_deg:.1f}°; one of them is wrong"
            )
    return replace(found, notes=tuple(notes))
