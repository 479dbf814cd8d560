"""Pieces of the frames as spectra inside a band, cut along a field and aligned by phases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.engine.device import Engine
from weft.engine.fft import rfft2
from weft.motion.copies import Copies

__all__ = ["Layout", "Patches", "cut_patches", "plan_layout"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where patches lie on the copies' raster and how they are windowed.

    Parameters
    ----------
    starts_y, starts_x : ndarray, shape (row,) and (column,)
        First pixels.
    shape : tuple of int
        (y, x) of a patch.
    window_y, window_x : ndarray, shape (y,) and (x,), float32
        Factors; the window is their product.
    """

    starts_y: NDArray[np.intp]
    starts_x: NDArray[np.intp]
    shape: tuple[int, int]
    window_y: NDArray[np.float32]
    window_x: NDArray[np.float32]

    @property
    def count(self) -> int:
        """Number of patches."""
        return len(self.starts_y) * len(self.starts_x)

    @property
    def share(self) -> float:
        """What a patch's likelihood counts, so that the information of all patches is that of the field they see.

        With W(p) the sum of the windows' squares, the noise of a sum over all patches is that of (∫W)²/∫W² pixels.
        """
        pixels = 1.0
        for starts, window in ((self.starts_y, self.window_y), (self.starts_x, self.window_x)):
            covered = np.zeros(int(starts[-1]) + len(window))
            for start in starts:
                covered[start : start + len(window)] += window.astype(np.float64) ** 2
            pixels *= covered.sum() ** 2 / (covered**2).sum() / (len(starts) * len(window))
        return float(pixels)

    def centres_frac(self, copies: Copies) -> tuple[Array, Array]:
        """Return the centres of rows and columns of patches as fractions of the field."""
        y = (self.starts_y + self.shape[0] / 2) * copies.pixel_sizes_A[0] / copies.field_A[0]
        x = (self.starts_x + self.shape[1] / 2) * copies.pixel_sizes_A[1] / copies.field_A[1]
        return y.astype(np.float64), x.astype(np.float64)


def plan_layout(copies: Copies, side_A: float | None, *, overlap: bool) -> Layout:
    """Return patches that cover the field.

    Parameters
    ----------
    copies : Copies
        The frames.
    side_A : float or None
        Wanted side; None = one patch as large as the field.
    overlap : bool
        Sine windows that overlap by half, so that their squares sum to 1; else patches side by side with short tapers.
    """
    axes = [_axis(copies.field_px[axis], copies.pixel_sizes_A[axis], side_A, overlap=overlap) for axis in (0, 1)]
    (starts_y, window_y), (starts_x, window_x) = axes
    return Layout(starts_y, starts_x, (len(window_y), len(window_x)), window_y, window_x)


