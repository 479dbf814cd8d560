"""Whole or absent: a file is written beside its place, fsynced and renamed into it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weft.io.machine import machine_errors

__all__ = ["whole_file", "write_bytes", "write_text"]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success the file written there takes the place of `path`.

    Parameters
    ----------
    path : Path
        Where the file is to be; its folder is made.

    Yields
    ------
    Path
        Write here, and close before leaving.

    Raises
    ------
    MachineError
        If the disk is full, read-only or forbidden; then `path` is as it was.
    """
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    with machine_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            with beside.open("rb") as file:
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file whole or not at all.

    Raises
    ------
    MachineError
        See `whole_file`.
    """
    with whole_file(path) as beside:
        beside.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8, LF) whole or not at all.

    Raises
    ------
    MachineError
        See `whole_file`.
    """
    write_bytes(path, text.encode("utf-8"))
