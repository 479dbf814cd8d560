"""Watching before the microscope has written its gain reference."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from weft.cli.main import main
from weft.io.mrc import write_mrc

TOML = '[input]\ngain = "CountRef.mrc"\nraw_pixel_size_A = 1.5\n[ctf]\nenabled = false\n[fiducials]\nenabled = false\n'
WORDS = ["--interval-s", "0.05", "--quiet-min", "0", "--compute.workers", "1"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "frames").mkdir()
    write_mrc(tmp_path / "frames" / "a.mrc", np.ones((2, 64, 64), dtype=np.int8), 1.5, dtype="int8")
    (tmp_path / "weft.toml").write_text(TOML + "[motion]\nenabled = false\n")
    return tmp_path


def test_movies_wait_for_the_gain_reference(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = threading.Event()
    messages: list[str] = []

    def message(text: str) -> None:
        messages.append(text)
        said.set()

    monkeypatch.setattr("weft.cli.awaiting.message", message)

    def microscope() -> None:
        said.wait(60)
        write_mrc(folder / "CountRef.mrc", np.ones((64, 64), dtype=np.float32), 1.5)

    writer = threading.Thread(target=microscope)
    writer.start()
    code = main(["watch", "-C", str(folder), "--interval-s", "0.05", "--quiet-min", "0.05", "--compute.workers", "1"])
    writer.join()
    assert code == 0
    assert capsys.readouterr().out.endswith("1 movie processed\n")
    assert len(messages) == 1, "once, however long it takes"
    assert "CountRef.mrc (input.gain): not there yet" in messages[0]
    assert (folder / "weft" / "average" / "a.mrc").exists()


def test_waiting_for_a_gain_ends_when_no_movie_comes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "-C", str(folder), "--json", *WORDS]) == 3
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0] == {"event": "waiting", "files": {"input.gain": str(folder / "CountRef.mrc")}}
    assert "has not come" in events[-1]["error"]
    assert not list((folder / "weft" / "claims").glob("*.claim")), "the project is free again"


def test_a_run_does_not_wait(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-C", str(folder)]) == 3
    assert "no such file, but input.gain names it" in capsys.readouterr().err
