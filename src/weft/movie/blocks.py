"""Blocks of an image sampled where their frame has them, by a long filter in real space.

Notes
-----
A block's displacement is constant, so it is sampled along x, then along y, by one matrix each. The rows above and below a
block that its second filter needs were sampled along x for the blocks that they lie in, whose displacement is nearly the
same: every pixel is filtered once in each direction. On a CPU the products read, and write, the image where it lies.
The filter is the best one of `TAPS` taps for frequencies up to `_BAND` cycles per pixel: its error is below 0.4 % up to
0.8 of Nyquist and 7 % at 0.9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["TAPS", "Blocks", "filter_taps"]

TAPS = 24
_BEFORE = TAPS // 2 - 1  # of them lie before the place that is sampled
_BAND = 0.44
_BLOCKS = 128
_STEPS = 256  # of the displacement within a pixel
_UNSEEN = 1e-3  # weight of a frame that has not seen a pixel, so that one that nobody saw is not empty
_TOLERANCE = 0.5  # a pixel that is sampled up to here outside the field still counts as seen


def filter_taps(fractions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the filters that sample between pixels, shape (fraction, tap).

    Parameters
    ----------
    fractions : ndarray, shape (fraction,)
        Places from 0 to 1 between pixel `TAPS` / 2 - 1 and the next.

    Notes
    -----
    The taps w minimise the integral over |k| ≤ B of abs(Σ_j w_j exp(2πi k j) - exp(2πi k s))²: with the matrix
    sinc(2 B (j - l)) and the right side sinc(2 B (j - s)) these are linear equations. At s = 0 and 1 a pixel is taken
    as it is.
    """
    place = np.arange(TAPS) - _BEFORE
    matrix = np.sinc(2 * _BAND * (place[:, None] - place[None, :]))
    right = np.sinc(2 * _BAND * (place[:, None] - np.asarray(fractions)[None, :]))
    return np.asarray(np.linalg.solve(matrix, right).T)


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of one frame.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the frame.
    side : int
        Of a block, pixels.
    padded : Tensor, shape (y, x), float32
        The frame less its mean, continued on all sides.
    reach : int
        By how many pixels: two blocks and the filter beyond the largest displacement and the range of displacements.
    shifts_px : ndarray, shape (block y, block x, 2)
        Displacement at the blocks' centres.
    """

    shape: tuple[int, int]
    side: int
    padded: Tensor
    reach: int
    shifts_px: NDArray[np.float64]

    def add(self, part: range, total: Tensor, missing: Tensor) -> None:
        """Add some rows of blocks to a sum; what the frame has not seen of them counts little and is noted.

        Parameters
        ----------
        part : range
            Rows of blocks.
        total : Tensor, shape (block y · side, block x · side)
            The sum, changed in place.
        missing : Tensor, same shape
            Weight that is missing in the sum, changed in place.
        """
        side, down = self.side, self.shifts_px[part.start : part.stop, :, 0]
        whole, least, most = round(float(down.mean())), math.floor(down.min()), math.floor(down.max())
        low = part.start * side + least - whole - _BEFORE
        high = part.stop * side + 2 * most - least - whole - _BEFORE + TAPS - 1  # see `_matrices` for the 2
        around = range(low // side, -(-high // side))
        sampled = self._along_x(around, whole)
        values = total.new_empty(len(part) * side, total.shape[1])
        for some in _batches(part, self.shifts_px.shape[1], total.device):
            shifts = self.shifts_px[some.start : some.stop, :, 0]
            matrices, begin = _matrices(shifts, side, total.device, is_right=False)
            first = (some.start - around.start) * side + begin - whole
            out = _tiles(values[(some.start - part.start) * side :], side, (*matrices.shape[:2], side, side))
            _multiply(matrices, _tiles(sampled[first:], side, matrices.mT.shape), out)
        self._weigh(part, _tiles(values, side, (len(part), self.shifts_px.shape[1], side, side)), missing)
        total[part.start * side : part.stop * side] += values

    def _along_x(self, rows: range, whole: int) -> Tensor:
        """Return rows of blocks sampled along x; in the frame they stand `whole` pixels further down."""
        side, (count, columns) = self.side, self.shifts_px.shape[:2]
        out = self.padded.new_empty(len(rows) * side, columns * side)
        for some in _batches(rows, columns, out.device):
            shifts = self.shifts_px[np.clip(some, 0, count - 1), :, 1]
            matrices, begin = _matrices(shifts, side, out.device, is_right=True)
            windows = self.padded[some.start * side + whole + self.reach :, begin + self.reach :]
            sampled = out[(some.start - rows.start) * side :]
            shape = (*matrices.shape[:2], side, side)
            _multiply(_tiles(windows, side, matrices.mT.shape), matrices, _tiles(sampled, side, shape))
        return out

    def _weigh(self, rows: range, values: Tensor, missing: Tensor) -> None:
        """Multiply blocks, (row, column, side, side), by how much each pixel was seen."""
        numbers = np.asarray(rows), np.arange(self.shifts_px.shape[1])
        row, column = np.nonzero(~self._is_all_seen(*numbers))
        if not len(row):
            return
        shifts = self.shifts_px[numbers[0][row], column]
        y = _seen(shifts[:, 0], numbers[0][row], self.side, self.shape[0])
        x = _seen(shifts[:, 1], column, self.side, self.shape[1])
        seen = np.where(y[:, :, None] & x[:, None, :], np.float32(1), np.float32(_UNSEEN))
        weights = torch.from_numpy(seen).to(values.device)
        at = torch.from_numpy(row).to(values.device), torch.from_numpy(column).to(values.device)
        values[at] *= weights
        _tiles(missing[rows.start * self.side :], self.side, values.shape)[at] += 1 - weights

    def _is_all_seen(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return whether the frame has seen each of some blocks whole, (row, column)."""
        out = np.ones((len(rows), len(columns)), dtype=bool)
        for axis, blocks in enumerate((rows[:, None], columns[None, :])):
            first, end = blocks * self.side, self.shape[axis] - 1
            last = np.minimum(first + self.side - 1, end)
            shifts = self.shifts_px[rows, :, axis]
            out &= (first + shifts >= -_TOLERANCE) & (last + shifts <= end + _TOLERANCE)
        return out


