"""What ``run``, ``retry`` and ``watch`` share: plan, progress, summary, what to do next."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from weft.cli.output import counted, document, json_line, message, say, table_text
from weft.cli.progress import duration_text, run_progress
from weft.cli.verb import Call
from weft.errors import InputError, MachineError, MissingError
from weft.state.ids import match_ids

if TYPE_CHECKING:
    from weft.pipeline.plan import Plan
    from weft.pipeline.run import RunSummary
    from weft.state.project import Project

__all__ = ["check_first", "compute", "require_movies", "show_plan", "tell_failures", "tell_summary"]

SHOWN_FAILURES = 20
_ITEM_CODES = frozenset({"unreadable", "two_movies"})  # the run lists them itself


def compute(
    call: Call, patterns: Sequence[str], *, retry: bool = False, redo: bool = False, dry_run: bool = False
) -> int:
    """Run what is to do and return the exit code: 1 if movies failed.

    Parameters
    ----------
    call : Call
        Flags.
    patterns : sequence of str
        Names; all movies if empty.
    retry, redo : bool
        Try the failed ones again; do everything again.
    dry_run : bool
        Show the plan only.

    Raises
    ------
    MissingError
        If there are no movies, or a name fits none.
    WeftError
        See `weft.pipeline.run.run`.
    """
    project = call.project()
    movies = require_movies(project)
    names = match_ids(patterns, movies) if patterns else None
    if dry_run:
        from weft.pipeline.plan import make_plan

        show_plan(call, make_plan(project, names=names, retry=retry, redo=redo))
        return 0
    check_first(call, project, names)
    summary = _run(call, project, names, retry=retry, redo=redo)
    if not call.json:
        tell_summary(call, project, summary)
    return 1 if summary.failed else 0


def check_first(call: Call, project: Project, names: Collection[str] | None = None) -> None:
    """Tell what would go wrong; movies that cannot be read are left to the run, which goes on without them.

    Parameters
    ----------
    call : Call
        Flags.
    project : Project
        What is to be run.
    names : collection of str, optional
        Only these movies; all if not given.

    Raises
    ------
    InputError, MachineError
        If a run could do nothing at all.
    """
    from weft.check import check_project

    is_new = not project.out.exists()
    with suppress(OSError):  # so that the index can remember what headers say; the check tells if it cannot be made
        project.out.mkdir(parents=True, exist_ok=True)
    findings = check_project(project, names=names)
    for one in findings:
        if one.stops:
            if is_new:
                _remove_index(project.out)
            raise MachineError(one.sentence) if one.stops == "machine" else InputError(one.sentence)
    errors = [one for one in findings if one.level == "error" and one.code not in _ITEM_CODES]
    warnings = sum(one.level == "warning" for one in findings)
    for one in errors:
        message(f"error: {one.sentence}")
    if warnings and not (call.quiet or call.json):
        message(f"{counted(warnings, 'warning')} about the input; `weft check` tells more")


def _remove_index(out: Path) -> None:
    """Remove an output folder that holds nothing but what headers say; nothing was started in it."""
    with suppress(OSError):
        for path in out.glob("index.sqlite*"):
            path.unlink()
        out.rmdir()


def require_movies(project: Project) -> list[str]:
    """Return the names of all movies.

    Raises
    ------
    MissingError
        If the pattern finds none.
    """
    movies = list(project.found_movies())
    if not movies:
        pattern = project.settings.input.movies
        raise MissingError(
            f'{project.folder}: no movie fits input.movies = "{pattern}"; '
            "correct it with `weft config set input.movies PATTERN`"
        )
    return movies


def _run(call: Call, project: Project, names: Collection[str] | None, *, retry: bool, redo: bool) -> RunSummary:
    from weft.pipeline.run import run

    if call.json:
        return run(project, names=names, retry=retry, redo=redo, on_event=json_line)
    with run_progress(quiet=call.quiet) as listener:
        return run(project, names=names, retry=retry, redo=redo, on_event=listener)


def show_plan(call: Call, plan: Plan) -> None:
    """Print what a run would do, and why."""
    states = {state: plan.count(state) for state in ("todo", "stale", "done", "failed", "dropped", "impossible")}
    if call.json:
        items = [
            {"name": item.name, "state": item.state, "stages": list(item.stages), "reasons": list(item.reasons)}
            for item in plan.items
        ]
        document(call.verb, {"dry_run": True, "counts": states, "items": items})
        return
    rows = [
        (item.name, ", ".join(item.stages) or "nothing", "; ".join(item.reasons))
        for item in plan.items
        if item.state != "done"
    ]
    if rows:
        say(table_text(["movie", "would run", "because"], rows))
    kept = f"; {states['done']} up to date" if states["done"] else ""
    say(f"{len(plan.to_run)} of {len(plan.items)} movies would be processed{kept}")


def tell_summary(call: Call, project: Project, summary: RunSummary) -> None:
    """Say what a run did, list the failures last, and name the next step."""
    facts = [f"{summary.done} done"]
    facts += [f"{count} {word}" for count, word in _others(summary) if count]
    if not call.quiet:
        say(f"{', '.join(facts)} in {duration_text(summary.seconds)}; results in {project.out}")
        if call.overrides:
            message("settings given as flags hold for this call only; `weft config set` keeps them")
        message(_next_step(project))
    tell_failures(summary.failed)


def tell_failures(failed: Sequence[tuple[str, str]]) -> None:
    """List names and sentences of movies that failed; nothing if there are none."""
    if not failed:
        return
    shown = failed[:SHOWN_FAILURES]
    message(f"{len(failed)} failed:")
    for name, sentence in shown:
        message(f"  {sentence if sentence.startswith(name) else f'{name}: {sentence}'}")
    if len(failed) > len(shown):
        message(f"  and {len(failed) - len(shown)} more; `weft status` lists all")


def _others(summary: RunSummary) -> list[tuple[int, str]]:
    return [(summary.up_to_date, "up to date"), (summary.dropped, "left out"), (len(summary.failed), "failed")]


def _next_step(project: Project) -> str:
    if not project.mdocs():
        return "next: `weft ls` shows the results"
    if not any((project.out / "series").glob("*.json")):
        return "next: `weft ls`, leave out bad images with `weft drop NAME`, then `weft import` and `weft stack`"
    return "next: `weft stack`"
