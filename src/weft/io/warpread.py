"""Warp's XML of movies and of tilt series, read into our conventions: any version's encoding, missing elements allowed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError  # for types and errors only; parsing is defusedxml's

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from numpy.typing import NDArray

from weft.errors import InputError
from weft.fields.spline import spline_matrix

__all__ = ["WarpMovie", "WarpSeries", "read_warp_xml"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WarpMovie:
    """What Warp knows of a movie.

    Parameters
    ----------
    selection : str or None
        ``drop``, ``keep`` or None.
    resolution_A : float or None
        To which its CTF fit is supported.
    ctf : dict
        ``defocus_u_A``, ``defocus_v_A``, ``angle_deg``, ``phase_shift_deg``, ``pixel_size_A``, ``voltage_kV``, ``cs_mm``,
        ``amplitude_contrast``; empty without a fit.
    defocus_A : ndarray, shape (t, y, x)
        Nodes of the defocus grid.
    path_A : ndarray, shape (t, 2)
        Displacement (y, x) at the nodes of the global movement: minus Warp's.
    local_A : ndarray, shape (t, y, x, 2)
        Displacement at the nodes of the local movement.
    masked_fraction : float or None
        Share of the image under its mask.
    frames : int or None
        As its options tell.
    """

    selection: str | None
    resolution_A: float | None
    ctf: dict[str, float]
    defocus_A: Array
    path_A: Array
    local_A: Array
    masked_fraction: float | None
    frames: int | None

    def path_of(self, frames: int) -> Array:
        """Return the global displacement of each frame, shape (frame, 2): Warp's grid may have fewer nodes than frames."""
        at = np.linspace(0, 1, frames) if frames > 1 else np.zeros(1)
        return np.asarray(spline_matrix(len(self.path_A), at) @ self.path_A)


@dataclass(frozen=True, slots=True)
class WarpSeries:
    """What Warp knows of a tilt series; lists are one entry a tilt, in Warp's order.

    Parameters
    ----------
    warp_angles_deg : tuple of float
        As Warp keeps them (-θ unless it was told not to invert).
    exposures_e_A2 : tuple of float
        Before (or, from the old desktop program, at the middle of) each tilt.
    uses : tuple of bool
        Whether a tilt is used.
    axes_deg : tuple of float
        Tilt axis of each.
    movies : tuple of str
        Their paths; empty in old files.
    is_inverted : bool
        AreAnglesInverted.
    """

    warp_angles_deg: tuple[float, ...]
    exposures_e_A2: tuple[float, ...]
    uses: tuple[bool, ...]
    axes_deg: tuple[float, ...]
    movies: tuple[str, ...]
    is_inverted: bool


def read_warp_xml(path: Path) -> WarpMovie | WarpSeries:
    """Return what an XML of Warp's says.

    Parameters
    ----------
    path : Path
        Of a movie or of a tilt series.

    Raises
    ------
    InputError
        If it is no XML, of another kind, or its lists do not fit together.
    """
    try:
        root = fromstring(path.read_bytes())
    except (OSError, ParseError, ValueError, DefusedXmlException) as error:
        raise InputError(f"{path.name}: cannot be read as XML ({error}); it is damaged or of another kind") from error
    if root.tag == "Movie":
        return _movie(path, root)
    if root.tag == "TiltSeries":
        return _series(path, root)
    raise InputError(f"{path.name}: is XML of another kind (<{root.tag}>), not of a movie or tilt series of Warp")


def _movie(path: Path, root: Element) -> WarpMovie:
    try:
        resolution = float(root.get("CTFResolutionEstimate") or 0)
        masked = float(root.get("MaskPercentage") or -1)
        selection = {"True": "drop", "False": "keep"}.get(root.get("UnselectManual") or "")
        move = [_grid(root, f"GridMovement{axis}") for axis in "YX"]
        local = [_grid(root, f"GridLocalMovement{axis}") for axis in "YX"]
        dimensions = _param(root, "OptionsMovement", "Dimensions").split(",")
        return WarpMovie(
            selection=selection,
            resolution_A=resolution or None,
            ctf=_ctf(root),
            defocus_A=_grid(root, "GridCTF") * 1e4,
            path_A=-np.stack(move, axis=-1)[:, 0, 0],
            local_A=-np.stack(local, axis=-1),
            masked_fraction=masked / 100 if masked >= 0 else None,
            frames=round(float(dimensions[2])) if len(dimensions) == 3 else None,
        )
    except (ValueError, IndexError) as error:
        raise InputError(f"{path.name}: its values make no sense ({error}); let Warp write it anew") from error


def _ctf(root: Element) -> dict[str, float]:
    """Return the CTF; empty if it was never fitted."""
    if root.find("CTF") is None or (root.find("OptionsCTF") is None and root.find("PS1D") is None):
        return {}

    def number(name: str, default: float) -> float:
        value = float(_param(root, "CTF", name) or default)
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}")
        return value

    defocus, delta, angle = number("Defocus", 0) * 1e4, number("DefocusDelta", 0) * 1e4, number("DefocusAngle", 0)
    if delta < 0:
        delta, angle = -delta, angle + 90
    angle = 90 - (90 - angle) % 180  # -90 < angle ≤ 90
    return {
        "defocus_u_A": defocus + delta / 2,
        "defocus_v_A": defocus - delta / 2,
        "angle_deg": angle,
        "phase_shift_deg": number("PhaseShift", 0) * 180 % 180,
        "pixel_size_A": number("PixelSize", 1),
        "voltage_kV": number("Voltage", 300),
        "cs_mm": number("Cs", 2.7),
        "amplitude_contrast": number("Amplitude", 0.07),
    }


def _series(path: Path, root: Element) -> WarpSeries:
    def listed(tag: str) -> list[str]:
        return (root.findtext(tag) or "").split("\n") if root.findtext(tag) else []

    try:
        angles = tuple(float(value) for value in listed("Angles"))
        exposures = tuple(float(value) for value in listed("Dose"))
        axes = tuple(float(value) for value in listed("AxisAngle")) or (0.0,) * len(angles)
    except ValueError as error:
        raise InputError(f"{path.name}: its lists of tilts hold what is no number ({error})") from error
    uses = tuple(value.strip() == "True" for value in listed("UseTilt")) or (True,) * len(angles)
    movies = tuple(value.strip() for value in listed("MoviePath"))
    if not angles or {len(exposures), len(uses), len(axes)} != {len(angles)} or (movies and len(movies) != len(angles)):
        raise InputError(f"{path.name}: its lists of tilts have different lengths; the file is damaged")
    return WarpSeries(angles, exposures, uses, axes, movies, root.get("AreAnglesInverted") == "True")


def _param(root: Element, group: str, name: str) -> str:
    for element in root.iter(group):
        for entry in element.iter("Param"):
            if entry.get("Name") == name:
                return entry.get("Value") or ""
    return ""


def _grid(root: Element, name: str) -> Array:
    """Return a grid's nodes, shape (t, y, x); a missing one is a single 0."""
    element = next(root.iter(name), None)
    if element is None:
        return np.zeros((1, 1, 1))
    depth, height, width = (int(element.get(side, "1")) for side in ("Depth", "Height", "Width"))
    values: Any = np.zeros((depth, height, width))
    for node in element.iter("Node"):
        at = tuple(int(node.get(axis, "0")) for axis in "ZYX")
        values[at] = float(node.get("Value", "0"))
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds values that are no numbers")
    return np.asarray(values)