@lru_cache(maxsize=16)
def _table(side: int, span: int, *, is_right: bool) -> Tensor:
    """Return the matrices of blocks along an axis for each whole displacement up to `span` and each step within a pixel.

    Shape (whole · step, side, window), or (whole · step, window, side) to be multiplied from the right.
    """
    taps = filter_taps(np.arange(_STEPS + 1) / _STEPS).astype(np.float32)
    out = np.zeros((span + 1, _STEPS + 1, side, side + TAPS - 1 + span), dtype=np.float32)
    for whole in range(span + 1):
        for pixel in range(side):
            out[whole, :, pixel, whole + pixel : whole + pixel + TAPS] = taps
    matrices = out.reshape(-1, *out.shape[2:])
    return torch.from_numpy(np.ascontiguousarray(matrices.transpose(0, 2, 1)) if is_right else matrices)


def _matrices(shifts_px: NDArray[np.float64], side: int, device: torch.device, *, is_right: bool) -> tuple[Tensor, int]:
    """Return the matrices that sample blocks along an axis, and where their windows begin.

    Parameters
    ----------
    shifts_px : ndarray, shape (row, column)
        Displacement of each block.
    side : int
        Of a block.
    device : torch.device
        Where the matrices are wanted.
    is_right : bool
        Return their transposes, to be multiplied from the right.

    Returns
    -------
    Tensor, shape (row, column, side, window)
        Entry (p, j) is what pixel j of the window adds to pixel p of the block.
    int
        First pixel of each window, counted from its block's.
    """
    whole = np.floor(shifts_px).astype(np.intp)
    step = np.round((shifts_px - whole) * _STEPS).astype(np.intp)
    first = int(whole.min())
    span = (1 << int(whole.max() - first).bit_length()) - 1  # 0, 1, 3, 7: few tables; less than twice what is needed
    kind = torch.from_numpy(((whole - first) * (_STEPS + 1) + step).ravel()).to(device)
    table = _table(side, span, is_right=is_right).to(device)
    return table.index_select(0, kind).reshape(*whole.shape, *table.shape[1:]), first - _BEFORE


def _seen(shifts_px: NDArray[np.float64], blocks: NDArray[np.intp], side: int, length: int) -> NDArray[np.bool_]:
    """Return whether each pixel of blocks along an axis is sampled inside the frame, (block, side)."""
    pixels = blocks[:, None] * side + np.arange(side)
    at = pixels + shifts_px[:, None]
    # pixels beyond the image's end are cut off later
    return np.asarray(((at >= -_TOLERANCE) & (at <= length - 1 + _TOLERANCE)) | (pixels >= length))


def _batches(rows: range, columns: int, device: torch.device) -> list[range]:
    """Return the rows of blocks that are multiplied at a time: on a CPU so many that its cache holds the matrices."""
    if device.type != "cpu":
        return [rows]
    step = max(1, _BLOCKS // columns)
    return [rows[place : place + step] for place in range(0, len(rows), step)]


def _tiles(image: Tensor, side: int, shape: tuple[int, ...]) -> Tensor:
    """Return a view of rows and columns of rectangles, one beginning every `side` pixels, (row, column, y, x)."""
    along = image.stride(0)
    return image.as_strided(shape, (side * along, side, along, 1))


def _multiply(left: Tensor, right: Tensor, out: Tensor) -> None:
    """Write products of matrices; numpy's of small ones is 1.4 times faster than torch's on a CPU."""
    if out.device.type == "cpu":
        np.matmul(left.numpy(), right.numpy(), out=out.numpy())
    else:
        out.copy_(left @ right)