def _axis(
    length: int, pixel_A: float, side_A: float | None, *, overlap: bool
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    side = length if side_A is None else min(length, _even_good(side_A / pixel_A))
    if side >= 0.75 * length:
        side = length - length % 2
        return np.zeros(1, dtype=np.intp), _tapered(side, max(2, side // 24))
    if overlap:
        count = max(2, round(2 * length / side - 1))
        window = np.sin(np.pi * (np.arange(side) + 0.5) / side).astype(np.float32)
    else:
        count = max(2, round(length / side))
        window = _tapered(side, max(2, side // 10))
    return np.round(np.linspace(0, length - side, count)).astype(np.intp), window


def _even_good(side: float) -> int:
    """Return the even size with factors 2, 3, 5 nearest to the wanted one, at least 16."""
    sizes = sorted({2**a * 3**b * 5**c for a in range(1, 12) for b in range(6) for c in range(4)})
    return int(min((size for size in sizes if size >= 16), key=lambda size: abs(size - side)))


def _tapered(side: int, edge: int) -> NDArray[np.float32]:
    ramp = np.clip((np.arange(side) + 0.5) / edge, 0, 1)
    line = np.sin(0.5 * np.pi * ramp) ** 2
    return np.asarray(line * line[::-1], dtype=np.float32)


@dataclass(slots=True)
class Patches:
    """Spectra of patches, aligned by the displacement that has been taken out so far.

    Parameters
    ----------
    aligned : Tensor, shape (patch, frame, ky, kx), complex64
        exp(2πi k·d) X; the frequencies of the band's enclosing rectangle.
    ky, kx : Tensor, shape (ky,) and (kx,)
        Frequencies, 1/Å.
    multiplicity : Tensor, shape (ky, kx)
        2, or 1 on the column kx = 0; 0 outside the band.
    ring : Tensor, shape (ky, kx), int64
        Number of the ring.
    rings : int
        How many there are.
    ring_k : ndarray, shape (ring,)
        Their |k|, 1/Å.
    power : Tensor, shape (patch, ky, kx)
        Σ over frames of q |X|², q = amplitude².
    plain_power : Tensor, shape (ky, kx)
        Σ over patches and frames of |X|².
    amplitude : Tensor, shape (frame,)
        Share of the signal in each frame.
    displacement : ndarray, shape (patch, frame, 2)
        What has been taken out, Å.
    """

    aligned: Tensor
    ky: Tensor
    kx: Tensor
    multiplicity: Tensor
    ring: Tensor
    rings: int
    ring_k: Array
    power: Tensor
    plain_power: Tensor
    amplitude: Tensor
    displacement: Array

    @property
    def count(self) -> int:
        """Number of patches."""
        return self.aligned.shape[0]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.aligned.shape[1]

    def move_to(self, displacement: Array) -> None:
        """Align by another displacement, shape (patch, frame, 2), Å."""
        step = torch.from_numpy(displacement - self.displacement).to(self.aligned.device)
        self._turn(step)
        self.displacement = displacement.copy()

    def _turn(self, step_A: Tensor) -> None:
        for axis, k in ((0, self.ky), (1, self.kx)):
            angle = 2 * torch.pi * step_A[..., axis, None] * k.to(torch.float64)
            phase = torch.polar(torch.ones_like(angle), angle).to(torch.complex64)
            self.aligned *= phase[..., :, None] if axis == 0 else phase[..., None, :]


def cut_patches(
    copies: Copies, layout: Layout, displacement: Array, range_A: tuple[float, float], engine: Engine
) -> Patches:
    """Cut patches where the field says they were seen, transform them, keep the band.

    Parameters
    ----------
    copies : Copies
        The frames.
    layout : Layout
        Where patches lie in the reference geometry.
    displacement : ndarray, shape (patch, frame, 2)
        Å, (y, x). Each patch is cut at the nearest whole pixel, so that its content stays under the window, and the
        rest is done by phases; at the borders the cut stays inside the field.
    range_A : tuple of float
        Lowest and highest resolution of the band.
    engine : Engine
        Where to compute.
    """
    shape, pixels = layout.shape, copies.pixel_sizes_A
    low, high = 1 / range_A[0], 1 / range_A[1]
    ny = min(int(high * shape[0] * pixels[0]), shape[0] // 2 - 1)
    nx = min(int(high * shape[1] * pixels[1]), shape[1] // 2 - 1)
    rows = np.r_[0 : ny + 1, -ny:0]
    ky = torch.from_numpy((rows / (shape[0] * pixels[0])).astype(np.float32)).to(engine.device)
    kx = torch.from_numpy((np.arange(nx + 1) / (shape[1] * pixels[1])).astype(np.float32)).to(engine.device)
    k = torch.hypot(ky[:, None], kx[None, :])
    multiplicity = torch.where((k >= low) & (k <= high), 2.0, 0.0)
    multiplicity[:, 0] /= 2
    width = _ring_width(shape, pixels, high - low)
    ring = ((k - low) / width).long().clamp_min(0)
    ring[multiplicity == 0] = 0
    rings = int(ring.max()) + 1
    window = torch.from_numpy(layout.window_y[:, None] * layout.window_x[None, :]).to(engine.device)
    whole = _whole(copies, layout, displacement)
    aligned = torch.empty((layout.count, copies.frames, len(rows), nx + 1), dtype=torch.complex64, device=engine.device)
    columns = len(layout.starts_x)
    for frame in range(copies.frames):
        image = copies.images[frame]
        for row, start_y in enumerate(layout.starts_y):
            cut = torch.empty((columns, *shape), device=engine.device)
            for column, start_x in enumerate(layout.starts_x):
                y, x = whole[row * columns + column, frame] + (start_y, start_x)
                cut[column] = image[y : y + shape[0], x : x + shape[1]]
            cut -= (cut * window).mean((1, 2), keepdim=True) / window.mean()
            cut *= window
            spectra = rfft2(cut, engine)[..., : nx + 1]
            part = slice(row * columns, (row + 1) * columns)
            aligned[part, frame, : ny + 1] = spectra[:, : ny + 1]
            aligned[part, frame, ny + 1 :] = spectra[:, -ny:] if ny else spectra[:, :0]
    aligned *= float(1 / torch.sqrt((window**2).sum()))
    amplitude = torch.from_numpy(copies.amplitude.astype(np.float32)).to(engine.device)
    taken = whole * np.array(pixels)
    square = aligned.real**2 + aligned.imag**2
    power = torch.einsum("pjyx,j->pyx", square, amplitude**2)
    found = Patches(
        aligned, ky, kx, multiplicity, ring, rings, (low + (np.arange(rings) + 0.5) * width).astype(np.float64), power,
        square.sum((0, 1)), amplitude, taken.astype(np.float64),
    )  # fmt: skip
    found.move_to(displacement)
    return found


def _whole(copies: Copies, layout: Layout, displacement: Array) -> NDArray[np.intp]:
    """Return the displacements in whole pixels, kept so small that no patch leaves the field."""
    whole = np.round(displacement / np.array(copies.pixel_sizes_A)).astype(np.intp)
    starts = np.stack(np.meshgrid(layout.starts_y, layout.starts_x, indexing="ij"), -1).reshape(-1, 1, 2)
    room = np.array(copies.field_px) - np.array(layout.shape)
    return np.asarray(np.clip(whole, -starts, room - starts))


def _ring_width(shape: tuple[int, int], pixels: tuple[float, float], band: float) -> float:
    """Return the width of rings: a Fourier pixel of the patch, or a hundredth of the band for large ones."""
    return max(1 / (min(shape[0] * pixels[0], shape[1] * pixels[1])), band / 100)
