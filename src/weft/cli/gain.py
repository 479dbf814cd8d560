"""``weft gain``: how the gain reference lies on the movies, told by the movies; a reference and defects from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter

from weft.cli.output import document, message, say, table
from weft.cli.verb import Call, DryRun, Here, make_app
from weft.errors import MissingError, UsageError
from weft.state.ids import match_ids

if TYPE_CHECKING:
    from weft.movie.gain_search import Orientation
    from weft.pipeline.gains import GainFindings
    from weft.state.project import Project

app = make_app(
    "gain",
    "weft gain\nweft gain --reference CountRef.dm4 --write\n"
    "weft gain --movies 40 --estimate gain.mrc --defects defects.txt",
)
_COLUMNS = ("flip x", "flip y", "transpose", "mode", ">slope", ">σ")
_SHOWN = 4


@app.default
def gain(
    *names: Annotated[str, Parameter(help="Movies; some spread over all if none is given.")],
    reference: Annotated[Path | None, Parameter(help="Gain reference; input.gain if not given.")] = None,
    movies: Annotated[int, Parameter(help="How many movies are read at most.")] = 8,
    estimate: Annotated[Path | None, Parameter(help="Write a reference made from the movies here (MRC).")] = None,
    defects: Annotated[Path | None, Parameter(help="Write the bad pixels here: lines of x y width height.")] = None,
    write: Annotated[bool, Parameter(help="Write the orientation that was found into weft.toml.")] = False,
    strict: Annotated[bool, Parameter(help="Exit with 4 if the orientation stays undecided.")] = False,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Correlate the fixed pattern of raw movies with the reference in all orientations, multiplied and divided.

    The movies' own settings for the gain do not matter. The slope is 1 for the right way and about 0 for the others.
    """
    from weft.pipeline.gains import find_gain

    if movies < 1:
        raise UsageError(f"weft gain --movies {movies}: at least one movie must be read")
    project = call.project()
    settings = project.settings.input
    path = reference or (project.folder / settings.gain if settings.gain is not None else None)
    chosen = _choose(project, names, movies)
    findings = find_gain(chosen, settings, path, on_movie=_progress(call))
    written = {} if dry_run else _write_files(call, findings, estimate, defects)
    settled = _settle(call, project, findings, path) if write and not dry_run else []
    if call.json:
        document("gain", {**_facts(findings, path), "files": written, "written": settled, "dry_run": dry_run})
    else:
        _tell(call, findings, path, settled)
    outcome = findings.orientation.outcome if findings.orientation is not None else None
    contradicts = outcome == "other data" or (outcome == "already corrected" and settings.gain is not None)
    return 4 if contradicts or (strict and outcome == "undecided") else 0


def _choose(project: Project, names: tuple[str, ...], most: int) -> list[Path]:
    """Return the movies to read, spread evenly over all."""
    found = project.movies()
    if not found:
        raise MissingError(
            f'{project.folder}: no movie fits input.movies = "{project.settings.input.movies}"; '
            "correct it with `weft config set input.movies PATTERN`"
        )
    wanted = match_ids(names, list(found)) if names else list(found)
    places = np.unique(np.linspace(0, len(wanted) - 1, min(most, len(wanted))).round().astype(int))
    return [found[wanted[place]] for place in places]


def _progress(call: Call) -> Any:
    def tell(done: int, of: int) -> None:
        if not (call.quiet or call.json):
            message(f"{done} of {of} movies read")

    return tell


def _write_files(call: Call, findings: GainFindings, estimate: Path | None, defects: Path | None) -> dict[str, str]:
    from weft.io.atomic import write_text
    from weft.io.mrc import write_mrc
    from weft.pipeline.gains import defect_rectangles

    files = {}
    if estimate is not None:
        write_mrc(estimate, findings.estimate.gain, 1.0, label="gain reference, to multiply by")
        files["estimate"] = str(estimate)
    if defects is not None:
        lines = [" ".join(map(str, rectangle)) for rectangle in defect_rectangles(findings.estimate.bad)]
        write_text(defects, "\n".join(["# x y width height, as the movies lie, row 0 at the bottom", *lines, ""]))
        files["defects"] = str(defects)
    if files and not (call.quiet or call.json):
        message(f"wrote {', '.join(files.values())}")
    return files


def _settle(call: Call, project: Project, findings: GainFindings, path: Path | None) -> list[str]:
    """Write the orientation into weft.toml; return the keys that were written."""
    from weft.io.atomic import write_text
    from weft.settings.file import find_settings, with_value

    verdict = findings.orientation
    if verdict is None or verdict.outcome != "found":
        message("the orientation is not written: the movies do not decide it")
        return []
    file = find_settings(call.folder, is_exact=call.is_named)
    text = file.read_text(encoding="utf-8")
    values: dict[str, Any] = {"gain": _relative(path, project.folder), **verdict.ways[0].settings}
    for key, value in values.items():
        text = with_value(text, f"input.{key}", value)
    write_text(file, text)
    return [f"input.{key}" for key in values]


def _relative(path: Path | None, folder: Path) -> str:
    assert path is not None
    whole = path.resolve()
    return whole.relative_to(folder).as_posix() if whole.is_relative_to(folder) else str(whole)


def _facts(findings: GainFindings, path: Path | None) -> dict[str, Any]:
    verdict, estimate = findings.orientation, findings.estimate
    facts: dict[str, Any] = {
        "movies": [one.name for one in findings.movies],
        "skipped": list(findings.skipped),
        "estimate": {
            "outcome": estimate.outcome, "reason": estimate.reason, "pattern": round(estimate.pattern, 5),
            "noise": round(estimate.noise, 5), "bad_pixels": int(estimate.bad.sum()),
        },
    }  # fmt: skip
    if verdict is not None:
        ways = [{**way.settings, "slope": round(way.slope, 4), "score": round(way.score, 2)} for way in verdict.ways]
        facts["orientation"] = {
            "reference": str(path), "outcome": verdict.outcome, "reason": verdict.reason,
            "margin": round(verdict.margin, 2), "ways": ways,
        }  # fmt: skip
    return facts


def _tell(call: Call, findings: GainFindings, path: Path | None, settled: list[str]) -> None:
    for sentence in findings.skipped:
        message(f"left out: {sentence}")
    verdict, estimate = findings.orientation, findings.estimate
    if verdict is not None and path is not None:
        if not call.quiet:
            table(_COLUMNS, [_row(way) for way in verdict.ways[:_SHOWN]])
        say(f"{path.name}: {verdict.outcome}: {verdict.reason} (margin {verdict.margin:.0f} σ)")
        if verdict.outcome == "found" and not settled:
            for key, value in verdict.ways[0].settings.items():
                say(f"  weft config set input.{key} {str(value).lower()}")
        if verdict.outcome == "already corrected":
            say("  weft config set input.gain none")
    say(f"from the movies alone: {estimate.outcome}: {estimate.reason}; {int(estimate.bad.sum())} bad pixels")


def _row(way: Orientation) -> tuple[str, ...]:
    flips = ("yes" if step else "no" for step in (way.flip_x, way.flip_y, way.transpose))
    return (*flips, way.mode, f"{way.slope:.3f}", f"{way.score:.1f}")
