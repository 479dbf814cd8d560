"""``weft auto``: take back decisions about movies."""

from __future__ import annotations

from weft.cli.decide import Ids, Reason, decide
from weft.cli.verb import DryRun, Here, make_app

app = make_app("auto", "weft auto TS_01_039")


@app.default
def auto(*ids: Ids, reason: Reason = "", dry_run: DryRun = False, call: Here) -> int:
    """Forget what was decided about movies: they are used again unless a rule you switched on says otherwise."""
    return decide(call, ids, "auto", reason, dry_run=dry_run)
