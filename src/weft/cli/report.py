"""``weft report``: one HTML file about the whole project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from weft.cli.output import document, say
from weft.cli.verb import DryRun, Here, make_app
from weft.errors import MissingError

app = make_app("report", "weft report\nweft report TS_01 --to TS_01.html\nweft report --no-pictures")


@app.default
def report(
    *names: Annotated[str, Parameter(help="Series: names or globs; all if none is given.")],
    to: Annotated[Path | None, Parameter(help="The file; weft/report.html if not given.")] = None,
    pictures: Annotated[bool, Parameter(negative="--no-pictures", help="Contact sheets of small pictures.")] = True,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Write counts, figures, handedness, suspects, decisions and settings into one file that needs nothing beside it."""
    from weft.cli.seriesof import series_of
    from weft.io.atomic import write_text
    from weft.io.machine import machine_errors
    from weft.report import report_html

    project = call.project()
    try:
        series = series_of(project, names)
    except MissingError:
        if names:
            raise
        series = []
    path = to or project.out / "report.html"
    size = 0
    if not dry_run:
        text = report_html(project, series, pictures=pictures)
        size = len(text.encode())
        with machine_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, text)
    if call.json:
        facts = {"file": str(path), "size_bytes": size, "series": [one.name for one in series], "dry_run": dry_run}
        document("report", facts)
    elif not call.quiet:
        say(f"{'would write' if dry_run else 'wrote'} {path}{f' ({size / 1e6:.1f} MB)' if size else ''}")
    return 0
