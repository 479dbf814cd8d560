"""Open a movie: what it holds, and its frames one by one, decoded ahead in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError
from weft.io import eer, mrc, tiff
from weft.io.identity import file_identity
from weft.io.names import stem_of
from weft.io.sniff import Format, recognise
from weft.settings.schema import InputSettings

__all__ = ["Movie", "MovieInfo", "header_settings", "open_movie"]

_READ_AHEAD = 2  # decoded frames waiting; more would only cost memory

_HEADER_KEYS = {
    "mrc_mode0", "eer_frames_per_fraction", "eer_fractions", "eer_exposure_per_fraction_e_A2", "exposure_e_A2",
    "eer_supersampling",
}  # fmt: skip

Frames = Callable[[], Iterator[NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class MovieInfo:
    """What is known of a movie before its frames are read.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Its stem.
    format : str
        ``mrc``, ``tiff`` or ``eer``.
    frames : int
        Frames; EER: fractions.
    height, width : int
        Pixels of a frame as it is read (EER: as rendered).
    dtype : numpy dtype
        Of a raw pixel.
    pixel_size_A : float or None
        From the file.
    size_bytes : int
        Of the file.
    identity : str
        Tells this file from its later versions.
    notes : tuple of str
        What had to be decided, for people.
    """

    path: Path
    name: str
    format: Format
    frames: int
    height: int
    width: int
    dtype: np.dtype[Any]
    pixel_size_A: float | None
    size_bytes: int
    identity: str
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values, the path aside."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "path"}
        return values | {"dtype": self.dtype.str, "notes": list(self.notes)}

    @classmethod
    def from_json(cls, path: Path, data: Mapping[str, Any]) -> MovieInfo:
        """Return what `to_json` described.

        Raises
        ------
        TypeError, KeyError
            If it is something else.
        """
        return cls(path=path, **{**data, "dtype": np.dtype(data["dtype"]), "notes": tuple(data["notes"])})


@dataclass(frozen=True, slots=True)
class Movie:
    """A movie that can be read any number of times."""

    info: MovieInfo
    read: Frames

    def frames(self) -> Iterator[NDArray[Any]]:
        """Yield the frames (y, x) as stored, row 0 being MRC's row 0; a thread reads ahead.

        Raises
        ------
        InputError
            If the file turns out damaged.
        """
        return _ahead(self.read)


def header_settings(settings: InputSettings) -> dict[str, Any]:
    """Return the settings that decide what `open_movie` tells of a file."""
    return settings.model_dump(mode="json", include=_HEADER_KEYS)


def open_movie(path: Path, settings: InputSettings) -> Movie:
    """Recognise a movie by its content and read its header.

    Parameters
    ----------
    path : Path
        MRC, TIFF or EER.
    settings : InputSettings
        How to group and render EER, and the sign of 8-bit MRC.

    Raises
    ------
    InputError
        If it is no movie, or damaged.
    MissingError
        If there is no such file.
    """
    format_ = recognise(path)
    if format_ == "dm":
        raise InputError(
            f"{path.name}: is a Gatan DM file, which is read as a gain reference but not as a movie; export it as MRC"
        )
    shape, dtype, pixel, notes, read = {"mrc": _open_mrc, "tiff": _open_tiff, "eer": _open_eer}[format_](path, settings)
    info = MovieInfo(
        path, stem_of(path), format_, *shape, dtype, pixel, path.stat().st_size, file_identity(path), tuple(notes)
    )
    return Movie(info, read)


_Opened = tuple[tuple[int, int, int], np.dtype[Any], float | None, list[str], Frames]


def _open_mrc(path: Path, settings: InputSettings) -> _Opened:
    header = mrc.read_mrc_header(path, sign=settings.mrc_mode0)
    notes = list(header.notes)
    x, y = header.pixel_size_A, header.pixel_size_y_A
    if x and y and abs(x / y - 1) > 1e-3:
        notes.append(f"the header's pixels are not square ({x:.4f} × {y:.4f} Å)")
    shape = (header.nz, header.ny, header.nx)
    return shape, header.dtype.newbyteorder("="), x, notes, partial(mrc.read_sections, path, header)


def _open_tiff(path: Path, _settings: InputSettings) -> _Opened:
    header = tiff.read_tiff_header(path)
    shape = (header.nz, header.ny, header.nx)
    return shape, header.dtype, header.pixel_size_A, list(header.notes), partial(tiff.read_tiff_frames, path, header)


def _open_eer(path: Path, settings: InputSettings) -> _Opened:
    header = eer.read_eer_header(path)
    grouping = eer.group_frames(
        header.frames,
        frames_per_fraction=settings.eer_frames_per_fraction,
        fractions=settings.eer_fractions,
        exposure_per_fraction_e_A2=settings.eer_exposure_per_fraction_e_A2,
        exposure_e_A2=settings.exposure_e_A2,
    )
    scale = settings.eer_supersampling
    notes = [grouping.note] if grouping.note else []
    if header.missing:
        notes.append(f"{header.missing} raw frames at the end are cut off and not used")
    pixel = header.pixel_size_A / scale if header.pixel_size_A else None
    shape = (grouping.fractions, header.ny * scale, header.nx * scale)
    read = partial(eer.read_eer_fractions, path, header, grouping, scale)
    return shape, np.dtype(np.uint16), pixel, notes, read


def _ahead(read: Frames) -> Iterator[NDArray[Any]]:
    """Yield what `read` yields, produced in a thread that stops when nobody listens any more."""
    box: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=_READ_AHEAD)
    stop = threading.Event()
    thread = threading.Thread(target=_produce, args=(read, box, stop), daemon=True, name="weft-reader")
    thread.start()
    try:
        while True:
            kind, content = box.get()
            if kind == "end":
                return
            if kind == "error":
                raise content
            yield content
    finally:
        stop.set()
        thread.join()


def _produce(read: Frames, box: queue.Queue[tuple[str, Any]], stop: threading.Event) -> None:
    """Put frames into the box until there are no more or nobody wants them."""
    try:
        for frame in read():
            if not _put(box, stop, ("frame", frame)):
                return
        _put(box, stop, ("end", None))
    except BaseException as error:  # noqa: BLE001 (handed to the thread that waits)
        _put(box, stop, ("error", error))


def _put(box: queue.Queue[tuple[str, Any]], stop: threading.Event, content: tuple[str, Any]) -> bool:
    while not stop.is_set():
        try:
            box.put(content, timeout=0.2)
        except queue.Full:
            continue
        return True
    return False
