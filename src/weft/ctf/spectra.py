"""Power spectra of patches, and their means over cells of ring and direction."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray

from weft.engine.device import Engine
from weft.engine.fft import rfft2

__all__ = [
    "Cells",
    "PatchSpectra",
    "bin_cells",
    "patch_spectra",
    "patch_starts",
    "taper_of",
    "without_dark_patches",
    "without_hot_pixels",
]

Array = NDArray[np.float64]
Image = NDArray[np.float32]

_LEAST_POWER = 0.2  # of a lit patch; what an opaque object leaves of it is noise
_HOT_SIGMA = 8.0  # pixels farther than this from the median, in robust standard deviations, take the median


@dataclass(frozen=True, slots=True)
class PatchSpectra:
    """Power of half-overlapping patches at the frequencies of the fitted band.

    Parameters
    ----------
    power : ndarray, shape (patch, frequency), float32
        |Fourier transform|², each pair ±k once.
    ky, kx : ndarray, shape (frequency,)
        1/Å.
    places_A : ndarray, shape (patch, 2)
        Centres (y, x) of the patches from the centre of the field.
    times : ndarray, shape (patch,)
        Middle of the frames that a patch was made of, as a fraction of the movie.
    side_px : int
        Of the patches.
    side_A : float
        Of the patches.
    share : float
        Independent samples per sample: neighbours in frequency and in place are correlated.
    """

    power: Image
    ky: Array
    kx: Array
    places_A: Array
    times: Array
    side_px: int
    side_A: float
    share: float


@dataclass(frozen=True, slots=True)
class Cells:
    """Mean powers of rings × directions; cells without a frequency have n = 0 and power 0.

    Parameters
    ----------
    power : ndarray, shape (ring, sector, patch), float32
        Means.
    n : ndarray, shape (ring, sector)
        Frequencies in a cell.
    k : ndarray, shape (ring,)
        Mean |k| of the ring, 1/Å.
    k2, k2_cos, k2_sin, k4 : ndarray, shape (ring, sector)
        Means of k², k² cos 2α, k² sin 2α and k⁴ over a cell.
    index : ndarray, shape (frequency,), int
        Cell (ring × sectors + sector) of each frequency of the spectra, -1 for none.
    """

    power: Image
    n: Array
    k: Array
    k2: Array
    k2_cos: Array
    k2_sin: Array
    k4: Array
    index: NDArray[np.intp]


def without_hot_pixels(image: Image) -> Image:
    """Return the image with far outliers and values that are no numbers replaced by the median."""
    sample = image[::7, ::5]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return np.zeros_like(image)
    median = float(np.median(sample))
    sigma = max(1.4826 * float(np.median(np.abs(sample - median))), 0.5 * float(sample.std()), 1e-30)
    deviation = np.abs(image - np.float32(median))
    hot = ~(deviation <= _HOT_SIGMA * sigma)  # nan counts, too
    return np.where(hot, np.float32(median), image) if hot.any() else image


def patch_starts(side_px: int, patch_px: int) -> NDArray[np.intp]:
    """Return where patches start: spread evenly from edge to edge, overlapping by at least half.

    Examples
    --------
    >>> patch_starts(2048, 512)
    array([   0,  256,  512,  768, 1024, 1280, 1536])
    """
    count = 1 + math.ceil(max(0, side_px - patch_px) / (patch_px / 2))
    return np.rint(np.linspace(0, side_px - patch_px, count)).astype(np.intp)


def patch_spectra(
    images: Iterable[Image],
    pixel_size_A: float,
    patch_px: int,
    band_A: tuple[float, float],
    engine: Engine,
    *,
    most_groups: int = 1,
) -> PatchSpectra:
    """Return the spectra of patches, averaged over successive images.

    Parameters
    ----------
    images : iterable of ndarray, shape (y, x), float32
        The average, or the aligned frames.
    pixel_size_A : float
        Of the images.
    patch_px : int
        Side of the patches.
    band_A : tuple of float
        Lowest and highest resolution kept.
    engine : Engine
        Where to transform.
    most_groups : int
        Spectra of neighbouring images are averaged until at most this many groups are left.
    """
    taper = taper_of(patch_px)
    keep = _Band(patch_px, pixel_size_A, band_A)
    groups: list[tuple[Image, int]] = []  # sums of powers, and of how many images
    starts: tuple[NDArray[np.intp], NDArray[np.intp]] | None = None
    shape = (patch_px, patch_px)
    for image in images:
        shape = image.shape
        starts = patch_starts(shape[0], patch_px), patch_starts(shape[1], patch_px)
        rows = [_row_power(image, y, starts[1], taper, keep, engine) for y in starts[0].tolist()]
        groups.append((np.concatenate(rows), 1))
        if len(groups) > 2 * most_groups or (most_groups == 1 and len(groups) == 2):
            groups = _merge_pairs(groups)
    while len(groups) > most_groups:
        groups = _merge_pairs(groups)
    assert starts is not None
    centre = np.stack(np.meshgrid(*(s + patch_px / 2 for s in starts), indexing="ij"), axis=-1).reshape(-1, 2)
    places = (centre - np.array(shape) / 2) * pixel_size_A
    ends = np.cumsum([0] + [count for _, count in groups])
    times = (ends[1:] + ends[:-1]) / (2 * ends[-1])
    powers = [power / np.float32(count) for power, count in groups]
    return PatchSpectra(
        power=np.concatenate(powers),
        ky=keep.ky,
        kx=keep.kx,
        places_A=np.tile(places, (len(powers), 1)),
        times=np.repeat(times, len(places)),
        side_px=patch_px,
        side_A=patch_px * pixel_size_A,
        share=_share(taper, starts),
    )


def _merge_pairs(groups: list[tuple[Image, int]]) -> list[tuple[Image, int]]:
    """Return sums of neighbours; an odd last one stays."""
    merged = []
    for first in range(0, len(groups) - 1, 2):
        power, count = groups[first]
        power += groups[first + 1][0]
        merged.append((power, count + groups[first + 1][1]))
    return merged + groups[len(merged) * 2 :]


class _Band:
    """Which frequencies of a patch's half plane are kept."""

    def __init__(self, patch_px: int, pixel_size_A: float, band_A: tuple[float, float]) -> None:
        ky = np.fft.fftfreq(patch_px, pixel_size_A)
        kx = np.fft.rfftfreq(patch_px, pixel_size_A)
        self.columns = int(np.count_nonzero(kx <= 1 / band_A[1]))
        y, x = np.meshgrid(ky, kx[: self.columns], indexing="ij")
        k = np.hypot(y, x)
        inside = (k >= 1 / band_A[0]) & (k <= 1 / band_A[1]) & ((x > 0) | (y > 0))
        if patch_px % 2 == 0:
            inside &= np.abs(y) < 0.5 / pixel_size_A * (1 - 1e-9)
        self.flat = np.flatnonzero(inside)
        self.ky, self.kx = y.ravel()[self.flat], x.ravel()[self.flat]


