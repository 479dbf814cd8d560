from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from weft.errors import BusyError
from weft.state.locks import claim, holder, is_alive, locked


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def forge(path: Path, **facts: object) -> None:
    path.write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "token": "forged", **facts}))


def test_only_one_gets_a_claim(tmp_path: Path) -> None:
    first = claim(tmp_path / "x.claim", work="a")
    assert first is not None
    assert claim(tmp_path / "x.claim") is None
    assert (holder(tmp_path / "x.claim") or {})["work"] == "a"
    first.release()
    assert claim(tmp_path / "x.claim") is not None


def test_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    forge(tmp_path / "x.claim", pid=dead_pid())
    taken = claim(tmp_path / "x.claim")
    assert taken is not None
    assert taken.is_inherited
    fresh = claim(tmp_path / "y.claim")
    assert fresh is not None
    assert not fresh.is_inherited


def test_a_later_process_with_the_same_number_is_not_the_holder(tmp_path: Path) -> None:
    forge(tmp_path / "x.claim", started="1")
    assert not is_alive(tmp_path / "x.claim")


def test_another_host_is_alive_while_its_heart_beats(tmp_path: Path) -> None:
    path = tmp_path / "x.claim"
    forge(path, host="elsewhere", pid=1)
    assert is_alive(path)
    os.utime(path, (0, 0))
    assert not is_alive(path)


def test_a_claim_that_was_taken_over_is_not_released(tmp_path: Path) -> None:
    path = tmp_path / "x.claim"
    mine = claim(path)
    assert mine is not None
    forge(path)
    assert not mine.is_ours()
    mine.release()
    assert path.exists()


def test_a_torn_claim_is_dead_once_it_is_old(tmp_path: Path) -> None:
    path = tmp_path / "x.claim"
    path.write_text('{"host"')
    assert is_alive(path)
    os.utime(path, (0, 0))
    assert claim(path) is not None


def test_waiting_for_a_lock_ends_with_a_sentence(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "l"),
        pytest.raises(BusyError, match="held by another process"),
        locked(tmp_path / "l", patience_s=0.05),
    ):
        pass
