"""One exposure without motion and noise: what the electrons are expected to do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from weft.simulate.optics import Optics, interaction_constant, rfft_frequencies
from weft.simulate.specimen import Specimen

__all__ = ["Pose", "Scene", "SeenBead", "ice_transmission", "make_scene"]

Array = NDArray[np.float32]

LEVEL_A = 150.0  # of defocus; half of it turns the phase by 0.16 rad at 5.4 Å
MEAN_FREE_PATH_A = 3100.0  # of electrons of 300 kV in vitreous ice before they lose energy or leave the aperture
WATERS_A3 = 0.0314  # molecules of vitreous ice per Å³ (0.94 g/cm³)
WATER_SCATTERING_A = 2.6  # amplitude of a molecule for slow changes (electron form factors of O + 2 H, bound)
ICE_STRUCTURE = 0.2  # structure factor, taken as flat: sets how strong Thon rings are
GOLD_VOLTAGE_V = 28.0  # mean inner potential of gold above that of ice
GOLD_LENGTH_A = 58.0  # in gold, after which 1/e of the intensity is left


@dataclass(frozen=True, slots=True)
class Pose:
    """How the sample stands under the beam.

    Parameters
    ----------
    tilt_deg, axis_deg : float
        As in an mdoc.
    hand : int
        +1 or -1, see `weft.conventions`.
    shift_A : tuple of float
        Place of the sample (u, v) that is seen at the centre of the image.
    """

    tilt_deg: float
    axis_deg: float
    hand: int
    shift_A: tuple[float, float]


@dataclass(frozen=True, slots=True)
class SeenBead:
    """A bead in an image: its centre in pixels (pixel (0, 0) has its centre at 0, 0), its height and defocus."""

    y_px: float
    x_px: float
    radius_px: float
    height_A: float
    defocus_A: float


@dataclass(frozen=True, slots=True)
class Scene:
    """Expected intensity of a field with a margin, relative to the beam behind bare ice.

    Parameters
    ----------
    lasting : ndarray, shape (y, x)
        1 plus the contrast of ice, times the intensity behind gold.
    fading : ndarray, shape (y, x)
        Contrast of proteins and membranes, to be added after damage.
    beads : tuple of SeenBead
        Whose centres lie inside the field without its margin.
    """

    lasting: Array
    fading: Array
    beads: tuple[SeenBead, ...]


def make_scene(
    specimen: Specimen,
    pose: Pose,
    optics: Optics,
    shape: tuple[int, int],
    pixel_size_A: float,
    margin_px: int,
    rng: np.random.Generator,
) -> Scene:
    """Image a specimen.

    Parameters
    ----------
    specimen : Specimen
        The sample.
    pose : Pose
        Its place and tilt.
    optics : Optics
        The microscope.
    shape : tuple of int
        Height and width of the field without the margin.
    pixel_size_A : float
        Of the field.
    margin_px : int
        Added on every side.
    rng : numpy.random.Generator
        For the ice, which is fresh in every exposure.

    Notes
    -----
    The slab is cut across the beam into levels of `LEVEL_A`; each level's phases are turned into contrast by the
    CTF of its own height, 2 · (-sin γ) · phase (weak-phase approximation), and summed. A gold bead is no weak object:
    its exit wave (phase and absorption) is propagated in full and its intensity multiplied in.
    """
    canvas = (shape[0] + 2 * margin_px, shape[1] + 2 * margin_px)
    points = _seen(specimen.points_A, pose, canvas, pixel_size_A)
    fading_ft, ice_ft = _contrasts(specimen, points, pose, optics, canvas, pixel_size_A, rng)
    lasting = 1 + fft.irfft2(ice_ft, s=canvas)
    fading = fft.irfft2(fading_ft, s=canvas)
    beads = _seen(specimen.beads_A, pose, canvas, pixel_size_A)
    gold = _gold(beads, specimen.bead_radius_A, pose, optics, canvas, pixel_size_A)
    inside = []
    for y, x, height in beads:
        place = SeenBead(
            y - margin_px,
            x - margin_px,
            specimen.bead_radius_A / pixel_size_A,
            height,
            0.5 * (optics.defocus_u_A + optics.defocus_v_A) + pose.hand * height,
        )
        if -0.5 <= place.y_px < shape[0] - 0.5 and -0.5 <= place.x_px < shape[1] - 0.5:
            inside.append(place)
    return Scene(np.asarray(lasting * gold, np.float32), np.asarray(fading * gold, dtype=np.float32), tuple(inside))


def _seen(
    places_A: NDArray[np.float64], pose: Pose, canvas: tuple[int, int], pixel_size_A: float
) -> NDArray[np.float64]:
    """Return (y px, x px, height Å) on the canvas of points (u, v, z) of the sample, also of those outside."""
    theta, axis = math.radians(pose.tilt_deg), math.radians(pose.axis_deg)
    u, v, z = (places_A - [*pose.shift_A, 0.0]).T
    across = u * math.cos(theta) + z * math.sin(theta)
    height = -u * math.sin(theta) + z * math.cos(theta)
    x = across * math.cos(axis) - v * math.sin(axis)
    y = across * math.sin(axis) + v * math.cos(axis)
    middle = (np.array(canvas) - 1) / 2
    return np.stack([y / pixel_size_A + middle[0], x / pixel_size_A + middle[1], height], axis=1)


def _contrasts(
    specimen: Specimen,
    points: NDArray[np.float64],
    pose: Pose,
    optics: Optics,
    canvas: tuple[int, int],
    pixel_size_A: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Return the transforms of the contrast of proteins and membranes, and of ice."""
    ky, kx = rfft_frequencies(canvas, pixel_size_A)
    weights = specimen.weights_VA3 * interaction_constant(optics.voltage_kV) / pixel_size_A**2
    inside = np.all((points[:, :2] > 1) & (points[:, :2] < np.array(canvas) - 2), axis=1)
    points, weights = points[inside], weights[inside]
    top, bottom = _slab_faces(specimen.thickness_A, pose, canvas, pixel_size_A)
    count = max(1, math.ceil((top.max() - bottom.min()) / LEVEL_A))
    edges = 0.5 * (top.max() + bottom.min()) + LEVEL_A * (np.arange(count + 1) - count / 2)
    level = np.clip(((points[:, 2] - edges[0]) / LEVEL_A).astype(int), 0, count - 1)
    noise = _ice_variance(optics) / pixel_size_A**2
    waves = np.exp(1j * (optics.aberration(ky, kx) + np.float32(math.asin(optics.amplitude_contrast))))
    fading_ft = np.zeros((canvas[0], canvas[1] // 2 + 1), np.complex64)
    ice_ft = np.zeros_like(fading_ft)
    for i in range(count):
        middle = 0.5 * (edges[i] + edges[i + 1])
        turn = np.exp(1j * np.float32(math.pi * optics.wavelength_A * pose.hand * middle) * (ky**2 + kx**2))
        transfer = -2 * (waves * turn).imag
        thick = np.clip(np.minimum(top, edges[i + 1]) - np.maximum(bottom, edges[i]), 0, None)
        ice = rng.standard_normal(canvas, dtype=np.float32) * np.sqrt(thick * noise, dtype=np.float32)
        ice_ft += transfer * fft.rfft2(ice)
        here = level == i
        if here.any():
            fading_ft += transfer * fft.rfft2(_splat(points[here, :2], weights[here], canvas))
    envelope = optics.envelope(ky, kx)
    return fading_ft * envelope, ice_ft * envelope


def _slab_faces(thickness_A: float, pose: Pose, canvas: tuple[int, int], pixel_size_A: float) -> tuple[Array, Array]:
    """Return the heights of the slab's two faces above the focal plane at every pixel."""
    theta, axis = math.radians(pose.tilt_deg), math.radians(pose.axis_deg)
    y, x = (np.arange(side) - (side - 1) / 2 for side in canvas)
    across = (x[None, :] * math.cos(axis) + y[:, None] * math.sin(axis)) * pixel_size_A
    middle = -across * math.tan(theta)
    half = 0.5 * thickness_A / math.cos(theta)
    return np.asarray(middle + half, np.float32), np.asarray(middle - half, dtype=np.float32)


def _ice_variance(optics: Optics) -> float:
    """Return the phase variance (rad²) of 1 Å of ice on 1 Å²: n S (λ f)², that of independent scatterers times S."""
    return WATERS_A3 * ICE_STRUCTURE * (optics.wavelength_A * WATER_SCATTERING_A) ** 2


def _splat(places: NDArray[np.float64], weights: NDArray[np.float64], canvas: tuple[int, int]) -> Array:
    """Return a canvas with each weight shared between the four pixels around its place."""
    corner = np.floor(places).astype(int)
    y, x = (places - corner).T
    flat = corner[:, 0] * canvas[1] + corner[:, 1]
    index = np.concatenate([flat, flat + 1, flat + canvas[1], flat + canvas[1] + 1])
    shares = np.concatenate([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x]) * np.tile(weights, 4)
    return np.bincount(index, shares, minlength=canvas[0] * canvas[1]).reshape(canvas).astype(np.float32)


def _gold(
    beads: NDArray[np.float64],
    radius_A: float,
    pose: Pose,
    optics: Optics,
    canvas: tuple[int, int],
    pixel_size_A: float,
) -> Array:
    """Return the intensity behind gold alone, 1 where there is none."""
    reach = radius_A + optics.wavelength_A * optics.defocus_u_A * 0.15 + 40  # where fringes of 1/0.15 Å end
    side = fft.next_fast_len(2 * math.ceil(reach / pixel_size_A), real=True)
    edge = np.clip((side / 2 - np.abs(np.arange(side) - side // 2)) / 8, 0, 1)
    taper = (edge[:, None] * edge[None, :]).astype(np.float32)
    out = np.ones(canvas, np.float32)
    for y, x, height in beads:
        corner = (math.floor(y) - side // 2, math.floor(x) - side // 2)
        rows = slice(max(0, corner[0]), min(canvas[0], corner[0] + side))
        columns = slice(max(0, corner[1]), min(canvas[1], corner[1] + side))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        image = _bead(side, y - corner[0], x - corner[1], radius_A, height * pose.hand, optics, pixel_size_A)
        image = 1 + (image - 1) * taper
        out[rows, columns] *= image[
            rows.start - corner[0] : rows.stop - corner[0], columns.start - corner[1] : columns.stop - corner[1]
        ]
    return out


def _bead(side: int, y: float, x: float, radius_A: float, lift_A: float, optics: Optics, pixel_size_A: float) -> Array:
    """Return the intensity in a box with one bead: |F⁻¹[F[ψ - 1] exp(iγ)] + 1|²."""
    fine = 2  # the wave is made on a grid twice as fine, so that the rim is not jagged
    at = (np.arange(side * fine) + 0.5) / fine - 0.5
    r2 = ((at[:, None] - y) ** 2 + (at[None, :] - x) ** 2) * pixel_size_A**2
    thick = 2 * np.sqrt(np.clip(radius_A**2 - r2, 0, None))
    phase = interaction_constant(optics.voltage_kV) * GOLD_VOLTAGE_V * thick
    wave = (np.exp(-0.5 * thick / GOLD_LENGTH_A + 1j * phase) - 1).astype(np.complex64)
    wave = wave.reshape(side, fine, side, fine).mean((1, 3))
    ky = np.fft.fftfreq(side, pixel_size_A)[:, None].astype(np.float32)
    kx = np.fft.fftfreq(side, pixel_size_A)[None, :].astype(np.float32)
    pupil = np.exp(1j * optics.aberration(ky, kx, lift_A)) * optics.envelope(ky, kx)
    return np.asarray(np.abs(1 + fft.ifft2(fft.fft2(wave) * pupil)) ** 2, dtype=np.float32)


def ice_transmission(thickness_A: float, tilt_deg: float) -> float:
    """Return the share of electrons that pass a tilted slab, exp(-t / (Λ cos θ))."""
    return math.exp(-thickness_A / (MEAN_FREE_PATH_A * math.cos(math.radians(tilt_deg))))
