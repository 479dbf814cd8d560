"""CTF shared over a series: outliers found, astigmatism better, own values kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from weft.fields import CtfFit
from weft.series.neighbours import SeriesCtf, share_ctf, with_refits
from weft.series.smooth import Scales, expect
from weft.simulate.options import dose_symmetric
from weft.simulate.records import DrawnSeries, SeriesTruth, draw_series
from weft.state.record import Record


def drawn(seed: int = 2, **options: Any) -> DrawnSeries:
    return draw_series(SeriesTruth(**options), np.random.default_rng(seed))


def shared(one: DrawnSeries) -> SeriesCtf:
    found = share_ctf(one.series, one.records)
    assert found is not None
    return found


def vector(length: float, angle_deg: float) -> np.ndarray[Any, Any]:
    return length * np.array([math.cos(math.radians(2 * angle_deg)), math.sin(math.radians(2 * angle_deg))])


def with_fit(record: Record, values: dict[str, Any]) -> Record:
    """Return a record whose fit has other values."""
    assert record.ctf is not None
    return record.model_copy(update={"ctf": record.ctf.model_copy(update={"fit": {**record.ctf.fit, **values}})})


def test_astigmatism_is_shared() -> None:
    one = drawn()
    true = vector(one.truth.astigmatism_A, one.truth.astigmatism_deg)
    images = shared(one).images
    own = [np.linalg.norm(vector(i.own_astigmatism_A or 0.0, i.own_angle_deg or 0.0) - true) for i in images]
    both = [np.linalg.norm(vector(i.defocus_u_A - i.defocus_v_A, i.angle_deg) - true) for i in images]
    assert float(np.median(both)) < 0.35 * float(np.median(own))


def test_defocus_keeps_its_own_value_where_focus_scatters() -> None:
    images = shared(drawn(jitter_um=0.2)).images
    assert max(abs(i.defocus_A - (i.own_defocus_A or 0.0)) for i in images) < 60.0


def test_defocus_is_smoothed_where_focus_is_steady() -> None:
    one = drawn(jitter_um=0.0, defocus_sigma_A=200.0)
    off = [abs(image.defocus_A - 3e4) for image in shared(one).images]
    assert float(np.median(off)) < 80.0


def test_outliers_are_found_and_told_by_their_neighbours() -> None:
    one = drawn(faults={10: "defocus", 20: "blurred"})
    outliers = {image.movie: image for image in shared(one).outliers}
    assert set(outliers) == {"TS_01_010", "TS_01_020"}
    image = outliers["TS_01_010"]
    assert abs(image.defocus_A - 3e4) < 4 * image.defocus_sigma_A
    assert image.own_defocus_A is not None
    assert image.own_defocus_A > 3.4e4
    assert (image.source, image.verdict) == ("neighbours", "weak")


def test_good_series_have_no_outliers() -> None:
    assert sum(len(shared(drawn(seed)).outliers) for seed in range(4)) == 0


def test_one_bad_image_changes_no_other_by_more_than_its_uncertainty() -> None:
    good, bad = drawn(), drawn(faults={10: "defocus"})
    name = "TS_01_010"
    records = {**good.records, name: bad.records[name]}
    before = {image.movie: image for image in shared(good).images}
    after = share_ctf(good.series, records)
    assert after is not None
    for image in after.images:
        if image.movie != name:
            assert abs(image.defocus_A - before[image.movie].defocus_A) < before[image.movie].defocus_sigma_A


def test_a_drift_of_the_focus_is_no_outlier() -> None:
    """Defocus that wanders by 2 µm with the tilt, as with a stage off its eucentric height."""
    one = drawn()
    records = {}
    for tilt in one.series.tilts:
        record = one.records[str(tilt.movie)]
        assert record.ctf is not None
        lift = 2e4 * math.sin(math.radians(tilt.tilt_deg))
        fit = {**record.ctf.fit}
        fit |= {"defocus_u_A": fit["defocus_u_A"] + lift, "defocus_v_A": fit["defocus_v_A"] + lift}
        records[record.name] = record.model_copy(update={"ctf": record.ctf.model_copy(update={"fit": fit})})
    found = share_ctf(one.series, records)
    assert found is not None
    assert not found.outliers
    assert found.tilt_trend_A > 0 or found.order_trend_A > 0


def test_a_dropped_image_tells_nothing_of_the_others() -> None:
    one = drawn(tilts_deg=dose_symmetric(60, 12), faults={5: "defocus"})
    found = share_ctf(one.series, one.records, dropped={"TS_01_005"})
    assert found is not None
    image = next(one for one in found.images if one.movie == "TS_01_005")
    assert image.reason == "left out by a decision"
    assert not image.is_outlier


def test_a_second_fit_replaces_an_outlier_and_both_are_kept() -> None:
    one = drawn(faults={10: "defocus"})
    record = one.records["TS_01_010"]
    assert record.ctf is not None
    again = CtfFit.from_json({**record.ctf.fit, "defocus_u_A": 30_150.0, "defocus_v_A": 29_950.0})
    found = with_refits(one.series, one.records, {"TS_01_010": again})
    assert found is not None
    image = next(one for one in found.images if one.movie == "TS_01_010")
    assert (image.source, image.verdict) == ("refit", "weak")
    assert image.own_defocus_A is not None
    assert image.own_defocus_A > 3.4e4
    assert abs(image.defocus_A - 30_050.0) < 100.0


def test_too_few_images_are_not_judged() -> None:
    one = drawn(tilts_deg=(0.0, 10.0, -10.0))
    assert share_ctf(one.series, one.records) is None


def test_it_survives_json() -> None:
    found = shared(drawn(tilts_deg=dose_symmetric(60, 12)))
    again = SeriesCtf.from_json(found.to_json())
    assert again.images[0].movie == found.images[0].movie
    assert again.to_json() == SeriesCtf.from_json(again.to_json()).to_json()


def test_leaving_one_out_equals_fitting_without_it() -> None:
    """The fast formula against the slow definition: predict each value from the others."""
    rng = np.random.default_rng(4)
    tilt = np.linspace(-60, 60, 9)
    order = rng.permutation(9).astype(float)
    values, variance = rng.normal(0, 300, (1, 9)), np.full(9, 100.0**2)
    scales = Scales(1000.0, (), (200.0,), 5e4)
    found = expect(values, variance, tilt, order, np.full(9, 1e-9), scales)
    centred = values - np.median(values)
    for i in range(9):
        others = np.arange(9) != i
        covariance = scales.level**2 + np.diag(variance[others] + 200.0**2)
        mean = scales.level**2 * np.ones(8) @ np.linalg.solve(covariance, centred[0, others]) + np.median(values)
        assert abs(mean - found.value[0, i]) < 1.0  # Å; the floor of the variance


def test_four_images_share_their_astigmatism_and_keep_their_own_defocus() -> None:
    own, both = [], []
    for seed in range(8):
        one = drawn(seed, tilts_deg=(0.0, 20.0, -40.0, -60.0), jitter_um=0.5)
        true = vector(one.truth.astigmatism_A, one.truth.astigmatism_deg)
        found = shared(one)
        for image in found.images:
            assert image.defocus_A == pytest.approx(image.own_defocus_A, abs=1e-6)
            assert not image.is_outlier
            assert not image.is_foretold
            own.append(np.linalg.norm(vector(image.own_astigmatism_A or 0.0, image.own_angle_deg or 0.0) - true))
            both.append(np.linalg.norm(vector(image.defocus_u_A - image.defocus_v_A, image.angle_deg) - true))
    assert float(np.median(both)) < 0.7 * float(np.median(own))


def test_a_dropped_image_beside_four_keeps_its_own_defocus() -> None:
    one = drawn(tilts_deg=(0.0, 20.0, -40.0, -60.0, 40.0), jitter_um=0.5)
    found = share_ctf(one.series, one.records, dropped={"TS_01_004"})
    assert found is not None
    image = next(image for image in found.images if image.movie == "TS_01_004")
    assert image.defocus_A == pytest.approx(image.own_defocus_A, abs=1e-6)
    assert image.reason == "left out by a decision"


def test_one_of_four_images_without_rings_takes_nothing_from_the_others() -> None:
    one = drawn(tilts_deg=(0.0, 20.0, -40.0, -60.0, 40.0), faults={4: "blurred"})
    record = one.records["TS_01_004"]
    none = {"defocus_u_A": None, "defocus_v_A": None, "angle_deg": None}
    records = {**one.records, record.name: with_fit(record, none)}
    found = share_ctf(one.series, records)
    assert found is not None
    lost = next(image for image in found.images if image.own_defocus_A is None)
    assert (lost.source, lost.verdict) == ("neighbours", "weak")
    assert not lost.is_foretold
