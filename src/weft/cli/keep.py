"""``weft keep``: keep movies whatever is suggested."""

from __future__ import annotations

from weft.cli.decide import Ids, Reason, decide
from weft.cli.verb import DryRun, Here, make_app

app = make_app("keep", "weft keep TS_01_012 --reason 'dark, but usable'")


@app.default
def keep(*ids: Ids, reason: Reason = "", dry_run: DryRun = False, call: Here) -> int:
    """Keep movies: no suggestion drops them any more."""
    return decide(call, ids, "keep", reason, dry_run=dry_run)
