"""Erasing: masked places are filled with what their surroundings look like, so that no trace is left."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
import scipy.fft as sfft
import scipy.ndimage as ndi
from numpy.typing import NDArray

from weft.conventions import electron_wavelength_A
from weft.errors import InputError
from weft.fields.ctf import CtfFit
from weft.fields.mask import OUTSIDE_SHARE, Bead
from weft.signal.masked import scaled, share_open, smoothed

__all__ = ["erase", "erase_for_stack", "halo_A", "holes_of", "reach_A"]

Image = NDArray[np.float32]

_MASK_PIXEL_A = 8.0
_SECOND_MINIMUM = 2.74  # of Fresnel's edge fringes, in units of the root of λ Δf / 2
_HALO_RANGE_A = (32.0, 96.0)  # fringes narrower than a few mask pixels, and ones too faint to see
_HALO = 6.0  # mask pixels (of about 8 Å) around the mask that the first fringes reach
_BLEND = 3.0  # mask pixels over which the filling goes over into the image
_SMOOTH = 10.0  # mask pixels: slower changes than this come from the surroundings, faster ones from the noise
_TEXTURE = 512  # side of the piece of noise that is made once
_PATCHES = 48  # places from which its spectrum is taken
_BANDS = 12  # of frequency, logarithmic, in which the noise follows its surroundings
_TILES = 32  # of them at most, about
_TILE = 16.0  # mask pixels on a side of the tiles that show what the surroundings are like


def erase(
    average: NDArray[np.float32],
    mask: NDArray[np.bool_],
    seed: int,
    *,
    halo: float = _HALO,
    blend: float = _BLEND,
) -> NDArray[np.float32]:
    """Return the average with masked places filled.

    Parameters
    ----------
    average : ndarray, shape (y, x)
        Any grey values.
    mask : ndarray, shape (any, any), bool
        True is erased; covers the field of the average at its own scale, rows as the average's.
    seed : int
        Of the noise. Give the even and the odd half different seeds, so that their noise stays independent.
    halo : float
        Mask pixels by which the mask is grown, because a bead's fringes reach beyond it.
    blend : float
        Mask pixels over which the filling goes over into the image.

    Returns
    -------
    ndarray, shape (y, x), float32
        Equal to the average where nothing is masked within `halo` + `blend`.

    Raises
    ------
    InputError
        If average or mask is no image.

    Notes
    -----
    What changes slowly is smoothed from the open pixels around (80 Å wide). What changes fast is noise: its spectrum is
    the typical one of open patches of the whole image, corrected in bands to that of open tiles around the hole, and
    its strength follows the local second differences. In the seam the image's own fast part and the noise are weighted
    by roots, which keeps the variance.
    """
    image = np.array(average, dtype=np.float32)
    if image.ndim != 2 or np.ndim(mask) != 2 or 0 in {*image.shape, *np.shape(mask)}:
        raise InputError(
            f"erasing takes one image and one mask, not the shapes {np.shape(average)} and {np.shape(mask)}"
        )
    bad = ~np.isfinite(image)
    if bad.any():
        image[bad] = np.median(image[~bad]) if (~bad).any() else 0
    if not np.any(mask):
        return image
    ratio = max(image.shape[0] / np.shape(mask)[0], image.shape[1] / np.shape(mask)[1])
    holes = scaled(np.asarray(mask, dtype=bool), image.shape)
    grow, seam, smooth = halo * ratio, max(1.0, blend * ratio), max(2.0, _SMOOTH * ratio)
    rng = np.random.default_rng(seed)
    texture = _texture(image, _grown(holes, grow), rng)
    noise_logs = _log_powers(texture, np.ones_like(texture), int(_TILE * ratio))
    labels = np.asarray(ndi.label(holes, np.ones((3, 3)))[0], dtype=np.int32)
    out = image.copy()
    for number, box in enumerate(_boxes(labels, math.ceil(grow + seam + 2 * smooth)), 1):
        start = rng.integers(0, texture.shape[0], 2)
        noise = np.take(np.take(texture, _cyclic(start[0], box[0], texture), 0), _cyclic(start[1], box[1], texture), 1)
        filled, share = _filled(image[box], holes[box], noise, noise_logs, (grow, seam, smooth, _TILE * ratio))
        place = (share < 1) & _nearest(labels[box], number)
        out[box][place] = filled[place]
    return out


def erase_for_stack(
    image: NDArray[np.float32],
    pixel_size_A: float,
    mask: NDArray[np.bool_],
    *,
    name: str,
    part: Literal["full", "even", "odd"] = "full",
    beads: Iterable[Bead] = (),
    ctf: CtfFit | None = None,
) -> NDArray[np.float32]:
    """Return an average, or a half of it, without its gold, as stacks and exports hold it.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Average or half average, at its own scale (erase first, then scale down).
    pixel_size_A : float
        Of the image.
    mask : ndarray, shape (any, any), bool
        What `weft.io.masktiff.effective_mask` returns: a person's mask where there is one, else the detector's.
    name : str
        Of the movie: the noise follows from name and part alone, so the same stack comes out each time.
    part : str
        Which sum this is; each has noise of its own, so that erased places of the halves share nothing.
    beads : iterable of Bead
        Those that the detector found, doubtful ones, too: rims of beads whose centre lies outside the field are not in
        the mask, but erased as well. Leave them out where a person painted the mask.
    ctf : CtfFit, optional
        Of the movie: its defocus tells how far fringes reach. 48 Å are taken without it.

    Returns
    -------
    ndarray, shape (y, x), float32
        Even and odd no longer add up to full where gold was.

    Raises
    ------
    InputError
        If image or mask is no image.

    Examples
    --------
    With what `weft.fiducials.segment` found, and the movie's CTF; `weft stack --erase-gold` takes both from disk::

        image = erase_for_stack(image, pixel_size_A, found.mask, name=name, beads=found.likely_beads, ctf=fit)
    """
    if np.ndim(image) != 2 or np.ndim(mask) != 2 or 0 in np.shape(mask):
        raise InputError(f"erasing takes one image and one mask, not the shapes {np.shape(image)} and {np.shape(mask)}")
    mask_pixel_A = pixel_size_A * image.shape[1] / np.shape(mask)[1]
    seed = int.from_bytes(hashlib.sha256(f"{name}\n{part}".encode()).digest()[:8], "little")
    blend = _BLEND * _MASK_PIXEL_A / mask_pixel_A
    holes = holes_of(mask, image.shape, pixel_size_A, beads)
    return erase(image, holes, seed, halo=reach_A(ctf) / mask_pixel_A, blend=blend)


def holes_of(
    mask: NDArray[np.bool_], field_px: tuple[int, ...], pixel_size_A: float, beads: Iterable[Bead]
) -> NDArray[np.bool_]:
    """Return a mask with the rims of likely beads whose centre lies outside the field.

    Parameters
    ----------
    mask : ndarray, shape (any, any), bool
        Of the field.
    field_px : tuple of int
        (y, x) pixels of the image.
    pixel_size_A : float
        Of the image.
    beads : iterable of Bead
        See `erase_for_stack`.
    """
    return np.asarray(mask, dtype=bool) | _rims(np.shape(mask), field_px, pixel_size_A, beads)


def reach_A(ctf: CtfFit | None) -> float:
    """Return how far (Å) fringes around beads are erased; 48 Å where the defocus is not known."""
    if ctf is not None and math.isfinite(ctf.defocus_A):
        return halo_A(ctf.defocus_A, ctf.voltage_kV)
    return _HALO * _MASK_PIXEL_A


def halo_A(defocus_A: float, voltage_kV: float = 300.0) -> float:
    """Return how far (Å) the fringes around a bead are erased: to the second minimum beside a straight edge.

    Examples
    --------
    >>> round(halo_A(30_000.0))
    47
    """
    reach = _SECOND_MINIMUM * math.sqrt(0.5 * electron_wavelength_A(voltage_kV) * abs(defocus_A))
    return float(np.clip(reach, *_HALO_RANGE_A))


def _rims(
    shape: tuple[int, ...], field_px: tuple[int, ...], pixel_size_A: float, beads: Iterable[Bead]
) -> NDArray[np.bool_]:
    """Return where a mask shows likely beads whose centre lies outside the field."""
    out = np.zeros(shape, dtype=bool)
    y, x = (
        ((np.arange(side) + 0.5) * whole / side - 0.5) * pixel_size_A
        for side, whole in zip(shape, field_px, strict=True)
    )
    height, width = ((side - 0.5) * pixel_size_A for side in field_px)
    low = -0.5 * pixel_size_A
    for bead in beads:
        is_inside = low <= bead.y_A <= height and low <= bead.x_A <= width
        if not is_inside and bead.probability >= 0.5 * OUTSIDE_SHARE:
            out |= np.hypot(y[:, None] - bead.y_A, x - bead.x_A) <= bead.radius_A
    return out


def _filled(
    image: Image,
    holes: NDArray[np.bool_],
    noise: Image,
    noise_logs: NDArray[np.float64],
    sizes: tuple[float, float, float, float],
) -> tuple[Image, Image]:
    """Return a box with its holes filled, and the share of the image in it: 0 in a hole, 1 beyond the seam."""
    grow, seam, smooth, tile = *sizes[:3], int(sizes[3])
    distance = ndi.distance_transform_edt(~holes)
    open_ = (distance > grow).astype(np.float32)
    if open_.sum() < 16:
        return np.full_like(image, np.median(image)), 1 - holes.astype(np.float32)
    local = smoothed(image, open_, smooth)
    rough = _like(image, noise, noise_logs, open_, tile)
    rough -= smoothed(rough, open_, smooth)
    fine = float(np.mean(_second_differences(rough) ** 2))
    scale = np.sqrt(smoothed(_second_differences(image) ** 2, open_, smooth) / max(fine, 1e-30))
    share = share_open(distance - grow, seam)
    mixed = local + np.sqrt(1 - share) * scale * rough + np.sqrt(share) * (image - local)
    return mixed.astype(np.float32), share


def _second_differences(image: Image) -> Image:
    """Return differences of differences along both axes, which hold noise and hardly any structure."""
    return np.asarray(ndi.convolve(image, np.array([[1, -1], [-1, 1]], np.float32), mode="nearest"), dtype=np.float32)


def _like(image: Image, noise: Image, noise_logs: NDArray[np.float64], open_: Image, side: int) -> Image:
    """Return the noise filtered so that its power rises and falls over frequency as the image's around the hole."""
    fy, fx = (sfft.fftfreq(image.shape[0])[:, None], sfft.rfftfreq(image.shape[1])[None, :])
    ratio = np.exp(0.5 * (_log_powers(image, open_, side) - noise_logs))
    ratio[:2] = ratio[2]  # slopes within a tile leak into the lowest bands
    factor = np.interp(_bands_of(np.hypot(fy, fx), side), np.arange(_BANDS) + 0.5, np.clip(ratio, 0.2, 5))
    return np.asarray(sfft.irfft2(sfft.rfft2(noise) * factor, image.shape), dtype=np.float32)