def taper_of(side_px: int) -> Array:
    """Return the window of the patches along one axis: half a sine.

    Notes
    -----
    The first of the sine tapers of Riedel & Sidorenko 1995. Half-overlapping patches of it hold 15 % more of an
    image of 2,800 Å than Hann's, which take little of its border; leaked power falls with the fourth power of distance.
    """
    return np.asarray(np.sin(np.pi * (np.arange(side_px) + 0.5) / side_px))


def _row_power(image: Image, y: int, xs: NDArray[np.intp], taper: Array, keep: _Band, engine: Engine) -> Image:
    """Return the power of one row of patches at the kept frequencies, shape (patch, frequency)."""
    side = len(taper)
    strip = image[y : y + side]
    patches = np.stack([strip[:, x : x + side] for x in xs.tolist()])
    patches -= patches.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    patches *= taper.astype(np.float32)[:, None]
    patches *= taper.astype(np.float32)
    if engine.device.type == "cpu":
        half = scipy.fft.rfft(patches, axis=2, workers=engine.threads)[:, :, : keep.columns]
        spectra = scipy.fft.fft(half, axis=1, workers=engine.threads)
    else:
        spectra = rfft2(torch.from_numpy(patches).to(engine.device), engine)[:, :, : keep.columns].cpu().numpy()
    chosen = spectra.reshape(len(patches), -1)[:, keep.flat]
    power: Image = chosen.real**2 + chosen.imag**2
    return power


