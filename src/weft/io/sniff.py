"""Formats know themselves by their first bytes, not by their names."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Literal

from weft.errors import InputError, MissingError

__all__ = ["Format", "recognise"]

Format = Literal["mrc", "tiff", "eer", "dm"]

_EER_COMPRESSIONS = frozenset({65000, 65001, 65002})
_MRC_MODES = frozenset({0, 1, 2, 3, 4, 6, 12, 16, 17, 101})


def recognise(path: Path) -> Format:
    """Return a file's format.

    Raises
    ------
    MissingError
        If there is no such file.
    InputError
        If it is none of MRC, TIFF, EER, DM3 or DM4; the sentence says what it looks like.
    """
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except FileNotFoundError as error:
        raise MissingError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder, not a file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the file and its permissions") from error
    if head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return "eer" if _first_compression(path) in _EER_COMPRESSIONS else "tiff"
    if _is_dm(head):
        return "dm"
    if is_mrc(head):
        return "mrc"
    raise InputError(f"{path.name}: {_what_it_is(head)}, no MRC, TIFF, EER or DM file; remove it or copy it again")


def is_mrc(head: bytes) -> bool:
    """Whether 1024 bytes can be the header of an MRC file, of any byte order and age."""
    if len(head) < 1024:
        return False
    if head[208:211] == b"MAP":
        return True
    for order in "<>":
        nx, ny, nz, mode = struct.unpack(f"{order}4i", head[:16])
        mapc = struct.unpack(f"{order}3i", head[64:76])
        sides = 0 < nx < 1_000_000 and 0 < ny < 1_000_000 and 0 < nz < 1_000_000
        if sides and mode in _MRC_MODES and sorted(mapc) in ([1, 2, 3], [0, 0, 0]):
            return True
    return False


def _is_dm(head: bytes) -> bool:
    """Gatan's files begin with version, length and byte order (0 or 1), all big-endian."""
    if len(head) < 24:
        return False
    version = struct.unpack(">i", head[:4])[0]
    if version == 3:
        return struct.unpack(">i", head[8:12])[0] in {0, 1} and head[12:14] in {b"\0\0", b"\0\1", b"\1\0", b"\1\1"}
    if version == 4:
        return struct.unpack(">i", head[12:16])[0] in {0, 1} and head[16:18] in {b"\0\0", b"\0\1", b"\1\0", b"\1\1"}
    return False


def _first_compression(path: Path) -> int:
    """Return the compression of the first image that is compressed (an EER may begin with a plain sum)."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            for page in list(file.pages[:2]):
                if int(page.compression) in _EER_COMPRESSIONS:
                    return int(page.compression)
    except (tifffile.TiffFileError, IndexError, ValueError, struct.error):
        return 0
    return 1


def _what_it_is(head: bytes) -> str:
    if not head:
        return "is empty"
    if head[:2] == b"\x1f\x8b":
        return "is packed with gzip (unpack it first)"
    if head[:3] == b"BZh":
        return "is packed with bzip2 (unpack it first)"
    if head[:8] == b"\x89PNG\r\n\x1a\n" or head[:3] == b"\xff\xd8\xff":
        return "is a picture (PNG or JPEG)"
    if len(head) < 1024 and b"\0" in head:
        return f"is only {len(head)} bytes long"
    printable = sum(byte in b"\t\n\r" or 32 <= byte < 127 or byte >= 128 for byte in head)
    if b"\0" not in head and printable / len(head) > 0.95:
        return "is a text file"
    return "is of an unknown kind"
