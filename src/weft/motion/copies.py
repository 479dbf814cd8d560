"""Band-limited copies of a movie's frames: small enough to be kept, all that the estimator looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.engine.device import Engine
from weft.engine.fft import fit_spectrum, good_size, irfft2
from weft.movie.bin import BinnedMovie

__all__ = ["Copies", "make_copies"]

_SPARE = 1.04  # Nyquist frequency of the copies over the end of the band
_LEAST_SAVING = 0.8  # of the pixels a coarser copy may have
_KEPT_SHARE = 0.25  # of the engine's memory may hold the copies


@dataclass(frozen=True, slots=True)
class Copies:
    """Frames on a coarse raster.

    Parameters
    ----------
    images : Tensor, shape (frame, y, x), float32
        Mean 0 and standard deviation 1 each; a frame without contrast is zero.
    pixel_sizes_A : tuple of float
        (y, x) of a pixel.
    field_A : tuple of float
        (y, x) extent of the field in Å; the images may hold padding beyond it.
    amplitude : ndarray, shape (frame,)
        Expected share of the signal, relative to the mean frame's, in each normalised frame; 0 = frame holds nothing.
    same_as : ndarray, shape (frame,)
        Number of the earlier frame that a frame repeats bit by bit, its own number otherwise.
    resolution_A : float
        End of the band.
    """

    images: Tensor
    pixel_sizes_A: tuple[float, float]
    field_A: tuple[float, float]
    amplitude: NDArray[np.float64]
    same_as: NDArray[np.intp]
    resolution_A: float

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.images)

    @property
    def field_px(self) -> tuple[int, int]:
        """(y, x) pixels that show the field."""
        return int(self.field_A[0] / self.pixel_sizes_A[0]), int(self.field_A[1] / self.pixel_sizes_A[1])

    def of(self, chosen: NDArray[np.intp]) -> Copies:
        """Return the chosen frames only."""
        index = torch.from_numpy(chosen).to(self.images.device)
        return Copies(
            self.images if len(chosen) == self.frames else self.images[index],
            self.pixel_sizes_A, self.field_A, self.amplitude[chosen], np.arange(len(chosen)), self.resolution_A,
        )  # fmt: skip


def make_copies(
    movie: BinnedMovie, resolutions_A: Sequence[float], engine: Engine, *, keep_spectra: bool = True
) -> list[Copies]:
    """Return copies of all frames, cropped in Fourier space to each of several resolutions in one pass.

    Parameters
    ----------
    movie : BinnedMovie
        The frames.
    resolutions_A : sequence of float
        Finest resolutions wanted, rising; coarser where the frames end earlier or memory is short. One that would
        save little beside the one before is left out.
    engine : Engine
        Where to compute.
    keep_spectra : bool
        Whether the movie may keep what it transforms, for the average.
    """
    wanted = np.maximum(resolutions_A, _affordable(movie, engine))
    levels: list[_Level] = []
    for resolution_A in wanted.tolist():
        shape = _sides(movie.padded, movie.pixel_sizes_A, resolution_A)
        if not levels or shape[0] * shape[1] < _LEAST_SAVING * levels[-1].images[0].numel():
            images = torch.empty((movie.frames, *shape), dtype=torch.float32, device=engine.device)
            levels.append(_Level(max(resolution_A, 2.02 * max(movie.pixel_sizes_A)), images))
    means, sigmas, empty = np.zeros(movie.frames), np.zeros(movie.frames), np.zeros(movie.frames, dtype=bool)
    for number, spectrum in enumerate(movie.spectra(levels[0].shape, keep=keep_spectra)):
        means[number] = float(spectrum[0, 0].real)
        spectrum[0, 0] = 0
        spectra = [fit_spectrum(spectrum, levels[0].shape, level.shape) for level in levels]
        for level, small in zip(levels, spectra, strict=True):
            image = irfft2(small, level.shape, engine, overwrite=True)
            sigma = _deviation(image)
            if level is levels[0]:
                sigmas[number], empty[number] = sigma, not _has_contrast(sigma, means[number], image)
            if empty[number] or sigma == 0:
                level.images[number] = 0.0
            else:
                torch.mul(image, 1 / sigma, out=level.images[number])
    extent = movie.height * movie.pixel_sizes_A[0], movie.width * movie.pixel_sizes_A[1]
    amplitude, same_as = _amplitudes(means, sigmas, empty), _repeats(levels[0].images, empty)
    return [
        Copies(level.images, level.pixel_sizes_A(movie), extent, amplitude, same_as, level.resolution_A)
        for level in levels
    ]


@dataclass(frozen=True, slots=True)
class _Level:
    resolution_A: float
    images: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        return self.images.shape[1], self.images.shape[2]

    def pixel_sizes_A(self, movie: BinnedMovie) -> tuple[float, float]:
        y, x = (s * a / b for s, a, b in zip(movie.pixel_sizes_A, movie.padded, self.shape, strict=True))
        return y, x


def _sides(padded: tuple[int, int], pixel_sizes_A: tuple[float, float], resolution_A: float) -> tuple[int, int]:
    """Return good sides whose Nyquist frequency lies a little beyond the band, at most those given."""
    wanted = [
        good_size(int(np.ceil(side * size * 2 * _SPARE / resolution_A)))
        for side, size in zip(padded, pixel_sizes_A, strict=True)
    ]
    return min(wanted[0], padded[0]), min(wanted[1], padded[1])


def _affordable(movie: BinnedMovie, engine: Engine) -> float:
    """Return the resolution whose copies fit into their share of the memory."""
    area = movie.padded[0] * movie.pixel_sizes_A[0] * movie.padded[1] * movie.pixel_sizes_A[1]
    pixels = _KEPT_SHARE * engine.memory_bytes / 4 / movie.frames
    return float(2 * _SPARE * np.sqrt(area / pixels))


def _deviation(image: Tensor) -> float:
    """Return the standard deviation of an image whose mean is 0, summed in double precision row by row."""
    squares = torch.linalg.vector_norm(image, dim=1).to(torch.float64).square().sum()
    return float(torch.sqrt(squares / image.numel()))


def _has_contrast(sigma: float, mean: float, image: Tensor) -> bool:
    scale = abs(mean) / image.numel()
    return bool(np.isfinite(sigma)) and sigma > 1e-5 * max(scale, 1e-20)


def _amplitudes(
    means: NDArray[np.float64], sigmas: NDArray[np.float64], empty: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return sqrt(exposure of a frame / mean exposure) where the noise shows that the values are counts, else 1."""
    good = ~empty
    out = good.astype(np.float64)
    if not good.any() or (means[good] <= 0).any():
        return out
    noise = np.log(sigmas[good] ** 2 / means[good])
    if np.abs(noise - np.median(noise)).max() < 0.3:
        out[good] = np.sqrt(means[good] / means[good].mean())
    return out


def _repeats(images: Tensor, empty: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return for each frame the first one with the same values."""
    out = np.arange(len(images))
    marks = images[:, ::17, ::13].reshape(len(images), -1).cpu().numpy()
    first: dict[bytes, int] = {}
    for number, mark in enumerate(marks):
        if not empty[number]:
            out[number] = first.setdefault(mark.tobytes(), number)
    return out
