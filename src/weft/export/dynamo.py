"""Dynamo: ``dynamo/TS/TS.st`` with ``TS.rawtlt``, and the exposures as a text, one line a section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from weft.export.chosen import Chosen
from weft.export.imod import StackOptions, StackResult, write_stack
from weft.series.table import Tilt
from weft.state.project import Project

__all__ = ["dose_text", "write_dynamo"]


def write_dynamo(project: Project, chosen: Chosen, options: StackOptions) -> StackResult:
    """Write what Dynamo takes of one series; see `weft.export.imod.write_stack` for what is raised."""
    return write_stack(project, chosen, replace(options, folder="dynamo", ending=".st", texts={"_dose.txt": dose_text}))


def dose_text(tilts: Sequence[Tilt]) -> str:
    """Return the exposure before each section, one a line; empty if it is not known."""
    if any(tilt.pre_exposure_e_A2 is None for tilt in tilts):
        return ""
    return "".join(f"{tilt.pre_exposure_e_A2:g}\n" for tilt in tilts)
