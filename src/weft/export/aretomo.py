"""AreTomo2 and AreTomo3: ``aretomo/TS/TS.mrc`` with ``TS.rawtlt``, ``TS_TLT.txt`` and, with halves, ``TS_EVN.mrc``, ``TS_ODD.mrc``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from weft.export.chosen import Chosen
from weft.export.imod import StackOptions, StackResult, write_stack
from weft.series.table import Tilt
from weft.state.project import Project

__all__ = ["tlt_text", "write_aretomo"]


def write_aretomo(project: Project, chosen: Chosen, options: StackOptions) -> StackResult:
    """Write what AreTomo takes of one series; see `weft.export.imod.write_stack` for what is raised."""
    texts = {"_TLT.txt": tlt_text}
    return write_stack(project, chosen, replace(options, folder="aretomo", ending=".mrc", texts=texts))


def tlt_text(tilts: Sequence[Tilt]) -> str:
    """Return angle, place in the order from 1, and exposure of each section itself; without exposures two columns."""
    known = all(tilt.exposure_e_A2 is not None for tilt in tilts)
    rows = [
        f"{round(tilt.tilt_deg, 2) + 0.0:8.2f} {tilt.order + 1:4d}" + (f" {tilt.exposure_e_A2:8.2f}" if known else "")
        for tilt in tilts
    ]
    return "".join(f"{row}\n" for row in rows)
