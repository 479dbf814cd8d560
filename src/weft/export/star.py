"""RELION's tables of single images: ``star/micrographs_ctf.star`` with a motion file per movie, for single particles and others."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from weft.errors import MissingError
from weft.export.motionstar import accumulated_px
from weft.export.relion import (
    ctf_columns,
    ctf_image_columns,
    gain_name,
    motion_facts,
    relative_to,
    shared_ctf,
    write_motion,
)
from weft.io.star import Block, Loop, write_star
from weft.series.neighbours import ImageCtf
from weft.series.store import read_series
from weft.series.table import TiltSeries
from weft.state.project import Project
from weft.state.record import Record

__all__ = ["write_images_star"]

_APART_DEG = 1e6  # between series, so that a failed fit finds its neighbours in its own


def write_images_star(project: Project, root: Path, *, names: Collection[str] | None = None) -> Path:
    """Write the table of all averages that are not dropped; return its path.

    Parameters
    ----------
    project : Project
        Results and the place.
    root : Path
        RELION's project folder; paths are relative to it.
    names : collection of str, optional
        Only these movies.

    Raises
    ------
    MissingError
        If there is no average.
    """
    dropped = project.dropped()
    records = [
        record
        for name, record in sorted(project.records().items())
        if name not in dropped and (names is None or name in names) and project.path("average", name).exists()
    ]
    if not records:
        raise MissingError(f"{project.out / 'average'}: no averages to list; `weft run` makes them")
    path = project.out / "star" / "micrographs_ctf.star"
    write_star(path, [_optics(project, records[0]), Block("micrographs", loop=Loop(_columns(project, root, records)))])
    return path


def _optics(project: Project, record: Record) -> Block:
    optics = project.settings.optics
    raw = record.movie.raw_pixel_size_A
    binned = record.average.pixel_size_A if record.average is not None else raw
    columns = {
        "rlnOpticsGroupName": ["opticsGroup1"],
        "rlnOpticsGroup": ["1"],
        "rlnMicrographOriginalPixelSize": [f"{raw:.6f}"],
        "rlnVoltage": [f"{optics.voltage_kV:.6f}"],
        "rlnSphericalAberration": [f"{optics.cs_mm:.6f}"],
        "rlnAmplitudeContrast": [f"{optics.amplitude_contrast:.6f}"],
        "rlnMicrographPixelSize": [f"{binned:.6f}"],
    }
    return Block("optics", loop=Loop(columns))


def _columns(project: Project, root: Path, records: list[Record]) -> dict[str, list[str]]:
    columns = {
        "rlnMicrographName": [relative_to(root, project.path("average", record.name)) for record in records],
        "rlnOpticsGroup": ["1"] * len(records),
    }
    every_series = read_series(project.out)
    if all(record.motion is not None for record in records):
        columns |= _motion_columns(project, root, records, every_series)
    columns |= ctf_image_columns(project, records, project.out / "star", root)
    places, shared = _of_series(project, records, every_series)
    return columns | ctf_columns(records, angles=places, shared=shared)


def _motion_columns(
    project: Project, root: Path, records: list[Record], every_series: list[TiltSeries]
) -> dict[str, list[str]]:
    """Write the motion files; return RELION's columns."""
    tilts = {tilt.movie: tilt for series in every_series for tilt in series.tilts}
    gain = gain_name(project, records[0], project.out / "star", root)
    metadata: list[str] = []
    lengths: list[tuple[float, float, float]] = []
    for record in records:
        tilt = tilts.get(record.name)
        exposure = (tilt.exposure_e_A2 if tilt is not None else None) or project.settings.input.exposure_e_A2
        before = tilt.pre_exposure_e_A2 if tilt is not None else None
        facts = motion_facts(
            project, record, root, exposure_e_A2=exposure or 0.0, pre_exposure_e_A2=before or 0.0, gain=gain
        )
        path = write_motion(project.out / "star", record.name, record, facts)
        assert path is not None
        assert record.motion is not None
        metadata.append(relative_to(root, path))
        lengths.append(accumulated_px(record.motion.to_field(), facts))
    return {
        "rlnMicrographMetadata": metadata,
        "rlnAccumMotionTotal": [f"{total:.6f}" for total, _, _ in lengths],
        "rlnAccumMotionEarly": [f"{early:.6f}" for _, early, _ in lengths],
        "rlnAccumMotionLate": [f"{late:.6f}" for _, _, late in lengths],
    }


def _of_series(
    project: Project, records: list[Record], every_series: list[TiltSeries]
) -> tuple[list[float], dict[str, ImageCtf]]:
    """Return each image's place among its neighbours, and what the series say of the images' CTFs.

    An image of a series stands at its tilt, one without a series at its row; series lie far from each other.
    """
    by_name = {record.name: record for record in records}
    places: dict[str, float] = {}
    shared: dict[str, ImageCtf] = {}
    for number, series in enumerate(every_series, start=1):
        tilts = {tilt.movie: tilt.tilt_deg for tilt in series.tilts if tilt.movie in by_name}
        places |= {name: number * _APART_DEG + tilt_deg for name, tilt_deg in tilts.items() if name is not None}
        shared |= shared_ctf(project, series, [by_name[name] for name in tilts if name is not None])
    return [places.get(record.name, float(row)) for row, record in enumerate(records)], shared
