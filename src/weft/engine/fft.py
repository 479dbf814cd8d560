"""Fourier transforms of the last two axes, good sizes, and cropping of spectra.

Notes
-----
On a GPU torch's transform is used. On a CPU, scipy's, which is 1.4 to 2 times faster there, also at sizes with large
prime factors; but on Intel's processors torch's (MKL) forward transform is 1.2 times faster for whole frames and 2 to 3
times for patches, its inverse for patches only.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.fft
import torch
from torch import Tensor

from weft.engine.device import Engine

__all__ = [
    "cropped_rfft2",
    "fit_spectrum",
    "frequencies",
    "good_size",
    "ifft_rows",
    "irfft2",
    "rfft2",
    "shift_phases",
]

_LARGEST_INVERSE = 1 << 20  # pixels up to which torch's inverse is the faster one on Intel's processors


def rfft2(x: Tensor, engine: Engine) -> Tensor:
    """Return the unnormalised forward transform of the last two axes.

    Parameters
    ----------
    x : Tensor, shape (..., y, x), float32
        Real images.
    engine : Engine
        Threads to use.

    Returns
    -------
    Tensor, shape (..., y, x // 2 + 1), complex64
        Not shifted.
    """
    if x.device.type == "cpu" and not _has_mkl():
        return torch.from_numpy(scipy.fft.rfft2(x.numpy(), workers=engine.threads))
    return torch.as_tensor(torch.fft.rfft2(x))


def cropped_rfft2(x: Tensor, shape: tuple[int, int], engine: Engine) -> Tensor:
    """Return `fit_spectrum` of `rfft2`, in less time where columns are left out.

    Parameters
    ----------
    x : Tensor, shape (..., y, x), float32
        Real images.
    shape : tuple of int
        (y, x) of images as large or smaller, whose spectra are wanted.
    engine : Engine
        Threads to use.
    """
    old = (x.shape[-2], x.shape[-1])
    if x.device.type != "cpu" or _has_mkl() or shape[1] == old[1]:
        return fit_spectrum(rfft2(x, engine), old, shape)
    lines = scipy.fft.rfft(x.numpy(), axis=-1, workers=engine.threads)[..., : shape[1] // 2 + 1]
    columns = scipy.fft.fft(lines, axis=-2, overwrite_x=True, workers=engine.threads)
    return fit_spectrum(torch.from_numpy(columns), old, shape)


def irfft2(
    x_ft: Tensor, shape: tuple[int, int], engine: Engine, *, rows: int | None = None, overwrite: bool = False
) -> Tensor:
    """Return the real images whose `rfft2` is given.

    Parameters
    ----------
    x_ft : Tensor, shape (..., y, x // 2 + 1), complex64
        Spectra.
    shape : tuple of int
        (y, x) of the images.
    engine : Engine
        Threads to use.
    rows : int, optional
        Only so many of the first rows are wanted.
    overwrite : bool
        Whether the spectra may be spoiled, which saves memory and a seventh of the time.
    """
    if x_ft.device.type == "cpu" and not (shape[0] * shape[1] <= _LARGEST_INVERSE and _has_mkl()):
        lines = scipy.fft.ifft(x_ft.numpy(), axis=-2, overwrite_x=overwrite, workers=engine.threads)[..., :rows, :]
        return torch.from_numpy(scipy.fft.irfft(lines, n=shape[1], axis=-1, workers=engine.threads))
    return torch.as_tensor(torch.fft.irfft2(x_ft, s=shape))[..., :rows, :]


def ifft_rows(x_ft: Tensor, far: int, shape: tuple[int, int], engine: Engine) -> Tensor:
    """Return rows -far to far of the real image whose `rfft2` is given; row 0 is in the middle.

    Parameters
    ----------
    x_ft : Tensor, shape (y, x // 2 + 1), complex64
        Spectrum.
    far : int
        Less than half of the rows.
    shape : tuple of int
        (y, x) of the image.
    engine : Engine
        Threads to use.
    """
    if x_ft.device.type == "cpu" and not _has_mkl():
        columns = scipy.fft.ifft(x_ft.numpy(), axis=0, workers=engine.threads)
        rows = np.concatenate((columns[shape[0] - far :], columns[: far + 1]))
        return torch.from_numpy(scipy.fft.irfft(rows, n=shape[1], axis=1, workers=engine.threads))
    columns = torch.fft.ifft(x_ft, dim=0)
    return torch.as_tensor(torch.fft.irfft(torch.cat((columns[shape[0] - far :], columns[: far + 1])), n=shape[1]))


@lru_cache(maxsize=1)
def _has_mkl() -> bool:
    """Return whether torch's transforms are MKL's, on a processor that MKL is made for.

    Not found by timing: equal input must give equal bytes.
    """
    try:
        facts = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "GenuineIntel" in facts and bool(torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]


def good_size(n: int) -> int:
    """Return the smallest even size ≥ n that transforms fast.

    Examples
    --------
    >>> good_size(3838), good_size(1021)
    (3840, 1024)
    """
    size = scipy.fft.next_fast_len(n, real=True)
    while size % 2:
        size = scipy.fft.next_fast_len(size + 1, real=True)
    return int(size)


def frequencies(shape: tuple[int, int], device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Return the frequencies of rows and columns of an `rfft2`, cycles per pixel, shapes (y,) and (x // 2 + 1,)."""
    y = torch.from_numpy(np.fft.fftfreq(shape[0]).astype(np.float32))
    x = torch.from_numpy(np.fft.rfftfreq(shape[1]).astype(np.float32))
    return y.to(device), x.to(device)


def fit_spectrum(x_ft: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Crop or pad spectra to those of images with another number of pixels on the same field.

    Sums are kept: the image of the result holds old/new times as much in each, larger, pixel. At
    an even side's Nyquist frequency, which stands for two frequencies, both meet or are shared.

    Parameters
    ----------
    x_ft : Tensor, shape (..., old y, old x // 2 + 1)
        Spectra of real images.
    old, new : tuple of int
        (y, x) of the images.

    Returns
    -------
    Tensor, shape (..., new y, new x // 2 + 1)
    """
    if old == new:
        return x_ft
    columns = min(old[1], new[1]) // 2 + 1
    out = x_ft.new_zeros((*x_ft.shape[:-2], new[0], new[1] // 2 + 1))
    rows = min(old[0], new[0])
    low, high = (rows + 1) // 2, rows // 2  # rows of positive frequencies with 0, of negative ones
    out[..., :low, :columns] = x_ft[..., :low, :columns]
    if high:
        out[..., -high:, :columns] = x_ft[..., -high:, :columns]
    if rows % 2 == 0 and old[0] != new[0]:
        _share_nyquist(out, x_ft, rows // 2, columns, is_crop=new[0] < old[0])
    if new[1] < old[1] and new[1] % 2 == 0:
        out[..., columns - 1] = 0  # the column stands for ±Nyquist of which only one is at hand; it carries no phase
    elif new[1] > old[1] and old[1] % 2 == 0:
        out[..., columns - 1] *= 0.5
    return out


def _share_nyquist(out: Tensor, x_ft: Tensor, nyquist: int, columns: int, *, is_crop: bool) -> None:
    """Treat the row of the smaller side's Nyquist frequency alike for both signs."""
    if is_crop:
        out[..., nyquist, :columns] = 0
    else:
        half = 0.5 * x_ft[..., nyquist, :columns]
        out[..., nyquist, :columns] = half
        out[..., -nyquist, :columns] = half


def shift_phases(shift_px: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the factors that sample images at p + shift, one for rows and one for columns.

    Parameters
    ----------
    shift_px : Tensor, shape (..., 2)
        Shift (y, x) in pixels.
    shape : tuple of int
        (y, x) of the images.

    Returns
    -------
    tuple of Tensor
        Shapes (..., y, 1) and (..., 1, x // 2 + 1), complex64; their product is
        exp(2πi k·shift). Never multiply them out: two products of a spectrum are cheaper.
    """
    fy, fx = frequencies(shape, shift_px.device)
    shift = shift_px.to(torch.float64)
    angle_y = 2 * torch.pi * shift[..., :1] * fy
    angle_x = 2 * torch.pi * shift[..., 1:] * fx
    y = torch.polar(torch.ones_like(angle_y), angle_y).to(torch.complex64)
    x = torch.polar(torch.ones_like(angle_x), angle_x).to(torch.complex64)
    if shape[0] % 2 == 0:  # the shifted Nyquist frequency of a real image is a cosine
        y[..., shape[0] // 2] = y[..., shape[0] // 2].real.to(y.dtype)
    if shape[1] % 2 == 0:
        x[..., -1] = x[..., -1].real.to(x.dtype)
    return y[..., :, None], x[..., None, :]
