"""``weft import --alignments``: what an aligner found comes back, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.cli.output import counted, document, message, say, table
from weft.cli.verb import Call
from weft.errors import InputError, MissingError

if TYPE_CHECKING:
    from weft.export.chosen import Chosen
    from weft.series.alignment import Alignment
    from weft.series.alignment_files import Stack
    from weft.state.project import Project

__all__ = ["import_alignments"]

_COLUMNS = ("series", ">tilts", ">in use", ">aligned", ">axis °", ">farthest off Å", "from")


@dataclass
class _Found:
    alignments: list[Alignment] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)


def import_alignments(
    call: Call, place: Path, patterns: Sequence[str], pixel_size_A: float | None, *, dry_run: bool
) -> int:
    """Take over the alignments in a folder or STAR file, for the series that are meant.

    Parameters
    ----------
    call : Call
        Flags.
    place : Path
        Folder, or STAR file of RELION.
    patterns : sequence of str
        Names of series, all if empty.
    pixel_size_A : float or None
        Of the stacks that were aligned.
    dry_run : bool
        Write nothing.

    Raises
    ------
    MissingError
        If there is no such place, or it holds no alignment of any of the series.
    InputError
        If the STAR file is of another kind.
    """
    from weft.export.chosen import choose, series_named
    from weft.series.alignment import write_alignment

    if not place.exists():
        raise MissingError(f"{place}: no such folder or file; name where the aligner wrote its results")
    project = call.project()
    chosen = choose(project, series_named(project, patterns), is_processed=False)
    found = _find(project, place, chosen, pixel_size_A)
    if not found.alignments and not found.problems:
        raise MissingError(
            f"{place}: holds no alignment of {', '.join(found.without[:3])}; looked for NAME.xf and NAME.aln there and in "
            "NAME/ and NAME_Imod/"
        )
    if not dry_run:
        for alignment in found.alignments:
            write_alignment(project.out, alignment)
    if call.json:
        document("import", _facts(found, dry_run=dry_run))
    else:
        _tell(call, project, chosen, found, dry_run=dry_run)
    return 1 if found.problems else 0


def _find(project: Project, place: Path, chosen: Sequence[Chosen], pixel_size_A: float | None) -> _Found:
    from weft.series.alignment_files import find_alignment, read_relion_alignments

    found = _Found()
    if place.is_file():
        tables = read_relion_alignments(place, [one.series for one in chosen])
        found.alignments = [tables[one.series.name] for one in chosen if one.series.name in tables]
        found.without = [one.series.name for one in chosen if one.series.name not in tables]
        return found
    for one in chosen:
        try:
            alignment = find_alignment(place, one.series, _stack(project, one, pixel_size_A))
        except InputError as error:
            found.problems.append(f"{one.series.name}: {error}")
            continue
        if alignment is None:
            found.without.append(one.series.name)
        else:
            found.alignments.append(alignment)
    return found


def _stack(project: Project, chosen: Chosen, pixel_size_A: float | None) -> Stack:
    """Return what is known of the stack that was aligned.

    Raises
    ------
    InputError
        If no image tells the size of pixels.
    """
    from weft.series.alignment_files import Stack

    facts = next((record.average for record in chosen.records.values() if record.average is not None), None)
    if facts is None and pixel_size_A is None:
        raise InputError(
            f"{chosen.series.name}: has no processed image that tells the stack's pixel size; give --alignment-pixel-A"
        )
    pixel = facts.pixel_size_A if facts is not None else pixel_size_A or 1.0
    return Stack(pixel, facts.width if facts is not None else 0, chosen.used, project.out, pixel_size_A)


def _facts(found: _Found, *, dry_run: bool) -> dict[str, Any]:
    return {
        "alignments": [alignment.to_json() for alignment in found.alignments],
        "without": found.without,
        "problems": found.problems,
        "dry_run": dry_run,
    }


def _tell(call: Call, project: Project, chosen: Sequence[Chosen], found: _Found, *, dry_run: bool) -> None:
    by_name = {one.series.name: one for one in chosen}
    if not call.quiet and found.alignments:
        table(_COLUMNS, [_cells(by_name[one.series], one) for one in found.alignments])
    for one in found.alignments:
        for note in one.notes:
            message(f"{one.series}: {note}")
        lacking = [tilt.movie or "" for tilt in by_name[one.series].used if tilt.movie not in one.by_movie]
        if lacking:
            message(f"{one.series}: no alignment for {len(lacking)} images in use ({', '.join(lacking[:3])})")
    for sentence in found.problems:
        message(sentence)
    if found.without:
        message(f"no alignment there of {', '.join(found.without)}")
    if not call.quiet:
        done = "would take over" if dry_run else "took over"
        say(f"{done} {counted(len(found.alignments), 'alignment')} into {project.out / 'series' / 'alignment'}")
        if found.alignments and not dry_run:
            message("next: `weft export relion` or `weft export warp`, which take them along")


def _cells(chosen: Chosen, alignment: Alignment) -> tuple[str, ...]:
    used = {tilt.movie for tilt in chosen.used}
    return (
        alignment.series,
        str(len(chosen.series.tilts)),
        str(len(used)),
        str(len(used & set(alignment.by_movie))),
        f"{alignment.axis_deg:.1f}",
        f"{alignment.largest_offset_A:.0f}",
        Path(alignment.source).name,
    )
