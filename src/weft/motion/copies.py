"""Band-limited copies of a movie's frames: small enough to be kept, all that the estimator looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.engine.device import Engine
from weft.engine.fft import fit_spectrum, good_size, irfft2, rfft2
from weft.movie.bin import BinnedMovie

__all__ = ["Copies", "coarser", "make_copies"]

_SPARE = 1.04  # Nyquist frequency of the copies over the end of the band
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


def make_copies(movie: BinnedMovie, resolution_A: float, engine: Engine) -> Copies:
    """Return copies of all frames, cropped in Fourier space.

    Parameters
    ----------
    movie : BinnedMovie
        The frames.
    resolution_A : float
        Finest resolution wanted; coarser where the frames end earlier or memory is short.
    engine : Engine
        Where to compute.
    """
    resolution_A = max(resolution_A, _affordable(movie, engine))
    shape = _sides(movie.padded, movie.pixel_sizes_A, resolution_A)
    pixels = tuple(size * old / new for size, old, new in zip(movie.pixel_sizes_A, movie.padded, shape, strict=True))
    images = torch.empty((movie.frames, *shape), dtype=torch.float32, device=engine.device)
    means, sigmas, empty = np.zeros(movie.frames), np.zeros(movie.frames), np.zeros(movie.frames, dtype=bool)
    for number, spectrum in enumerate(movie.spectra()):
        small = fit_spectrum(spectrum, movie.padded, shape)
        means[number] = float(spectrum[0, 0].real)
        if small is spectrum:
            small = spectrum.clone()
        small[0, 0] = 0
        image = irfft2(small, shape, engine)
        sigmas[number] = _deviation(image)
        empty[number] = not _has_contrast(sigmas[number], means[number], image)
        images[number] = 0.0 if empty[number] else image / sigmas[number]
    finest = max(resolution_A, 2.02 * max(movie.pixel_sizes_A))
    extent = movie.height * movie.pixel_sizes_A[0], movie.width * movie.pixel_sizes_A[1]
    return Copies(
        images, (pixels[0], pixels[1]), extent, _amplitudes(means, sigmas, empty), _repeats(images, empty), finest
    )


def coarser(copies: Copies, resolution_A: float, engine: Engine) -> Copies:
    """Return copies cropped to a coarser band."""
    old = (copies.images.shape[1], copies.images.shape[2])
    shape = _sides(old, copies.pixel_sizes_A, resolution_A)
    if shape[0] * shape[1] > 0.8 * old[0] * old[1]:
        return copies
    images = torch.stack(
        [irfft2(fit_spectrum(rfft2(image, engine), old, shape), shape, engine) for image in copies.images]
    )
    sigma = images.std(dim=(1, 2), keepdim=True)
    images /= torch.where(sigma > 0, sigma, torch.ones_like(sigma))
    pixels = tuple(size * a / b for size, a, b in zip(copies.pixel_sizes_A, old, shape, strict=True))
    return Copies(
        images, (pixels[0], pixels[1]), copies.field_A, copies.amplitude, copies.same_as,
        max(resolution_A, copies.resolution_A),
    )  # fmt: skip


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
