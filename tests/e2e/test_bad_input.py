"""Whole commands on bad input: one sentence each with its remedy, the rest goes on, exit codes as documented."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.commands import read_json, run_weft

from weft.io.mrc import write_mrc

pytestmark = pytest.mark.slow

TOML = """
[input]
movies = "frames/*"
raw_pixel_size_A = 5.0
{more}
[ctf]
enabled = false
[fiducials]
enabled = false
[compute]
workers = 1
threads = 1
"""
MDOC = """[T = Tilt axis angle = 85.3, binning = 1  spot = 8  camera = 0]

[ZValue = 0]
TiltAngle = 0
SubFramePath = D:\\frames\\good_0.mrc

[ZValue = 1]
TiltAngle = 3
SubFramePath = D:\\frames\\gone.mrc
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One good movie of four small frames."""
    (tmp_path / "weft.toml").write_text(TOML.format(more=""))
    rng = np.random.default_rng(2)
    write_mrc(tmp_path / "frames" / "good_0.mrc", rng.poisson(2, (4, 96, 96)).astype(np.int8), 5.0, dtype="int8")
    return tmp_path


def goes_on_without(project: Path, name: str, sentence: str) -> None:
    """Make sure that a run finishes the good movie and lists the bad one last, in one sentence."""
    done = run_weft(project, "run", code=1)
    assert done.stdout.startswith("1 done, 1 failed")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("  ")]
    assert sentence in line
    assert "; " in line or ". " in line, "it says how to mend it"
    assert (project / "weft" / "average" / "good_0.mrc").exists()
    assert [failure["name"] for failure in read_json(project, "status")["failures"]] == [name]
    assert run_weft(project, "run", code=1).stdout.startswith("0 done, 1 up to date, 1 failed")
    lines = run_weft(project, "run", "--json", code=1).stdout.splitlines()
    assert [event["event"] for event in map(json.loads, lines)] == ["run_started", "item_failed", "run_finished"]
    assert "done" not in json.loads(lines[1]), "what failed before is not among the movies that this run counts"


def test_a_truncated_movie(project: Path) -> None:
    data = (project / "frames" / "good_0.mrc").read_bytes()
    (project / "frames" / "cut.mrc").write_bytes(data[:20_000])
    goes_on_without(project, "cut", "the header promises 4 frames (37,888 bytes), the file holds 2")


def test_a_text_named_mrc(project: Path) -> None:
    (project / "frames" / "text.mrc").write_text("no movie at all\n" * 200)
    goes_on_without(project, "text", "is a text file, no MRC, TIFF, EER or DM file")


def test_two_movies_of_one_name(project: Path) -> None:
    data = (project / "frames" / "good_0.mrc").read_bytes()
    (project / "frames" / "twice.mrc").write_bytes(data)
    (project / "frames" / "twice.mrcs").write_bytes(data)
    goes_on_without(project, "twice", "2 movies have this name (frames/twice.mrc and frames/twice.mrcs)")


def test_a_gain_of_the_wrong_size_starts_nothing(project: Path) -> None:
    (project / "weft.toml").write_text(TOML.format(more='gain = "gain.mrc"'))
    write_mrc(project / "gain.mrc", np.ones((96, 60), dtype=np.float32), 5.0)
    done = run_weft(project, "run", code=3)
    assert "the gain reference is 60 × 96 pixels, the frames are 96 × 96" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list((project / "weft").glob("average/*"))


def test_an_mdoc_that_names_absent_movies(project: Path) -> None:
    (project / "mdoc").mkdir()
    (project / "mdoc" / "TS_01.mrc.mdoc").write_text(MDOC)
    check = run_weft(project, "check", code=None)
    assert "TS_01: 1 of 2 movies are not there (gone.mrc)" in check.stdout
    assert run_weft(project, "run").stdout.startswith("1 done")
    done = run_weft(project, "import")
    assert "1 of 2 tilts cannot be used (gone.mrc)" in done.stderr


def test_settings_that_make_no_sense_start_nothing(project: Path) -> None:
    (project / "weft.toml").write_text(TOML.format(more="binn = 1"))
    done = run_weft(project, "run", code=3)
    assert "bin" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (project / "weft").exists()
