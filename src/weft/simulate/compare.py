"""Compare what was computed with what is true."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.fields import CtfFit, MotionField
from weft.simulate.truth import MovieTruth, read_truth
from weft.state.record import Record

__all__ = [
    "BeadScore",
    "MotionError",
    "MovieComparison",
    "Summary",
    "bead_score",
    "compare_movie",
    "compare_set",
    "motion_error",
    "summarise",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MotionError:
    """Errors of a motion field in Å, and beside them what doing nothing would score.

    Parameters
    ----------
    global_A, global_uncorrected_A : float
        Root mean square over the frames of the two-dimensional error of the displacement averaged over the field.
    local_A, local_uncorrected_A : float
        The same over frames and a 7 × 7 lattice of places.
    worst_place_A : float
        Largest root mean square over the frames at one place.
    """

    global_A: float
    global_uncorrected_A: float
    local_A: float
    local_uncorrected_A: float
    worst_place_A: float


@dataclass(frozen=True, slots=True)
class BeadScore:
    """How many beads there are, how many of them were found, how many finds there were, how many of them are beads."""

    true: int
    true_found: int
    found: int
    found_true: int

    @property
    def recall(self) -> float | None:
        """Share of the beads that was found; None without beads."""
        return self.true_found / self.true if self.true else None

    @property
    def precision(self) -> float | None:
        """Share of the finds that are beads; None without finds."""
        return self.found_true / self.found if self.found else None


@dataclass(frozen=True, slots=True)
class MovieComparison:
    """One row: a movie's results beside the truth.

    Parameters
    ----------
    name, series : str
        Stem of the movie; name of its series, empty if none.
    tilt_deg : float
        As in the mdoc.
    bad : str
        Why the image was spoiled on purpose; empty if it is usable.
    motion : MotionError or None
        None if there is no motion to compare.
    true_defocus_A, defocus_error_A, astigmatism_error_A : float or None
        Mean of U and V at the centre; found minus true; length of the error of the vector (U - V)(cos 2α, sin 2α).
    gradient_error : float or None
        Length of the error of the defocus gradient, Å per Å.
    beads : BeadScore or None
        None if no mask was made.
    problem : str
        Why something could not be compared; empty if all could.
    """

    name: str
    series: str
    tilt_deg: float
    bad: str
    motion: MotionError | None
    true_defocus_A: float | None
    defocus_error_A: float | None
    astigmatism_error_A: float | None
    gradient_error: float | None
    beads: BeadScore | None
    problem: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Medians over usable movies, and sums over all their beads; None where nothing could be compared.

    Parameters
    ----------
    movies : int
        Usable movies in the set.
    compared : int
        Those with a result.
    motion_A, uncorrected_A : float or None
        Median global error of motion, and without correction.
    local_A, local_uncorrected_A : float or None
        The same over places.
    defocus_A : float or None
        Median of the absolute error.
    recall, precision : float or None
        Of all beads together.
    """

    movies: int
    compared: int
    motion_A: float | None
    uncorrected_A: float | None
    local_A: float | None
    local_uncorrected_A: float | None
    defocus_A: float | None
    recall: float | None
    precision: float | None


def motion_error(field: MotionField, truth: MovieTruth) -> MotionError | None:
    """Compare a motion field with the truth.

    Parameters
    ----------
    field : MotionField
        As estimated. If it has fewer frames than the movie, as with EER, equal groups of frames are averaged.
    truth : MovieTruth
        Of the same movie.

    Returns
    -------
    MotionError or None
        None if the frames cannot be matched.

    Notes
    -----
    A shift common to all frames leaves no trace in a movie, so each place's mean over the frames is taken off both.
    """
    if field.frames < 1 or field.frames > truth.frames:
        return None
    group = truth.frames // field.frames
    true = truth.displacement_A[: group * field.frames]
    true = true.reshape(field.frames, group, *true.shape[1:]).mean(1)
    true = true - true.mean(0)
    found = field.displacement(truth.lattice, truth.lattice)
    error = found - found.mean(0) - true
    places = np.sqrt((error**2).sum(-1).mean(0))
    return MotionError(
        _rms(error.mean((1, 2))),
        _rms(true.mean((1, 2))),
        _rms(error),
        _rms(true),
        float(places.max()),
    )


def _rms(vectors: Array) -> float:
    return float(np.sqrt((vectors**2).sum(-1).mean()))


