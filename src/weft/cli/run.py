"""``weft run``: process what needs it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from weft.cli.computing import compute
from weft.cli.decide import Ids
from weft.cli.verb import DryRun, Here, make_app

app = make_app(
    "run",
    "weft run\n"
    "weft run --dry-run                      # what would be done, and why\n"
    "weft run 'TS_01_*' --ctf.range_A 40 5   # some movies, a setting for once",
)


@app.default
def run(
    *ids: Ids,
    redo: Annotated[bool, Parameter(help="Do everything again, up to date or not.")] = False,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Correct motion, write averages, fit the CTF and mask gold; what is up to date is left alone.

    It may be stopped at any moment (once: after the movies in hand, twice: at once) and started again. Several runs
    with the same settings, also on several machines, share the work. With --json the events are printed as JSON lines.
    """
    return compute(call, ids, redo=redo, dry_run=dry_run)
