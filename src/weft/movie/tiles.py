"""Local correction by overlapping tiles: each is cut where it was seen, shifted by the rest in Fourier space, summed.

Notes
-----
A tile's frames are summed as spectra and transformed back once. Its side follows the field: so small that neighbouring
tiles move alike within `_STEP_PX`, so large that little is transformed twice. Tiles that some frame has not seen
completely are summed in real space, where the frames that are there stand for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.engine.device import Engine
from weft.engine.fft import irfft2, rfft2, shift_phases
from weft.fields.motion import MotionField
from weft.movie.weighting import ExposureWeights

__all__ = ["Tiling"]

Image = NDArray[np.float32]

_STEP_PX = 0.15  # neighbouring tiles' displacements differ by less: under 1 % of amplitude is lost at 0.8 Nyquist
_SIDES = (512, 384, 256, 192, 128, 96, 64)
_TAPER = 8  # px at each edge that fade out, so that nothing wraps
_GUARD = 14  # px at each edge that are not used: the taper and the reach of interpolation
_BATCH_BYTES = 48_000_000


@dataclass(frozen=True, slots=True)
class Axis:
    """Tiles along one axis.

    Parameters
    ----------
    starts : ndarray, shape (tile,)
        Output pixel at which each begins, guard included.
    weights : ndarray, shape (tile, side), float32
        How its pixels weigh; those of all tiles sum to 1 at every output pixel.
    """

    starts: NDArray[np.intp]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tiling:
    """A field's tiles on an image.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the image.
    side : int
        Of a tile.
    shifts_px : ndarray, shape (frame, y, x, 2)
        Displacement of each frame at the tiles' centres, pixels.
    engine : Engine
        Where to compute.
    weights : ExposureWeights or None
        Applied to each frame.
    rows, columns : Axis
        How tiles lie along y and along x.
    """

    shape: tuple[int, int]
    side: int
    shifts_px: NDArray[np.float64]
    engine: Engine
    weights: ExposureWeights | None
    rows: Axis
    columns: Axis

    @classmethod
    def of(
        cls,
        shape: tuple[int, int],
        pixel_sizes_A: tuple[float, float],
        field: MotionField,
        engine: Engine,
        weights: ExposureWeights | None,
    ) -> Tiling:
        """Return the tiling that suits a field."""
        side = _choose_side(field, shape, pixel_sizes_A)
        y, x = (_axis(length, side) for length in shape)
        middle = (side - 1) / 2
        shifts = field.displacement((y.starts + middle + 0.5) / shape[0], (x.starts + middle + 0.5) / shape[1])
        return cls(shape, side, shifts / np.array(pixel_sizes_A), engine, weights, y, x)

    def sums(self, images: Iterator[Tensor], used: range, groups: Sequence[range], *, first: int = 0) -> list[Image]:
        """Return the sum of the corrected frames of each group.

        Parameters
        ----------
        images : iterator of Tensor, shape (y, x)
            All frames in order.
        used : range
            Frames that count.
        groups : sequence of range
            Parts of `used` that are summed apart.
        first : int
            The displacement's frame that belongs to the first image.
        """
        inner, outer = self._split(used, first)
        sums = _TileSums(self, inner, outer, len(groups))
        for number, image in enumerate(images):
            if number in used:
                group = next(index for index, members in enumerate(groups) if number in members)
                weight = None
                if self.weights is not None:
                    shape = (self.side, self.side)
                    weight = self.weights.weight(number + first, used, shape, self.engine.device)
                sums.add(image, self.shifts_px[number + first].reshape(-1, 2), weight, group)
        return sums.images()

    def _split(self, used: range, first: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the tiles that every used frame has seen completely, and the others."""
        whole = np.round(self.shifts_px[used.start + first : used.stop + first]).astype(int)
        y = self.rows.starts[None, :, None] + whole[..., 0]
        x = self.columns.starts[None, None, :] + whole[..., 1]
        seen = (y >= 0) & (x >= 0) & (y + self.side <= self.shape[0]) & (x + self.side <= self.shape[1])
        seen = seen.all(axis=0).ravel()
        return np.flatnonzero(seen), np.flatnonzero(~seen)