def _bands_of(frequency: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return the place of frequencies (cycles a pixel) on a logarithmic scale of bands that tiles of `side` resolve."""
    low = 0.7 / side
    return np.asarray(np.log(np.maximum(frequency, 1e-6) / low) / math.log(0.5 / low) * _BANDS)


def _log_powers(image: Image, open_: Image, side: int) -> NDArray[np.float64]:
    """Return the logarithm of the power in each band, averaged over open tiles.

    The mean of logarithms is what most places are like; a mean of powers would follow the few that hold most.
    """
    side = min(side, *image.shape)
    wall = np.hanning(side + 2)[1:-1].astype(np.float32)
    step = max(1, side // 2)
    tiles, weights = (np.lib.stride_tricks.sliding_window_view(a, (side, side))[::step, ::step] for a in (image, open_))
    shares = weights.mean((2, 3))
    chosen = shares >= min(0.8, float(shares.max()))
    chosen &= np.cumsum(chosen).reshape(chosen.shape) % max(1, int(chosen.sum()) // _TILES) == 0
    window = weights[chosen] * (wall[:, None] * wall[None, :])
    norm = window.sum((1, 2), keepdims=True)
    part = tiles[chosen]
    spectra = sfft.rfft2((part - (part * window).sum((1, 2), keepdims=True) / norm) * window)
    power = (np.abs(spectra) ** 2 / (window**2).sum((1, 2), keepdims=True)).reshape(len(part), -1)
    band = _bands_of(np.hypot(sfft.fftfreq(side)[:, None], sfft.rfftfreq(side)[None, :]), side)
    index = np.clip(band, 0, _BANDS - 1e-3).astype(int).ravel()
    sums = np.stack([np.bincount(index, one, _BANDS) for one in power]) / (np.bincount(index, minlength=_BANDS) + 1e-9)
    logs = np.log(np.maximum(sums, 1e-30)).mean(0)
    filled = np.bincount(index, minlength=_BANDS) > 0
    return np.asarray(np.interp(np.arange(_BANDS), np.flatnonzero(filled), logs[filled]))


def _texture(image: Image, closed: NDArray[np.bool_], rng: np.random.Generator) -> Image:
    """Return a square of noise, cyclic, with the mean spectrum of open places of the image."""
    side = 16
    while side * 2 <= min(_TEXTURE, *image.shape):
        side *= 2
    side = min(side, *image.shape)
    wall = np.hanning(side + 2)[1:-1].astype(np.float32)
    window = wall[:, None] * wall[None, :]
    tops, lefts = (rng.integers(0, n - side + 1, 4 * _PATCHES) for n in image.shape)
    shares = [closed[t : t + side : 4, x : x + side : 4].mean() for t, x in zip(tops, lefts, strict=True)]
    logs, used = np.zeros((side, side // 2 + 1)), 0
    for i in np.argsort(shares, kind="stable")[:_PATCHES]:
        place = np.s_[tops[i] : tops[i] + side, lefts[i] : lefts[i] + side]
        weight = window * ~closed[place]
        total = float((weight**2).sum())
        if total < 0.05 * side**2 * 0.14:
            continue
        patch = image[place] - float((image[place] * weight).sum() / weight.sum())
        logs += np.log(np.maximum(np.abs(sfft.rfft2(patch * weight)) ** 2 / total, 1e-30))
        used += 1
    white = sfft.rfft2(rng.standard_normal((side, side), dtype=np.float32)) / side
    amplitude = np.exp(0.5 * (logs - logs.mean()) / max(used, 1))
    amplitude[0, 0] = 0
    return np.asarray(sfft.irfft2(white * amplitude * side, (side, side)), dtype=np.float32)


def _grown(holes: NDArray[np.bool_], by: float) -> NDArray[np.bool_]:
    """Return the mask grown by some pixels; a square suffices where it only says what to keep away from."""
    return np.asarray(ndi.maximum_filter(holes, 2 * math.ceil(by) + 1))


def _boxes(labels: NDArray[np.int32], margin: int) -> list[tuple[slice, slice]]:
    """Return a box around each hole, with a margin, cut at the image's border."""
    return [
        (
            slice(max(0, rows.start - margin), min(labels.shape[0], rows.stop + margin)),
            slice(max(0, columns.start - margin), min(labels.shape[1], columns.stop + margin)),
        )
        for rows, columns in ndi.find_objects(labels)
    ]


def _nearest(labels: NDArray[np.int32], number: int) -> NDArray[np.bool_]:
    """Return where a hole is the nearest of all, so that each pixel is filled once."""
    if not ((labels > 0) & (labels != number)).any():
        return np.ones(labels.shape, dtype=bool)
    rows, columns = ndi.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    return np.asarray(labels[rows, columns] == number)


def _cyclic(start: int, along: slice, texture: Image) -> NDArray[np.int64]:
    return (int(start) + np.arange(along.stop - along.start)) % len(texture)
