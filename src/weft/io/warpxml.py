"""Warp's metadata of a movie, ``NAME.xml``, so that WarpTools and M can go on where Weft has worked.

Conventions at this border: Warp's movement is -d in Å; nodes lie at i/(n-1) of the field, row 0 at the bottom of the picture,
which is MRC's first row; defocus in µm, phase in π, angles in whole turns of 0 to 180°; bands as fractions of Nyquist.

A file that another program has changed since is kept. What was written is recognised by a digest in the file's last line, a
comment that other programs do not carry over; the selection is not part of it, as Weft itself changes it.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from weft.fields import CtfFit, MotionField
from weft.io.atomic import write_bytes
from weft.settings.schema import Settings
from weft.settings.warpreading import WarpMovie, gain_options, reading_options

__all__ = [
    "grid_rows",
    "is_ours",
    "movie_xml",
    "options_rows",
    "sealed",
    "selection_of",
    "value_text",
    "write_movie_xml",
    "write_selection",
]

_log = logging.getLogger(__name__)
_DIGEST = re.compile(rb"<!-- weft sha256:([0-9a-f]{64}) -->\n")
_SELECTION = re.compile(rb'(UnselectManual=")[^"]*(")')
_SELECTED = {"drop": b"True", "keep": b"False"}
_UNSET = b"null"
Rows = list[str]


def write_movie_xml(path: Path, facts: Mapping[str, Any], settings: Settings, decision: str | None) -> str:
    """Write a movie's ``NAME.xml``, unless another program has changed the one that is there.

    Parameters
    ----------
    path : Path
        The file, in the output folder.
    facts : mapping
        The movie's record as plain JSON.
    settings : Settings
        What the record was made with.
    decision : str or None
        ``drop``, ``keep`` or None.

    Returns
    -------
    str
        A warning if a file of another program was kept, else empty; it is logged, too.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    if path.exists() and not is_ours(path.read_bytes()):
        write_selection(path, decision)
        warning = f"{path.name}: was changed by another program and is kept as it is; delete it to have it written anew"
        _log.warning(warning)
        return warning
    write_bytes(path, movie_xml(facts, settings, decision))
    return ""


def write_selection(path: Path, verb: str | None) -> None:
    """Let the selection in a ``NAME.xml`` say what is decided; nothing else in it is touched.

    Parameters
    ----------
    path : Path
        An XML file of Warp's or ours.
    verb : str or None
        ``drop`` (deselected by hand), ``keep`` (selected by hand), anything else: no decision.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    before = path.read_bytes()
    value = _SELECTED.get(verb or "", _UNSET)
    after, found = _SELECTION.subn(rb"\g<1>" + value + rb"\g<2>", before, count=1)
    if not found and value != _UNSET:
        after = re.sub(rb"<(Movie)\b", rb'<\1 UnselectManual="' + value + rb'"', before, count=1)
    if after != before:
        write_bytes(path, after)


def selection_of(path: Path) -> str | None:
    """Return the decision that an XML file holds: ``drop``, ``keep`` or None."""
    found = _SELECTION.search(path.read_bytes())
    value = found[0].split(b'"')[1] if found else _UNSET
    return next((verb for verb, said in _SELECTED.items() if said == value), None)


def is_ours(data: bytes) -> bool:
    """Return whether an XML file is as Weft wrote it, its selection aside."""
    found = _DIGEST.search(data)
    return found is not None and found[1].decode() == _digest(data[: found.start()])


def movie_xml(facts: Mapping[str, Any], settings: Settings, decision: str | None = None) -> bytes:
    """Return the bytes of a movie's ``NAME.xml``; see `write_movie_xml` for the parameters."""
    fit = CtfFit.from_json(facts["ctf"]["fit"]) if facts.get("ctf") else None
    is_fitted = fit is not None and math.isfinite(fit.defocus_A)
    field = MotionField.from_json(facts["motion"]["field"]) if facts.get("motion") else None
    rows: Rows = ['<?xml version="1.0" encoding="utf-8"?>', _root(facts, fit, field, decision)]
    if fit is not None and is_fitted:
        rows += options_rows("OptionsCTF", _ctf_options(facts, settings, fit))
        rows += _curves(facts["ctf"].get("curves") or {}, fit)
    rows += options_rows("CTF", _ctf(facts, settings, fit if is_fitted else None))
    rows += grid_rows("GridCTF", np.array(fit.grid_A) / 1e4 if fit is not None and is_fitted else _flat(settings))
    rows += _one_node("GridCTFDefocusDelta", fit.astigmatism_A / 1e4 if fit is not None and is_fitted else 0.0)
    rows += _one_node("GridCTFDefocusAngle", fit.angle_deg % 180 if fit is not None and is_fitted else 0.0)
    rows += _one_node("GridCTFCs", settings.optics.cs_mm)
    rows += _one_node("GridCTFPhase", fit.phase_shift_deg / 180 if fit is not None and is_fitted else 0.0)
    rows += _one_node("GridCTFDoming", 0.0)
    if field is not None:
        rows += options_rows("OptionsMovement", _motion_options(facts, settings))
        rows += _movement(field)
    for name in ("GridAngleX", "GridAngleY", "GridAngleZ", "GridDoseBfacs", "GridDoseBfacsDelta", "GridDoseBfacsAngle"):
        rows += _one_node(name, 0.0)
    rows += (
        _one_node("GridDoseWeights", 1.0) + _one_node("GridLocationBfacs", 0.0) + _one_node("GridLocationWeights", 1.0)
    )
    if facts.get("average"):
        rows += options_rows("OptionsMovieExport", _export_options(facts, settings))
    return sealed("\n".join([*rows, "</Movie>", ""]))


