"""Band-limited copies of a movie's frames: small enough to be kept, all that the estimator looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.engine.device import Engine
from weft.engine.fft import fit_spectrum, good_size, irfft2
from weft.movie.bin import BinnedMovie

__all__ = ["Bands", "Copies", "make_bands"]

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


@dataclass(frozen=True, slots=True)
class Bands:
    """Spectra of all frames inside a band, from which copies are made.

    Parameters
    ----------
    spectra : Tensor, shape (frame, y, x // 2 + 1), complex64
        Component 0 is 0.
    shape : tuple of int
        (y, x) of the images that these are spectra of.
    extent_A : tuple of float
        (y, x) of the images, padding included.
    field_A : tuple of float
        (y, x) of the field.
    sigmas : ndarray, shape (frame,)
        Standard deviations of the images.
    amplitude : ndarray, shape (frame,)
        As in `Copies`.
    same_as : ndarray, shape (frame,)
        As in `Copies`.
    resolution_A : float
        End of the band.
    engine : Engine
        Where to compute.
    """

    spectra: Tensor
    shape: tuple[int, int]
    extent_A: tuple[float, float]
    field_A: tuple[float, float]
    sigmas: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    same_as: NDArray[np.intp]
    resolution_A: float
    engine: Engine

    def copies(self, resolution_A: float, *, last: bool = False) -> Copies:
        """Return copies of all frames cropped to a resolution.

        Parameters
        ----------
        resolution_A : float
            End of their band; that of this band where a coarser one would save little.
        last : bool
            Whether the copies take the spectra's memory, so that no others can be made. Those of the whole band do.
        """
        shape = _sides(self.shape, self._pixel_sizes_A(self.shape), resolution_A)
        if shape[0] * shape[1] >= _LEAST_SAVING * self.shape[0] * self.shape[1]:
            shape, resolution_A = self.shape, self.resolution_A
        if last or shape == self.shape:
            memory = torch.view_as_real(self.spectra).flatten(1)
            images = memory[:, : shape[0] * shape[1]].view(-1, *shape)
        else:
            images = torch.empty((len(self.spectra), *shape), dtype=torch.float32, device=self.spectra.device)
        for number, spectrum in enumerate(self.spectra):
            image = irfft2(fit_spectrum(spectrum, self.shape, shape), shape, self.engine, overwrite=True)
            sigma = _deviation(image)
            if self.amplitude[number] == 0 or sigma == 0:
                images[number] = 0.0
            else:
                torch.mul(image, 1 / sigma, out=images[number])
        return Copies(images, self._pixel_sizes_A(shape), self.field_A, self.amplitude, self.same_as, resolution_A)

    def _pixel_sizes_A(self, shape: tuple[int, int]) -> tuple[float, float]:
        return self.extent_A[0] / shape[0], self.extent_A[1] / shape[1]


def make_bands(movie: BinnedMovie, resolution_A: float, engine: Engine, *, keep_spectra: bool = True) -> Bands:
    """Return the spectra of all frames, cropped to a resolution.

    Parameters
    ----------
    movie : BinnedMovie
        The frames.
    resolution_A : float
        Finest resolution wanted; coarser where the frames end earlier or memory is short.
    engine : Engine
        Where to compute.
    keep_spectra : bool
        Whether the movie may keep what it transforms, for the average.
    """
    resolution_A = max(resolution_A, _affordable(movie, engine))
    shape = _sides(movie.padded, movie.pixel_sizes_A, resolution_A)
    spectra = torch.empty((movie.frames, shape[0], shape[1] // 2 + 1), dtype=torch.complex64, device=engine.device)
    means, sigmas = np.zeros(movie.frames), np.zeros(movie.frames)
    for number, spectrum in enumerate(movie.spectra(shape, keep=keep_spectra)):
        means[number] = float(spectrum[0, 0].real)
        spectrum[0, 0] = 0
        spectra[number] = spectrum
        sigmas[number] = _deviation_of(spectrum, shape)
    pixels = shape[0] * shape[1]
    empty = ~(np.isfinite(sigmas) & (sigmas > 1e-5 * np.maximum(np.abs(means) / pixels, 1e-20)))
    return Bands(
        spectra,
        shape,
        (movie.padded[0] * movie.pixel_sizes_A[0], movie.padded[1] * movie.pixel_sizes_A[1]),
        (movie.height * movie.pixel_sizes_A[0], movie.width * movie.pixel_sizes_A[1]),
        sigmas,
        _amplitudes(means, sigmas, empty),
        _repeats(spectra, empty),
        max(resolution_A, 2.02 * max(movie.pixel_sizes_A)),
        engine,
    )


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


def _deviation_of(spectrum: Tensor, shape: tuple[int, int]) -> float:
    """Return the same of the image whose spectrum is given."""
    squares = torch.linalg.vector_norm(torch.view_as_real(spectrum).flatten(1), dim=1).to(torch.float64).square().sum()
    once = [0] if shape[1] % 2 else [0, -1]  # columns that stand for themselves only
    alone = torch.linalg.vector_norm(spectrum[:, once], dtype=torch.complex128).square()
    return float(torch.sqrt(2 * squares - alone)) / (shape[0] * shape[1])


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


def _repeats(spectra: Tensor, empty: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return for each frame the first one with the same values."""
    out = np.arange(len(spectra))
    marks = spectra[:, ::17, ::7].reshape(len(spectra), -1).cpu().numpy()
    first: dict[bytes, int] = {}
    for number, mark in enumerate(marks):
        if not empty[number]:
            out[number] = first.setdefault(mark.tobytes(), number)
    return out
