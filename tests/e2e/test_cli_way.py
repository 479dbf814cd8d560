"""The whole way from the command line, in fresh folders and as separate processes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from tests.commands import read_json, run_weft

from weft.io.masktiff import read_mask, write_mask
from weft.simulate import SimulationOptions, simulate_set


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small series of five tilts."""
    folder = tmp_path_factory.mktemp("set")
    options = SimulationOptions(
        seed=3, series=1, tilts_deg=(0.0, 10.0, -10.0, -20.0, 20.0), height=256, width=288, frames=4,
        bad_images=False, gain=False, hot_pixels=0,
    )  # fmt: skip
    simulate_set(options, folder)
    return folder


@pytest.fixture(scope="module")
def project(data: Path) -> Path:
    """The same, processed."""
    run_weft(data, "init", "--input.exposure_e_A2", "3")
    run_weft(data, "run")
    return data


def test_run_processes_everything_once(project: Path) -> None:
    status = read_json(project, "status")
    assert status["movies"]["done"] == 5
    assert status["failures"] == []
    assert "5 up to date" in run_weft(project, "run", "--dry-run").stdout
    assert "0 of 5 movies would be processed" in run_weft(project, "run", "--dry-run").stdout


def test_a_changed_setting_redoes_its_stage_only(project: Path) -> None:
    plan = read_json(project, "run", "--dry-run", "--ctf.range_A", "35", "6")
    assert {tuple(item["stages"]) for item in plan["items"]} == {("ctf",)}
    assert any("ctf.range_A" in reason for reason in plan["items"][0]["reasons"])


def test_show_has_the_neutral_form(project: Path) -> None:
    neutral = read_json(project, "show", "TS_01_000")["neutral"]
    assert len(neutral["displacement_A"]) == 4
    assert len(neutral["displacement_A"][0]) == len(neutral["displacement_A"][0][0]) == 7
    assert Path(neutral["average"]).is_file()
    assert Path(neutral["mask"]).is_file()


def test_run_json_prints_events(project: Path) -> None:
    lines = [json.loads(line) for line in run_weft(project, "run", "--json").stdout.splitlines()]
    assert [line["event"] for line in lines] == ["run_started", "run_finished"]


def test_series_and_stack_follow_decisions(project: Path) -> None:
    run_weft(project, "import")
    stack = project / "weft" / "imod" / "TS_01" / "TS_01.st"
    run_weft(project, "stack")
    assert _sections(stack) == 5
    run_weft(project, "drop", "TS_01_003", "--reason", "a test")
    run_weft(project, "stack")
    assert _sections(stack) == 4
    assert len(stack.with_suffix(".rawtlt").read_text().split()) == 4
    assert "up to date" in run_weft(project, "run", "--dry-run").stdout
    run_weft(project, "undo")
    run_weft(project, "stack")
    assert _sections(stack) == 5


def test_watching_ends_with_the_stacks_of_what_is_finished(project: Path) -> None:
    words = ("watch", "--stacks", "--interval-s", "0.1", "--quiet-min", "0")
    done = run_weft(project, *words)
    assert "TS_01: 5 sections," in done.stdout
    assert done.stdout.endswith("0 movies processed\n")
    events = [json.loads(line) for line in run_weft(project, *words, "--json").stdout.splitlines()]
    assert [one["event"] for one in events] == ["watch_started", "stack_written"]
    assert events[1]["is_new"] is False


def test_stacks_tell_of_averages_that_the_settings_of_now_would_not_give(project: Path) -> None:
    run_weft(project, "import")
    for words in (["stack"], ["export", "dynamo"]):
        assert "not as the settings are now" not in run_weft(project, *words).stderr
        done = run_weft(project, *words, "--input.bin", "0.5")
        assert "5 averages not as the settings are now (TS_01_000" in done.stderr


def test_a_failing_movie_is_told_and_the_rest_goes_on(data: Path, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    names = sorted(path.name for path in (data / "frames").iterdir())[:2]
    (tmp_path / "frames" / names[0]).write_bytes((data / "frames" / names[0]).read_bytes())
    (tmp_path / "frames" / names[1]).write_bytes((data / "frames" / names[1]).read_bytes()[:100_000])
    (tmp_path / "frames" / "text.mrc").write_text("no movie at all\n" * 200)
    run_weft(tmp_path, "init", "--input.movies", "frames/*.mrc")
    done = run_weft(tmp_path, "run", "--ctf.no-enabled", "--fiducials.no-enabled", code=1)
    assert done.stdout.startswith("1 done, 2 failed")
    assert len([line for line in done.stderr.splitlines() if line.startswith("  ")]) == 2
    assert read_json(tmp_path, "status", "--ctf.no-enabled", "--fiducials.no-enabled")["movies"]["failed"] == 2


def _sections(path: Path) -> int:
    assert mrcfile.validate(path)
    with mrcfile.open(path, header_only=True) as file:
        return int(file.header.nz)


@pytest.mark.slow
def test_demo_goes_the_whole_way(tmp_path: Path) -> None:
    done = run_weft(tmp_path, "demo", "--seed", "2")
    assert "$ weft stack" in done.stdout
    assert "handedness   TS_01" in done.stdout
    assert (tmp_path / "weft-demo" / "weft" / "imod" / "TS_02" / "TS_02.st").is_file()


def test_motion_and_ctf_leave_painted_gold_out(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path / "copy")
    copy, switches = tmp_path / "copy", ("--motion.ignore_gold", "true", "--ctf.ignore_gold", "true")
    record = next((copy / "weft" / "records").glob("TS_01_000*.json"))
    name = record.stem
    before = json.loads(record.read_text())
    found = read_mask(copy / "weft" / "mask" / f"{name}.tif")
    painted = np.zeros_like(found)
    painted[4:12, 6:15] = True
    write_mask(copy / "weft" / "mask" / f"{name}.edit.tif", painted, 8.0)
    run_weft(copy, "run", name, *switches)
    after = json.loads(record.read_text())
    share = pytest.approx(painted.mean(), abs=1e-3)
    assert after["motion"]["field"]["details"]["left_out"] == share
    assert after["ctf"]["fit"]["details"]["left_out"] == share
    assert after["motion"]["field"]["path_A"] != before["motion"]["field"]["path_A"]
    assert after["ctf"]["fit"]["defocus_u_A"] != before["ctf"]["fit"]["defocus_u_A"]
    assert read_json(copy, "run", "--dry-run", name, *switches)["items"][0]["stages"] == []
    write_mask(copy / "weft" / "mask" / f"{name}.edit.tif", ~painted, 8.0)
    plan = read_json(copy, "run", "--dry-run", name, *switches)["items"]
    assert "the painted mask changed" in plan[0]["reasons"]
