"""RELION 5: ``relion/tilt_series.star`` with a table per series and a motion file per movie.

Rows follow the acquisition, because RELION pastes results by row after sorting by exposure. Images that are not used are not in
the tables: RELION knows no flag. An exposure must be known; an image whose CTF could not be fitted takes its neighbours' defocus,
with a figure of merit of 0 and 25 Å, as RELION wants a value in every row.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from weft.errors import ItemFailed
from weft.export.chosen import Chosen
from weft.export.ctfimage import write_ctf_images
from weft.export.gains import relion_gain
from weft.export.motionstar import MovieMotion, accumulated_px, motion_blocks
from weft.export.reading import eer_reading
from weft.export.tomostar import unknown_exposure
from weft.fields import CtfFit
from weft.io.star import Block, Loop, write_star
from weft.series.judgements import read_series_ctf
from weft.series.neighbours import ImageCtf
from weft.series.table import Tilt, TiltSeries, sorted_tilts, with_exposures
from weft.settings.schema import Settings
from weft.state.project import Project
from weft.state.record import Record

__all__ = [
    "RelionOptions",
    "ctf_columns",
    "ctf_image_columns",
    "gain_name",
    "motion_facts",
    "relative_to",
    "shared_ctf",
    "with_exposure",
    "write_motion",
    "write_relion_series",
    "write_relion_set",
]

NO_RINGS_A = 25.0  # RELION's worst resolution
_SAME_A = 0.1
_UPSAMPLING = {1: 1, 2: 2, 4: 3}  # RELION counts: 3 is the grid of 16K


@dataclass(frozen=True, slots=True)
class RelionOptions:
    """How the tables are written.

    Parameters
    ----------
    root : Path
        RELION's project folder; all paths are relative to it.
    hand : int
        rlnTomoHand.
    """

    root: Path
    hand: int = -1


def with_exposure(series: TiltSeries, exposure_e_A2: float | None) -> TiltSeries:
    """Return a series with one exposure for all tilts, where it is given."""
    if exposure_e_A2 is None:
        return series
    tilts = [replace(tilt, exposure_e_A2=exposure_e_A2, exposure_source="--exposure") for tilt in series.tilts]
    return replace(series, tilts=sorted_tilts(with_exposures(tilts)))


def write_relion_series(project: Project, chosen: Chosen, options: RelionOptions) -> Path:
    """Write the table of one series and the motion of its movies; return the table's path.

    Parameters
    ----------
    project : Project
        Results and the place.
    chosen : Chosen
        What is used.
    options : RelionOptions
        How.

    Raises
    ------
    ItemFailed
        If an exposure is unknown, or a movie has no record.
    """
    series = chosen.series
    tilts = sorted(chosen.used, key=lambda tilt: tilt.order)
    if any(tilt.exposure_e_A2 is None or tilt.pre_exposure_e_A2 is None for tilt in tilts):
        raise ItemFailed(unknown_exposure(chosen, "RELION"))
    missing = [tilt.movie for tilt in tilts if tilt.movie not in chosen.records]
    if missing:
        raise ItemFailed(
            f"{series.name}: {missing[0]} has no record, so motion and CTF are unknown; `weft run` makes it"
        )
    rows = [(tilt, chosen.records[tilt.movie or ""]) for tilt in tilts]
    columns = _tilt_columns(rows, series, options, project)
    columns |= _image_columns(project, rows, options)
    columns |= _motion_columns(project, rows, options)
    records = [record for _, record in rows]
    shared = shared_ctf(project, series, records)
    columns |= ctf_image_columns(project, records, project.out / "relion", options.root)
    columns |= ctf_columns(records, angles=[tilt.tilt_deg for tilt in tilts], shared=shared)
    columns |= _alignment_columns(chosen, tilts)
    path = project.out / "relion" / "tilt_series" / f"{series.name}.star"
    write_star(path, [Block(series.name, loop=Loop(columns))])
    return path


def write_relion_set(project: Project, written: Sequence[Chosen], options: RelionOptions) -> Path:
    """Write the table of all series, those of earlier exports that are still there included; return its path."""
    folder = project.out / "relion"
    columns: dict[str, list[str]] = {}
    for chosen in written:
        # the first that was read; one that could not be opened has no pixel size
        record = max(chosen.records.values(), key=lambda one: one.movie.raw_pixel_size_A > 0)
        optics = project.settings.optics
        raw = record.movie.raw_pixel_size_A
        values = {
            "rlnTomoName": chosen.series.name,
            "rlnTomoTiltSeriesStarFile": relative_to(
                options.root, folder / "tilt_series" / f"{chosen.series.name}.star"
            ),
            "rlnVoltage": f"{optics.voltage_kV:.6f}",
            "rlnSphericalAberration": f"{optics.cs_mm:.6f}",
            "rlnAmplitudeContrast": f"{optics.amplitude_contrast:.6f}",
            "rlnMicrographOriginalPixelSize": f"{raw:.6f}",
            "rlnTomoHand": f"{options.hand:d}",
            "rlnOpticsGroupName": "opticsGroup1",
            "rlnTomoTiltSeriesPixelSize": f"{_binned_pixel_A(record, project.settings):.6f}",
        }
        for label, value in values.items():
            columns.setdefault(label, []).append(value)
    path = folder / "tilt_series.star"
    write_star(path, [Block("global", loop=Loop(columns))])
    return path


def write_motion(folder: Path, name: str, record: Record, facts: MovieMotion) -> Path | None:
    """Write ``motion/NAME.star`` under a folder; None if the movie has no motion."""
    if record.motion is None:
        return None
    path = folder / "motion" / f"{name}.star"
    write_star(path, motion_blocks(record.motion.to_field(), facts))
    return path


def motion_facts(
    project: Project, record: Record, root: Path, *, exposure_e_A2: float, pre_exposure_e_A2: float, gain: str = ""
) -> MovieMotion:
    """Return what a movie's motion STAR says beside the shifts.

    Parameters
    ----------
    project : Project
        Settings and folder.
    record : Record
        Of the movie.
    root : Path
        RELION's project folder.
    exposure_e_A2, pre_exposure_e_A2 : float
        Of the whole movie, and before it.
    gain : str
        Path as of `gain_name`.
    """
    movie = record.movie
    frames = max(1, movie.frames)
    average = record.average
    eer = eer_reading(project, record, exposure_e_A2)
    share = eer.frames_per_fraction / eer.raw_frames if eer is not None else 1 / frames
    return MovieMotion(
        movie=relative_to(root, project.folder / movie.path),
        width=movie.width,
        height=movie.height,
        frames=frames,
        raw_pixel_size_A=movie.raw_pixel_size_A,
        binning=_binned_pixel_A(record, project.settings) / movie.raw_pixel_size_A,
        exposure_e_A2=exposure_e_A2 * share,
        pre_exposure_e_A2=pre_exposure_e_A2,
        voltage_kV=project.settings.optics.voltage_kV,
        first_frame=average.first_frame if average else 0,
        last_frame=average.last_frame if average else -1,
        gain=gain,
        eer=(_UPSAMPLING[eer.supersampling], eer.frames_per_fraction) if eer is not None else None,
    )


def gain_name(project: Project, record: Record, folder: Path, root: Path) -> str:
    """Return the gain reference of the movies as RELION shall see it, empty without; a copy is made under `folder` if needed."""
    gain = relion_gain(project, record, folder)
    return relative_to(root, gain) if gain is not None else ""


def ctf_image_columns(project: Project, records: Sequence[Record], folder: Path, root: Path) -> dict[str, list[str]]:
    """Write pictures of the CTF for RELION's display and return their columns; none if a movie has no spectrum."""
    images = write_ctf_images(project, records, folder)
    if not images:
        return {}
    return {
        "rlnCtfPowerSpectrum": [relative_to(root, one.spectrum) for one in images],
        "rlnCtfImage": [f"{relative_to(root, one.fit)}:mrc" for one in images],
    }