class _TileSums:
    """Sums in the making."""

    def __init__(self, tiling: Tiling, inner: NDArray[np.intp], outer: NDArray[np.intp], groups: int) -> None:
        self._tiling, self._inner, self._outer, self._groups = tiling, inner, outer, groups
        side, device = tiling.side, tiling.engine.device
        self._batch = max(1, _BATCH_BYTES // (side * side * 4))
        self._inner_ft = torch.zeros((groups, len(inner), side, side // 2 + 1), dtype=torch.complex64, device=device)
        self._outer_sums = torch.zeros((groups, len(outer), side, side), device=device)
        self._counts = torch.zeros((len(outer), side, side), device=device)
        self._means = [0.0] * groups
        self._frames = 0
        self._taper = torch.from_numpy(_taper(side)).to(device)

    def add(self, image: Tensor, shifts_px: NDArray[np.float64], weight: Tensor | None, group: int) -> None:
        """Add one frame; shifts_px (tile, 2)."""
        # the level does not depend on how frames are weighted but at zero frequency
        mean = float(image.mean(dtype=torch.float64))
        level = 1.0 if weight is None else float(weight[0, 0])
        self._means[group] += mean * level
        self._frames += 1
        reach = int(np.ceil(np.abs(shifts_px).max(initial=0))) + self._tiling.side
        padded = _mirror(image - mean, reach)
        for start in range(0, len(self._inner), self._batch):
            part = self._inner[start : start + self._batch]
            spectra, _ = self._shifted(padded, reach, part, shifts_px, weight)
            self._inner_ft[group, start : start + len(part)] += spectra
        for start in range(0, len(self._outer), self._batch):
            part = self._outer[start : start + self._batch]
            spectra, origins = self._shifted(padded, reach, part, shifts_px, weight)
            side = self._tiling.side
            seen = self._seen(origins).clamp_min(1e-3)
            self._outer_sums[group, start : start + len(part)] += seen * irfft2(
                spectra, (side, side), self._tiling.engine
            )
            self._counts[start : start + len(part)] += seen

    def images(self) -> list[Image]:
        """Blend the tiles of each group into an image."""
        out = []
        for group in range(self._groups):
            image = torch.zeros(self._tiling.shape, device=self._tiling.engine.device)
            side = self._tiling.side
            for start in range(0, len(self._inner), self._batch):
                part = slice(start, start + self._batch)
                self._blend(
                    image, self._inner[part], irfft2(self._inner_ft[group, part], (side, side), self._tiling.engine)
                )
            self._blend(image, self._outer, self._outer_sums[group] * (self._frames / self._counts))
            out.append((image + self._means[group]).cpu().numpy())
        return out

    def _shifted(
        self, padded: Tensor, reach: int, tiles: NDArray[np.intp], shifts_px: NDArray[np.float64], weight: Tensor | None
    ) -> tuple[Tensor, NDArray[np.intp]]:
        """Return the shifted spectra of some tiles and where in the frame they were cut."""
        tiling, side = self._tiling, self._tiling.side
        columns = len(tiling.columns.starts)
        starts = np.stack([tiling.rows.starts[tiles // columns], tiling.columns.starts[tiles % columns]], 1)
        whole = np.round(shifts_px[tiles]).astype(np.intp)
        origins = starts + whole
        cut = _cut(padded, origins + reach, side) * self._taper
        spectra = rfft2(cut, tiling.engine)
        rest = torch.from_numpy(shifts_px[tiles] - whole).to(spectra.device)
        y, x = shift_phases(rest, (side, side))
        spectra *= y
        spectra *= x
        if weight is not None:
            spectra *= weight
        return spectra, origins

    def _seen(self, origins: NDArray[np.intp]) -> Tensor:
        """Return 1 where a tile cut at these places lies inside the frame, (tile, side, side)."""
        place = np.arange(self._tiling.side)
        seen = [
            (origins[:, axis, None] + place >= 0) & (origins[:, axis, None] + place < self._tiling.shape[axis])
            for axis in (0, 1)
        ]
        y, x = (torch.from_numpy(s.astype(np.float32)).to(self._taper.device) for s in seen)
        return y[:, :, None] * x[:, None, :]

    def _blend(self, image: Tensor, tiles: NDArray[np.intp], values: Tensor) -> None:
        tiling = self._tiling
        columns = len(tiling.columns.starts)
        for index, tile in enumerate(tiles):
            row, column = divmod(int(tile), columns)
            y = _overlap(int(tiling.rows.starts[row]), tiling.side, tiling.shape[0])
            x = _overlap(int(tiling.columns.starts[column]), tiling.side, tiling.shape[1])
            wy = torch.from_numpy(tiling.rows.weights[row, y[1]]).to(image.device)
            wx = torch.from_numpy(tiling.columns.weights[column, x[1]]).to(image.device)
            image[y[0], x[0]] += values[index][y[1], x[1]] * (wy[:, None] * wx[None, :])


def _overlap(start: int, side: int, length: int) -> tuple[slice, slice]:
    """Return the used part of a tile as places in the image and in the tile."""
    first, last = max(start + _GUARD, 0), min(start + side - _GUARD, length)
    return slice(first, last), slice(first - start, last - start)


def _choose_side(field: MotionField, shape: tuple[int, int], pixel_sizes_A: tuple[float, float]) -> int:
    """Return the largest side whose neighbours move alike."""
    places = (np.arange(33) + 0.5) / 33
    shifts = field.displacement(places, places) / np.array(pixel_sizes_A)
    slope = max(
        float(np.abs(np.diff(shifts, axis=1)).max()) * 33 / shape[0],
        float(np.abs(np.diff(shifts, axis=2)).max()) * 33 / shape[1],
    )
    for side in _SIDES:
        if slope * _stride(side) <= _STEP_PX and side <= max(_SIDES[-1], min(shape)):
            return side
    return _SIDES[-1]


def _stride(side: int) -> int:
    return side - 2 * _GUARD - _fade(side)


def _fade(side: int) -> int:
    """Return the width over which neighbouring tiles are blended."""
    return max(8, side // 8)


def _axis(length: int, side: int) -> Axis:
    """Spread tiles over an axis so that every pixel is used and the weights sum to 1."""
    fade, stride = _fade(side), _stride(side)
    count = max(1, int(np.ceil((length - fade) / stride)))
    starts = np.round(np.arange(count) * ((length - fade - stride) / max(1, count - 1)) if count > 1 else [0.0])
    starts = starts.astype(np.intp) - _GUARD
    if count == 1:
        starts[:] = (length - side) // 2
    ramp = np.clip((np.arange(side) - _GUARD + 0.5) / fade, 0, 1)
    up = np.sin(0.5 * np.pi * ramp) ** 2
    weights = np.repeat((up * up[::-1])[None], count, axis=0)
    total = np.zeros(length)
    for start, weight in zip(starts, weights, strict=True):
        place, part = _overlap(int(start), side, length)
        total[place] += weight[part]
    for start, weight in zip(starts, weights, strict=True):
        place, part = _overlap(int(start), side, length)
        weight[part] /= total[place]
    return Axis(starts, weights.astype(np.float32))


def _taper(side: int) -> NDArray[np.float32]:
    ramp = np.clip((np.arange(side) + 0.5) / _TAPER, 0, 1)
    line = np.sin(0.5 * np.pi * ramp) ** 2
    line = line * line[::-1]
    return np.asarray(line[:, None] * line[None, :], dtype=np.float32)


def _mirror(image: Tensor, reach: int) -> Tensor:
    """Return the image continued by its mirror image on all sides."""
    index = []
    for side in image.shape:
        place = torch.arange(-reach, side + reach, device=image.device) % (2 * side)
        index.append(torch.where(place < side, place, 2 * side - 1 - place))
    return image.index_select(0, index[0]).index_select(1, index[1])


def _cut(padded: Tensor, origins: NDArray[np.intp], side: int) -> Tensor:
    """Return squares of the image that begin at the given places, (tile, side, side)."""
    if padded.device.type == "cpu":
        source = padded.numpy()
        out = np.empty((len(origins), side, side), dtype=np.float32)
        for tile, (y, x) in zip(out, origins, strict=True):
            tile[:] = source[y : y + side, x : x + side]
        return torch.from_numpy(out)
    steps = torch.arange(side, device=padded.device)
    y, x = (torch.from_numpy(origins[:, axis]).to(padded.device)[:, None] + steps for axis in (0, 1))
    return padded[y[:, :, None], x[:, None, :]]
