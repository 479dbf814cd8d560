"""Pieces of the frames as spectra inside a band, cut along a field and aligned by phases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.engine.device import Engine
from weft.engine.fft import rfft2
from weft.motion.copies import Copies
from weft.motion.layout import Layout

__all__ = ["Band", "Patches", "Strips", "make_band"]

Array = NDArray[np.float64]

_STRIP_BYTES = 1 << 26  # spectra worked on at a time
_BATCH_PIXELS = 1 << 17  # transformed at a time, so that a CPU's cache holds them
_GPU_BATCH_PIXELS = 1 << 26
_NEGLIGIBLE = 0.01  # of the noise of a component: what a mean as large as the noise of a pixel may add
_KEPT_BYTES = 700_000_000  # spectra of all patches are kept between iterations up to this size


@dataclass(frozen=True, slots=True)
class Band:
    """The frequencies of a patch that are used, on the rectangle that holds them.

    Parameters
    ----------
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
    ring_count : ndarray, shape (ring,)
        Σ multiplicity over each.
    """

    ky: Tensor
    kx: Tensor
    multiplicity: Tensor
    ring: Tensor
    rings: int
    ring_k: Array
    ring_count: Array

    def by_ring(self, values: Tensor) -> Array:
        """Return Σ multiplicity · values over each ring."""
        weighted = (self.multiplicity * values).to(torch.float64).flatten()
        return torch.bincount(self.ring.flatten(), weighted, minlength=self.rings).cpu().numpy()


def make_band(
    shape: tuple[int, int], pixels: tuple[float, float], range_A: tuple[float, float], device: torch.device
) -> Band:
    """Return the frequencies of patches of `shape` pixels between two resolutions."""
    low, high = 1 / range_A[0], 1 / range_A[1]
    ny = min(int(high * shape[0] * pixels[0]), shape[0] // 2 - 1)
    nx = min(int(high * shape[1] * pixels[1]), shape[1] // 2 - 1)
    rows = np.r_[0 : ny + 1, -ny:0]
    ky = torch.from_numpy((rows / (shape[0] * pixels[0])).astype(np.float32)).to(device)
    kx = torch.from_numpy((np.arange(nx + 1) / (shape[1] * pixels[1])).astype(np.float32)).to(device)
    k = torch.hypot(ky[:, None], kx[None, :])
    multiplicity = torch.where((k >= low) & (k <= high) & (k > 0), 2.0, 0.0)
    multiplicity[:, 0] /= 2
    # a ring is a Fourier pixel of the patch wide, or a hundredth of the band for large ones
    width = max(1 / min(shape[0] * pixels[0], shape[1] * pixels[1]), (high - low) / 100)
    ring = ((k - low) / width).long().clamp_min(0)
    ring[multiplicity == 0] = 0
    rings = int(ring.max()) + 1
    ring_k = np.asarray(low + (np.arange(rings) + 0.5) * width, dtype=np.float64)
    count = torch.bincount(ring.flatten(), multiplicity.flatten(), minlength=rings).to(torch.float64).cpu().numpy()
    return Band(ky, kx, multiplicity, ring, rings, ring_k, count)


@dataclass(slots=True)
class Patches:
    """Spectra of some patches, aligned by the displacement that has been taken out so far.

    Parameters
    ----------
    aligned : Tensor, shape (patch, frame, ky, kx), complex64
        exp(2πi k·d) X; the frequencies of the band's enclosing rectangle.
    displacement : ndarray, shape (patch, frame, 2)
        What has been taken out, Å.
    first : int
        Number of the first patch among all.
    powers : Tensor, shape (2, patch, ky, kx)
        Σ over frames of q |X|², q = amplitude², and of |X|²; no displacement changes them.
    """

    aligned: Tensor
    displacement: Array
    first: int
    powers: Tensor

    @property
    def numbers(self) -> slice:
        """Which patches of all these are."""
        return slice(self.first, self.first + len(self.aligned))

    def groups(self) -> Iterator[slice]:
        """Yield a few of these at a time, so that a CPU's cache holds them."""
        each = self.aligned[0].numel()
        step = max(1, (_BATCH_PIXELS if self.aligned.device.type == "cpu" else _GPU_BATCH_PIXELS) // each)
        for first in range(0, len(self.aligned), step):
            yield slice(first, min(len(self.aligned), first + step))

    def turn(self, step_A: Array, band: Band) -> None:
        """Take more displacement out."""
        along_y, along_x = _phases(step_A, band)
        for some in self.groups():
            self.aligned[some] *= along_y[some][..., :, None]
            self.aligned[some] *= along_x[some][..., None, :]


def _phases(step_A: Array, band: Band) -> tuple[Tensor, Tensor]:
    """Return exp(2πi k·step) as factors along y and x, (patch, frame, ky) and (patch, frame, kx)."""
    step = torch.from_numpy(step_A).to(band.ky.device)
    angles = [2 * torch.pi * step[..., axis, None] * k.to(torch.float64) for axis, k in ((0, band.ky), (1, band.kx))]
    y, x = (torch.polar(torch.ones_like(angle), angle).to(torch.complex64) for angle in angles)
    return y, x


def _kinds(windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return the different ones of some windows, and which of them each is."""
    rows = [row.tobytes() for row in windows]
    kinds = list(dict.fromkeys(rows))
    return windows[[rows.index(kind) for kind in kinds]], np.array([kinds.index(row) for row in rows])


def _flat(windows: NDArray[np.float32], least: float) -> tuple[NDArray[np.complex64], int]:
    """Return spectra of windows over their component at 0, and the last frequency at which one is above a limit."""
    spectra = np.fft.fft(windows.astype(np.float64), axis=1)
    spectra /= spectra[:, :1]
    half = np.abs(spectra[:, : windows.shape[1] // 2]).max(0)
    return spectra.astype(np.complex64), int(np.flatnonzero(half > least)[-1])


class Strips:
    """All patches of a layout, a strip of rows at a time, kept in memory if they fit.

    Each patch is cut where the field says it was seen, at whole pixels, so that its content stays under the window;
    the rest is done by phases. At the borders the cut stays inside the field.

    Parameters
    ----------
    copies : Copies
        The frames.
    layout : Layout
        Where patches lie in the reference geometry.
    displacement : ndarray, shape (patch, frame, 2)
        Å, (y, x).
    range_A : tuple of float
        Lowest and highest resolution of the band.
    engine : Engine
        Where to compute.
    """

    def __init__(
        self, copies: Copies, layout: Layout, displacement: Array, range_A: tuple[float, float], engine: Engine
    ) -> None:
        self._copies, self._engine = copies, engine
        self.layout = layout
        self.band = make_band(layout.shape, copies.pixel_sizes_A, range_A, engine.device)
        self.amplitude = torch.from_numpy(copies.amplitude.astype(np.float32)).to(engine.device)
        self.displacement = displacement.copy()
        (kinds_y, kind_y), (kinds_x, kind_x) = _kinds(layout.windows_y), _kinds(layout.windows_x)
        self._kind = (kind_y[:, None] * len(kinds_x) + kind_x[None, :]).ravel()  # of each patch's window
        norm = np.sqrt((layout.windows_y**2).sum(1).mean() * (layout.windows_x**2).sum(1).mean())
        windows = (kinds_y / norm)[:, None, :, None] * kinds_x[None, :, None, :]
        self._windows = torch.from_numpy(windows.reshape(-1, *layout.shape)).to(engine.device)
        # what a patch's mean adds to its spectrum, over the component at 0; rows of frequencies 0 to last, -last to -1
        least = _NEGLIGIBLE / np.sqrt(layout.shape[0] * layout.shape[1])
        (flat_y, last_y), (flat_x, last_x) = _flat(kinds_y, least), _flat(kinds_x, least)
        self._flat_rows = np.r_[0 : last_y + 1, -last_y:0]
        flat = flat_y[:, None, self._flat_rows, None] * flat_x[None, :, None, : last_x + 1]
        self._flat = torch.from_numpy(flat.reshape(-1, *flat.shape[2:])).to(engine.device)
        each = copies.frames * self.band.ring.numel() * 8 * len(layout.starts_x)
        rows = len(layout.starts_y)
        self._rows = max(1, min(rows, _STRIP_BYTES // max(1, each)))
        self._keep = each * rows <= min(_KEPT_BYTES, engine.memory_bytes // 4)
        self._kept: dict[int, Patches] = {}

    @property
    def count(self) -> int:
        """Number of patches."""
        return self.layout.count

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self._copies.frames

    @property
    def _batch_pixels(self) -> int:
        return _BATCH_PIXELS if self._engine.device.type == "cpu" else _GPU_BATCH_PIXELS

    def each(self, *, every: int = 1) -> Iterator[Patches]:
        """Yield the patches of all strips, or of one in `every`, aligned by the present displacement."""
        rows = len(self.layout.starts_y)
        for start in range(0, rows, self._rows * every):
            if start not in self._kept:
                found = self._cut(range(start, min(rows, start + self._rows)))
                if not self._keep:
                    yield found
                    continue
                self._kept[start] = found
            strip = self._kept[start]
            step = self.displacement[strip.numbers] - strip.displacement
            if step.any():
                strip.turn(step, self.band)
                strip.displacement = self.displacement[strip.numbers].copy()
            yield strip

    def move_to(self, displacement: Array) -> None:
        """Align by another displacement from now on, shape (patch, frame, 2), Å."""
        self.displacement = displacement.copy()

    def _cut(self, rows: range) -> Patches:
        layout, band, device = self.layout, self.band, self._engine.device
        columns = len(layout.starts_x)
        first = rows.start * columns
        wanted = self.displacement[first : first + len(rows) * columns]
        whole = self._whole(wanted, rows)
        origin = np.stack(np.meshgrid(layout.starts_y[rows], layout.starts_x, indexing="ij"), -1).reshape(-1, 1, 2)
        rest = wanted - (whole - origin) * np.array(self._copies.pixel_sizes_A)
        along_y, along_x = _phases(rest, band)
        aligned = torch.empty((len(wanted), self.frames, *band.ring.shape), dtype=torch.complex64, device=device)
        for some in self._batches(len(wanted)):
            kinds = self._kind[first + some[0].start : first + some[0].stop]
            spectra = rfft2(self._windowed(whole[some], self._copies.images[some[1]], kinds), self._engine)
            self._take_out_means(spectra, kinds)
            for ky, stored in self._parts(spectra):
                part = aligned[some][..., ky, :]
                torch.mul(spectra[..., stored, : len(band.kx)], along_y[some][..., ky, None], out=part)
                part *= along_x[some][..., None, :]
        return Patches(aligned, wanted.copy(), first, self._powers(aligned))

    def _take_out_means(self, spectra: Tensor, kinds: NDArray[np.intp]) -> None:
        """Set patches' means to 0 in place: what a mean adds is the window's own spectrum."""
        flat = self._flat[torch.from_numpy(kinds).to(spectra.device), None]
        means, columns, above = spectra[..., :1, :1].clone(), flat.shape[-1], flat.shape[-2] // 2
        spectra[..., : above + 1, :columns].addcmul_(means, flat[..., : above + 1, :], value=-1)
        spectra[..., spectra.shape[-2] - above :, :columns].addcmul_(means, flat[..., above + 1 :, :], value=-1)

    def _powers(self, aligned: Tensor) -> Tensor:
        """Return what `Patches` holds as such, some rows at a time, so that a CPU's cache holds them."""
        shares = torch.stack([self.amplitude.square(), torch.ones_like(self.amplitude)])
        patches, _, height, width = aligned.shape
        out = torch.empty((2, patches, height, width), device=aligned.device)
        step = max(1, self._batch_pixels // aligned[0, :, 0].numel())
        for patch in range(patches):
            for row in range(0, height, step):
                square = torch.view_as_real(aligned[patch, :, row : row + step]).square()
                summed = torch.matmul(shares, square.flatten(1)).reshape(2, -1, width, 2)
                torch.add(summed[..., 0], summed[..., 1], out=out[:, patch, row : row + step])
        return out

    def _parts(self, spectra: Tensor) -> Iterator[tuple[slice, slice]]:
        """Yield rows of the band's rectangle and where the spectra have them, so many that a CPU's cache holds them."""
        last, ny, width = spectra.shape[-2], len(self.band.ky) // 2, len(self.band.kx)
        step = max(1, self._batch_pixels // (spectra[..., 0, 0].numel() * width))
        for begin, end, offset in ((0, ny + 1, 0), (ny + 1, 2 * ny + 1, last - 2 * ny - 1)):
            for row in range(begin, end, step):
                rows = slice(row, min(end, row + step))
                yield rows, slice(rows.start + offset, rows.stop + offset)

    def _batches(self, count: int) -> Iterator[tuple[slice, slice]]:
        """Yield which patches and which of their frames are transformed together."""
        most = self._batch_pixels // self._windows[0].numel()
        frames = max(1, min(self.frames, most))
        patches = max(1, most // self.frames)
        for first in range(0, count, patches):
            for frame in range(0, self.frames, frames):
                yield slice(first, min(count, first + patches)), slice(frame, min(self.frames, frame + frames))

    def _windowed(self, whole: NDArray[np.intp], images: Tensor, kinds: NDArray[np.intp]) -> Tensor:
        """Return windowed cuts, (patch, frame, y, x)."""
        height, width = self.layout.shape
        cut = torch.empty((*whole.shape[:2], height, width), device=self._engine.device)
        arrays: tuple[Any, ...] = images, self._windows, cut
        multiply: Any = torch.mul
        if cut.device.type == "cpu":  # numpy's views of small pieces cost less than torch's
            arrays, multiply = tuple(array.numpy() for array in arrays), np.multiply
        source, windows, out = arrays
        for patch, (places, kind) in enumerate(zip(whole.tolist(), kinds.tolist(), strict=True)):
            for frame, (y, x) in enumerate(places):
                multiply(source[frame, y : y + height, x : x + width], windows[kind], out=out[patch, frame])
        return cut

    def _whole(self, displacement: Array, rows: range) -> NDArray[np.intp]:
        """Return the first pixels of the cuts, so chosen that no patch leaves the field."""
        pixels = np.array(self._copies.pixel_sizes_A)
        layout = self.layout
        origin = np.stack(np.meshgrid(layout.starts_y[rows], layout.starts_x, indexing="ij"), -1).reshape(-1, 1, 2)
        room = np.array(self._copies.field_px) - np.array(layout.shape)
        return np.asarray(np.clip(origin + np.round(displacement / pixels).astype(np.intp), 0, room))
