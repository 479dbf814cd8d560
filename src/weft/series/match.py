"""From mdocs and movies to tilt series: which file is a series, which movie is which section, what is missing."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from weft.errors import InputError
from weft.io.mdoc import Mdoc, Section, parse_time, read_mdoc
from weft.io.names import stem_of
from weft.series.names import NOT_AMONG, MovieNames, NamePattern, nearest_name, plain_name, series_stem, unique_name
from weft.series.sources import axis_of, exposure_warnings, exposures_of, order_of, with_prior_exposures
from weft.series.table import Tilt, TiltSeries, duplicate_groups, same_angle_deg, sorted_tilts, with_exposures
from weft.settings.schema import Settings

__all__ = ["SeriesFound", "build_series"]

_STEEPEST_DEG = 90.0
_OVERLAP_DEG = 6.0
_HALVES = (("_plus", "_minus"), ("_a", "_b"))  # of series taken from 0 outwards, twice


@dataclass(frozen=True, slots=True)
class SeriesFound:
    """What mdocs and movies make together.

    Parameters
    ----------
    series : tuple of TiltSeries
        Sorted by name.
    warnings : tuple of str
        About files rather than series.
    unreadable : tuple of str
        A sentence for each mdoc that could not be read.
    unmatched : tuple of Path
        Movies that belong to no series.
    """

    series: tuple[TiltSeries, ...]
    warnings: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    unmatched: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """Sections that make one series, and the mdoc they come from."""

    name: str
    path: Path | None
    mdoc: Mdoc
    sections: tuple[Section, ...]
    warnings: tuple[str, ...] = ()


@dataclass
class _Sorted:
    """The mdocs by what they are."""

    sources: list[_Source] = field(default_factory=list)
    frame_sets: list[tuple[Path, Mdoc]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def build_series(mdocs: Iterable[Path], movies: Iterable[Path], settings: Settings) -> SeriesFound:
    """Return the tilt series that mdocs and movies make.

    Parameters
    ----------
    mdocs : iterable of Path
        Of tilt series; those of single movies are joined to series, montages and doubles passed over.
    movies : iterable of Path
        All movies, each name once.
    settings : Settings
        Exposure, axis and pattern of names.

    Raises
    ------
    SettingsError
        If ``series.pattern`` makes no sense.
    """
    names = NamePattern(settings.series.pattern)
    files = MovieNames(movies, names)
    found = _read_all(sorted(mdocs, key=lambda path: (path.name, str(path))))
    sources = _joined_halves(found.sources)
    covered = {stem_of(section.file_name()).lower() for source in sources for section in source.sections}
    sources += _from_frame_sets(found, covered, names)
    series: dict[str, TiltSeries] = {}
    for source in sources:
        one = _series_of(source, files, names, settings)
        unique = unique_name(one.name, source.path or Path(), series)
        if unique != one.name:
            one = replace(one, name=unique, warnings=(*one.warnings, f"another series has the name {one.name}, too"))
        series[unique] = one
    _forget_shared(series)
    matched = {tilt.movie for one in series.values() for tilt in one.tilts}
    if settings.series.pattern is not None:
        left = [path for name, path in files.paths.items() if name not in matched]
        series |= _from_names(left, names, settings, series)
        matched = {tilt.movie for one in series.values() for tilt in one.tilts}
    unmatched = tuple(path for name, path in files.paths.items() if name not in matched)
    return SeriesFound(
        tuple(series[name] for name in sorted(series)), tuple(found.warnings), tuple(found.unreadable), unmatched
    )


def _read_all(paths: Sequence[Path]) -> _Sorted:
    """Read the mdocs and sort them by what they are."""
    found = _Sorted()
    stems = {(path.parent, series_stem(path)) for path in paths}
    contents: dict[tuple[str, ...], Path] = {}
    for path in paths:
        stem = series_stem(path)
        if stem.endswith("_override"):
            found.warnings.append(f"{path.name}: Tomography 5 writes such files beside the series; passed over")
            continue
        if stem.endswith("_unsorted") and (path.parent, stem.removesuffix("_unsorted")) in stems:
            continue
        try:
            mdoc = read_mdoc(path)
        except InputError as error:
            found.unreadable.append(str(error))
            continue
        tilts = mdoc.of_kind("ZValue")
        files = tuple(section.file_name() for section in tilts)
        key = files if any(files) else (stem, *(str(section.entries) for section in tilts))
        if mdoc.is_montage:
            found.warnings.append(f"{path.name}: a montage, not a tilt series; passed over")
        elif any(section.get("FrameTSStartEndFrames") for section in mdoc.sections):
            found.warnings.append(
                f"{path.name}: a movie taken while tilting without stop, which Weft cannot take apart; passed over"
            )
        elif tilts and key in contents:
            found.warnings.append(f"{path.name}: has the same sections as {contents[key].name}; passed over")
        elif tilts:
            contents[key] = path
            notes = mdoc.notes[:3] + (
                (f"and {len(mdoc.notes) - 3} lines more like these",) if len(mdoc.notes) > 3 else ()
            )
            found.sources.append(_Source(stem, path, mdoc, tilts, notes))
        elif mdoc.of_kind("FrameSet"):
            found.frame_sets.append((path, mdoc))
        else:
            found.unreadable.append(
                f"{path.name}: has no [ZValue = n] section, so it describes no tilt series; check input.mdocs"
            )
    return found


def _joined_halves(sources: Sequence[_Source]) -> list[_Source]:
    """Return sources with the two halves of a series taken in two directions made one."""
    by_name = {source.name: source for source in sources}
    done: list[_Source] = []
    for source in sources:
        ends = next((ends for ends in _HALVES if source.name.endswith(ends)), None)
        root = source.name.removesuffix(ends[0]).removesuffix(ends[1]) if ends else ""
        first, second = (by_name.get(root + end) for end in ends) if ends else (None, None)
        if first is None or second is None or not _are_halves(first, second):
            done.append(source)
        elif source is first:
            note = f"made of two mdocs, {root}{ends[0]} and {root}{ends[1]}" if ends else ""
            sections = (*first.sections, *second.sections)
            done.append(
                replace(first, name=root, sections=sections, warnings=(*first.warnings, *second.warnings, note))
            )
    return done


def _are_halves(first: _Source, second: _Source) -> bool:
    """Return whether two series lie in one folder and on two sides of an angle."""
    if first.path is None or second.path is None or first.path.parent != second.path.parent:
        return False
    sides = [[angle for s in one.sections if (angle := s.number("TiltAngle")) is not None] for one in (first, second)]
    if not all(sides):
        return False
    low, high = sorted(sides, key=lambda angles: sum(angles) / len(angles))
    return max(low) - min(high) <= _OVERLAP_DEG


def _from_frame_sets(found: _Sorted, covered: set[str], names: NamePattern) -> list[_Source]:
    """Return series made of mdocs of single movies, as far as no series' mdoc covers them."""
    groups: dict[tuple[Path, str], list[tuple[Path, Mdoc]]] = {}
    for path, mdoc in found.frame_sets:
        stem = stem_of(mdoc.of_kind("FrameSet")[0].file_name() or series_stem(path))
        if stem.lower() in covered:
            continue
        series = names.read(stem).series
        if series:
            groups.setdefault((path.parent, series), []).append((path, mdoc))
        else:
            found.warnings.append(f"{path.name}: describes one movie whose name tells no series; passed over")
    sources = []
    for (_, series), members in groups.items():
        if len(members) == 1:
            found.warnings.append(f"{members[0][0].name}: describes one movie, not a tilt series; passed over")
            continue
        note = f"made of {len(members)} mdocs of single movies"
        sections = tuple(_with_name(mdoc.of_kind("FrameSet")[0], path) for path, mdoc in members)
        sources.append(_Source(series, members[0][0], members[0][1], sections, (note,)))
    return sources


