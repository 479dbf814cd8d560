"""``weft drop``: leave movies out."""

from __future__ import annotations

from weft.cli.decide import Ids, Reason, decide
from weft.cli.verb import DryRun, Here, make_app

app = make_app("drop", "weft drop TS_01_039 TS_03_039 --reason 'grid bar'\nweft drop 'TS_05_*'")


@app.default
def drop(*ids: Ids, reason: Reason = "", dry_run: DryRun = False, call: Here) -> int:
    """Leave movies out of stacks and exports; nothing is deleted, and `weft undo` takes it back."""
    return decide(call, ids, "drop", reason, dry_run=dry_run)
