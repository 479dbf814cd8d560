"""Pictures of the CTF for RELION: the spectrum as a whole plane, and with the model in its left half, as CTFFIND makes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.conventions import electron_wavelength_A
from weft.errors import InputError
from weft.fields import CtfFit
from weft.io.mrc import read_mrc, write_mrc
from weft.state.project import Project
from weft.state.record import Record

__all__ = ["CtfImages", "ctf_amplitude", "whole_plane", "write_ctf_images"]

Image = NDArray[np.float32]

_SHOWN_PERCENT = (2.0, 99.5)  # of the spectrum's values, drawn from 0 to 1 beside the model
_LEAST_K = 0.05  # of Nyquist: what lies nearer to the middle is no ring


@dataclass(frozen=True, slots=True)
class CtfImages:
    """Files of one movie: the spectrum, and the spectrum beside the model."""

    spectrum: Path
    fit: Path


def write_ctf_images(project: Project, records: Sequence[Record], folder: Path) -> list[CtfImages]:
    """Write ``ctf/NAME_PS.mrc`` and ``ctf/NAME.ctf`` of movies; return the files, none if a movie has no spectrum.

    Parameters
    ----------
    project : Project
        With the spectra, half planes as Warp lays them out.
    records : sequence of Record
        Of the movies.
    folder : Path
        ``ctf`` is made in it.

    Raises
    ------
    MachineError
        If they cannot be written.
    """
    written = []
    for record in records:
        path = project.path("spectrum", record.name)
        if record.ctf is None or not path.exists():
            return []
        try:
            plane = whole_plane(np.asarray(read_mrc(path)[0], dtype=np.float32))
        except InputError:
            return []
        fit = record.ctf.to_fit()
        files = CtfImages(folder / "ctf" / f"{record.name}_PS.mrc", folder / "ctf" / f"{record.name}.ctf")
        write_mrc(files.spectrum, plane, fit.pixel_size_A)
        write_mrc(files.fit, _beside_model(plane, fit), fit.pixel_size_A)
        written.append(files)
    return written


def whole_plane(half: Image) -> Image:
    """Return the plane of which Warp keeps one half; k = 0 lies at (side // 2, side // 2).

    Parameters
    ----------
    half : ndarray, shape (side // 2, side), float32
        k_y from 1 - side // 2 to 0 over the rows, k_x from -side // 2 over the columns, the first of them unknown.

    Notes
    -----
    The spectrum of a real image is point-symmetric. What the half does not tell (k_x = -side / 2, k_y = -side / 2) is
    taken from beside it.
    """
    rows, side = half.shape
    known = half.copy()
    known[:, 0] = known[:, 1]
    plane = np.empty((side, side), dtype=np.float32)
    plane[1 : rows + 1] = known
    mirrored = known[:-1, 1:][::-1, ::-1]  # k_y from 1 up, k_x from 1 - side // 2 up
    plane[rows + 1 :, 1:] = mirrored
    plane[rows + 1 :, 0] = plane[rows + 1 :, 1]
    plane[0] = plane[1]
    return plane


def ctf_amplitude(side: int, fit: CtfFit) -> Image:
    """Return |CTF| at the centre of the field over a plane as of `whole_plane`; 0 where nothing was fitted."""
    if not math.isfinite(fit.defocus_A):
        return np.zeros((side, side), dtype=np.float32)
    k = (np.arange(side) - side // 2) / (side * fit.pixel_size_A)
    k2 = k[:, None] ** 2 + k[None, :] ** 2
    angle = np.arctan2(k[:, None], k[None, :])
    wavelength_A = electron_wavelength_A(fit.voltage_kV)
    defocus_A = fit.defocus_A + 0.5 * fit.astigmatism_A * np.cos(2 * (angle - math.radians(fit.angle_deg)))
    gamma = math.pi * wavelength_A * defocus_A * k2 - 0.5 * math.pi * fit.cs_mm * 1e7 * wavelength_A**3 * k2**2
    gamma += math.radians(fit.phase_shift_deg) + math.asin(fit.amplitude_contrast)
    return np.asarray(np.abs(np.sin(gamma)), dtype=np.float32)


def _beside_model(plane: Image, fit: CtfFit) -> Image:
    """Return the spectrum, its rings drawn from 0 to 1, with the model in the left half."""
    side = plane.shape[0]
    k = (np.arange(side) - side // 2) / (0.5 * side)
    rings = np.hypot(k[:, None], k[None, :]) > _LEAST_K
    low, high = np.percentile(plane[rings & np.isfinite(plane)], _SHOWN_PERCENT)
    shown: Image = np.clip((np.nan_to_num(plane) - low) / max(high - low, 1e-12), 0, 1).astype(np.float32)
    shown[:, : side // 2] = ctf_amplitude(side, fit)[:, : side // 2]
    return shown
