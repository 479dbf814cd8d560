"""``weft import``: mdocs and movies become tilt series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from weft.cli.output import counted, document, message, say, table
from weft.cli.verb import Call, DryRun, Here, make_app
from weft.errors import ItemFailed, MissingError

if TYPE_CHECKING:
    from weft.series.match import SeriesFound
    from weft.series.table import TiltSeries
    from weft.state.project import Project

app = make_app(
    "import",
    "weft import\nweft import --input.exposure_e_A2 3 --series.tilt_axis_deg 85.3\nweft import TS_01 --dry-run\n"
    "weft import --settings previous.settings\n"
    "weft import --alignments FOLDER    # of IMOD, Dynamo, AreTomo, RELION",
)
_COLUMNS = (
    "series",
    ">tilts",
    ">with movie",
    ">angles °",
    ">axis °",
    ">exposure e⁻/Å²",
    ">aligned",
    "order from",
    "mdoc",
)


@app.default
def import_(
    *series: Annotated[str, Parameter(help="Only these: exact names or globs such as 'TS_0*'.")],
    exposure: Annotated[
        float | None, Parameter(help="Exposure of one tilt in e⁻/Å²; the same as --input.exposure_e_A2.")
    ] = None,
    settings: Annotated[
        Path | None,
        Parameter(help="A .settings file of Warp or WarpTools, taken into weft.toml; nothing else is done."),
    ] = None,
    alignments: Annotated[
        Path | None,
        Parameter(
            help="A folder with .xf and .tlt (IMOD, Dynamo) or .aln (AreTomo) of each series, or RELION's aligned STAR file: "
            "taken over for the imported series."
        ),
    ] = None,
    alignment_pixel_A: Annotated[
        float | None,
        Parameter(
            name="--alignment-pixel-A",
            help="Pixel size of the stacks that were aligned, in Å; that of the averages if not given.",
        ),
    ] = None,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Read the mdocs, find their movies, settle order, exposure and tilt axis; write the series and Warp's tomostar.

    What is odd is told and nothing is guessed silently. Decisions about images are kept apart and stay. Alignments go by the
    movies' names; `weft export relion` and `weft export warp` take them along.
    """
    if settings is not None:
        from weft.cli.warpsettings import import_settings

        return import_settings(call, settings, dry_run=dry_run)
    if alignments is not None:
        from weft.cli.alignments import import_alignments

        return import_alignments(call, alignments, series, alignment_pixel_A, dry_run=dry_run)
    from weft.series.match import build_series

    project = _with_exposure(call, exposure).project()
    mdocs = project.mdocs()
    if not mdocs and project.settings.series.pattern is None:
        raise MissingError(
            f"{project.folder / project.settings.input.mdocs}: no mdocs there; correct input.mdocs, or give series.pattern "
            "to have series told by the movies' names"
        )
    found = build_series(mdocs, list(project.movies().values()), project.settings)
    wanted = _wanted(found, series)
    lists: list[str] = []
    if not dry_run:
        lists = _write(project, found, wanted, is_all=not series)
    if call.json:
        document("import", _facts(project, found, wanted, lists, dry_run=dry_run))
    else:
        _tell(call, project, found, wanted, dry_run=dry_run)
        for sentence in lists:
            message(sentence)
    return 1 if found.unreadable or not wanted else 0


def _with_exposure(call: Call, exposure: float | None) -> Call:
    """Return the call with an exposure given by its short flag."""
    if exposure is None:
        return call
    given = {**call.overrides.get("input", {}), "exposure_e_A2": exposure}
    return replace(call, overrides={**call.overrides, "input": given})


def _wanted(found: SeriesFound, patterns: Sequence[str]) -> list[TiltSeries]:
    from weft.state.ids import match_ids

    if not patterns:
        return list(found.series)
    names = match_ids(patterns, [one.name for one in found.series])
    return [one for one in found.series if one.name in names]


