"""``weft watch``: process movies as they arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.cli.awaiting import await_references
from weft.cli.computing import check_first, show_plan, tell_failures
from weft.cli.output import counted, json_line, message, say
from weft.cli.progress import run_progress
from weft.cli.verb import Call, DryRun, Here, make_app

if TYPE_CHECKING:
    from weft.state.project import Project

app = make_app(
    "watch",
    "weft watch\nweft watch --stacks              # and stacks of finished series\n"
    "weft watch --quiet-min 60        # end an hour after the last movie",
)


@app.default
def watch(
    *,
    interval_s: Annotated[float, Parameter(name="--interval-s", help="Seconds between two looks at the folder.")] = 10,
    quiet_min: Annotated[
        float | None, Parameter(name="--quiet-min", help="End after so many minutes without a new movie.")
    ] = None,
    stacks: Annotated[
        bool, Parameter(help="Write the stack of each series when it is finished: once, as `weft stack` would.")
    ] = False,
    still_min: Annotated[
        float,
        Parameter(name="--still-min", help="A series is finished when its mdoc has not changed for so many minutes."),
    ] = 10,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Process each movie as soon as it has stopped growing, until stopped.

    A gain reference (or defects) that is not there yet is waited for, and movies with it.

    A stack that others watch for must not appear too early: a series is finished when its list of images has stood still and
    all of them are processed. Without --stacks they follow with `weft import` and `weft stack`.
    """
    from weft.pipeline.live import watch as watch_project

    project = call.project()
    if dry_run:
        from weft.pipeline.plan import make_plan

        show_plan(call, make_plan(project))
        return 0
    quiet_s = None if quiet_min is None else 60 * quiet_min
    await_references(call, project, interval_s=interval_s, quiet_s=quiet_s)
    if project.found_movies():  # they may come later
        check_first(call, project)
    look = _stack_writer(call, project, 60 * still_min) if stacks else None
    if call.json:
        watched = watch_project(project, interval_s=interval_s, quiet_s=quiet_s, on_event=json_line, each_look=look)
        return 1 if watched.failed else 0
    if not call.quiet:
        message(f"watching {project.settings.input.movies} in {project.folder}; Ctrl-C ends it")
    with run_progress(quiet=call.quiet) as listener:
        watched = watch_project(project, interval_s=interval_s, quiet_s=quiet_s, on_event=listener, each_look=look)
    say(f"{counted(watched.done, 'movie')} processed")
    tell_failures(list(watched.failed.items()))
    return 1 if watched.failed else 0


def _stack_writer(call: Call, project: Project, still_s: float) -> Callable[[float | None], None]:
    """Return what writes the stacks that are due and tells of them."""
    from weft.pipeline.live_stacks import LiveStacks

    live = LiveStacks(project, still_s)

    def look(now: float | None) -> None:
        for result in live.look(now):
            if isinstance(result, str):
                json_line({"event": "stack_failed", "message": result}) if call.json else message(result)
            elif call.json:
                facts = {"series": result.name, "file": str(result.path), "is_new": result.is_new}
                json_line({"event": "stack_written", **facts})
            elif not call.quiet:
                done = "written" if result.is_new else "up to date"
                say(f"{result.name}: {counted(result.sections, 'section')}, {done}: {result.path}")

    return look
