"""Reading and writing records; a record is written last, whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from pydantic import ValidationError

from weft.errors import InputError
from weft.io.machine import machine_errors
from weft.state.record import Record

__all__ = ["read_record", "write_record"]


def read_record(path: Path) -> Record | None:
    """Return the record in a file, None if there is none.

    Raises
    ------
    InputError
        If the file holds something else.
    """
    try:
        return Record.model_validate_json(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise InputError(
            f"{path}: damaged, or of another version of Weft; delete it to have the movie redone"
        ) from error


def write_record(path: Path, record: Record) -> None:
    """Write a record beside its place, fsync it and rename it in.

    Raises
    ------
    MachineError
        If the disk is full or cannot be written.
    """
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    with machine_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("w", encoding="utf-8") as file:
                file.write(record.model_dump_json(by_alias=True, indent=1))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
