"""``weft watch``: process movies as they arrive."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from weft.cli.computing import check_first, show_plan, tell_failures
from weft.cli.output import counted, json_line, message, say
from weft.cli.progress import run_progress
from weft.cli.verb import DryRun, Here, make_app

app = make_app("watch", "weft watch\nweft watch --quiet-min 60        # end an hour after the last movie")


@app.default
def watch(
    *,
    interval_s: Annotated[float, Parameter(name="--interval-s", help="Seconds between two looks at the folder.")] = 10,
    quiet_min: Annotated[
        float | None, Parameter(name="--quiet-min", help="End after so many minutes without a new movie.")
    ] = None,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Process each movie as soon as it has stopped growing, until stopped.

    Series and stacks follow with `weft import` and `weft stack`, as often as you like.
    """
    from weft.pipeline.live import watch as watch_project

    project = call.project()
    if dry_run:
        from weft.pipeline.plan import make_plan

        show_plan(call, make_plan(project))
        return 0
    if project.found_movies():  # they may come later
        check_first(call, project)
    quiet_s = None if quiet_min is None else 60 * quiet_min
    if call.json:
        return 1 if watch_project(project, interval_s=interval_s, quiet_s=quiet_s, on_event=json_line).failed else 0
    if not call.quiet:
        message(f"watching {project.settings.input.movies} in {project.folder}; Ctrl-C ends it")
    with run_progress(quiet=call.quiet) as listener:
        watched = watch_project(project, interval_s=interval_s, quiet_s=quiet_s, on_event=listener)
    say(f"{counted(watched.done, 'movie')} processed")
    tell_failures(list(watched.failed.items()))
    return 1 if watched.failed else 0
