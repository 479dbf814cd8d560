"""What training images hold besides gold: protein, membranes, filaments, carbon, crystals, bars, uneven light.

Each function draws from a generator and adds to a map of phases (rad) or of transmission, at the working scale.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from weft.fiducials.sample import WORKING_PIXEL_A

__all__ = ["add_crystals", "add_filaments", "add_proteins", "add_vesicles", "film_thickness", "shade"]

Map = NDArray[np.float64]

_PROTEIN_V = 5.4e5  # V Å³ over water, a protein of 200 kDa
_LEAFLET_V = 17.0  # V Å² ... of one leaflet seen face on, V Å
_FILAMENT_V = 1.2e3  # V Å² an Å of length
_ICE_V = 0.5  # V of crystalline over amorphous ice, with what diffraction adds


def add_proteins(phase: Map, rng: np.random.Generator, sigma: float) -> None:
    """Add clouds of points of 50 to 1500 kDa, from none to crowded."""
    side = len(phase)
    density = rng.choice([0, 2, 8, 15, 25, 80]) * rng.uniform(0.5, 1.5)  # a 100 × 100 working pixels
    count = int(density * side**2 / 1e4)
    if not count:
        return
    mass = float(np.exp(rng.uniform(np.log(0.25), np.log(5.0)))) * np.exp(rng.normal(0, 0.3, count))
    points = 40
    radius = 26.0 / WORKING_PIXEL_A * np.cbrt(mass) * rng.uniform(0.7, 1.4, count)
    centre = rng.uniform(-5, side + 5, (count, 2))
    if rng.random() < 0.3:  # aggregates
        centre = centre[rng.integers(0, max(1, count // 12), count)] + rng.normal(0, 2.5 * radius.mean(), (count, 2))
    at = centre[:, None] + rng.normal(0, 1, (count, points, 2)) * radius[:, None, None]
    weight = np.repeat(mass * _PROTEIN_V / points, points)
    yx = np.rint(at.reshape(-1, 2)).astype(int)
    inside = ((yx >= 0) & (yx < side)).all(1)
    total = np.bincount(yx[inside, 0] * side + yx[inside, 1], weight[inside], side * side).reshape(side, side)
    phase += ndi.gaussian_filter(total, 0.6) * (sigma / WORKING_PIXEL_A**2)


def add_vesicles(phase: Map, rng: np.random.Generator, sigma: float) -> None:
    """Add shells of two leaflets, some with dense contents or a lattice of blobs within."""
    side = len(phase)
    if rng.random() < 0.5:
        return
    y, x = np.mgrid[:side, :side]
    for _ in range(int(rng.integers(1, 7))):
        radius = float(np.exp(rng.uniform(np.log(120), np.log(900)))) / WORKING_PIXEL_A
        centre = rng.uniform(-0.5 * radius, side + 0.5 * radius, 2)
        stretch, turn = rng.uniform(0.8, 1.25), rng.uniform(0, math.pi)
        dy, dx = y - centre[0], x - centre[1]
        u = (dy * math.cos(turn) + dx * math.sin(turn)) * stretch
        v = (dx * math.cos(turn) - dy * math.sin(turn)) / stretch
        r2 = u**2 + v**2
        for own in (radius, radius - 40 / WORKING_PIXEL_A):
            path = own / np.sqrt(np.maximum(own**2 - r2, own * 0.7))
            phase += np.where(r2 < own**2, 2 * _LEAFLET_V * sigma * path, 0)
        if rng.random() < 0.5:
            filling = np.sqrt(np.maximum((radius - 12) ** 2 - r2, 0)) * WORKING_PIXEL_A
            grain = 1 + rng.uniform(0.2, 1.5) * ndi.gaussian_filter(rng.normal(0, 1, phase.shape), 2) * 7
            phase += sigma * rng.uniform(0.0, 0.6) * filling * grain


def add_filaments(phase: Map, rng: np.random.Generator, sigma: float) -> None:
    """Add curved lines: actin, microtubules' walls, nucleic acids, edges of membranes seen edge on."""
    side = len(phase)
    if rng.random() < 0.75:
        return
    for _ in range(int(rng.integers(1, 6))):
        at, turn = rng.uniform(0, side, 2), rng.uniform(0, 2 * math.pi)
        bends = np.cumsum(rng.normal(0, 0.03, 3 * side)) + turn
        path = at + 0.5 * np.cumsum(np.stack([np.sin(bends), np.cos(bends)], 1), 0)
        yx = np.rint(path).astype(int)
        inside = ((yx >= 0) & (yx < side)).all(1)
        line = np.bincount(yx[inside, 0] * side + yx[inside, 1], minlength=side * side).reshape(side, side) * 0.5
        strength = _FILAMENT_V * rng.uniform(0.5, 4) * sigma / WORKING_PIXEL_A
        phase += ndi.gaussian_filter(line.astype(float), rng.uniform(0.6, 2.5)) * strength


