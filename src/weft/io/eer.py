"""EER: events of the Falcon camera, summed into fractions; rows are not flipped.

Notes
-----
An EER is a TIFF with one directory per camera frame; each holds a run-length coded list of electrons with their
place inside the pixel. RELION and Warp keep the sensor's row 0 as row 0 of the array, and so do we.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError

__all__ = ["EerHeader", "Grouping", "group_frames", "read_eer_fractions", "read_eer_header"]

_COMPRESSIONS = (65000, 65001, 65002)
# run-length bits, horizontal and vertical sub-pixel bits of the two fixed codecs
_CODEC = {65000: (8, 2, 2), 65001: (7, 2, 2)}
DEFAULT_FRACTIONS = 8  # as the tilt movies of counting cameras usually have


@dataclass(frozen=True, slots=True)
class EerHeader:
    """What an EER says.

    Parameters
    ----------
    nx, ny : int
        Sensor pixels.
    frames : int
        Raw frames that lie whole inside the file.
    missing : int
        Raw frames that are listed but cut off.
    pixel_size_A : float or None
        Of the sensor, from the metadata.
    exposure_e_px : float or None
        Total exposure per sensor pixel, from the metadata.
    """

    nx: int
    ny: int
    frames: int
    missing: int
    pixel_size_A: float | None
    exposure_e_px: float | None


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which raw frames make which fraction: fraction i holds frames edges[i] to edges[i + 1] - 1."""

    edges: tuple[int, ...]
    note: str

    @property
    def fractions(self) -> int:
        """Number of fractions."""
        return len(self.edges) - 1


def read_eer_header(path: Path) -> EerHeader:
    """Return what an EER holds.

    Raises
    ------
    InputError
        If it cannot be read or holds no whole frame.
    """
    with _open(path) as file:
        pages = [page for page in file.pages if int(page.compression) in _COMPRESSIONS]
        if not pages:
            raise InputError(f"{path.name}: an EER without frames; copy it again")
        size = path.stat().st_size
        whole = [page for page in pages if _end(page) <= size]
        if not whole:
            raise InputError(f"{path.name}: not one of its {len(pages)} frames lies whole in the file; copy it again")
        ny, nx = int(pages[0].imagelength), int(pages[0].imagewidth)
        metadata = _metadata(pages[0])
    pixel = metadata.get("sensorPixelSize.width")
    return EerHeader(
        nx, ny, len(whole), len(pages) - len(whole), pixel * 1e10 if pixel else None, metadata.get("totalDose") or None
    )


def group_frames(
    frames: int,
    *,
    frames_per_fraction: int | None = None,
    fractions: int | None = None,
    exposure_per_fraction_e_A2: float | None = None,
    exposure_e_A2: float | None = None,
) -> Grouping:
    """Divide raw frames into fractions.

    A rest of half a group or more becomes the last fraction's own; a smaller one is left out and reported.

    Parameters
    ----------
    frames : int
        Raw frames.
    frames_per_fraction, fractions, exposure_per_fraction_e_A2 : optional
        At most one of them; eight fractions if none.
    exposure_e_A2 : float, optional
        Of the movie; needed with the exposure per fraction.

    Raises
    ------
    InputError
        If the movie has fewer frames than fractions are asked for, or its exposure is not known.

    Examples
    --------
    >>> group_frames(25, frames_per_fraction=10).edges
    (0, 10, 25)
    >>> group_frames(24, frames_per_fraction=10).note
    '4 of 24 raw frames are left over and not used'
    """
    if exposure_per_fraction_e_A2 is not None:
        if exposure_e_A2 is None:
            raise InputError("eer_exposure_per_fraction_e_A2 needs the movie's exposure: give input.exposure_e_A2")
        frames_per_fraction = max(1, round(frames * exposure_per_fraction_e_A2 / exposure_e_A2))
    if frames_per_fraction is None:
        count = fractions if fractions is not None else min(DEFAULT_FRACTIONS, frames)
        if count > frames:
            raise InputError(f"{count} fractions were asked for, but the movie has only {frames} raw frames")
        frames_per_fraction = frames // count
        note = "" if fractions is not None else f"{count} fractions of {frames_per_fraction} raw frames by default"
        edges = [i * frames_per_fraction for i in range(count + 1)]
    else:
        if frames_per_fraction > frames:
            raise InputError(f"a fraction of {frames_per_fraction} raw frames was asked for, the movie has {frames}")
        note = ""
        edges = list(range(0, frames + 1, frames_per_fraction))
    rest = frames - edges[-1]
    if rest and 2 * rest >= frames_per_fraction:
        edges[-1] = frames
    elif rest:
        left = f"{rest} of {frames} raw frames are left over and not used"
        note = f"{note}; {left}" if note else left
    return Grouping(tuple(edges), note)


