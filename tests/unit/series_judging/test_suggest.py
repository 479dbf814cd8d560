"""Suggestions: every kind of bad image found with the right reason, good ones left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from weft.series.jumps import find_jumps
from weft.series.suggest import Suggestion, suggest
from weft.simulate.options import dose_symmetric
from weft.simulate.records import SeriesTruth, draw_series

CODES = {
    "dark": "dark",
    "blurred": "blurred",
    "grid bar": "blocked",
    "ice blob": "blocked",
    "defocus": "defocus",
    "masked": "masked",
}


def suggested(seed: int, faults: dict[int, str]) -> dict[str, Suggestion]:
    one = draw_series(SeriesTruth(faults=faults), np.random.default_rng(seed))
    return {found.item: found for found in suggest(one.series, one.records)}


@pytest.mark.parametrize("fault", CODES)
def test_each_fault_is_found_with_its_reason(fault: str) -> None:
    for seed, place in enumerate((4, 17, 33)):
        found = suggested(seed, {place: fault})
        assert list(found) == [f"TS_01_{place:03d}"]
        only = found[f"TS_01_{place:03d}"]
        assert only.reason_code == CODES[fault]
        assert only.score >= 1
        assert only.reason


def test_good_images_are_left_alone() -> None:
    """At most one of a hundred: none of 410."""
    assert sum(len(suggested(seed, {})) for seed in range(10)) == 0


def test_many_bad_images_do_not_hide_each_other() -> None:
    faults = {3: "dark", 7: "blurred", 12: "grid bar", 18: "dark", 25: "masked", 30: "ice blob", 37: "defocus"}
    assert set(suggested(5, faults)) == {f"TS_01_{place:03d}" for place in faults}


def test_a_failed_movie_is_suggested_with_its_sentence() -> None:
    from weft.state.record import Failure

    one = draw_series(SeriesTruth(), np.random.default_rng(1))
    name = "TS_01_005"
    failure = Failure(stage="motion", message="it was cut", identity="")
    records = {**one.records, name: one.records[name].model_copy(update={"failure": failure})}
    found = suggest(one.series, records)
    assert [(row.item, row.reason_code) for row in found] == [(name, "failed")]
    assert "it was cut" in found[0].reason


def test_dropped_images_set_no_standard() -> None:
    faults = dict.fromkeys(range(1, 30), "dark")
    one = draw_series(SeriesTruth(faults=faults), np.random.default_rng(1))
    dropped = {f"TS_01_{order:03d}" for order in faults}
    found = {row.item for row in suggest(one.series, one.records, dropped=dropped)}
    assert found <= dropped


def test_few_images_and_none_are_no_error() -> None:
    one = draw_series(SeriesTruth(tilts_deg=(0.0, 10.0)), np.random.default_rng(1))
    assert suggest(one.series, one.records) == []
    assert suggest(one.series, {}) == []


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Thumbnails of one landscape, seen squeezed by the tilt (about the vertical axis), with noise."""
    rng = np.random.default_rng(7)
    k = np.hypot(np.fft.fftfreq(768)[:, None], np.fft.rfftfreq(768)[None, :])
    noise = np.fft.rfft2(rng.normal(0, 1, (768, 768)))
    land = np.fft.irfft2(noise * (k > 0.004) / (1 + (k / 0.02) ** 2), (768, 768))
    land *= 40 / land.std()
    np.save(tmp_path / "land.npy", land)
    return tmp_path


def view(folder: Path, name: str, tilt_deg: float, shift: tuple[int, int], rng: np.random.Generator) -> None:
    land = np.load(folder / "land.npy")
    y, x = 256 + shift[0] + np.arange(256), (np.arange(256) - 128) / np.cos(np.radians(tilt_deg)) + 384 + shift[1]
    seen = land[np.clip(y, 0, 767)][:, np.clip(x.round().astype(int), 0, 767)]
    grey = np.clip(128 + seen + rng.normal(0, 25, seen.shape), 0, 255).astype(np.uint8)
    Image.fromarray(grey).save(folder / f"{name}.jpg")


@pytest.mark.parametrize("jumped", [[], [7], [0, 1], [3]])
def test_a_field_of_view_that_jumped_is_found(scene: Path, jumped: list[int]) -> None:
    rng = np.random.default_rng(3)
    truth = SeriesTruth(tilts_deg=dose_symmetric(30, 5), axis_deg=0.0, stated_axis_deg=0.0)
    one = draw_series(truth, rng)
    names = [str(tilt.movie) for tilt in one.series.tilts]
    for i, tilt in enumerate(one.series.tilts):
        away = (110, 0) if i in jumped else (int(rng.integers(-8, 9)), int(rng.integers(-8, 9)))
        view(scene, str(tilt.movie), tilt.tilt_deg, away, rng)
    found = find_jumps(one.series, lambda name: scene / f"{name}.jpg")
    assert set(found) == {names[i] for i in jumped}
    if jumped:
        assert {row.reason_code for row in suggest(one.series, one.records, jumps=found)} == {"jumped"}


def test_blank_images_say_nothing_about_jumps(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    one = draw_series(SeriesTruth(tilts_deg=dose_symmetric(30, 5)), rng)
    for tilt in one.series.tilts:
        grey = rng.normal(128, 40, (256, 256)).clip(0, 255).astype(np.uint8)
        Image.fromarray(grey).save(tmp_path / f"{tilt.movie}.jpg")
    assert find_jumps(one.series, lambda name: tmp_path / f"{name}.jpg") == {}
