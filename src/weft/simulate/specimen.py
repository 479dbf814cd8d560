"""The sample: proteins, vesicles and gold in a slab of ice, in three dimensions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.simulate.options import SimulationOptions

__all__ = ["Specimen", "make_specimen"]

Array = NDArray[np.float64]

PROTEIN_VOLUME_A3 = 6.0e5  # 500 kDa at 1.21 Å³/Da
PROTEIN_POINTS = 300
PROTEIN_VOLTAGE_V = 2.5  # protein's mean inner potential above that of vitreous ice
VESICLE_RADIUS_A = (250.0, 420.0)
POINT_AREA_A2 = 120.0  # of a membrane, for one point
# Layers of a vesicle's shell: distance from the middle of the bilayer (Å) and volts times thickness (V Å).
# Two leaflets of head groups, the lighter hydrocarbon core, and a protein lattice inside, as in an immature virus.
SHELL = ((19.0, 14.0), (0.0, -16.0), (-19.0, 14.0), (-80.0, 25.0))


@dataclass(frozen=True, slots=True)
class Specimen:
    """What lies in the ice, in Å from the middle of the slab: (u, v, z).

    u runs at right angles to the tilt axis, v along it, z through the ice.

    Parameters
    ----------
    points_A : ndarray, shape (point, 3)
        Pseudo-atoms of proteins and membranes.
    weights_VA3 : ndarray, shape (point,)
        Potential of each, integrated over its volume.
    beads_A : ndarray, shape (bead, 3)
        Centres of the gold beads.
    bead_radius_A : float
        Of all of them.
    thickness_A : float
        Of the slab.
    """

    points_A: Array
    weights_VA3: Array
    beads_A: Array
    bead_radius_A: float
    thickness_A: float


def make_specimen(options: SimulationOptions, rng: np.random.Generator) -> Specimen:
    """Fill a slab large enough for every tilt.

    Parameters
    ----------
    options : SimulationOptions
        Numbers are per untilted field; the density is the same everywhere.
    rng : numpy.random.Generator
        Source of all chance.
    """
    half_u, half_v = slab_extent(options)
    field_A2 = options.height * options.width * options.pixel_size_A**2
    crowd = 4 * half_u * half_v / field_A2
    half = np.array([half_u, half_v, 0.5 * options.thickness_A])
    radius = 5.0 * options.bead_diameter_nm
    beads = _spread(rng, rng.poisson(options.beads * crowd) if options.beads else 0, half, margin_A=radius)
    beads = _apart(beads, 2.2 * radius)
    if options.beads and len(options.tilts_deg) == 1:
        beads = _with_some_in_view(beads, options)
    centres, radii = _place_vesicles(rng, round(options.vesicles * crowd), half)
    parts = [_vesicle(rng, centre, size) for centre, size in zip(centres, radii, strict=True)]
    places = _spread(rng, round(options.proteins * crowd), half, margin_A=60.0)
    parts += [_protein(rng, place) for place in places]
    points = np.concatenate([p for p, _ in parts]) if parts else np.zeros((0, 3))
    weights = np.concatenate([w for _, w in parts]) if parts else np.zeros(0)
    return Specimen(points, weights, beads, radius, options.thickness_A)


def slab_extent(options: SimulationOptions) -> tuple[float, float]:
    """Return half the extent (Å) along u and v that some tilt sees, with 400 Å to spare."""
    axis = math.radians(options.axis_deg)
    height, width = options.height * options.pixel_size_A / 2, options.width * options.pixel_size_A / 2
    across = abs(math.cos(axis)) * width + abs(math.sin(axis)) * height
    along = abs(math.sin(axis)) * width + abs(math.cos(axis)) * height
    steepest = math.radians(max(abs(t) for t in options.tilts_deg))
    return (across + 0.5 * options.thickness_A * math.sin(steepest)) / math.cos(steepest) + 400, along + 400


def _spread(rng: np.random.Generator, count: int, half: Array, margin_A: float) -> Array:
    """Return places all over the slab, not nearer to its faces than the margin."""
    room = np.array([half[0], half[1], max(0.0, half[2] - margin_A)])
    return np.asarray(rng.uniform(-1, 1, (count, 3)) * room)


def _apart(places: Array, distance_A: float) -> Array:
    """Return the places that keep their distance from all earlier ones."""
    kept: list[Array] = []
    for place in places:
        if all(np.linalg.norm(place - other) >= distance_A for other in kept):
            kept.append(place)
    return np.array(kept).reshape(-1, 3)


def _with_some_in_view(beads: Array, options: SimulationOptions) -> Array:
    """Return the beads; a single image with gold asked for and none in view gets one in its middle."""
    reach = 0.4 * min(options.height, options.width) * options.pixel_size_A
    if len(beads) and np.any(np.hypot(beads[:, 0], beads[:, 1]) < reach):
        return beads
    return np.concatenate([beads, np.zeros((1, 3))])


def _place_vesicles(rng: np.random.Generator, count: int, half: Array) -> tuple[Array, Array]:
    """Return centres and radii; the smallest must fit into the ice."""
    largest = min(VESICLE_RADIUS_A[1], half[2] - 40)
    if largest < VESICLE_RADIUS_A[0] or count < 1:
        return np.zeros((0, 3)), np.zeros(0)
    radii = rng.uniform(VESICLE_RADIUS_A[0], largest, count)
    centres = np.stack([rng.uniform(-h, h, count) for h in half[:2]], axis=1)
    depth = rng.uniform(-1, 1, count) * (half[2] - 30 - radii)
    return np.column_stack([centres, depth]), radii


def _vesicle(rng: np.random.Generator, centre: Array, radius_A: float) -> tuple[Array, Array]:
    """Return points and weights of a bilayer with a protein lattice inside."""
    points, weights = [], []
    for offset, volts_A in SHELL:
        size = radius_A + offset
        area = 4 * math.pi * size**2
        count = max(8, round(area / POINT_AREA_A2))
        points.append(centre + size * _sphere(rng, count))
        weights.append(np.full(count, volts_A * area / count))
    return np.concatenate(points), np.concatenate(weights)


def _sphere(rng: np.random.Generator, count: int) -> Array:
    """Return directions spread evenly over a sphere (a Fibonacci lattice, slightly shaken)."""
    index = np.arange(count) + 0.5
    polar = np.arccos(1 - 2 * index / count) + rng.normal(0, 0.3 / math.sqrt(count), count)
    around = math.pi * (1 + 5**0.5) * index + rng.normal(0, 0.3 / math.sqrt(count), count)
    return np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], axis=1)


def _protein(rng: np.random.Generator, place: Array) -> tuple[Array, Array]:
    """Return pseudo-atoms of a few touching lobes: a shape of its own for each protein."""
    lobes = int(rng.integers(1, 5))
    lobe_radius = (PROTEIN_VOLUME_A3 / lobes * 3 / (4 * math.pi)) ** (1 / 3)
    centres = np.zeros((lobes, 3))
    for i in range(1, lobes):
        step = rng.normal(size=3)
        centres[i] = centres[rng.integers(i)] + 1.1 * lobe_radius * step / np.linalg.norm(step)
    away = rng.normal(size=(PROTEIN_POINTS, 3))
    away *= (rng.random(PROTEIN_POINTS) ** (1 / 3) / np.linalg.norm(away, axis=1))[:, None] * lobe_radius
    points = centres[rng.integers(lobes, size=PROTEIN_POINTS)] + away
    weight = PROTEIN_VOLTAGE_V * PROTEIN_VOLUME_A3 / PROTEIN_POINTS
    return place + points - centres.mean(0), np.full(PROTEIN_POINTS, weight)
