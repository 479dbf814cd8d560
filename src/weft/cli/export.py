"""``weft export``: tilt series and images for other programs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from weft.cli.output import document, message, say
from weft.cli.seriesof import stale_averages, told_stale
from weft.cli.verb import Call, DryRun, Here, make_app
from weft.errors import InputError, ItemFailed

if TYPE_CHECKING:
    from weft.export.chosen import Chosen
    from weft.state.project import Project

Target = Literal["dynamo", "aretomo", "relion", "warp", "star"]
app = make_app(
    "export",
    "weft export relion --exposure 3\nweft export aretomo --halves\nweft export warp\nweft export star --root /data/relion",
)
# what an export writes file by file; stacks are made aside as whole folders
_FILES: dict[Target, tuple[str, ...]] = {
    "relion": (
        "relion/*.star",
        "relion/tilt_series/*.star",
        "relion/motion/*.star",
        "relion/ctf/*.*",
        "relion/gain/*.*",
    ),
    "star": ("star/*.star", "star/motion/*.star", "star/ctf/*.*", "star/gain/*.*"),
    "warp": ("*.settings", "processed_items.json", "warp_tiltseries/*.xml", "gain/*.*"),
}


@dataclass
class _Done:
    """What an export made."""

    files: list[tuple[str, Path, int, bool]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    next: str = ""
    hand: int | None = None
    hand_note: str = ""


@dataclass(frozen=True)
class _Asked:
    target: Target
    halves: bool
    erase_gold: bool
    force: bool
    root: Path | None
    dry_run: bool


@app.default
def export(
    target: Annotated[Target, Parameter(help="dynamo, aretomo, relion, warp or star.")],
    *series: Annotated[str, Parameter(help="Only these: exact names or globs such as 'TS_0*'.")],
    exposure: Annotated[
        float | None, Parameter(help="Exposure of one tilt in e⁻/Å², where the mdocs tell none (or another).")
    ] = None,
    root: Annotated[
        Path | None,
        Parameter(help="RELION's project folder, to which paths are relative; Weft's project if not given."),
    ] = None,
    halves: Annotated[bool, Parameter(help="Stacks of the even and odd averages, too.")] = False,
    erase_gold: Annotated[bool, Parameter(help="Fill what the bead masks cover (stacks).")] = False,
    force: Annotated[
        bool, Parameter(help="Write anew what is up to date, and without movies not yet processed.")
    ] = False,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Write what another program starts from, dropped images left out.

    dynamo and aretomo: a folder per series with stack, angles and exposures. relion: tables of tilt series for RELION 5 with
    motion per movie. warp: tomostar, XML and settings, so that WarpTools goes on in the output folder. star: RELION's table of
    single images. relion and warp take along alignments that `weft import --alignments` has brought back.
    """
    from weft.export.alone import alone

    project = call.project()
    asked = _Asked(target, halves, erase_gold, force, root, dry_run)
    done = _Done()
    with nullcontext() if dry_run else alone(project.out, target, _FILES.get(target, ())):
        if target == "star":
            _star(project, series, asked, done)
        else:
            _all_series(project, series, asked, exposure, done)
    if call.json:
        document("export", _facts(asked, done))
    else:
        _tell(call, asked, done)
    return 1 if done.problems else 0


def _all_series(project: Project, patterns: Sequence[str], asked: _Asked, exposure: float | None, done: _Done) -> None:
    """Write the series, one after the other, then what stands for all of them.

    Raises
    ------
    InputError
        If no series can be written for want of an exposure.
    """
    from weft.export.chosen import choose, only_aligned, require_images, series_named
    from weft.export.relion import with_exposure
    from weft.export.tomostar import unknown_exposure

    wanted = {one.name for one in series_named(project, patterns)}
    everything = choose(project, [with_exposure(one, exposure) for one in series_named(project, [])])
    chosen = [one for one in everything if one.series.name in wanted]
    if asked.target in {"relion", "warp"} and all(one.series.exposure_e_A2 is None for one in chosen):
        raise InputError(unknown_exposure(chosen[0], "RELION" if asked.target == "relion" else "Warp"))
    write = _writer(project, everything, asked, done)
    written = []
    for whole in chosen:
        one, left_out = only_aligned(whole) if asked.target in {"relion", "warp"} else (whole, "")
        done.notes += [left_out] if left_out else []
        try:
            require_images(one, project.settings.series.min_tilts, incomplete=asked.force)
            if asked.dry_run and asked.target in {"relion", "warp"}:  # always written, quickly
                done.files.append((one.series.name, project.out / asked.target, len(one.used), True))
            else:
                done.files.append((one.series.name, *write(one)))
            written.append(one)
        except ItemFailed as error:
            done.problems.append(str(error))
    outdated = stale_averages(project, chosen)
    done.notes += [told_stale(outdated)] if outdated else []
    if not asked.dry_run and written:
        _finish(project, asked, written, everything, done)
    done.notes += [done.hand_note] if written and done.hand_note else []


def _writer(
    project: Project, everything: Sequence[Chosen], asked: _Asked, done: _Done
) -> Callable[[Chosen], tuple[Path, int, bool]]:
    """Return the function that writes one series: it returns file, images and whether it is new."""
    if asked.target in {"dynamo", "aretomo"}:
        return _stack_writer(project, asked, done)
    if asked.target == "warp":
        return _warp_writer(project, everything, done)
    from weft.export.relion import RelionOptions, write_relion_series

    options = RelionOptions(_root(project, asked), _hand(project, everything, done))
    return lambda one: (write_relion_series(project, one, options), len(one.used), True)


