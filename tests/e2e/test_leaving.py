"""Stacks and exports as whole commands: killed at any moment or stopped by a full disk, what is there is whole, and a second go mends it."""

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
from typing import Any

import mrcfile
import pytest
from tests.commands import ONE_THREAD, WEFT, call_weft, run_weft
from tests.disks import small_disk
from tests.export_project import Made, make_processed, movie_of

from weft.io.star import read_star
from weft.io.warpxml import is_ours
from weft.state.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="needs tmpfs and kill")]

ANGLES = tuple(float(angle) for angle in range(-18, 19, 3))
SERIES = 3
KILLS = 6
STACKS = {"imod": ".st", "dynamo": ".st", "aretomo": ".mrc"}


def make(folder: Path, *, shape: tuple[int, int] = (256, 288), out: Path | None = None) -> Project:
    settings: dict[str, dict[str, Any]] = {
        "series": {"hand": -1},
        **({"output": {"folder": str(out)}} if out is not None else {}),
    }
    project = make_processed(Made(folder, SERIES, ANGLES, settings=settings, halves=False, shape=shape))
    assert call_weft(folder, "import", "-q") == 0
    return project


def files_of(folder: Path) -> dict[str, str]:
    """Return a hash of everything in a folder, hidden files, too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def stacks_are_whole(out: Path) -> int:
    """Make sure that each stack that can be seen is whole; return how many there are."""
    count = 0
    for folder, ending in STACKS.items():
        for place in sorted((out / folder).glob("*")):
            assert not place.name.startswith("."), "a program that watches the folder must not see this"
            stack = place / f"{place.name}{ending}"
            assert mrcfile.validate(stack)
            sections = json.loads((place / f"{place.name}_stack.json").read_text())["files_sections"]
            with mrcfile.open(stack, header_only=True) as file:
                assert int(file.header.nz) == len(sections)
            assert len((place / f"{place.name}.rawtlt").read_text().splitlines()) == len(sections)
            count += 1
    return count


def tables_are_whole(out: Path, rows: set[int]) -> None:
    """Make sure that what stands under its final name is whole."""
    for path in out.rglob("*.star"):
        if not path.name.startswith("."):
            (name, block), *_ = read_star(path).items()
            assert block.values or block.loop
            if path.parent.name == "tilt_series":
                assert name == path.stem
                assert block.loop is not None
                assert len(block.loop) in rows
    for path in (out / "warp_tiltseries").glob("[!.]*.xml"):
        assert is_ours(path.read_bytes())
    for path in out.glob("processed_items.json"):
        json.loads(path.read_text())


def kill_midway(folder: Path, words: list[str], after_s: float) -> None:
    process = subprocess.Popen(
        [*WEFT, *words], cwd=folder, env=ONE_THREAD, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize(
    "words", [["stack"], ["export", "aretomo"], ["export", "relion"], ["export", "warp"]], ids=" ".join
)
def test_killed_at_any_moment_what_is_there_is_whole_and_again_mends_it(words: list[str], tmp_path: Path) -> None:
    undisturbed = make(tmp_path / "undisturbed")
    shutil.copytree(tmp_path / "undisturbed", tmp_path / "disturbed")
    disturbed = Project.open(tmp_path / "disturbed")
    began = time.monotonic()
    run_weft(undisturbed.folder, *words)
    whole_s = time.monotonic() - began
    chance = random.Random(len(words[-1]))
    force = ["--force"] if words[-1] in {"stack", "aretomo"} else []
    for number in range(KILLS):
        if number == KILLS // 2:  # from here on there is an older one to be replaced
            run_weft(disturbed.folder, *words)
            call_weft(disturbed.folder, "drop", "-q", movie_of(1, 3, ANGLES[3]))
        kill_midway(disturbed.folder, [*words, *force], chance.uniform(0.3, 1.0) * whole_s)
        stacks_are_whole(disturbed.out)
        tables_are_whole(disturbed.out, {len(ANGLES), len(ANGLES) - 1})
    call_weft(disturbed.folder, "undo", "-q")
    run_weft(disturbed.folder, *words)
    left = {"claims/", "index.sqlite", "decisions.jsonl"}
    found, wanted = (
        {name: value for name, value in files_of(one.out).items() if not name.startswith(tuple(left))}
        for one in (disturbed, undisturbed)
    )
    assert found == wanted


@pytest.mark.parametrize("words", [["stack"], ["export", "relion"]], ids=" ".join)
def test_a_full_disk_leaves_only_what_is_whole(words: list[str], tmp_path: Path) -> None:
    out = tmp_path / "disk"
    with small_disk(out, "size=60m"):
        project = make(tmp_path / "project", out=out)
        taken = sum(path.stat().st_blocks * 512 for path in out.rglob("*"))
        stack = len(ANGLES) * 256 * 288 * 4
        room = 1.6 * stack if words == ["stack"] else 40_000
        (out / "ballast").write_bytes(bytes(int(60 * 2**20 - taken - room)))
        done = run_weft(project.folder, *words, code=5)
        assert "the disk is full" in done.stderr
        assert stacks_are_whole(out) == (1 if words == ["stack"] else 0)
        tables_are_whole(out, {len(ANGLES)})
        assert not list(out.rglob("*.tmp"))
        assert not list((out / ".staging").glob("*"))
        (out / "ballast").unlink()
        run_weft(project.folder, *words)
        if words == ["stack"]:
            assert stacks_are_whole(out) == SERIES
        else:
            assert len(list((out / "relion" / "tilt_series").glob("*.star"))) == SERIES
