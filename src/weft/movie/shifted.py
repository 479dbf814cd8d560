"""Frames corrected along a motion field, summed or one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.engine.device import Engine
from weft.engine.fft import shift_phases
from weft.fields.motion import MotionField
from weft.movie.bin import BinnedMovie
from weft.movie.border import Rim, reflect_into
from weft.movie.warp import WarpedSum
from weft.movie.weighting import ExposureWeights

__all__ = ["Shifted"]

Image = NDArray[np.float32]

_ROWS = 64


@dataclass(frozen=True, slots=True)
class Shifted:
    """A movie seen along its motion field: corrected(p) = frame t at p + d(p, t).

    Parameters
    ----------
    movie : BinnedMovie
        The frames.
    field : MotionField
        Displacements, of as many frames.
    engine : Engine
        Where to compute.
    weights : ExposureWeights or None
        Applied to each frame.
    """

    movie: BinnedMovie
    field: MotionField
    engine: Engine
    weights: ExposureWeights | None

    def sums(self, used: range, groups: Sequence[range]) -> list[Image]:
        """Return the sum of the corrected frames of each group.

        Parameters
        ----------
        used : range
            All frames that count.
        groups : sequence of range
            Parts of `used` that are summed apart.

        Returns
        -------
        list of ndarray, shape (y, x), float32
        """
        if not self.field.is_rigid:
            warped = self._warped(len(groups))
            for number, image in self._images(used):
                warped.add(image, number, _group(groups, number))
            return warped.images()
        shifts = self._shifts_px()
        rim = Rim(self.movie.shape, self.movie.padded, len(groups), self.engine)
        totals: list[Tensor | None] = [None] * len(groups)
        for number, spectrum in enumerate(self.movie.spectra()):
            if number not in used:
                continue
            group = _group(groups, number)
            total = totals[group]
            if total is None:
                total = totals[group] = torch.zeros_like(spectrum)
            _add_shifted(total, self._weighted(spectrum, number, used), self._phases(shifts[number]))
            after = number + groups[group].step
            rim.add(total, shifts[number].tolist(), shifts[after].tolist() if after in groups[group] else None, group)
        images = [
            torch.zeros(self.movie.shape, device=self.engine.device)
            if total is None
            else self.movie.to_image(total, overwrite=True).contiguous()
            for total in totals
        ]
        rim.mend(images)
        return [image.cpu().numpy() for image in images]

    def frames(self, used: range) -> Iterator[tuple[int, Image]]:
        """Yield each used frame's number and its corrected image; what it has not seen is mirrored from what it has."""
        if not self.field.is_rigid:
            for number, image in self._images(used):
                warped = self._warped(1)
                warped.add(image, number)
                yield number, warped.images()[0]
            return
        shifts = self._shifts_px()
        for number, spectrum in enumerate(self.movie.spectra()):
            if number in used:
                shift = float(shifts[number, 0]), float(shifts[number, 1])
                y, x = self._phases(shifts[number])
                image = self.movie.to_image(self._weighted(spectrum, number, used) * y * x)
                yield number, reflect_into(image, shift).cpu().numpy()

    def _shifts_px(self) -> NDArray[np.float64]:
        return np.asarray(self.field.track() / np.array(self.movie.pixel_sizes_A))

    def _phases(self, shift: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        return shift_phases(torch.from_numpy(shift).to(self.engine.device), self.movie.padded)

    def _weighted(self, spectrum: Tensor, number: int, used: range) -> Tensor:
        """Return the spectrum itself where frames are not weighted."""
        if self.weights is None:
            return spectrum
        return spectrum * self.weights.weight(number, used, self.movie.padded, spectrum.device)

    def _images(self, used: range) -> Iterator[tuple[int, Tensor]]:
        """Yield number and weighted image of each used frame before it is warped."""
        if self.weights is None:
            for number, image in enumerate(self.movie.images()):
                if number in used:
                    yield number, image
            return
        for number, spectrum in enumerate(self.movie.spectra()):
            if number in used:
                yield number, self.movie.to_image(self._weighted(spectrum, number, used))

    def _warped(self, groups: int) -> WarpedSum:
        return WarpedSum(self.movie.shape, self.movie.pixel_sizes_A, self.field, self.engine, groups)


def _add_shifted(total: Tensor, spectrum: Tensor, phases: tuple[Tensor, Tensor]) -> None:
    """Add a shifted spectrum in place, some rows at a time on a CPU, so that they stay in its cache."""
    y, x = phases
    rows = _ROWS if total.device.type == "cpu" else len(total)
    for first in range(0, len(total), rows):
        part = slice(first, first + rows)
        total[part].addcmul_(spectrum[part], y[part] * x)


def _group(groups: Sequence[range], number: int) -> int:
    return next(index for index, members in enumerate(groups) if number in members)