def _warp_writer(
    project: Project, everything: Sequence[Chosen], done: _Done
) -> Callable[[Chosen], tuple[Path, int, bool]]:
    from weft.export.tomostar import write_series_list
    from weft.export.warp import write_warp_series

    hand = _hand(project, everything, done)

    def write(one: Chosen) -> tuple[Path, int, bool]:
        path = write_series_list(project, one)
        kept = write_warp_series(project, one, hand)
        done.notes += [kept] if kept else []
        return path, len(one.used), True

    return write


def _stack_writer(project: Project, asked: _Asked, done: _Done) -> Callable[[Chosen], tuple[Path, int, bool]]:
    from weft.export.aretomo import for_aretomo
    from weft.export.dynamo import for_dynamo
    from weft.export.imod import StackOptions, planned_stack, write_stack

    change = for_dynamo if asked.target == "dynamo" else for_aretomo
    options = change(StackOptions(halves=asked.halves, erase_gold=asked.erase_gold, force=asked.force))

    make = planned_stack if asked.dry_run else write_stack

    def write(one: Chosen) -> tuple[Path, int, bool]:
        result = make(project, one, options)
        done.notes += result.notes
        return result.path, result.sections, result.is_new

    return write


def _finish(
    project: Project, asked: _Asked, written: Sequence[Chosen], everything: Sequence[Chosen], done: _Done
) -> None:
    """Write what stands for all series, and say what comes next."""
    if asked.target == "relion":
        from weft.export.relion import RelionOptions, write_relion_set

        names = {one.series.name for one in written}
        folder = project.out / "relion" / "tilt_series"
        there = [one for one in everything if one.series.name in names or (folder / f"{one.series.name}.star").exists()]
        options = RelionOptions(_root(project, asked), _hand(project, everything, done))
        path = write_relion_set(project, [one for one in there if one.records], options)
        done.next = f"in RELION 5, in {options.root}: the table of tilt series is {path}"
    elif asked.target == "warp":
        from weft.export.warp import SERIES_SETTINGS, write_warp_project

        write_warp_project(project)
        here = f"cd {shlex.quote(str(project.out))} && WarpTools"
        done.next = (
            f"{here} ts_ctf --settings {SERIES_SETTINGS}"
            if all(one.is_aligned for one in written)
            else f"alignment of the stacks of `weft stack`, then `weft import --alignments FOLDER` and this again; or {here} "
            f"ts_stack --settings {SERIES_SETTINGS} --angpix 10"
        )
    elif asked.target == "aretomo":
        prefix = shlex.quote(str(project.out / "aretomo" / "SERIES") + "/")
        done.next = f"AreTomo3 -Cmd 1 -InPrefix {prefix} -InSuffix .mrc -OutDir aretomo_out"
    else:
        done.next = f"Dynamo's tilt series are under {project.out / 'dynamo'}"


def _star(project: Project, patterns: Sequence[str], asked: _Asked, done: _Done) -> None:
    """Write the table of single images."""
    from weft.export.star import write_images_star
    from weft.state.ids import match_ids

    names = match_ids(patterns, sorted(project.records())) if patterns else None
    count = len(set(names if names is not None else project.records()) - project.dropped())
    path = project.out / "star" / "micrographs_ctf.star"
    if not asked.dry_run:
        path = write_images_star(project, _root(project, asked), names=names)
    done.files.append(("images", path, count, True))
    done.next = f"in RELION: import {path} as micrographs"


def _root(project: Project, asked: _Asked) -> Path:
    return asked.root.resolve() if asked.root is not None else project.folder


def _hand(project: Project, everything: Sequence[Chosen], done: _Done) -> int:
    """Return the handedness: from weft.toml, from the data (judged once), or RELION's default with a note."""
    from weft.series.handedness import judge_hand, judge_set

    given = project.settings.series.hand if done.hand is None else done.hand
    if given is not None:
        return given
    dropped = project.dropped()
    whole = judge_set([judge_hand(one.series, one.records, dropped=dropped) for one in everything])
    done.hand_note = (
        f"handedness {whole.hand:+d}, as the defocus gradients tell ({whole.reason})"
        if whole.hand is not None
        else "the handedness is not decided; -1 is written, RELION's default: see `weft hand`, or set series.hand"
    )
    done.hand = whole.hand if whole.hand is not None else -1
    return done.hand


def _facts(asked: _Asked, done: _Done) -> dict[str, Any]:
    return {
        "target": asked.target,
        "files": [
            {"series": name, "file": str(path), "images": images, "is_new": is_new}
            for name, path, images, is_new in done.files
        ],
        "problems": done.problems,
        "notes": done.notes,
        "next": done.next,
        "dry_run": asked.dry_run,
    }


def _tell(call: Call, asked: _Asked, done: _Done) -> None:
    for name, path, images, is_new in done.files:
        what = ("would be written" if asked.dry_run else "written") if is_new else "up to date"
        if not call.quiet:
            say(f"{name}: {images} images, {what}: {path}")
    for sentence in (*done.problems, *dict.fromkeys(done.notes)):
        message(sentence)
    if done.next and not call.quiet:
        message(f"next: {done.next}")