def _with_name(section: Section, path: Path) -> Section:
    """Return a movie's section with the movie's name, which the mdoc's own name tells if the section does not."""
    return section if section.file_name() else section.with_values(SubFramePath=path.name.removesuffix(".mdoc"))


def _series_of(source: _Source, files: MovieNames, names: NamePattern, settings: Settings) -> TiltSeries:
    """Return one series with its movies, order, exposures and axis."""
    warnings = list(source.warnings)
    sections = source.sections
    if len(sections) > 1 and not (sections[-1].get("TiltAngle") and sections[-1].get("SubFramePath")):
        complete = [section for section in sections if section.get("TiltAngle") and section.get("SubFramePath")]
        if len(complete) == len(sections) - 1:
            warnings.append(
                f"the last section (line {sections[-1].line}) is not complete; it may still be being written"
            )
            sections = tuple(complete)
    order = order_of(sections, names)
    exposures = exposures_of(sections, settings)
    axis = axis_of(source.mdoc, sections, settings.series.tilt_axis_deg)
    warnings += [*order.warnings, *exposure_warnings(sections, exposures, settings.input.exposure_e_A2), *axis.warnings]
    name = plain_name(source.name)
    if name != source.name:
        warnings.append(f'called {name}, as not every program takes "{source.name}"')
    bare = [
        replace(
            _tilt_of(section, number, source.name, files, names),
            order=order.value[number],
            exposure_e_A2=exposures[number].value,
            exposure_source=exposures[number].source,
        )
        for number, section in enumerate(sections)
    ]
    tilts, note = with_prior_exposures(with_exposures(_once_each(bare)), sections)
    warnings += [*note, *_tilt_warnings(tilts, files.paths)]
    return TiltSeries(
        name=name,
        mdoc=str(source.path) if source.path else "",
        tilts=sorted_tilts(tilts),
        axis_deg=axis.value,
        axis_source=axis.source,
        order_source=order.source,
        pixel_size_A=source.mdoc.number("PixelSpacing") or sections[0].number("PixelSpacing"),
        voltage_kV=source.mdoc.number("Voltage") or sections[0].number("Voltage"),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _tilt_of(section: Section, number: int, series: str, files: MovieNames, names: NamePattern) -> Tilt:
    """Return one tilt, its place in the order and its exposure still to come."""
    file = section.file_name()
    angle = section.number("TiltAngle")
    told = names.read(stem_of(file)).angle_deg
    movie, problem = files.find(file, series, angle)
    if angle is None and told is None:
        problem = "the mdoc tells no TiltAngle"
    elif abs(angle if angle is not None else told or 0.0) > _STEEPEST_DEG:
        problem = f"a TiltAngle of {section.get('TiltAngle')} is beyond ±90°"
    time = parse_time(section.get("DateTime"))
    target = section.number("TargetDefocus")
    frames = section.number("NumSubFrames")
    tilt_deg = angle if angle is not None else told
    return Tilt(
        movie=movie,
        section=number,
        tilt_deg=0.0 if tilt_deg is None or not math.isfinite(tilt_deg) else tilt_deg,
        order=0,
        target_defocus_um=-target if target is not None else None,
        time=time.isoformat() if time else None,
        problem=problem,
        file=file,
        line=section.line,
        frames=int(frames) if frames else None,
    )


def _once_each(tilts: Sequence[Tilt]) -> list[Tilt]:
    """Return tilts where no movie stands twice: the later section has it, as the earlier movie was written over."""
    last = {tilt.movie: tilt.section for tilt in tilts if tilt.movie}
    return [
        replace(tilt, movie=None, problem=f"section {last[tilt.movie]} names the same movie, {tilt.movie}")
        if tilt.movie and last[tilt.movie] != tilt.section
        else tilt
        for tilt in tilts
    ]


def _tilt_warnings(tilts: Sequence[Tilt], movies: Collection[str]) -> list[str]:
    """Return what is missing or double, in one sentence each; of a movie that is not there the name most like it."""
    warnings = []
    missing = [tilt for tilt in tilts if tilt.problem]
    if missing:
        shown = ", ".join(tilt.file or f"section {tilt.section}" for tilt in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        why = missing[0].problem + _nearest(missing[0], movies)
        warnings.append(
            f"{len(missing)} of {len(tilts)} tilts cannot be used ({shown}{more}): {why}; their exposure counts"
        )
    usable = [tilt for tilt in tilts if not tilt.problem]
    warnings += [
        f"{group[0].tilt_deg:.1f}° was taken {len(group)} times ({', '.join(tilt.movie or '' for tilt in group)})"
        for group in duplicate_groups(usable, same_angle_deg(tilts))
    ]
    return warnings


def _nearest(tilt: Tilt, movies: Collection[str]) -> str:
    """Return what to compare and to change where an mdoc's movie is not found; empty if the problem is another."""
    if not tilt.problem.endswith(NOT_AMONG):
        return ""
    near = nearest_name(tilt.file, movies)
    nearest = f", the nearest name is {near}" if near else ""
    return f" ({len(movies)} fit input.movies{nearest}; correct input.movies, or series.pattern if names have changed)"


def _forget_shared(series: dict[str, TiltSeries]) -> None:
    """Leave a movie that two series name to the first of them."""
    owner: dict[str, str] = {}
    for name, one in series.items():
        tilts, shared = [], []
        for tilt in one.tilts:
            if tilt.movie and owner.setdefault(tilt.movie, name) != name:
                shared.append(tilt.movie)
                problem = f"{tilt.movie} belongs to {owner[tilt.movie]}"
                tilts.append(replace(tilt, movie=None, problem=problem))
            else:
                tilts.append(tilt)
        if shared:
            note = f"{len(shared)} movies belong to another series, too ({shared[0]} to {owner[shared[0]]})"
            series[name] = replace(one, tilts=tuple(tilts), warnings=(*one.warnings, note))


def _from_names(
    movies: Iterable[Path], names: NamePattern, settings: Settings, taken: dict[str, TiltSeries]
) -> dict[str, TiltSeries]:
    """Return series of movies without an mdoc, told by the user's pattern."""
    groups: dict[str, list[tuple[int, float, str]]] = {}
    for path in movies:
        told = names.read(stem_of(path))
        if told.series and told.angle_deg is not None and abs(told.angle_deg) <= _STEEPEST_DEG:
            group = groups.setdefault(told.series, [])
            group.append((told.index if told.index is not None else len(group), told.angle_deg, stem_of(path)))
    found: dict[str, TiltSeries] = {}
    exposure = settings.input.exposure_e_A2
    for series, members in groups.items():
        source = "weft.toml" if exposure is not None else ""
        tilts = [
            Tilt(movie, order, angle, order, exposure, file=movie, exposure_source=source)
            for order, (_, angle, movie) in enumerate(sorted(members))
        ]
        name = unique_name(plain_name(series), Path(), {**taken, **found})
        axis = settings.series.tilt_axis_deg
        found[name] = TiltSeries(
            name=name,
            mdoc="",
            tilts=sorted_tilts(with_exposures(tilts)),
            axis_deg=axis,
            axis_source="weft.toml" if axis is not None else "",
            order_source="the names of the movies",
            warnings=("no mdoc: angles and order come from the names of the movies", *_tilt_warnings(tilts, ())),
        )
    return found
