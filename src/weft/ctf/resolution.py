"""What is shown of a fit: the 2D spectrum, 1D curves that follow astigmatism and tilt, and how far the fit carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from weft.ctf.background import Flat
from weft.ctf.fit import Field, Solution
from weft.ctf.model import Optics

__all__ = ["Curves1D", "curves_of", "display_spectrum", "supported_resolution"]

Array = NDArray[np.float64]
Image = NDArray[np.float32]

_LEAST_SIGNIFICANCE = 3.0  # standard deviations
_LEAST_WINDOW = 8  # rings


@dataclass(frozen=True, slots=True)
class Curves1D:
    """Means over all directions and patches at equal phase, against the frequency at the mean defocus.

    Parameters
    ----------
    k : ndarray, shape (ring,)
        1/Å.
    power, model, at_zeros : ndarray, shape (ring,)
        Mean power, the model's, and the model's where the CTF is 0; in units of the typical patch's power.
    quality : ndarray, shape (ring,)
        Local correlation of power and model.
    significance : ndarray, shape (ring,)
        Strength of the rings from each frequency to the end of the band, in its standard deviations.
    """

    k: Array
    power: Array
    model: Array
    at_zeros: Array
    quality: Array
    significance: Array


def curves_of(flat: Flat, field: Field, optics: Optics, found: Solution, width: float) -> Curves1D:
    """Return the curves of a fit.

    Parameters
    ----------
    flat, field, optics
        As they were fitted.
    found : Solution
        The fit.
    width : float
        Of the rings, 1/Å.
    """
    k2, k2_cos, k2_sin, k4 = flat.terms()
    at = found.at
    defocus = field.basis @ at.field_A
    centre = float(at.field_A[0])
    per = optics.per_defocus
    base = per * (at.a1_A * k2_cos + at.a2_A * k2_sin) + optics.per_k4 * k4
    turned = (base[:, None] + per * k2[:, None] * defocus[None]).astype(np.float32)
    half = per * centre / 2
    inside = np.maximum(half**2 + optics.per_k4 * turned, 0)
    k_equal = (
        np.sqrt(np.maximum(turned / (half + np.sqrt(inside)), 0)) if half > 0 else np.sqrt(k2)[:, None] + 0 * turned
    )
    cos = np.cos(turned + np.float32(optics.offset_rad + 2 * at.phase_rad))
    ring = flat.ring
    a, d = found.a[ring], found.d[ring]
    low, high = float(flat.cells.k[flat.cells.k > 0].min()), float(flat.cells.k.max())
    first, last = int(np.ceil(low / width)), int(np.floor(high / width))
    index = np.rint(k_equal / np.float32(width)).astype(np.intp) - first
    count = max(1, last - first + 1)
    index = np.where((index >= 0) & (index < count), index, count)
    weight = np.broadcast_to(flat.weight[:, None], index.shape).ravel()
    total = np.bincount(index.ravel(), weight, count + 1)[:count].astype(np.float64)

    def mean(values: Array | Image) -> Array:
        full = np.asarray(np.broadcast_to(values, index.shape).ravel(), dtype=np.float64)
        return np.asarray(np.bincount(index.ravel(), weight * full, count + 1)[:count] / np.maximum(total, 1e-12))

    background = flat.background[ring][:, None]
    rest = flat.power - a[:, None]
    strength, square = mean(-rest * cos * d[:, None]) * total, mean((cos * d[:, None]) ** 2) * total
    k: Array = (np.arange(count, dtype=np.float64) + first) * float(width)
    window = _window(k, optics, centre, width)
    significance = _sum_above(strength) / np.sqrt(np.maximum(_sum_above(square), 1e-12))
    power, model = mean(flat.power), mean(a[:, None] - d[:, None] * cos)
    smooth = mean(a[:, None])
    return Curves1D(
        k=k,
        power=power * mean(background),
        model=model * mean(background),
        at_zeros=np.maximum(mean((a - np.abs(d))[:, None]), 1e-6) * mean(background),
        quality=_correlation(power - smooth, model - smooth, total, window),
        significance=significance,
    )


def supported_resolution(curves: Curves1D) -> float | None:
    """Return the resolution in Å up to which the data support the fit, None if nowhere.

    Notes
    -----
    All rings beyond a frequency k together, weighted by the model, have a strength whose standard deviation is known;
    the fit is supported to the highest k beyond which that strength is above three of them. Noise alone gives None.
    """
    good = np.flatnonzero(curves.significance > _LEAST_SIGNIFICANCE)
    return round(float(1.0 / curves.k[good[-1]]), 2) if len(good) else None


def _window(k: Array, optics: Optics, defocus_A: float, width: float) -> int:
    """Return the samples of a window: one ring in the middle of the band."""
    slope = 2 * optics.per_defocus * max(defocus_A, 1.0) * float(np.median(k))
    return max(_LEAST_WINDOW, min(len(k) // 3, round(2 * np.pi / slope / width)))


def _sum_above(values: Array) -> Array:
    return np.asarray(np.cumsum(values[::-1])[::-1])


def _correlation(measured: Array, model: Array, weight: Array, window: int) -> Array:
    """Return the weighted correlation in windows of two rings, edges included."""
    sigma = max(1.0, 0.5 * window)

    def local(values: Array) -> Array:
        return np.asarray(gaussian_filter1d(values, sigma, mode="constant"))

    total = np.maximum(local(weight), 1e-12)
    mean_m, mean_f = local(weight * measured) / total, local(weight * model) / total
    cross = local(weight * measured * model) / total - mean_m * mean_f
    square = (local(weight * measured**2) / total - mean_m**2) * (local(weight * model**2) / total - mean_f**2)
    return np.clip(cross / np.sqrt(np.maximum(square, 1e-30)), -1, 1)


def display_spectrum(image: Image, window_px: int, threads: int) -> Image:
    """Return the background-subtracted mean amplitude of windows side by side, rows shifted, shape (window, half).

    Parameters
    ----------
    image : ndarray, shape (y, x), float32
        The average; smaller ones are padded with their mean.
    window_px : int
        Side.
    threads : int
        For the transform.
    """
    short = [max(0, window_px - side) for side in image.shape]
    if any(short):
        image = np.pad(image, [(0, s) for s in short], constant_values=float(image.mean(dtype=np.float64)))
    taper = (np.sin(np.pi * (np.arange(window_px) + 0.5) / window_px) ** 2).astype(np.float32)
    starts = [np.linspace(0, side - window_px, max(1, side // window_px)).astype(int).tolist() for side in image.shape]
    total = np.zeros((window_px, window_px // 2 + 1), dtype=np.float64)
    for y in starts[0]:
        patches = np.stack([image[y : y + window_px, x : x + window_px] for x in starts[1]])
        patches = patches - patches.mean(axis=(1, 2), keepdims=True)
        spectra = scipy.fft.rfft2(patches * taper[:, None] * taper, workers=threads)
        total += np.abs(spectra).sum(axis=0)
    total = np.fft.fftshift(total, axes=0) / (len(starts[0]) * len(starts[1]))
    return _without_radial_background(total).astype(np.float32)


def _without_radial_background(amplitude: Array) -> Array:
    """Subtract a smooth radial curve: the running mean over rings, wide enough to keep the rings."""
    rows, columns = amplitude.shape
    y = np.arange(rows)[:, None] - rows // 2
    radius = np.rint(np.hypot(y, np.arange(columns)[None, :])).astype(np.intp)
    counts = np.bincount(radius.ravel())
    profile = np.bincount(radius.ravel(), amplitude.ravel()) / np.maximum(counts, 1)
    logs = np.log(np.maximum(profile, 1e-30 + 1e-12 * profile.max()))
    smooth = np.exp(gaussian_filter1d(logs, max(2.0, rows / 40), mode="nearest"))
    return np.asarray(amplitude - smooth[radius])
