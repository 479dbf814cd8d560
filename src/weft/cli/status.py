"""``weft status``: what is done, what failed, who works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from weft.cli.output import document, say
from weft.cli.verb import Here, make_app

if TYPE_CHECKING:
    from weft.state.project import Project

app = make_app("status", "weft status\nweft status --json")


@app.default
def status(*, call: Here) -> int:
    """Count what is done, to do, failed and left out; list failures and the runs at work."""
    project = call.project()
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
        say(f"at work: process {run.get('pid')} on {run.get('host')}")
    for item in facts["failures"]:
        say(f"failed: {item['message']}")
    if counts["todo"] or counts["stale"]:
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
    from weft.pipeline.run import current_runs

    plan = make_plan(project)
    lines = lines_of(project)
    failures = [item for item in plan.items if item.state in {"failed", "impossible"}]
    verdicts = {verdict: sum(line.verdict == verdict for line in lines) for verdict in ("good", "weak", "failed")}
    return {
        "folder": str(project.folder),
        "movies": {"all": len(plan.items), **{state: plan.count(state) for state in get_args(State)}},
        "verdicts": verdicts,
        "series": sorted(path.stem for path in (project.out / "series").glob("*.json")),
        "runs": current_runs(project.out),
        "failures": [{"name": item.name, "message": item.reasons[0]} for item in failures],
    }
