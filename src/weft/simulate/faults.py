"""Tilts that went wrong: each spoils the beam behind the sample, or the stage."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from weft.simulate.options import SimulationOptions

__all__ = ["BLUR_PER_FRAME_A", "Fault", "choose_faults", "spoiled_beam"]

Fault = Literal["", "dark", "grid bar", "ice blob", "blurred"]

BLUR_PER_FRAME_A = 30.0
"""Way per frame of a stage that has not come to rest."""

_KINDS: tuple[Fault, ...] = ("dark", "blurred", "grid bar", "ice blob")


def choose_faults(options: SimulationOptions, series: int, rng: np.random.Generator) -> list[Fault]:
    """Return the fault of each tilt in the order of exposure; the first three tilts are always good."""
    faults: list[Fault] = [""] * len(options.tilts_deg)
    if not options.bad_images or len(faults) < 7:
        return faults
    chosen = rng.choice(np.arange(3, len(faults)), size=3, replace=False)
    for i, tilt in enumerate(chosen):
        faults[tilt] = _KINDS[(i + series) % len(_KINDS)]
    return faults


def spoiled_beam(fault: Fault, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return by what the intensity is multiplied, shape (y, x).

    Dark: almost nothing comes through. Grid bar: a bar over 35 % of the field. Ice blob: a crystal that swallows
    most of the light on its third of the field.
    """
    y, x = (np.linspace(-1, 1, side) for side in shape)
    if fault == "dark":
        return np.full(shape, 0.03, np.float32)
    if fault == "grid bar":
        angle = rng.uniform(0, math.pi)
        distance = y[:, None] * math.sin(angle) + x[None, :] * math.cos(angle) - rng.uniform(-0.3, 0.3)
        return np.asarray(0.02 + 0.98 / (1 + np.exp(-(np.abs(distance) - 0.35) / 0.012)), dtype=np.float32)
    if fault == "ice blob":
        middle = rng.uniform(-0.4, 0.4, 2)
        around = np.arctan2(y[:, None] - middle[0], x[None, :] - middle[1])
        rim = 0.75 + 0.1 * np.sin(3 * around + rng.uniform(0, 6)) + 0.05 * np.sin(7 * around + rng.uniform(0, 6))
        distance = np.hypot(y[:, None] - middle[0], x[None, :] - middle[1])
        return np.asarray(1 - 0.85 / (1 + np.exp((distance - rim) / 0.03)), dtype=np.float32)
    return np.ones(shape, np.float32)
