"""TIFF movies and images: frames one by one, rows flipped so that row 0 is MRC's row 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError
from weft.io.atomic import whole_file
from weft.io.mrc import PACKED_SIZES, unpack_4bit

__all__ = ["TiffHeader", "read_tiff", "read_tiff_frames", "read_tiff_header", "write_tiff"]


@dataclass(frozen=True, slots=True)
class TiffHeader:
    """What the first page of a TIFF says.

    Parameters
    ----------
    nx, ny, nz : int
        Columns, rows, pages; unpacked.
    dtype : numpy dtype
        Of a pixel as it comes out.
    packed : bool
        Two 4-bit pixels in a byte.
    pixel_size_A : float or None
        From SerialEM's or IMOD's resolution tags where they are plausible.
    notes : tuple of str
        What had to be decided, for people.
    """

    nx: int
    ny: int
    nz: int
    dtype: np.dtype[Any]
    packed: bool
    pixel_size_A: float | None
    notes: tuple[str, ...]


def read_tiff_header(path: Path, *, allow_packed_bytes: bool = True) -> TiffHeader:
    """Return what a TIFF holds.

    Raises
    ------
    InputError
        If it is damaged, holds colours or nothing.
    """
    with _open(path) as file:
        pages = file.pages
        if not len(pages):
            raise InputError(f"{path.name}: a TIFF without an image; copy it again")
        first = pages[0]
        if first.samplesperpixel != 1 or len(first.shape) != 2:
            raise InputError(
                f"{path.name}: holds colours or a volume in one page ({first.shape}); one grey image a page is needed"
            )
        if first.dtype is None:
            raise InputError(
                f"{path.name}: pixels of {first.bitspersample} bits cannot be read; export 8, 16 or 32 bits"
            )
        ny, nx = first.shape
        notes = []
        packed = allow_packed_bytes and first.dtype == np.uint8 and (ny, nx) in PACKED_SIZES
        if packed:
            nx *= 2
            notes.append(f"taken as packed 4-bit of {nx} × {ny} pixels, as SerialEM writes super-resolution movies")
        header = TiffHeader(nx, ny, len(pages), first.dtype.newbyteorder("="), packed, _pixel_size(first), tuple(notes))
        _check_extent(path, file, header)
    return header


def read_tiff_frames(path: Path, header: TiffHeader) -> Iterator[NDArray[Any]]:
    """Yield the frames of a TIFF, rows flipped.

    Raises
    ------
    InputError
        If a frame is damaged or of another size than the first.
    """
    with _open(path) as file:
        for number, page in enumerate(file.pages):
            try:
                frame = page.asarray(maxworkers=1)
            except Exception as error:
                raise InputError(
                    f"{path.name}: frame {number + 1} of {header.nz} cannot be decoded ({error}); copy it again"
                ) from error
            expected = (header.ny, header.nx // 2 if header.packed else header.nx)
            if frame.shape != expected:
                raise InputError(f"{path.name}: frame {number + 1} has {frame.shape} pixels, the first {expected}")
            image = unpack_4bit(frame, header.nx) if header.packed else frame
            yield np.ascontiguousarray(image[::-1])


def read_tiff(path: Path, page: int = 0, *, flip: bool = True) -> NDArray[Any]:
    """Return one page (y, x), rows flipped unless told otherwise.

    Raises
    ------
    InputError
        If it cannot be decoded.
    """
    with _open(path) as file:
        try:
            image = np.asarray(file.pages[page].asarray(maxworkers=1))
        except Exception as error:
            raise InputError(f"{path.name}: page {page} cannot be decoded ({error}); copy it again") from error
    return np.ascontiguousarray(image[::-1] if flip else image)


def write_tiff(path: Path, image: NDArray[np.float32]) -> None:
    """Write an image (y, x) of float32 as it lies, its first row first; the folder is made.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    import tifffile

    with whole_file(path) as beside:
        tifffile.imwrite(beside, image, photometric="minisblack", metadata=None, software=False)


def _open(path: Path) -> Any:
    import tifffile

    try:
        return tifffile.TiffFile(path)
    except Exception as error:
        raise InputError(f"{path.name}: no readable TIFF ({error}); copy it again") from error


def _check_extent(path: Path, file: Any, header: TiffHeader) -> None:
    """See that the last page's data lie inside the file: a file still being copied ends early."""
    size = path.stat().st_size
    last = file.pages[header.nz - 1]
    end = max((o + n for o, n in zip(last.dataoffsets, last.databytecounts, strict=False)), default=0)
    if end > size:
        raise InputError(
            f"{path.name}: its last frame ends at byte {end:,}, the file at {size:,}; it was probably still being copied. "
            "Copy it again, or leave it out with `weft drop`"
        )


def _pixel_size(page: Any) -> float | None:
    """Return Å per pixel from the resolution tags: pixels per centimetre, believed only between 0.05 and 100 Å."""
    tags = page.tags
    if "XResolution" not in tags or "ResolutionUnit" not in tags:
        return None
    numerator, denominator = tags["XResolution"].value
    unit_A = {2: 2.54e8, 3: 1e8}.get(int(tags["ResolutionUnit"].value))
    if unit_A is None or not numerator or not denominator:
        return None
    size = unit_A * denominator / numerator
    return float(size) if 0.05 < size < 100 else None