def sealed(text: str) -> bytes:
    """Return a file's bytes with the line by which `is_ours` knows it."""
    data = text.encode()
    return data + f"<!-- weft sha256:{_digest(data)} -->\n".encode()


def _digest(text: bytes) -> str:
    return hashlib.sha256(_SELECTION.sub(rb"\g<1>\g<2>", text, count=1)).hexdigest()


def _root(facts: Mapping[str, Any], fit: CtfFit | None, field: MotionField | None, decision: str | None) -> str:
    folder = str(PurePosixPath(facts["movie"]["path"]).parent)
    mask = facts.get("mask")
    values = {
        "DataDirectory": "" if folder == "." else folder,
        "UnselectFilter": "False",
        "UnselectManual": _SELECTED.get(decision or "", _UNSET).decode(),
        "CTFResolutionEstimate": value_text((fit.resolution_A if fit is not None else None) or 0.0),
        "MeanFrameMovement": value_text(_mean_frame_movement(field)),
        "MaskPercentage": value_text(100 * mask["masked_fraction"] if mask else -1.0),
        "Bfactor": "0",
        "Weight": "1",
        "MagnificationCorrection": "1, 0, 0, 1",
    }
    return "<Movie " + " ".join(f"{name}={quoteattr(value)}" for name, value in values.items()) + ">"


