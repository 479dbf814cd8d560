"""RELION's tables, read for what they hold of each movie: average, motion, CTF."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from weft.errors import InputError
from weft.export.motionstar import relion_displacement
from weft.fields import MotionField
from weft.io.names import stem_of
from weft.io.star import Block, Loop, find_named, read_star
from weft.settings.schema import OpticsSettings

__all__ = ["RelionRow", "read_relion_rows"]

_NODES = 5  # of the local part along y and x
_MOST_TIMES = 8
_WORST_A = 24.99  # RELION's resolutions end at 25 Å, which means none


@dataclass(frozen=True, slots=True)
class RelionRow:
    """What a row says of a movie; no motion or CTF if it names none."""

    name: str
    average: Path
    motion: Callable[[int], MotionField] | None
    ctf: Mapping[str, float]
    resolution_A: float | None
    files: Mapping[str, Path]


def read_relion_rows(star: Path, optics: OpticsSettings) -> Iterator[RelionRow | str]:
    """Yield the rows of a table of single images, of one tilt series, or of all series that a global table names.

    Parameters
    ----------
    star : Path
        The table.
    optics : OpticsSettings
        For what the rows do not say.

    Raises
    ------
    InputError
        If the table names no averages.
    """
    blocks = read_star(star)
    for block in blocks.values():
        loop = block.loop
        if loop is not None and "rlnTomoTiltSeriesStarFile" in loop:
            for name in loop["rlnTomoTiltSeriesStarFile"]:
                path = find_named(star, name)
                if path is None:
                    yield f"{name}: is not there, although {star.name} names it"
                else:
                    yield from read_relion_rows(path, optics)
            return
        if loop is not None and "rlnMicrographName" in loop:
            for number in range(len(loop)):
                yield _row(star, loop, number, optics)
            return
    raise InputError(f"{star.name}: names no averages (rlnMicrographName); give a table from after motion correction")


def _row(star: Path, loop: Loop, number: int, optics: OpticsSettings) -> RelionRow | str:
    average_name = loop["rlnMicrographName"][number]
    average = find_named(star, average_name)
    name = stem_of(loop["rlnMicrographMovieName"][number] if "rlnMicrographMovieName" in loop else average_name)
    if average is None:
        return f"{name}: its average {average_name} is not there"
    motion = None
    if "rlnMicrographMetadata" in loop:
        path = find_named(star, loop["rlnMicrographMetadata"][number])
        if path is None:
            return f"{name}: its motion {loop['rlnMicrographMetadata'][number]} is not there"
        try:
            blocks = read_star(path)
        except InputError as error:
            return str(error)
        name = stem_of(blocks["general"].values.get("rlnMicrographMovieName", name)) if "general" in blocks else name
        motion = partial(_motion, blocks)
    halves = {"even": "rlnMicrographNameEven", "odd": "rlnMicrographNameOdd"}
    files = {
        kind: path
        for kind, label in halves.items()
        if label in loop and (path := find_named(star, loop[label][number]))
    }
    resolution = float(loop["rlnCtfMaxResolution"][number]) if "rlnCtfMaxResolution" in loop else None
    is_told = resolution is not None and resolution < _WORST_A
    return RelionRow(name, average, motion, _ctf(loop, number, optics), resolution if is_told else None, files)


def _ctf(loop: Loop, number: int, optics: OpticsSettings) -> dict[str, float]:
    if "rlnDefocusU" not in loop:
        return {}
    u, v, angle = (float(loop[label][number]) for label in ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"))
    if u < v:
        u, v, angle = v, u, angle + 90
    phase = float(loop["rlnPhaseShift"][number]) if "rlnPhaseShift" in loop else 0.0
    return {
        "defocus_u_A": u,
        "defocus_v_A": v,
        "angle_deg": 90 - (90 - angle) % 180,
        "phase_shift_deg": phase % 180,
        "pixel_size_A": 1.0,  # set by the average's
        "voltage_kV": optics.voltage_kV,
        "cs_mm": optics.cs_mm,
        "amplitude_contrast": optics.amplitude_contrast,
    }


def _motion(blocks: Mapping[str, Block], frames: int) -> MotionField:
    """Return the motion of a STAR as a field: path, and the polynomial sampled at nodes."""
    here = dict(blocks)
    path = np.nan_to_num(relion_displacement(_without_local(here), [0.5], [0.5])[:, 0, 0])
    path = path[:frames] if len(path) >= frames else np.pad(path, ((0, frames - len(path)), (0, 0)), mode="edge")
    path -= path.mean(axis=0)
    nodes = np.zeros((1, 1, 1, 2))
    if here["general"].values.get("rlnMotionModelVersion") == "1" and frames > 1:
        places = np.linspace(0, 1, _NODES)
        whole = relion_displacement(here, places, places) - relion_displacement(_without_local(here), places, places)
        picked = np.unique(np.linspace(0, len(whole) - 1, min(_MOST_TIMES, len(whole))).round().astype(int))
        evenly = np.linspace(0, len(whole) - 1, len(picked))
        times = np.arange(len(whole))
        flat = np.nan_to_num(whole).reshape(len(whole), -1)
        nodes = np.stack([np.interp(evenly, times, column) for column in flat.T], axis=1).reshape(
            len(picked), _NODES, _NODES, 2
        )
    return MotionField(path, np.full_like(path, np.nan), nodes, np.full_like(nodes, np.nan))


def _without_local(blocks: dict[str, Block]) -> dict[str, Block]:
    general = blocks["general"]
    plain = Block("general", {**general.values, "rlnMotionModelVersion": "0"})
    return {**blocks, "general": plain}
