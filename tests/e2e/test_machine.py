"""What the machine does to a run: a full disk, a folder that cannot be written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mrcfile
import numpy as np
import pytest

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


def weft(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "weft", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


def make_project(folder: Path, out: Path, movies: int) -> None:
    (folder / "frames").mkdir(parents=True)
    rng = np.random.default_rng(5)
    scene = np.exp(0.2 * rng.standard_normal((512, 512)))
    for number in range(movies):
        frames = np.stack([rng.poisson(np.roll(scene, f, 1)) for f in range(4)]).astype(np.int8)
        with mrcfile.new(folder / "frames" / f"m{number}.mrc") as file:
            file.set_data(frames)
    (folder / "weft.toml").write_text(TOML.format(out=out))


@contextmanager
def small_disk(place: Path, options: str) -> Iterator[None]:
    """Mount a file system of a given size in memory; skip where that is not allowed."""
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"mounting a file system is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True, capture_output=True)


@pytest.mark.skipif(sys.platform != "linux", reason="needs tmpfs")
def test_a_full_disk_keeps_what_is_finished_and_says_one_sentence(tmp_path: Path) -> None:
    out = tmp_path / "disk"
    with small_disk(out, "size=5m"):
        make_project(tmp_path / "project", out, 8)
        done = weft(tmp_path / "project", "run")
        assert done.returncode == 5, done.stdout + done.stderr
        assert "the disk is full" in done.stderr
        assert "Traceback" not in done.stderr
        finished = {path.stem for path in (out / "records").glob("*.json")}
        averages = sorted((out / "average").glob("*.mrc"))
        assert 0 < len(averages) < 8
        for path in averages:
            assert mrcfile.validate(path)
        assert {path.stem for path in averages} <= finished
        assert not list(out.rglob("*.tmp"))
        subprocess.run(["mount", "-o", "remount,size=60m", str(out)], check=True)
        again = weft(tmp_path / "project", "run")
        assert again.returncode == 0, again.stdout + again.stderr
        assert len(list((out / "average").glob("*.mrc"))) == 8
        assert f"{8 - len(averages)} done" in again.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="needs tmpfs")
def test_a_folder_that_cannot_be_written_is_told_before_anything_starts(tmp_path: Path) -> None:
    out = tmp_path / "disk"
    with small_disk(out, "size=5m,ro"):
        make_project(tmp_path / "project", out, 1)
        done = weft(tmp_path / "project", "run")
        assert done.returncode == 5, done.stdout + done.stderr
        assert "read-only" in done.stderr
        assert "Traceback" not in done.stderr
