"""Results of Warp, WarpTools or RELION taken over: records that count as done under the settings of now, nothing computed anew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from weft import __version__
from weft.errors import InputError, MissingError, WeftError
from weft.fields import CtfFit, MotionField
from weft.io.atomic import whole_file, write_bytes
from weft.io.machine import machine_errors
from weft.io.masktiff import read_mask
from weft.io.mrc import read_mrc, read_mrc_header
from weft.io.warpread import WarpMovie, read_warp_xml
from weft.movie.open import open_movie
from weft.pipeline.adopt_relion import RelionRow, read_relion_rows
from weft.pipeline.decide import decide
from weft.pipeline.outputs import motion_part, relative, write_warp_xml
from weft.pipeline.plan import PlanItem, make_plan
from weft.signal.describe import describe
from weft.signal.picture import thumbnail_jpeg
from weft.state.keys import key_of
from weft.state.project import Project
from weft.state.record import AverageFacts, CtfFacts, MaskFacts, MovieFacts, Record, Stage
from weft.state.records import write_record

__all__ = ["Adopted", "adopt"]

Kind = Literal["warp", "relion"]


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was taken over.

    Parameters
    ----------
    kind : str
        ``warp`` or ``relion``.
    names : tuple of str
        Movies with a record now.
    decisions : mapping of str to str
        Selections that Warp held.
    skipped : tuple of str
        A sentence for each movie that could not be taken over.
    """

    kind: Kind
    names: tuple[str, ...]
    decisions: Mapping[str, str]
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """One movie's results elsewhere; files by what they are (as `Project.path` names them)."""

    name: str
    average: Path
    motion: Callable[[int], MotionField] | None
    ctf: CtfFit | None
    files: Mapping[str, Path]
    masked_fraction: float | None = None
    selection: str | None = None


def adopt(project: Project, source: Path, *, dry_run: bool = False) -> Adopted:
    """Take over the results of another program for the movies of a project.

    Parameters
    ----------
    project : Project
        With its movies where ``input.movies`` says.
    source : Path
        A processing folder of Warp or WarpTools (``NAME.xml`` and ``average/``), or a STAR of RELION (its ``tilt_series.star``,
        one series' table, or ``micrographs_ctf.star``).
    dry_run : bool
        Only tell.

    Raises
    ------
    MissingError
        If there is nothing to take over.
    InputError
        If the source cannot be understood.
    """
    kind: Kind = "relion" if source.is_file() else "warp"
    if not source.exists():
        raise MissingError(f"{source}: no such place; give Warp's processing folder, or a STAR file of RELION")
    items = {item.name: item for item in make_plan(project).items}
    names, skipped, held = [], [], {}
    for found in _of_relion(source, project) if kind == "relion" else _of_warp(source):
        if isinstance(found, str):
            skipped.append(found)
            continue
        item = items.get(found.name)
        if item is None or not item.inputs:
            skipped.append(f"{found.name}: no movie of this name among input.movies")
            continue
        try:
            _require_theirs(project, found)
            if not dry_run:
                _take(project, item, found, kind)
        except (InputError, MissingError) as error:
            skipped.append(str(error))
            continue
        names.append(found.name)
        if found.selection is not None:
            held[found.name] = found.selection
    if not names:
        why = f" ({skipped[0]})" if skipped else ""
        raise MissingError(f"{source}: nothing to take over{why}; check input.movies and the place")
    if not dry_run:
        _decide(project, held)
    return Adopted(kind, tuple(names), held, tuple(skipped))


def _require_theirs(project: Project, found: _Found) -> None:
    """Make sure that a result was not made in this very project.

    Raises
    ------
    InputError
        If it was.
    """
    is_own = found.average.resolve() == project.path("average", found.name).resolve()
    if is_own and project.path("record", found.name).exists():
        raise InputError(f"{found.name}: was made in this very project, which needs nothing of itself")


def _decide(project: Project, held: Mapping[str, str]) -> None:
    """Record selections made elsewhere as decisions, those that hold already aside."""
    now = project.decisions()
    verbs: tuple[Literal["drop", "keep"], ...] = ("drop", "keep")
    for verb in verbs:
        items = [name for name, said in held.items() if said == verb and not (name in now and now[name].verb == verb)]
        if items:
            decide(project, items, verb, reason="as Warp has it")


