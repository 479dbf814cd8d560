"""``weft adopt``: results of Warp, WarpTools or RELION taken over without computing them again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from weft.cli.output import document, message, say
from weft.cli.verb import DryRun, Here, make_app

app = make_app(
    "adopt",
    "weft adopt warp_frameseries    # after weft import --settings FILE\n"
    "weft adopt CtfFind/job003/tilt_series_ctf.star",
)
_SHOWN = 10


@app.default
def adopt(
    source: Annotated[
        Path,
        Parameter(help="Processing folder of Warp or WarpTools, or a STAR of RELION from after motion correction."),
    ],
    *,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Take over averages, motion, CTF, masks and selections for the movies of this project.

    They count as done under the settings of now; what you change later is redone by `weft run`. Grey values stay the other
    program's. Nothing of the source is changed; files are linked where the file system allows, else copied.
    """
    from weft.pipeline.adopt import adopt as take_over

    project = call.project()
    found = take_over(project, source, dry_run=dry_run)
    if call.json:
        facts = {"kind": found.kind, "movies": list(found.names), "decisions": dict(found.decisions)}
        document("adopt", {**facts, "skipped": list(found.skipped), "dry_run": dry_run})
    else:
        for sentence in found.skipped[:_SHOWN]:
            message(sentence)
        if len(found.skipped) > _SHOWN:
            message(f"and {len(found.skipped) - _SHOWN} more")
        if not call.quiet:
            what = "would be taken over" if dry_run else "taken over"
            dropped = sum(verb == "drop" for verb in found.decisions.values())
            say(f"{len(found.names)} movies {what}, {dropped} of them left out; {len(found.skipped)} passed over")
            message("next: `weft run --dry-run` tells what is still to do; `weft import && weft stack`")
    return 1 if found.skipped else 0
