"""Stacks for IMOD, Dynamo and others: ``imod/TS/TS.st`` with ``TS.rawtlt`` and a table, a whole folder at once.

Programs that watch ``imod/`` (autoalign_dynamo lists it every 30 s and never looks twice) see no folder or a whole one: it is
made in ``.staging/`` on the same file system and renamed in; an older one is renamed out first. Sections are copied one by
one, so that memory holds one image.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft import __version__
from weft.errors import InputError, ItemFailed
from weft.export.alignment import add_alignment, is_as_made
from weft.export.chosen import Chosen
from weft.export.erased import Part, erasing_facts, without_gold
from weft.io.atomic import write_text
from weft.io.identity import file_identity
from weft.io.machine import machine_errors
from weft.io.mdoc import Entry, Mdoc, mdoc_text, read_mdoc
from weft.io.mrc import MrcHeader, MrcStackWriter, read_mrc, read_mrc_header
from weft.series.table import Tilt, TiltSeries
from weft.state.locks import locked
from weft.state.project import Project

__all__ = ["StackOptions", "StackResult", "planned_stack", "rawtlt_text", "sections_text", "write_stack"]

_PLACES: dict[Part, str] = {"full": "average", "even": "even", "odd": "odd"}
_ENDINGS: dict[Part, str] = {"full": "", "even": "_EVN", "odd": "_ODD"}
_COLUMNS = (
    "section", "movie", "tilt_deg", "order", "exposure_e_A2", "pre_exposure_e_A2", "time", "mdoc_section"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StackOptions:
    """How stacks are made.

    Parameters
    ----------
    folder : str
        Under the output folder: one folder per series in it.
    ending : str
        Of the stack.
    halves : bool
        Stacks of the even and odd averages, too.
    erase_gold : bool
        Fill what the bead masks cover.
    force : bool
        Write though nothing has changed.
    texts : mapping of str to callable
        Further files beside the stack, by the end of their names: from the tilts to the text; empty ones are not written.
    """

    folder: str = "imod"
    ending: str = ".st"
    halves: bool = False
    erase_gold: bool = False
    force: bool = False
    texts: Mapping[str, Callable[[Sequence[Tilt]], str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StackResult:
    """What was written.

    Parameters
    ----------
    name : str
        Of the series.
    path : Path
        The stack.
    sections : int
        Images in it.
    is_new : bool
        Whether it was written; False if it said already what is decided.
    notes : tuple of str
        What the user should know.
    """

    name: str
    path: Path
    sections: int
    is_new: bool
    notes: tuple[str, ...] = ()


def write_stack(project: Project, chosen: Chosen, options: StackOptions) -> StackResult:
    """Write the stack of one series with its angles and table, unless it is there already.

    Parameters
    ----------
    project : Project
        Averages and the place.
    chosen : Chosen
        What is used.
    options : StackOptions
        How.

    Raises
    ------
    ItemFailed
        If averages are missing, or of different sizes.
    MachineError
        If it cannot be written; then what was there is there still.
    """
    name = chosen.series.name
    path = _path(project, chosen, options)
    place = path.parent
    with locked(project.out / "claims" / f"stack-{options.folder}-{name}.lock", patience_s=3600):
        with machine_errors(project.out):
            for rest in _rests(project, options, name):  # of a run that was killed; the lock is ours
                shutil.rmtree(rest)
            for rest in place.glob(".*.????????.tmp"):
                rest.unlink(missing_ok=True)
        facts = _facts(project, chosen, options)
        made = None if options.force else _still_true(place, facts)
        if made is not None:
            if options.folder == "imod":
                add_alignment(chosen, path, made)
            return StackResult(name, path, len(made["files_sections"]), False)
        return _write(project, chosen, options, place, facts)


def planned_stack(project: Project, chosen: Chosen, options: StackOptions) -> StackResult:
    """Return what `write_stack` would do, nothing being written.

    Raises
    ------
    ItemFailed
        If averages are missing.
    """
    path = _path(project, chosen, options)
    is_new = options.force or _still_true(path.parent, _facts(project, chosen, options)) is None
    return StackResult(chosen.series.name, path, len(chosen.used), is_new)


def _path(project: Project, chosen: Chosen, options: StackOptions) -> Path:
    """Return where the stack of a series is, or will be."""
    return project.out / options.folder / chosen.series.name / f"{chosen.series.name}{options.ending}"


def rawtlt_text(tilts: Sequence[Tilt]) -> str:
    """Return the angles of a stack's sections, one a line, as the mdoc has them."""
    return "".join(f"{round(tilt.tilt_deg, 2) + 0.0:.2f}\n" for tilt in tilts)