def film_thickness(rng: np.random.Generator, side: int) -> tuple[Map, NDArray[np.bool_]]:
    """Return a carbon film's thickness (Å), over all of the field or up to a rim, and the rim."""
    depth = _depth(rng, side)
    thickness = rng.uniform(80, 500)
    if rng.random() < 0.25:
        return np.full((side, side), thickness), np.zeros((side, side), dtype=bool)
    soft = rng.uniform(0.5, 6)
    film = thickness / (1 + np.exp(-np.clip(depth / soft, -30, 30)))
    return film, np.abs(depth) < soft + 5


def add_crystals(phase: Map, beam: Map, dirt: NDArray[np.bool_], rng: np.random.Generator, sigma: float) -> None:
    """Add lumps of crystalline ice, ethane drops and the like, lighter than gold but dark."""
    side = len(phase)
    y, x = np.mgrid[:side, :side]
    for _ in range(int(rng.choice([1, 1, 2, 5, 10]))):
        size = float(np.exp(rng.uniform(np.log(40), np.log(1000)))) / WORKING_PIXEL_A
        centre = rng.uniform(-0.3 * size, side + 0.3 * size, 2)
        turn = np.arctan2(y - centre[0], x - centre[1])
        lobes = rng.normal(0, rng.choice([0.02, 0.1, 0.2]), 5)
        facets = rng.choice([0, 6]) * 0.015
        rim = size * (
            1 + sum(a * np.cos((n + 2) * turn + 5 * a) for n, a in enumerate(lobes)) + facets * np.cos(6 * turn)
        )
        share = np.clip((rim - np.hypot(y - centre[0], x - centre[1])) / max(1.0, rng.uniform(0.1, 0.9) * size), 0, 1)
        shape = share ** rng.choice([0.5, 1.0])
        thickness = float(np.minimum(2 * size * WORKING_PIXEL_A, np.exp(rng.uniform(np.log(80), np.log(2000)))))
        darkest = rng.uniform(0.25, 1.0) if rng.random() < 0.3 else 1.0  # Bragg reflections take more
        beam *= np.exp(-shape * thickness / 1000) * (1 - (1 - darkest) * shape)
        phase += sigma * _ICE_V * rng.uniform(0, 2) * thickness * shape
        dirt |= share > 0.05


def shade(beam: Map, dirt: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """Add uneven ice, and at times a grid bar, an aperture's or a beam's rim."""
    side = len(beam)
    beam *= np.exp(0.08 * rng.random() * side / 20 * ndi.gaussian_filter(rng.normal(0, 1, beam.shape), side / 5))
    beam *= np.exp(rng.normal(0, 0.15) * np.linspace(-1, 1, side))[:, None]
    beam *= np.exp(rng.normal(0, 0.15) * np.linspace(-1, 1, side))[None, :]
    if rng.random() < 0.12:
        depth = _depth(rng, side)
        low = float(np.exp(rng.uniform(np.log(0.005), np.log(0.6))))
        step = 1 / (1 + np.exp(-np.clip(depth / rng.uniform(0.7, 15), -30, 30)))
        beam *= 1 - (1 - low) * step
        dirt |= step > 0.3
    if rng.random() < 0.05:
        beam *= 0.03


def _depth(rng: np.random.Generator, side: int) -> Map:
    """Return the signed distance (working pixels) from a slightly curved line across the field."""
    y, x = np.mgrid[:side, :side] - side / 2
    way, bend = rng.uniform(0, 2 * math.pi), rng.normal(0, 0.2) / side
    along, beside = math.cos(way) * x + math.sin(way) * y, math.cos(way) * y - math.sin(way) * x
    return np.asarray(along + bend * beside**2 + rng.uniform(-0.4, 0.4) * side)
