from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile

from weft.cli.look import Look, look_at
from weft.cli.main import main
from weft.settings.file import read_settings

MDOC = "PixelSpacing = 2.7\nVoltage = 200\n\n[ZValue = 0]\nTiltAngle = 0.0\nExposureDose = {dose}\n"


def movie(path: Path, frames: int = 4, side: int = 64, pixel_A: float = 2.7, dtype: str = "int8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path) as file:
        file.set_data(np.zeros((frames, side, side + 16), dtype=dtype))
        file.voxel_size = pixel_A


def gain(path: Path, shape: tuple[int, int] = (64, 80)) -> None:
    with mrcfile.new(path) as file:
        file.set_data(np.ones(shape, dtype=np.float32))


def told(look: Look) -> str:
    return "\n".join((*look.found, *look.doubts))


def test_movies_pixel_size_mdocs_and_gain_are_found(tmp_path: Path) -> None:
    for number in range(3):
        movie(tmp_path / "raw" / f"TS_01_{number:03}.mrc")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "TS_01.mrc.mdoc").write_text(MDOC.format(dose=3))
    gain(tmp_path / "CountRef_gain.mrc", (80, 64))
    look = look_at(tmp_path, {})
    assert look.settings == {
        "input": {
            "movies": "raw/*.mrc",
            "mdocs": "logs/*.mdoc",
            "raw_pixel_size_A": 2.7,
            "gain": "CountRef_gain.mrc",
            "gain_transpose": True,
        },
        "optics": {"voltage_kV": 200.0},
    }
    assert "3 movies (MRC, 4 frames of 80 × 64)" in told(look)
    assert "flips cannot be told" in told(look)


def test_a_gain_among_the_movies_is_left_out_of_their_pattern(tmp_path: Path) -> None:
    for number in (1, 2, 11):
        movie(tmp_path / f"TS_{number:02}.mrc")
    gain(tmp_path / "gain.mrc")
    look = look_at(tmp_path, {})
    assert look.settings["input"]["movies"] == "TS_*.mrc"
    assert look.settings["input"]["gain"] == "gain.mrc"


@pytest.mark.parametrize("name", ["CountRef_TS_01_000.mrc", "SuperRef_TS_01_000.mrc"])
def test_serialems_copy_of_the_gain_is_found(tmp_path: Path, name: str) -> None:
    for number in range(2):
        movie(tmp_path / "frames" / f"TS_01_{number:03}.mrcs")
    gain(tmp_path / "frames" / name)
    assert look_at(tmp_path, {}).settings["input"]["gain"] == f"frames/{name}"


def test_of_several_gains_the_one_that_the_mdocs_name_is_used(tmp_path: Path) -> None:
    movie(tmp_path / "frames" / "TS_01_000.mrcs")
    for name in ("CountRef_old.mrc", "CountRef_new.mrc", "reference.mrc"):
        gain(tmp_path / "frames" / name)
    assert "gain" not in look_at(tmp_path, {}).settings["input"]
    (tmp_path / "frames" / "TS_01_000.mrcs.mdoc").write_text("[FrameSet = 0]\nGainReference = D:\\f\\Reference.mrc\n")
    assert look_at(tmp_path, {}).settings["input"]["gain"] == "frames/reference.mrc"


