"""MRC files: headers of any age and byte order, sections one by one, whole or absent on writing.

mrcfile knows the format (header layout, validation); what it lacks is here: 4-bit mode 101, IMOD's sign flag for
mode 0, headers from before 2014, reading one section into small memory, writing a stack section by section.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from numpy.typing import NDArray

from weft.errors import InputError
from weft.io.atomic import whole_file

__all__ = ["MrcHeader", "MrcStackWriter", "read_mrc", "read_mrc_header", "read_sections", "write_mrc"]

SignMode = Literal["auto", "signed", "unsigned"]

IMOD_STAMP = 1146047817
_DTYPES: dict[int, str] = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_REFUSED = {3: "complex integers", 4: "complex numbers", 16: "colours"}
# true (ny, nx) of super-resolution movies whose packed rows were declared as bytes (SerialEM, K2 and K3)
PACKED_SIZES = frozenset({
    (8184, 5760), (5760, 8184), (11520, 4092), (4092, 11520), (7676, 3710), (3710, 7676), (7420, 3838), (3838, 7420),
})  # fmt: skip
_WRITTEN = {"float32": (2, np.float32), "float16": (12, np.float16), "int8": (0, np.int8), "uint16": (6, np.uint16),
            "int16": (1, np.int16)}  # fmt: skip
_FLOAT16_MAX = 65504.0


@dataclass(frozen=True, slots=True)
class MrcHeader:
    """What the header of an MRC file says.

    Parameters
    ----------
    nx, ny, nz : int
        Columns, rows, sections, unpacked.
    mode : int
        The format's number for the pixels' type.
    dtype : numpy dtype
        Of a pixel as it comes out (4-bit: uint8).
    packed : bool
        Two pixels in a byte, the left one in the low half.
    offset : int
        Bytes before the first section.
    section_bytes : int
        Bytes of one section in the file.
    pixel_size_A : float or None
        Along x; None if the header does not tell (no cell, or exactly 1).
    pixel_size_y_A : float or None
        Along y.
    labels : tuple of str
        Titles.
    notes : tuple of str
        What had to be decided, for people.
    """

    nx: int
    ny: int
    nz: int
    mode: int
    dtype: np.dtype[Any]
    packed: bool
    offset: int
    section_bytes: int
    pixel_size_A: float | None
    pixel_size_y_A: float | None
    labels: tuple[str, ...]
    notes: tuple[str, ...]


def read_mrc_header(path: Path, *, sign: SignMode = "auto", allow_packed_bytes: bool = True) -> MrcHeader:
    """Return the header of an MRC file, checked against the file's size.

    Parameters
    ----------
    path : Path
        The file.
    sign : str
        Whether 8-bit pixels are signed; ``auto`` finds out (see `_is_signed`).
    allow_packed_bytes : bool
        Take 8-bit movies of the known half-width sizes for packed 4-bit.

    Raises
    ------
    InputError
        If it is no MRC file, of a mode that holds no image, or shorter than its header promises.
    """
    raw, order = _raw_header(path)
    nx, ny, nz, mode = (int(raw[name]) for name in ("nx", "ny", "nz", "mode"))
    if mode in _REFUSED:
        raise InputError(
            f"{path.name}: holds {_REFUSED[mode]} (MRC mode {mode}), not images; export it as mode 1, 2 or 6"
        )
    if mode not in _DTYPES and mode != 101:
        raise InputError(f"{path.name}: MRC mode {mode} is unknown; modes 0, 1, 2, 6, 12 and 101 can be read")
    if min(nx, ny, nz) < 1:
        raise InputError(f"{path.name}: its header says {nx} × {ny} × {nz} pixels; the file is damaged, copy it again")
    offset = 1024 + max(0, int(raw["nsymbt"]))
    notes: list[str] = []
    packed = mode == 101
    if mode == 0 and allow_packed_bytes and (ny, nx) in PACKED_SIZES:
        packed, nx = True, nx * 2
        notes.append(f"taken as packed 4-bit of {nx} × {ny} pixels, as SerialEM writes super-resolution movies")
    row_bytes = (nx + 1) // 2 if packed else nx * np.dtype(_DTYPES[mode]).itemsize
    section_bytes = row_bytes * ny
    _check_size(path, offset, section_bytes, nz)
    dtype = np.dtype("u1") if packed else np.dtype(_DTYPES[mode]).newbyteorder(order)
    if mode == 0 and not packed:
        signed, why = _is_signed(path, raw, sign, offset, section_bytes)
        dtype = np.dtype("i1" if signed else "u1")
        if why:
            notes.append(why)
    pixel_x, pixel_y = _pixel_sizes(raw, packed_twice=packed and mode == 0)
    count = min(10, max(0, int(raw["nlabl"])))
    labels = tuple(bytes(label).decode("latin-1").rstrip("\0 ") for label in raw["label"][:count])
    return MrcHeader(
        nx, ny, nz, mode, dtype, packed, offset, section_bytes, pixel_x, pixel_y, labels, tuple(notes)
    )  # fmt: skip


def read_sections(path: Path, header: MrcHeader) -> Iterator[NDArray[Any]]:
    """Yield the sections of an MRC file, each a fresh array (y, x) in native byte order.

    Raises
    ------
    InputError
        If the file ends too early (it was cut while being read).
    """
    with path.open("rb") as file:
        file.seek(header.offset)
        for section in range(header.nz):
            data = file.read(header.section_bytes)
            if len(data) < header.section_bytes:
                raise InputError(f"{path.name}: ends within section {section + 1} of {header.nz}; copy it again")
            yield _decode(data, header)


def read_mrc(path: Path, section: int = 0) -> tuple[NDArray[Any], float | None]:
    """Return one section (y, x) of an MRC file and its pixel size in Å (None if unknown).

    Raises
    ------
    InputError
        As `read_mrc_header`, or if there is no such section.
    """
    header = read_mrc_header(path)
    if not 0 <= section < header.nz:
        raise InputError(f"{path.name}: has {header.nz} sections, there is no number {section}")
    with path.open("rb") as file:
        file.seek(header.offset + section * header.section_bytes)
        return _decode(file.read(header.section_bytes), header), header.pixel_size_A


def write_mrc(path: Path, image: NDArray[Any], pixel_size_A: float, *, dtype: str = "float32", label: str = "") -> None:
    """Write an image (y, x) or sections (z, y, x) as MRC, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    image : ndarray, shape (y, x) or (z, y, x)
        Real numbers.
    pixel_size_A : float
        Goes into the header.
    dtype : str
        ``float32`` (mode 2), ``float16`` (mode 12; float32 is taken if a value is beyond ±65504), ``int8``,
        ``int16``, ``uint16``.
    label : str
        First title, at most 80 characters; no date, so that equal input gives equal bytes.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    sections = image[None] if image.ndim == 2 else image
    if dtype == "float16" and float(np.abs(sections).max(initial=0.0)) > _FLOAT16_MAX:
        dtype = "float32"
    with MrcStackWriter(path, sections.shape[1:], pixel_size_A, labels=[label] if label else [], dtype=dtype) as writer:
        for one in sections:
            writer.append(one)