def _mean_frame_movement(field: MotionField | None) -> float:
    """Return the mean step at the image's centre over the first third of the frames, as Warp defines it."""
    if field is None or field.frames < 2:
        return 0.0
    steps = np.linalg.norm(np.diff(field.track(), axis=0), axis=1)
    return float(steps[: max(1, field.frames // 3)].mean())


def _common(facts: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return what all options of Warp begin with; its only use there is to tell whether results are outdated."""
    movie, given = facts["movie"], settings.input
    raw, is_eer = movie["raw_pixel_size_A"], movie.get("format") == "eer"
    return {
        **reading_options(settings, WarpMovie(raw, is_eer, movie["frames"])),
        **gain_options(settings, str(given.gain or ""), is_eer=is_eer),
        "GainHash": "",
        "DefectsPath": given.defects or "",
        "DefectsHash": "",
        "Dimensions": f"{value_text(movie['width'] * raw)},{value_text(movie['height'] * raw)},{movie['frames']}",
    }


def _ctf_options(facts: Mapping[str, Any], settings: Settings, fit: CtfFit) -> dict[str, Any]:
    low, high = (2 * fit.pixel_size_A / limit for limit in settings.ctf.range_A)
    return _common(facts, settings) | {
        "Window": settings.ctf.window_px,
        "RangeMin": low,
        "RangeMax": high,
        "Voltage": fit.voltage_kV,
        "Cs": fit.cs_mm,
        "Cc": 2.7,
        "Amplitude": fit.amplitude_contrast,
        "DoPhase": settings.ctf.phase_shift,
        "UseMovieSum": settings.ctf.use_movie_sum,
        "ZMin": settings.ctf.defocus_um[0],
        "ZMax": settings.ctf.defocus_um[1],
        "GridDims": ",".join(str(side) for side in reversed(np.shape(fit.grid_A))),
        "DosePerAngstromFrame": _exposure(settings),
    }


def _motion_options(facts: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    field = MotionField.from_json(facts["motion"]["field"])
    pixel = _binned_pixel(facts, settings)
    limits = settings.motion.range_A
    low, high = (0.0, 1.0) if limits == "auto" else (2 * pixel / limit for limit in limits)
    _, rows, columns, _ = field.nodes_A.shape
    return _common(facts, settings) | {
        "RangeMin": low,
        "RangeMax": high,
        "Bfactor": settings.motion.b_factor_A2,
        "GridDims": f"{columns},{rows},{field.frames}",
        "DosePerAngstromFrame": _exposure(settings),
    }


def _export_options(facts: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    output = settings.output
    return _common(facts, settings) | {
        "DoAverage": output.average,
        "DoStack": output.aligned_stack,
        "DoDeconv": False,
        "DoDenoise": output.halves,
        "StackGroupSize": output.collapse,
        "SkipFirstN": output.skip_first,
        "SkipLastN": output.skip_last,
        "DosePerAngstromFrame": _exposure(settings),
    }


def _exposure(settings: Settings) -> float:
    """Return the exposure as Warp 2 keeps it: negative = of the whole movie, 0 = unknown."""
    return 0.0 - (settings.input.exposure_e_A2 or 0.0)


def _binned_pixel(facts: Mapping[str, Any], settings: Settings) -> float:
    average = facts.get("average")
    raw = float(facts["movie"]["raw_pixel_size_A"])
    return float(average["pixel_size_A"]) if average else raw * 2.0**settings.input.bin


def _ctf(facts: Mapping[str, Any], settings: Settings, fit: CtfFit | None) -> dict[str, Any]:
    optics = settings.optics
    return {
        "PixelSize": fit.pixel_size_A if fit else _binned_pixel(facts, settings),
        "PixelSizeDeltaPercent": 0,
        "PixelSizeAngle": 0,
        "Cs": fit.cs_mm if fit else optics.cs_mm,
        "Cc": 2.7,
        "Voltage": fit.voltage_kV if fit else optics.voltage_kV,
        "Defocus": fit.defocus_A / 1e4 if fit else 0,
        "DefocusDelta": fit.astigmatism_A / 1e4 if fit else 0,
        "DefocusAngle": fit.angle_deg % 180 if fit else 0,
        "Amplitude": fit.amplitude_contrast if fit else optics.amplitude_contrast,
        "Bfactor": 0,
        "BfactorDelta": 0,
        "BfactorAngle": 0,
        "Scale": 1,
        "PhaseShift": fit.phase_shift_deg / 180 if fit else 0,
    }


def _flat(settings: Settings) -> Any:
    """Return the defocus grid of a movie without a fit: as many nodes as the others have, all 0."""
    columns, rows, _ = (
        (int(side) if side.isdigit() else 1 for side in settings.ctf.grid.split("x"))
        if (settings.ctf.grid != "auto")
        else (2, 2, 1)
    )
    return np.zeros((1, rows, columns))


def _movement(field: MotionField) -> Rows:
    """Return the four grids of movement; Warp's movement is the way back, -d."""
    path, nodes = -field.path_A, -field.nodes_A
    return [
        *grid_rows("GridMovementX", path[:, None, None, 1]),
        *grid_rows("GridMovementY", path[:, None, None, 0]),
        *grid_rows("GridLocalMovementX", nodes[..., 1]),
        *grid_rows("GridLocalMovementY", nodes[..., 0]),
    ]


def _curves(curves: Mapping[str, Sequence[float | None]], fit: CtfFit) -> Rows:
    """Return the spectrum's curve and the envelope at the CTF's maxima, over cycles per pixel."""
    k, experimental, model = (curves.get(name) or [] for name in ("k", "experimental", "model"))
    x = [(value or 0.0) * fit.pixel_size_A for value in k]
    spectrum = [(a, b) for a, b in zip(x, experimental, strict=False) if b is not None]
    peaks = [
        (x[i], here)
        for i, here in enumerate(model)
        if 0 < i < len(model) - 1
        and here is not None
        and here > (model[i - 1] or 0.0)
        and here >= (model[i + 1] or 0.0)
    ]
    rows = (
        [f"\t<PS1D>{_points(spectrum)}</PS1D>", "\t<SimulatedBackground>0|0;0.5|0</SimulatedBackground>"] if x else []
    )
    return [*rows, f"\t<SimulatedScale>{_points(peaks)}</SimulatedScale>"] if peaks else rows


def _points(points: Iterable[tuple[float, float]]) -> str:
    return ";".join(f"{value_text(x)}|{value_text(y)}" for x, y in points)


def options_rows(name: str, values: Mapping[str, Any]) -> Rows:
    """Return an element with a ``Param`` for each value."""
    rows = [
        f"\t\t<Param Name={quoteattr(key)} Value={quoteattr(value_text(value))} />" for key, value in values.items()
    ]
    return [f"\t<{name}>", *rows, f"\t</{name}>"]


def _one_node(name: str, value: float) -> Rows:
    return grid_rows(name, np.full((1, 1, 1), value))


def grid_rows(name: str, values: Any) -> Rows:
    """Return a grid's element; values have shape (t, y, x), and x runs fastest."""
    depth, height, width = np.shape(values)
    nodes = [
        f'\t\t<Node X="{x}" Y="{y}" Z="{t}" Value="{value_text(float(values[t][y][x]))}" />'
        for t in range(depth)
        for y in range(height)
        for x in range(width)
    ]
    sides = f'Width="{width}" Height="{height}" Depth="{depth}" MarginX="0" MarginY="0" MarginZ="0"'
    return [f"\t<{name} {sides}>", *nodes, f"\t</{name}>"]


def value_text(value: Any) -> str:
    """Return a value as Warp writes it: True and False, numbers with a point and without superfluous digits."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float | np.floating):
        return f"{value:.9g}" if value else "0"
    return str(value)
