"""Erasing: masked places are filled with what their surroundings look like, so that no trace is left."""

from __future__ import annotations

import math

import numpy as np
import scipy.fft as sfft
import scipy.ndimage as ndi
from numpy.typing import NDArray

from weft.errors import InputError

__all__ = ["erase"]

Image = NDArray[np.float32]

_HALO = 4.0  # mask pixels (of about 8 Å) around the mask that the first fringes reach
_BLEND = 3.0  # mask pixels over which the filling goes over into the image
_SMOOTH = 5.0  # mask pixels: slower changes than this come from the surroundings, faster ones from the noise
_TEXTURE = 512  # side of the piece of noise that is made once
_PATCHES = 48  # places from which its spectrum is taken
_LEAST_WEIGHT = 1e-3


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
    Conditional simulation: noise z with the spectrum of unmasked places and the variance of the surroundings is laid
    into the hole, and the difference between the image and z, smoothed from the unmasked pixels around, is added to
    it. So what changes slowly goes on from the surroundings and what changes fast is new noise. In the seam the two
    noises are weighted by roots, which keeps their variance.
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
    holes = _scaled(np.asarray(mask, dtype=bool), image.shape)
    grow, seam, smooth = halo * ratio, max(1.0, blend * ratio), max(2.0, _SMOOTH * ratio)
    rng = np.random.default_rng(seed)
    texture = _texture(image, _grown(holes, grow), rng)
    out = image.copy()
    for box in _boxes(holes, math.ceil(grow + seam + 3 * smooth)):
        start = rng.integers(0, texture.shape[0], 2)
        noise = np.take(np.take(texture, _cyclic(start[0], box[0], texture), 0), _cyclic(start[1], box[1], texture), 1)
        out[box] = _filled(image[box], holes[box], out[box], noise, (grow, seam, smooth))
    return out


def _filled(
    image: Image, holes: NDArray[np.bool_], so_far: Image, noise: Image, sizes: tuple[float, float, float]
) -> Image:
    """Return a box with its holes filled; elsewhere what is there `so_far`."""
    grow, seam, smooth = sizes
    distance = ndi.distance_transform_edt(~holes)
    open_ = (distance > grow).astype(np.float32)
    if open_.sum() < 16:
        level = float(np.median(image))
        return np.where(holes, level, so_far).astype(np.float32)
    level = _smoothed(image, open_, smooth)
    spread = np.sqrt(_smoothed((image - level) ** 2, open_, 2 * smooth))
    rough = noise - _smoothed(noise, open_, smooth)
    scale = spread / math.sqrt(max(float((rough**2 * open_).sum() / open_.sum()), 1e-30))
    share = np.clip((distance - grow) / seam, 0, 1)  # of the image: 0 in the hole, 1 beyond the seam
    share = 0.5 - 0.5 * np.cos(np.pi * share)
    mixed = level + np.sqrt(1 - share) * scale * rough + np.sqrt(share) * (image - level)
    return np.where(share < 1, mixed, so_far).astype(np.float32)


def _smoothed(values: Image, weight: Image, sigma: float) -> Image:
    """Return a mean over neighbours of weight 1, reaching wider where there are few."""
    out = np.zeros_like(values)
    missing = np.ones(values.shape, dtype=bool)
    while missing.any():
        share = _gaussian(weight, sigma)
        known = missing & (share > _LEAST_WEIGHT)
        out[known] = (_gaussian(values * weight, sigma)[known] / share[known]).astype(np.float32)
        missing &= ~known
        sigma *= 2
    return out


def _gaussian(values: Image, sigma: float) -> Image:
    """Return a Gaussian blur; wide ones are made at a coarser scale, which changes them by less than noise."""
    step = int(sigma / 4)
    if step < 2 or min(values.shape) < 4 * step:
        return np.asarray(ndi.gaussian_filter(values, sigma, mode="reflect", truncate=3), dtype=np.float32)
    height, width = (-(-side // step) * step for side in values.shape)
    padded = np.pad(values, [(0, height - values.shape[0]), (0, width - values.shape[1])], mode="symmetric")
    coarse = padded.reshape(height // step, step, width // step, step).mean((1, 3))
    coarse = ndi.gaussian_filter(coarse, sigma / step, mode="reflect", truncate=3)
    places = [(np.arange(side) + 0.5) / step - 0.5 for side in values.shape]
    for axis, at in enumerate(places):
        low = np.clip(np.floor(at).astype(int), 0, max(coarse.shape[axis] - 2, 0))
        high = np.minimum(low + 1, coarse.shape[axis] - 1)
        part = np.expand_dims(np.clip(at - low, 0, 1), 1 - axis).astype(np.float32)
        coarse = coarse.take(low, axis) * (1 - part) + coarse.take(high, axis) * part
    return np.asarray(coarse, dtype=np.float32)


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
    power: NDArray[np.float64] = np.zeros((side, side // 2 + 1))
    for i in np.argsort(shares, kind="stable")[:_PATCHES]:
        place = np.s_[tops[i] : tops[i] + side, lefts[i] : lefts[i] + side]
        weight = window * ~closed[place]
        total = float((weight**2).sum())
        if total < 0.05 * side**2 * 0.14:
            continue
        patch = image[place] - float((image[place] * weight).sum() / weight.sum())
        power += np.abs(sfft.rfft2(patch * weight)) ** 2 / total
    white = sfft.rfft2(rng.standard_normal((side, side), dtype=np.float32)) / side
    amplitude = np.sqrt(power / max(float(power.mean()), 1e-30))
    amplitude[0, 0] = 0
    return np.asarray(sfft.irfft2(white * amplitude * side, (side, side)), dtype=np.float32)


def _scaled(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a mask on another number of pixels, outer edges coinciding."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(shape, mask.shape, strict=True)
    )
    return mask[rows[:, None], columns[None, :]]


def _grown(holes: NDArray[np.bool_], by: float) -> NDArray[np.bool_]:
    """Return the mask grown by some pixels; a square suffices where it only says what to keep away from."""
    return np.asarray(ndi.maximum_filter(holes, 2 * math.ceil(by) + 1))


def _boxes(holes: NDArray[np.bool_], margin: int) -> list[tuple[slice, slice]]:
    """Return a box around each separate hole, with a margin, cut at the image's border."""
    labels, _ = ndi.label(holes, np.ones((3, 3)))
    return [
        (
            slice(max(0, rows.start - margin), min(holes.shape[0], rows.stop + margin)),
            slice(max(0, columns.start - margin), min(holes.shape[1], columns.stop + margin)),
        )
        for rows, columns in ndi.find_objects(labels)
    ]


def _cyclic(start: int, along: slice, texture: Image) -> NDArray[np.int64]:
    return (int(start) + np.arange(along.stop - along.start)) % len(texture)
