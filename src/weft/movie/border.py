"""The rim of a sum of shifted frames, where some frames have left the field.

Notes
-----
A strip of rows or columns of a shifted frame is a product of its spectrum with a thin matrix: for the few pixels that
drift takes away this is far cheaper than an inverse transform of every frame. Where drift is large, the frame is
transformed after all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from weft.engine.device import Engine
from weft.engine.fft import irfft2

__all__ = ["Rim", "inside", "reflect_into"]

_STRIPS = 96  # lines, from which an inverse transform is cheaper than so many strips
_TOLERANCE = 0.5  # a pixel that is sampled up to here outside the field still counts as seen


def inside(shift_px: float, side: int) -> tuple[int, int]:
    """Return the first and the last but one output pixel along an axis that a frame shifted by d has seen."""
    first = max(0, math.ceil(-shift_px - _TOLERANCE))
    last = min(side, math.floor(side - 1 - shift_px + _TOLERANCE) + 1)
    return min(first, side), max(last, 0)


def reflect_into(image: Tensor, shift_px: tuple[float, float]) -> Tensor:
    """Return the image with the rows and columns that a shifted frame has not seen mirrored from those it has."""
    out = image
    for axis in (0, 1):
        first, last = inside(shift_px[axis], image.shape[axis])
        if last - first < image.shape[axis] and last > first:
            place = torch.arange(image.shape[axis], device=image.device)
            period = max(1, 2 * (last - first))
            turn = (place - first) % period
            source = first + torch.where(turn < last - first, turn, period - 1 - turn)
            out = out.index_select(axis, source)
    return out


class Rim:
    """What frames add to a sum where they have not been: along the borders, from behind the opposite ones.

    Parameters
    ----------
    shape, padded : tuple of int
        (y, x) of the images and of what their spectra stand for.
    groups : int
        Sums that are kept apart.
    engine : Engine
        Where to compute.
    """

    def __init__(self, shape: tuple[int, int], padded: tuple[int, int], groups: int, engine: Engine) -> None:
        self._shape, self._padded, self._engine = shape, padded, engine
        self._lost = [torch.zeros(shape, device=engine.device) for _ in range(groups)]
        self._missing = torch.zeros(shape, device=engine.device)
        self._means = [0.0] * groups
        self._frames = 0
        self._seen = [(0, side) for side in shape]  # rows and columns that all frames have seen

    def add(self, spectrum: Tensor, phases: tuple[Tensor, Tensor], shift_px: tuple[float, float], group: int) -> None:
        """Note what a frame adds to the sum of its group, given its spectrum, the phases of its shift and the shift."""
        mean = float(spectrum[0, 0].real) / (self._padded[0] * self._padded[1])
        self._means[group] += mean
        self._frames += 1
        seen = [inside(shift, side) for shift, side in zip(shift_px, self._shape, strict=True)]
        self._seen = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(self._seen, seen, strict=True)]
        rows, columns = (
            torch.from_numpy(np.r_[0 : ends[0], max(ends) : side]).to(spectrum.device)
            for ends, side in zip(seen, self._shape, strict=True)
        )
        if len(rows) + len(columns) == 0:
            return
        between = slice(*seen[0])
        over, beside = self._strips(spectrum, phases, rows, columns)
        self._lost[group][rows] += over - mean
        self._missing[rows] += 1
        self._lost[group][between, columns] += beside[between] - mean
        self._missing[between, columns] += 1

    def mend(self, images: list[Tensor]) -> None:
        """Let the frames that are there stand for all in the sums of all frames, (y, x) each, in place.

        Pixels that nobody saw stay as they are.
        """
        for part in self._parts():
            missing = self._missing[part]
            nobody = missing == self._frames
            weight = (self._frames / (self._frames - missing)).masked_fill_(nobody, 1)
            for image, lost, mean in zip(images, self._lost, self._means, strict=True):
                there = image[part] - lost[part].masked_fill(nobody, 0)
                image[part] = (there - mean) * weight + mean

    def _parts(self) -> Iterator[tuple[slice, slice]]:
        """Yield the rows and columns that some frame has not seen."""
        (top, bottom), (left, right) = ((first, max(first, end)) for first, end in self._seen)
        everywhere, between = slice(None), slice(top, bottom)
        yield from ((slice(0, top), everywhere), (slice(bottom, None), everywhere))
        yield from ((between, slice(0, left)), (between, slice(right, None)))

    def _strips(
        self, spectrum: Tensor, phases: tuple[Tensor, Tensor], rows: Tensor, columns: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return some rows and columns of the shifted frame."""
        if len(rows) + len(columns) > _STRIPS:
            image = irfft2(spectrum * phases[0] * phases[1], self._padded, self._engine)
            image = image[: self._shape[0], : self._shape[1]]
            return image[rows], image[:, columns]
        return self._row_strips(spectrum, phases, rows), self._column_strips(spectrum, phases, columns)

    def _row_strips(self, spectrum: Tensor, phases: tuple[Tensor, Tensor], rows: Tensor) -> Tensor:
        if not len(rows):
            return spectrum.new_empty(0, self._shape[1], dtype=torch.float32)
        height, width = self._padded
        waves = _waves(rows, height, height) * phases[0].T
        strips = torch.fft.irfft((waves @ spectrum) * (phases[1] / height), n=width, dim=-1)
        return torch.as_tensor(strips[:, : self._shape[1]])

    def _column_strips(self, spectrum: Tensor, phases: tuple[Tensor, Tensor], columns: Tensor) -> Tensor:
        if not len(columns):
            return spectrum.new_empty(self._shape[0], 0, dtype=torch.float32)
        width = self._padded[1]
        waves = _waves(columns, width, spectrum.shape[1])
        waves[:, 1:] *= 2
        if width % 2 == 0:
            waves[:, -1] /= 2
        waves *= phases[1]
        strips = torch.fft.ifft((spectrum @ waves.T) * (phases[0] / width), dim=0).real
        return torch.as_tensor(strips[: self._shape[0]])


def _waves(places: Tensor, side: int, count: int) -> Tensor:
    """Return exp(2πi p k / side) for the places p and k = 0 … count - 1, complex64, (place, k)."""
    turns = (places[:, None] * torch.arange(count, device=places.device)) % side
    angle = turns.to(torch.float64) * (2 * math.pi / side)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)