def sections_text(tilts: Sequence[Tilt]) -> str:
    """Return the table of a stack's sections as comma-separated values; unknown exposures and times stay empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for number, tilt in enumerate(tilts):
        exposures = ["" if value is None else f"{value:g}" for value in (tilt.exposure_e_A2, tilt.pre_exposure_e_A2)]
        writer.writerow(
            [number, tilt.movie, f"{tilt.tilt_deg:.4f}", tilt.order, *exposures, tilt.time or "", tilt.section]
        )
    return text.getvalue()


def _facts(project: Project, chosen: Chosen, options: StackOptions) -> dict[str, Any]:
    """Return what a stack is made of; equal facts, equal stack.

    Raises
    ------
    ItemFailed
        If an average is missing.
    """
    parts: list[Part] = ["full", "even", "odd"] if options.halves else ["full"]
    identities = []
    for tilt in chosen.used:
        files = [project.path(_PLACES[part], tilt.movie or "") for part in parts]
        try:
            found = [file_identity(path) for path in files]
        except FileNotFoundError as error:
            raise ItemFailed(
                f"{chosen.series.name}: {error.filename} is missing; "
                + ("set output.halves = true and `weft run`" if options.halves else "`weft run` makes it anew")
            ) from error
        identities.append([*found, *(erasing_facts(project, chosen, tilt.movie or "") if options.erase_gold else ())])
    made_of = {
        "tilts": [
            [tilt.movie, round(tilt.tilt_deg, 4), tilt.order, tilt.exposure_e_A2, tilt.time] for tilt in chosen.used
        ],
        "images": identities,
        "axis_deg": chosen.series.axis_deg,
        "halves": options.halves,
        "erase_gold": options.erase_gold,
    }
    return {"schema": "weft.stack/1", "series": chosen.series.name, "weft": __version__, "made_of": made_of}


def _made(path: Path) -> dict[str, Any] | None:
    """Return what an earlier stack was made of, None if it cannot be told."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return data if {"made_of", "files", "files_sections"} <= set(data) else None
    except (OSError, ValueError, TypeError):
        return None


def _still_true(place: Path, facts: dict[str, Any]) -> dict[str, Any] | None:
    """Return what an earlier stack was made of, if it is whole and was made of the same."""
    made = _made(place / f"{place.name}_stack.json")
    return made if made is not None and made["made_of"] == facts["made_of"] and _is_whole(place, made) else None


def _is_whole(place: Path, made: dict[str, Any]) -> bool:
    return all(
        (place / file).is_file() and (place / file).stat().st_size == size for file, size in made["files"].items()
    )


def _write(project: Project, chosen: Chosen, options: StackOptions, place: Path, facts: dict[str, Any]) -> StackResult:
    """Make the folder aside and put it into its place."""
    name = chosen.series.name
    aside = project.out / ".staging" / f"{options.folder}-{name}-{uuid.uuid4().hex[:8]}" / name
    with machine_errors(aside):
        aside.mkdir(parents=True)
    try:
        written, blank = _write_images(project, chosen, options, aside)
        _write_texts(chosen.series, written, options, aside, project.folder)
        facts["files_sections"] = [tilt.movie for tilt in written]
        facts["files"] = {path.name: path.stat().st_size for path in sorted(aside.iterdir())}
        write_text(aside / f"{name}_stack.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        if options.folder == "imod":
            add_alignment(chosen, aside / f"{name}{options.ending}", facts)
        notes = _replace(place, aside)
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)
    if blank:
        notes.append(f"{', '.join(blank)}: blank, so left out (aligners stop at a constant image)")
    return StackResult(name, place / f"{name}{options.ending}", len(written), True, tuple(notes))


def _rests(project: Project, options: StackOptions, name: str) -> list[Path]:
    """Return the folders in which stacks of a series were being made."""
    return list((project.out / ".staging").glob(f"{options.folder}-{name}-????????"))


def _replace(place: Path, aside: Path) -> list[str]:
    """Put a finished folder into its place, the older one out of the way first; files of other programs are not lost."""
    notes = []
    with machine_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            old = aside.with_name(f"{place.name}.old")
            foreign = _foreign(place)
            if foreign:
                old = _free(place.parent.with_name(f"{place.parent.name}_old") / place.name)
                old.parent.mkdir(parents=True, exist_ok=True)
                notes.append(
                    f"{place.name}: files of other programs ({', '.join(foreign[:3])}) are in {old} with the stack they belong to"
                )
            place.replace(old)
        aside.replace(place)
    return notes


def _foreign(place: Path) -> list[str]:
    """Return the names in a stack's folder that Weft did not write, or that another program wrote anew."""
    made = _made(place / f"{place.name}_stack.json") or {"files": {}}
    return sorted(
        path.name for path in place.iterdir() if path.name != f"{place.name}_stack.json" and not is_as_made(path, made)
    )