def test_movies_may_be_called_gain(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for number in range(2):
        tifffile.imwrite(
            tmp_path / "frames" / f"gain_{number}.tif", np.ones((5, 64, 80), np.uint8), photometric="minisblack"
        )
    gain(tmp_path / "gain.mrc")
    look = look_at(tmp_path, {})
    assert look.settings["input"]["movies"] == "frames/*.tif"
    assert look.settings["input"]["gain"] == "gain.mrc"
    assert "the headers tell no pixel size" in told(look)


def test_a_folder_per_series_becomes_one_pattern(tmp_path: Path) -> None:
    for series in ("TS_01", "TS_02"):
        for number in range(2):
            movie(tmp_path / "raw" / series / f"{series}_{number}.mrc")
    assert look_at(tmp_path, {}).settings["input"]["movies"] == "raw/*/*.mrc"


def test_a_tilt_series_alone_is_not_taken_for_a_movie(tmp_path: Path) -> None:
    movie(tmp_path / "TS_02.st", frames=5)
    look = look_at(tmp_path, {})
    assert "movies" not in look.settings["input"]
    assert "TS_02.st: tilt series, not movies, and no movies were found; set input.movies" in told(look)
    assert 'input.movies = "*.st" takes them in' in told(look_at(tmp_path, {"movies": "*.st"}))


def test_a_stack_that_its_mdoc_gives_away_is_left_alone_beside_movies(tmp_path: Path) -> None:
    movie(tmp_path / "TS_01.mrc", frames=3, side=128)
    (tmp_path / "TS_01.mrc.mdoc").write_text("".join(f"[ZValue = {z}]\nTiltAngle = {z}\n" for z in range(3)))
    movie(tmp_path / "frames" / "TS_01_000.mrc")
    look = look_at(tmp_path, {})
    assert look.settings["input"]["movies"] == "frames/*.mrc"
    assert "TS_01.mrc: tilt series, not movies; left alone" in told(look)
    movie(tmp_path / "TS_01_000.mrc")
    movie(tmp_path / "TS_01_001.mrc")
    assert "TS_01.mrc: tilt series, not movies, and input.movies" in told(look_at(tmp_path, {}))


def test_averages_beside_movies_are_not_taken_for_them(tmp_path: Path) -> None:
    for number in range(5):
        movie(tmp_path / "averages" / f"a_{number}.mrc", frames=1, dtype="float32")
    for number in range(2):
        movie(tmp_path / "movies" / f"m_{number}.mrcs")
    look = look_at(tmp_path, {})
    assert look.settings["input"]["movies"] == "movies/*.mrcs"


def test_single_images_pass_when_there_is_nothing_else(tmp_path: Path) -> None:
    movie(tmp_path / "averages" / "a_1.mrc", frames=1, dtype="float32")
    assert "one frame only" in told(look_at(tmp_path, {}))


@pytest.mark.parametrize(("dose", "is_told"), [("0", True), ("3.1", False)])
def test_an_exposure_of_zero_in_the_mdoc_is_a_doubt(tmp_path: Path, dose: str, is_told: bool) -> None:
    (tmp_path / "TS_01.mdoc").write_text(MDOC.format(dose=dose))
    assert ("tell no exposure" in told(look_at(tmp_path, {}))) is is_told


def test_a_gain_of_another_size_is_not_used(tmp_path: Path) -> None:
    movie(tmp_path / "m_1.mrc")
    gain(tmp_path / "gain.mrc", (100, 100))
    look = look_at(tmp_path, {})
    assert "gain" not in look.settings["input"]
    assert "gain.mrc is 100 × 100, the movies are 80 × 64" in told(look)


def test_float_movies_are_not_multiplied_by_a_gain(tmp_path: Path) -> None:
    movie(tmp_path / "m_1.mrc", dtype="float32")
    gain(tmp_path / "gain.mrc")
    assert "gain" not in look_at(tmp_path, {}).settings["input"]


def test_linked_folders_are_looked_into_and_damaged_files_passed_over(tmp_path: Path) -> None:
    movie(tmp_path / "elsewhere" / "m_1.mrc")
    (tmp_path / "elsewhere" / "m_0.mrc").write_text("this is no movie\n" * 100)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "frames").symlink_to(tmp_path / "elsewhere")
    assert look_at(tmp_path / "project", {}).settings["input"]["movies"] == "frames/*.mrc"


def test_init_writes_a_file_with_flags_and_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    movie(tmp_path / "frames" / "TS_01_001.mrc")
    words = ["init", str(tmp_path), "--input.bin", "1", "--input.exposure_e_A2", "3", "--ctf.defocus_um", "1", "6"]
    assert main([*words, "--dry-run"]) == 0
    assert not (tmp_path / "weft.toml").exists()
    assert main(words) == 0
    settings = read_settings(tmp_path / "weft.toml")
    assert (settings.input.bin, settings.input.exposure_e_A2, settings.ctf.defocus_um) == (1, 3, (1, 6))
    assert settings.input.raw_pixel_size_A == 2.7
    assert "weft run" in capsys.readouterr().err


def test_init_of_an_empty_folder_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path)]) == 0
    assert "no movies were found" in capsys.readouterr().out


def test_init_with_a_pattern_uses_it(tmp_path: Path) -> None:
    movie(tmp_path / "a" / "x.mrc", pixel_A=1.5)
    movie(tmp_path / "b" / "y.mrc", pixel_A=2.5)
    assert main(["init", str(tmp_path), "--movies", "b/*.mrc", "-q"]) == 0
    settings = read_settings(tmp_path / "weft.toml")
    assert settings.input.movies == "b/*.mrc"
    assert settings.input.raw_pixel_size_A == 2.5
