"""``weft suggest``: images that something measured speaks against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.cli.output import document, message, say, table
from weft.cli.verb import DryRun, Here, make_app

if TYPE_CHECKING:
    from weft.series.suggest import Suggestion
    from weft.state.project import Project

app = make_app("suggest", "weft suggest\nweft suggest TS_01\nweft suggest --accept")


@app.default
def suggest(
    *names: Annotated[str, Parameter(help="Series: names or globs; all if none is given.")],
    accept: Annotated[bool, Parameter(help="Leave the suggested images out, each with its reason.")] = False,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """List images to look at, with reasons; nothing is left out unless --accept is given.

    Images with a decision are passed over, whatever it is. `weft undo` takes an accepted list back, one image at a time.
    """
    from weft.cli.seriesof import series_of
    from weft.series.jumps import find_jumps
    from weft.series.suggest import suggest as suggest_for

    project = call.project()
    records, decided, dropped = project.records(), project.decisions(), project.dropped()
    found: list[tuple[str, Suggestion]] = []
    for one in series_of(project, names):
        jumps = find_jumps(one, lambda name: project.path("thumbnail", name), dropped=dropped)
        rows = suggest_for(one, records, dropped=dropped, jumps=jumps)
        found += [(one.name, row) for row in rows if row.item not in decided]
    is_done = accept and not dry_run
    if is_done:
        _accept(project, [row for _, row in found])
    if call.json:
        rows_out = [
            {"item": row.item, "series": series, "code": row.reason_code, "reason": row.reason, "score": row.score}
            for series, row in found
        ]
        document("suggest", {"suggestions": rows_out, "accepted": is_done, "dry_run": dry_run})
        return 0
    if found:
        table(
            ("series", "movie", "what", ">score", "why"),
            [
                (series, row.item, row.reason_code.replace("_", " "), f"{row.score:.1f}", row.reason)
                for series, row in found
            ],
        )
    if not call.quiet:
        _sum_up(len(found), is_done=is_done)
    return 0


def _accept(project: Project, rows: list[Suggestion]) -> None:
    from weft.pipeline.decide import decide

    for row in rows:
        decide(project, [row.item], "drop", reason=row.reason)


def _sum_up(count: int, *, is_done: bool) -> None:
    if not count:
        say("nothing suspicious among the images without a decision")
    elif is_done:
        say(f"{count} images left out")
        message("`weft undo` takes the last one back, `weft auto NAME` any of them; stacks follow with `weft stack`")
    else:
        say(f"{count} images to look at")
        message(
            "leave one out with `weft drop NAME`, all of them with `weft suggest --accept`, keep one with `weft keep NAME`"
        )
