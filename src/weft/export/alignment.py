"""An imported alignment beside IMOD's stack: ``TS.xf`` and ``TS.tlt``, as many lines as sections."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.export.chosen import Chosen
from weft.io.atomic import write_text
from weft.io.identity import file_identity
from weft.io.mrc import read_mrc_header
from weft.series.alignment import tlt_text, xf_text

__all__ = ["add_alignment", "alignment_texts", "is_as_made"]

_ENDINGS = (".xf", ".tlt")


def is_as_made(path: Path, made: Mapping[str, Any]) -> bool:
    """Whether a file of a stack's folder is as Weft made it: an alignment may have been written anew by an aligner."""
    if not path.name.endswith(_ENDINGS):
        return path.name in made["files"]
    return path.is_file() and made.get("alignment", {}).get(path.name) == file_identity(path)


def alignment_texts(chosen: Chosen, movies: Sequence[str | None], stack: Path) -> dict[Path, str]:
    """Return ``.xf`` and ``.tlt`` for IMOD to go on from; none if not every section is aligned.

    Parameters
    ----------
    chosen : Chosen
        With its alignment.
    movies : sequence of str
        Of the sections, in order.
    stack : Path
        It tells the size of pixels and the place.
    """
    known = chosen.alignment.by_movie if chosen.alignment is not None else {}
    aligned = [known[movie] for movie in movies if movie in known]
    if not movies or len(aligned) < len(movies):
        return {}
    pixel_A = read_mrc_header(stack).pixel_size_A or 1.0
    return {stack.with_suffix(".xf"): xf_text(aligned, pixel_A), stack.with_suffix(".tlt"): tlt_text(aligned)}


def add_alignment(chosen: Chosen, stack: Path, made: Mapping[str, Any]) -> None:
    """Put an alignment that came later beside a stack that is up to date; an aligner's own files there are left alone.

    Parameters
    ----------
    chosen : Chosen
        With its alignment.
    stack : Path
        The stack.
    made : mapping
        What ``TS_stack.json`` says of it.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    texts = alignment_texts(chosen, made["files_sections"], stack)
    there = {path: path.read_text(encoding="utf-8", errors="replace") for path in texts if path.exists()}
    if any(text != texts[path] and not is_as_made(path, made) for path, text in there.items()):
        return
    if there == texts and all(is_as_made(path, made) for path in texts):
        return
    for path, text in texts.items():
        write_text(path, text)
    facts = {**made, "alignment": {path.name: file_identity(path) for path in texts}}
    write_text(stack.with_name(f"{stack.stem}_stack.json"), json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
