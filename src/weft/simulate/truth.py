"""The truth of a simulated set: one plain layout, written by Weft and by others, read into Weft's conventions.

::

    settings.json       pixel_A (of the frames as written), voltage_kv, cs_mm, amplitude_contrast, frames,
                        dose_per_frame_e_A2, gain, bead_diameter_A, tilt_axis_deg
    truth/truth.json    kind, seed, settings, images: one entry a movie
                        name, file, shape [y, x], frames, series, order, bad, tilt_deg, axis_deg, handedness,
                        prior_dose, dose, defocus_u_A, defocus_v_A, angle_deg, phase_shift_deg,
                        defocus_gradient_xy (Å per Å), shift_A (of the sample along u and v), thickness_A,
                        bare_counts_per_pixel_frame, transmission, mean_beam, mean_counts, global_rms_A, local_rms_A,
                        beads: [{x_px, y_px, radius_px, height_A, defocus_A}]
    truth/NAME.npz      displacement_A (frame, y, x, 2), the pair in the order x, y; lattice (7,); global_A, its mean;
                        path_A (frame, 2), local_coefficients_A (frame, 2, 9), blur_A (frame, 2), all x, y

Everything there counts rows as the file stores them. Weft turns the rows of TIFF movies when it reads them, so
`read_truth` turns the truth of such movies, too, and swaps pairs into (y, x).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError, MissingError
from weft.simulate.drift import LATTICE

__all__ = ["MovieTruth", "SetTruth", "read_truth", "turn_rows"]


@dataclass(frozen=True, slots=True)
class MovieTruth:
    """What is true of one movie, in Weft's conventions (rows as Weft reads them).

    Parameters
    ----------
    name : str
        Stem of the movie.
    file : str
        Relative to the set's folder.
    shape : tuple of int
        Raw height and width.
    pixel_size_A : float
        Of the raw frames.
    frames : int
        As recorded.
    displacement_A : ndarray, shape (frame, y, x, 2)
        Displacement (y, x) at `lattice` × `lattice`.
    lattice : ndarray, shape (7,)
        Fractions of the field.
    defocus_u_A, defocus_v_A, angle_deg, phase_shift_deg : float or None
        At the centre; None where there is nothing to fit.
    gradient_xy : tuple of float
        Change of defocus along +x and +y, Å per Å.
    hand : int or None
        Handedness of the series; None for an untilted movie, where it means nothing.
    tilt_deg, axis_deg : float
        As in the mdoc.
    series : str
        Name of the series, empty if there is none.
    beads : ndarray, shape (bead, 3)
        y, x, radius in Å, from the centre of pixel (0, 0).
    bad : str
        Why the image is unusable; empty if it is usable.
    """

    name: str
    file: str
    shape: tuple[int, int]
    pixel_size_A: float
    frames: int
    displacement_A: NDArray[np.float64]
    lattice: NDArray[np.float64]
    defocus_u_A: float | None
    defocus_v_A: float | None
    angle_deg: float
    phase_shift_deg: float
    gradient_xy: tuple[float, float]
    hand: int | None
    tilt_deg: float
    axis_deg: float
    series: str
    beads: NDArray[np.float64]
    bad: str

    @property
    def defocus_A(self) -> float | None:
        """Mean of U and V."""
        if self.defocus_u_A is None or self.defocus_v_A is None:
            return None
        return 0.5 * (self.defocus_u_A + self.defocus_v_A)


@dataclass(frozen=True, slots=True)
class SetTruth:
    """What is true of a set: its kind, seed, the settings a user would know, and its movies by name."""

    kind: str
    seed: int
    settings: dict[str, Any]
    movies: dict[str, MovieTruth]


def read_truth(folder: Path) -> SetTruth:
    """Read the truth of a set made by Weft or by another program that writes the same layout.

    Parameters
    ----------
    folder : Path
        Of the set.

    Raises
    ------
    MissingError
        If there is no truth.
    InputError
        If it is not in this layout.
    """
    path = folder / "truth" / "truth.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingError(
            f"{path}: no truth lies here, so nothing can be compared; give a folder made by `weft simulate`"
        ) from None
    except ValueError as error:
        raise InputError(f"{path}: this is not JSON ({error}); make the set again with `weft simulate`") from None
    try:
        movies = [_movie(folder, entry, data["settings"]) for entry in data["images"]]
        return SetTruth(data["kind"], data["seed"], data["settings"], {movie.name: movie for movie in movies})
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: the entry {error} is missing; make the set again with `weft simulate`") from None


def _movie(folder: Path, entry: dict[str, Any], settings: dict[str, Any]) -> MovieTruth:
    """Return one entry in Weft's conventions."""
    pixel = float(settings["pixel_A"])
    height, width = entry["shape"]
    beads = [(b["y_px"] * pixel, b["x_px"] * pixel, b["radius_px"] * pixel) for b in entry.get("beads", [])]
    tilted = abs(float(entry.get("tilt_deg", 0.0))) > 0.5
    gradient = entry.get("defocus_gradient_xy", (0.0, 0.0))
    stored = MovieTruth(
        name=entry["name"],
        file=entry["file"],
        shape=(int(height), int(width)),
        pixel_size_A=pixel,
        frames=int(entry["frames"]),
        displacement_A=_displacement(folder, entry),
        lattice=LATTICE.copy(),
        defocus_u_A=entry.get("defocus_u_A"),
        defocus_v_A=entry.get("defocus_v_A"),
        angle_deg=float(entry.get("angle_deg", 0.0)),
        phase_shift_deg=float(entry.get("phase_shift_deg", 0.0)),
        gradient_xy=(float(gradient[0]), float(gradient[1])),
        hand=int(entry["handedness"]) if tilted and "handedness" in entry else None,
        tilt_deg=float(entry.get("tilt_deg", 0.0)),
        axis_deg=float(entry.get("axis_deg") or settings.get("tilt_axis_deg") or 0.0),
        series=str(entry.get("series") or ""),
        beads=np.array(beads, dtype=np.float64).reshape(-1, 3),
        bad=str(entry.get("bad") or entry.get("what") or ""),
    )
    return turn_rows(stored) if entry["file"].endswith((".tif", ".tiff")) else stored


def _displacement(folder: Path, entry: dict[str, Any]) -> NDArray[np.float64]:
    """Return the lattice of displacements, pairs (y, x), without a mean over the frames."""
    file = folder / "truth" / f"{entry['name']}.npz"
    if file.exists():
        with np.load(file) as arrays:
            moved = np.asarray(arrays["displacement_A"], dtype=np.float64)
    else:
        moved = np.zeros((entry["frames"], len(LATTICE), len(LATTICE), 2))
    moved = moved[..., ::-1]
    return np.asarray(moved - moved.mean(0))


def turn_rows(movie: MovieTruth) -> MovieTruth:
    """Return the truth of the same movie with its rows counted from the other end."""
    last = (movie.shape[0] - 1) * movie.pixel_size_A
    beads = movie.beads.copy()
    beads[:, 0] = last - beads[:, 0]
    return replace(
        movie,
        displacement_A=movie.displacement_A[:, ::-1] * np.array([-1.0, 1.0]),
        lattice=1 - movie.lattice[::-1],
        angle_deg=-movie.angle_deg,
        gradient_xy=(movie.gradient_xy[0], -movie.gradient_xy[1]),
        beads=beads,
    )
