"""``weft watch``: process movies as they arrive."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from weft.cli.output import json_line, message, say
from weft.cli.progress import run_progress
from weft.cli.verb import Here, make_app

app = make_app("watch", "weft watch\nweft watch --quiet-min 60        # end an hour after the last movie")


@app.default
def watch(
    *,
    interval_s: Annotated[float, Parameter(name="--interval-s", help="Seconds between two looks at the folder.")] = 10,
    quiet_min: Annotated[
        float | None, Parameter(name="--quiet-min", help="End after so many minutes without a new movie.")
    ] = None,
    call: Here,
) -> int:
    """Process each movie as soon as it has stopped growing, until stopped."""
    from weft.pipeline.live import watch as watch_project

    project = call.project()
    quiet_s = None if quiet_min is None else 60 * quiet_min
    if call.json:
        watch_project(project, interval_s=interval_s, quiet_s=quiet_s, on_event=json_line)
        return 0
    if not call.quiet:
        message(f"watching {project.settings.input.movies} in {project.folder}; Ctrl-C ends it")
    with run_progress(quiet=call.quiet) as listener:
        done = watch_project(project, interval_s=interval_s, quiet_s=quiet_s, on_event=listener)
    say(f"{done} movies processed")
    return 0
