"""Motion and CTF without gold: found in a first average, replaced by noise for the second estimate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from weft.ctf import estimate_ctf
from weft.engine.device import Engine
from weft.fiducials import segment
from weft.fields import Bead, CtfCurves, CtfFit, MotionField, Verdict
from weft.io.masktiff import read_mask
from weft.motion import Gold, estimate_motion
from weft.movie.average import make_averages
from weft.movie.bin import BinnedMovie
from weft.pipeline.jobs import Job
from weft.pipeline.masking import with_model_path
from weft.settings.schema import OutputSettings
from weft.signal.fill import erase_for_stack, holes_of, reach_A

__all__ = ["ctf_without_gold", "motion_without_gold"]

Image = NDArray[np.float32]


def motion_without_gold(movie: BinnedMovie, first: MotionField, job: Job, engine: Engine) -> MotionField:
    """Return the motion of everything but gold.

    Parameters
    ----------
    movie : BinnedMovie
        The frames.
    first : MotionField
        Estimated with gold; returned as it is if it failed or no gold is seen along it.
    job : Job
        The movie's name and the settings.
    engine : Engine
        Where to compute.
    """
    if first.assessment.verdict == Verdict.FAILED:
        return first
    settings = job.settings
    plain = OutputSettings(skip_first=settings.output.skip_first, skip_last=settings.output.skip_last)
    average = make_averages(
        movie, first, plain, engine,
        exposure_e_A2=None, pre_exposure_e_A2=0.0, voltage_kV=settings.optics.voltage_kV,
    ).full  # fmt: skip
    fit, _ = estimate_ctf(average, movie.pixel_size_A, settings.ctf, settings.optics, engine)
    mask, beads = _gold_in(average, movie.pixel_size_A, fit, job, engine)
    holes = holes_of(mask, average.shape, movie.pixel_size_A, beads)
    if not holes.any():
        return first
    found = estimate_motion(movie, settings.motion, engine, without=Gold(holes, reach_A(fit), first))
    return replace(found, details={**found.details, "left_out": round(float(holes.mean()), 4)})


def ctf_without_gold(
    image: Image,
    pixel_size_A: float,
    first: tuple[CtfFit, CtfCurves],
    job: Job,
    engine: Engine,
    frames: Iterator[Image] | None = None,
) -> tuple[CtfFit, CtfCurves]:
    """Return the CTF of everything but gold, and what is shown of it.

    Parameters
    ----------
    image : ndarray, shape (y, x), float32
        The average.
    pixel_size_A : float
        Of the average.
    first : tuple of CtfFit and CtfCurves
        Of the average with gold; returned as they are if there are no rings or no gold.
    job : Job
        The movie's name and the settings.
    engine : Engine
        Where to compute.
    frames : iterator of ndarray, optional
        See `weft.ctf.estimate_ctf`.
    """
    fit = first[0]
    if fit.assessment.verdict == Verdict.FAILED:
        return first
    mask, beads = _gold_in(image, pixel_size_A, fit, job, engine)
    if not holes_of(mask, image.shape, pixel_size_A, beads).any():
        return first

    def erased(one: Image, name: str) -> Image:
        return erase_for_stack(one, pixel_size_A, mask, name=name, beads=beads, ctf=fit)

    name = job.item.name
    others = None if frames is None else (erased(frame, f"{name} {n}") for n, frame in enumerate(frames))
    found, curves = estimate_ctf(
        erased(image, name), pixel_size_A, job.settings.ctf, job.settings.optics, engine, frames=others
    )
    return replace(found, details={**found.details, "left_out": round(float(np.mean(mask)), 4)}), curves


def _gold_in(
    average: Image, pixel_size_A: float, fit: CtfFit, job: Job, engine: Engine
) -> tuple[NDArray[np.bool_], tuple[Bead, ...]]:
    """Return the mask, the one that a person painted where there is one, and the beads that were found."""
    painted = job.out / "mask" / f"{job.item.name}.edit.tif"
    if painted.exists():
        return read_mask(painted), ()
    ctf = None if fit.assessment.verdict == Verdict.FAILED else fit
    found = segment(average, pixel_size_A, with_model_path(job), engine, ctf=ctf)
    return found.mask, found.likely_beads
