from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from weft.fields import CtfFit, MotionField
from weft.simulate import compare_hands, compare_set, read_truth, simulate_set, summarise
from weft.simulate.compare import bead_score, motion_error
from weft.simulate.options import SimulationOptions
from weft.simulate.truth import MovieTruth
from weft.state.record import CtfFacts, MaskFacts, MotionFacts, MovieFacts, Record

OPTIONS = SimulationOptions(
    series=2,
    tilts_deg=(0.0, 30.0, -30.0, 50.0),
    height=192,
    width=192,
    frames=4,
    proteins=0,
    vesicles=0,
    thickness_A=400,
    gain=False,
    beads=6,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_set(OPTIONS, tmp_path_factory.mktemp("compare") / "set").folder


def _record(movie: MovieTruth, *, defocus_off_A: float = 0.0, hand: float = 1.0, gradient_noise: float = 0.0) -> Record:
    """Make a record that tells the truth, the defocus and its gradient changed as asked for."""
    path = movie.displacement_A.mean((1, 2))
    fit = CtfFit(
        defocus_u_A=(movie.defocus_u_A or 0) + defocus_off_A,
        defocus_v_A=(movie.defocus_v_A or 0) + defocus_off_A,
        angle_deg=movie.angle_deg,
        phase_shift_deg=0.0,
        gradient_x=hand * movie.gradient_xy[0] + gradient_noise,
        gradient_y=hand * movie.gradient_xy[1] + gradient_noise,
        grid_A=[],
        sigma={"gradient_x": 0.01, "gradient_y": 0.01},
        score=100.0,
        resolution_A=8.0,
        pixel_size_A=2.7,
        voltage_kV=300,
        cs_mm=2.7,
        amplitude_contrast=0.07,
    )
    facts = MovieFacts(
        path="x", format="mrc", frames=4, height=192, width=192, raw_pixel_size_A=2.7, size_bytes=1, identity="x"
    )
    motion = MotionFacts(
        field=MotionField.rigid(path).to_json(),
        total_A=0,
        early_A=0,
        late_A=0,
        mean_frame_A=0,
        largest_local_A=0,
        verdict="good",
        reason="",
    )
    mask = MaskFacts(
        pixel_size_A=8,
        height=64,
        width=64,
        threshold=0.5,
        masked_fraction=0,
        dirt_fraction=0,
        beads=[(float(y), float(x), float(r), 1.0) for y, x, r in movie.beads],
        model="m",
        verdict="good",
        reason="",
    )
    ctf = CtfFacts(fit=fit.to_json(), verdict="good", reason="")
    return Record(name=movie.name, movie=facts, motion=motion, ctf=ctf, mask=mask)


def test_records_that_tell_the_truth_have_no_error(folder: Path) -> None:
    records = {name: _record(movie) for name, movie in read_truth(folder).movies.items()}
    rows = compare_set(folder, records)
    assert len(rows) == 8
    for row in rows:
        assert row.motion is not None
        assert row.motion.global_A == pytest.approx(0, abs=1e-4)  # fields are stored to 1e-5 Å
        assert row.motion.global_uncorrected_A > 0.5
        assert row.motion.local_A == pytest.approx(row.motion.local_uncorrected_A, rel=0.9)
        assert row.defocus_error_A == pytest.approx(0, abs=1e-3)
        assert row.astigmatism_error_A == pytest.approx(0, abs=1e-3)
        assert row.gradient_error == pytest.approx(0, abs=1e-5)
        assert row.beads is not None
        assert row.beads.true_found == row.beads.true
        assert not row.problem


def test_summary_is_the_median_over_usable_movies(folder: Path) -> None:
    truth = read_truth(folder)
    offs = dict(zip(truth.movies, [100.0, -100.0, 300.0, 5000.0, -100.0, 100.0, 100.0, 300.0], strict=True))
    summary = summarise(compare_set(folder, {n: _record(m, defocus_off_A=offs[n]) for n, m in truth.movies.items()}))
    assert summary.movies == summary.compared == 8
    assert summary.defocus_A == pytest.approx(100)
    assert summary.recall == 1
    assert summary.precision == 1


def test_missing_records_are_problems_not_errors(folder: Path) -> None:
    rows = compare_set(folder, {})
    assert {row.problem for row in rows} == {"there is no record"}
    summary = summarise(rows)
    assert (summary.compared, summary.motion_A, summary.recall) == (0, None, None)


def test_both_hands_are_told(folder: Path) -> None:
    records = {name: _record(movie) for name, movie in read_truth(folder).movies.items()}
    one, two = compare_hands(folder, records)
    assert (one.true_hand, one.found_hand) == (1, 1)
    assert (two.true_hand, two.found_hand) == (-1, -1)
    assert one.slope == pytest.approx(1, abs=1e-4)


def test_a_wrong_hand_is_found_wrong(folder: Path) -> None:
    records = {name: _record(movie, hand=-1) for name, movie in read_truth(folder).movies.items()}
    assert [hand.found_hand for hand in compare_hands(folder, records)] == [-1, 1]


def test_gradients_of_pure_chance_tell_no_hand(folder: Path) -> None:
    rng = np.random.default_rng(7)
    records = {
        name: _record(movie, hand=0.0, gradient_noise=rng.normal(0, 0.3))
        for name, movie in read_truth(folder).movies.items()
    }
    assert [hand.found_hand for hand in compare_hands(folder, records)] == [None, None]
    assert math.isinf(compare_hands(folder, {})[0].sigma)


def _truth(**changes: object) -> MovieTruth:
    values: dict[str, object] = {
        "name": "m",
        "file": "frames/m.mrc",
        "shape": (200, 300),
        "pixel_size_A": 2.0,
        "frames": 6,
        "displacement_A": np.zeros((6, 7, 7, 2)),
        "lattice": np.linspace(0.05, 0.95, 7),
        "defocus_u_A": None,
        "defocus_v_A": None,
        "angle_deg": 0.0,
        "phase_shift_deg": 0.0,
        "gradient_xy": (0.0, 0.0),
        "hand": None,
        "tilt_deg": 0.0,
        "axis_deg": 0.0,
        "series": "",
        "beads": np.array([[100.0, 200.0, 50.0], [300.0, 200.0, 50.0]]),
        "bad": "",
    }
    return MovieTruth(**(values | changes))  # type: ignore[arg-type]


def test_a_shift_common_to_all_frames_is_no_error() -> None:
    error = motion_error(MotionField.rigid(np.full((6, 2), 3.0)), _truth())
    assert error is not None
    assert error.global_A == 0


def test_error_of_one_frame_is_spread_over_the_root_mean_square() -> None:
    path = np.zeros((6, 2))
    path[0] = (6.0, 0.0)
    error = motion_error(MotionField.rigid(path), _truth())
    assert error is not None
    # after the mean of 1 is taken off: one frame 5, five frames 1 off
    assert error.global_A == pytest.approx(math.sqrt((25 + 5) / 6))


def test_fractions_are_compared_with_the_mean_of_their_frames() -> None:
    moved = np.zeros((6, 7, 7, 2))
    moved[..., 0] = np.arange(6)[:, None, None]
    error = motion_error(MotionField.rigid([[0.5, 0], [2.5, 0], [4.5, 0]]), _truth(displacement_A=moved))
    assert error is not None
    assert error.global_A == pytest.approx(0)
    assert motion_error(MotionField.rigid(np.zeros((7, 2))), _truth()) is None


def test_beads_are_counted_by_their_discs() -> None:
    score = bead_score([(130, 200, 50, 1), (300, 265, 50, 1), (300, 500, 50, 1), (20, 400, 50, 1)], _truth())
    # the first is inside its bead; the second only in the grown disc; the third is false; the fourth leaves the field
    assert (score.true, score.true_found, score.found, score.found_true) == (2, 1, 3, 2)
    assert score.recall == 0.5
    assert score.precision == pytest.approx(2 / 3)


def test_no_beads_and_no_finds_have_no_shares() -> None:
    score = bead_score([], _truth(beads=np.zeros((0, 3))))
    assert score.recall is None
    assert score.precision is None
