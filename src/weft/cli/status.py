"""``weft status``: what is done, what failed, who works."""

from __future__ import annotations

import json
import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from cyclopts import Parameter

from weft.cli.output import document, message, say
from weft.cli.progress import rate_text
from weft.cli.verb import Here, make_app

if TYPE_CHECKING:
    from weft.state.project import Project

app = make_app("status", "weft status\nweft status --follow\nweft status --json")
LOOK_EVERY_S = 5.0
_TAIL_BYTES = 65536  # of a log: enough for the last events of any run


@app.default
def status(
    *,
    follow: Annotated[bool, Parameter(help="Tell how far the runs are until all have ended.")] = False,
    call: Here,
) -> int:
    """Count what is done, to do, failed and left out; list failures and the runs at work."""
    project = call.project()
    if follow:
        _follow(project)
    facts = _facts(project)
    if call.json:
        document("status", facts)
        return 0
    counts = facts["movies"]
    say(f"{project.folder}")
    shown = [f"{count} {_WORDS[state]}" for state, count in counts.items() if count and state != "all"]
    say(f"{counts['all']} movies: {', '.join(shown) or 'none'}")
    if facts["verdicts"]["weak"] or facts["verdicts"]["failed"]:
        say(f"results: {', '.join(f'{count} {verdict}' for verdict, count in facts['verdicts'].items() if count)}")
    if facts["series"]:
        say(f"{len(facts['series'])} tilt series: {', '.join(facts['series'][:12])}")
    for run in facts["runs"]:
        say(_run_line(run))
    for item in facts["failures"]:
        say(f"failed: {item['message']}")
    if (counts["todo"] or counts["stale"]) and not facts["runs"]:
        say("next: `weft run` (`weft run --dry-run` tells what and why)")
    return 0


_WORDS = {
    "done": "done",
    "todo": "to do",
    "stale": "done with other settings or files",
    "failed": "failed",
    "dropped": "left out",
    "impossible": "impossible",
}


def _facts(project: Project) -> dict[str, Any]:
    from weft.cli.listing import lines_of
    from weft.pipeline.plan import State, make_plan

    plan = make_plan(project)
    lines = lines_of(project)
    failures = [item for item in plan.items if item.state in {"failed", "impossible"}]
    verdicts = {verdict: sum(line.verdict == verdict for line in lines) for verdict in ("good", "weak", "failed")}
    return {
        "folder": str(project.folder),
        "movies": {"all": len(plan.items), **{state: plan.count(state) for state in get_args(State)}},
        "verdicts": verdicts,
        "series": sorted(path.stem for path in (project.out / "series").glob("*.json")),
        "runs": _runs(project.out),
        "failures": [{"name": item.name, "message": item.reasons[0]} for item in failures],
    }


def _runs(out: Path) -> list[dict[str, Any]]:
    """Return the living runs, each with how far it is."""
    from weft.pipeline.run import current_runs

    return [
        {"host": run["host"], "pid": run["pid"], "watches": bool(run.get("watches")), **_how_far(out, run)}
        for run in current_runs(out)
    ]


def _how_far(out: Path, run: dict[str, Any]) -> dict[str, Any]:
    """Return done, total and seconds so far, as the run's log tells them; nothing if it does not."""
    logs = sorted((out / "log").glob(f"run-*-{run['host']}-{run['pid']}.jsonl"))
    if not logs:
        return {}
    with logs[-1].open("rb") as file:
        first = file.readline()
        end = file.seek(0, 2)
        file.seek(max(0, end - _TAIL_BYTES))
        last = file.read().splitlines()
    events = [event for line in (first, *last) if (event := _parsed(line))]
    counted = [event for event in events if "done" in event and "total" in event]
    if not events or "total" not in events[0]:
        return {}
    done = counted[-1]["done"] if counted else 0
    seconds = (datetime.fromisoformat(events[-1]["t"]) - datetime.fromisoformat(events[0]["t"])).total_seconds()
    return {"done": done, "total": events[0]["total"], "seconds": seconds}


def _parsed(line: bytes) -> dict[str, Any]:
    """Return a line's event; empty if it was cut."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _run_line(run: dict[str, Any]) -> str:
    text = f"{'watching' if run['watches'] else 'at work'}: process {run['pid']} on {run['host']}"
    if "total" not in run:
        return text
    pace = rate_text(run["done"], run["total"], run["seconds"])
    return f"{text}, {run['done']} of {run['total']}{f', {pace}' if pace else ''}"


def _follow(project: Project) -> None:
    """Tell how far the runs are, now and again, until all have ended."""
    pause = threading.Event()
    while runs := _runs(project.out):
        for run in runs:
            message(_run_line(run))
        pause.wait(LOOK_EVERY_S)
