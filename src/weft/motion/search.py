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

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.engine.device import Engine
from weft.engine.fft import frequencies, irfft2, rfft2, shift_phases
from weft.motion.copies import Copies

__all__ = ["find_start"]

Array = NDArray[np.float64]

_REACH_A = 260.0  # farthest displacement that is looked for
_LONGEST_A = 400.0  # nothing beyond: illumination and thickness
_PASSES = 5
_MOST_FRAMES_FOR_PAIRS = 16
_AGREEING_A = 2.0  # two starts that end so near to each other need no third


def find_start(copies: Copies, resolution_A: float, b_factor_A2: float, engine: Engine) -> Array:
    """Return a rough path.

    Parameters
    ----------
    copies : Copies
        Coarse copies; no frame empty or repeated.
    resolution_A : float
        End of the band used.
    b_factor_A2 : float
        Weight exp(B/4 k²) of the amplitudes.
    engine : Engine
        Where to compute.

    Returns
    -------
    ndarray, shape (frame, 2)
        Displacement (y, x) in Å, mean 0.
    """
    spectra = _whitened(copies, resolution_A, b_factor_A2, engine)
    frames = len(spectra)
    shape = (copies.images.shape[1], copies.images.shape[2])
    pixels = np.array(copies.pixel_sizes_A)
    reach = min(_REACH_A, 0.4 * min(copies.field_A))
    number = np.arange(frames) - (frames - 1) / 2
    step = _mean_step(spectra, shape, pixels, min(reach, max(40.0, 2.5 * reach / max(1, frames - 1))), engine)
    starts = [number[:, None] * step, np.zeros((frames, 2))]
    candidates = [_passes(spectra, start, shape, pixels, reach, engine) for start in starts]
    if 2 < frames <= _MOST_FRAMES_FOR_PAIRS and np.abs(candidates[0] - candidates[1]).max() > _AGREEING_A:
        start = _from_pairs(spectra, shape, pixels, reach, engine)
        candidates.append(_passes(spectra, start, shape, pixels, reach, engine))
    return max(candidates, key=lambda path: _coherence(spectra, path / pixels, shape))


def _whitened(copies: Copies, resolution_A: float, b_factor_A2: float, engine: Engine) -> Tensor:
    """Return spectra of the windowed frames, each ring divided by its mean amplitude, the band weighted."""
    shape = (copies.images.shape[1], copies.images.shape[2])
    window = _window(copies)
    images = torch.from_numpy(window).to(engine.device) * copies.images
    spectra = rfft2(images - images.mean((1, 2), keepdim=True), engine)
    fy, fx = frequencies(shape, engine.device)
    k = torch.hypot(fy[:, None] / copies.pixel_sizes_A[0], fx[None, :] / copies.pixel_sizes_A[1])
    ring = (k * (min(copies.field_A) / 2)).long()
    power = (spectra.real**2 + spectra.imag**2).sum(0)
    total = torch.bincount(ring.flatten(), power.flatten().double())
    count = torch.bincount(ring.flatten())
    amplitude = torch.sqrt(total / count.clamp_min(1)).clamp_min(1e-12).float()
    weight = torch.exp(0.25 * b_factor_A2 * k**2) * ((k > 1 / _LONGEST_A) & (k < 1 / resolution_A))
    return spectra * (weight / amplitude[ring])


