"""Records of a tilt series as a run would leave them, drawn from known truth without computing movies.

For judging what judges series (handedness, neighbours, suggestions) on more of them than could be processed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from weft.conventions import expected_gradient
from weft.fields import Assessment, CtfFit, MotionField, Verdict
from weft.series.table import Tilt, TiltSeries
from weft.simulate.options import dose_symmetric
from weft.state.record import AverageFacts, CtfFacts, MaskFacts, MotionFacts, MovieFacts, Record

__all__ = ["DrawnSeries", "SeriesTruth", "draw_series"]


@dataclass(frozen=True, slots=True)
class SeriesTruth:
    """What a drawn series is like.

    Parameters
    ----------
    name : str
        Of the series.
    tilts_deg : tuple of float
        In the order of acquisition.
    hand, axis_deg : int, float
        The truth.
    stated_axis_deg : float or None
        What the mdoc says.
    defocus_um, jitter_um : float
        Mean, and standard deviation from tilt to tilt.
    astigmatism_A, astigmatism_deg : float
        Shared by all tilts.
    gradient_sigma, defocus_sigma_A, astigmatism_sigma_A : float
        Uncertainty of a fit at 0°; it grows as 1 / cos of the tilt.
    sigma_factor : float
        The true errors are this many times the stated ones.
    offset_deg : float
        Tilt of the specimen at 0°.
    shuffled : bool
        The angles are given to the wrong movies.
    faults : mapping of int to str
        By the order of acquisition: ``dark``, ``blurred``, ``grid bar``, ``ice blob``, ``no rings``, ``defocus``, ``masked``.
    noise_only : bool
        The fits are of noise.
    """

    name: str = "TS_01"
    tilts_deg: tuple[float, ...] = dose_symmetric(60, 3)
    hand: int = 1
    axis_deg: float = 85.3
    stated_axis_deg: float | None = 85.3
    defocus_um: float = 3.0
    jitter_um: float = 0.03
    astigmatism_A: float = 400.0
    astigmatism_deg: float = 30.0
    gradient_sigma: float = 0.12
    defocus_sigma_A: float = 80.0
    astigmatism_sigma_A: float = 400.0
    sigma_factor: float = 1.0
    offset_deg: float = 0.0
    shuffled: bool = False
    faults: Mapping[int, str] = field(default_factory=dict)
    noise_only: bool = False


@dataclass(frozen=True, slots=True)
class DrawnSeries:
    """A series' table and its records."""

    truth: SeriesTruth
    series: TiltSeries
    records: dict[str, Record]


def draw_series(truth: SeriesTruth, rng: np.random.Generator) -> DrawnSeries:
    """Return a series with records whose values err as their uncertainties say.

    Parameters
    ----------
    truth : SeriesTruth
        What is true.
    rng : Generator
        Of the noise.
    """
    names = [f"{truth.name}_{order:03d}" for order in range(len(truth.tilts_deg))]
    records = {
        name: _record(truth, name, tilt, truth.faults.get(order, ""), rng)
        for order, (name, tilt) in enumerate(zip(names, truth.tilts_deg, strict=True))
    }
    told = list(truth.tilts_deg)
    if truth.shuffled:
        rng.shuffle(told)
    tilts = [
        Tilt(name, order, angle, order, 3.0, 3.0 * order)
        for order, (name, angle) in enumerate(zip(names, told, strict=True))
    ]
    table = tuple(sorted(tilts, key=lambda tilt: tilt.tilt_deg))
    return DrawnSeries(truth, TiltSeries(truth.name, "", table, truth.stated_axis_deg, "mdoc"), records)


def _record(truth: SeriesTruth, name: str, tilt: float, fault: str, rng: np.random.Generator) -> Record:
    return Record(
        name=name,
        movie=MovieFacts(
            path=f"frames/{name}.mrc", format="mrc", frames=8, height=1024, width=1024, raw_pixel_size_A=2.7,
            size_bytes=1, identity="",
        ),
        motion=_motion(fault, rng),
        average=_average(tilt, fault, rng),
        ctf=_ctf(truth, tilt, fault, rng),
        mask=MaskFacts(
            pixel_size_A=8.0, height=346, width=346, threshold=0.5, dirt_fraction=0.0, beads=[], model="gold",
            masked_fraction=0.6 if fault == "masked" else 0.01 + 0.005 * rng.random(), verdict="good", reason="",
        ),
    )  # fmt: skip


