"""The rim of a sum of shifted frames, where some frames have left the field.

Notes
-----
A strip of rows or columns of a shifted frame is a product of its spectrum with a thin matrix: for the few pixels that
drift takes away this is far cheaper than an inverse transform of every frame. Where drift is large, the frame is
transformed after all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class Rim:
    """Sums over frames of the strips along the four borders.

    Parameters
    ----------
    shape, padded : tuple of int
        (y, x) of the images and of what their spectra stand for.
    shifts_px : ndarray, shape (frame, 2)
        Of all frames that will be added: corrected(p) = frame(p + shift).
    groups : int
        Sums that are kept apart.
    engine : Engine
        Where to compute.
    """

    shape: tuple[int, int]
    padded: tuple[int, int]
    shifts_px: np.ndarray
    groups: int
    engine: Engine
    _rows: Tensor = field(init=False)
    _columns: Tensor = field(init=False)
    _sums: list[tuple[Tensor, Tensor]] = field(init=False)
    _counts: tuple[Tensor, Tensor] = field(init=False)
    _means: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self._rows, self._columns = (self._outer(axis) for axis in (0, 1))
        sizes = (len(self._rows), self.shape[1]), (self.shape[0], len(self._columns))
        device = self.engine.device
        self._sums = [
            (torch.zeros(sizes[0], device=device), torch.zeros(sizes[1], device=device)) for _ in range(self.groups)
        ]
        self._counts = torch.zeros(sizes[0], device=device), torch.zeros(sizes[1], device=device)
        self._means = [0.0] * self.groups

    def add(self, spectrum: Tensor, phases: tuple[Tensor, Tensor], shift_px: tuple[float, float], group: int) -> None:
        """Add the strips of a frame, given its spectrum and the phases of its shift."""
        mean = float(spectrum[0, 0].real) / (self.padded[0] * self.padded[1])
        self._means[group] += mean
        y0, y1 = inside(shift_px[0], self.shape[0])
        x0, x1 = inside(shift_px[1], self.shape[1])
        seen_y = torch.zeros(self.shape[0], device=spectrum.device)
        seen_y[y0:y1] = 1
        seen_x = torch.zeros(self.shape[1], device=spectrum.device)
        seen_x[x0:x1] = 1
        rows, columns = self._strips(spectrum, phases)
        if len(self._rows):
            # a frame that has not seen a pixel counts a little, so that a pixel nobody saw is not empty
            seen = (seen_y[self._rows, None] * seen_x).clamp_min(1e-3)
            self._sums[group][0].add_(seen * (rows - mean))
            self._counts[0].add_(seen)
        if len(self._columns):
            seen = (seen_y[:, None] * seen_x[self._columns]).clamp_min(1e-3)
            self._sums[group][1].add_(seen * (columns - mean))
            self._counts[1].add_(seen)

    def mend(self, images: list[Tensor]) -> None:
        """Put the strips into the sums of all frames, (y, x) each, in place."""
        frames = len(self.shifts_px)
        for image, (rows, columns), mean in zip(images, self._sums, self._means, strict=True):
            if len(self._columns):
                image[:, self._columns] = mean + columns * (frames / self._counts[1])
            if len(self._rows):
                image[self._rows] = mean + rows * (frames / self._counts[0])

    def _outer(self, axis: int) -> Tensor:
        side = self.shape[axis]
        ends = [inside(float(shift), side) for shift in self.shifts_px[:, axis]]
        first, last = max(end[0] for end in ends), min(end[1] for end in ends)
        places = np.arange(side)
        return torch.from_numpy(places[(places < first) | (places >= last)]).to(self.engine.device)

    def _strips(self, spectrum: Tensor, phases: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        if len(self._rows) + len(self._columns) > _STRIPS:
            shifted = spectrum * phases[0] * phases[1]
            image = irfft2(shifted, self.padded, self.engine)[: self.shape[0], : self.shape[1]]
            return image[self._rows], image[:, self._columns]
        rows = self._row_strips(spectrum, phases) if len(self._rows) else self._sums[0][0]
        return rows, self._column_strips(spectrum, phases) if len(self._columns) else self._sums[0][1]

    def _row_strips(self, spectrum: Tensor, phases: tuple[Tensor, Tensor]) -> Tensor:
        waves = _waves(self._rows, self.padded[0], self.padded[0]) * phases[0].T
        strips = torch.fft.irfft((waves @ spectrum) * (phases[1] / self.padded[0]), n=self.padded[1], dim=-1)
        return torch.as_tensor(strips[:, : self.shape[1]])

    def _column_strips(self, spectrum: Tensor, phases: tuple[Tensor, Tensor]) -> Tensor:
        waves = _waves(self._columns, self.padded[1], spectrum.shape[1])
        waves[:, 1:] *= 2
        if self.padded[1] % 2 == 0:
            waves[:, -1] /= 2
        waves *= phases[1]
        strips = torch.fft.ifft((spectrum @ waves.T) * (phases[0] / self.padded[1]), dim=0).real
        return torch.as_tensor(strips[: self.shape[0]])


def _waves(places: Tensor, side: int, count: int) -> Tensor:
    """Return exp(2πi p k / side) for the places p and k = 0 … count - 1, complex64, (place, k)."""
    turns = (places[:, None] * torch.arange(count, device=places.device)) % side
    angle = turns.to(torch.float64) * (2 * math.pi / side)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)