def bead_score(found: Sequence[tuple[float, float, float, float]], truth: MovieTruth) -> BeadScore:
    """Count beads found and missed.

    Parameters
    ----------
    found : sequence of (y_A, x_A, radius_A, probability)
        As in a record.
    truth : MovieTruth
        Of the same movie.

    Notes
    -----
    A bead is found if the centre of a find lies in its disc; a find is a bead if its centre lies in the disc grown
    by half. Finds that reach over the border and match nothing are not counted: they may be beads whose centre
    lies outside.
    """
    places = np.array([entry[:3] for entry in found], dtype=np.float64).reshape(-1, 3)
    distance = np.hypot(*(places[:, None, :2] - truth.beads[None, :, :2]).transpose(2, 0, 1))
    radius = truth.beads[:, 2][None, :]
    is_bead = (distance <= 1.5 * radius).any(1)
    far = np.array(truth.shape, dtype=np.float64) * truth.pixel_size_A
    at_border = ((places[:, :2] < places[:, 2:]) | (places[:, :2] > far - places[:, 2:])).any(1)
    return BeadScore(
        true=len(truth.beads),
        true_found=int((distance <= radius).any(0).sum()),
        found=int((is_bead | ~at_border).sum()),
        found_true=int(is_bead.sum()),
    )


def compare_movie(record: Record | None, truth: MovieTruth) -> MovieComparison:
    """Return one movie's results beside the truth; a missing record is a problem, no error."""
    motion = beads = error = astigmatism = gradient = None
    problem = "" if record is not None else "there is no record"
    if record is not None:
        problem = record.failure.message if record.failure is not None else ""
        if record.motion is not None:
            motion = motion_error(record.motion.to_field(), truth)
            problem = problem or ("" if motion is not None else "the number of frames does not fit")
        fit = record.ctf.to_fit() if record.ctf is not None else None
        if fit is not None and truth.defocus_A is not None and math.isfinite(fit.defocus_A):
            error = fit.defocus_A - truth.defocus_A
            astigmatism = abs(_astigmatism(fit) - _true_astigmatism(truth))
            gradient = math.hypot(fit.gradient_x - truth.gradient_xy[0], fit.gradient_y - truth.gradient_xy[1])
        if record.mask is not None:
            beads = bead_score(record.mask.beads, truth)
    return MovieComparison(
        name=truth.name,
        series=truth.series,
        tilt_deg=truth.tilt_deg,
        bad=truth.bad,
        motion=motion,
        true_defocus_A=truth.defocus_A,
        defocus_error_A=error,
        astigmatism_error_A=astigmatism,
        gradient_error=gradient,
        beads=beads,
        problem=problem,
    )


def _astigmatism(fit: CtfFit) -> complex:
    """Return (U - V) exp(2iα)."""
    angle = 2 * math.radians(fit.angle_deg)
    return fit.astigmatism_A * complex(math.cos(angle), math.sin(angle))


def _true_astigmatism(truth: MovieTruth) -> complex:
    angle = 2 * math.radians(truth.angle_deg)
    size = (truth.defocus_u_A or 0.0) - (truth.defocus_v_A or 0.0)
    return size * complex(math.cos(angle), math.sin(angle))


def compare_set(folder: Path, records: Mapping[str, Record]) -> list[MovieComparison]:
    """Compare all movies of a set with the truth that lies in it.

    Parameters
    ----------
    folder : Path
        Of the set, with ``truth/``.
    records : mapping of str to Record
        By the movies' names; those of other movies are ignored.

    Returns
    -------
    list of MovieComparison
        One a movie, in the order of the truth.

    Raises
    ------
    MissingError, InputError
        If there is no truth, or not in the known layout.
    """
    return [compare_movie(records.get(name), movie) for name, movie in read_truth(folder).movies.items()]


def summarise(rows: Sequence[MovieComparison]) -> Summary:
    """Return medians over the usable movies."""
    usable = [row for row in rows if not row.bad]
    motions = [row.motion for row in usable if row.motion is not None]
    beads = [row.beads for row in usable if row.beads is not None]
    true, found = sum(b.true for b in beads), sum(b.found for b in beads)
    errors = [row.defocus_error_A for row in usable if row.defocus_error_A is not None]
    return Summary(
        movies=len(usable),
        compared=sum(row.motion is not None or row.defocus_error_A is not None for row in usable),
        motion_A=_median([m.global_A for m in motions]),
        uncorrected_A=_median([m.global_uncorrected_A for m in motions]),
        local_A=_median([m.local_A for m in motions]),
        local_uncorrected_A=_median([m.local_uncorrected_A for m in motions]),
        defocus_A=_median([abs(error) for error in errors]),
        recall=sum(b.true_found for b in beads) / true if true else None,
        precision=sum(b.found_true for b in beads) / found if found else None,
    )


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None