def _ctf(truth: SeriesTruth, tilt: float, fault: str, rng: np.random.Generator) -> CtfFacts:
    wide = 1.0 / math.cos(math.radians(tilt))
    spread = truth.sigma_factor * wide
    lost = bool(fault and fault not in {"defocus", "masked", "ice blob", "grid bar"}) or truth.noise_only
    defocus = truth.defocus_um * 1e4 + rng.normal(0, truth.jitter_um * 1e4)
    defocus += rng.normal(0, truth.defocus_sigma_A * spread) + (6000.0 if fault == "defocus" else 0.0)
    turn = math.radians(2 * truth.astigmatism_deg)
    a1 = truth.astigmatism_A * math.cos(turn) + rng.normal(0, truth.astigmatism_sigma_A * spread / math.sqrt(2))
    a2 = truth.astigmatism_A * math.sin(turn) + rng.normal(0, truth.astigmatism_sigma_A * spread / math.sqrt(2))
    gradient = np.array(expected_gradient(tilt + truth.offset_deg, truth.axis_deg, truth.hand))
    gradient += rng.normal(0, truth.gradient_sigma * spread, 2)
    if lost:
        defocus, a1, a2 = rng.uniform(5e3, 8e4), rng.normal(0, 2000), rng.normal(0, 2000)
        gradient = rng.normal(0, 0.5, 2)
    length = math.hypot(a1, a2)
    fit = CtfFit(
        defocus + length / 2, defocus - length / 2, math.degrees(math.atan2(a2, a1)) / 2, 0.0,
        float(gradient[0]), float(gradient[1]), [[[defocus]]],
        {
            "defocus_A": truth.defocus_sigma_A * wide, "astigmatism_A": truth.astigmatism_sigma_A * wide / math.sqrt(2),
            "angle_deg": 10.0, "phase_shift_deg": math.nan, "gradient_x": truth.gradient_sigma * wide,
            "gradient_y": truth.gradient_sigma * wide,
        },
        float(9 if lost else 100 + rng.gamma(2, 30)), None if lost else 8.0 * wide**0.5 + rng.gamma(2, 0.4),
        2.7, 300.0, 2.7, 0.07,
        Assessment(Verdict.WEAK, "few rings") if lost else Assessment(),
    )  # fmt: skip
    data = fit.to_json()
    return CtfFacts(fit=data, verdict=data["verdict"], reason=data["reason"])


def _motion(fault: str, rng: np.random.Generator) -> MotionFacts:
    steps = np.abs(rng.normal(0, 0.5, 8)) * np.exp(-np.arange(8) / 3.0) + 0.1 + (25.0 if fault == "blurred" else 0.0)
    path = np.stack([np.cumsum(steps), np.zeros(8)], axis=1)
    moved = MotionField.rigid(path - path.mean(0), np.full((8, 2), 0.1))
    total = float(steps[1:].sum())
    return MotionFacts(
        field=moved.to_json(), total_A=total, early_A=total / 2, late_A=total / 2, mean_frame_A=total / 7,
        largest_local_A=0.5, verdict="good", reason="",
    )  # fmt: skip


_TRANSMITTED: Mapping[str, float] = {"dark": 0.03, "grid bar": 0.6, "ice blob": 0.75}


def _average(tilt: float, fault: str, rng: np.random.Generator) -> AverageFacts:
    path = 1600.0 / math.cos(math.radians(tilt))
    bright = 21.0 * math.exp(-path / 3100.0) * (1 + rng.normal(0, 0.01))
    lattice = _lattice(bright, fault, rng)
    dark = float(np.mean(np.array(lattice) < 0.5 * np.percentile(lattice, 75)))
    mean = bright * _TRANSMITTED.get(fault, 1.0)
    sigma = math.sqrt(mean)
    sigmas = [sigma / 2.0**level + 0.01 * mean for level in range(6)]
    return AverageFacts(
        height=1024, width=1024, pixel_size_A=2.7, first_frame=0, last_frame=7, mean=mean, median=mean, sigma=sigma,
        exposure_e_A2=3.0, hot_pixels=0, xrays=0, defect_pixels=0,
        picture={"median": mean, "sigmas": sigmas, "lattice": lattice, "dark": dark},
    )  # fmt: skip


def _lattice(bright: float, fault: str, rng: np.random.Generator) -> list[float]:
    field_ = bright * (1 + rng.normal(0, 0.02, (8, 8)))
    if fault == "dark":
        field_ *= 0.03
    if fault == "grid bar":
        field_[:, :3] *= 0.02
    if fault == "ice blob":
        field_[2:6, 2:6] *= 0.15
    return [float(value) for value in field_.ravel()]
