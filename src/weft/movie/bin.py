"""Frames Fourier-cropped to their binned size, as spectra; each frame is decoded and transformed once.

Notes
-----
A frame is padded to a size that transforms fast, the spectrum is cropped, and the spectrum of the *padded* binned frame
is what is kept: shifting, summing and one inverse transform follow, and the padding is cut off at the end. Both padded
sides keep the ratio of raw to binned side, so the pixel size stays exact. The padding continues the frame by its
mirror image, blended from one edge to the opposite one, so that nothing rings where the two edges differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.conventions import binned_side
from weft.engine.device import Engine
from weft.engine.fft import fit_spectrum, irfft2, rfft2
from weft.errors import SettingsError

__all__ = ["BinnedMovie", "FrameSource", "SourceInfo", "bin_movie"]

_MARGIN = 16  # binned pixels of padding at least, between one edge and the opposite one
_KEPT_SHARE = 0.35  # of the engine's memory may hold spectra
_MOST_PADDING = 1.15
_OFF_PX = 0.01
_SEARCH = 400  # sizes tried at least
_LEAST_SIDE = 16
_WORK_OF_FACTOR = {2: 1.0, 3: 1.7, 5: 3.0, 7: 5.0, 11: 9.0}


class SourceInfo(Protocol):
    """What must be known of a movie before its frames are read."""

    @property
    def frames(self) -> int:
        """Number of frames."""

    @property
    def height(self) -> int:
        """Rows of a raw frame."""

    @property
    def width(self) -> int:
        """Columns of a raw frame."""


class FrameSource(Protocol):
    """Corrected frames that can be read any number of times, like `weft.movie.prepare.PreparedMovie`."""

    @property
    def info(self) -> Any:
        """`SourceInfo` of the frames."""

    def frames(self) -> Iterator[NDArray[np.float32]]:
        """Yield frames (y, x), electrons per raw pixel."""


@dataclass(frozen=True, slots=True)
class BinnedMovie:
    """A movie at its binned size, frame by frame.

    Parameters
    ----------
    frames, height, width : int
        Number of frames; binned rows and columns.
    pixel_size_A : float
        Of a binned pixel (geometric mean of both axes).
    pixel_sizes_A : tuple of float
        (y, x); they differ if the binned sides had to be rounded.
    padded : tuple of int
        (y, x) of the images whose spectra are kept.
    engine : Engine
        Where to compute.
    """

    frames: int
    height: int
    width: int
    pixel_size_A: float
    pixel_sizes_A: tuple[float, float]
    padded: tuple[int, int]
    engine: Engine
    _source: FrameSource
    _raw_padded: tuple[int, int]
    _kept: dict[int, Tensor] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Binned (y, x)."""
        return self.height, self.width

    @property
    def is_binned(self) -> bool:
        """Whether frames must be transformed to be had at their binned size."""
        return self._raw_padded != self.padded

    def spectra(self, *, keep: bool = True) -> Iterator[Tensor]:
        """Yield the spectrum of each padded binned frame, complex64, (padded y, padded x // 2 + 1).

        They stay in memory if all of them fit into a third of the engine's, and somebody will ask for them again
        (`keep`); else the movie is read again each time. A spectrum must not be changed.
        """
        if len(self._kept) == self.frames:
            for number in range(self.frames):
                yield self._kept[number]
            return
        keep = keep and self._fits()
        for number, frame in enumerate(self._source.frames()):
            spectrum = self._transform(frame)
            if keep:
                self._kept[number] = spectrum
            yield spectrum

    def images(self) -> Iterator[Tensor]:
        """Yield each binned frame in real space, float32 (y, x), electrons per binned pixel."""
        if not self.is_binned:
            for frame in self._source.frames():
                yield torch.from_numpy(frame).to(self.engine.device)
            return
        for spectrum in self.spectra():
            yield self.to_image(spectrum)

    def to_image(self, spectrum: Tensor) -> Tensor:
        """Return the real image of a padded spectrum without its padding, (..., y, x)."""
        return irfft2(spectrum, self.padded, self.engine)[..., : self.height, : self.width]

    def frame(self, number: int) -> Tensor:
        """Return one binned frame, float32 (y, x).

        Raises
        ------
        IndexError
            If there is no such frame.
        """
        for here, image in enumerate(self.images()):
            if here == number:
                return image
        raise IndexError(f"frame {number} of {self.frames}")

    def frame_ft(self, number: int) -> Tensor:
        """Return the `rfft2` of one binned frame without padding, complex64 (y, x // 2 + 1)."""
        return rfft2(self.frame(number).contiguous(), self.engine)

    def _fits(self) -> bool:
        each = self.padded[0] * (self.padded[1] // 2 + 1) * 8
        return self.frames * each <= _KEPT_SHARE * self.engine.memory_bytes

    def _transform(self, frame: NDArray[np.float32]) -> Tensor:
        padded = _pad(np.asarray(frame, dtype=np.float32), self._raw_padded)
        spectrum = rfft2(torch.from_numpy(padded).to(self.engine.device), self.engine)
        return fit_spectrum(spectrum, self._raw_padded, self.padded)


def bin_movie(prepared: FrameSource, bin_exponent: float, raw_pixel_size_A: float, engine: Engine) -> BinnedMovie:
    """Return a movie Fourier-cropped to size / 2^n.

    Parameters
    ----------
    prepared : FrameSource
        Corrected frames.
    bin_exponent : float
        n ≥ 0, any real number. The sides are rounded to even numbers as Warp does; with n = 0 they stay as they are.
    raw_pixel_size_A : float
        Of a raw pixel.
    engine : Engine
        Where to compute.

    Raises
    ------
    SettingsError
        If a side would come below 16 pixels.
    """
    raw = (int(prepared.info.height), int(prepared.info.width))
    new = raw if bin_exponent == 0 else (binned_side(raw[0], bin_exponent), binned_side(raw[1], bin_exponent))
    if min(new) < _LEAST_SIDE and min(raw) >= _LEAST_SIDE:
        raise SettingsError(
            f"input.bin = {bin_exponent:g}: leaves {new[1]} × {new[0]} of {raw[1]} × {raw[0]} pixels; lower it"
        )
    (raw_y, pad_y), (raw_x, pad_x) = (_padded(*sides) for sides in zip(raw, new, strict=True))
    sizes = (raw_pixel_size_A * raw[0] / new[0], raw_pixel_size_A * raw[1] / new[1])
    return BinnedMovie(
        int(prepared.info.frames),
        *new,
        math.sqrt(sizes[0] * sizes[1]),
        sizes,
        (pad_y, pad_x),
        engine,
        prepared,
        (raw_y, raw_x),
    )


@lru_cache(maxsize=64)
def _padded(raw: int, new: int) -> tuple[int, int]:
    """Return the cheapest padded raw and binned sides whose ratio is raw : new, the binned one even.

    Cost of a length: memory traffic plus the work of each prime factor of a mixed-radix transform. Where raw and new
    share too few factors for an exact ratio within `_MOST_PADDING`, the ratio may put the far edge off by
    `_OFF_PX` raw pixels; odd sides: by a few times that.
    """
    least, most = math.ceil(raw + _MARGIN * raw / new), math.ceil(_MOST_PADDING * raw + _MARGIN * raw / new)
    step = raw // math.gcd(raw, new)
    exact = [(big, big * new // raw) for big in range(-(-least // step) * step, most + 1, step)]
    sizes = [(big, small) for big, small in exact if small % 2 == 0]
    if not sizes:
        near = [(big, 2 * round(big * new / raw / 2)) for big in range(least, max(most, least + _SEARCH) + 1)]
        sizes = [(big, small) for big, small in near if abs(small * raw / (big * new) - 1) * raw <= _OFF_PX]
        if not sizes:
            sizes = [min(near, key=lambda size: abs(size[1] * raw / (size[0] * new) - 1))]
    return min(sizes, key=lambda size: size[0] * _work(size[0]))


def _work(n: int) -> float:
    """Return what a transform of length n costs per point; 8 stands for reading and writing it."""
    total, factor = 8.0, 2
    while n > 1:
        while n % factor == 0:
            total += _WORK_OF_FACTOR.get(factor, 1.2 * factor)
            n //= factor
        factor += 1
        if factor * factor > n > 1:
            return total + _WORK_OF_FACTOR.get(n, 1.2 * n)
    return total


def _pad(frame: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the frame continued to `shape`, blended between its opposite edges."""
    if frame.shape == shape:
        return frame
    h, w = frame.shape
    out = np.empty(shape, dtype=np.float32)
    out[:h, :w] = frame
    if shape[1] > w:
        out[:h, w:] = _bridge(frame.T, shape[1] - w).T
    if shape[0] > h:
        out[h:] = _bridge(out[:h], shape[0] - h)
    return out


def _bridge(frame: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Return rows that lead from the last row of a frame to its first: both mirror images, blended."""
    rows = frame.shape[0]
    after = rows - 1 - np.arange(length) % rows  # mirror of the last rows
    before = (length - 1 - np.arange(length)) % rows  # mirror of the first rows
    s = (np.arange(length, dtype=np.float32) + 1) / (length + 1)
    ramp = (0.5 - 0.5 * np.cos(np.pi * s))[:, None].astype(np.float32)
    return np.asarray((1 - ramp) * frame[after] + ramp * frame[before], dtype=np.float32)
