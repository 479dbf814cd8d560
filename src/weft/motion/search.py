"""A first guess of the path by cross-correlation, from anywhere within a wide reach.

Notes
-----
Frames of a few electrons per Å² correlate too weakly pair by pair. The correlations of *all* neighbours, summed, show
the mean step even then; along it every frame is correlated with the sum of the others, several times. A start from
rest competes and, for short movies where both disagree, one from the correlations of all pairs; the most coherent sum
wins.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.engine.device import Engine
from weft.engine.fft import fit_spectrum, frequencies, good_size, ifft_rows, rfft2, shift_phases
from weft.motion.copies import Copies

__all__ = ["find_start"]

Array = NDArray[np.float64]

_SEARCH_A = 16.0  # end of the band
_REACH_A = 260.0  # farthest displacement that is looked for
_LONGEST_A = 400.0  # nothing beyond: illumination and thickness
_PASSES = 5
_MOST_FRAMES_FOR_PAIRS = 16
_AGREEING_A = 2.0  # two starts that end so near to each other need no third


def find_start(copies: Copies, b_factor_A2: float, engine: Engine) -> Array:
    """Return a rough path.

    Parameters
    ----------
    copies : Copies
        Coarse copies; no frame empty or repeated.
    b_factor_A2 : float
        Weight exp(B/4 k²) of the amplitudes.
    engine : Engine
        Where to compute.

    Returns
    -------
    ndarray, shape (frame, 2)
        Displacement (y, x) in Å, mean 0.
    """
    reach = min(_REACH_A, 0.4 * min(copies.field_A))
    frames = _whitened(copies, b_factor_A2, reach, engine)
    count = len(frames.spectra)
    number = np.arange(count) - (count - 1) / 2
    step = _mean_step(frames, min(reach, max(40.0, 2.5 * reach / max(1, count - 1))))
    starts = [number[:, None] * step, np.zeros((count, 2))]
    candidates = [_passes(frames, start) for start in starts]
    if 2 < count <= _MOST_FRAMES_FOR_PAIRS and np.abs(candidates[0] - candidates[1]).max() > _AGREEING_A:
        candidates.append(_passes(frames, _from_pairs(frames)))
    return max(candidates, key=lambda path: _coherence(frames, path))


@dataclass(frozen=True, slots=True)
class _Frames:
    """Spectra that correlate like images: windowed, each ring divided by its mean amplitude, the band weighted."""

    spectra: Tensor
    shape: tuple[int, int]
    pixels: Array
    reach: float
    engine: Engine

    def moved(self, frame: int, path_A: Array) -> Tensor:
        """Return the spectrum of a frame whose displacement is taken out."""
        shift = torch.from_numpy(path_A / self.pixels).to(self.spectra.device)
        y, x = shift_phases(shift, self.shape)
        return self.spectra[frame] * y * x

    def peak(self, cross: Tensor, reach: float | None = None, centre: Array | None = None) -> Array:
        """Return the place (Å) of the highest correlation within reach of rest, refined by parabolas.

        Where `centre` is given the peak must lie within reach of it, too.
        """
        reach = self.reach if reach is None else reach
        far = [
            min(int(reach / pixel) + 2, (side - 1) // 2) for pixel, side in zip(self.pixels, self.shape, strict=True)
        ]
        near = ifft_rows(cross, far[0], self.shape, self.engine)
        values = torch.cat((near[:, -far[1] :], near[:, : far[1] + 1]), dim=1).cpu().numpy()
        y, x = (np.arange(-n, n + 1)[1:-1] * pixel for n, pixel in zip(far, self.pixels, strict=True))
        allowed = y[:, None] ** 2 + x[None, :] ** 2 <= reach**2
        if centre is not None:
            allowed &= (y[:, None] - centre[0]) ** 2 + (x[None, :] - centre[1]) ** 2 <= reach**2
        place = int(np.where(allowed, values[1:-1, 1:-1], -np.inf).argmax())
        row, column = divmod(place, len(x))
        around = values[row : row + 3, column : column + 3].astype(np.float64)
        rise = np.array([_vertex(*around[:, 1]), _vertex(*around[1])])
        return np.array([y[row], x[column]]) + rise * self.pixels


def _whitened(copies: Copies, b_factor_A2: float, reach: float, engine: Engine) -> _Frames:
    old = (copies.images.shape[1], copies.images.shape[2])
    shape = tuple(
        min(side, good_size(int(np.ceil(2.04 * side * pixel / _SEARCH_A))))
        for side, pixel in zip(old, copies.pixel_sizes_A, strict=True)
    )
    shape = shape[0], shape[1]
    pixels = np.array(copies.pixel_sizes_A) * old / np.array(shape)
    window = torch.from_numpy(_window(copies)).to(engine.device)
    spectra = torch.stack([fit_spectrum(rfft2(window * image, engine), old, shape) for image in copies.images])
    fy, fx = frequencies(shape, engine.device)
    k = torch.hypot(fy[:, None] / pixels[0], fx[None, :] / pixels[1])
    ring = (k * (min(copies.field_A) / 2)).long()
    power = (spectra.real**2 + spectra.imag**2).sum(0)
    total = torch.bincount(ring.flatten(), power.flatten().double())
    count = torch.bincount(ring.flatten())
    amplitude = torch.sqrt(total / count.clamp_min(1)).clamp_min(1e-12).float()
    weight = torch.exp(0.25 * b_factor_A2 * k**2) * ((k > 1 / _LONGEST_A) & (k < 1 / _SEARCH_A))
    return _Frames(spectra * (weight / amplitude[ring]), shape, pixels, reach, engine)


def _window(copies: Copies) -> NDArray[np.float32]:
    lines = []
    for side, seen in zip(copies.images.shape[1:], copies.field_px, strict=True):
        edge = max(2, seen // 12)
        ramp = np.clip((np.arange(seen) + 0.5) / edge, 0, 1)
        line = np.sin(0.5 * np.pi * np.minimum(ramp, ramp[::-1])) ** 2
        lines.append(np.pad(line, (0, side - seen)))
    return np.asarray(lines[0][:, None] * lines[1][None, :], dtype=np.float32)


def _mean_step(frames: _Frames, reach: float) -> Array:
    """Return the displacement from frame to frame that the correlations of all neighbours show together."""
    cross = torch.zeros_like(frames.spectra[0])
    for first, second in itertools.pairwise(frames.spectra):
        cross += first.conj() * second
    return frames.peak(cross, reach)


def _passes(frames: _Frames, start: Array) -> Array:
    """Return the path after correlating each frame with the sum of the others, several times."""
    path = start.copy()
    aligned = torch.stack([frames.moved(frame, place) for frame, place in enumerate(path)])
    total = aligned.sum(0)
    for turn in range(_PASSES):
        before = path.copy()
        for frame in range(len(path)):
            total -= aligned[frame]
            cross = total.conj() * frames.spectra[frame]
            path[frame] = frames.peak(cross, centre=path[frame] if turn else start[frame])
            aligned[frame] = frames.moved(frame, path[frame])
            total += aligned[frame]
        if np.abs(path - before).max() < 0.5 * frames.pixels.max():
            break
    return np.asarray(path - path.mean(0))


def _from_pairs(frames: _Frames) -> Array:
    """Return the path that fits the correlations of all pairs, outliers weighted down."""
    count = len(frames.spectra)
    first, second = np.triu_indices(count, 1)
    found = np.stack(
        [frames.peak(frames.spectra[i].conj() * frames.spectra[j]) for i, j in zip(first, second, strict=True)]
    )
    design = np.zeros((len(first), count))
    design[np.arange(len(first)), first] = -1
    design[np.arange(len(first)), second] = 1
    weight = np.ones(len(first))
    path: Array = np.zeros((count, 2))
    for _ in range(20):
        solved = np.linalg.lstsq(design * weight[:, None], found * weight[:, None], rcond=None)[0]
        path = np.asarray(solved, dtype=np.float64)
        residual = np.linalg.norm(found - design @ path, axis=1)
        weight = 1 / np.sqrt(1 + (residual / 5.0) ** 2)
    return np.asarray(path - path.mean(0))


def _coherence(frames: _Frames, path: Array) -> float:
    """Return the power of the sum of the aligned frames."""
    total = torch.zeros_like(frames.spectra[0])
    for frame, place in enumerate(path):
        total += frames.moved(frame, place)
    return float((total.real**2 + total.imag**2).sum(dtype=torch.float64))


def _vertex(before: float, here: float, after: float) -> float:
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0
