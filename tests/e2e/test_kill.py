"""A run killed at any moment goes on where it was, and ends with the same files as one left in peace."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mrcfile
import numpy as np
import pytest

WEFT = [sys.executable, "-m", "weft"]
TOML = """
[input]
movies = "frames/*.mrc"
raw_pixel_size_A = 5.0
[output]
halves = true
[compute]
workers = 2
threads = 1
"""


def make_project(folder: Path, movies: int, *, side: int = 256) -> None:
    """Write movies of a drifting random scene, counted."""
    (folder / "frames").mkdir(parents=True)
    rng = np.random.default_rng(5)
    scene = np.exp(0.2 * rng.standard_normal((side, side)))
    for number in range(movies):
        frames = np.stack([rng.poisson(np.roll(scene, f, 1)) for f in range(4)]).astype(np.int8)
        with mrcfile.new(folder / "frames" / f"m{number:02}.mrc") as file:
            file.set_data(frames)
    (folder / "weft.toml").write_text(TOML)


def files_of(out: Path) -> dict[str, str]:
    """Return a hash of every result; logs, claims and caches are no results."""
    skipped = {"log", "claims", "cache", ".staging"}
    found = {}
    for path in sorted(out.rglob("*")):
        inside = path.relative_to(out)
        if path.is_file() and inside.parts[0] not in skipped and not inside.name.startswith("index.sqlite"):
            found[str(inside)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def finished_items(out: Path) -> list[str]:
    """Return the items that runs say they finished, in all logs."""
    names = []
    for log in sorted((out / "log").glob("run-*.jsonl")):
        for line in log.read_text().splitlines():
            event = json.loads(line)
            if event["event"] == "item_started":
                names.append(event["item"])
    return names


def records_of(out: Path) -> set[str]:
    return {path.stem for path in (out / "records").glob("*.json")}


@pytest.mark.slow
def test_killed_ten_times_a_run_loses_and_repeats_nothing(tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    make_project(undisturbed, 12)
    shutil.copytree(undisturbed, disturbed)  # made twice, the movies' headers would tell two times
    began = time.monotonic()
    subprocess.run([*WEFT, "run"], cwd=undisturbed, check=True, capture_output=True)
    whole_s = time.monotonic() - began
    out = disturbed / "weft"
    chance = random.Random(7)
    done_before: set[str] = set()
    for kill in range(10):
        process = subprocess.Popen(
            [*WEFT, "run"], cwd=disturbed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        if kill % 3 == 2:  # while a second or third movie is in hand, however slow the machine has become
            while process.poll() is None and records_of(out) <= done_before:
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.1) * whole_s)
        else:  # at any moment, the first seconds of starting up among them
            time.sleep(chance.uniform(0.05, 0.8) * whole_s)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for path in (out / "records").glob("*.json"):
            record = json.loads(path.read_text())
            files = [file for stage in record["stages"].values() for file in stage["files"]]
            assert all((out / file).stat().st_size > 0 for file in files)
        assert done_before <= records_of(out)
        done_before = records_of(out)
    assert done_before, "no movie was finished between the kills"
    started = finished_items(out)
    subprocess.run([*WEFT, "run"], cwd=disturbed, check=True, capture_output=True)
    again = finished_items(out)[len(started) :]
    assert not done_before & set(again), "a finished movie was done twice"
    assert records_of(out) == {f"m{number:02}" for number in range(12)}
    assert files_of(out) == files_of(undisturbed / "weft")


@pytest.mark.slow
def test_two_runs_at_once_share_the_work(tmp_path: Path) -> None:
    make_project(tmp_path, 8)
    runs = [
        subprocess.Popen(
            [*WEFT, "run", "--json"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300) for process in runs]
    assert [process.returncode for process in runs] == [0, 0], outputs
    done = [json.loads(line) for output, _ in outputs for line in output.splitlines()]
    assert records_of(tmp_path / "weft") == {f"m{n:02}" for n in range(8)}
    stages = [(e["item"], e["stage"]) for e in done if e["event"] == "stage_done"]
    assert len(stages) == len(set(stages)), "a stage was done twice"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "to_group"), [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGUSR1, True)]
)
def test_an_interrupt_finishes_the_movies_in_hand(number: int, to_group: bool, tmp_path: Path) -> None:
    """Batch systems signal every process of a job: the workers, too."""
    make_project(tmp_path, 12)
    process = subprocess.Popen(
        [*WEFT, "run", "--json"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "item_done":
            (os.killpg if to_group else os.kill)(process.pid, number)
            break
    rest = [json.loads(line) for line in process.stdout]
    assert process.wait(120) == 130
    assert rest[-1]["end"] == "interrupted"
    assert not [event for event in rest if event["event"] == "item_failed"]
    assert 0 < len(records_of(tmp_path / "weft")) < 12
    assert not list((tmp_path / "weft" / "claims").glob("*.claim"))
    again = subprocess.run([*WEFT, "run"], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(records_of(tmp_path / "weft")) == 12


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
def test_what_a_lost_worker_was_to_redo_counts_as_not_done(tmp_path: Path) -> None:
    make_project(tmp_path, 1)
    subprocess.run([*WEFT, "run"], cwd=tmp_path, check=True, capture_output=True)
    process = subprocess.Popen(
        [*WEFT, "run", "--redo", "--json"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "item_started":
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            break
    process.stdout.read()
    assert process.wait(120) == 1
    record = json.loads((tmp_path / "weft/records/m00.json").read_text())
    assert record["stages"] == {}
    assert record["motion"] is None
    assert "compute.workers lower" in record["failure"]["message"]
    subprocess.run([*WEFT, "retry"], cwd=tmp_path, check=True, capture_output=True)
    assert json.loads((tmp_path / "weft/records/m00.json").read_text())["failure"] is None


@pytest.mark.slow
def test_a_second_run_with_other_settings_is_refused(tmp_path: Path) -> None:
    make_project(tmp_path, 12)
    first = subprocess.Popen([*WEFT, "run"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    claims = tmp_path / "weft" / "claims"
    deadline = time.monotonic() + 60
    while not list(claims.glob("run-*.claim")) and time.monotonic() < deadline:
        time.sleep(0.02)
    second = subprocess.run(
        [*WEFT, "run", "--ctf.range_A", "30", "5"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    first.terminate()
    first.wait(120)
    assert second.returncode == 6
    assert "other settings" in second.stderr
