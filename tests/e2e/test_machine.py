"""What the machine does to a run: a full disk, a folder that cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from tests.commands import run_weft
from tests.disks import small_disk

pytestmark = pytest.mark.slow

TOML = """
[input]
movies = "frames/*.mrc"
raw_pixel_size_A = 5.0
[output]
folder = "{out}"
[ctf]
enabled = false
[fiducials]
enabled = false
[compute]
workers = 1
threads = 1
"""


def make_project(folder: Path, out: Path, movies: int) -> None:
    (folder / "frames").mkdir(parents=True)
    rng = np.random.default_rng(5)
    scene = np.exp(0.2 * rng.standard_normal((512, 512)))
    for number in range(movies):
        frames = np.stack([rng.poisson(np.roll(scene, f, 1)) for f in range(4)]).astype(np.int8)
        with mrcfile.new(folder / "frames" / f"m{number}.mrc") as file:
            file.set_data(frames)
    (folder / "weft.toml").write_text(TOML.format(out=out))


@pytest.mark.skipif(sys.platform != "linux", reason="needs tmpfs")
def test_a_full_disk_keeps_what_is_finished_and_says_one_sentence(tmp_path: Path) -> None:
    out = tmp_path / "disk"
    with small_disk(out, "size=5m"):
        make_project(tmp_path / "project", out, 8)
        done = run_weft(tmp_path / "project", "run", code=5)
        assert "the disk is full" in done.stderr
        finished = {path.stem for path in (out / "records").glob("*.json")}
        averages = sorted((out / "average").glob("*.mrc"))
        assert 0 < len(averages) < 8
        for path in averages:
            assert mrcfile.validate(path)
        assert {path.stem for path in averages} <= finished
        assert not list(out.rglob("*.tmp"))
        subprocess.run(["mount", "-o", "remount,size=60m", str(out)], check=True)
        again = run_weft(tmp_path / "project", "run")
        assert len(list((out / "average").glob("*.mrc"))) == 8
        assert f"{8 - len(averages)} done" in again.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="needs tmpfs")
def test_a_folder_that_cannot_be_written_is_told_before_anything_starts(tmp_path: Path) -> None:
    out = tmp_path / "disk"
    with small_disk(out, "size=5m,ro"):
        make_project(tmp_path / "project", out, 1)
        done = run_weft(tmp_path / "project", "run", code=5)
        assert "read-only" in done.stderr
