"""How the sample moves while it is exposed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

__all__ = ["LATTICE", "TrueMotion", "make_motion", "move_locally", "tile_centres"]

Array = NDArray[np.float64]

LATTICE = np.linspace(0.05, 0.95, 7)
"""Where displacement is compared, as fractions of the field."""

TILE_PX = 96


@dataclass(frozen=True, slots=True)
class TrueMotion:
    """Displacement (y, x) in Å, with the sign of `weft.conventions`.

    Parameters
    ----------
    path_A : ndarray, shape (frame, 2)
        Displacement of the whole image.
    local_A : ndarray, shape (frame, 2, 9)
        Coefficients of the polynomials of `_polynomials`.
    blur_A : ndarray, shape (frame, 2)
        Way run within each frame.
    """

    path_A: Array
    local_A: Array
    blur_A: Array

    def displacement(self, y_frac: ArrayLike, x_frac: ArrayLike) -> Array:
        """Return d on a lattice of fractions of the field, shape (frame, y, x, 2)."""
        y, x = np.meshgrid(np.asarray(y_frac, float), np.asarray(x_frac, float), indexing="ij")
        local = np.einsum("fcb,byx->fyxc", self.local_A, _polynomials(y, x))
        return np.asarray(self.path_A[:, None, None] + local)


def _polynomials(y_frac: Array, x_frac: Array) -> Array:
    """Return polynomials up to the third order that have no mean over the field, shape (9, ...).

    With u and v from -1 to 1 along x and y: u, v, uv, u² - 1/3, v² - 1/3, u³ - 3/5 u, v³ - 3/5 v, u (v² - 1/3),
    v (u² - 1/3). The truth of a set is written as coefficients of these, in this order.
    """
    u, v = 2 * x_frac - 1, 2 * y_frac - 1
    third = 1 / 3
    return np.stack(
        [
            u,
            v,
            u * v,
            u * u - third,
            v * v - third,
            u * (u * u - 0.6),
            v * (v * v - 0.6),
            u * (v * v - third),
            v * (u * u - third),
        ]
    )


def make_motion(
    frames: int, drift_A: float, walk_A: float, local_rms_A: float, rng: np.random.Generator, *, steady_A: float = 0.0
) -> TrueMotion:
    """Return a fast early drift that decays, a random walk, and a dome that rises and sinks.

    Parameters
    ----------
    frames : int
        Of the movie.
    drift_A : float
        Length of the early drift.
    walk_A : float
        Standard deviation of the random step from frame to frame.
    local_rms_A : float
        Root mean square of the local part over frames and field.
    rng : numpy.random.Generator
        Source of all chance.
    steady_A : float
        Way per frame of a stage that does not stop.

    Notes
    -----
    Beam-induced motion is fastest in the first few e⁻/Å² and bends the ice like a drum (Brilot et al. 2012,
    J. Struct. Biol. 177, 630; Zheng et al. 2017, Nat. Methods 14, 331).
    """
    when = np.linspace(0, 1, frames + 1)  # borders of the frames
    angle, bend = rng.uniform(0, 2 * math.pi), rng.uniform(-0.4, 0.4)
    ahead = np.array([math.sin(angle), math.cos(angle)])
    aside = np.array([ahead[1], -ahead[0]])
    early, late = 1 - np.exp(-when / 0.18), 1 - np.exp(-when / 0.5)
    way = drift_A * (early[:, None] * ahead + bend * late[:, None] * aside)
    way = way + steady_A * frames * when[:, None] * ahead
    steps = rng.normal(0, walk_A / math.sqrt(2), (frames, 2))
    way = way + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    path = 0.5 * (way[1:] + way[:-1])
    path -= path.mean(0)
    return TrueMotion(path, _local(frames, local_rms_A, rng), np.diff(way, axis=0))


def _local(frames: int, rms_A: float, rng: np.random.Generator) -> Array:
    """Return coefficients (frame, 2, 9) of two patterns with times of their own, without mean over the frames."""
    if frames < 2 or rms_A <= 0:
        return np.zeros((frames, 2, 9))
    t = (np.arange(frames) + 0.5) / frames
    fast, slow = 1 - np.exp(-t / 0.15), 1 - np.exp(-t / 0.7)
    coefficients = np.einsum("f,cb->fcb", fast - fast.mean(), _dome(rng) + 0.3 * _any_pattern(rng))
    coefficients += np.einsum("f,cb->fcb", slow - slow.mean(), 1.5 * _any_pattern(rng))
    field = TrueMotion(np.zeros((frames, 2)), coefficients, np.zeros((frames, 2))).displacement(LATTICE, LATTICE)
    return np.asarray(coefficients * (rms_A / math.sqrt((field**2).sum(-1).mean())))


def _dome(rng: np.random.Generator) -> Array:
    """Return the coefficients (2, 9) of a drumhead: away from a middle, most half way to the rim."""
    y, x = np.meshgrid(LATTICE, LATTICE, indexing="ij")
    v, u = 2 * y - 1 - rng.uniform(-0.5, 0.5), 2 * x - 1 - rng.uniform(-0.5, 0.5)
    radial = 1 - 0.35 * (u**2 + v**2)
    basis = np.concatenate([_polynomials(y, x).reshape(9, -1), np.ones((1, y.size))])
    targets = np.stack([(v * radial).ravel(), (u * radial).ravel()])
    return np.asarray(np.linalg.lstsq(basis.T, targets.T, rcond=None)[0].T[:, :9])


def _any_pattern(rng: np.random.Generator) -> Array:
    """Return random coefficients (2, 9), smaller for higher orders."""
    return np.asarray(rng.normal(size=(2, 9)) * np.array([1, 1, 0.6, 0.6, 0.6, 0.3, 0.3, 0.3, 0.3]))


def move_locally(image: NDArray[np.float32], local_px: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return an image moved by a displacement that changes slowly from place to place.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        To be moved.
    local_px : ndarray, shape (tile row, tile column, 2)
        Displacement (y, x) in pixels at the centres of `tile_centres`.

    Returns
    -------
    ndarray, shape (y, x)
        Sum of half-overlapping tiles, each weighted by a Hann window and shifted in Fourier space.
    """
    half = TILE_PX // 2
    rows, columns = local_px.shape[:2]
    after = (rows * half - image.shape[0], columns * half - image.shape[1])
    mean = image.mean(dtype=np.float64).astype(np.float32)
    padded = np.pad(image - mean, ((half, after[0]), (half, after[1])), mode="reflect")
    view = np.lib.stride_tricks.sliding_window_view(padded, (TILE_PX, TILE_PX))[::half, ::half]
    rise = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(TILE_PX) + 0.5) / TILE_PX)).astype(np.float32)
    fy = np.fft.fftfreq(TILE_PX).astype(np.float32)
    fx = np.fft.rfftfreq(TILE_PX).astype(np.float32)
    shift = local_px.astype(np.float32)
    ramp_y = np.exp(-2j * np.pi * shift[..., 0, None] * fy).astype(np.complex64)
    ramp_x = np.exp(-2j * np.pi * shift[..., 1, None] * fx).astype(np.complex64)
    # weighted before the shift, a tile has no step at its border, and windows shifted alike still add up to 1
    tiles_ft = fft.rfft2(view * (rise[:, None] * rise[None, :]))
    tiles = fft.irfft2(tiles_ft * (ramp_y[..., :, None] * ramp_x[..., None, :]), s=(TILE_PX, TILE_PX))
    out = np.zeros_like(padded)
    for i in range(rows):
        for j in range(columns):
            out[i * half : i * half + TILE_PX, j * half : j * half + TILE_PX] += tiles[i, j]
    return np.asarray(out[half : half + image.shape[0], half : half + image.shape[1]] + mean)


def tile_centres(side_px: int) -> Array:
    """Return the centres of the tiles along one side, as fractions of it (some lie outside)."""
    half = TILE_PX // 2
    count = math.ceil(side_px / half) + 1
    return np.asarray(np.arange(count) * half / side_px)
