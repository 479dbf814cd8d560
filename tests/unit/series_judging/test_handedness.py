"""Handedness from drawn series: right where it can be told, undecided where not, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from weft.series.gradients import collect_gradients, fit_gradients
from weft.series.handedness import HandVerdict, judge_hand, judge_set
from weft.simulate.options import dose_symmetric
from weft.simulate.records import DrawnSeries, SeriesTruth, draw_series

SMALL = dose_symmetric(60, 12)


def drawn(seed: int = 1, **options: Any) -> DrawnSeries:
    return draw_series(SeriesTruth(**options), np.random.default_rng(seed))


def judged(seed: int = 1, **options: Any) -> HandVerdict:
    one = drawn(seed, **options)
    return judge_hand(one.series, one.records)


@pytest.mark.parametrize("hand", [1, -1])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tilts_deg": SMALL},
        {"tilts_deg": (0.0, 20.0, -40.0, -60.0), "gradient_sigma": 0.024},
        {"tilts_deg": SMALL, "offset_deg": 10.0},
        {"tilts_deg": SMALL, "sigma_factor": 2.0},
        {"tilts_deg": SMALL, "faults": {2: "dark", 5: "blurred", 7: "no rings"}},
        {"tilts_deg": tuple(float(tilt) for tilt in range(0, 61, 6))},
    ],
    ids=["full", "small", "four", "lamella", "overconfident", "three bad", "one-sided"],
)
def test_the_hand_of_a_series_is_told(hand: int, options: dict[str, Any]) -> None:
    verdict = judged(hand=hand, **options)
    assert verdict.hand == hand
    assert (verdict.probability_plus > 0.99) == (hand > 0)


@pytest.mark.parametrize(
    "options",
    [
        {"tilts_deg": dose_symmetric(6, 3)},
        {"tilts_deg": dose_symmetric(6, 2), "gradient_sigma": 0.02},
        {"noise_only": True},
        {"noise_only": True, "tilts_deg": SMALL},
        {"shuffled": True},
        {"shuffled": True, "tilts_deg": SMALL},
        {"stated_axis_deg": None},
        {"axis_deg": -4.7},
    ],
    ids=["6°", "6° full size", "noise", "noise small", "shuffled", "shuffled small", "no axis", "axis off by 90°"],
)
def test_what_cannot_be_told_is_undecided(options: dict[str, Any]) -> None:
    for seed in range(5):
        assert judged(seed, **options).hand is None


def test_shuffled_angles_are_suspected() -> None:
    assert "shuffled" in judged(shuffled=True).causes[0]


def test_an_axis_off_by_90_degrees_is_named_with_its_value() -> None:
    verdict = judged(axis_deg=-4.7)
    assert "off by 90°" in verdict.causes[0]
    assert verdict.measured_axis_deg == pytest.approx(-4.7, abs=5.0) or verdict.measured_axis_deg == pytest.approx(
        175.3, abs=5.0
    )


def test_a_mirrored_axis_is_named() -> None:
    verdict = judged(axis_deg=94.7, gradient_sigma=0.03)
    assert verdict.hand == 1
    assert "mirrored" in verdict.causes[0]


def test_a_pretilt_is_measured_and_named() -> None:
    verdict = judged(offset_deg=10.0, gradient_sigma=0.05)
    assert verdict.offset_deg is not None
    assert verdict.offset_deg == pytest.approx(10.0, abs=1.0)
    assert "lay at +10°" in verdict.causes[0]


def test_one_bad_image_never_decides() -> None:
    """A single steep image with a tiny uncertainty among level ones tells nothing."""
    one = drawn(tilts_deg=(0.0, 2.0, -2.0, 4.0, -4.0, 60.0), gradient_sigma=0.05)
    verdict = judge_hand(one.series, one.records)
    assert verdict.hand is None
    assert "single image" in verdict.reason


def test_one_wild_image_does_not_turn_the_verdict() -> None:
    one = drawn(tilts_deg=SMALL)
    name = next(tilt.movie for tilt in one.series.tilts if tilt.tilt_deg > 59)
    assert name is not None
    record = one.records[name]
    assert record.ctf is not None
    fit = {**record.ctf.fit, "gradient_x": 5.0, "gradient_y": 5.0}
    fit["sigma"] = {**fit["sigma"], "gradient_x": 0.001, "gradient_y": 0.001}
    wild = {**one.records, name: record.model_copy(update={"ctf": record.ctf.model_copy(update={"fit": fit})})}
    verdict = judge_hand(one.series, wild)
    assert verdict.hand == 1
    assert verdict.astray == (name,)


def test_dropped_images_do_not_count() -> None:
    one = drawn(tilts_deg=SMALL)
    dropped = [str(tilt.movie) for tilt in one.series.tilts][3:]
    verdict = judge_hand(one.series, one.records, dropped=dropped)
    assert verdict.images == 3


def test_missing_tilts_and_records_are_passed_over() -> None:
    one = drawn(tilts_deg=SMALL)
    tilts = tuple(replace(t, movie=None) if i == 2 else t for i, t in enumerate(one.series.tilts))
    records = dict(list(one.records.items())[1:])
    assert judge_hand(replace(one.series, tilts=tilts), records).hand == 1


def test_a_fit_without_gradients_says_nothing() -> None:
    one = drawn(tilts_deg=SMALL)
    flat = {}
    for name, record in one.records.items():
        assert record.ctf is not None
        sigma = {**record.ctf.fit["sigma"], "gradient_x": 0.0, "gradient_y": 0.0}
        fit = {**record.ctf.fit, "gradient_x": 0.0, "gradient_y": 0.0, "sigma": sigma}
        flat[name] = record.model_copy(update={"ctf": record.ctf.model_copy(update={"fit": fit})})
    verdict = judge_hand(one.series, flat)
    assert (verdict.hand, verdict.images) == (None, 0)
    count = len(one.series.tilts)
    assert f"{count} of {count} images was fitted without a plane, as with ctf.grid 1x1x1" in verdict.causes[0]


def test_a_series_whose_images_have_no_ctf_is_told_so() -> None:
    one = drawn(tilts_deg=SMALL)
    some = dict(list(one.records.items())[:2])
    count = len(one.series.tilts)
    assert judge_hand(one.series, some).causes == (
        f"{count - 2} of {count} images have no CTF yet; fit it with `weft run` (ctf.enabled)",
    )
    dropped = [str(tilt.movie) for tilt in one.series.tilts][2:]
    assert judge_hand(one.series, one.records, dropped=dropped).causes == ("the series has only 2 usable images",)


def test_axis_and_offset_come_with_true_uncertainties() -> None:
    pulls = []
    for seed in range(12):
        data = drawn(seed, gradient_sigma=0.1)
        found = fit_gradients(collect_gradients(data.series, data.records), np.radians(80.0))
        pulls.append(((found.phi_deg - 85.3) / found.phi_sigma_deg, found.offset_deg / found.offset_sigma_deg))
    assert 0.4 < float(np.std(pulls)) < 1.6  # 24 values; 1 is right, the floor of the gradients makes it less


def test_a_set_outvotes_an_odd_series() -> None:
    verdicts = [judged(seed, hand=1 if seed else -1, name=f"TS_{seed:02d}", tilts_deg=SMALL) for seed in range(6)]
    whole = judge_set(verdicts)
    assert whole.hand == 1
    assert whole.disagree == ("TS_00",)


def test_a_set_that_is_split_is_undecided() -> None:
    whole = judge_set([judged(1, hand=1, name="TS_01"), judged(2, hand=-1, name="TS_02")])
    assert whole.hand is None
    assert "contradict" in whole.reason


def test_weak_series_decide_together() -> None:
    """Each of them alone leaves doubt; their odds multiply."""
    verdicts = [judged(seed, tilts_deg=dose_symmetric(20, 10), gradient_sigma=0.15) for seed in range(12)]
    whole = judge_set(verdicts)
    better = np.median([max(one.probability_plus, 1 - one.probability_plus) for one in verdicts])
    assert whole.probability_plus > better


def test_stated_probabilities_hold() -> None:
    """Of 40 small series, mean stated probability of the better hand against the share that is right."""
    right, stated = [], []
    for seed in range(40):
        hand = 1 if seed % 2 else -1
        verdict = judged(seed, hand=hand, tilts_deg=dose_symmetric(30, 10), gradient_sigma=0.6)
        right.append((verdict.probability_plus > 0.5) == (hand > 0))
        stated.append(max(verdict.probability_plus, 1 - verdict.probability_plus))
    spread = float(np.sqrt(np.mean(np.array(stated) * (1 - np.array(stated))) / 40))
    assert abs(np.mean(right) - np.mean(stated)) < 3 * spread + 0.03
