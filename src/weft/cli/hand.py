"""``weft hand``: which way round the tilt geometry is, told by the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from weft.cli.output import document, message, say, table
from weft.cli.verb import Call, DryRun, Here, make_app

if TYPE_CHECKING:
    from weft.series.handedness import HandVerdict, SetVerdict
    from weft.state.project import Project

app = make_app("hand", "weft hand\nweft hand TS_01 TS_03\nweft hand --write\nweft hand --strict --json")
_COLUMNS = ("series", "hand", ">probability", ">images", ">axis mdoc °", ">axis data °", ">offset °", ">scale", "why")


@app.default
def hand(
    *names: Annotated[str, Parameter(help="Series: names or globs; all if none is given.")],
    write: Annotated[bool, Parameter(help="Write series.hand into weft.toml if the set is decided.")] = False,
    strict: Annotated[bool, Parameter(help="Exit with 4 for 'undecided', too, not only for a contradiction.")] = False,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Compare the measured defocus gradients with those that the tilt angles expect, per series and for the set.

    +1 means defocus(x, y) = defocus(centre) - tan(tilt) · distance from the axis; RELION's rlnTomoHand is the same number,
    WarpTools' "flip" is -1. Works on what `weft run` left; images left out by a decision do not count.
    """
    from weft.cli.seriesof import series_of
    from weft.series.handedness import judge_hand, judge_set
    from weft.series.judgements import stamp_of, write_hand

    project = call.project()
    records, dropped = project.records(), project.dropped()
    verdicts = []
    for one in series_of(project, names):
        verdict = judge_hand(one, records, dropped=dropped)
        verdicts.append(verdict)
        if not dry_run and verdict.images:
            write_hand(project.out, verdict, stamp_of(one, records, dropped))
    whole = judge_set(verdicts)
    doubts = _doubts(project, whole, verdicts)
    written = _write_setting(call, whole, dry_run=dry_run) if write else None
    if call.json:
        facts = {"set": whole.to_json(), "series": [one.to_json() for one in verdicts], "doubts": doubts}
        document("hand", {**facts, "setting": project.settings.series.hand, "written": written, "dry_run": dry_run})
    else:
        _tell(call, whole, verdicts, doubts)
    is_undecided = whole.hand is None or bool(whole.undecided)
    return 4 if doubts or (strict and is_undecided) else 0


def _doubts(project: Project, whole: SetVerdict, verdicts: list[HandVerdict]) -> list[str]:
    """Return contradictions, one sentence each."""
    from weft.series.hand_causes import LEAST_IMAGES

    found = []
    setting = project.settings.series.hand
    if setting is not None and whole.hand is not None and setting != whole.hand:
        found.append(f"series.hand = {setting:+d} in weft.toml, but the data say {whole.hand:+d}")
    for one in verdicts:
        if one.series in whole.disagree:
            found.append(
                f"{one.series}: says {one.hand or 0:+d}, the set {whole.hand or 0:+d}: its axis is off by 180°, its angles "
                "have the other sign, or its images are mirrored"
            )
        if one.causes and one.hand is None and one.images >= LEAST_IMAGES:  # too little to say is no contradiction
            found.append(f"{one.series}: {one.causes[0]}")
    return found


def _write_setting(call: Call, whole: SetVerdict, *, dry_run: bool) -> int | None:
    """Write series.hand; return what was written."""
    from weft.io.atomic import write_text
    from weft.settings.file import find_settings, with_value

    if whole.hand is None:
        message("series.hand is not written: the data do not decide")
        return None
    if not dry_run:
        file = find_settings(call.folder, is_exact=call.is_named)
        write_text(file, with_value(file.read_text(encoding="utf-8"), "series.hand", whole.hand))
    return whole.hand


def _tell(call: Call, whole: SetVerdict, verdicts: list[HandVerdict], doubts: list[str]) -> None:
    if not call.quiet:
        table(_COLUMNS, [_row(one) for one in verdicts])
        for one in verdicts:
            for cause in one.causes:
                message(f"{one.series}: {cause}")
    shown = "undecided" if whole.hand is None else f"{whole.hand:+d}"
    better = max(whole.probability_plus, 1 - whole.probability_plus)
    say(f"handedness: {shown} ({whole.reason}; probability {_percent(better)})")
    for sentence in doubts:
        message(f"contradiction: {sentence}")


def _row(one: HandVerdict) -> tuple[str, ...]:
    def number(value: float | None, sigma: float | None = None, digits: int = 1) -> str:
        if value is None:
            return "–"
        return f"{value:.{digits}f}" + (f" ± {sigma:.{digits}f}" if sigma is not None else "")

    better: Any = max(one.probability_plus, 1 - one.probability_plus)
    return (
        one.series,
        "undecided" if one.hand is None else f"{one.hand:+d}",
        _percent(better),
        str(one.images),
        number(one.axis_deg),
        number(one.measured_axis_deg, one.axis_sigma_deg),
        number(one.offset_deg, one.offset_sigma_deg),
        number(one.scale, one.scale_sigma, 2),
        one.reason,
    )


def _percent(probability: float) -> str:
    return "> 99.99 %" if probability > 0.9999 else f"{100 * probability:.2f} %"
