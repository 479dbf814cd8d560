"""Bead masks as Warp keeps them, and their probabilities.

``NAME.tif`` is 8-bit, 0 or 1, rows turned round against MRC (its first row is the top of the picture), orientation tag
BOTTOMLEFT, LZW: so Warp 1 and 2 write and read it. ``NAME.edit.tif``, what a person painted, is laid out alike.
``NAME.prob.tif`` is ours: float32 in steps of 1/250, deflated, rows as the average's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError, MissingError
from weft.fields.mask import PROBABILITY_STEPS
from weft.io.atomic import whole_file

__all__ = [
    "effective_mask",
    "masked_fraction",
    "read_mask",
    "read_probability",
    "write_mask",
    "write_probability",
]

_BOTTOM_LEFT = 4
_A_PER_CM = 1e8


def write_mask(path: Path, mask: NDArray[np.bool_], pixel_size_A: float) -> None:
    """Write a mask as Warp's ``mask/NAME.tif``.

    Parameters
    ----------
    path : Path
        Its folder is made.
    mask : ndarray, shape (y, x), bool
        True is masked; rows as the average's.
    pixel_size_A : float
        Of the mask; kept in the resolution tags.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    _write(path, np.asarray(mask, dtype=bool)[::-1].astype(np.uint8), pixel_size_A, compression="lzw")


def write_probability(path: Path, probability: NDArray[np.float32], pixel_size_A: float) -> None:
    """Write the probability of gold, rounded to 1/250.

    Parameters
    ----------
    path : Path
        Its folder is made.
    probability : ndarray, shape (y, x), float
        0 to 1; rows as the average's, and so they are written.
    pixel_size_A : float
        Of the map.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    steps = np.rint(np.clip(np.nan_to_num(probability), 0, 1) * PROBABILITY_STEPS)
    _write(path, (steps / PROBABILITY_STEPS).astype(np.float32), pixel_size_A, compression="zlib")


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Return a mask of Warp's or ours, shape (y, x), rows as the average's; anything but 0 is masked.

    Raises
    ------
    MissingError
        If there is no such file.
    InputError
        If it is no readable single-channel TIFF.
    """
    return np.ascontiguousarray(_read(path)[::-1] != 0)


def read_probability(path: Path) -> NDArray[np.float32]:
    """Return a probability map that `write_probability` wrote, shape (y, x), rows as the average's.

    Raises
    ------
    MissingError
        If there is no such file.
    InputError
        If it is no readable single-channel TIFF.
    """
    return np.ascontiguousarray(_read(path), dtype=np.float32)


def effective_mask(folder: Path, name: str, *, threshold: float | None = None) -> NDArray[np.bool_] | None:
    """Return the mask that holds for a movie: what a person painted, or else what the detector found.

    Parameters
    ----------
    folder : Path
        The project's ``mask`` folder.
    name : str
        Of the movie.
    threshold : float, optional
        Take the detector's answer at this probability instead of at the one of its run.

    Returns
    -------
    ndarray, shape (y, x), bool, or None
        At the mask's own scale, rows as the average's; None if there is neither.

    Raises
    ------
    InputError
        If a file is there but cannot be read.
    """
    edited, probability, found = (folder / f"{name}{end}" for end in (".edit.tif", ".prob.tif", ".tif"))
    if edited.exists():
        return read_mask(edited)
    if threshold is not None and probability.exists():
        return np.asarray(read_probability(probability) >= np.float32(threshold))
    return read_mask(found) if found.exists() else None


def masked_fraction(folder: Path, name: str, *, otherwise: float) -> float:
    """Return the share of a movie's field that a person's mask covers.

    Parameters
    ----------
    folder, name
        See `effective_mask`.
    otherwise : float
        The detector's share: taken where nobody painted a mask, or it cannot be read.
    """
    edited = folder / f"{name}.edit.tif"
    try:
        return float(read_mask(edited).mean()) if edited.exists() else otherwise
    except (InputError, MissingError):
        return otherwise


def _write(path: Path, image: NDArray[Any], pixel_size_A: float, *, compression: str) -> None:
    import tifffile

    pixels_per_cm = _A_PER_CM / pixel_size_A
    with whole_file(path) as beside:
        tifffile.imwrite(
            beside,
            image,
            compression=compression,
            photometric="minisblack",
            metadata=None,
            software=False,
            rowsperstrip=image.shape[0],
            resolution=(pixels_per_cm, pixels_per_cm),
            resolutionunit="CENTIMETER",
            extratags=[(274, "H", 1, _BOTTOM_LEFT, True)],
        )


def _read(path: Path) -> NDArray[Any]:
    import tifffile

    if not path.exists():
        raise MissingError(f"{path}: there is no such mask; run `weft run` to make it")
    try:
        image = np.asarray(tifffile.imread(path, key=0))
    except Exception as error:  # tifffile raises many kinds
        raise InputError(f"{path.name}: no readable TIFF mask ({error}); delete it and run again") from error
    if image.ndim != 2:
        raise InputError(f"{path.name}: a mask has one grey channel, this has the shape {image.shape}; save it as grey")
    return image