def _share(taper: Array, starts: tuple[NDArray[np.intp], NDArray[np.intp]]) -> float:
    """Return the share of independent samples: per axis, one over the mean Σ ρ² over all frequencies and patches."""
    side, energy = len(taper), float(np.sum(taper**2))
    share = 1.0
    for axis in starts:
        lags, counts = np.unique(np.abs(axis[:, None] - axis[None, :]), return_counts=True)
        near = lags < side
        common = np.zeros((int(near.sum()), side))
        for row, lag in zip(common, lags[near].tolist(), strict=True):
            row[: side - lag] = taper[lag:] * taper[: side - lag]
        rho = np.sum(np.abs(np.fft.fft(common, axis=1)) ** 2, axis=1) / energy**2
        share /= float(counts[near] @ rho) / len(axis)
    return share


def without_dark_patches(spectra: PatchSpectra) -> PatchSpectra:
    """Return the spectra of patches that electrons reach: behind a grid bar there are no rings, only a little noise."""
    own = spectra.power.mean(axis=1, dtype=np.float64)
    lit = own >= _LEAST_POWER * float(np.quantile(own, 0.75))
    if lit.all():
        return spectra
    return replace(spectra, power=spectra.power[lit], places_A=spectra.places_A[lit], times=spectra.times[lit])


def bin_cells(spectra: PatchSpectra, rings_per_px: float, sectors: int, *, stretch: Array | None = None) -> Cells:
    """Return mean powers over rings and sectors of direction.

    Parameters
    ----------
    spectra : PatchSpectra
        Of the patches.
    rings_per_px : float
        Rings per frequency pixel of the patches.
    sectors : int
        Directions over 180°.
    stretch : ndarray, shape (frequency,), optional
        Factor on |k| by which rings follow the astigmatism, so that a ring has one phase all around.
    """
    k2 = spectra.ky**2 + spectra.kx**2
    k = np.sqrt(k2)
    radius = k if stretch is None else k * stretch
    ring = np.floor(radius * spectra.side_A * rings_per_px).astype(np.intp)
    ring -= ring.min()
    double = 2 * np.arctan2(spectra.ky, spectra.kx)
    sector = np.floor((double / 2 + np.pi / 2) / np.pi * sectors + 0.5).astype(np.intp) % sectors
    rings = int(ring.max()) + 1
    cell = ring * sectors + sector
    order = np.argsort(cell, kind="stable")
    filled, first = np.unique(cell[order], return_index=True)
    power = np.zeros((rings * sectors, len(spectra.power)), dtype=np.float32)
    n = np.bincount(cell, minlength=rings * sectors).astype(np.float64)
    for start in range(0, len(spectra.power), 16):
        part = spectra.power[start : start + 16, order]
        power[filled, start : start + 16] = np.add.reduceat(part, first, axis=1).T
    power /= np.maximum(n, 1).astype(np.float32)[:, None]

    def mean(values: Array) -> Array:
        total = np.bincount(cell, values, minlength=rings * sectors)
        return np.asarray(total / np.maximum(n, 1)).reshape(rings, sectors)

    per_ring = np.bincount(ring, minlength=rings)
    return Cells(
        power=power.reshape(rings, sectors, -1),
        n=n.reshape(rings, sectors),
        k=np.asarray(np.bincount(ring, radius, minlength=rings) / np.maximum(per_ring, 1)),
        k2=mean(k2),
        k2_cos=mean(k2 * np.cos(double)),
        k2_sin=mean(k2 * np.sin(double)),
        k4=mean(k2 * k2),
        index=cell,
    )
