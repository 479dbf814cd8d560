"""Local correction: frames sampled along a motion field, block by block in real space, and summed.

Notes
-----
Blocks are so small that within one the field changes by less than `_STEP_PX`. An unbinned frame needs no Fourier
transform at all.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.engine.device import Engine
from weft.fields.motion import MotionField
from weft.fields.spline import spline_matrix
from weft.movie.blocks import TAPS, Blocks

__all__ = ["WarpedSum"]

Image = NDArray[np.float32]

_STEP_PX = 0.075  # loses 0.3 % of amplitude at 0.8 Nyquist where the field is steepest
_SIDES = (32, 16, 8)
_CHUNK = 640  # rows that one thread works on at a time
_GPU_CHUNK = 2048


class WarpedSum:
    """Sums of frames sampled along a motion field.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the frames.
    pixel_sizes_A : tuple of float
        (y, x).
    field : MotionField
        What lies at p is seen at p + d in frame t.
    engine : Engine
        Where to compute.
    groups : int
        Sums that are kept apart.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        pixel_sizes_A: tuple[float, float],
        field: MotionField,
        engine: Engine,
        groups: int = 1,
    ) -> None:
        self._shape, self._field, self._engine = shape, field, engine
        self._pixel = np.array(pixel_sizes_A)
        full = tuple(-(-length // _SIDES[0]) * _SIDES[0] for length in shape)
        self._sums = [torch.zeros(full, device=engine.device) for _ in range(groups)]
        self._missing = torch.zeros(full, device=engine.device)
        self._means = [0.0] * groups
        self._frames = 0

    def add(self, image: Tensor, number: int, group: int = 0) -> None:
        """Add one frame, shape (y, x), float32, sampled by the displacement of frame `number`."""
        mean = float(image.mean())
        self._means[group] += mean
        self._frames += 1
        side = self._side(number)
        shifts = self._shifts_px(number, side)
        reach = math.ceil(np.abs(shifts).max() + np.ptp(shifts, axis=(0, 1)).max()) + 2 * _SIDES[0] + TAPS
        blocks = Blocks(self._shape, side, _mirrored(image, mean, reach), reach, shifts)
        is_cpu = image.device.type == "cpu"
        rows = (_CHUNK if is_cpu else _GPU_CHUNK) // side
        parts = [range(first, min(first + rows, len(shifts))) for first in range(0, len(shifts), rows)]

        def sample(part: range) -> None:
            blocks.add(part, self._sums[group], self._missing)

        if self._engine.threads > 1 and is_cpu:
            with ThreadPoolExecutor(self._engine.threads) as pool:
                list(pool.map(sample, parts))  # each part has its own rows
        else:
            for part in parts:
                sample(part)

    def images(self) -> list[Image]:
        """Return the sum of each group; where frames have left the field, those that are there stand for all."""
        weight = self._frames / (self._frames - self._missing)
        crop = slice(0, self._shape[0]), slice(0, self._shape[1])
        return [
            (mean + total * weight)[crop].contiguous().cpu().numpy()
            for total, mean in zip(self._sums, self._means, strict=True)
        ]

    def _side(self, number: int) -> int:
        """Return the largest side of a block within which a frame's displacement is nearly constant."""
        shifts = self._at(number, (np.arange(33) + 0.5) / 33, (np.arange(33) + 0.5) / 33)
        slopes = (float(np.abs(np.diff(shifts, axis=axis)).max()) * 33 / self._shape[axis] for axis in (0, 1))
        slope = max(slopes)
        return next((side for side in _SIDES if slope * side <= _STEP_PX), _SIDES[-1])

    def _shifts_px(self, number: int, side: int) -> NDArray[np.float64]:
        """Return the displacement of a frame at the blocks' centres, (block y, block x, 2)."""
        y, x = (
            (np.arange(full // side) + 0.5) * side / length
            for full, length in zip(self._missing.shape, self._shape, strict=True)
        )
        return self._at(number, y, x)

    def _at(self, number: int, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        field = self._field
        t, ny, nx, _ = field.nodes_A.shape
        when = number / (field.frames - 1) if field.frames > 1 else 0.0
        nodes = np.tensordot(spline_matrix(t, [when])[0], field.nodes_A, axes=1)
        local = np.einsum("gy,hx,yxc->ghc", spline_matrix(ny, y), spline_matrix(nx, x), nodes, optimize=True)
        return np.asarray((field.path_A[number] + local) / self._pixel)


def _mirrored(image: Tensor, mean: float, reach: int) -> Tensor:
    """Return the image less its mean, continued by its mirror image on all sides."""
    height, width = image.shape
    out = image.new_empty(height + 2 * reach, width + 2 * reach)
    torch.sub(image, mean, out=out[reach : reach + height, reach : reach + width])
    before, after = torch.arange(-reach, 0), torch.arange(reach)
    rows = out[reach : reach + height]
    for part, place in ((slice(0, reach), before), (slice(reach + width, None), after + width)):
        rows[:, part] = rows.index_select(1, reach + _reflected(place, width).to(image.device))
    for part, place in ((slice(0, reach), before), (slice(reach + height, None), after + height)):
        out[part] = rows.index_select(0, _reflected(place, height).to(image.device))
    return out


def _reflected(place: Tensor, side: int) -> Tensor:
    turn = place % (2 * side)
    return torch.where(turn < side, turn, 2 * side - 1 - turn)
