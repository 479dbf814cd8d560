"""Training images with known answers, made directly at the working scale: gold beads amid all that is no gold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft as sfft
import scipy.ndimage as ndi
from numpy.typing import NDArray

from weft.conventions import electron_wavelength_A
from weft.fiducials.clutter import (
    add_crystals,
    add_filaments,
    add_proteins,
    add_vesicles,
    film_thickness,
    shade,
)
from weft.fiducials.render import Spot, draw_spots
from weft.fiducials.sample import WORKING_PIXEL_A
from weft.fiducials.template import Optics, bead_contrast, interaction_constant

__all__ = ["BACKGROUND", "DIRT", "GOLD", "Scene", "make_scene"]

BACKGROUND, GOLD, DIRT = 0, 1, 2  # classes of the network
_DIAMETERS_A = (50.0, 60.0, 100.0, 100.0, 100.0, 150.0, 200.0)
_ICE_MEAN_FREE_PATH_A = 3100.0  # zero-loss filtered, 300 kV
_CARBON_MEAN_FREE_PATH_A = 1600.0
_CARBON_V = 100.0  # V Å³ an atom, 0.1 atoms/Å³
_WATER_V = 130.0  # V Å³ a molecule, 0.0314 molecules/Å³
_ICE_STRUCTURE = 0.12  # structure factor of amorphous ice at low angles


@dataclass(frozen=True, slots=True)
class Scene:
    """One training image.

    Parameters
    ----------
    expected : ndarray, shape (y, x), float32
        Mean number of electrons per working pixel, before counting.
    gold : ndarray, shape (y, x), float32
        Share of each pixel covered by gold.
    dirt : ndarray, shape (y, x), bool
        Ice crystals, rims of carbon, grid bars.
    optics : list of Optics
        In the middle and towards both ends of the slope of the defocus.
    has_phase_plate : bool
        Whether the optics shift phases.
    """

    expected: NDArray[np.float32]
    gold: NDArray[np.float32]
    dirt: NDArray[np.bool_]
    optics: list[Optics]
    has_phase_plate: bool


@dataclass(frozen=True, slots=True)
class _Setup:
    """What is drawn once for a scene."""

    defocus_A: float
    phase_shift_deg: float
    cs_mm: float
    amplitude_contrast: float
    tilt_deg: float
    thickness_A: float
    exposure_e_A2: float


def make_scene(rng: np.random.Generator, side: int) -> Scene:
    """Return a random scene of `side` × `side` working pixels.

    Parameters
    ----------
    rng : numpy.random.Generator
        Equal states give equal scenes.
    side : int
        Working pixels; at least 64.
    """
    setup = _draw_setup(rng)
    phase = np.zeros((side, side))  # rad of weak objects
    beam = np.ones((side, side))
    dirt = np.zeros((side, side), dtype=bool)
    sigma = interaction_constant(300.0)
    add_proteins(phase, rng, sigma)
    add_vesicles(phase, rng, sigma)
    add_filaments(phase, rng, sigma)
    column = setup.thickness_A / math.cos(math.radians(setup.tilt_deg))
    area = WORKING_PIXEL_A**2
    phase += rng.normal(0, math.sqrt(0.0314 * _ICE_STRUCTURE * column / area) * sigma * _WATER_V, phase.shape)
    if rng.random() < 0.15:
        film, rim = film_thickness(rng, side)
        beam *= np.exp(-film / _CARBON_MEAN_FREE_PATH_A)
        phase += rng.normal(0, 1, phase.shape) * np.sqrt(0.1 * film / area) * sigma * _CARBON_V
        dirt |= rim
    if rng.random() < 0.3:
        add_crystals(phase, beam, dirt, rng, sigma)
    weak = _imaged(phase, setup)
    shade(beam, dirt, rng)
    gold = _add_beads(beam, rng, setup)
    relative = np.maximum(beam * np.maximum(1 + weak, 0.02), 0)
    relative = _blurred(relative, rng)
    electrons = setup.exposure_e_A2 * area * math.exp(-column / _ICE_MEAN_FREE_PATH_A)
    reach = 0.4 * side * WORKING_PIXEL_A * math.tan(math.radians(setup.tilt_deg))
    optics = [
        Optics(max(2000.0, setup.defocus_A + step), 300.0, setup.cs_mm, setup.phase_shift_deg)
        for step in ((0.0,) if reach < 800 else (-reach, 0.0, reach))
    ]
    dirty = dirt & (gold < 0.5)
    return Scene((relative * electrons).astype(np.float32), gold, dirty, optics, setup.phase_shift_deg > 0)


def _draw_setup(rng: np.random.Generator) -> _Setup:
    with_plate = rng.random() < 0.25
    return _Setup(
        defocus_A=float(
            rng.uniform(3_000, 20_000) if with_plate else np.exp(rng.uniform(np.log(3_000), np.log(80_000)))
        ),
        phase_shift_deg=float(rng.uniform(30, 140)) if with_plate else 0.0,
        cs_mm=float(rng.choice([0.01, 2.0, 2.7])),
        amplitude_contrast=float(rng.uniform(0.05, 0.12)),
        tilt_deg=float(rng.uniform(0, 70)),
        thickness_A=float(np.exp(rng.uniform(np.log(250), np.log(3000)))),
        exposure_e_A2=float(np.exp(rng.choice([rng.uniform(np.log(0.5), np.log(60)), rng.normal(np.log(2.5), 0.4)]))),
    )


def _imaged(phase: NDArray[np.float64], setup: _Setup) -> NDArray[np.float64]:
    """Return the weak contrast 2 φ ⊗ CTF, CTF as `weft.conventions`, with a random envelope in it."""
    side = len(phase)
    k2 = sfft.fftfreq(side, WORKING_PIXEL_A)[:, None] ** 2 + sfft.rfftfreq(side, WORKING_PIXEL_A)[None, :] ** 2
    lam = electron_wavelength_A(300.0)
    gamma = math.pi * lam * setup.defocus_A * k2 - 0.5 * math.pi * setup.cs_mm * 1e7 * lam**3 * k2**2
    gamma += math.radians(setup.phase_shift_deg) + math.asin(setup.amplitude_contrast)
    spectrum = sfft.rfft2(phase) * (-2 * np.sin(gamma)) * np.exp(-60 * k2)
    spectrum[0, 0] = 0
    return np.asarray(sfft.irfft2(spectrum, phase.shape))


def _add_beads(beam: NDArray[np.float64], rng: np.random.Generator, setup: _Setup) -> NDArray[np.float32]:
    """Multiply beads into the beam; return the share of each pixel that they cover."""
    side = len(beam)
    if rng.random() < 0.3:
        return np.zeros(beam.shape, np.float32)
    diameter = float(rng.choice(_DIAMETERS_A) * rng.uniform(0.9, 1.1))
    mean_free_path, potential = rng.uniform(48, 85), rng.uniform(22, 31)
    spread = rng.uniform(0, 0.08)
    slope = math.tan(math.radians(setup.tilt_deg)) * WORKING_PIXEL_A
    spots = []
    for y, x in _bead_places(rng, side, diameter / WORKING_PIXEL_A):
        own = diameter * max(0.6, 1 + rng.normal(0, spread))
        height = slope * (x - side / 2) + rng.uniform(-0.5, 0.5) * setup.thickness_A
        optics = Optics(setup.defocus_A + height, 300.0, setup.cs_mm, setup.phase_shift_deg)
        row, column = round(y), round(x)
        template = bead_contrast(
            own / 2,
            optics,
            offset_px=(y - row, x - column),
            mean_free_path_A=mean_free_path,
            inner_potential_V=potential,
        )
        _multiply(beam, 1 + template, row, column)
        spots.append(Spot(y, x, own / 2 / WORKING_PIXEL_A, 1.0))
    return draw_spots(beam.shape, spots)


def _bead_places(rng: np.random.Generator, side: int, diameter: float) -> list[tuple[float, float]]:
    """Return centres: scattered over the field and a little beyond, some in clusters or overlapping."""
    count = int(rng.choice([1, 2, 4, 8, 14]) * rng.uniform(0.5, 1.5)) + 1
    places: list[tuple[float, float]] = []
    clustered = rng.random() < 0.35
    for _ in range(count):
        if places and clustered and rng.random() < 0.6:
            near = places[int(rng.integers(len(places)))]
            turn, away = rng.uniform(0, 2 * math.pi), diameter * rng.uniform(0.6, 1.6)
            places.append((near[0] + away * math.sin(turn), near[1] + away * math.cos(turn)))
        else:
            y, x = rng.uniform(-0.5 * diameter, side - 1 + 0.5 * diameter, 2)
            places.append((float(y), float(x)))
    return places


def _multiply(beam: NDArray[np.float64], factor: NDArray[np.float32], row: int, column: int) -> None:
    half = len(factor) // 2
    top, left = max(0, row - half), max(0, column - half)
    bottom, right = min(len(beam), row + half + 1), min(len(beam), column + half + 1)
    if top < bottom and left < right:
        beam[top:bottom, left:right] *= factor[
            top - row + half : bottom - row + half, left - column + half : right - column + half
        ]


def _blurred(image: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the image after residual motion and a detector's MTF."""
    sigma = rng.uniform(0, 0.6, 2)
    if rng.random() < 0.1:
        sigma[int(rng.integers(2))] = rng.uniform(0.6, 3)
    return np.asarray(ndi.gaussian_filter(image, sigma, mode="nearest"))
