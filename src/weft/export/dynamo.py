"""Dynamo: ``dynamo/TS/TS.st`` with ``TS.rawtlt``, and the exposures as a text, one line a section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from weft.export.imod import StackOptions
from weft.series.table import Tilt

__all__ = ["dose_text", "for_dynamo"]


def for_dynamo(options: StackOptions) -> StackOptions:
    """Return how `weft.export.imod.write_stack` is to write what Dynamo takes."""
    return replace(options, folder="dynamo", ending=".st", texts={"_dose.txt": dose_text})


def dose_text(tilts: Sequence[Tilt]) -> str:
    """Return the exposure before each section, one a line; empty if it is not known."""
    if any(tilt.pre_exposure_e_A2 is None for tilt in tilts):
        return ""
    return "".join(f"{tilt.pre_exposure_e_A2:g}\n" for tilt in tilts)
