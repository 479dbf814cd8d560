"""WarpTools and M: the output folder is a processing folder of theirs; what it lacks is added here.

``tomostar/TS.tomostar`` and ``warp_tiltseries/TS.xml``, settings for frame series and tilt series, and the list of processed items.
Movies' XML, averages, halves and masks stand where Warp has them already.
"""

from __future__ import annotations

import json
import math
import os
import statistics
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weft.conventions import warp_hand_is_inverted
from weft.errors import ItemFailed, MissingError
from weft.export.chosen import Chosen, only_aligned
from weft.export.gains import warp_gain
from weft.export.reading import eer_reading, input_as_read
from weft.export.relion import ctf_columns, shared_ctf
from weft.export.tomostar import movie_place
from weft.io.atomic import write_bytes, write_text
from weft.io.warpseriesxml import SeriesFacts, WarpTilt, series_xml
from weft.io.warpxml import is_ours
from weft.settings.warp import frames_settings_text, series_settings_text
from weft.settings.warpreading import WarpMovie, reading_options
from weft.state.project import Project
from weft.state.record import MovieFacts, Record

__all__ = ["FRAMES_SETTINGS", "SERIES_SETTINGS", "write_warp_project", "write_warp_series"]

FRAMES_SETTINGS = "warp_frameseries.settings"
SERIES_SETTINGS = "warp_tiltseries.settings"
_SERIES_FOLDER = "warp_tiltseries"
_THICKNESS_A = 1900.0  # of the tomogram; WarpTools' own tutorials take 1000 unbinned pixels of 1.9 Å
_SAMPLES = 20  # movies to count raw frames of
_PROCESSED, _LEFT_OUT = 1, 5


def write_warp_project(project: Project) -> list[Path]:
    """Write settings and the list of processed items; return the files.

    Parameters
    ----------
    project : Project
        With records; nothing else of it changes.

    Raises
    ------
    MissingError
        If no movie has been read yet.
    """
    out, records, dropped = project.out, project.records(), project.dropped()
    one = _one_that_was_read(records)
    if one is None:
        raise MissingError(f"{out / 'records'}: no movie has been read yet; `weft run` does it")
    settings = project.settings.model_copy(update={"input": input_as_read(project, one)})
    movie = WarpMovie(one.movie.raw_pixel_size_A, one.movie.format == "eer", *_groups(project, records))
    pattern = project.folder / settings.input.movies
    gain, defects = warp_gain(project, one, out), settings.input.defects
    frames = frames_settings_text(
        settings, movie, data=_from(out, pattern.parent), processing=".", extension=pattern.name,
        gain=_from(out, gain) if gain else "", defects=_from(out, project.folder / defects) if defects else "",
    )  # fmt: skip
    files = [out / FRAMES_SETTINGS, out / SERIES_SETTINGS, out / "processed_items.json"]
    write_text(files[0], frames)
    size = _dimensions(one.movie, reading_options(settings, movie)["PixelSize"])
    series = series_settings_text(settings, movie, data="tomostar", processing=_SERIES_FOLDER, dimensions_px=size)
    write_text(files[1], series)
    items = [_item(record, is_dropped=name in dropped) for name, record in sorted(records.items())]
    write_text(files[2], json.dumps(items, indent=1) + "\n")
    return files


def write_warp_series(project: Project, chosen: Chosen, hand: int) -> str:
    """Write ``warp_tiltseries/TS.xml`` with the rows of the tomostar, unless another program has changed the one that is there.

    Parameters
    ----------
    project : Project
        Where it goes.
    chosen : Chosen
        What is used.
    hand : int
        +1 or -1.

    Returns
    -------
    str
        A warning if a file of another program was kept, else empty.

    Raises
    ------
    ItemFailed
        If a movie has no record.
    """
    chosen, _ = only_aligned(chosen)
    name = chosen.series.name
    path = project.out / _SERIES_FOLDER / f"{name}.xml"
    if path.exists() and not is_ours(path.read_bytes()):
        return f"{path}: was changed by another program and is kept as it is; delete it to have it written anew"
    missing = [tilt.movie for tilt in chosen.used if tilt.movie not in chosen.records]
    if missing:
        raise ItemFailed(f"{name}: {missing[0]} has no record, so its CTF is unknown; `weft run` makes it")
    write_bytes(path, series_xml(_warp_tilts(project, chosen), _series_facts(project, chosen, hand)))
    return ""