class MrcStackWriter:
    """Writes an MRC stack section by section; the file appears whole when the writer is closed without error.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        (y, x) of every section.
    pixel_size_A : float
        Goes into the header, equal in x, y and z.
    labels : sequence of str
        Titles, at most ten of 80 characters.
    dtype : str
        See `write_mrc`.
    """

    def __init__(
        self,
        path: Path,
        shape: Sequence[int],
        pixel_size_A: float,
        *,
        labels: Sequence[str] = (),
        dtype: str = "float32",
    ) -> None:
        self._path = path
        self._shape = (int(shape[0]), int(shape[1]))
        self._pixel = float(pixel_size_A)
        self._labels = [text.encode("ascii", "replace")[:80] for text in labels][:10]
        self._mode, self._dtype = _WRITTEN[dtype]
        self._count = 0
        self._sum = self._squares = 0.0
        self._low, self._high = math.inf, -math.inf
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        beside = self._stack.enter_context(whole_file(self._path))
        try:
            self._file = self._stack.enter_context(beside.open("wb"))
            self._file.write(bytes(1024))
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def append(self, section: NDArray[Any]) -> None:
        """Write one section.

        Raises
        ------
        ValueError
            If its shape differs.
        """
        if section.shape != self._shape:
            raise ValueError(f"a section of {section.shape} does not fit a stack of {self._shape}")
        values = np.ascontiguousarray(section, dtype=self._dtype)
        as_float = values.astype(np.float64)
        self._sum += float(as_float.sum())
        self._squares += float(np.einsum("ij,ij->", as_float, as_float))
        self._low, self._high = min(self._low, float(values.min())), max(self._high, float(values.max()))
        self._file.write(values.astype(values.dtype.newbyteorder("<"), copy=False).data)
        self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._file.seek(0)
                self._file.write(self._header().tobytes())
                self._file.close()
        except BaseException as later:
            self._stack.__exit__(type(later), later, later.__traceback__)
            raise
        self._stack.__exit__(kind, error, trace)

    def _header(self) -> NDArray[Any]:
        rows, columns = self._shape
        header = np.zeros((), dtype=HEADER_DTYPE).view(np.recarray)
        header.nx, header.ny, header.nz = columns, rows, self._count
        header.mode = self._mode
        header.mx, header.my, header.mz = columns, rows, self._count
        header.cella = (columns * self._pixel, rows * self._pixel, self._count * self._pixel)
        header.cellb = (90, 90, 90)
        header.mapc, header.mapr, header.maps = 1, 2, 3
        header.nversion = 20141
        header.map = b"MAP "
        header.machst = np.frombuffer(bytes([0x44, 0x44, 0, 0]), dtype=np.uint8)
        pixels = max(1, self._count * rows * columns)
        mean = self._sum / pixels
        header.dmin, header.dmax, header.dmean = (self._low, self._high, mean) if self._count else (0, 0, 0)
        header.rms = math.sqrt(max(0.0, self._squares / pixels - mean * mean))
        header.nlabl = len(self._labels)
        for number, label in enumerate(self._labels):
            header.label[number] = label
        return header


