"""Lists and maps of a camera's bad pixels."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError, MissingError
from weft.io.image import read_image
from weft.io.sniff import recognise

__all__ = ["Defects", "fitted_map", "read_defects", "read_gain_defects"]

_PRIVATE_TAGS = range(65000, 65536)


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
            _from_serialem(path, text, shape) if _is_serialem(text) else _from_rectangles(path, text, shape), False
        )
    return Defects(np.asarray(read_image(path)[0]) != 0, True)


def read_gain_defects(path: Path, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return the bad pixels that a Falcon's ``.gain`` lists, rows as in the file; None if it lists none.

    Parameters
    ----------
    path : Path
        The gain reference, of any format.
    shape : tuple of int
        (y, x) of its image.

    Raises
    ------
    InputError
        If the list cannot be understood.

    Notes
    -----
    The list is XML in a private tag of the TIFF: ``<defects>`` with ``<row>`` and ``<col>`` (numbers, or ranges ``a-b``),
    ``<area>`` (x, y of two corners, both included), ``<point>`` and ``<nonmaskingpoint>`` (x, y), as IMOD reads it.
    """
    text = _gain_xml(path)
    if not text:
        return None
    from xml.etree.ElementTree import ParseError  # the error only; parsing is defusedxml's

    from defusedxml.ElementTree import fromstring

    bad: NDArray[np.bool_] = np.zeros(shape, dtype=bool)
    try:
        for element in fromstring(text).iter():
            _mark_falcon(bad, element.tag.lower(), (element.text or "").strip())
    except (ParseError, ValueError) as error:
        raise InputError(
            f"{path.name}: its list of bad pixels cannot be understood ({error}); save the gain anew"
        ) from error
    return bad if bad.any() else None


def _gain_xml(path: Path) -> str:
    """Return the XML of a gain's private tag, empty if it has none."""
    if recognise(path) != "tiff":
        return ""
    import tifffile

    with contextlib.suppress(tifffile.TiffFileError, IndexError), tifffile.TiffFile(path) as file:
        for tag in file.pages[0].tags:
            if tag.code not in _PRIVATE_TAGS:
                continue
            value = tag.value
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            if "<defects" in text:
                return text[text.index("<defects") :].rstrip("\0 \r\n")
    return ""


def _mark_falcon(bad: NDArray[np.bool_], kind: str, text: str) -> None:
    """Mark what one element lists.

    Raises
    ------
    ValueError
        If its numbers are not those of its kind.
    """
    if kind in {"row", "col"}:
        for first, last in _ranges(text):
            (bad if kind == "row" else bad.T)[first : last + 1] = True
        return
    if kind not in {"area", "point", "nonmaskingpoint"}:
        return
    numbers = [int(word) for word in re.split(r"[,\s]+", text)]
    if len(numbers) == 2 and kind != "area":
        numbers *= 2
    if len(numbers) != 4:
        raise ValueError(f"<{kind}>{text}</{kind}>")
    left, top, right, bottom = numbers
    bad[top : bottom + 1, left : right + 1] = True


def _ranges(text: str) -> list[tuple[int, int]]:
    found = []
    for part in re.split(r"[,\s]+", text):
        first, _, last = part.partition("-")
        found.append((int(first), int(last or first)))
    return found


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


def _from_serialem(path: Path, text: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the map of SerialEM's list: columns, rows, parts of them and pixels, from the top left.

    Raises
    ------
    InputError
        If the camera's size does not fit the frames.

    Notes
    -----
    As IMOD reads it: ``CameraSizeX``, ``CameraSizeY``, ``BadColumns x ...``, ``BadRows y ...``, ``PartialBadColumn x
    width y1 y2``, ``PartialBadRow y height x1 x2``, ``BadPixels x y ...``, ends included, ``RotationAndFlip`` being what
    has been done to the coordinates: 4 mirrors x first, the rest turns by 90° counter-clockwise, 8 mirrors x at last.
    The frames are taken to have undergone the same, unless only undoing it fits their size. The first row of the list
    is the top one, so rows are turned for MRC's order.
    """
    told = {key: int(value) for key, value in re.findall(r"^(\w+)\s+(\d+)\s*$", text, re.MULTILINE)}
    size = (told.get("CameraSizeY", shape[0]), told.get("CameraSizeX", shape[1]))
    bad: NDArray[np.bool_] = np.zeros(size, dtype=bool)
    for line in text.splitlines():
        key, *words = line.split() or [""]
        _mark(bad, key, [int(word) for word in words if re.fullmatch(r"-?\d+", word)])
    ways = (bad, _undone(bad, told.get("RotationAndFlip", 0)))
    for way in ways:
        fitted = fitted_map(way[::-1], shape)
        if fitted is not None:
            return np.ascontiguousarray(fitted)
    raise InputError(
        f"{path.name}: is for a camera of {size[1]} × {size[0]} pixels, the frames are {shape[1]} × {shape[0]}; "
        "give the list of this camera"
    )


def _undone(bad: NDArray[np.bool_], code: int) -> NDArray[np.bool_]:
    out = bad[:, ::-1] if code & 8 else bad
    out = np.rot90(out, -(code % 4))
    return out[:, ::-1] if code & 4 else out


def fitted_map(bad: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return a map at the frames' size: as it is, each pixel repeated, or bad where any of 2 × 2 or 4 × 4 is."""
    if bad.shape == shape:
        return bad
    for fold in (2, 4):
        if (bad.shape[0] * fold, bad.shape[1] * fold) == shape:
            return np.repeat(np.repeat(bad, fold, axis=0), fold, axis=1)
        if bad.shape == (shape[0] * fold, shape[1] * fold):
            return np.asarray(bad.reshape(shape[0], fold, shape[1], fold).any(axis=(1, 3)))
    return None


def _mark(bad: NDArray[np.bool_], key: str, numbers: list[int]) -> None:
    if key == "BadColumns":
        bad[:, [n for n in numbers if 0 <= n < bad.shape[1]]] = True
    elif key == "BadRows":
        bad[[n for n in numbers if 0 <= n < bad.shape[0]]] = True
    elif key == "PartialBadColumn" and len(numbers) == 4:
        bad[max(0, numbers[2]) : numbers[3] + 1, max(0, numbers[0]) : numbers[0] + numbers[1]] = True
    elif key == "PartialBadRow" and len(numbers) == 4:
        bad[max(0, numbers[0]) : numbers[0] + numbers[1], max(0, numbers[2]) : numbers[3] + 1] = True
    elif key == "BadPixels":
        for x, y in zip(numbers[::2], numbers[1::2], strict=False):
            if 0 <= y < bad.shape[0] and 0 <= x < bad.shape[1]:
                bad[y, x] = True
