"""How Warp's options say that movies were read: pixel size, binning, frame groups, the way a gain reference lies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from weft.settings.schema import Settings

__all__ = ["WarpMovie", "gain_options", "reading_options", "turns_rows"]

_WARP_FRACTIONS = 40  # WarpTools' default


@dataclass(frozen=True, slots=True)
class WarpMovie:
    """What Warp's options say of the movies beside our settings.

    Parameters
    ----------
    raw_pixel_size_A : float
        As they were read; EER: of the rendered grid.
    is_eer : bool
        Whether they are EER.
    fractions : int
        Of a movie, where they are EER.
    frames_per_fraction : int
        Raw frames in a fraction, where that is known to hold for all of them; else 0.
    """

    raw_pixel_size_A: float
    is_eer: bool = False
    fractions: int = 0
    frames_per_fraction: int = 0


def reading_options(settings: Settings, movie: WarpMovie) -> dict[str, Any]:
    """Return pixel size, binning and frame groups as Warp counts them.

    Notes
    -----
    Warp's pixel size and binning of an EER are those of the sensor's grid, whatever is rendered; a group below 0 is the
    number of fractions.
    """
    given = settings.input
    finer = given.eer_supersampling if movie.is_eer else 1
    fractions = movie.fractions if movie.is_eer else given.eer_fractions
    return {
        "PixelSize": movie.raw_pixel_size_A * finer,
        "BinTimes": given.bin - math.log2(finer),
        "EERGroupFrames": given.eer_frames_per_fraction or movie.frames_per_fraction or -(fractions or _WARP_FRACTIONS),
    }


def gain_options(settings: Settings, gain: str, *, is_eer: bool) -> dict[str, Any]:
    """Return how Warp shall lay a gain reference over the frames.

    Parameters
    ----------
    settings : Settings
        Ours.
    gain : str
        Path of the file that is named to Warp; empty without.
    is_eer : bool
        Whether the movies are EER.

    Notes
    -----
    Warp turns the rows of a ``.gain``, but not those of EER frames, where we turn neither.
    """
    given = settings.input
    return {
        "GainPath": gain,
        "GainFlipX": given.gain_flip_x,
        "GainFlipY": given.gain_flip_y != turns_rows(gain, is_eer=is_eer),
        "GainTranspose": given.gain_transpose,
    }


def turns_rows(gain: str, *, is_eer: bool) -> bool:
    """Return whether Warp turns the rows of a gain reference where we do not."""
    return is_eer and gain.lower().endswith(".gain")