def ctf_columns(
    records: Sequence[Record],
    *,
    angles: Sequence[float] | None = None,
    shared: Mapping[str, ImageCtf] | None = None,
) -> dict[str, list[str]]:
    """Return RELION's columns of the CTF; none if no movie was fitted.

    Parameters
    ----------
    records : sequence of Record
        One a row.
    angles : sequence of float, optional
        Tilts of the rows, by which a failed fit finds its neighbours; without them the rows' order tells.
    shared : mapping of str to ImageCtf, optional
        What the whole series says of a movie's CTF; it goes before the movie's own fit.
    """
    fits = [record.ctf.to_fit() if record.ctf is not None else None for record in records]
    places = list(angles) if angles is not None else [float(row) for row in range(len(fits))]
    known = [(place, fit) for place, fit in zip(places, fits, strict=True) if _is_fitted(fit)]
    if not known:
        return {}
    rows = []
    for place, fit, record in zip(places, fits, records, strict=True):
        if fit is not None and _is_fitted(fit):
            u, v, angle, phase = fit.defocus_u_A, fit.defocus_v_A, fit.angle_deg, fit.phase_shift_deg
            merit, resolution = _merit(record), min(fit.resolution_A or NO_RINGS_A, NO_RINGS_A)
        else:
            u = v = _between(place, known)
            angle, phase, merit, resolution = 0.0, 0.0, 0.0, NO_RINGS_A
        together = (shared or {}).get(record.name)
        if together is not None:
            u, v, angle = together.defocus_u_A, together.defocus_v_A, together.angle_deg
        rows.append((u, v, abs(u - v), angle, merit, resolution, phase))
    labels = (
        "rlnDefocusU", "rlnDefocusV", "rlnCtfAstigmatism", "rlnDefocusAngle", "rlnCtfFigureOfMerit", "rlnCtfMaxResolution",
        "rlnPhaseShift",
    )  # fmt: skip
    columns = {label: [f"{row[i]:.6f}" for row in rows] for i, label in enumerate(labels)}
    if all(row[-1] == 0 for row in rows):
        del columns["rlnPhaseShift"]
    return columns


