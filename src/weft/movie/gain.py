"""Gain references and defects: read, turned, checked against the frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError
from weft.io.defects import fitted_map, read_defects, read_gain_defects
from weft.io.image import read_image
from weft.settings.schema import InputSettings

__all__ = ["Correction", "fit_gain", "load_correction", "read_gain", "turn"]

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Correction:
    """What makes counts of a pixel comparable with its neighbours'.

    Parameters
    ----------
    factor : ndarray or None, shape (y, x), float32
        Multiplied onto each frame; mean 1 over good pixels. None = nothing to multiply.
    bad : ndarray or None, shape (y, x), bool
        Pixels without meaning. None = all are good.
    notes : tuple of str
        What had to be decided, for people.
    """

    factor: Image | None
    bad: NDArray[np.bool_] | None
    notes: tuple[str, ...]


def load_correction(settings: InputSettings, shape: tuple[int, int], *, is_eer: bool) -> Correction:
    """Read the gain reference and the defects that the settings name, as they fit frames of `shape`.

    Parameters
    ----------
    settings : InputSettings
        Files, flips, multiply or divide.
    shape : tuple of int
        (y, x) of a frame.
    is_eer : bool
        The frames' rows were not turned; then those of a ``.gain`` are not either.

    Raises
    ------
    InputError
        If a size does not fit; the sentence names the orientation or binning that would.
    MissingError
        If a file does not exist.
    """
    notes: list[str] = []
    factor = bad = None
    if settings.gain is not None:
        read = read_gain(settings.gain, is_eer=is_eer)
        gain = fit_gain(turn(read, settings), shape, settings.gain, notes)
        factor, bad = _to_factor(gain, settings, notes)
        bad = bad | _listed(settings, read.shape, shape, notes, is_eer=is_eer)
    if settings.defects is not None:
        found = read_defects(settings.defects, shape)
        defective = np.asarray(turn(found.map, settings) if found.is_image else found.map, dtype=bool)
        if defective.shape != shape:
            raise InputError(_misfit(settings.defects, defective.shape, shape, "defect map"))
        bad = defective if bad is None else bad | defective
    return Correction(factor, bad if bad is not None and bad.any() else None, tuple(notes))


def turn(image: NDArray[np.generic], settings: InputSettings) -> NDArray[np.generic]:
    """Return the image flipped and transposed in the order of Warp: x, y, then transpose."""
    out = image[:, ::-1] if settings.gain_flip_x else image
    out = out[::-1] if settings.gain_flip_y else out
    return np.ascontiguousarray(out.T if settings.gain_transpose else out)


def fit_gain(gain: NDArray[np.generic], shape: tuple[int, int], path: Path, notes: list[str]) -> Image:
    """Return a gain of the frames' size: as it is, averaged 2 × 2 or 4 × 4, or each pixel repeated.

    Raises
    ------
    InputError
        If no such way leads to `shape`.
    """
    values = np.asarray(gain, dtype=np.float32)
    if values.shape == shape:
        return values
    for fold in (2, 4):
        if (shape[0] * fold, shape[1] * fold) == values.shape:
            notes.append(f"the gain reference is {fold} times finer than the frames; averaged {fold} × {fold}")
            blocks = values.reshape(shape[0], fold, shape[1], fold)
            return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64), dtype=np.float32)
        if (values.shape[0] * fold, values.shape[1] * fold) == shape:
            notes.append(f"the gain reference is {fold} times coarser than the frames; each pixel repeated")
            return np.repeat(np.repeat(values, fold, axis=0), fold, axis=1)
    raise InputError(_misfit(path, values.shape, shape, "gain reference"))


def read_gain(path: Path, *, is_eer: bool) -> NDArray[np.generic]:
    """Return a gain reference as read; rows of a ``.gain`` are not turned for EER movies, whose are not either."""
    return read_image(path, flip_tiff=not _keeps_rows(path, is_eer=is_eer))[0]


def _keeps_rows(path: Path, *, is_eer: bool) -> bool:
    return is_eer and path.suffix.lower() == ".gain"


def _listed(
    settings: InputSettings, size: tuple[int, ...], shape: tuple[int, int], notes: list[str], *, is_eer: bool
) -> NDArray[np.bool_]:
    """Return the bad pixels that the gain reference itself lists, as they lie on the frames."""
    assert settings.gain is not None
    found = read_gain_defects(settings.gain, (size[0], size[1]))
    if found is None:
        return np.zeros(shape, dtype=bool)
    notes.append(f"{int(found.sum())} pixels of the gain reference are listed in it as bad")
    as_read = found if _keeps_rows(settings.gain, is_eer=is_eer) else found[::-1]
    fitted = fitted_map(np.asarray(turn(as_read, settings), dtype=bool), shape)
    assert fitted is not None  # the gain itself fits
    return fitted


def _to_factor(gain: Image, settings: InputSettings, notes: list[str]) -> tuple[Image, NDArray[np.bool_]]:
    """Return factors of mean 1 and the pixels that have none (zero or not finite: dead)."""
    bad = ~np.isfinite(gain) | (gain <= 0)
    if bad.all():
        raise InputError(f"{settings.gain}: holds no positive value; it is no gain reference")
    share = float(bad.mean())
    if share > 0.01:
        notes.append(f"{100 * share:.1f} % of the gain reference is zero; is it complete?")
    values = np.where(bad, 1.0, gain).astype(np.float32)
    if settings.gain_mode == "divide":
        values = 1.0 / values
    mean = float(values[~bad].mean(dtype=np.float64))
    return np.where(bad, np.float32(1.0), values / np.float32(mean)).astype(np.float32), bad


def _misfit(path: Path, found: tuple[int, ...], wanted: tuple[int, int], what: str) -> str:
    """Return the sentence about a size that does not fit, with the way out where there is one."""
    sizes = f"{path.name}: the {what} is {found[1]} × {found[0]} pixels, the frames are {wanted[1]} × {wanted[0]}"
    if found[::-1] == wanted:
        return f"{sizes}; it fits when transposed: change input.gain_transpose"
    for fold in (2, 4):
        for turned, hint in ((found, ""), (found[::-1], " and transposed (change input.gain_transpose)")):
            if (turned[0], turned[1]) in {(wanted[0] * fold, wanted[1] * fold), (wanted[0] // fold, wanted[1] // fold)}:
                return f"{sizes}; it fits when scaled by {fold}{hint}"
    return f"{sizes}; no orientation or binning fits, so it belongs to other data: give the right file"
