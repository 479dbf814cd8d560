"""``weft retry``: process again what failed."""

from __future__ import annotations

from weft.cli.computing import compute, show_plan
from weft.cli.decide import Ids
from weft.cli.output import json_line, message
from weft.cli.verb import Call, DryRun, Here, make_app
from weft.pipeline.plan import Plan, make_plan
from weft.state.ids import match_ids

app = make_app("retry", "weft retry\nweft retry TS_01_039")


@app.default
def retry(*ids: Ids, dry_run: DryRun = False, call: Here) -> int:
    """Process again the movies that failed, though nothing about them has changed."""
    project = call.project()
    failed = [item.name for item in make_plan(project).items if item.state == "failed"]
    if not failed and not ids:
        _tell_none(call, dry_run=dry_run)
        return 0
    names = match_ids(ids, list(project.found_movies())) if ids else failed
    return compute(call, names, retry=True, dry_run=dry_run)


def _tell_none(call: Call, *, dry_run: bool) -> None:
    """Say that nothing has failed, in the form that was asked for."""
    if call.json and dry_run:
        show_plan(call, Plan(()))
    elif call.json:
        json_line({"event": "run_finished", "end": "done", "done": 0, "failed": 0, "seconds": 0.0})
    elif not call.quiet:
        message("no movie has failed, so there is nothing to try again")