def _tilt_columns(
    rows: Sequence[tuple[Tilt, Record]], series: TiltSeries, options: RelionOptions, project: Project
) -> dict[str, list[str]]:
    columns = {
        "rlnMicrographMovieName": [relative_to(options.root, project.folder / record.movie.path) for _, record in rows],
        "rlnTomoTiltMovieFrameCount": [str(record.movie.frames) for _, record in rows],
        "rlnTomoNominalStageTiltAngle": [f"{tilt.tilt_deg:.6f}" for tilt, _ in rows],
        "rlnTomoNominalTiltAxisAngle": [f"{series.axis_deg or 0.0:.6f}" for _ in rows],
        "rlnMicrographPreExposure": [f"{tilt.pre_exposure_e_A2 or 0.0:.6f}" for tilt, _ in rows],
    }
    targets = [tilt.target_defocus_um for tilt, _ in rows]
    if None not in targets:
        columns["rlnTomoNominalDefocus"] = [f"{-(target or 0.0):.6f}" for target in targets]
    return columns


def _alignment_columns(chosen: Chosen, tilts: Sequence[Tilt]) -> dict[str, list[str]]:
    """Return RELION's geometry of each image; none if the series is not aligned, or not all of it."""
    if chosen.alignment is None or not chosen.is_aligned:
        return {}
    aligned = [chosen.alignment.by_movie[tilt.movie or ""] for tilt in tilts]
    return {
        "rlnTomoXTilt": [f"{0:.6f}" for _ in aligned],
        "rlnTomoYTilt": [f"{one.tilt_deg:.6f}" for one in aligned],
        "rlnTomoZRot": [f"{one.axis_deg:.6f}" for one in aligned],
        "rlnTomoXShiftAngst": [f"{one.offset_A[0]:.6f}" for one in aligned],
        "rlnTomoYShiftAngst": [f"{one.offset_A[1]:.6f}" for one in aligned],
    }


