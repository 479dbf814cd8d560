"""The neutral form of a result, in which accuracy is scored: plain lists, pairs (x, y), rows as in MRC."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from weft.fields import CtfFit
from weft.fields.verdict import Verdict
from weft.series.judgements import image_ctf
from weft.state.record import Record

__all__ = ["LATTICE", "to_neutral"]

LATTICE = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)  # fractions of width and height
_PATCHES = (1 / 6, 3 / 6, 5 / 6)


def to_neutral(record: Record, out: Path, *, shared_ctf: bool = True) -> dict[str, Any]:
    """Return a movie's results in neutral form.

    Parameters
    ----------
    record : Record
        Of the movie.
    out : Path
        The project's output folder, for the paths of mask and average.
    shared_ctf : bool
        Take the CTF that the series tells where it was judged, else the image's own.

    Returns
    -------
    dict
        ``name``; ``trusted``: whether no verdict is weak or failed; ``lattice`` and ``displacement_A``
        [frame][iy][ix][x, y], how far the sample appears moved from its place in the reference geometry; ``ctf``
        with ``patches``; ``mask``, the probability of gold over the whole image, and ``average``. A part that was not
        made is left out.
    """
    verdicts = [part.verdict for part in (record.motion, record.ctf) if part is not None]
    neutral: dict[str, Any] = {
        "name": record.name,
        "trusted": record.failure is None and bool(verdicts) and all(verdict == Verdict.GOOD for verdict in verdicts),
    }
    if record.motion is not None:
        moved = record.motion.to_field().displacement(LATTICE, LATTICE)
        neutral["lattice"] = {"x": list(LATTICE), "y": list(LATTICE)}
        neutral["displacement_A"] = np.round(moved[..., ::-1], 5).tolist()
    if record.ctf is not None and record.average is not None:
        own = record.ctf.to_fit()
        fit, is_trusted = _with_series(record.name, own, out) if shared_ctf else (own, True)
        neutral["trusted"] = neutral["trusted"] and is_trusted
        if np.isfinite(fit.defocus_A):
            sides = (record.average.height * fit.pixel_size_A, record.average.width * fit.pixel_size_A)
            neutral["ctf"] = _ctf(fit, sides)
    return neutral | _files(record, out)


def _with_series(name: str, fit: CtfFit, out: Path) -> tuple[CtfFit, bool]:
    """Return a fit with the values that its series shares, and whether the series believes it."""
    image = image_ctf(out, name, fit.defocus_A)
    if image is None:
        return fit, True
    shared = replace(
        fit, defocus_u_A=image.defocus_u_A, defocus_v_A=image.defocus_v_A, angle_deg=image.angle_deg,
        gradient_x=image.gradient_x, gradient_y=image.gradient_y,
    )  # fmt: skip
    return shared, image.verdict == Verdict.GOOD


def _ctf(fit: CtfFit, sides_A: tuple[float, float]) -> dict[str, Any]:
    patches = [
        {"x": x, "y": y, "defocus_A": round(fit.defocus_at((y - 0.5) * sides_A[0], (x - 0.5) * sides_A[1]), 1)}
        for y in _PATCHES
        for x in _PATCHES
    ]
    return {
        "defocus_u_A": fit.defocus_u_A,
        "defocus_v_A": fit.defocus_v_A,
        "angle_deg": fit.angle_deg,
        "phase_shift_deg": fit.phase_shift_deg,
        "patches": patches,
    }


def _files(record: Record, out: Path) -> dict[str, str]:
    """Return the files that the stages say they wrote, as absolute paths."""
    made = [file for stage in record.stages.values() for file in stage.files]
    wanted = {"mask": f"mask/{record.name}.prob.tif", "average": f"average/{record.name}.mrc"}
    return {key: str((out / file).resolve()) for key, file in wanted.items() if file in made}
