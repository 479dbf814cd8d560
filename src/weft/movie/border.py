"""The rim of a sum of shifted frames, where some frames have left the field.

Notes
-----
A strip of rows or columns of an image is a product of its spectrum with a thin matrix: for the few pixels that drift takes
away this is far cheaper than an inverse transform. Where drift is large, the image is transformed after all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

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

    Notes
    -----
    With m_j = 1 where frame j has not been, F_j the shifted frame and S_j = F_1 + … + F_j,

        Σ_j m_j F_j = Σ_j (m_j - m_j+1) S_j

    so that only lines must be looked at that the next frame of the group sees and this one does not, or the reverse.
    """

    def __init__(self, shape: tuple[int, int], padded: tuple[int, int], groups: int, engine: Engine) -> None:
        self._shape, self._padded, self._engine = shape, padded, engine
        self._lost = [torch.zeros(shape, device=engine.device) for _ in range(groups)]
        self._missing = torch.zeros(shape, device=engine.device)
        self._means = [0.0] * groups
        self._frames = 0
        self._seen = [(0, side) for side in shape]  # rows and columns that all frames have seen

    def add(self, total: Tensor, shift_px: Sequence[float], next_shift_px: Sequence[float] | None, group: int) -> None:
        """Note what a frame has added to the sum of its group.

        Parameters
        ----------
        total : Tensor
            Spectrum of the group's sum, this frame included.
        shift_px, next_shift_px : sequence of float
            (y, x) of this frame's shift, and of the group's next frame; None for the last one.
        group : int
            Which one.
        """
        self._means[group] = mean = float(total[0, 0].real) / (self._padded[0] * self._padded[1])
        self._frames += 1
        (rows, columns), after = self._unseen(shift_px), self._unseen(next_shift_px)
        self._missing[rows] += 1
        self._missing[:, columns] += (~rows).float()[:, None]
        turned = [here != then for here, then in zip((rows, columns), after, strict=True)]
        if not any(bool(lines.any()) for lines in turned):
            return
        lost = self._lost[group]
        over, beside = self._strips(total, *(torch.nonzero(lines).flatten() for lines in turned))
        change = _either(rows[turned[0]], columns) - _either(after[0][turned[0]], after[1])
        lost[turned[0]] += change * (over - mean)
        change = _either(rows, columns[turned[1]]) - _either(after[0], after[1][turned[1]])
        change[turned[0]] = 0
        lost[:, turned[1]] += change * (beside - mean)

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

    def _unseen(self, shift_px: Sequence[float] | None) -> tuple[Tensor, Tensor]:
        """Return which rows and columns a frame has not seen; none if there is no frame."""
        rows, columns = (torch.zeros(side, dtype=torch.bool, device=self._engine.device) for side in self._shape)
        if shift_px is not None:
            ends = [inside(shift, side) for shift, side in zip(shift_px, self._shape, strict=True)]
            self._seen = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(self._seen, ends, strict=True)]
            for lines, (first, last) in zip((rows, columns), ends, strict=True):
                lines[:first] = True
                lines[max(first, last) :] = True
        return rows, columns

    def _parts(self) -> Iterator[tuple[slice, slice]]:
        """Yield the rows and columns that some frame has not seen."""
        (top, bottom), (left, right) = ((first, max(first, end)) for first, end in self._seen)
        everywhere, between = slice(None), slice(top, bottom)
        yield from ((slice(0, top), everywhere), (slice(bottom, None), everywhere))
        yield from ((between, slice(0, left)), (between, slice(right, None)))

    def _strips(self, total: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return some rows and columns of the sum."""
        if len(rows) + len(columns) > _STRIPS:
            image = irfft2(total, self._padded, self._engine)[: self._shape[0], : self._shape[1]]
            return image[rows], image[:, columns]
        return self._row_strips(total, rows), self._column_strips(total, columns)

    def _row_strips(self, total: Tensor, rows: Tensor) -> Tensor:
        if not len(rows):
            return total.new_empty(0, self._shape[1], dtype=torch.float32)
        height, width = self._padded
        waves = _waves(rows, height, height) / height
        return torch.as_tensor(torch.fft.irfft(waves @ total, n=width, dim=-1)[:, : self._shape[1]])

    def _column_strips(self, total: Tensor, columns: Tensor) -> Tensor:
        if not len(columns):
            return total.new_empty(self._shape[0], 0, dtype=torch.float32)
        width = self._padded[1]
        waves = _waves(columns, width, total.shape[1]) / width
        waves[:, 1:] *= 2
        if width % 2 == 0:
            waves[:, -1] /= 2
        return torch.as_tensor(torch.fft.ifft(total @ waves.T, dim=0).real[: self._shape[0]])


def _either(rows: Tensor, columns: Tensor) -> Tensor:
    """Return 1 where the row or the column is marked, (row, column)."""
    return (rows[:, None] | columns[None, :]).float()


def _waves(places: Tensor, side: int, count: int) -> Tensor:
    """Return exp(2πi p k / side) for the places p and k = 0 … count - 1, complex64, (place, k)."""
    turns = (places[:, None] * torch.arange(count, device=places.device)) % side
    angle = turns.to(torch.float64) * (2 * math.pi / side)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)
