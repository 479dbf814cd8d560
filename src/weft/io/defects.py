"""Lists and maps of a camera's bad pixels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError, MissingError
from weft.io.image import read_image
from weft.io.sniff import recognise

__all__ = ["Defects", "read_defects"]


@dataclass(frozen=True, slots=True)
class Defects:
    """Bad pixels.

    Parameters
    ----------
    map : ndarray, shape (y, x), bool
        True = bad.
    is_image : bool
        From an image, which lies as the gain reference does; lists lie as the movie does.
    """

    map: NDArray[np.bool_]
    is_image: bool


def read_defects(path: Path, shape: tuple[int, int]) -> Defects:
    """Read a defect map (non-zero = bad), rectangles ``x y w h`` (MotionCor), or SerialEM's ``defects.txt``.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        (y, x) of the frames, for lists.

    Raises
    ------
    InputError
        If it is none of these, or a rectangle lies outside.
    MissingError
        If there is no such file.
    """
    if not path.exists():
        raise MissingError(f"{path}: no such file, but input.defects names it")
    try:
        recognise(path)
    except InputError:
        text = path.read_bytes().decode("latin-1")
        return Defects(
            _from_serialem(text, shape) if _is_serialem(text) else _from_rectangles(path, text, shape), False
        )
    return Defects(np.asarray(read_image(path)[0]) != 0, True)


def _is_serialem(text: str) -> bool:
    return (
        re.search(r"^(CameraSize|RotationAndFlip|K2Type|BadColumns|BadRows|BadPixels|PartialBad)", text, re.MULTILINE)
        is not None
    )


def _from_rectangles(path: Path, text: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the map of lines ``x y width height``, counted from 0 in the movie's own orientation."""
    bad = np.zeros(shape, dtype=bool)
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) != 4 or not all(re.fullmatch(r"-?\d+", word) for word in words):
            raise InputError(f'{path.name}, line {number}: "{line.strip()}" is no rectangle; write x y width height')
        x, y, width, height = map(int, words)
        if not (x >= 0 and y >= 0 and width > 0 and height > 0 and x + width <= shape[1] and y + height <= shape[0]):
            raise InputError(f"{path.name}, line {number}: lies outside frames of {shape[1]} × {shape[0]} pixels")
        bad[y : y + height, x : x + width] = True
    return bad


def _from_serialem(text: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the map of SerialEM's list: columns, rows, parts of them and pixels, from the top left of the camera.

    Notes
    -----
    Keys as IMOD's ``clip`` documents them: ``BadColumns c ...``, ``BadRows r ...``, ``PartialBadColumn c y1 y2``,
    ``PartialBadRow r x1 x2``, ``BadPixels x y ...``, ``CameraSize nx ny``, ``RotationAndFlip op``. Coordinates are of
    the camera before rotation; the first row is the top one, so rows are turned for MRC order afterwards.
    """
    size = re.search(r"^CameraSize\s+(\d+)\s+(\d+)", text, re.MULTILINE)
    native = (int(size[2]), int(size[1])) if size else shape
    bad: NDArray[np.bool_] = np.zeros(native, dtype=bool)
    for line in text.splitlines():
        key, *words = line.split() or [""]
        numbers = [int(word) for word in words if re.fullmatch(r"-?\d+", word)]
        _mark(bad, key, numbers)
    turn = re.search(r"^RotationAndFlip\s+(\d+)", text, re.MULTILINE)
    code = int(turn[1]) if turn else 0
    if code & 4:
        bad = bad[:, ::-1]
    bad = np.rot90(bad, code % 4)[::-1]
    fold = (shape[0] // max(1, bad.shape[0]), bad.shape[0] // max(1, shape[0]))
    if fold[0] > 1 and (bad.shape[0] * fold[0], bad.shape[1] * fold[0]) == shape:
        bad = np.repeat(np.repeat(bad, fold[0], axis=0), fold[0], axis=1)
    elif fold[1] > 1 and bad.shape == (shape[0] * fold[1], shape[1] * fold[1]):
        bad = np.asarray(bad.reshape(shape[0], fold[1], shape[1], fold[1]).any(axis=(1, 3)))
    return np.ascontiguousarray(bad)


def _mark(bad: NDArray[np.bool_], key: str, numbers: list[int]) -> None:
    if key == "BadColumns":
        bad[:, [n for n in numbers if 0 <= n < bad.shape[1]]] = True
    elif key == "BadRows":
        bad[[n for n in numbers if 0 <= n < bad.shape[0]]] = True
    elif key == "PartialBadColumn" and len(numbers) >= 3:
        bad[max(0, numbers[1]) : numbers[2] + 1, numbers[0]] = True
    elif key == "PartialBadRow" and len(numbers) >= 3:
        bad[numbers[0], max(0, numbers[1]) : numbers[2] + 1] = True
    elif key == "BadPixels":
        for x, y in zip(numbers[::2], numbers[1::2], strict=False):
            if 0 <= y < bad.shape[0] and 0 <= x < bad.shape[1]:
                bad[y, x] = True
