"""``weft make-mdoc``: repaired mdocs for other programs, or mdocs from a table where there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.cli.output import document, message, say
from weft.cli.verb import Call, DryRun, Here, make_app
from weft.errors import MissingError, UsageError

if TYPE_CHECKING:
    from weft.series.table import TiltSeries
    from weft.state.project import Project

app = make_app(
    "make-mdoc", "weft make-mdoc\nweft make-mdoc TS_01 --to fixed\nweft make-mdoc --table tilts.csv --to mdoc"
)


@app.default
def make_mdoc(
    *series: Annotated[str, Parameter(help="Only these: exact names or globs such as 'TS_0*'.")],
    table: Annotated[
        Path | None,
        Parameter(
            help="Movies with angles (columns movie, angle; series, order, exposure if known), instead of mdocs."
        ),
    ] = None,
    to: Annotated[Path | None, Parameter(help="Folder for the mdocs; mdoc/ in the output folder if not given.")] = None,
    force: Annotated[bool, Parameter(help="Replace mdocs that are there.")] = False,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Write one mdoc per series with the order, angles, files and exposures that Weft has settled on.

    Sections without a movie are left out, missing times made up to keep the order (a title says so), other keys kept. Your own
    mdocs are never written to.
    """
    from weft.export.mdocs import read_table, repaired_mdoc
    from weft.io.mdoc import write_mdoc
    from weft.series.known import known_series

    project = call.project()
    settings = project.settings
    if table is not None:
        axis, exposure = settings.series.tilt_axis_deg, settings.input.exposure_e_A2
        found = read_table(table, axis_deg=axis, exposure_e_A2=exposure)
    else:
        found = known_series(project)
    chosen = _chosen(found, series)
    files = {name: path.name for name, path in project.movies().items()}
    place = to or project.out / "mdoc"
    written = []
    for one in chosen:
        path = place / f"{one.name}.mrc.mdoc"
        _refuse_to_replace(project, path, force=force)
        mdoc, notes = repaired_mdoc(one, files, project.folder)
        if not dry_run:
            write_mdoc(path, mdoc)
        written.append((one.name, path, len(mdoc.sections), notes))
    _tell(call, written, dry_run=dry_run)
    return 0


def _chosen(found: Sequence[TiltSeries], patterns: Sequence[str]) -> list[TiltSeries]:
    from weft.state.ids import match_ids

    if not found:
        raise MissingError("there are no series: set input.mdocs, or give a --table of movies with their angles")
    names = match_ids(patterns, [one.name for one in found]) if patterns else [one.name for one in found]
    return [one for one in found if one.name in names]


def _refuse_to_replace(project: Project, path: Path, *, force: bool) -> None:
    """Make sure that no file of the user's is written over.

    Raises
    ------
    UsageError
        If the path is an mdoc of the input, or something is there already.
    """
    if not path.exists():
        return
    is_ours = b"[T = Weft " in path.read_bytes()
    if path.resolve() in {one.resolve() for one in project.mdocs()} and not is_ours:
        raise UsageError(f"{path}: is one of your mdocs (input.mdocs); write to another folder with --to")
    if not force and not (is_ours and path.parent == project.out / "mdoc"):
        raise UsageError(f"{path}: is there already; replace it with --force, or give another folder with --to")


def _tell(call: Call, written: Sequence[tuple[str, Path, int, Sequence[str]]], *, dry_run: bool) -> None:
    if call.json:
        facts: list[Mapping[str, object]] = [
            {"series": name, "file": str(path), "sections": sections, "notes": list(notes)}
            for name, path, sections, notes in written
        ]
        document("make-mdoc", {"mdocs": facts, "dry_run": dry_run})
        return
    for name, path, sections, notes in written:
        if not call.quiet:
            say(f"{name}: {sections} sections, {'would be written' if dry_run else 'written'}: {path}")
        for note in notes:
            message(f"{name}: {note}")