def _image_columns(
    project: Project, rows: Sequence[tuple[Tilt, Record]], options: RelionOptions
) -> dict[str, list[str]]:
    """Return the images; halves only if all rows have them, else RELION stops."""
    columns: dict[str, list[str]] = {}
    names = [record.name for _, record in rows]
    halves = {"rlnMicrographNameEven": "even", "rlnMicrographNameOdd": "odd"}
    if all(project.path(kind, name).exists() for kind in halves.values() for name in names):
        for label, kind in halves.items():
            columns[label] = [relative_to(options.root, project.path(kind, name)) for name in names]
    columns["rlnMicrographName"] = [relative_to(options.root, project.path("average", name)) for name in names]
    return columns


def _motion_columns(
    project: Project, rows: Sequence[tuple[Tilt, Record]], options: RelionOptions
) -> dict[str, list[str]]:
    """Write the motion files; return RELION's columns, none if a movie has no motion."""
    if any(record.motion is None for _, record in rows):
        return {}
    columns: dict[str, list[str]] = {
        label: []
        for label in ("rlnMicrographMetadata", "rlnAccumMotionTotal", "rlnAccumMotionEarly", "rlnAccumMotionLate")
    }
    gain = gain_name(project, rows[0][1], project.out / "relion", options.root)
    for tilt, record in rows:
        facts = motion_facts(
            project, record, options.root, gain=gain,
            exposure_e_A2=tilt.exposure_e_A2 or 0.0, pre_exposure_e_A2=tilt.pre_exposure_e_A2 or 0.0,
        )  # fmt: skip
        path = write_motion(project.out / "relion", record.name, record, facts)
        assert path is not None
        assert record.motion is not None
        columns["rlnMicrographMetadata"].append(relative_to(options.root, path))
        for label, value in zip(list(columns)[1:], accumulated_px(record.motion.to_field(), facts), strict=True):
            columns[label].append(f"{value:.6f}")
    return columns


def shared_ctf(project: Project, series: TiltSeries, records: Sequence[Record]) -> dict[str, ImageCtf]:
    """Return what the series as a whole says of its movies' CTFs, where that was made from the fits of now and is wanted."""
    if not project.settings.series.shared_ctf:
        return {}
    found = read_series_ctf(project.out, series.name)
    images = {image.movie: image for image in found[0].images} if found else {}
    return {record.name: image for record in records if (image := images.get(record.name)) and _is_of(image, record)}


def _is_of(image: ImageCtf, record: Record) -> bool:
    own = record.ctf.to_fit().defocus_A if record.ctf is not None else math.nan
    return math.isnan(own) if image.own_defocus_A is None else abs(image.own_defocus_A - own) < _SAME_A


def _is_fitted(fit: CtfFit | None) -> bool:
    return fit is not None and math.isfinite(fit.defocus_A)


def _between(place: float, known: Sequence[tuple[float, CtfFit | None]]) -> float:
    """Return the defocus between the neighbours that have one."""
    pairs = sorted((at, fit.defocus_A) for at, fit in known if fit is not None)
    return float(np.interp(place, [at for at, _ in pairs], [value for _, value in pairs]))


def _merit(record: Record) -> float:
    """Return the mean correlation of fit and spectrum over the rings up to the resolution, as a figure of merit."""
    assert record.ctf is not None
    curves: Mapping[str, Sequence[float | None]] = record.ctf.curves
    limit = 1 / (record.ctf.to_fit().resolution_A or NO_RINGS_A)
    pairs = zip(curves.get("k", ()), curves.get("quality", ()), strict=False)
    values = [q for k, q in pairs if k is not None and q is not None and 0 < k <= limit]
    return float(np.mean(values)) if values else 0.0


def _binned_pixel_A(record: Record, settings: Settings) -> float:
    if record.average is not None:
        return record.average.pixel_size_A
    return float(record.movie.raw_pixel_size_A * 2.0**settings.input.bin)


def relative_to(root: Path, path: Path) -> str:
    """Return a path as RELION wants it: relative to its project folder."""
    return Path(os.path.relpath(path, root)).as_posix()