def _window(copies: Copies) -> NDArray[np.float32]:
    lines = []
    for side, seen in zip(copies.images.shape[1:], copies.field_px, strict=True):
        edge = max(2, seen // 12)
        ramp = np.clip((np.arange(seen) + 0.5) / edge, 0, 1)
        line = np.sin(0.5 * np.pi * np.minimum(ramp, ramp[::-1])) ** 2
        lines.append(np.pad(line, (0, side - seen)))
    return np.asarray(lines[0][:, None] * lines[1][None, :], dtype=np.float32)


def _mean_step(spectra: Tensor, shape: tuple[int, int], pixels: Array, reach: float, engine: Engine) -> Array:
    """Return the displacement from frame to frame that the correlations of all neighbours show together."""
    cross = torch.zeros_like(spectra[0])
    for first, second in itertools.pairwise(spectra):
        cross += first.conj() * second
    return _peak(irfft2(cross, shape, engine), pixels, reach)


def _passes(
    spectra: Tensor, start: Array, shape: tuple[int, int], pixels: Array, reach: float, engine: Engine
) -> Array:
    """Return the path after correlating each frame with the sum of the others, several times."""
    path = start.copy()
    frames = len(spectra)
    aligned = torch.empty_like(spectra)
    for frame in range(frames):
        aligned[frame] = _moved(spectra[frame], path[frame] / pixels, shape)
    total = aligned.sum(0)
    for turn in range(_PASSES):
        before = path.copy()
        for frame in range(frames):
            others = total - aligned[frame]
            correlation = irfft2(others.conj() * spectra[frame], shape, engine)
            path[frame] = _peak(correlation, pixels, reach, centre=path[frame] if turn else start[frame])
            total -= aligned[frame]
            aligned[frame] = _moved(spectra[frame], path[frame] / pixels, shape)
            total += aligned[frame]
        if np.abs(path - before).max() < 0.5 * pixels.max():
            break
    return np.asarray(path - path.mean(0))


def _from_pairs(spectra: Tensor, shape: tuple[int, int], pixels: Array, reach: float, engine: Engine) -> Array:
    """Return the path that fits the correlations of all pairs, outliers weighted down."""
    frames = len(spectra)
    first, second = np.triu_indices(frames, 1)
    found = np.stack(
        [
            _peak(irfft2(spectra[i].conj() * spectra[j], shape, engine), pixels, reach)
            for i, j in zip(first, second, strict=True)
        ]
    )
    design = np.zeros((len(first), frames))
    design[np.arange(len(first)), first] = -1
    design[np.arange(len(first)), second] = 1
    weight = np.ones(len(first))
    path: Array = np.zeros((frames, 2))
    for _ in range(20):
        solved = np.linalg.lstsq(design * weight[:, None], found * weight[:, None], rcond=None)[0]
        path = np.asarray(solved, dtype=np.float64)
        residual = np.linalg.norm(found - design @ path, axis=1)
        weight = 1 / np.sqrt(1 + (residual / 5.0) ** 2)
    return np.asarray(path - path.mean(0))


def _moved(spectrum: Tensor, shift_px: Array, shape: tuple[int, int]) -> Tensor:
    y, x = shift_phases(torch.from_numpy(shift_px).to(spectrum.device), shape)
    return spectrum * y * x


def _coherence(spectra: Tensor, shifts_px: Array, shape: tuple[int, int]) -> float:
    """Return the power of the sum of the aligned frames."""
    total = torch.zeros_like(spectra[0])
    for spectrum, shift in zip(spectra, shifts_px, strict=True):
        total += _moved(spectrum, shift, shape)
    return float((total.real**2 + total.imag**2).sum(dtype=torch.float64))


def _peak(correlation: Tensor, pixels: Array, reach: float, centre: Array | None = None) -> Array:
    """Return the place (Å) of the highest value within reach of rest, refined by parabolas.

    Where `centre` is given the peak must lie within reach of it, too.
    """
    h, w = correlation.shape
    y = torch.from_numpy(np.fft.fftfreq(h, 1 / h) * pixels[0]).to(correlation.device)
    x = torch.from_numpy(np.fft.fftfreq(w, 1 / w) * pixels[1]).to(correlation.device)
    allowed = y[:, None] ** 2 + x[None, :] ** 2 <= reach**2
    if centre is not None:
        allowed &= (y[:, None] - centre[0]) ** 2 + (x[None, :] - centre[1]) ** 2 <= reach**2
    place = int(torch.where(allowed, correlation, correlation.min() - 1).argmax())
    row, column = divmod(place, w)
    values = correlation.cpu().numpy()
    rise_y = _vertex(*(float(values[(row + d) % h, column]) for d in (-1, 0, 1)))
    rise_x = _vertex(*(float(values[row, (column + d) % w]) for d in (-1, 0, 1)))
    return np.array([float(y[row]) + rise_y * pixels[0], float(x[column]) + rise_x * pixels[1]])


def _vertex(before: float, here: float, after: float) -> float:
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0