def _write(project: Project, found: SeriesFound, wanted: Sequence[TiltSeries], *, is_all: bool) -> list[str]:
    """Write series and tomostar; return sentences about tomostar that could not be written."""
    from weft.export.chosen import choose
    from weft.export.tomostar import write_series_list
    from weft.series.store import with_relative_mdoc, write_series

    here = [with_relative_mdoc(one, project.folder) for one in wanted]
    write_series(project.out, here)
    if is_all:
        _forget_moved(project, found)
    sentences: list[str] = []
    for chosen in choose(project, here, is_processed=False):
        try:
            write_series_list(project, chosen)
        except ItemFailed as error:
            project.path("tomostar", chosen.series.name).unlink(missing_ok=True)
            sentences.append(f"no tomostar: {error}")
    return sentences


def _forget_moved(project: Project, found: SeriesFound) -> None:
    """Remove series of an earlier import whose movies now belong to others (an mdoc was renamed)."""
    from weft.series.store import read_series

    now = {one.name for one in found.series}
    owned = {tilt.movie for one in found.series for tilt in one.tilts if tilt.movie}
    for old in read_series(project.out):
        movies = {tilt.movie for tilt in old.tilts if tilt.movie}
        if old.name in now:
            continue
        if movies & owned or not movies:
            project.path("series", old.name).unlink(missing_ok=True)
            project.path("tomostar", old.name).unlink(missing_ok=True)
            message(f"{old.name}: of an earlier import; its movies belong to other series now, so it is forgotten")
        else:
            message(f"{old.name}: of an earlier import; its mdoc is gone, it is kept as it was")


def _facts(
    project: Project, found: SeriesFound, wanted: Sequence[TiltSeries], lists: Sequence[str], *, dry_run: bool
) -> dict[str, Any]:
    return {
        "series": [{**one.to_json(), "aligned": _aligned(project, one)} for one in wanted],
        "warnings": [*found.warnings, *lists],
        "unreadable": list(found.unreadable),
        "unmatched": [path.name for path in found.unmatched],
        "dry_run": dry_run,
    }


def _tell(call: Call, project: Project, found: SeriesFound, wanted: Sequence[TiltSeries], *, dry_run: bool) -> None:
    if not call.quiet:
        table(_COLUMNS, [_cells(project, one) for one in wanted])
    for one in wanted:
        for sentence in one.warnings:
            message(f"{one.name}: {sentence}")
    for sentence in (*found.warnings, *found.unreadable):
        message(sentence)
    if found.unmatched:
        names = ", ".join(path.name for path in found.unmatched[:3])
        more = " …" if len(found.unmatched) > 3 else ""
        message(f"in no series: {counted(len(found.unmatched), 'movie')} ({names}{more})")
    if not call.quiet:
        say(f"{'would import' if dry_run else 'imported'} {len(wanted)} series into {project.out / 'series'}")
        if wanted and not any(tilt.movie for one in wanted for tilt in one.tilts):
            message("none of their movies is here: compare the names in SubFramePath with input.movies")
        elif wanted and not dry_run:
            message("next: `weft stack` for IMOD and Dynamo, `weft export TARGET` for others")


def _aligned(project: Project, one: TiltSeries) -> int:
    """Return how many images of a series have an alignment."""
    from weft.series.alignment import read_alignment

    alignment = read_alignment(project.out, one.name)
    return sum(tilt.movie in alignment.by_movie for tilt in one.tilts) if alignment is not None else 0


def _cells(project: Project, one: TiltSeries) -> tuple[str, ...]:
    angles = [tilt.tilt_deg for tilt in one.tilts] or [0.0]
    return (
        one.name,
        str(len(one.tilts)),
        str(sum(1 for tilt in one.tilts if tilt.movie and not tilt.problem)),
        f"{min(angles):.1f} … {max(angles):.1f}",
        f"{one.axis_deg:.1f}" if one.axis_deg is not None else "?",
        f"{one.exposure_e_A2:.1f}" if one.exposure_e_A2 is not None else "unknown",
        str(_aligned(project, one) or "no"),
        one.order_source,
        Path(one.mdoc).name,
    )
