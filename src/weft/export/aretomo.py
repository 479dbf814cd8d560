"""AreTomo2 and AreTomo3: ``aretomo/TS/TS.mrc`` with ``TS.rawtlt``, ``TS_TLT.txt`` and, with halves, ``TS_EVN.mrc``, ``TS_ODD.mrc``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from weft.export.imod import StackOptions
from weft.series.table import Tilt

__all__ = ["for_aretomo", "tlt_text"]


def for_aretomo(options: StackOptions) -> StackOptions:
    """Return how `weft.export.imod.write_stack` is to write what AreTomo takes."""
    return replace(options, folder="aretomo", ending=".mrc", texts={"_TLT.txt": tlt_text})


def tlt_text(tilts: Sequence[Tilt]) -> str:
    """Return angle, place in the order from 1, and exposure of each section itself; without exposures two columns."""
    known = all(tilt.exposure_e_A2 is not None for tilt in tilts)
    rows = [
        f"{round(tilt.tilt_deg, 2) + 0.0:8.2f} {tilt.order + 1:4d}" + (f" {tilt.exposure_e_A2:8.2f}" if known else "")
        for tilt in tilts
    ]
    return "".join(f"{row}\n" for row in rows)
