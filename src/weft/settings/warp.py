"""Warp's ``.settings``: read into ours, and written for WarpTools.

Groups are elements, entries ``Param`` with a name and a value; missing and unknown ones are normal. Versions differ: the old desktop
program kept pixel sizes along x and y at the root and bands as fractions of Nyquist; both are understood.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any
from xml.etree.ElementTree import Element, ParseError  # for types and errors only; parsing is defusedxml's
from xml.sax.saxutils import quoteattr

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from weft.errors import SettingsError
from weft.settings.schema import Settings
from weft.settings.warpreading import WarpMovie, gain_options, reading_options, turns_rows

__all__ = ["WarpSettings", "frames_settings_text", "read_warp_settings", "series_settings_text"]

Tables = dict[str, dict[str, Any]]
_BOOLS = {"True": True, "False": False, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class WarpSettings:
    """Ours, as Warp's file tells them.

    Parameters
    ----------
    tables : dict of table to keys
        Of ``weft.toml``.
    notes : tuple of str
        What has no place here, or means something else.
    """

    tables: Tables
    notes: tuple[str, ...]


def read_warp_settings(path: Path) -> WarpSettings:
    """Return what a ``.settings`` file of Warp or WarpTools says.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    SettingsError
        If it is no such file.
    """
    try:
        root = fromstring(path.read_bytes())
    except (OSError, ParseError, ValueError, DefusedXmlException) as error:
        raise SettingsError(f"{path.name}: cannot be read as settings of Warp ({error})") from error
    if root.tag != "Settings":
        raise SettingsError(
            f"{path.name}: is XML of another kind (<{root.tag}>), not settings of Warp; give a .settings file"
        )
    values = _values(root)
    notes: list[str] = []
    tables: Tables = {
        "input": _input(values, notes),
        "optics": _picked(
            values, {"voltage_kV": "CTF.Voltage", "cs_mm": "CTF.Cs", "amplitude_contrast": "CTF.Amplitude"}
        ),
        "motion": _motion(values),
        "ctf": _ctf(values),
        "output": _output(values),
    }
    if "ProcessPicking" in values:
        tables["fiducials"] = {"enabled": _BOOLS.get(values["ProcessPicking"], True)}
        if values.get("Picking.ModelPath"):
            notes.append(f"the detector {values['Picking.ModelPath']} is Warp's; Weft uses its own")
    if "*.tomostar" in values.get("Import.Extension", "").lower():
        notes.append("these are settings of tilt series; those of the frame series hold more of what Weft needs")
        tables["input"].pop("movies", None)
    return WarpSettings({name: table for name, table in tables.items() if table}, tuple(notes))


def frames_settings_text(
    settings: Settings, movie: WarpMovie, *, data: str, processing: str, extension: str, gain: str, defects: str = ""
) -> str:
    """Return settings of frame series for WarpTools.

    Parameters
    ----------
    settings : Settings
        Ours.
    movie : WarpMovie
        As the movies were read.
    data, processing : str
        Folders of movies and results, relative to the file.
    extension : str
        Such as ``*.mrc``.
    gain : str
        Path of the gain reference, relative to the file; empty without.
    defects : str
        Path of the defects, likewise.
    """
    groups = {
        "Import": _import_group(settings, movie, data=data, processing=processing, extension=extension)
        | gain_options(settings, gain, is_eer=movie.is_eer)
        | {
            "CorrectGain": bool(gain), "DefectsPath": defects, "CorrectDefects": bool(defects),
        },
        "CTF": {
            "Window": settings.ctf.window_px, "RangeMin": settings.ctf.range_A[0], "RangeMax": settings.ctf.range_A[1],
            "Voltage": settings.optics.voltage_kV, "Cs": settings.optics.cs_mm, "Amplitude": settings.optics.amplitude_contrast,
            "DoPhase": settings.ctf.phase_shift, "UseMovieSum": settings.ctf.use_movie_sum,
            "ZMin": settings.ctf.defocus_um[0], "ZMax": settings.ctf.defocus_um[1],
        },
        "Movement": {
            **({} if settings.motion.range_A == "auto" else {"RangeMin": settings.motion.range_A[0], "RangeMax": settings.motion.range_A[1]}),
            "Bfactor": settings.motion.b_factor_A2,
        },
        "Grids": _grids(settings),
        "Export": {
            "DoAverage": settings.output.average, "DoDenoise": settings.output.halves, "DoStack": settings.output.aligned_stack,
            "StackGroupSize": settings.output.collapse, "SkipFirstN": settings.output.skip_first, "SkipLastN": settings.output.skip_last,
        },
    }  # fmt: skip
    switches = {
        "ProcessCTF": settings.ctf.enabled,
        "ProcessMovement": settings.motion.enabled,
        "ProcessPicking": settings.fiducials.enabled,
    }
    return _text(switches, groups)


def series_settings_text(
    settings: Settings, movie: WarpMovie, *, data: str, processing: str, dimensions_px: tuple[int, int, int]
) -> str:
    """Return settings of tilt series for WarpTools; the dimensions are the tomogram's in unbinned pixels."""
    groups = {
        "Import": _import_group(settings, movie, data=data, processing=processing, extension="*.tomostar"),
        "Tomo": dict(zip(("DimensionsX", "DimensionsY", "DimensionsZ"), dimensions_px, strict=True)),
    }
    return _text({}, groups)


