"""What was written is read back from the disk before the page says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from weft.io.mrc import write_mrc
from weft.server.readback import read_back

SHAPE = (3, 8, 8)


def written(folder: Path) -> Path:
    """A stack with its angles."""
    path = folder / "TS_01.st"
    write_mrc(path, np.random.default_rng(1).normal(0, 1, SHAPE).astype(np.float32), 2.0)
    path.with_suffix(".rawtlt").write_text("-3.00\n0.00\n3.00\n")
    return path


def told(path: Path, **more: Any) -> dict[str, Any]:
    """What the verb says of it."""
    return {"stacks": [{"series": "TS_01", "file": str(path), "sections": 3, "is_new": True}], "dry_run": False, **more}


def cut(path: Path) -> None:
    """Lose the end, as on a full disk."""
    path.write_bytes(path.read_bytes()[:-64])


def blank_end(path: Path) -> None:
    """Lose the last section, as on a share that fills holes with zeros."""
    data = path.read_bytes()
    path.write_bytes(data[:-256] + bytes(256))


def lose_angle(path: Path) -> None:
    """Lose an angle."""
    path.with_suffix(".rawtlt").write_text("-3.00\n0.00\n")


def shorten(path: Path) -> None:
    """Have another stack in its place."""
    write_mrc(path, np.random.default_rng(1).normal(0, 1, (2, 8, 8)).astype(np.float32), 2.0)


def test_a_whole_stack_has_no_faults(tmp_path: Path) -> None:
    found = read_back(told(written(tmp_path)))
    assert found is not None
    assert (found.files, found.faults) == (1, ())


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (cut, "TS_01.st"),
        (blank_end, "last section"),
        (lose_angle, "2 angles"),
        (shorten, "2 sections"),
        (Path.unlink, ""),
    ],
)
def test_harm_to_a_stack_is_told(tmp_path: Path, harm: Callable[[Path], None], words: str) -> None:
    path = written(tmp_path)
    harm(path)
    found = read_back(told(path))
    assert found is not None
    assert len(found.faults) == 1
    assert words in found.faults[0]


def test_what_was_not_written_is_not_read(tmp_path: Path) -> None:
    gone = tmp_path / "gone.st"
    assert read_back(told(gone, dry_run=True)) is None
    assert read_back(None) is None
    old = told(gone)
    old["stacks"][0]["is_new"] = False
    found = read_back(old)
    assert found is not None
    assert (found.files, found.faults) == (0, ())


def test_a_job_reads_its_stacks_back(client: TestClient) -> None:
    for files in (2, 0):  # the second time all is up to date
        job = client.post("/api/jobs", json={"verb": "stack"}).json()
        while job["is_running"]:
            time.sleep(0.05)
            job = client.get(f"/api/jobs/{job['id']}").json()
        assert job["exit_code"] == 0, job["message"]
        assert job["read_back"] == {"files": files, "faults": []}
