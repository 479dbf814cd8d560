"""Mdoc files as SerialEM writes them for simulated series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from weft.simulate.options import SimulationOptions

__all__ = ["Section", "mdoc_text"]

START = datetime(2015, 4, 6, 17, 57, 12)  # noqa: DTZ001 (mdocs know no time zone)
SECONDS_PER_TILT = 75
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Section:
    """One tilt of a series: file name, angle as the stage told it, place in the order, defocus in µm."""

    file: str
    tilt_deg: float
    order: int
    defocus_um: float
    target_defocus_um: float


def mdoc_text(series: str, sections: Sequence[Section], options: SimulationOptions, hours: int) -> str:
    """Return the text of NAME.mrc.mdoc.

    Parameters
    ----------
    series : str
        Name of the series.
    sections : sequence of Section
        In the order in which they shall be listed.
    options : SimulationOptions
        Of the set.
    hours : int
        When the series began, after the set's first.
    """
    start = START + timedelta(hours=hours)
    head = [
        f"PixelSpacing = {options.raw_pixel_size_A:g}",
        f"Voltage = {options.voltage_kV:g}",
        f"ImageFile = {series}.mrc",
        f"ImageSize = {options.raw_shape[1]} {options.raw_shape[0]}",
        "DataMode = 1",
        "",
        f"[T = SerialEM: Simulated by Weft{_time(start):>40}]",
        "",
        f"[T =     Tilt axis angle = {options.axis_deg:.1f}, binning = 1  spot = 8  camera = 0]",
        "",
    ]
    per_frame = options.exposure_e_A2 / options.frames
    for number, section in enumerate(sections):
        taken = start + timedelta(seconds=SECONDS_PER_TILT * section.order)
        head += [
            f"[ZValue = {number}]",
            f"TiltAngle = {section.tilt_deg:.4f}",
            "StagePosition = -128.435 96.118",
            "Magnification = 105000",
            f"ExposureDose = {options.exposure_e_A2:g}",
            f"PixelSpacing = {options.raw_pixel_size_A:g}",
            "SpotSize = 8",
            f"Defocus = {-section.defocus_um:.5f}",
            f"RotationAngle = {options.axis_deg + 90:.1f}",
            "ExposureTime = 1.6",
            f"Binning = {'0.5' if options.super_resolution else '1'}",
            "CameraIndex = 0",
            "DividedBy2 = 0",
            f"TargetDefocus = {-section.target_defocus_um:g}",
            f"SubFramePath = D:\\frames\\weft\\{section.file}",
            f"NumSubFrames = {options.frames}",
            f"FrameDosesAndNumber = {per_frame:g} {options.frames}",
            f"DateTime = {_time(taken)}",
            "",
        ]
    return "\n".join(head)


def _time(when: datetime) -> str:
    """Return a time as SerialEM writes it, whatever the machine's language."""
    return f"{when.day:02d}-{MONTHS[when.month - 1]}-{when.year % 100:02d}  {when:%H:%M:%S}"
