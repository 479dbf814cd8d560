"""Warp's metadata of a tilt series, ``TS.xml``: geometry and CTF of each tilt, so that WarpTools goes on from them.

Rows are those of the tomostar. At this border angles are -θ, the axis is ours, defocus is in µm and phase in π; the grids of the
CTF have one node a tilt along their third axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from weft.io.warpxml import grid_rows, options_rows, sealed, value_text

__all__ = ["SeriesFacts", "WarpTilt", "series_xml"]

_ONE_NODE = (
    ("GridMovementX", 0.0), ("GridMovementY", 0.0), ("GridAngleX", 0.0), ("GridAngleY", 0.0), ("GridAngleZ", 0.0),
    ("GridDoseBfacs", 0.0), ("GridDoseBfacsDelta", 0.0), ("GridDoseBfacsAngle", 0.0), ("GridDoseWeights", 1.0),
    ("GridLocationBfacs", 0.0), ("GridLocationWeights", 1.0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WarpTilt:
    """One tilt in Weft's own convention.

    Parameters
    ----------
    movie : str
        As in the tomostar.
    tilt_deg, axis_deg : float
        θ, and the axis from +y, counter-clockwise.
    offset_A : tuple of float
        The specimen's offset (x, y) on the image; 0 if it was not aligned.
    pre_exposure_e_A2 : float
        Before the tilt.
    defocus_A, astigmatism_A, angle_deg, phase_shift_deg : float
        CTF at the image's centre.
    """

    movie: str
    tilt_deg: float
    axis_deg: float
    offset_A: tuple[float, float]
    pre_exposure_e_A2: float
    defocus_A: float
    astigmatism_A: float
    angle_deg: float
    phase_shift_deg: float


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """What holds for the whole series.

    Parameters
    ----------
    is_inverted : bool
        AreAnglesInverted.
    pixel_size_A : float
        Of the averages.
    image_A, volume_A : tuple of float
        Sides of an image (x, y) and of the tomogram (x, y, z).
    voltage_kV, cs_mm, amplitude_contrast : float
        Optics.
    resolution_A : float
        Of the CTF fits, 0 if unknown.
    has_ctf : bool
        Whether the tilts' CTFs were fitted.
    """

    is_inverted: bool
    pixel_size_A: float
    image_A: tuple[float, float]
    volume_A: tuple[float, float, float]
    voltage_kV: float
    cs_mm: float
    amplitude_contrast: float
    resolution_A: float
    has_ctf: bool


def series_xml(tilts: Sequence[WarpTilt], facts: SeriesFacts) -> bytes:
    """Return the bytes of a tilt series' XML, with the line by which `weft.io.warpxml.is_ours` knows it.

    Parameters
    ----------
    tilts : sequence of WarpTilt
        In the tomostar's order.
    facts : SeriesFacts
        About all of them.
    """
    rows = ['<?xml version="1.0" encoding="utf-8"?>', _root(facts)]
    rows += _list("Angles", [value_text(-tilt.tilt_deg) for tilt in tilts])
    rows += _list("Dose", [value_text(tilt.pre_exposure_e_A2) for tilt in tilts])
    rows += _list("UseTilt", ["True"] * len(tilts))
    rows += _list("AxisAngle", [value_text(tilt.axis_deg) for tilt in tilts])
    rows += _list("AxisOffsetX", [value_text(tilt.offset_A[0]) for tilt in tilts])
    rows += _list("AxisOffsetY", [value_text(tilt.offset_A[1]) for tilt in tilts])
    rows += _list("MoviePath", [escape(tilt.movie) for tilt in tilts])
    rows += _list("FOVFraction", ["1"] * len(tilts))
    rows += ["\t<SimulatedScale>0|1;1|1</SimulatedScale>", *_ctf(tilts, facts)]
    for name, value in _ONE_NODE:
        rows += grid_rows(name, np.full((1, 1, 1), value))
    for axis in "XYZ":
        rows += [
            f'\t<GridVolumeWarp{axis} Width="1" Height="1" Depth="1" Duration="1">',
            '\t\t<Node X="0" Y="0" Z="0" W="0" Value="0" />',
            f"\t</GridVolumeWarp{axis}>",
        ]
    return sealed("\n".join([*rows, "</TiltSeries>", ""]))


def _root(facts: SeriesFacts) -> str:
    values = {
        "DataDirectory": "",  # what the settings say
        "AreAnglesInverted": str(facts.is_inverted),
        "PlaneNormal": "0, 0, 0",
        "LevelAngleX": "0",
        "LevelAngleY": "0",
        "Bfactor": "0",
        "Weight": "1",
        "MagnificationCorrection": "1, 0, 0, 1",
        "VolumeDimensionsAngstrom": ", ".join(value_text(side) for side in facts.volume_A),
        "ImageDimensionsAngstrom": ", ".join(value_text(side) for side in facts.image_A),
        "UnselectFilter": "False",
        "UnselectManual": "",
        "CTFResolutionEstimate": value_text(facts.resolution_A),
    }
    return "<TiltSeries " + " ".join(f"{name}={quoteattr(value)}" for name, value in values.items()) + ">"


def _list(name: str, values: Sequence[str]) -> list[str]:
    return [f"\t<{name}>" + "\n".join(values) + f"</{name}>"]


def _ctf(tilts: Sequence[WarpTilt], facts: SeriesFacts) -> list[str]:
    """Return the CTF: what all share, and grids with one node a tilt."""
    middle = float(np.median([tilt.defocus_A for tilt in tilts])) / 1e4
    shared = {
        "PixelSize": facts.pixel_size_A,
        "PixelSizeDeltaPercent": 0,
        "PixelSizeAngle": 0,
        "Cs": facts.cs_mm,
        "Cc": 2.7,
        "Voltage": facts.voltage_kV,
        "Defocus": middle,
        "DefocusDelta": 0,
        "DefocusAngle": 0,
        "Amplitude": facts.amplitude_contrast,
        "Bfactor": 0,
        "BfactorDelta": 0,
        "BfactorAngle": 0,
        "Scale": 1,
        "PhaseShift": 0,
    }
    rows = options_rows("CTF", shared)
    grids = {
        "GridCTF": [tilt.defocus_A / 1e4 for tilt in tilts],
        "GridCTFDefocusDelta": [tilt.astigmatism_A / 1e4 for tilt in tilts],
        "GridCTFDefocusAngle": [tilt.angle_deg % 180 for tilt in tilts],
        "GridCTFPhase": [tilt.phase_shift_deg / 180 for tilt in tilts],
    }
    for name, values in grids.items():
        rows += grid_rows(name, np.array(values if facts.has_ctf else [0.0]).reshape(-1, 1, 1))
    return rows
