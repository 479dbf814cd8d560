"""STAR files of RELION and Warp, read by gemmi; written as RELION lays them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gemmi

from weft.errors import InputError
from weft.io.atomic import write_text

__all__ = ["Block", "Loop", "find_named", "read_star", "star_text", "write_star"]

_HEAD = "# version 50001"
_QUOTED = " \t'\""


@dataclass(frozen=True, slots=True)
class Loop:
    """A table: columns of equal length by label (without the leading ``_``), cells as they stand."""

    columns: Mapping[str, Sequence[str]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, label: str) -> Sequence[str]:
        return self.columns[label]

    def __contains__(self, label: str) -> bool:
        return label in self.columns

    def numbers(self, label: str) -> list[float]:
        """Return a column as numbers.

        Raises
        ------
        ValueError
            If a cell is none.
        """
        return [float(cell) for cell in self.columns[label]]


@dataclass(frozen=True, slots=True)
class Block:
    """What stands under one ``data_NAME``.

    Parameters
    ----------
    name : str
        May be empty.
    values : mapping of str to str
        Single values by label (without the leading ``_``).
    loop : Loop or None
        The first table.
    """

    name: str
    values: Mapping[str, str] = field(default_factory=dict)
    loop: Loop | None = None


def read_star(path: Path) -> dict[str, Block]:
    """Return the blocks of a STAR file by name.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InputError
        If it is no STAR file, or a block's table is torn.
    """
    try:
        document = gemmi.cif.read(str(path))
    except (RuntimeError, ValueError, OSError, UnicodeDecodeError) as error:
        why = str(error).removeprefix(str(path)).lstrip(": ")
        raise InputError(f"{path.name}: cannot be read as STAR ({why}); it is damaged or of another kind") from error
    blocks: dict[str, Block] = {}
    for found in document:
        values: dict[str, str] = {}
        loop: Loop | None = None
        for item in found:
            pair: Any = item.pair
            if pair is not None:
                label, value = pair
                values[label.lstrip("_")] = gemmi.cif.as_string(value)
            elif item.loop is not None and loop is None:
                loop = _loop(item.loop)
        name = found.name.strip()
        blocks[name] = Block(name, values, loop)
    if not any(block.values or block.loop for block in blocks.values()):
        raise InputError(f"{path.name}: holds no STAR data; it is empty or of another kind")
    return blocks


def find_named(star: Path, name: str) -> Path | None:
    """Return a file that a table names, None if it is not there: RELION's paths start at its project, above the table."""
    return next((folder / name for folder in star.resolve().parents if (folder / name).is_file()), None)


def star_text(blocks: Iterable[Block], *, head: str = _HEAD) -> str:
    """Return the text of a STAR file, values aligned, a comment before each block as RELION writes it."""
    parts = []
    for block in blocks:
        lines = ["", head, "", f"data_{block.name}", ""]
        if block.values:
            width = max(len(label) for label in block.values) + 1
            lines += [f"{'_' + label:<{width}}    {_cell(value)}" for label, value in block.values.items()]
        if block.loop is not None:
            lines += ["loop_", *(f"_{label} #{number}" for number, label in enumerate(block.loop.columns, 1))]
            lines += _rows(block.loop)
        parts.append("\n".join([*lines, " ", ""]))
    return "".join(parts)


def write_star(path: Path, blocks: Iterable[Block]) -> None:
    """Write a STAR file, whole or not at all.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    write_text(path, star_text(blocks))


def _loop(found: gemmi.cif.Loop) -> Loop:
    width = found.width()
    cells = [gemmi.cif.as_string(value) for value in found.values]
    return Loop({tag.lstrip("_"): cells[i::width] for i, tag in enumerate(found.tags)})


def _rows(loop: Loop) -> list[str]:
    columns = [[_cell(cell) for cell in column] for column in loop.columns.values()]
    widths = [max((len(cell) for cell in column), default=0) for column in columns]
    return [
        " ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) + " "
        for row in zip(*columns, strict=True)
    ]


def _cell(value: str) -> str:
    """Return a value, quoted only where it must be: RELION's names have no blanks."""
    needs = (
        not value
        or value[0] in "_#$'\"[];"
        or any(sign in value for sign in _QUOTED)
        or value.lower() in {"loop_", "."}
    )
    return gemmi.cif.quote(value) if needs else value
