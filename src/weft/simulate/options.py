"""What a simulated set is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from weft.errors import SettingsError

__all__ = ["SimulationOptions", "dose_symmetric"]


def dose_symmetric(largest_deg: float, step_deg: float) -> tuple[float, ...]:
    """Return tilt angles in the order of exposure: 0, then outwards, two on each side in turn.

    Notes
    -----
    The scheme of Hagen, Wan & Briggs 2017 (J. Struct. Biol. 197, 191), with groups of two, as EMPIAR-10164 was
    recorded: 0, 3, -3, -6, 6, 9, -9, -12, 12 ...

    Examples
    --------
    >>> dose_symmetric(20, 10)
    (0.0, 10.0, -10.0, -20.0, 20.0)
    """
    count = int(largest_deg / step_deg + 1e-6)
    angles = [0.0]
    for i in range(1, count + 1):
        side = 1.0 if i % 2 else -1.0
        angles += [side * i * step_deg, -side * i * step_deg]
    return tuple(angles)


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """Size, number and nature of simulated movies; the default is the set of ``weft demo``.

    Parameters
    ----------
    seed : int
        Same seed and options, same bytes.
    series : int
        Number of tilt series; the first, third ... have handedness +1, the others -1.
    tilts_deg : tuple of float
        Nominal angles in the order of exposure. ``(0.0,)`` makes single untilted movies.
    height, width : int
        Of the field in pixels of `pixel_size_A`; even.
    pixel_size_A : float
        Of a physical pixel of the camera.
    super_resolution : bool
        Write frames of twice the side and half the pixel size, to be binned by 1.
    frames : int
        Of one movie.
    exposure_e_A2 : float
        Of one movie.
    voltage_kV, cs_mm, amplitude_contrast : float
        The microscope.
    defocus_um : tuple of float
        Lowest and highest underfocus that a series is given.
    thickness_A : float
        Of the ice.
    beads : int
        Gold beads in the untilted field, on average; more are seen at high tilt.
    bead_diameter_nm : float
        Of the gold beads.
    proteins, vesicles : float
        Number in the untilted field, on average.
    drift_A, walk_A, local_rms_A : float
        Early drift of the stage, random walk per frame, root mean square of the local motion.
    axis_deg : float
        Tilt axis from +y, counter-clockwise.
    bad_images : bool
        Spoil three tilts of each series (dark, grid bar, blurred, ice blob in turn); needs at least seven tilts.
    gain : bool
        Record through a gain reference with dead columns, lying turned against the movies.
    hot_pixels : int
        Pixels that count far too much.
    file_format : {"mrc", "tiff"}
        Of the movies. TIFF rows are written from the top down, as cameras do.
    """

    seed: int = 1
    series: int = 2
    tilts_deg: tuple[float, ...] = dose_symmetric(60, 10)
    height: int = 512
    width: int = 576
    pixel_size_A: float = 2.7
    super_resolution: bool = False
    frames: int = 8
    exposure_e_A2: float = 3.0
    voltage_kV: float = 300.0
    cs_mm: float = 2.7
    amplitude_contrast: float = 0.07
    defocus_um: tuple[float, float] = (2.5, 4.0)
    thickness_A: float = 1500.0
    beads: int = 8
    bead_diameter_nm: float = 10.0
    proteins: float = 60.0
    vesicles: float = 1.0
    drift_A: float = 6.0
    walk_A: float = 0.4
    local_rms_A: float = 0.3
    axis_deg: float = 85.3
    bad_images: bool = True
    gain: bool = True
    hot_pixels: int = 12
    file_format: Literal["mrc", "tiff"] = "mrc"

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises
        ------
        SettingsError
            If a value cannot be simulated.
        """
        self._check_sizes()
        for name in ("pixel_size_A", "exposure_e_A2", "voltage_kV", "thickness_A", "bead_diameter_nm"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} = {getattr(self, name):g}: the simulation needs a value above 0")
        if not self.tilts_deg or max(abs(t) for t in self.tilts_deg) > 70:
            raise SettingsError(f"tilts_deg = {self.tilts_deg}: give at least one angle, all between -70° and 70°")
        if len({round(t, 1) for t in self.tilts_deg}) < len(self.tilts_deg):
            raise SettingsError(f"tilts_deg = {self.tilts_deg}: each angle may come once")
        if not 0 < self.defocus_um[0] <= self.defocus_um[1]:
            raise SettingsError(f"defocus_um = {self.defocus_um}: give the lower limit first, above 0")

    def _check_sizes(self) -> None:
        for name in ("height", "width"):
            side = getattr(self, name)
            if side < 128 or side % 2:
                raise SettingsError(f"{name} = {side}: the simulation needs an even number of at least 128 pixels")
        for name in ("series", "frames"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} = {getattr(self, name)}: the simulation needs at least 1")

    @property
    def raw_pixel_size_A(self) -> float:
        """Pixel size of the frames as they are written."""
        return self.pixel_size_A / 2 if self.super_resolution else self.pixel_size_A

    @property
    def raw_shape(self) -> tuple[int, int]:
        """Height and width of the frames as they are written."""
        factor = 2 if self.super_resolution else 1
        return self.height * factor, self.width * factor

    @property
    def bin_exponent(self) -> int:
        """By which the frames come back to physical pixels."""
        return 1 if self.super_resolution else 0
