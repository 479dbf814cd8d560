"""``weft stack``: tilt series become stacks for IMOD and Dynamo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from weft.cli.output import document, message, say
from weft.cli.seriesof import stale_averages, told_stale
from weft.cli.verb import Call, DryRun, Here, make_app
from weft.errors import ItemFailed

if TYPE_CHECKING:
    from weft.export.chosen import Chosen
    from weft.export.imod import StackOptions, StackResult
    from weft.state.project import Project

app = make_app("stack", "weft stack\nweft stack TS_01 --halves\nweft stack --erase-gold --force")


@app.default
def stack(
    *series: Annotated[str, Parameter(help="Only these: exact names or globs such as 'TS_0*'.")],
    halves: Annotated[bool, Parameter(help="Stacks of the even and odd averages, too.")] = False,
    erase_gold: Annotated[bool, Parameter(help="Fill what the bead masks cover.")] = False,
    force: Annotated[
        bool, Parameter(help="Write anew what is up to date, and without movies not yet processed.")
    ] = False,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Write imod/SERIES/SERIES.st with .rawtlt and a table, angles ascending, dropped images left out.

    A series whose images and decisions have not changed is passed over. Each folder appears whole, so that a program that
    watches the place, such as autoalign_dynamo, can start on the first while others are written.
    """
    from weft.export.chosen import choose, series_named
    from weft.export.imod import StackOptions

    project = call.project()
    options = StackOptions(halves=halves, erase_gold=erase_gold, force=force)
    results: list[StackResult] = []
    problems: list[str] = []
    chosen = choose(project, series_named(project, series))
    for one in chosen:
        try:
            result = _one(project, one, options, dry_run=dry_run)
        except ItemFailed as error:
            problems.append(_with_older(project, one, str(error)))
            message(problems[-1])
            continue
        results.append(result)
        if not call.json:
            _tell(call, one, result, dry_run=dry_run)
    outdated = stale_averages(project, chosen)
    if outdated:
        message(told_stale(outdated))
    if call.json:
        document("stack", {**_facts(results, chosen, problems, dry_run=dry_run), "stale": outdated})
    elif results and not call.quiet and not dry_run:
        _tell_next(project, chosen, results)
    return 1 if problems else 0


def _one(project: Project, chosen: Chosen, options: StackOptions, *, dry_run: bool) -> StackResult:
    from weft.export.chosen import require_images
    from weft.export.imod import planned_stack, write_stack
    from weft.export.tomostar import write_series_list

    require_images(chosen, project.settings.series.min_tilts, incomplete=options.force)
    if dry_run:
        return planned_stack(project, chosen, options)
    if project.path("tomostar", chosen.series.name).exists():
        write_series_list(project, chosen)
    return write_stack(project, chosen, options)


def _tell(call: Call, chosen: Chosen, result: StackResult, *, dry_run: bool) -> None:
    total = len(chosen.series.tilts)
    done = ("would be written" if dry_run else "written") if result.is_new else "up to date"
    if not call.quiet:
        say(f"{result.name}: {result.sections} of {total} tilts, {done}: {result.path}")
    for note in (*result.notes, *_doubles(chosen)):
        message(note)
    for name, why in chosen.failed.items():
        message(f"{result.name}: without {name}, which failed: {why}")


def _doubles(chosen: Chosen) -> list[str]:
    """Return a sentence for each angle that is in the stack more than once; see `series.duplicates`."""
    from weft.series.table import duplicate_groups, same_angle_deg

    groups = duplicate_groups(chosen.used, same_angle_deg(chosen.series.tilts))
    return [
        f"{chosen.series.name}: {group[0].tilt_deg:.1f}° is in the stack {len(group)} times "
        f"({', '.join(tilt.movie or '' for tilt in group)}); decide with `weft keep` or `weft drop`"
        for group in groups
    ]


def _with_older(project: Project, chosen: Chosen, sentence: str) -> str:
    """Return why a stack was not written, and that an older one still stands there."""
    older = project.path("imod", chosen.series.name)
    return f"{sentence}; the stack made before stays in {older}" if older.is_dir() else sentence


def _facts(
    results: Sequence[StackResult], chosen: Sequence[Chosen], problems: Sequence[str], *, dry_run: bool
) -> dict[str, Any]:
    by_name = {one.series.name: one for one in chosen}
    return {
        "stacks": [
            {
                "series": result.name,
                "file": str(result.path),
                "sections": result.sections,
                "is_new": result.is_new,
                "notes": [*result.notes, *_doubles(by_name[result.name])],
                "left_out": [
                    {"item": use.tilt.movie or use.tilt.file, "reason": use.left_out}
                    for use in by_name[result.name].left_out
                ],
            }
            for result in results
        ],
        "problems": list(problems),
        "dry_run": dry_run,
    }


def _usual_bead_nm(chosen: Sequence[Chosen]) -> float | None:
    """Return the median diameter of the beads that were found, to a whole number; None if there were none."""
    radii = sorted(
        bead[2] for one in chosen for record in one.records.values() if record.mask for bead in record.mask.beads
    )
    return round(2 * radii[len(radii) // 2] / 10) or None if radii else None


def _tell_next(project: Project, chosen: Sequence[Chosen], results: Sequence[StackResult]) -> None:
    """Print the next program's command with the numbers that it needs."""
    from weft.io.mrc import read_mrc_header

    pixel_A = read_mrc_header(results[0].path).pixel_size_A or 1.0
    axis = next((one.series.axis_deg for one in chosen if one.series.axis_deg is not None), None)
    bead_nm = project.settings.fiducials.bead_diameter_nm or _usual_bead_nm(chosen)
    folder = str(project.out / "imod").replace("'", "''")
    message(
        f"next: alignment; in MATLAB with autoalign_dynamo: dautoalign4warp('{folder}', {pixel_A:.4g}, "
        f"{f'{bead_nm:g}' if bead_nm else 'BEAD_NM'}, {f'{axis:g}' if axis is not None else 'AXIS_DEG'}, 'dynamo_alignments')"
    )
