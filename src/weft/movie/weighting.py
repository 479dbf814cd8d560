"""Exposure weighting: how much each frame still tells at each frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from weft.engine.fft import frequencies

__all__ = ["ExposureWeights"]

# Critical exposure a k^b + c (e⁻/Å², k in 1/Å) at 300 kV and its factor at 200 kV: Grant & Grigorieff 2015, eLife 4:e06980
_A, _B, _C = 0.24499, -1.6649, 2.8141
_FACTOR_200 = 0.8
_CLASSES = 2048  # weights are tabulated over this many steps of |k|


@dataclass(frozen=True, slots=True)
class ExposureWeights:
    """Amplitude weights exp(-N / (2 Ne(k))) of frames with their noise-preserving norm.

    Parameters
    ----------
    exposures_e_A2 : tuple of float
        Exposure accumulated at the end of each frame, with what came before the movie.
    pixel_sizes_A : tuple of float
        (y, x) of the images whose spectra are weighted.
    voltage_kV : float
        Critical exposures are scaled for it: 1 at 300 kV, 0.8 at 200 kV, linear in between and beyond, at least 0.5.

    Notes
    -----
    Grant & Grigorieff 2015, eq. 3 to 9: the sum of w F is divided by sqrt(Σ w²), so that white noise stays white;
    here it is multiplied by sqrt(number of frames), too, so that its power is that of the plain sum.
    """

    exposures_e_A2: tuple[float, ...]
    pixel_sizes_A: tuple[float, float]
    voltage_kV: float

    def weight(self, frame: int, used: range, shape: tuple[int, int], device: torch.device) -> Tensor:
        """Return w sqrt(N / Σ w²) of one of the used frames for images of `shape`, (y, x // 2 + 1), float32."""
        squares = torch.stack([self._table(number) ** 2 for number in used]).sum(0)
        # where every weight has vanished nothing is left to normalise
        norm = torch.where(squares > 1e-12, torch.sqrt(len(used) / squares.clamp_min(1e-12)), squares)
        fy, fx = frequencies(shape, device)
        k = torch.hypot(fy[:, None] / self.pixel_sizes_A[0], fx[None, :] / self.pixel_sizes_A[1])
        place = (k * (_CLASSES / self._k_max())).round().long().clamp_max(_CLASSES)
        return (self._table(frame) * norm).to(torch.float32).to(device)[place]

    def _table(self, frame: int) -> Tensor:
        k = torch.linspace(0, self._k_max(), _CLASSES + 1, dtype=torch.float64).clamp_min(1e-6)
        scale = max(0.5, 1 + (self.voltage_kV - 300) / 100 * (1 - _FACTOR_200))
        critical = scale * (_A * k**_B + _C)
        return torch.exp(-self.exposures_e_A2[frame] / (2 * critical))

    def _k_max(self) -> float:
        return math.hypot(0.5 / self.pixel_sizes_A[0], 0.5 / self.pixel_sizes_A[1])
