"""Stacks without gold: what masks cover is filled, nothing else changes, and what the filling hangs on is followed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.export_project import Made, a_fit, make_processed, movie_of, weft

from weft.io.masktiff import write_mask
from weft.io.mrc import read_mrc, write_mrc
from weft.state.project import Project
from weft.state.record import CtfFacts, Record
from weft.state.records import read_record, write_record

Capture = pytest.CaptureFixture[str]
SIDE = 256
BEADED = movie_of(1, 0, 0.0)
SECTION = 1  # of -3°, 0°, 3°


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a series whose image at 0° has a black bead with a mask over it."""
    made = make_processed(Made(tmp_path / "p", angles=(0.0, 3.0, -3.0), shape=(SIDE, SIDE)))
    assert weft(made, "import", "-q") == 0
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for kind in ("average", "even", "odd"):
        image = read_mrc(made.path(kind, BEADED))[0].copy()
        image[is_bead(rows, columns)] -= 40
        write_mrc(made.path(kind, BEADED), image, 1.35)
    rows, columns = np.mgrid[: SIDE // 4, : SIDE // 4] * 4 + 1.5
    write_mask(made.path("mask", BEADED), is_bead(rows, columns), 5.4)
    return made


def is_bead(rows: NDArray[np.floating], columns: NDArray[np.floating]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.hypot(rows - 128, columns - 128) <= 16
    return inside


def sections(project: Project, ending: str = "") -> NDArray[np.float32]:
    return read_mrc(project.path("imod", "TS_01") / f"TS_01{ending}.st", SECTION)[0]


def is_new(project: Project, capsys: Capture, *words: str) -> bool:
    capsys.readouterr()
    assert weft(project, "stack", "--erase-gold", "--json", *words) == 0
    return bool(json.loads(capsys.readouterr().out)["stacks"][0]["is_new"])


def test_a_stack_without_gold_is_the_average_elsewhere(project: Project, capsys: Capture) -> None:
    assert is_new(project, capsys, "--halves")
    average, filled = read_mrc(project.path("average", BEADED))[0], sections(project)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    hole = is_bead(rows, columns)
    assert average[hole].mean() < -15
    assert filled[hole].mean() == pytest.approx(20, abs=1)
    assert filled[hole].std() == pytest.approx(4, rel=0.2)
    far = np.hypot(rows - 128, columns - 128) > 100
    assert np.array_equal(filled[far], average[far])
    even, odd = (sections(project, ending)[hole] for ending in ("_EVN", "_ODD"))
    assert abs(np.corrcoef(even, odd)[0, 1]) < 0.2
    assert np.array_equal(
        read_mrc(project.path("imod", "TS_01") / "TS_01.st", 0)[0],
        read_mrc(project.path("average", movie_of(1, 2, -3.0)))[0],
    )


def another_ctf(record: Record) -> Record:
    return record.model_copy(update={"ctf": CtfFacts(fit=a_fit(90_000.0).to_json(), verdict="good", reason="")})


def another_bead(record: Record) -> Record:
    assert record.mask is not None
    mask = record.mask.model_copy(update={"doubtful": [(-20.0, 100.0, 50.0, 0.45)]})
    return record.model_copy(update={"mask": mask})


@pytest.mark.parametrize("change", [another_ctf, another_bead])
def test_a_stack_without_gold_follows_what_erasing_takes(
    project: Project, capsys: Capture, change: Callable[[Record], Record]
) -> None:
    assert is_new(project, capsys)
    before = sections(project)
    assert not is_new(project, capsys)
    record = read_record(project.path("record", BEADED))
    assert isinstance(record, Record)
    write_record(project.path("record", BEADED), change(record))
    assert is_new(project, capsys, "-n")
    assert is_new(project, capsys)
    assert not np.array_equal(sections(project), before)
    assert not is_new(project, capsys)


def test_a_painted_mask_counts_at_once(project: Project, capsys: Capture) -> None:
    assert is_new(project, capsys)
    write_mask(project.path("edited_mask", BEADED), np.zeros((SIDE // 4, SIDE // 4), bool), 5.4)
    assert is_new(project, capsys)
    assert np.array_equal(sections(project), read_mrc(project.path("average", BEADED))[0])


@pytest.mark.parametrize(("target", "file"), [("dynamo", "TS_01.st"), ("aretomo", "TS_01.mrc")])
def test_an_export_of_stacks_tells_beforehand_what_it_would_write(
    project: Project, capsys: Capture, target: str, file: str
) -> None:
    place = project.out / target / "TS_01" / file
    for words, told in (
        (["-n"], "would be written"),
        ([], "written"),
        (["-n"], "up to date"),
        (["-n", "--erase-gold"], "would be written"),
    ):
        capsys.readouterr()
        assert weft(project, "export", target, *words) == 0
        assert capsys.readouterr().out == f"TS_01: 3 images, {told}: {place}\n"