def _of_warp(folder: Path) -> Iterator[_Found | str]:
    """Yield the movies of a processing folder of Warp's."""
    for path in sorted(folder.glob("*.xml")):
        name = path.stem
        average = folder / "average" / f"{name}.mrc"
        try:
            movie = read_warp_xml(path)
        except InputError as error:
            yield str(error)
            continue
        if not isinstance(movie, WarpMovie):
            continue
        if not average.exists():
            yield f"{name}: Warp has no average of it"
            continue
        files = {
            "even": folder / "average" / "even" / f"{name}.mrc",
            "odd": folder / "average" / "odd" / f"{name}.mrc",
            "mask": folder / "mask" / f"{name}.tif",
            "spectrum": folder / "powerspectrum" / f"{name}.mrc",
        }
        yield _Found(
            name, average, _warp_motion(movie), _warp_fit(movie), {kind: file for kind, file in files.items() if file.exists()},
            movie.masked_fraction, movie.selection,
        )  # fmt: skip


def _warp_motion(movie: WarpMovie) -> Callable[[int], MotionField]:
    def motion(frames: int) -> MotionField:
        path = movie.path_of(frames)
        return MotionField(
            path - path.mean(axis=0), np.full_like(path, np.nan), movie.local_A, np.full_like(movie.local_A, np.nan)
        )

    return motion


def _warp_fit(movie: WarpMovie) -> CtfFit | None:
    if not movie.ctf:
        return None
    nodes = movie.defocus_A
    gradient = [_slope(nodes, axis) for axis in (2, 1)]
    return _fit(movie.ctf, movie.resolution_A, grid_A=nodes.tolist(), gradient=gradient)


def _slope(nodes: Any, axis: int) -> float:
    """Return the mean difference of the outer nodes along an axis; per field, to be divided by its side."""
    return float((np.take(nodes, -1, axis) - np.take(nodes, 0, axis)).mean()) if nodes.shape[axis] > 1 else 0.0


def _fit(
    values: Mapping[str, Any], resolution_A: float | None, *, grid_A: list[Any], gradient: Sequence[float]
) -> CtfFit:
    nan = float("nan")
    sigma = dict.fromkeys(
        ("defocus_A", "astigmatism_A", "angle_deg", "phase_shift_deg", "gradient_x", "gradient_y"), nan
    )
    return CtfFit(
        **values, gradient_x=gradient[0], gradient_y=gradient[1], grid_A=grid_A, sigma=sigma, score=nan, resolution_A=resolution_A
    )  # fmt: skip


def _of_relion(star: Path, project: Project) -> Iterator[_Found | str]:
    """Yield the movies of a table of RELION's."""
    for row in read_relion_rows(star, project.settings.optics):
        if isinstance(row, str):
            yield row
        else:
            yield _Found(row.name, row.average, row.motion, _relion_fit(row), row.files)


def _relion_fit(row: RelionRow) -> CtfFit | None:
    if not row.ctf:
        return None
    mean = 0.5 * (row.ctf["defocus_u_A"] + row.ctf["defocus_v_A"])
    return _fit(row.ctf, row.resolution_A, grid_A=[[[mean, mean], [mean, mean]]], gradient=(0.0, 0.0))


