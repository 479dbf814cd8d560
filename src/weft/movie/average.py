"""Averages of a movie along its motion field: full, even, odd, and aligned sections.

Notes
-----
A rigid field is corrected by phases on the spectra, which are summed before a single inverse transform; a local one
by filters in real space (`weft.movie.warp`). Near the borders, where frames have moved out of the field, the frames that
are still there stand for all: out = Σ mean + N/n Σ (frame - its mean), n being how many of the N are there, so that
neither level nor contrast change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from weft.engine.device import Engine
from weft.errors import SettingsError
from weft.fields.motion import MotionField
from weft.movie.bin import BinnedMovie
from weft.movie.shifted import Shifted
from weft.movie.weighting import ExposureWeights
from weft.settings.schema import OutputSettings

__all__ = ["Averages", "aligned_sections", "make_averages", "used_frames"]

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Averages:
    """Sums of a movie's frames, in electrons per binned pixel.

    Parameters
    ----------
    full : ndarray, shape (y, x), float32
        Of all used frames.
    even, odd : ndarray or None, shape (y, x), float32
        Of every other used frame, the first being even; even + odd = full. None if not asked for, or if there is only
        one frame.
    pixel_size_A : float
        Of a pixel.
    first_frame, last_frame : int
        The used frames, both included, counted from 0.
    """

    full: Image
    even: Image | None
    odd: Image | None
    pixel_size_A: float
    first_frame: int
    last_frame: int


def used_frames(frames: int, settings: OutputSettings) -> range:
    """Return the frames that go into the outputs.

    Raises
    ------
    SettingsError
        If skipping leaves none; a movie of one frame is never skipped.
    """
    if frames == 1:
        return range(1)
    used = range(settings.skip_first, frames - settings.skip_last)
    if len(used) < 1:
        raise SettingsError(
            f"output.skip_first = {settings.skip_first} and output.skip_last = {settings.skip_last}: "
            f"leave none of {frames} frames; lower them"
        )
    return used


def make_averages(
    movie: BinnedMovie,
    field: MotionField,
    settings: OutputSettings,
    engine: Engine,
    *,
    exposure_e_A2: float | None,
    pre_exposure_e_A2: float,
    voltage_kV: float,
) -> Averages:
    """Sum the frames along the motion field.

    Parameters
    ----------
    movie : BinnedMovie
        The frames.
    field : MotionField
        What lies at p is seen at p + d in frame t.
    settings : OutputSettings
        Skipped frames, halves, weighting.
    engine : Engine
        Where to compute.
    exposure_e_A2 : float or None
        Of the whole movie; needed for weighting only.
    pre_exposure_e_A2 : float
        Received before the movie.
    voltage_kV : float
        Acceleration voltage, for weighting.

    Raises
    ------
    SettingsError
        If no frame is left, or weighting is asked for with the exposure unknown.
    """
    used = used_frames(movie.frames, settings)
    weights = _weights(movie, settings, exposure_e_A2, pre_exposure_e_A2, voltage_kV)
    has_halves = settings.halves and len(used) > 1
    groups = [used[0::2], used[1::2]] if has_halves else [used]
    sums = Shifted(movie, field, engine, weights).sums(used, groups)
    even, odd = (sums[0], sums[1]) if has_halves else (None, None)
    full = sums[0] if odd is None else sums[0] + odd
    return Averages(full, even, odd, movie.pixel_size_A, used[0], used[-1])


def aligned_sections(
    movie: BinnedMovie, field: MotionField, settings: OutputSettings, engine: Engine
) -> Iterator[Image]:
    """Yield the aligned used frames, `collapse` of them summed to a section, float32 (y, x).

    Frames that are left over at the end make a last section of fewer.

    Raises
    ------
    SettingsError
        If no frame is left.
    """
    used = used_frames(movie.frames, settings)
    shifted = Shifted(movie, field, engine, None)
    sections: Image | None = None
    for number, image in shifted.frames(used):
        sections = image if sections is None else sections + image
        done = number - used[0] + 1
        if done % settings.collapse == 0 or done == len(used):
            yield sections
            sections = None


def _weights(
    movie: BinnedMovie,
    settings: OutputSettings,
    exposure_e_A2: float | None,
    pre_exposure_e_A2: float,
    voltage_kV: float,
) -> ExposureWeights | None:
    if not settings.exposure_weighting:
        return None
    if exposure_e_A2 is None:
        raise SettingsError(
            "output.exposure_weighting = true: needs the exposure of a movie; give input.exposure_e_A2, or mdocs that "
            "tell it, or switch weighting off"
        )
    ends = torch.arange(1, movie.frames + 1, dtype=torch.float64) * (exposure_e_A2 / movie.frames) + pre_exposure_e_A2
    return ExposureWeights(tuple(ends.tolist()), movie.pixel_sizes_A, voltage_kV)
