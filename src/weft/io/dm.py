"""Gatan DM3 and DM4: the largest image in the file, for gain references.

Notes
-----
The format is a tree of tags, big-endian in its structure, with data in the order a header flag tells; lengths are
32 bits in DM3 and 64 bits in DM4. Only numbers and arrays of numbers matter here. Facts of the layout: the public
description by C. Boothroyd, as followed by ncempy and RosettaSciIO.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError

__all__ = ["read_dm"]

# encoded type of a number -> struct letter
_NUMBERS = {2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 8: "?", 9: "b", 10: "b", 11: "q", 12: "Q"}
# DataType of an image -> numpy
_PIXELS = {1: "i2", 2: "f4", 6: "u1", 7: "i4", 9: "i1", 10: "u2", 11: "u4", 12: "f8"}

_UNITS_A = {"nm": 10.0, "µm": 1e4, "μm": 1e4, "um": 1e4, "Å": 1.0, "A": 1.0, "pm": 0.01}


@dataclass
class _Reader:
    file: BinaryIO
    wide: bool
    order: str
    found: dict[str, Any] = field(default_factory=dict)

    def length(self) -> int:
        return int(
            struct.unpack(">Q", self.file.read(8))[0] if self.wide else struct.unpack(">I", self.file.read(4))[0]
        )

    def group(self, path: str) -> None:
        """Read a group of tags below `path`."""
        self.file.read(2)
        for number in range(self.length()):
            kind = self.file.read(1)[0]
            size = struct.unpack(">H", self.file.read(2))[0]
            name = self.file.read(size).decode("latin-1") or str(number)
            if self.wide:
                self.file.read(8)
            if kind == 20:
                self.group(f"{path}/{name}")
            elif kind == 21:
                self.data(f"{path}/{name}")
            else:
                raise ValueError(f"tag of kind {kind}")

    def data(self, path: str) -> None:
        """Read one value; large arrays are remembered by place, not read."""
        if self.file.read(4) != b"%%%%":
            raise ValueError("tag without its mark")
        info = [self.length() for _ in range(self.length())]
        if info[0] in _NUMBERS:
            self.found[path] = self.number(info[0])
        elif info[0] == 15:
            self.found[path] = [self.number(kind) for kind in info[4::2]]
        elif info[0] == 18:
            self.file.seek(info[1], 1)
        elif info[0] == 20:
            size, count = self.size(info[1:-1]), info[-1]
            self.found[path] = (self.file.tell(), count)
            self.file.seek(size * count, 1)
        else:
            raise ValueError(f"data of kind {info[0]}")

    def number(self, kind: int) -> float:
        letter = _NUMBERS[kind]
        return struct.unpack(self.order + letter, self.file.read(struct.calcsize(letter)))[0]  # type: ignore[no-any-return]

    @staticmethod
    def size(kinds: list[int]) -> int:
        if kinds[0] == 15:
            return sum(struct.calcsize(_NUMBERS[kind]) for kind in kinds[4::2])
        return struct.calcsize(_NUMBERS[kinds[0]])


def read_dm(path: Path) -> tuple[NDArray[Any], float | None]:
    """Return the first section of the largest image (y, x), and its pixel size in Å if it is known.

    Rows are flipped, as by IMOD's dm2mrc: the camera's first row is at the top, MRC's row 0 at the bottom.

    Raises
    ------
    InputError
        If the file cannot be understood or holds no grey image.
    """
    try:
        with path.open("rb") as file:
            version = struct.unpack(">i", file.read(4))[0]
            wide = version == 4
            file.read(8 if wide else 4)
            order = "<" if struct.unpack(">i", file.read(4))[0] == 1 else ">"
            reader = _Reader(file, wide, order)
            reader.group("")
            return _image(path, reader)
    except (ValueError, KeyError, struct.error, IndexError, RecursionError) as error:
        raise InputError(
            f"{path.name}: damaged, or of an unknown kind of DM file ({error}); export it as MRC or TIFF"
        ) from error


def _image(path: Path, reader: _Reader) -> tuple[NDArray[Any], float | None]:
    best = ""
    for name, value in reader.found.items():
        if name.endswith("/ImageData/Data") and isinstance(value, tuple):
            base = name[: -len("/Data")]
            if not best or value[1] > reader.found[f"{best}/Data"][1]:
                best = base if reader.found.get(f"{base}/DataType") in _PIXELS else best
    if not best:
        raise InputError(f"{path.name}: holds no grey image; export it as MRC or TIFF")
    place, _ = reader.found[f"{best}/Data"]
    columns, rows = int(reader.found[f"{best}/Dimensions/0"]), int(reader.found[f"{best}/Dimensions/1"])
    dtype = np.dtype(reader.order + _PIXELS[int(reader.found[f"{best}/DataType"])])
    reader.file.seek(place)
    data = reader.file.read(columns * rows * dtype.itemsize)
    image = np.frombuffer(data, dtype=dtype).reshape(rows, columns)
    pixel = _pixel_size(reader, f"{best}/Calibrations/Dimension/0")
    return np.ascontiguousarray(image[::-1]).astype(dtype.newbyteorder("=")), pixel


def _pixel_size(reader: _Reader, base: str) -> float | None:
    """Return Å per pixel if the calibration has a unit of length."""
    scale, units = reader.found.get(f"{base}/Scale"), reader.found.get(f"{base}/Units")
    if not isinstance(scale, float) or not isinstance(units, tuple):
        return None
    reader.file.seek(units[0])
    text = reader.file.read(2 * units[1]).decode("utf-16-le" if reader.order == "<" else "utf-16-be", "replace")
    size = scale * _UNITS_A.get(text.strip("\0 "), 0.0)
    return size if 0.001 < size < 1e5 else None
