"""Pieces of the frames as spectra inside a band, cut along a field and aligned by phases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weft.engine.device import Engine
from weft.engine.fft import rfft2
from weft.motion.copies import Copies

__all__ = ["Band", "Layout", "Patches", "Strips", "make_band", "plan_layout"]

Array = NDArray[np.float64]

_OVERLAP = 1 / 3  # of a side
_STRIP_BYTES = 1 << 26  # spectra worked on at a time
_BATCH_PIXELS = 1 << 17  # transformed at a time, so that a CPU's cache holds them
_GPU_BATCH_PIXELS = 1 << 26
_KEPT_BYTES = 700_000_000  # spectra of all patches are kept between iterations up to this size


@dataclass(frozen=True, slots=True)
class Layout:
    """Where patches lie on the copies' raster and how they are windowed.

    Parameters
    ----------
    starts_y, starts_x : ndarray, shape (row,) and (column,)
        First pixels.
    shape : tuple of int
        (y, x) of a patch.
    windows_y, windows_x : ndarray, shape (row, y) and (column, x), float32
        Factors; a patch's window is their product.
    """

    starts_y: NDArray[np.intp]
    starts_x: NDArray[np.intp]
    shape: tuple[int, int]
    windows_y: NDArray[np.float32]
    windows_x: NDArray[np.float32]

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
        for starts, windows in ((self.starts_y, self.windows_y), (self.starts_x, self.windows_x)):
            covered = np.zeros(int(starts[-1]) + windows.shape[1])
            for start, window in zip(starts, windows, strict=True):
                covered[start : start + len(window)] += window.astype(np.float64) ** 2
            pixels *= covered.sum() ** 2 / (covered**2).sum() / windows.size
        return float(pixels)

    def centres_frac(self, copies: Copies) -> tuple[Array, Array]:
        """Return the centres of rows and columns of patches, as their windows see them, as fractions of the field."""
        y, x = (
            (starts + 0.5 + windows.astype(np.float64) ** 2 @ np.arange(windows.shape[1]) / (windows**2).sum(1))
            * copies.pixel_sizes_A[axis] / copies.field_A[axis]
            for axis, (starts, windows) in enumerate(((self.starts_y, self.windows_y), (self.starts_x, self.windows_x)))
        )  # fmt: skip
        return y, x


def plan_layout(copies: Copies, side_A: float | None, *, overlap: bool, path_A: Array | None = None) -> Layout:
    """Return patches that cover the field.

    Parameters
    ----------
    copies : Copies
        The frames.
    side_A : float or None
        Wanted side; None = one patch as large as the field.
    overlap : bool
        Windows with edges that overlap by a third, sines, so that their squares sum to 1; else patches side by side with short tapers.
    path_A : ndarray, shape (frame, 2), optional
        Where frames have moved: patches then keep to what all frames show, as long as that is half the field.
    """
    axes = []
    for axis in (0, 1):
        length, pixel_A = copies.field_px[axis], copies.pixel_sizes_A[axis]
        inside = _seen_by_all(length, None if path_A is None else path_A[:, axis] / pixel_A)
        axes.append(_whole_axis(inside) if side_A is None else _axis(inside, side_A / pixel_A, overlap=overlap))
    (starts_y, windows_y), (starts_x, windows_x) = axes
    return Layout(starts_y, starts_x, (windows_y.shape[1], windows_x.shape[1]), windows_y, windows_x)


def _seen_by_all(length: int, path_px: Array | None) -> range:
    """Return the part of an axis that lies inside every frame; all of it where that would be less than half."""
    if path_px is not None:
        before, after = (max(0, int(np.ceil(far))) for far in (-path_px.min(), path_px.max()))
        if before + after <= length // 2:
            return range(before, length - after)
    return range(length)


def _whole_axis(inside: range) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return one patch."""
    side = max(size for size in _even_sizes(len(inside)) if size <= len(inside))
    return np.array([inside.start], dtype=np.intp), _tapered(side, max(2, side // 24))[None]


def _axis(inside: range, side_px: float, *, overlap: bool) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    side = min(len(inside) - len(inside) % 2, _even_good(side_px))
    if side >= 0.75 * len(inside):
        return _whole_axis(inside)
    if overlap:
        edge = round(_OVERLAP * side)
        count = max(2, round((len(inside) - edge) / (side - edge)))
        windows = np.repeat(_sine(side, edge, edge)[None], count, axis=0)
        outer = max(2, side // 24)  # nothing overlaps there
        windows[0], windows[-1] = _sine(side, outer, edge), _sine(side, edge, outer)
    else:
        count = max(2, round(len(inside) / side))
        windows = np.repeat(_tapered(side, max(2, side // 10))[None], count, axis=0)
    return inside.start + np.round(np.linspace(0, len(inside) - side, count)).astype(np.intp), windows


def _sine(side: int, rise: int, fall: int) -> NDArray[np.float32]:
    """Return a window that is 1 between edges of sines."""
    place = np.arange(side) + 0.5
    ramp = np.minimum(np.minimum(place / rise, 1), np.minimum(place[::-1] / fall, 1))
    return np.sin(0.5 * np.pi * ramp).astype(np.float32)


def _even_good(side: float) -> int:
    """Return the even size with factors 2, 3, 5, 7 nearest to the wanted one, at least 16."""
    return min((size for size in _even_sizes(int(2 * side) + 16) if size >= 16), key=lambda size: abs(size - side))


def _even_sizes(most: int) -> list[int]:
    """Return the even sizes with factors 2, 3, 5, 7 up to a limit; 2 at least."""
    sizes = {2}
    for factor in (2, 3, 5, 7):
        new = sizes
        while new:
            new = {size * factor for size in new if size * factor <= most} - sizes
            sizes |= new
    return sorted(sizes)


def _tapered(side: int, edge: int) -> NDArray[np.float32]:
    ramp = np.clip((np.arange(side) + 0.5) / edge, 0, 1)
    line = np.sin(0.5 * np.pi * ramp) ** 2
    return np.asarray(line * line[::-1], dtype=np.float32)


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
    """

    ky: Tensor
    kx: Tensor
    multiplicity: Tensor
    ring: Tensor
    rings: int
    ring_k: Array

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
    return Band(ky, kx, multiplicity, ring, rings, np.asarray(low + (np.arange(rings) + 0.5) * width, dtype=np.float64))


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


def _rectangle(spectra: Tensor, band: Band) -> Tensor:
    """Return the part of spectra that encloses the band."""
    ny, nx = len(band.ky) // 2, len(band.kx)
    rows = spectra[..., : ny + 1, :nx], spectra[..., spectra.shape[-2] - ny :, :nx]
    return torch.cat(rows, dim=-2)


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
        kinds_y, kind_y = np.unique(layout.windows_y, axis=0, return_inverse=True)
        kinds_x, kind_x = np.unique(layout.windows_x, axis=0, return_inverse=True)
        self._kind = (kind_y[:, None] * len(kinds_x) + kind_x[None, :]).ravel()  # of each patch's window
        norm = np.sqrt((layout.windows_y**2).sum(1).mean() * (layout.windows_x**2).sum(1).mean())
        windows = (kinds_y[:, None, :, None] * kinds_x[None, :, None, :] / norm).reshape(-1, *layout.shape)
        self._windows = torch.from_numpy(windows.astype(np.float32)).to(engine.device)
        flat = _rectangle(rfft2(self._windows, engine), self.band)
        self._flat = flat / flat[:, :1, :1]  # what a patch's mean adds to its spectrum, over the component at 0
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
        powers = torch.zeros((2, len(wanted), *band.ring.shape), device=device)
        shares = torch.stack([self.amplitude.square(), torch.ones_like(self.amplitude)])
        for some in self._batches(len(wanted)):
            kinds = self._kind[first + some[0].start : first + some[0].stop]
            spectra = self._windowed(whole[some], self._copies.images[some[1]], kinds)
            square = shares[:, some[1]] @ torch.view_as_real(spectra).square().flatten(2)
            powers[:, some[0]] += (
                (square[..., ::2] + square[..., 1::2]).transpose(0, 1).reshape(powers[:, some[0]].shape)
            )
            spectra *= along_y[some][..., :, None]
            torch.mul(spectra, along_x[some][..., None, :], out=aligned[some])
        return Patches(aligned, wanted.copy(), first, powers)

    def _batches(self, count: int) -> Iterator[tuple[slice, slice]]:
        """Yield which patches and which of their frames are transformed together."""
        most = (_BATCH_PIXELS if self._engine.device.type == "cpu" else _GPU_BATCH_PIXELS) // self._windows[0].numel()
        frames = max(1, min(self.frames, most))
        patches = max(1, most // self.frames)
        for first in range(0, count, patches):
            for frame in range(0, self.frames, frames):
                yield slice(first, min(count, first + patches)), slice(frame, min(self.frames, frame + frames))

    def _windowed(self, whole: NDArray[np.intp], images: Tensor, kinds: NDArray[np.intp]) -> Tensor:
        """Return the spectra in the band of windowed cuts less their means, (patch, frame, ky, kx)."""
        height, width = self.layout.shape
        cut = torch.empty((*whole.shape[:2], height, width), device=self._engine.device)
        for patch, (places, kind) in enumerate(zip(whole.tolist(), kinds.tolist(), strict=True)):
            for frame, (y, x) in enumerate(places):
                torch.mul(images[frame, y : y + height, x : x + width], self._windows[kind], out=cut[patch, frame])
        spectra = _rectangle(rfft2(cut, self._engine), self.band)
        flat = self._flat[torch.from_numpy(kinds).to(spectra.device), None]
        return spectra.addcmul_(spectra[..., :1, :1].clone(), flat, value=-1)

    def _whole(self, displacement: Array, rows: range) -> NDArray[np.intp]:
        """Return the first pixels of the cuts, so chosen that no patch leaves the field."""
        pixels = np.array(self._copies.pixel_sizes_A)
        layout = self.layout
        origin = np.stack(np.meshgrid(layout.starts_y[rows], layout.starts_x, indexing="ij"), -1).reshape(-1, 1, 2)
        room = np.array(self._copies.field_px) - np.array(layout.shape)
        return np.asarray(np.clip(origin + np.round(displacement / pixels).astype(np.intp), 0, room))
