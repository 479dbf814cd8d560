"""``weft demo``: the whole way on simulated movies, and what came out beside what is true."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from weft.cli.output import document, message, say, table_text
from weft.cli.progress import duration_text
from weft.cli.verb import Call, DryRun, Here, make_app
from weft.errors import UsageError

if TYPE_CHECKING:
    from weft.simulate import HandComparison, MovieComparison
    from weft.state.project import Project

app = make_app("demo", "weft demo\nweft demo my-demo --seed 7")
DEFAULT_FOLDER = Path("weft-demo")
DEMO_HEIGHT, DEMO_WIDTH = 736, 800  # smaller fields hold too few rings at 3 e⁻/Å² to tell the hand
_STEPS = (["check"], ["run"], ["import"], ["suggest", "--accept"], ["hand"], ["stack"])


@app.default
def demo(
    folder: Annotated[Path, Parameter(help="Where; made if it does not exist, gone on with if it is a demo.")] = (
        DEFAULT_FOLDER
    ),
    *,
    seed: Annotated[int, Parameter(help="Of the simulation.")] = 1,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Simulate two small tilt series, process them as one would real ones, and compare with the truth.

    Every step is a verb, printed before it runs. Results and truth stay in the folder to be looked at.
    """
    began = time.monotonic()
    settings = _simulated(folder, seed, call, dry_run=dry_run)
    if dry_run:
        steps = [f"weft {' '.join(step)}" for step in _STEPS]
        if call.json:
            document("demo", {"folder": str(folder), "dry_run": True, "steps": steps})
        else:
            say("\n".join(f"$ {step}" for step in steps))
        return 0
    if not (folder / "weft.toml").exists():
        _step(folder, ["init", "-q", *_flags(settings, call.overrides)], call)
    codes = [_step(folder, step, call) for step in _STEPS]
    return _compare(folder, call, codes, time.monotonic() - began)


def _simulated(folder: Path, seed: int, call: Call, *, dry_run: bool) -> Mapping[str, Mapping[str, Any]]:
    """Make the set if it is not there; return what a user would know of it.

    Raises
    ------
    UsageError
        If the folder holds something else.
    """
    from weft.simulate import SimulationOptions, simulate_set

    if (folder / "truth" / "truth.json").exists():
        if not (folder / "weft.toml").exists():
            raise UsageError(f"{folder}: holds a simulated set without weft.toml; delete it or name another folder")
        return {}
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder}: holds something else; name another folder, such as `weft demo my-demo`")
    _tell(call, f"$ weft simulate {shlex.quote(str(folder))} --seed {seed}")
    if dry_run:
        return {}
    from weft.cli.simulate import progress_of

    options = SimulationOptions(seed=seed, height=DEMO_HEIGHT, width=DEMO_WIDTH)
    told = None if call.quiet or call.json else progress_of(options.series * len(options.tilts_deg))
    return simulate_set(options, folder, on_movie=told).settings


def _flags(settings: Mapping[str, Mapping[str, Any]], overrides: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return settings as the words of a command line."""
    words = []
    for table in dict.fromkeys((*settings, *overrides)):
        for key, value in {**settings.get(table, {}), **overrides.get(table, {})}.items():
            values = value if isinstance(value, list | tuple) else [value]
            shown = [str(entry).lower() if isinstance(entry, bool | None) else str(entry) for entry in values]
            words += [f"--{table}.{key}", *shown]
    return words


def _step(folder: Path, words: Sequence[str], call: Call) -> int:
    """Run one verb in the demo's project, shown as a person would type it."""
    from weft.cli.main import call_words

    _tell(call, f"$ weft {shlex.join(words)}")
    if not (call.json or call.quiet):
        return call_words([words[0], "-C", str(folder), *words[1:]])
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()):
        return call_words([words[0], "-C", str(folder), "-q", *words[1:]])