def _raw_header(path: Path) -> tuple[Any, Literal["<", ">"]]:
    """Return the header's fields in native order, and the file's byte order."""
    with path.open("rb") as file:
        data = file.read(1024)
    if len(data) < 1024:
        raise InputError(f"{path.name}: {len(data)} bytes are too few for an MRC header (1024); copy it again")
    little = np.frombuffer(data, dtype=HEADER_DTYPE.newbyteorder("<"))[0]
    big = np.frombuffer(data, dtype=HEADER_DTYPE.newbyteorder(">"))[0]
    stamp = data[212]
    order: Literal["<", ">"]
    if stamp in {0x11, 0x44}:
        order = ">" if stamp == 0x11 else "<"
    else:  # before 2000, or damaged: the order in which the numbers make sense
        order = "<" if _plausible(little) or not _plausible(big) else ">"
    if order == "<" and not _plausible(little) and _plausible(big):
        order = ">"
    return (little if order == "<" else big), order


def _plausible(raw: Any) -> bool:
    sides = all(0 < int(raw[name]) < 1_000_000 for name in ("nx", "ny", "nz"))
    return sides and (int(raw["mode"]) in _DTYPES or int(raw["mode"]) in {3, 4, 16, 101})


def _check_size(path: Path, offset: int, section_bytes: int, nz: int) -> None:
    promised = offset + section_bytes * nz
    size = path.stat().st_size
    if size < promised:
        held = max(0.0, (size - offset) / section_bytes)
        raise InputError(
            f"{path.name}: the header promises {nz} frames ({promised:,} bytes), the file holds {math.floor(held * 10) / 10:g}; "
            "it was probably still being copied. Copy it again, or leave it out with `weft drop`"
        )


def _is_signed(path: Path, raw: Any, sign: SignMode, offset: int, section_bytes: int) -> tuple[bool, str]:
    """Decide whether 8-bit pixels are signed: IMOD's flag, else the header's limits, else the pixels themselves.

    Notes
    -----
    IMOD keeps bytes unsigned unless its stamp and flag say otherwise; MRC2014 and RELION say signed. Counts of a
    camera never need negative numbers, so values of 128 and more, if continuous with the rest, mean unsigned.
    """
    if sign != "auto":
        return sign == "signed", ""
    imod = _imod_flags(path)
    if imod is not None:
        return bool(imod & 1), ""
    low, high = float(raw["dmin"]), float(raw["dmax"])
    if low < high and low >= -128 and high <= 255 and (low < 0 or high > 127):
        return low < 0, ""
    with path.open("rb") as file:
        file.seek(offset)
        values = np.frombuffer(file.read(min(section_bytes, 1 << 22)), dtype=np.uint8)
    counts = np.bincount(values, minlength=256)
    if not counts[128:].any():
        return True, ""  # both readings agree
    if counts[120:128].any() and counts[128:136].any():
        return False, "8-bit pixels taken as unsigned: their values run on beyond 127"
    return True, '8-bit pixels taken as signed (MRC2014); give input.mrc_mode0 = "unsigned" if that is wrong'


def _imod_flags(path: Path) -> int | None:
    """Return IMOD's flags, None where its stamp is missing."""
    with path.open("rb") as file:
        file.seek(152)
        data = file.read(8)
    for order in ("<i4", ">i4"):
        stamp, flags = (int(value) for value in np.frombuffer(data, dtype=order))
        if stamp == IMOD_STAMP:
            return flags
    return None


def _pixel_sizes(raw: Any, *, packed_twice: bool) -> tuple[float | None, float | None]:
    cell = raw["cella"]
    found = []
    for side, samples, fold in (
        (float(cell["x"]), int(raw["mx"]), 2 if packed_twice else 1),
        (float(cell["y"]), int(raw["my"]), 1),
    ):
        size = side / (samples * fold) if samples > 0 and math.isfinite(side) else 0.0
        known = size > 0 and abs(size - 1.0) > 1e-6 and size < 1e6
        found.append(size if known else None)
    return found[0], found[1]


def _decode(data: bytes, header: MrcHeader) -> NDArray[Any]:
    if not header.packed:
        image = np.frombuffer(data, dtype=header.dtype).reshape(header.ny, header.nx)
        return image.astype(header.dtype.newbyteorder("="), copy=True)
    return unpack_4bit(np.frombuffer(data, dtype=np.uint8).reshape(header.ny, (header.nx + 1) // 2), header.nx)


def unpack_4bit(packed: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Return pixels (y, columns) of rows in which the low half of a byte is the left pixel.

    Examples
    --------
    >>> unpack_4bit(np.array([[0x21, 0x03]], dtype=np.uint8), 3)
    array([[1, 2, 3]], dtype=uint8)
    """
    out = np.empty((packed.shape[0], packed.shape[1] * 2), dtype=np.uint8)
    np.bitwise_and(packed, 15, out=out[:, 0::2])
    np.right_shift(packed, 4, out=out[:, 1::2])
    return out[:, :columns]
