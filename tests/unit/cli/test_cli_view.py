"""Pictures in the terminal and as PNG."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.commands import call_weft
from tests.export_project import ANGLES, Made, make_processed, movie_of

from weft.cli.terminal import picture_lines, speaks_kitty
from weft.io.atomic import write_bytes
from weft.signal.picture import thumbnail_jpeg
from weft.signal.sheet import Cell, contact_sheet
from weft.state.project import Project

Capture = pytest.CaptureFixture[str]
RAMP = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None], 32, axis=0)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_processed(Made(tmp_path / "p", series=2))
    rng = np.random.default_rng(3)
    for series in (1, 2):
        for index, angle in enumerate(ANGLES):
            if (series, index) == (2, 4):
                continue  # not processed yet
            image = rng.normal(10, 2, (48, 64)).astype(np.float32)
            write_bytes(made.path("thumbnail", movie_of(series, index, angle)), thumbnail_jpeg(image))
    assert call_weft(made.folder, "import", "-q") == 0
    return made


def test_a_pipe_gets_names_and_files(project: Project, capsys: Capture) -> None:
    assert call_weft(project.folder, "view", "TS_01_000") == 0
    name = movie_of(1, 0, 0.0)
    assert capsys.readouterr().out == f"{name}\t{project.path('thumbnail', name)}\n"


def test_a_sheet_shows_a_series_by_tilt_with_dropped_images_dimmed(project: Project, tmp_path: Path) -> None:
    call_weft(project.folder, "drop", "-q", movie_of(1, 3, -6.0))
    file = tmp_path / "sheet.png"
    assert call_weft(project.folder, "view", "-q", "TS_01", "--sheet", "--png", str(file), "--side", "64") == 0
    sheet = np.asarray(Image.open(file))
    first = sheet[4:68, 4:68]  # the lowest tilt, which is dropped
    second = sheet[4:68, 72:136]
    assert 0 < first.mean() < 0.5 * second.mean()


def test_images_without_a_picture_leave_a_gap(project: Project, capsys: Capture) -> None:
    assert call_weft(project.folder, "view", "TS_02", "--sheet", "--json") == 0
    images = json.loads(capsys.readouterr().out)["images"]
    assert [image["exists"] for image in images] == [True, True, True, True, False]
    assert call_weft(project.folder, "view", movie_of(2, 4, 6.0)) == 3
    assert "has no picture yet; `weft run` makes it" in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("TS_0*", "--png", "a.png"), ("TS_0*",), ("TS_01_000", "--side", "3")])
def test_wrong_usage_is_one_sentence(project: Project, capsys: Capture, words: tuple[str, ...]) -> None:
    assert call_weft(project.folder, "view", *words) == 2
    assert capsys.readouterr().err.startswith("weft view")


def test_half_blocks_hold_two_rows_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "65")
    monkeypatch.setenv("LINES", "40")
    lines = picture_lines(RAMP, {"TERM": "xterm-256color"})
    assert len(lines) == 16
    assert {line.count("▀") for line in lines} == {64}
    greys = [int(grey) for grey in re.findall(r"38;5;(\d+)", lines[0])]
    assert greys == sorted(greys)
    assert 232 <= greys[0] < 243 < greys[-1] <= 255
    assert lines[0].endswith("\x1b[0m")


def test_without_colours_letters_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "65")
    monkeypatch.setenv("LINES", "40")
    (line, *_) = picture_lines(RAMP, {"TERM": "xterm", "NO_COLOR": "1"})
    assert line == "".join(sorted(line, key=" .:-=+*#%@".index))
    assert len(line) == 64
    assert len(set(line)) > 4


def test_kittys_protocol_only_where_it_arrives() -> None:
    assert speaks_kitty({"TERM": "xterm-kitty"})
    assert not speaks_kitty({"TERM": "xterm-kitty", "TMUX": "/tmp/x"})
    (text,) = picture_lines(RAMP, {"TERM": "xterm-kitty"})
    assert text.startswith("\x1b_Ga=T,f=100,")
    assert text.endswith("\x1b\\")


def test_a_sheet_has_as_many_cells_as_images() -> None:
    cells = [Cell(str(number), RAMP) for number in range(7)]
    assert contact_sheet(cells, 64, columns=3).shape == (3 * (64 + 12 + 4) + 4, 3 * 68 + 4)
