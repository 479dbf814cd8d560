"""``weft ls``: one line per movie."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from weft.cli.decide import Ids
from weft.cli.listing import Line, lines_of
from weft.cli.output import document, table
from weft.cli.verb import Here, make_app
from weft.errors import UsageError
from weft.state.ids import match_ids

app = make_app(
    "ls",
    "weft ls\nweft ls 'TS_01_*' --sort resolution_A\nweft ls --state failed,weak --json",
)
_COLUMNS = (
    "movie", ">tilt °", ">defocus µm", ">astig. µm", ">resolution Å", ">motion Å", ">masked %", "state", "reason",
)  # fmt: skip
_SORTABLE = ("name", "tilt_deg", "defocus_um", "astigmatism_um", "resolution_A", "motion_A", "masked_percent")


@app.default
def ls(
    *ids: Ids,
    state: Annotated[
        str, Parameter(help="Only these states or verdicts, with commas: new, done, failed, dropped, good, weak.")
    ] = "",
    sort: Annotated[
        str,
        Parameter(allow_leading_hyphen=True, help=f"By which column: {', '.join(_SORTABLE)}; a leading - turns it."),
    ] = "name",
    call: Here,
) -> int:
    """List the movies with tilt, defocus, resolution, motion and masked area."""
    key = sort.removeprefix("-")
    if key not in _SORTABLE:
        raise UsageError(f"weft ls --sort {sort}: choose one of {', '.join(_SORTABLE)}")
    project = call.project()
    lines = lines_of(project)
    if ids:
        names = set(match_ids(ids, [line.name for line in lines]))
        lines = [line for line in lines if line.name in names]
    if state:
        wanted = set(state.split(","))
        lines = [line for line in lines if {line.state, line.verdict} & wanted]
    known = [line for line in lines if getattr(line, key) is not None]
    known.sort(key=lambda line: getattr(line, key), reverse=sort.startswith("-"))
    lines = known + [line for line in lines if getattr(line, key) is None]
    if call.json:
        document("ls", {"movies": [line.to_json() for line in lines]})
    else:
        table(_COLUMNS, [_cells(line) for line in lines])
    return 0


def _cells(line: Line) -> tuple[str, ...]:
    state = line.verdict if line.state == "done" and line.verdict in {"weak", "failed"} else line.state
    return (
        line.name,
        _number(line.tilt_deg, "+.1f"),
        _number(line.defocus_um, ".3f"),
        _number(line.astigmatism_um, ".3f"),
        _number(line.resolution_A, ".1f"),
        _number(line.motion_A, ".1f"),
        _number(line.masked_percent, ".2f"),
        state,
        line.reason,
    )


def _number(value: float | None, style: str) -> str:
    return "–" if value is None else format(value, style)
