"""Projects of Warp and RELION taken over: what another program's files say is what the records say, and nothing is to be done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.export_project import ANGLES, PIXEL_A, Made, make_processed, movie_of

from weft.cli.main import main
from weft.io.masktiff import write_mask
from weft.io.mrc import read_mrc, write_mrc
from weft.pipeline.decide import decide
from weft.pipeline.plan import make_plan
from weft.settings.file import settings_text
from weft.settings.schema import Settings
from weft.state.project import Project
from weft.state.records import read_record

NAMES = [movie_of(1, i, angle) for i, angle in enumerate(ANGLES)]
PLACES = [0.1, 0.5, 0.9]


@pytest.fixture
def theirs(tmp_path: Path) -> Project:
    """A processed project, whose XML and STAR are what another program would leave."""
    project = make_processed(Made(tmp_path / "theirs", settings={"series": {"hand": 1}}))
    for name in NAMES:
        write_mask(project.path("mask", name), np.eye(4, 6, dtype=bool), 8.0)
    decide(project, [NAMES[1]], "drop", reason="grid bar")
    return project


@pytest.fixture
def ours(tmp_path: Path) -> Project:
    """A fresh project with real movies of the same names."""
    folder = tmp_path / "ours"
    for name in NAMES:
        write_mrc(folder / "frames" / f"{name}.mrc", np.ones((4, 48, 64), np.int8), 0.675, dtype="int8")
    settings = Settings.model_validate({"input": {"raw_pixel_size_A": 0.675, "bin": 1}})
    (folder / "weft.toml").write_text(settings_text(settings))
    return Project.open(folder)


def test_a_processing_folder_of_warp(theirs: Project, ours: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adopt", str(theirs.out), "-C", str(ours.folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["movies"], told["decisions"]) == ("warp", NAMES, {NAMES[1]: "drop"})
    plan = make_plan(ours)
    assert [item.state for item in plan.items] == ["done", "dropped", "done", "done", "done"]
    for name in NAMES:
        a, b = (read_record(project.path("record", name)) for project in (theirs, ours))
        assert a is not None
        assert b is not None
        assert a.motion is not None
        assert b.motion is not None
        wanted = a.motion.to_field().displacement(PLACES, PLACES)
        assert b.motion.to_field().displacement(PLACES, PLACES) == pytest.approx(wanted, abs=1e-4)
        assert a.ctf is not None
        assert b.ctf is not None
        first, second = a.ctf.to_fit(), b.ctf.to_fit()
        assert second.defocus_A == pytest.approx(first.defocus_A, abs=0.1)
        assert second.angle_deg == pytest.approx(first.angle_deg)
        assert second.resolution_A == first.resolution_A
        # the nodes say 400 Å from left to right
        assert second.gradient_x == pytest.approx(400 / (32 * PIXEL_A), rel=1e-4)
        image = read_mrc(theirs.path("average", name))[0]
        assert np.array_equal(read_mrc(ours.path("average", name))[0], image)
    assert ours.dropped() == {NAMES[1]}
    assert b"taken over from Warp" in ours.path("record", NAMES[0]).read_bytes()


def test_a_tilt_series_of_relion(theirs: Project, ours: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "-q", "-C", str(theirs.folder)]) == 0
    assert main(["export", "relion", "-q", "-C", str(theirs.folder)]) == 0
    capsys.readouterr()
    star = theirs.out / "relion" / "tilt_series.star"
    assert main(["adopt", str(star), "-C", str(ours.folder)]) == 0
    assert "4 movies taken over" in capsys.readouterr().out  # RELION's table has no row for what is not used
    name = NAMES[0]
    a, b = (read_record(project.path("record", name)) for project in (theirs, ours))
    assert a is not None
    assert b is not None
    assert a.motion is not None
    assert b.motion is not None
    wanted = a.motion.to_field().displacement(PLACES, PLACES)
    found = b.motion.to_field().displacement(PLACES, PLACES)
    assert found - found[0] == pytest.approx(wanted - wanted[0], abs=1e-4)
    assert a.ctf is not None
    assert b.ctf is not None
    assert b.ctf.to_fit().defocus_u_A == pytest.approx(a.ctf.to_fit().defocus_u_A, abs=0.1)
    states = {item.name: item.state for item in make_plan(ours).items}
    assert states[NAMES[1]] == "todo"
    assert {stage for item in make_plan(ours).items if item.name != NAMES[1] for stage in item.stages} == {"mask"}


def test_results_of_the_project_itself_are_left_alone(theirs: Project, capsys: pytest.CaptureFixture[str]) -> None:
    write_mrc(theirs.folder / "frames" / f"{NAMES[0]}.mrc", np.ones((4, 48, 64), np.int8), 0.675, dtype="int8")
    before = theirs.path("record", NAMES[0]).read_bytes()
    assert main(["adopt", str(theirs.out), "-C", str(theirs.folder)]) == 3
    assert f"{NAMES[0]}: was made in this very project" in capsys.readouterr().err
    assert theirs.path("record", NAMES[0]).read_bytes() == before


def test_what_cannot_be_taken_over_is_told(theirs: Project, ours: Project, capsys: pytest.CaptureFixture[str]) -> None:
    theirs.path("average", NAMES[0]).unlink()
    theirs.path("xml", NAMES[2]).write_text("<Movie")
    (ours.folder / "frames" / f"{NAMES[3]}.mrc").unlink()
    assert main(["adopt", str(theirs.out), "-C", str(ours.folder), "-n"]) == 1
    said = capsys.readouterr()
    assert f"{NAMES[0]}: Warp has no average of it" in said.err
    assert "cannot be read as XML" in said.err
    assert f"{NAMES[3]}: no movie of this name" in said.err
    assert "2 movies would be taken over" in said.out
    assert not ours.out.joinpath("records").exists()
    shutil.rmtree(theirs.out)
    assert main(["adopt", str(theirs.out), "-C", str(ours.folder)]) == 3
    assert "no such place" in capsys.readouterr().err
