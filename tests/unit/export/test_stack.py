"""Stacks: angles ascending, decisions respected, folders whole, nothing written twice, nobody's files lost."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import mdocfile
import mrcfile
import numpy as np
import pytest
from tests.export_project import SHAPE, Made, make_processed, movie_of, weft

from weft.io.mrc import read_mrc, write_mrc
from weft.pipeline.decide import decide, undo
from weft.state.project import Project
from weft.state.record import Failure
from weft.state.records import read_record, write_record

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_processed(Made(tmp_path / "p", series=2))
    assert weft(made, "import", "-q") == 0
    return made


def test_a_stack_holds_the_averages_by_ascending_angle(project: Project) -> None:
    assert weft(project, "stack") == 0
    folder = project.path("imod", "TS_01")
    assert mrcfile.validate(folder / "TS_01.st")
    order = [(3, -6.0), (2, -3.0), (0, 0.0), (1, 3.0), (4, 6.0)]
    with mrcfile.open(folder / "TS_01.st") as file:
        assert file.voxel_size.x == pytest.approx(1.35)
        assert file.is_image_stack()
        for section, (index, angle) in zip(file.data, order, strict=True):
            assert np.array_equal(section, read_mrc(project.path("average", movie_of(1, index, angle)))[0])
        assert b"Tilt axis angle = 85.3, binning = 1" in bytes(file.header.label[1])
    assert (folder / "TS_01.rawtlt").read_text() == "-6.00\n-3.00\n0.00\n3.00\n6.00\n"
    table = (folder / "TS_01_sections.csv").read_text().splitlines()
    assert table[0] == "section,movie,tilt_deg,order,exposure_e_A2,pre_exposure_e_A2,time,mdoc_section"
    assert table[1] == "0,TS_01_003_-6.0,-5.9960,3,3,9,2015-11-30T10:03:38,3"
    mdoc = mdocfile.read(folder / "TS_01.st.mdoc")
    assert mdoc["TiltAngle"].tolist() == [-5.996, -2.996, 0.004, 3.004, 6.004]
    assert mdoc["PriorRecordDose"].tolist() == [9, 6, 0, 3, 12]
    assert not list((project.out / ".staging").iterdir())


def test_only_what_changed_is_written_again(project: Project, capsys: Capture) -> None:
    weft(project, "stack")
    before = {path: path.stat().st_mtime_ns for path in project.out.rglob("*.st")}
    capsys.readouterr()
    weft(project, "stack", "--json")
    assert [one["is_new"] for one in json.loads(capsys.readouterr().out)["stacks"]] == [False, False]
    decide(project, [movie_of(1, 1, 3.0)], "drop", reason="grid bar")
    weft(project, "stack", "--json")
    stacks = json.loads(capsys.readouterr().out)["stacks"]
    assert [(one["sections"], one["is_new"]) for one in stacks] == [(4, True), (5, False)]
    assert stacks[0]["left_out"] == [{"item": "TS_01_001_3.0", "reason": "left out by a decision"}]
    second = project.path("imod", "TS_02") / "TS_02.st"
    assert second.stat().st_mtime_ns == before[second]
    undo(project)
    weft(project, "stack")
    assert (project.path("imod", "TS_01") / "TS_01.rawtlt").read_text().count("\n") == 5
    write_mrc(project.path("average", movie_of(2, 0, 0.0)), np.ones(SHAPE, np.float32) * [*range(32)], 1.35)
    capsys.readouterr()
    weft(project, "stack", "--json")
    assert [one["is_new"] for one in json.loads(capsys.readouterr().out)["stacks"]] == [False, True]


def test_an_angle_that_is_in_a_stack_twice_is_told(tmp_path: Path, capsys: Capture) -> None:
    made = make_processed(Made(tmp_path / "p", angles=(0.0, 3.0, -3.0, 3.1)))
    weft(made, "import", "-q")
    assert weft(made, "stack", "--series.duplicates", "ask") == 0
    told = "TS_01: 3.0° is in the stack 2 times (TS_01_001_3.0, TS_01_003_3.1); decide with `weft keep`"
    assert told in capsys.readouterr().err
    decide(made, ["TS_01_001_3.0"], "keep")
    assert weft(made, "stack", "--series.duplicates", "ask") == 0
    assert "2 times" not in capsys.readouterr().err
    assert (made.path("imod", "TS_01") / "TS_01.rawtlt").read_text() == "-3.00\n0.00\n3.00\n"


def test_a_dry_run_tells_what_is_up_to_date(project: Project, capsys: Capture) -> None:
    weft(project, "stack")
    decide(project, [movie_of(1, 1, 3.0)], "drop")
    capsys.readouterr()
    assert weft(project, "stack", "-n") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("TS_01: 4 of 5 tilts, would be written:")
    assert second.startswith("TS_02: 5 of 5 tilts, up to date:")
    assert (project.path("imod", "TS_01") / "TS_01.rawtlt").read_text().count("\n") == 5


def test_a_stack_of_which_nothing_is_left_is_not_passed_over_in_silence(project: Project, capsys: Capture) -> None:
    weft(project, "stack")
    decide(project, [tilt for tilt in project.movies() if tilt.startswith("TS_01")], "drop")
    capsys.readouterr()
    assert weft(project, "stack") == 1
    assert f"the stack made before stays in {project.path('imod', 'TS_01')}" in capsys.readouterr().err
    assert (project.path("imod", "TS_01") / "TS_01.st").is_file()


def test_files_of_other_programs_go_with_the_stack_they_belong_to(project: Project, capsys: Capture) -> None:
    weft(project, "stack", "TS_01")
    (project.path("imod", "TS_01") / "TS_01.xf").write_text("1 0 0 1 0 0\n" * 5)
    decide(project, [movie_of(1, 1, 3.0)], "drop")
    weft(project, "stack", "TS_01")
    old = project.out / "imod_old" / "TS_01.1"
    assert {path.name for path in old.iterdir()} >= {"TS_01.xf", "TS_01.st"}
    assert not (project.path("imod", "TS_01") / "TS_01.xf").exists()
    assert "files of other programs (TS_01.xf) are in" in capsys.readouterr().err
    assert sorted(path.name for path in (project.out / "imod").iterdir()) == ["TS_01"]


def test_a_watcher_sees_none_or_a_whole_folder(project: Project) -> None:
    """As autoalign_dynamo does: list the folder, take what is there, stack and angles at once."""
    import os
    import threading

    torn: list[str] = []
    looks = 0
    stop = threading.Event()

    def look(place: Path) -> int:
        """Look into the folder that is at a place now; if it was renamed away meanwhile, nothing was seen."""
        try:
            held = os.open(place, os.O_RDONLY)
        except FileNotFoundError:
            return 0
        try:
            names = set(os.listdir(held))  # noqa: PTH208 (of the open folder, wherever it is now)
            if {f"{place.name}.st", f"{place.name}.rawtlt"} <= names:
                return 1
            if place.exists() and place.stat().st_ino == os.fstat(held).st_ino:
                torn.append(f"{place.name}: {sorted(names)}")
        except FileNotFoundError:
            pass
        finally:
            os.close(held)
        return 0

    def watch() -> None:
        nonlocal looks
        is_last = False
        while not is_last:
            is_last = stop.is_set()  # one more look when all is written, however busy the machine was
            folder = project.out / "imod"
            looks += sum(look(place) for place in (folder.iterdir() if folder.is_dir() else ()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(5):
        weft(project, "stack", "-q", "--force")
    stop.set()
    watcher.join()
    assert looks > 0
    assert not torn


def test_halves_have_the_same_sections(project: Project) -> None:
    assert weft(project, "stack", "TS_01", "--halves") == 0
    folder = project.path("imod", "TS_01")
    full, even, odd = (read_mrc(folder / f"TS_01{ending}.st", 2)[0] for ending in ("", "_EVN", "_ODD"))
    assert even + odd == pytest.approx(full, abs=1e-4)
    assert mrcfile.validate(folder / "TS_01_ODD.st")


def test_a_series_that_waits_for_movies_is_not_written(project: Project, capsys: Capture) -> None:
    name = movie_of(1, 4, 6.0)
    project.path("average", name).unlink()
    project.path("record", name).unlink()
    assert weft(project, "stack") == 1
    assert "TS_01: 1 of 5 movies are not processed yet (TS_01_004_6.0)" in capsys.readouterr().err
    assert not project.path("imod", "TS_01").exists()
    assert project.path("imod", "TS_02").exists()
    assert weft(project, "stack", "TS_01", "--force") == 0
    assert (project.path("imod", "TS_01") / "TS_01.rawtlt").read_text().count("\n") == 4


def test_a_failed_movie_is_left_out_and_told(project: Project, capsys: Capture) -> None:
    name = movie_of(1, 4, 6.0)
    project.path("average", name).unlink()
    record = read_record(project.path("record", name))
    assert record is not None
    failure = Failure(stage="motion", message="TS_01_004_6.0.mrc: ends too early", identity="0")
    write_record(project.path("record", name), record.model_copy(update={"failure": failure, "average": None}))
    assert weft(project, "stack", "TS_01") == 0
    assert "without TS_01_004_6.0, which failed: TS_01_004_6.0.mrc: ends too early" in capsys.readouterr().err


def test_blank_images_and_odd_sizes(project: Project, capsys: Capture) -> None:
    write_mrc(project.path("average", movie_of(1, 1, 3.0)), np.zeros(SHAPE, np.float32), 1.35)
    write_mrc(project.path("average", movie_of(2, 1, 3.0)), np.zeros((8, 8), np.float32), 1.35)
    assert weft(project, "stack") == 1
    said = capsys.readouterr().err
    assert "TS_01_001_3.0: blank, so left out" in said
    assert "is 8 × 8, the first image 32 × 24" in said
    assert (project.path("imod", "TS_01") / "TS_01.rawtlt").read_text().count("\n") == 4
    assert not project.path("imod", "TS_02").exists()
    assert not list((project.out / ".staging").iterdir())


def test_too_few_tilts(project: Project, capsys: Capture) -> None:
    assert weft(project, "stack", "--series.min_tilts", "6") == 1
    assert "5 of 5 tilts can be used, at least 6 are wanted; lower series.min_tilts" in capsys.readouterr().err


def test_too_few_tilts_are_told_with_counts_of_reasons(tmp_path: Path, capsys: Capture) -> None:
    project = make_processed(Made(tmp_path / "p", angles=(0.0, 3.0, -3.0, -6.0, 6.0, 6.1, 9.0)))
    (project.folder / "frames" / f"{movie_of(1, 6, 9.0)}.mrc").unlink()
    weft(project, "import", "-q")
    decide(project, [movie_of(1, 1, 3.0), movie_of(1, 2, -3.0)], "drop")
    project.path("average", movie_of(1, 3, -6.0)).unlink()
    capsys.readouterr()
    assert weft(project, "stack", "--force", "--series.min_tilts", "3") == 1
    said = capsys.readouterr().err
    reasons = "left out: 2 by a decision, 1 not processed, 1 of angles taken again, 1 without a movie"
    assert f"TS_01: 2 of 7 tilts can be used ({reasons}), at least 3 are wanted; `weft keep` some or `weft run`" in said
    assert said.rstrip().endswith("or lower series.min_tilts")


def test_dry_run_writes_nothing(project: Project, capsys: Capture) -> None:
    assert weft(project, "stack", "-n") == 0
    assert "TS_01: 5 of 5 tilts, would be written" in capsys.readouterr().out
    assert not (project.out / "imod").exists()


def test_without_an_import(tmp_path: Path, capsys: Capture) -> None:
    project = make_processed(Made(tmp_path))
    assert weft(project, "stack") == 3
    assert "`weft import`" in capsys.readouterr().err


def test_memory_does_not_grow_with_the_series(tmp_path: Path) -> None:
    project = make_processed(Made(tmp_path, angles=[float(a) for a in range(-20, 20)], halves=False))
    for name in project.movies():
        write_mrc(project.path("average", name), np.random.default_rng(1).normal(size=(256, 256)).astype("f4"), 1.35)
    weft(project, "import", "-q")
    tracemalloc.start()
    assert weft(project, "stack", "-q") == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 14 * 256 * 256 * 4  # 40 sections hold three times as much


def test_stacking_needs_no_torch(project: Project) -> None:
    import subprocess
    import sys

    program = "import sys; from weft.cli.main import main; code = main(sys.argv[1:]); assert 'torch' not in sys.modules; sys.exit(code)"
    for words in (["import"], ["stack", "--halves"]):
        subprocess.run(
            [sys.executable, "-c", program, *words, "-C", str(project.folder)], check=True, capture_output=True
        )