def _take(project: Project, item: PlanItem, found: _Found, kind: Kind) -> None:
    """Copy one movie's files and write its record.

    Raises
    ------
    InputError
        If movie or average cannot be read.
    """
    info = open_movie(item.path, project.settings.input).info
    header = read_mrc_header(found.average)
    given = project.settings.input.raw_pixel_size_A or info.pixel_size_A
    if header.pixel_size_A is None and given is None:
        raise InputError(
            f"{found.name}: neither its average nor the movie tells a pixel size; set input.raw_pixel_size_A"
        )
    pixel_A = header.pixel_size_A or float(given or 1.0) * 2.0**project.settings.input.bin
    raw_A = float(given or pixel_A / 2.0**project.settings.input.bin)
    files: dict[str, list[str]] = {"motion": [], "average": [], "ctf": [], "mask": []}
    stages = {"average": "average", "even": "average", "odd": "average", "spectrum": "ctf", "mask": "mask"}
    for what, path in {"average": found.average, **found.files}.items():
        place = project.path(what, found.name)
        _copy(path, place)
        files[stages[what]].append(place.relative_to(project.out).as_posix())
    image = read_mrc(project.path("average", found.name))[0].astype(np.float32)
    write_bytes(project.path("thumbnail", found.name), thumbnail_jpeg(image))
    field = found.motion(info.frames) if found.motion is not None else None
    ctf = _placed(found.ctf, image.shape, pixel_A)
    mask = _mask_facts(project, found, kind) if "mask" in found.files else None
    done = {"motion": field, "average": image, "ctf": ctf, "mask": mask}
    record = Record(
        name=found.name,
        movie=MovieFacts(
            path=relative(info.path, project.folder), format=info.format, frames=info.frames, height=info.height,
            width=info.width, raw_pixel_size_A=raw_A, size_bytes=info.size_bytes, identity=info.identity,
            notes=[*info.notes, f"taken over from {'Warp' if kind == 'warp' else 'RELION'}; grey values are its own"],
        ),
        stages={
            stage: Stage(key=key_of(stage=stage, inputs=item.inputs[stage]), inputs=item.inputs[stage], files=files[stage])
            for stage, part in done.items()
            if part is not None
        },
        motion=motion_part(field, _lengths(field)) if field is not None else None,
        average=_average(image, pixel_A, info.frames, project),
        ctf=CtfFacts(fit=ctf.to_json(), verdict=str(ctf.assessment.verdict), reason="") if ctf is not None else None,
        mask=mask,
        versions={"weft": __version__},
    )  # fmt: skip
    write_record(project.path("record", found.name), record)
    write_warp_xml(project.out, record, project.settings)


def _placed(fit: CtfFit | None, shape: Sequence[int], pixel_A: float) -> CtfFit | None:
    """Return the fit with its gradients per Å, now that the field's sides are known."""
    if fit is None:
        return None
    height, width = (side * pixel_A for side in shape)
    return replace(fit, gradient_x=fit.gradient_x / width, gradient_y=fit.gradient_y / height, pixel_size_A=pixel_A)


def _average(image: Any, pixel_A: float, frames: int, project: Project) -> AverageFacts:
    output = project.settings.output
    last = max(0, frames - 1 - output.skip_last)
    return AverageFacts(
        height=image.shape[0], width=image.shape[1], pixel_size_A=pixel_A, first_frame=min(output.skip_first, last),
        last_frame=last, mean=round(float(image.mean(dtype=np.float64)), 6),
        median=round(float(np.median(image[::3, ::3])), 6), sigma=round(float(image.std(dtype=np.float64)), 6),
        exposure_e_A2=project.settings.input.exposure_e_A2, hot_pixels=0, xrays=0, defect_pixels=0, picture=describe(image),
    )  # fmt: skip


def _lengths(field: MotionField) -> dict[str, float]:
    """Return the record's numbers for quality, early being the first third of the frames."""
    track = field.track()
    steps = np.linalg.norm(np.diff(track, axis=0), axis=1)
    third = max(1, len(track) // 3)
    lattice = np.linspace(0.05, 0.95, 7)
    local = field.displacement(lattice, lattice) - field.path_A[:, None, None, :]
    return {
        "total_A": float(steps.sum()),
        "early_A": float(steps[:third].sum()),
        "late_A": float(steps[third:].sum()),
        "mean_frame_A": float(steps.mean()) if len(steps) else 0.0,
        "largest_local_A": float(np.linalg.norm(local, axis=-1).max(initial=0.0)),
    }


def _mask_facts(project: Project, found: _Found, kind: Kind) -> MaskFacts | None:
    try:
        mask = read_mask(project.path("mask", found.name))
    except WeftError:
        return None
    side_A = read_mrc_header(found.average).nx * (read_mrc_header(found.average).pixel_size_A or 1.0)
    return MaskFacts(
        pixel_size_A=side_A / mask.shape[1], height=mask.shape[0], width=mask.shape[1],
        threshold=project.settings.fiducials.threshold, masked_fraction=round(float(mask.mean()), 6), dirt_fraction=0.0,
        beads=[], model=kind, verdict="good", reason="",
    )  # fmt: skip


def _copy(source: Path, place: Path) -> None:
    """Bring a file to its place without a second copy of its bytes where the file system allows."""
    if place.exists() and source.samefile(place):
        return
    with machine_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}.adopted.tmp")
        beside.unlink(missing_ok=True)
        try:
            os.link(source, beside)
            beside.replace(place)
        except OSError:  # another file system, or one without links
            beside.unlink(missing_ok=True)
        else:
            return
    with whole_file(place) as temporary:
        shutil.copyfile(source, temporary)