def _values(root: Element) -> dict[str, str]:
    """Return all entries by their path: ``ProcessCTF``, ``Import.PixelSize``."""
    found = {}
    for element in root:
        if element.tag == "Param":
            found[element.get("Name", "")] = element.get("Value", "")
        else:
            for entry in element.iter("Param"):
                found[f"{element.tag}.{entry.get('Name', '')}"] = entry.get("Value", "")
    return found


def _number(values: Mapping[str, str], *names: str) -> float | None:
    """Return the first entry that is a number."""
    for name in names:
        try:
            value = float(values.get(name, "").replace(",", "."))
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    return None


def _input(values: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    folder = _portable(values.get("Import.DataFolder") or values.get("Import.Folder") or "")
    extension = values.get("Import.Extension", "")
    if extension:
        found["movies"] = f"{folder.rstrip('/')}/{extension}" if folder else extension
    pixel = _number(values, "Import.PixelSize", "PixelSize", "PixelSizeX", "Import.PixelSizeX")
    if pixel is not None and pixel > 0:
        found["raw_pixel_size_A"] = pixel
    along_y = _number(values, "PixelSizeY")
    if pixel and along_y and abs(along_y - pixel) > 1e-4 * pixel:
        notes.append(f"pixels of {pixel:g} × {along_y:g} Å: Weft takes {pixel:g} for both")
    binning = _number(values, "Import.BinTimes", "BinTimes")
    if binning is not None and binning < 0 and ".eer" in extension.lower():
        found |= _finer(binning, pixel)
    elif binning is not None and binning >= 0:
        found["bin"] = binning
    found |= _exposure(values, notes)
    if _BOOLS.get(values.get("Import.CorrectGain", ""), bool(values.get("Import.GainPath"))) and values.get(
        "Import.GainPath"
    ):
        found["gain"] = _portable(values["Import.GainPath"])
        for ours, theirs in (
            ("gain_flip_x", "GainFlipX"),
            ("gain_flip_y", "GainFlipY"),
            ("gain_transpose", "GainTranspose"),
        ):
            found[ours] = _BOOLS.get(values.get(f"Import.{theirs}", ""), False)
        found["gain_flip_y"] ^= turns_rows(found["gain"], is_eer=".eer" in extension.lower())
    if values.get("Import.DefectsPath"):
        found["defects"] = _portable(values["Import.DefectsPath"])
    return found


def _finer(binning: float, pixel: float | None) -> dict[str, Any]:
    """Return how an EER is rendered whose averages are finer than its sensor."""
    supersampling = 2 if binning >= -1 else 4
    found = {"eer_supersampling": supersampling, "bin": max(0.0, binning + math.log2(supersampling))}
    return found | ({"raw_pixel_size_A": pixel / supersampling} if pixel else {})


def _exposure(values: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    """Return the exposure: Warp keeps that of a frame, or, negative, that of the whole movie."""
    found: dict[str, Any] = {}
    exposure = _number(values, "Import.DosePerAngstromFrame", "Import.DosePerAngstrom2")
    if exposure is not None and exposure < 0:
        found["exposure_e_A2"] = -exposure
    elif exposure:
        notes.append(
            f"an exposure of {exposure:g} e⁻/Å² per frame: give that of a whole movie, `weft config set input.exposure_e_A2 …`"
        )
    groups = _number(values, "Import.EERGroupFrames")
    if ".eer" in values.get("Import.Extension", "").lower() and groups:
        key = "eer_frames_per_fraction" if groups > 0 else "eer_fractions"
        found[key] = int(abs(groups))
    return found


def _motion(values: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "ProcessMovement" in values:
        found["enabled"] = _BOOLS.get(values["ProcessMovement"], True)
    found |= _band(values, "Movement")
    factor = _number(values, "Movement.Bfactor")
    if factor is not None and factor <= 0:
        found["b_factor_A2"] = factor
    return found | _grid(values, "Movement")


def _ctf(values: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "ProcessCTF" in values:
        found["enabled"] = _BOOLS.get(values["ProcessCTF"], True)
    window = _number(values, "CTF.Window")
    if window:
        found["window_px"] = int(window)
    found |= _band(values, "CTF")
    low, high = _number(values, "CTF.ZMin"), _number(values, "CTF.ZMax")
    if low is not None and high is not None:
        found["defocus_um"] = (low, high)
    for ours, theirs in (("phase_shift", "DoPhase"), ("use_movie_sum", "UseMovieSum")):
        if f"CTF.{theirs}" in values:
            found[ours] = _BOOLS.get(values[f"CTF.{theirs}"], False)
    return found | _grid(values, "CTF")


def _output(values: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for ours, theirs in (("average", "DoAverage"), ("halves", "DoDenoise"), ("aligned_stack", "DoStack")):
        if f"Export.{theirs}" in values:
            found[ours] = _BOOLS.get(values[f"Export.{theirs}"], False)
    for ours, theirs in (("skip_first", "SkipFirstN"), ("skip_last", "SkipLastN"), ("collapse", "StackGroupSize")):
        number = _number(values, f"Export.{theirs}")
        if number is not None and number >= (ours == "collapse"):
            found[ours] = int(number)
    return found


def _band(values: Mapping[str, str], group: str) -> dict[str, Any]:
    """Return a band in Å; the old program kept fractions of Nyquist, recognised by a first number of at most 1."""
    low, high = _number(values, f"{group}.RangeMin"), _number(values, f"{group}.RangeMax")
    if low is None or high is None:
        return {}
    if low <= 1:
        pixel = _number(values, "Import.PixelSize", "PixelSize", "PixelSizeX") or 1.0
        binned = pixel * 2.0 ** (_number(values, "Import.BinTimes", "BinTimes") or 0.0)
        low, high = (2 * binned / fraction if fraction > 0 else math.inf for fraction in (low, high))
    return {"range_A": (round(low, 4), round(high, 4))} if math.isfinite(low) and low > high > 0 else {}


def _grid(values: Mapping[str, str], group: str) -> dict[str, Any]:
    sides = [_number(values, f"Grids.{group}{axis}") for axis in "XYZ"]
    if any(side is None for side in sides):
        return {}
    x, y, t = (int(side or 0) for side in sides)
    if min(x, y, t) < 1:  # WarpTools' way to say that it decides by itself
        return {"grid": "auto"} if group == "Movement" else {}
    return {"grid": f"{x}x{y}x{t}"}


def _picked(values: Mapping[str, str], names: Mapping[str, str]) -> dict[str, Any]:
    return {ours: value for ours, theirs in names.items() if (value := _number(values, theirs)) is not None}


def _portable(path: str) -> str:
    return PureWindowsPath(path).as_posix() if "\\" in path else path


def _import_group(
    settings: Settings, movie: WarpMovie, *, data: str, processing: str, extension: str
) -> dict[str, Any]:
    return {
        "DataFolder": data,
        "ProcessingFolder": processing,
        "Extension": extension,
        **reading_options(settings, movie),
        "DosePerAngstromFrame": 0 - (settings.input.exposure_e_A2 or 0),
    }


def _grids(settings: Settings) -> dict[str, Any]:
    found = {}
    for group, grid in (("CTF", settings.ctf.grid), ("Movement", settings.motion.grid)):
        sides = ["0", "0", "0"] if grid == "auto" else grid.split("x")
        for axis, side in zip("XYZ", sides, strict=True):
            found[f"{group}{axis}"] = 100 if side == "n" else int(side)  # Warp caps it at the number of frames
    return found


def _text(switches: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<Settings>"]
    lines += [f"\t{_param(name, value)}" for name, value in switches.items()]
    for group, entries in groups.items():
        lines += [f"\t<{group}>", *(f"\t\t{_param(name, value)}" for name, value in entries.items()), f"\t</{group}>"]
    return "\n".join([*lines, "</Settings>", ""])


def _param(name: str, value: Any) -> str:
    shown = f"{value:.9g}" if isinstance(value, float) else str(value)
    return f"<Param Name={quoteattr(name)} Value={quoteattr(shown)} />"