def _tell(call: Call, command: str) -> None:
    if not (call.json or call.quiet):
        say()
        say(command)
        sys.stdout.flush()


def _compare(folder: Path, call: Call, codes: Sequence[int], seconds: float) -> int:
    """Print recovered against true values and return the exit code."""
    from weft.simulate import compare_hands, compare_set, summarise
    from weft.state.project import Project

    project = Project.open(folder)
    records = project.records()
    rows = compare_set(folder, records)
    hands = compare_hands(folder, records)
    summary = summarise(rows)
    dropped = project.dropped()
    if call.json:
        facts = {"movies": rows, "summary": summary, "hands": hands, "dropped": sorted(dropped), "seconds": seconds}
        document("demo", {key: _plain(value) for key, value in facts.items()})
    else:
        say()
        say(table_text(_COLUMNS, [_cells(row, dropped) for row in rows]))
        say()
        for line in _summary_lines(rows, hands, dropped):
            say(line)
        _tell_where(project, duration_text(seconds))
    return max(codes)


_COLUMNS = (
    "movie", ">tilt °", ">motion Å", ">error", ">defocus µm", ">error Å", ">beads", ">found", ">false", "spoiled", "used",
)  # fmt: skip


def _cells(row: MovieComparison, dropped: set[str]) -> tuple[str, ...]:
    motion, beads = row.motion, row.beads
    return (
        row.name,
        f"{row.tilt_deg:+.0f}",
        f"{motion.global_uncorrected_A:.2f}" if motion else "–",
        f"{motion.global_A:.2f}" if motion else "–",
        f"{row.true_defocus_A / 1e4:.3f}" if row.true_defocus_A is not None else "–",
        f"{row.defocus_error_A:+.0f}" if row.defocus_error_A is not None else "–",
        str(beads.true) if beads else "–",
        str(beads.true_found) if beads else "–",
        str(beads.found - beads.found_true) if beads else "–",
        row.bad,
        "no" if row.name in dropped else "yes",
    )


def _summary_lines(rows: Sequence[MovieComparison], hands: Sequence[HandComparison], dropped: set[str]) -> list[str]:
    from weft.simulate import summarise

    summary = summarise(rows)
    lines = [f"medians over the {summary.movies} movies that were not spoiled on purpose, recovered against true:"]
    if summary.motion_A is not None and summary.uncorrected_A is not None:
        lines.append(
            f"  motion       off by {summary.motion_A:.2f} Å; without correction {summary.uncorrected_A:.2f} Å"
        )
    if summary.defocus_A is not None:
        lines.append(f"  defocus      off by {summary.defocus_A:.0f} Å")
    if summary.recall is not None and summary.precision is not None:
        lines.append(f"  gold beads   {summary.recall:.0%} found, {summary.precision:.0%} of the finds are beads")
    for hand in hands:
        found = "cannot tell" if hand.found_hand is None else f"{hand.found_hand:+d}"
        lines.append(f"  handedness   {hand.series}: {found}, true {hand.true_hand:+d}")
    spoiled = {row.name for row in rows if row.bad}
    caught, wrong = len(spoiled & dropped), len(dropped - spoiled)
    lines.append(f"  left out     {caught} of {len(spoiled)} spoiled movies, {wrong} good ones")
    return lines


def _tell_where(project: Project, duration: str) -> None:
    say()
    say(f"done in {duration}; look at")
    for place, what in (
        ("average", "corrected images"),
        ("mask", "bead masks"),
        ("thumbnail", "small pictures"),
        ("imod", "stacks and tilt angles for IMOD and Dynamo"),
        ("tomostar", "tilt series for WarpTools"),
    ):
        if (project.out / place).is_dir():
            say(f"  {project.out / place}  {what}")
    message(f"next: cd {shlex.quote(str(project.folder))} && weft ls")


def _plain(value: Any) -> Any:
    """Return dataclasses, deeply, as dictionaries."""
    import dataclasses

    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value
