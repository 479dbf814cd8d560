"""Errors of the machine as sentences."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weft.errors import MachineError, WeftError

__all__ = ["machine_errors"]

_SENTENCES = {
    errno.ENOSPC: "the disk is full; make room and run again, finished work is kept",
    errno.EDQUOT: "your disk quota is used up; make room and run again, finished work is kept",
    errno.EROFS: "the file system is read-only; set output.folder to a place that can be written",
    errno.EACCES: "no permission to write there; change it, or set output.folder to a place that can be written",
    errno.EPERM: "no permission to write there; change it, or set output.folder to a place that can be written",
    errno.EIO: "the disk reports an input/output error; check it before anything else",
}


@contextmanager
def machine_errors(path: Path) -> Iterator[None]:
    """Turn an OSError that the user can mend into a MachineError that says how.

    Raises
    ------
    MachineError
        If the disk is full, read-only or forbidden.
    """
    try:
        yield
    except WeftError:
        raise
    except OSError as error:
        sentence = _SENTENCES.get(error.errno or 0)
        if sentence is None:
            raise
        raise MachineError(error.errno, f"{path}: {sentence}") from error
