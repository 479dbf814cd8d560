"""``weft retry``: process again what failed."""

from __future__ import annotations

from weft.cli.computing import compute
from weft.cli.decide import Ids
from weft.cli.verb import DryRun, Here, make_app
from weft.errors import MissingError
from weft.pipeline.plan import make_plan
from weft.state.ids import match_ids

app = make_app("retry", "weft retry\nweft retry TS_01_039")


@app.default
def retry(*ids: Ids, dry_run: DryRun = False, call: Here) -> int:
    """Process again the movies that failed, though nothing about them has changed."""
    project = call.project()
    failed = [item.name for item in make_plan(project).items if item.state == "failed"]
    if not failed and not ids:
        raise MissingError("no movie has failed, so there is nothing to try again")
    names = match_ids(ids, list(project.found_movies())) if ids else failed
    return compute(call, names, retry=True, dry_run=dry_run)
