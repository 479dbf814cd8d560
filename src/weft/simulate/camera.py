"""From expected electrons to counts: motion, damage, detector, chance, gain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from weft.simulate.drift import TrueMotion, move_locally, tile_centres
from weft.simulate.exposure import Scene
from weft.simulate.optics import damage_envelope, detector_transfer, rfft_frequencies

__all__ = ["Camera", "GainTruth", "make_camera", "record_frames"]

Array = NDArray[np.float32]

GAIN_SIGMA = 0.04  # pixel to pixel
HOT_COUNTS = (12.0, 60.0)  # mean counts a frame of a hot pixel
XRAYS_PER_MEGAPIXEL = 0.5  # in one frame
XRAY_COUNTS = (30, 110)


@dataclass(frozen=True, slots=True)
class GainTruth:
    """The gain reference as the movies lie, and how it must be turned to lie so.

    Parameters
    ----------
    gain : ndarray, shape (y, x)
        Multiplies raw counts; 0 where the camera is dead.
    flip_x, flip_y, transpose : bool
        The three steps, in this order, that turn the file's array into `gain`.
    """

    gain: Array
    flip_x: bool
    flip_y: bool
    transpose: bool

    def as_stored(self) -> Array:
        """Return the array to write into the file: the three steps undone, last first."""
        out = self.gain.T if self.transpose else self.gain
        out = out[::-1] if self.flip_y else out
        return np.ascontiguousarray(out[:, ::-1] if self.flip_x else out)


@dataclass(frozen=True, slots=True)
class Camera:
    """A counting camera.

    Parameters
    ----------
    raw_shape : tuple of int
        Height and width of a frame as written.
    gain : GainTruth or None
        None if the frames come gain-corrected.
    hot : ndarray, shape (pixel, 3)
        Row, column and mean counts a frame of hot pixels.
    """

    raw_shape: tuple[int, int]
    gain: GainTruth | None
    hot: NDArray[np.float64]


def make_camera(raw_shape: tuple[int, int], *, has_gain: bool, hot_pixels: int, rng: np.random.Generator) -> Camera:
    """Return a camera with faults of its own.

    Parameters
    ----------
    raw_shape : tuple of int
        Height and width of a frame as written.
    has_gain : bool
        Whether the frames need a gain reference.
    hot_pixels : int
        Number of them.
    rng : numpy.random.Generator
        Source of all chance.
    """
    hot = np.column_stack(
        [
            rng.integers(raw_shape[0], size=hot_pixels),
            rng.integers(raw_shape[1], size=hot_pixels),
            rng.uniform(*HOT_COUNTS, size=hot_pixels),
        ]
    )
    return Camera(raw_shape, _make_gain(raw_shape, rng) if has_gain else None, hot)


def _make_gain(shape: tuple[int, int], rng: np.random.Generator) -> GainTruth:
    """Return noise, the steps between read-out blocks and two dead columns, turned by chance (never unturned)."""
    gain = 1 + GAIN_SIGMA * rng.standard_normal(shape)
    blocks = 1 + 0.06 * rng.standard_normal((4, 8))
    gain *= np.kron(blocks, np.ones((-(-shape[0] // 4), -(-shape[1] // 8))))[: shape[0], : shape[1]]
    gain /= gain.mean()
    for column in rng.integers(shape[1], size=2):
        gain[:, column] = 0
    turn = int(rng.integers(1, 8))
    return GainTruth(gain.astype(np.float32), bool(turn & 1), bool(turn & 2), bool(turn & 4))


def record_frames(
    scene: Scene,
    motion: TrueMotion,
    camera: Camera,
    beam: NDArray[np.float32],
    exposures_e_A2: NDArray[np.float64],
    pixel_size_A: float,
    voltage_kV: float,
    rng: np.random.Generator,
) -> Iterator[NDArray[np.uint8]]:
    """Yield the raw counts of each frame, shape (y, x), at most 127.

    Parameters
    ----------
    scene : Scene
        Expected intensity with its margin.
    motion : TrueMotion
        Of the sample.
    camera : Camera
        With twice the field's sides if it works in super-resolution.
    beam : ndarray, shape (y, x)
        Electrons per pixel and frame that come through bare ice (does not move with the sample).
    exposures_e_A2 : ndarray, shape (frame,)
        That the sample has had by the middle of each frame, since the series began.
    pixel_size_A : float
        Of the field.
    voltage_kV : float
        Of the microscope.
    rng : numpy.random.Generator
        For counts.
    """
    canvas, (height, width) = scene.lasting.shape, beam.shape
    margin = ((canvas[0] - height) // 2, (canvas[1] - width) // 2)
    ky, kx = rfft_frequencies(canvas, pixel_size_A)
    lasting_ft, fading_ft = fft.rfft2(scene.lasting), fft.rfft2(scene.fading)
    transfer = detector_transfer(ky, kx, pixel_size_A)
    centres = (tile_centres(height), tile_centres(width))
    local_only = TrueMotion(np.zeros_like(motion.path_A), motion.local_A, motion.blur_A)
    local_px = local_only.displacement(*centres) / pixel_size_A
    for frame, exposure in enumerate(exposures_e_A2):
        (dy, dx), (by, bx) = motion.path_A[frame], motion.blur_A[frame]
        ramp = np.exp(-2j * np.pi * (ky * np.float32(dy) + kx * np.float32(dx)))
        smear = np.sinc(ky * np.float32(by) + kx * np.float32(bx))
        frame_ft = lasting_ft + fading_ft * damage_envelope(ky, kx, float(exposure), voltage_kV)
        moved = fft.irfft2(frame_ft * (ramp * smear * transfer), s=canvas)
        moved = moved[margin[0] : margin[0] + height, margin[1] : margin[1] + width]
        if np.any(local_px[frame]):
            moved = move_locally(np.ascontiguousarray(moved, dtype=np.float32), local_px[frame])
        yield _count(np.clip(moved, 0, None) * beam, camera, rng)


def _count(expected: Array, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return counts for the electrons expected on each physical pixel."""
    if camera.raw_shape != expected.shape:
        expected = _refined(expected, camera.raw_shape)
    if camera.gain is not None:
        live = camera.gain.gain > 0
        expected = np.where(live, expected / np.where(live, camera.gain.gain, 1), 0)
    counts = rng.poisson(expected)
    if len(camera.hot):
        counts[camera.hot[:, 0].astype(int), camera.hot[:, 1].astype(int)] = rng.poisson(camera.hot[:, 2])
    hits = rng.poisson(XRAYS_PER_MEGAPIXEL * counts.size / 1e6)
    counts[rng.integers(counts.shape[0], size=hits), rng.integers(counts.shape[1], size=hits)] += rng.integers(
        *XRAY_COUNTS, size=hits
    )
    return np.asarray(np.minimum(counts, 127), dtype=np.uint8)


def _refined(expected: Array, raw_shape: tuple[int, int]) -> Array:
    """Return the same electrons on a finer grid, by padding in Fourier space: the centre of pixel (0, 0) stays."""
    height, width = expected.shape
    coarse = fft.rfft2(expected)
    fine = np.zeros((raw_shape[0], raw_shape[1] // 2 + 1), coarse.dtype)
    half = height // 2
    fine[:half, : width // 2] = coarse[:half, : width // 2]
    fine[-half + 1 :, : width // 2] = coarse[-half + 1 :, : width // 2]
    return np.asarray(np.clip(fft.irfft2(fine, s=raw_shape), 0, None), dtype=np.float32)
