"""The verbs hand, suggest and report on a project with drawn records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.cli.main import main
from weft.export.neutral import to_neutral
from weft.pipeline.series_pass import judge_series
from weft.series.judgements import read_hand, read_series_ctf
from weft.series.store import write_series
from weft.settings.file import settings_text
from weft.settings.schema import Settings
from weft.simulate.options import dose_symmetric
from weft.simulate.records import SeriesTruth, draw_series
from weft.state.project import Project
from weft.state.records import write_record

TILTS = dose_symmetric(60, 12)


def make(folder: Path, truths: Sequence[SeriesTruth]) -> Project:
    """Write a project whose movies are processed."""
    (folder / "weft.toml").write_text(settings_text(Settings()))
    project = Project.open(folder)
    rng = np.random.default_rng(5)
    drawn = [draw_series(truth, rng) for truth in truths]
    write_series(project.out, [one.series for one in drawn])
    for one in drawn:
        for name, record in one.records.items():
            project.path("record", name).parent.mkdir(parents=True, exist_ok=True)
            write_record(project.path("record", name), record)
    return project


def call(capsys: pytest.CaptureFixture[str], folder: Path, *words: str, code: int = 0) -> Any:
    assert main([*words, "--json", "-C", str(folder)]) == code
    return json.loads(capsys.readouterr().out)


def test_hand_of_a_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, [SeriesTruth(name=f"TS_0{i}", tilts_deg=TILTS, hand=-1) for i in (1, 2)])
    told = call(capsys, tmp_path, "hand")
    assert told["schema"] == "weft.hand/1"
    assert told["set"]["hand"] == -1
    assert [one["hand"] for one in told["series"]] == [-1, -1]
    assert told["set"]["probability_plus"] < 0.01
    assert read_hand(tmp_path / "weft", "TS_01") is not None
    assert call(capsys, tmp_path, "hand", "TS_02", "--strict")["series"][0]["series"] == "TS_02"


def test_hand_without_gradients_names_the_cause_and_is_no_contradiction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make(tmp_path, [SeriesTruth(tilts_deg=TILTS)])
    for path in project.path("record", "x").parent.glob("*.json"):
        path.unlink()
    told = call(capsys, tmp_path, "hand")
    assert told["doubts"] == []
    assert "have no CTF yet" in told["series"][0]["causes"][0]
    main(["hand", "-C", str(tmp_path)])
    assert "TS_01: 11 of 11 images have no CTF yet" in capsys.readouterr().err


def test_hand_write_sets_the_setting_and_a_wrong_one_is_a_contradiction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, [SeriesTruth(tilts_deg=TILTS, hand=-1)])
    assert call(capsys, tmp_path, "hand", "--write", "--dry-run")["written"] == -1
    assert Project.open(tmp_path).settings.series.hand is None
    call(capsys, tmp_path, "hand", "--write")
    assert Project.open(tmp_path).settings.series.hand == -1
    told = call(capsys, tmp_path, "hand", "--series.hand", "1", code=4)
    assert "the data say -1" in told["doubts"][0]


def test_hand_strict_ends_in_4_if_undecided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, [SeriesTruth(tilts_deg=dose_symmetric(6, 3))])
    assert call(capsys, tmp_path, "hand")["set"]["hand"] is None
    call(capsys, tmp_path, "hand", "--strict", code=4)


def test_hand_names_the_odd_series(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, [SeriesTruth(name=f"TS_0{i}", tilts_deg=TILTS, hand=1 if i else -1) for i in range(4)])
    told = call(capsys, tmp_path, "hand", code=4)
    assert told["set"]["disagree"] == ["TS_00"]
    assert told["doubts"][0].startswith("TS_00")


def test_hand_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, [SeriesTruth(shuffled=True)])
    assert main(["hand", "-C", str(tmp_path)]) == 4
    out, err = capsys.readouterr()
    assert "handedness: undecided" in out
    assert "shuffled" in err


def test_nothing_is_dropped_unless_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = make(tmp_path, [SeriesTruth(faults={4: "dark", 9: "blurred"})])
    told = call(capsys, tmp_path, "suggest")
    assert [one["item"] for one in told["suggestions"]] == ["TS_01_004", "TS_01_009"]
    assert project.decisions() == {}
    call(capsys, tmp_path, "suggest", "--accept", "--dry-run")
    assert project.decisions() == {}
    call(capsys, tmp_path, "suggest", "--accept")
    decisions = project.decisions()
    assert {name: decision.verb for name, decision in decisions.items()} == {"TS_01_004": "drop", "TS_01_009": "drop"}
    assert "dark" in decisions["TS_01_004"].reason
    assert call(capsys, tmp_path, "suggest")["suggestions"] == []


def test_what_a_person_keeps_is_not_suggested_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, [SeriesTruth(faults={4: "dark"})])
    call(capsys, tmp_path, "keep", "TS_01_004")
    assert call(capsys, tmp_path, "suggest")["suggestions"] == []


def test_without_series_the_sentence_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, [])
    assert main(["suggest", "-C", str(tmp_path)]) == 3
    assert "input.mdocs" in capsys.readouterr().err


def test_a_series_is_judged_once_and_again_when_a_decision_changes(tmp_path: Path) -> None:
    from weft.pipeline.decide import decide

    project = make(tmp_path, [SeriesTruth(tilts_deg=TILTS, faults={5: "defocus"})])
    assert judge_series(project) == ["TS_01"]
    assert judge_series(project) == []
    decide(project, ["TS_01_005"], "drop", reason="test")
    assert judge_series(project) == ["TS_01"]


def test_the_neutral_form_carries_what_the_series_shares(tmp_path: Path) -> None:
    project = make(tmp_path, [SeriesTruth(faults={5: "defocus"})])
    record = project.records()["TS_01_005"]
    before = to_neutral(record, project.out)
    assert before["trusted"]
    judge_series(project)
    after = to_neutral(record, project.out)
    assert not after["trusted"]
    kept = read_series_ctf(project.out, "TS_01")
    assert kept is not None
    image = next(one for one in kept[0].images if one.movie == "TS_01_005")
    assert after["ctf"]["defocus_u_A"] == pytest.approx(image.defocus_u_A)
    assert before["ctf"]["defocus_u_A"] - after["ctf"]["defocus_u_A"] > 4000
    assert image.own_defocus_A == pytest.approx(record.ctf.to_fit().defocus_A if record.ctf else None, abs=0.01)


def test_a_series_that_is_not_whole_is_not_judged(tmp_path: Path) -> None:
    project = make(tmp_path, [SeriesTruth(tilts_deg=TILTS)])
    project.path("record", "TS_01_003").unlink()
    assert judge_series(project) == []
