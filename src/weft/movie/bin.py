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
from weft.engine.fft import cropped_rfft2, fit_spectrum, irfft2, rfft2
from weft.errors import SettingsError

__all__ = ["BinnedMovie", "FrameSource", "SourceInfo", "bin_movie"]

Image = NDArray[np.float32]

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

    def frames(self, into: Image | None = None) -> Iterator[Image]:
        """Yield frames (y, x), electrons per raw pixel; one after the other in `into`, if given."""


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
    _raw: tuple[int, int]
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

    def spectra(self, within: tuple[int, int] | None = None, *, keep: bool = True) -> Iterator[Tensor]:
        """Yield the spectrum of each padded binned frame, complex64, (padded y, padded x // 2 + 1).

        They stay in memory if all of them fit into a third of the engine's, and somebody will ask for them again
        (`keep`); else the movie is read again each time. A spectrum must not be changed.

        Parameters
        ----------
        within : tuple of int, optional
            (y, x) of smaller images, on the same field, whose spectra are enough and are yielded instead. These may be
            changed.
        keep : bool
            Whether to keep them.
        """
        shape = self.padded if within is None else within
        if len(self._kept) == self.frames:
            for number in range(self.frames):
                yield self._cropped(self._kept[number], within)
            return
        keep = keep and self._fits()
        padded = np.empty(self._raw_padded, dtype=np.float32)
        for number, _ in enumerate(self._source.frames(padded[: self._raw[0], : self._raw[1]])):
            _bridge_edges(padded, self._raw)
            image = torch.from_numpy(padded).to(self.engine.device)
            if keep:
                self._kept[number] = cropped_rfft2(image, self.padded, self.engine)
                yield self._cropped(self._kept[number], within)
            else:
                yield cropped_rfft2(image, shape, self.engine)

    def images(self) -> Iterator[Tensor]:
        """Yield each binned frame in real space, float32 (y, x), electrons per binned pixel."""
        if not self.is_binned:
            for frame in self._source.frames():
                yield torch.from_numpy(frame).to(self.engine.device)
            return
        for spectrum in self.spectra():
            yield self.to_image(spectrum)

    def to_image(self, spectrum: Tensor, *, overwrite: bool = False) -> Tensor:
        """Return the real image of a padded spectrum, which may be spoiled (`overwrite`), without its padding, (y, x)."""
        image = irfft2(spectrum, self.padded, self.engine, rows=self.height, overwrite=overwrite)
        return image[:, : self.width]

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

    def _cropped(self, spectrum: Tensor, shape: tuple[int, int] | None) -> Tensor:
        if shape is None:
            return spectrum
        return spectrum.clone() if shape == self.padded else fit_spectrum(spectrum, self.padded, shape)


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
        raw,
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


def _bridge_edges(image: Image, shape: tuple[int, int]) -> None:
    """Fill an image beyond a frame of `shape` in place: the frame continued, blended between its opposite edges."""
    h, w = shape
    if image.shape[1] > w:
        after, before, ramp = _mirrored(w, image.shape[1] - w)
        image[:h, w:] = (1 - ramp) * image[:h, after] + ramp * image[:h, before]
    if image.shape[0] > h:
        after, before, ramp = _mirrored(h, image.shape[0] - h)
        image[h:] = (1 - ramp[:, None]) * image[after] + ramp[:, None] * image[before]


def _mirrored(side: int, length: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Image]:
    """Return the mirror images, beyond the last line, of the last and of the first ones, and the latter's share."""
    after = side - 1 - np.arange(length) % side
    before = (length - 1 - np.arange(length)) % side
    s = (np.arange(length, dtype=np.float32) + 1) / (length + 1)
    return after, before, (0.5 - 0.5 * np.cos(np.pi * s)).astype(np.float32)
