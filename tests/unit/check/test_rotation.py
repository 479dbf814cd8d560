"""SerialEM's rotation and flip against the settings' orientation of the gain."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.events import write_eer

from weft.check import Finding, check_project
from weft.check.rotation import STEPS_OF_CODE
from weft.io.mrc import write_mrc
from weft.movie.gain import turn
from weft.settings.file import make_settings, settings_text
from weft.settings.schema import InputSettings
from weft.state.project import Project

KEYS = ("gain_flip_x", "gain_flip_y", "gain_transpose")
TITLE = "SerialEMCCD: Dose frac. image, scaled by 32.00 r/f {}"


def write_movies(folder: Path, codes: list[int | None], kind: str = "mrc") -> None:
    (folder / "frames").mkdir(exist_ok=True)
    for number, code in enumerate(codes):
        path = folder / "frames" / f"TS_01_{number:03d}.{kind}"
        frames = np.ones((3, 64, 64), dtype=np.int8)
        title = "" if code is None else TITLE.format(code)
        if kind == "mrc":
            write_mrc(path, frames, 1.5, dtype="int8", label=title)
        elif kind == "tif":
            tifffile.imwrite(path, frames.astype(np.uint8), description=title, photometric="minisblack")
        else:
            write_eer(path, [[]] * 8, (64, 64))
        os.utime(path, (1e9, 1e9))


def write_mdoc(folder: Path, code: int) -> None:
    (folder / "mdoc").mkdir(exist_ok=True)
    text = f"[ZValue = 0]\nTiltAngle = 0\nSubFramePath = TS_01_000.mrc\nRotationAndFlip = {code}\n"
    (folder / "mdoc" / "TS_01.mdoc").write_text(text)


def checked(folder: Path, kind: str = "mrc", gain: str = "ref.mrc", **values: Any) -> dict[str, Finding]:
    if not (folder / gain).exists():
        write_mrc(folder / gain, np.ones((64, 64), dtype=np.float32), 1.5)
    given = {"movies": f"frames/*.{kind}", "raw_pixel_size_A": 1.5, "gain": gain, **values}
    (folder / "weft.toml").write_text(settings_text(make_settings({}, {"input": given})))
    return {one.code: one for one in check_project(Project.open(folder))}


@pytest.mark.parametrize("code", range(8))
def test_the_steps_do_what_the_code_says(code: int) -> None:
    shown = np.arange(12.0).reshape(3, 4)  # as displayed, top row first
    turned = np.rot90(shown[:, ::-1] if code >= 4 else shown, code % 4)
    steps = InputSettings(**dict(zip(KEYS, STEPS_OF_CODE[code], strict=True)))
    assert np.array_equal(turn(shown[::-1], steps), turned[::-1])  # MRC holds the bottom row first


def test_flips_that_differ_from_the_title_are_told(tmp_path: Path) -> None:
    write_movies(tmp_path, [3, 3])
    one = checked(tmp_path)["rotation"]
    assert one.level == "warning"
    assert one.message == (
        "SerialEM's r/f 3 (title of the movies) means gain_flip_x and gain_transpose; the settings have no flip"
    )
    right = checked(tmp_path, gain_flip_x=True, gain_transpose=True)["rotation"]
    assert right.level == "ok"


def test_the_title_wins_over_the_mdoc(tmp_path: Path) -> None:
    write_movies(tmp_path, [None])
    write_mdoc(tmp_path, 4)
    assert "r/f 4 (RotationAndFlip of the mdocs) means gain_flip_x;" in checked(tmp_path)["rotation"].message
    write_movies(tmp_path, [0])
    assert checked(tmp_path)["rotation"].level == "ok"


def test_without_a_code_a_square_gain_is_reminded_of_until_it_is_turned(tmp_path: Path) -> None:
    write_movies(tmp_path, [None])
    found = checked(tmp_path)
    assert "rotation" not in found
    assert found["gain_square"].level == "info"
    assert "gain_square" not in checked(tmp_path, gain_flip_x=True)
    write_movies(tmp_path, [0])
    assert "gain_square" not in checked(tmp_path)


def test_movies_of_different_codes(tmp_path: Path) -> None:
    write_movies(tmp_path, [0, 3])
    assert "r/f 0 and 3" in checked(tmp_path)["rotations"].message


@pytest.mark.parametrize(
    ("steps", "codes"),
    [
        ((True, False, True), {"gain_rows"}),  # as the code says, rows not thought of
        ((True, True, True), set()),
        ((False, False, False), {"rotation"}),
    ],
)
def test_a_tiff_movie_with_an_mrc_gain_may_need_a_flip_more(
    tmp_path: Path, steps: tuple[bool, bool, bool], codes: set[str]
) -> None:
    write_movies(tmp_path, [3], "tif")
    found = checked(tmp_path, "tif", gain_flip_x=steps[0], gain_flip_y=steps[1], gain_transpose=steps[2])
    assert {"rotation", "gain_rows"} & set(found) == codes


def test_without_a_code_the_rows_of_a_tiff_are_reminded_of(tmp_path: Path) -> None:
    write_movies(tmp_path, [None], "tif")
    assert "input.gain_flip_y = true" in checked(tmp_path, "tif")["gain_rows"].message
    assert "gain_rows" not in checked(tmp_path, "tif", gain_flip_y=True)


def test_an_eer_gain_that_relion_divides_by_is_told(tmp_path: Path) -> None:
    write_movies(tmp_path, [None], "eer")
    write_mdoc(tmp_path, 4)
    found = checked(tmp_path, "eer")
    assert "multiplies them by ref.mrc" in found["eer_gain"].message
    assert "rotation" not in found, "EER files are as the camera has them, whatever the mdoc says"
    assert "eer_gain" not in checked(tmp_path, "eer", gain_mode="divide")
    tifffile.imwrite(tmp_path / "ref.gain.tif", np.ones((64, 64), np.float32))
    (tmp_path / "ref.gain.tif").rename(tmp_path / "ref.gain")
    assert "eer_gain" not in checked(tmp_path, "eer", gain="ref.gain")
