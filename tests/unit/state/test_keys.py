from __future__ import annotations

from typing import Any

import pytest

from weft.settings.schema import Settings
from weft.state.keys import difference, key_of, stage_inputs


def keys(changes: dict[str, dict[str, Any]] | None = None, movie: str = "m") -> dict[str, str]:
    settings = Settings.model_validate(changes or {})
    inputs = stage_inputs(settings, movie=movie, gain=None, defects=None)
    return {stage: key_of(stage=stage, inputs=inputs[stage]) for stage in inputs}


def changed(changes: dict[str, dict[str, Any]]) -> set[str]:
    before, after = keys(), keys(changes)
    return {stage for stage in before if before[stage] != after[stage]}


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({"ctf": {"range_A": [30, 5]}}, {"ctf"}),
        ({"optics": {"cs_mm": 0.1}}, {"ctf"}),
        ({"fiducials": {"threshold": 0.7}}, {"mask"}),
        ({"output": {"halves": True}}, {"average"}),
        ({"output": {"aligned_stack": True, "collapse": 2}}, {"average"}),
        ({"output": {"average": False}}, {"average"}),
        ({"output": {"skip_first": 1}}, {"average", "ctf", "mask"}),
        ({"output": {"dtype": "float16"}}, {"average", "ctf", "mask"}),
        ({"motion": {"range_A": [500, 6]}}, {"motion", "average", "ctf", "mask"}),
        ({"input": {"bin": 1}}, {"motion", "average", "ctf", "mask"}),
        ({"input": {"exposure_e_A2": 3}}, set()),
        ({"ctf": {"ignore_gold": True}}, {"ctf"}),
        ({"motion": {"ignore_gold": True}}, {"motion", "average", "ctf", "mask"}),
        ({"compute": {"workers": 7}}, set()),
        ({"series": {"min_tilts": 7}}, set()),
        ({"output": {"folder": "elsewhere"}}, set()),
    ],
)
def test_a_setting_redoes_what_depends_on_it_and_nothing_else(changes: dict[str, Any], stages: set[str]) -> None:
    assert changed(changes) == stages


@pytest.mark.parametrize(("table", "stage"), [("ctf", "ctf"), ("motion", "motion")])
def test_what_leaves_gold_out_depends_on_how_gold_is_found(table: str, stage: str) -> None:
    settings = Settings.model_validate({table: {"ignore_gold": True}})
    other = Settings.model_validate({table: {"ignore_gold": True}, "fiducials": {"threshold": 0.7}})
    files: dict[str, Any] = {"movie": "m", "gain": None, "defects": None}
    plain, changed, painted = (
        stage_inputs(settings, **files)[stage],
        stage_inputs(other, **files)[stage],
        stage_inputs(settings, painted="p", **files)[stage],
    )
    assert difference(plain, changed) == ["fiducials.threshold: 0.5 → 0.7"]
    assert difference(plain, painted) == ["the painted mask changed"]


def test_a_switch_that_is_off_leaves_no_mark_in_what_older_records_say() -> None:
    inputs = stage_inputs(Settings(), movie="m", gain=None, defects=None)
    assert not any("ignore_gold" in name for stage in inputs.values() for name in stage)


def test_exposure_matters_where_it_weights_or_groups() -> None:
    weighting = {"output": {"exposure_weighting": True}}
    assert keys(weighting)["average"] != keys({**weighting, "input": {"exposure_e_A2": 3}})["average"]
    grouping = {"eer_exposure_per_fraction_e_A2": 0.5}
    assert keys({"input": grouping})["motion"] != keys({"input": {**grouping, "exposure_e_A2": 3}})["motion"]


def test_another_movie_redoes_everything() -> None:
    before, after = keys(), keys(movie="other")
    assert all(before[stage] != after[stage] for stage in before)


def test_the_difference_says_what_changed_in_words() -> None:
    old = stage_inputs(Settings(), movie="m", gain=None, defects=None)["ctf"]
    settings = Settings.model_validate({"ctf": {"range_A": [30, 5]}})
    new = stage_inputs(settings, movie="m", gain="g", defects=None)["ctf"]
    assert difference(old, new) == ["average is redone", "ctf.range_A: 40 5 → 30 5"]


def test_changes_are_told_as_weft_toml_writes_values() -> None:
    old = {"input.bin": 0.0, "output.halves": True, "motion.range_A": [500.0, 8.0], "input.gain": None}
    new = {"input.bin": 0.5, "output.halves": False, "motion.range_A": "auto", "input.gain": "gain.mrc"}
    assert difference(old, new) == [
        "input.bin: 0 → 0.5",
        "input.gain: not set → gain.mrc",
        "motion.range_A: 500 8 → auto",
        "output.halves: true → false",
    ]