def _warp_tilts(project: Project, chosen: Chosen) -> list[WarpTilt]:
    records = [chosen.records[tilt.movie or ""] for tilt in chosen.used]
    shared = shared_ctf(project, chosen.series, records)
    columns = ctf_columns(records, angles=[tilt.tilt_deg for tilt in chosen.used], shared=shared)
    ctf = {label: [float(cell) for cell in cells] for label, cells in columns.items()}
    nothing = [0.0] * len(records)
    u, v, angle, phase = (
        ctf.get(label, nothing) for label in ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle", "rlnPhaseShift")
    )
    known = chosen.alignment.by_movie if chosen.alignment is not None and chosen.is_aligned else {}
    tilts = []
    for index, tilt in enumerate(chosen.used):
        aligned = known.get(tilt.movie or "")
        tilts.append(
            WarpTilt(
                movie=movie_place(chosen, tilt),
                tilt_deg=aligned.tilt_deg if aligned is not None else round(tilt.tilt_deg, 2),
                axis_deg=aligned.axis_deg if aligned is not None else chosen.series.axis_deg or 0.0,
                offset_A=aligned.offset_A if aligned is not None else (0.0, 0.0),
                pre_exposure_e_A2=tilt.pre_exposure_e_A2 or 0.0,
                defocus_A=0.5 * (u[index] + v[index]),
                astigmatism_A=u[index] - v[index],
                angle_deg=angle[index],
                phase_shift_deg=phase[index],
            )
        )
    return tilts


def _series_facts(project: Project, chosen: Chosen, hand: int) -> SeriesFacts:
    optics, record = project.settings.optics, chosen.records[chosen.used[0].movie or ""]
    raw = record.movie.raw_pixel_size_A
    x, y, z = (side * raw for side in _dimensions(record.movie, raw))
    fits = [one.ctf.to_fit() for tilt in chosen.used if (one := chosen.records[tilt.movie or ""]).ctf is not None]
    resolutions = [fit.resolution_A for fit in fits if fit.resolution_A]
    return SeriesFacts(
        is_inverted=warp_hand_is_inverted(hand),
        pixel_size_A=record.average.pixel_size_A if record.average is not None else raw,
        image_A=(record.movie.width * raw, record.movie.height * raw),
        volume_A=(x, y, z),
        voltage_kV=optics.voltage_kV,
        cs_mm=optics.cs_mm,
        amplitude_contrast=optics.amplitude_contrast,
        resolution_A=statistics.median(resolutions) if resolutions else 0.0,
        has_ctf=any(math.isfinite(fit.defocus_A) for fit in fits),
    )


def _one_that_was_read(records: Mapping[str, Record]) -> Record | None:
    """Return a movie's record with size and pixel size; that of one that could not be opened has neither."""
    return next((record for record in records.values() if record.movie.raw_pixel_size_A > 0), None)


def _groups(project: Project, records: Mapping[str, Record]) -> tuple[int, int]:
    """Return how many fractions most movies have, and the raw frames in each where an exposure decided on them.

    Where the number of fractions was given, or is the default, Warp divides by it as we do. By exposure, movies of one
    exposure rate have groups of one size, but not always the number of them that Warp would divide by.
    """
    read = [record for record in records.values() if record.movie.frames]
    fractions = Counter(record.movie.frames for record in read).most_common(1)[0][0]
    samples = [
        found.frames_per_fraction
        for record in read[:_SAMPLES]
        if input_as_read(project, record).eer_exposure_per_fraction_e_A2 is not None
        and (found := eer_reading(project, record, None)) is not None
    ]
    return fractions, samples[0] if len(set(samples)) == 1 else 0


def _dimensions(movie: MovieFacts, pixel_size_A: float) -> tuple[int, int, int]:
    """Return a tomogram's size in pixels, even."""
    scale = movie.raw_pixel_size_A / pixel_size_A
    sides = movie.width * scale, movie.height * scale, _THICKNESS_A / pixel_size_A
    return tuple(2 * round(side / 2) for side in sides)  # type: ignore[return-value]


def _item(record: Record, *, is_dropped: bool) -> dict[str, Any]:
    item: dict[str, Any] = {
        "Path": Path(record.movie.path).name,
        "ProcessingStatus": _LEFT_OUT if is_dropped else _PROCESSED,
    }
    if record.ctf is not None:
        fit = record.ctf.to_fit().to_json()
        u, v, angle = fit["defocus_u_A"], fit["defocus_v_A"], fit["angle_deg"]
        if None not in {u, v, angle}:
            delta = (u - v) / 1e4
            item["CTF"] = {
                "Defocus": round((u + v) / 2e4, 4),
                "Phase": round(fit["phase_shift_deg"] / 180, 4),
                "Resolution": fit["resolution_A"],
                "AstigX": round(delta * math.cos(2 * math.radians(angle)), 5),
                "AstigY": round(delta * math.sin(2 * math.radians(angle)), 5),
            }
    item["Motion"] = record.motion.mean_frame_A if record.motion is not None else None
    item["Junk"] = round(100 * record.mask.masked_fraction, 3) if record.mask is not None else None
    item["Particles"] = None
    return item


def _from(folder: Path, path: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