def _free(path: Path) -> Path:
    number = 1
    while (free := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    return free


def _write_images(project: Project, chosen: Chosen, options: StackOptions, aside: Path) -> tuple[list[Tilt], list[str]]:
    """Copy the images section by section; return the tilts written and the names of blank ones."""
    series = chosen.series
    first = _header(project.path("average", chosen.used[0].movie or ""))
    labels = [f"Weft {__version__}"]
    if series.axis_deg is not None:
        labels.append(f"Tilt axis angle = {series.axis_deg:.1f}, binning = 1  spot = 0  camera = 0")
    parts: list[Part] = ["full", "even", "odd"] if options.halves else ["full"]
    written: list[Tilt] = []
    blank: list[str] = []
    with ExitStack() as stack:
        writers = {}
        for part in parts:
            path = aside / f"{series.name}{_ENDINGS[part]}{options.ending}"
            pixel_A = first.pixel_size_A or 1.0
            writers[part] = stack.enter_context(MrcStackWriter(path, (first.ny, first.nx), pixel_A, labels=labels))
        for tilt in chosen.used:
            images = dict(_images(project, tilt, first, parts, options, chosen))
            if float(np.ptp(images["full"])) == 0:
                blank.append(tilt.movie or "")
                continue
            for part, image in images.items():
                writers[part].append(image)
            written.append(tilt)
        if not written:
            raise ItemFailed(f"{series.name}: all its images are blank; look at the movies")
    return written, blank


def _images(
    project: Project, tilt: Tilt, first: MrcHeader, parts: Sequence[Part], options: StackOptions, chosen: Chosen
) -> Iterator[tuple[Part, NDArray[np.float32]]]:
    """Yield one tilt's images.

    Raises
    ------
    ItemFailed
        If one has another size than the first tilt's.
    """
    movie = tilt.movie or ""
    for part in parts:
        path = project.path(_PLACES[part], movie)
        header = _header(path)
        if (header.ny, header.nx) != (first.ny, first.nx):
            raise ItemFailed(
                f"{chosen.series.name}: {path.name} is {header.nx} × {header.ny}, the first image {first.nx} × {first.ny}; "
                f"a stack needs one size, so finish `weft run`, or leave it out: `weft drop {movie}`"
            )
        image = read_mrc(path)[0].astype(np.float32)
        if options.erase_gold:
            image = without_gold(project, chosen, movie, image, part=part, pixel_size_A=header.pixel_size_A or 1.0)
        yield part, image


def _header(path: Path) -> MrcHeader:
    """Return an average's header.

    Raises
    ------
    ItemFailed
        If the file is missing or damaged.
    """
    try:
        return read_mrc_header(path)
    except FileNotFoundError as error:
        raise ItemFailed(f"{path}: is missing; `weft run` makes it anew") from error
    except InputError as error:
        raise ItemFailed(str(error)) from error


def _write_texts(series: TiltSeries, tilts: Sequence[Tilt], options: StackOptions, aside: Path, folder: Path) -> None:
    """Write what stands beside the stack: angles, table, and the mdoc in the stack's order."""
    write_text(aside / f"{series.name}.rawtlt", rawtlt_text(tilts))
    write_text(aside / f"{series.name}_sections.csv", sections_text(tilts))
    for ending, make in options.texts.items():
        if make(tilts):
            write_text(aside / f"{series.name}{ending}", make(tilts))
    text = _stack_mdoc(series, tilts, aside / f"{series.name}{options.ending}", folder)
    if text:
        write_text(aside / f"{series.name}{options.ending}.mdoc", text)


def _stack_mdoc(series: TiltSeries, tilts: Sequence[Tilt], stack: Path, folder: Path) -> str:
    """Return the mdoc of a stack: the original sections in the stack's order, sizes as the stack's; empty if it is gone."""
    try:
        mdoc = read_mdoc(folder / series.mdoc) if series.mdoc else Mdoc()
    except InputError:
        return ""
    by_line = {section.line: section for section in mdoc.sections}
    if not tilts or any(tilt.line not in by_line or by_line[tilt.line].file_name() != tilt.file for tilt in tilts):
        return ""
    header = read_mrc_header(stack)
    pixel = f"{header.pixel_size_A or 0:.5g}"
    head = {"PixelSpacing": pixel, "ImageFile": stack.name, "ImageSize": f"{header.nx} {header.ny}", "DataMode": "2"}
    kept = [entry for entry in mdoc.head if entry.key not in head]
    sections = []
    for number, tilt in enumerate(tilts):
        values = {"PixelSpacing": pixel, "Binning": "1"}
        if tilt.exposure_e_A2 is not None and tilt.pre_exposure_e_A2 is not None:
            values |= {"ExposureDose": f"{tilt.exposure_e_A2:g}", "PriorRecordDose": f"{tilt.pre_exposure_e_A2:g}"}
        section = by_line[tilt.line].with_values(**values)
        sections.append(type(section)("ZValue", str(number), section.entries))
    entries = (*(Entry(key, value) for key, value in head.items()), *kept)
    return mdoc_text(Mdoc(entries, mdoc.titles, tuple(sections)))