def read_eer_fractions(
    path: Path, header: EerHeader, grouping: Grouping, supersampling: int = 1
) -> Iterator[NDArray[Any]]:
    """Yield fractions (y, x) as counts (uint16), rendered at 1, 2 or 4 times the sensor.

    Raises
    ------
    InputError
        If more than a tenth of the raw frames cannot be decoded.
    """
    import imagecodecs

    shape = (header.ny * supersampling, header.nx * supersampling)
    bits = int(math.log2(supersampling))
    bad = 0
    with _open(path) as file, path.open("rb") as raw:
        pages = [page for page in file.pages if int(page.compression) in _COMPRESSIONS][: header.frames]
        for first, last in zip(grouping.edges[:-1], grouping.edges[1:], strict=True):
            counts = np.zeros(shape, dtype=np.uint16)
            for page in pages[first:last]:
                data = _events(raw, page)
                skip, horizontal, vertical = _bits(page)
                try:
                    imagecodecs.eer_decode(data, shape, skip, horizontal, vertical, superres=bits, out=counts)
                except imagecodecs.EerError as error:
                    bad += 1
                    counts -= _before_damage(data, shape, (skip, horizontal, vertical), bits)
                    if 10 * bad > header.frames:
                        raise InputError(
                            f"{path.name}: {bad} raw frames are damaged ({error}); copy it again"
                        ) from error
            yield counts


def _before_damage(data: bytes, shape: tuple[int, int], codec: tuple[int, int, int], bits: int) -> NDArray[np.uint16]:
    """Return what the decoder has counted of a damaged frame before it gave up."""
    import imagecodecs

    counted = np.zeros(shape, dtype=np.uint16)
    with contextlib.suppress(imagecodecs.EerError):
        imagecodecs.eer_decode(data, shape, *codec, superres=bits, out=counted)
    return counted


def _open(path: Path) -> Any:
    import tifffile

    try:
        return tifffile.TiffFile(path)
    except Exception as error:
        raise InputError(f"{path.name}: no readable EER ({error}); copy it again") from error


def _end(page: Any) -> int:
    return max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)


def _events(raw: Any, page: Any) -> bytes:
    """Return the strips of a frame joined; the decoder refuses an odd number of bytes, so a zero is added."""
    parts = []
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        raw.seek(offset)
        parts.append(raw.read(count))
    data = b"".join(parts)
    return data + b"\0" if len(data) % 2 else data


def _bits(page: Any) -> tuple[int, int, int]:
    compression = int(page.compression)
    if compression in _CODEC:
        return _CODEC[compression]
    tags = page.tags
    skip, horizontal = (
        int(tags[number].value) if number in tags else 7 - 6 * i for i, number in enumerate((65007, 65008))
    )
    vertical = int(tags[65009].value) if 65009 in tags else horizontal
    return skip, horizontal, vertical


def _metadata(page: Any) -> dict[str, float]:
    """Return the numbers of the XML that hides in one of the private tags."""
    for number in range(65001, 65007):
        value = page.tags[number].value if number in page.tags else b""
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        if "<metadata" in text:
            items = re.findall(r'<item\s+name="([^"]+)"[^>]*>([^<]*)</item>', text)
            return {name: float(v) for name, v in items if re.fullmatch(r"\s*[-+0-9.eE]+\s*", v)}
    return {}
