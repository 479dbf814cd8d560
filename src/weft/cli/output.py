"""The one place that prints: results on stdout, messages on stderr, tables, JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

__all__ = ["counted", "document", "is_terminal", "json_line", "message", "say", "table", "table_text"]


def say(text: str = "") -> None:
    """Print a result."""
    print(text)


def message(text: str) -> None:
    """Print something that is no result: an error, a warning, where to look."""
    print(text, file=sys.stderr, flush=True)


def document(verb: str, content: Mapping[str, Any]) -> None:
    """Print one JSON document with its schema's name."""
    print(json.dumps({"schema": f"weft.{verb}/1", **content}, indent=1, ensure_ascii=False, default=str))


def json_line(content: Mapping[str, Any]) -> None:
    """Print one line of JSON at once, for a reader at the other end of a pipe."""
    print(json.dumps(content, ensure_ascii=False, default=str), flush=True)


def counted(number: int, thing: str) -> str:
    """Return a number with its thing, in the plural but for one.

    Examples
    --------
    >>> counted(1, "warning"), counted(2, "warning")
    ('1 warning', '2 warnings')
    """
    return f"{number} {thing}{'' if number == 1 else 's'}"


def is_terminal(stream: TextIO) -> bool:
    """Whether a person sees the stream live and it can be rewritten."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: aligned on a terminal, tab-separated into a pipe.

    Parameters
    ----------
    columns : sequence of str
        Titles; a leading ``>`` puts the column to the right.
    rows : iterable of sequence of str
        Cells.
    """
    listed = list(rows)
    if is_terminal(sys.stdout):
        print(table_text(columns, listed))
        return
    for row in ([title.removeprefix(">") for title in columns], *listed):
        print("\t".join(row))


def table_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an aligned table."""
    titles = [title.removeprefix(">") for title in columns]
    widths = [max(len(cell) for cell in column) for column in zip(titles, *rows, strict=True)]
    lines = []
    for row in (titles, *rows):
        cells = [
            cell.rjust(width) if title.startswith(">") else cell.ljust(width)
            for cell, width, title in zip(row, widths, columns, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
