"""Checks: each mistake is found, named with its place and its mending; good input is left alone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.check import Finding, check_project
from weft.check.space import needed_bytes
from weft.cli.main import main
from weft.io.mrc import write_mrc
from weft.pipeline.plan import make_plan
from weft.settings.file import make_settings, settings_text
from weft.settings.schema import Settings
from weft.state.project import Project

MDOC = """PixelSpacing = {pixel}
Voltage = 300

[T =     Tilt axis angle = 85.3, binning = 1  spot = 8  camera = 0]

"""
SECTION = """[ZValue = {z}]
TiltAngle = {tilt}
ExposureDose = {exposure}
SubFramePath = D:\\frames\\{file}
DateTime = 06-Apr-15  17:{z:02d}:12

"""


def movie(path: Path, shape: tuple[int, int, int] = (4, 64, 96), pixel_A: float = 1.5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mrc(path, np.ones(shape, dtype=np.int8), pixel_A, dtype="int8")
    os.utime(path, (1e9, 1e9))


def mdoc(folder: Path, names: list[str], pixel: float = 1.5, exposure: float = 3.0) -> None:
    (folder / "mdoc").mkdir(exist_ok=True)
    sections = [
        SECTION.format(z=z, tilt=3.0 * z, exposure=exposure, file=f"{name}.mrc") for z, name in enumerate(names)
    ]
    (folder / "mdoc" / "TS_01.mrc.mdoc").write_text(MDOC.format(pixel=pixel) + "".join(sections))


def project(folder: Path, **tables: Any) -> Project:
    values = {"input": {"raw_pixel_size_A": 1.5, "exposure_e_A2": 3.0}, **tables}
    (folder / "weft.toml").write_text(settings_text(make_settings({}, values)))
    return Project.open(folder)


def good(folder: Path) -> None:
    names = [f"TS_01_{i:03d}" for i in range(4)]
    for name in names:
        movie(folder / "frames" / f"{name}.mrc")
    mdoc(folder, names)


@contextmanager
def opened_under(folder: Path) -> Iterator[list[str]]:
    """Note which files of a folder are opened."""
    seen: list[str] = []
    watching = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "open" and str(arguments[0]).startswith(f"{folder}/"):
            seen.append(str(arguments[0]))

    sys.addaudithook(hook)  # stays for good, but notes nothing afterwards
    try:
        yield seen
    finally:
        watching = False


def found(folder: Path, **tables: Any) -> dict[str, Finding]:
    findings = check_project(project(folder, **tables))
    for one in findings:
        assert one.message
        assert not one.message.endswith(".")
        assert one.level in {"ok", "info"} or one.fix or one.code == "mdoc"
    return {one.code: one for one in findings if one.level != "ok"}


def test_good_input_is_left_alone(tmp_path: Path) -> None:
    good(tmp_path)
    assert not {code: one for code, one in found(tmp_path).items() if one.level != "info"}


def test_headers_of_known_movies_are_not_read_again(tmp_path: Path) -> None:
    good(tmp_path)
    (tmp_path / "weft").mkdir()
    movies = sorted((tmp_path / "frames").iterdir())
    with opened_under(tmp_path / "frames") as first:
        before = check_project(project(tmp_path))
    assert sorted(set(first)) == [str(path) for path in movies]
    with opened_under(tmp_path / "frames") as second:
        assert check_project(project(tmp_path)) == before
    assert second == []
    with opened_under(
        tmp_path / "frames"
    ) as planned:  # what the check read of new movies, the plan need not read again
        make_plan(project(tmp_path))
    assert planned == []
    os.utime(movies[1], (2e9, 2e9))
    movie(tmp_path / "frames" / "TS_01_009.mrc")
    with opened_under(tmp_path / "frames") as third:
        check_project(project(tmp_path))
    assert sorted(set(third)) == [str(movies[1]), str(tmp_path / "frames" / "TS_01_009.mrc")]


def test_headers_are_read_again_when_settings_change_what_they_say(tmp_path: Path) -> None:
    good(tmp_path)
    (tmp_path / "weft").mkdir()
    check_project(project(tmp_path))
    with opened_under(tmp_path / "frames") as again:
        check_project(project(tmp_path, input={"raw_pixel_size_A": 1.5, "mrc_mode0": "unsigned"}))
    assert len(set(again)) == 4


def test_what_had_to_be_decided_on_reading_is_told_once(tmp_path: Path) -> None:
    for number in range(3):
        stack = np.full((2, 64, 64), 40, dtype=np.int8)
        stack[0, :8] = np.arange(-128, -64).reshape(1, 64)  # both bytes beyond 127 and below: a gap between them
        path = tmp_path / "frames" / f"m{number}.mrc"
        write_mrc(path, stack, 1.5, dtype="int8")
        data = bytearray(path.read_bytes())
        data[76:88] = bytes(12)  # limits that tell nothing
        path.write_bytes(data)
        os.utime(path, (1e9, 1e9))
    one = found(tmp_path)["reading"]
    assert one.level == "info"
    assert one.message.startswith("m0: 8-bit pixels taken as signed")
    assert one.message.endswith("(and 2 movies alike)")


def test_a_movie_that_cannot_be_read_is_looked_at_each_time(tmp_path: Path) -> None:
    good(tmp_path)
    (tmp_path / "weft").mkdir()
    bad = tmp_path / "frames" / "TS_01_007.mrc"
    bad.write_bytes(b"text\n" * 1000)
    for _ in range(2):
        with opened_under(tmp_path / "frames") as opened:
            assert "text file" in found(tmp_path)["unreadable"].message
        assert str(bad) in opened


def test_no_movies_names_the_pattern_and_where_they_may_be(tmp_path: Path) -> None:
    movie(tmp_path / "frames" / "TS_01_000.mrcs")
    one = found(tmp_path)["no_movies"]
    assert "frames/*.mrc" in one.message
    assert "frames/*.mrcs" in one.fix
    assert one.stops == "input"


def test_a_truncated_movie_and_a_text_are_named(tmp_path: Path) -> None:
    good(tmp_path)
    with (tmp_path / "frames" / "TS_01_001.mrc").open("r+b") as file:
        file.truncate(9000)
    (tmp_path / "frames" / "TS_01_002.mrc").write_text("no image\n" * 300)
    faults = [one for one in check_project(project(tmp_path)) if one.code == "unreadable"]
    assert [one.where for one in faults] == ["TS_01_001", "TS_01_002"]
    assert "holds" in faults[0].message
    assert "text" in faults[1].message
    assert all(one.level == "error" and not one.stops for one in faults)


def test_two_movies_of_one_name(tmp_path: Path) -> None:
    good(tmp_path)
    movie(tmp_path / "frames" / "TS_01_000.mrcs")
    one = found(tmp_path, input={"movies": "frames/*.mrc*", "raw_pixel_size_A": 1.5})["two_movies"]
    assert "TS_01_000.mrcs" in one.message
    assert one.level == "error"


def test_mixed_sizes(tmp_path: Path) -> None:
    good(tmp_path)
    movie(tmp_path / "frames" / "TS_01_003.mrc", (4, 64, 64))
    one = found(tmp_path)["mixed_sizes"]
    assert "1 of 4" in one.message
    assert "TS_01_003" in one.message


def test_an_mdoc_naming_absent_movies(tmp_path: Path) -> None:
    good(tmp_path)
    (tmp_path / "frames" / "TS_01_002.mrc").unlink()
    one = found(tmp_path)["absent_movies"]
    assert "1 of 4" in one.message
    assert "TS_01_002" in one.message
    assert "of 3 movies, TS_01_00" in one.fix
    assert "input.movies" in one.fix


def test_an_mdoc_none_of_whose_movies_is_there_is_an_error(tmp_path: Path) -> None:
    good(tmp_path)
    mdoc(tmp_path, ["other_000", "other_001"])
    assert found(tmp_path)["no_movie_fits"].level == "error"


@pytest.mark.parametrize(
    ("file", "text"),
    [("frames/TS_02.st", None), ("frames/TS_02.ali", None), ("frames/TS_02.mrc", "frames/TS_02.mrc.mdoc"),
     ("frames/TS_02.mrcs", "mdoc/TS_02.mdoc")],
)  # fmt: skip
def test_a_tilt_series_is_not_taken_for_a_movie(tmp_path: Path, file: str, text: str | None) -> None:
    good(tmp_path)
    movie(tmp_path / file, (5, 64, 96))
    if text:
        (tmp_path / text).write_text("".join(f"[ZValue = {z}]\nTiltAngle = {z}\n" for z in range(5)))
    one = found(tmp_path, input={"movies": "frames/TS_0*.[msa]*[ctsi]", "raw_pixel_size_A": 1.5})["tilt_stack"]
    assert one.message.startswith(f"{Path(file).name} is a tilt series")
    assert "newstack" in one.fix


def test_a_movie_whose_mdoc_tells_of_another_number_of_images_is_a_movie(tmp_path: Path) -> None:
    good(tmp_path)
    (tmp_path / "frames" / "TS_01_000.mrc.mdoc").write_text("[ZValue = 0]\nTiltAngle = 0\nNumSubFrames = 4\n")
    assert "tilt_stack" not in found(tmp_path)


def test_movies_without_mdoc(tmp_path: Path) -> None:
    good(tmp_path)
    movie(tmp_path / "frames" / "stray.mrc")
    assert "stray" in found(tmp_path)["movies_without_mdoc"].message


@pytest.mark.parametrize(
    ("shape", "hint"),
    [((96, 64), "transposed"), ((70, 96), "other data")],
)
def test_a_gain_of_wrong_size_names_what_would_fit(tmp_path: Path, shape: tuple[int, int], hint: str) -> None:
    good(tmp_path)
    write_mrc(tmp_path / "gain.mrc", np.ones(shape, dtype=np.float32), 1.5)
    one = found(tmp_path, input={"gain": "gain.mrc", "raw_pixel_size_A": 1.5})["gain_size"]
    assert hint in one.sentence
    assert one.stops == "input"


def test_a_missing_gain_and_one_that_is_not_used(tmp_path: Path) -> None:
    good(tmp_path)
    assert found(tmp_path, input={"gain": "none.mrc", "raw_pixel_size_A": 1.5})["no_gain"].stops == "input"
    write_mrc(tmp_path / "K3_gain.mrc", np.ones((64, 96), dtype=np.float32), 1.5)
    assert "K3_gain.mrc" in found(tmp_path)["gain_unused"].fix


@pytest.mark.parametrize(
    "name", ["CountRef_TS_01_000.mrc", "SuperRef_TS_01_000.mrc", "frames/CountRef_TS_01_000.dm4", "frames/Falcon.gain"]
)
def test_a_gain_that_is_not_used_is_known_by_the_names_that_programs_give(tmp_path: Path, name: str) -> None:
    good(tmp_path)
    (tmp_path / name).write_bytes(b"content does not matter")
    assert f"input.gain {name}" in found(tmp_path)["gain_unused"].fix


def test_a_gain_that_the_mdoc_of_a_movie_names_is_found_above_the_movies_or_missed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        movie(tmp_path / "session" / "frames" / f"{name}.mrc")
    (tmp_path / "session" / "frames" / "a.mrc.mdoc").write_text(
        "[FrameSet = 0]\nTiltAngle = 0\nGainReference = X:\\refs\\K3_2026.mrc\n"
    )
    pattern = {"movies": "session/frames/*.mrc", "raw_pixel_size_A": 1.5}
    assert (
        "name K3_2026.mrc as gain reference, which is not here" in found(tmp_path, input=pattern)["gain_absent"].message
    )
    write_mrc(tmp_path / "session" / "K3_2026.mrc", np.ones((64, 96), dtype=np.float32), 1.5)
    assert "session/K3_2026.mrc is the gain" in found(tmp_path, input=pattern)["gain_unused"].message


def test_a_gain_that_is_counted_as_a_movie_is_told(tmp_path: Path) -> None:
    good(tmp_path)
    movie(tmp_path / "frames" / "CountRef_TS_01_000.mrc", (1, 64, 96))
    assert "CountRef_TS_01_000 looks like a gain" in found(tmp_path)["gain_among_movies"].message


@pytest.mark.parametrize(
    ("stated", "header", "said", "code"),
    [
        (None, 0.0, 1.5, "no_pixel_size"),
        (0.75, 1.5, 1.5, "pixel_header"),
        (1.5, 1.5, 1.9, "pixel_mdoc"),
        (1.5, 1.5, 0.75, "pixel_mdoc"),
    ],
)
def test_pixel_sizes_that_disagree(tmp_path: Path, stated: float | None, header: float, said: float, code: str) -> None:
    good(tmp_path)
    mdoc(tmp_path, [f"TS_01_{i:03d}" for i in range(4)], pixel=said)
    for path in (tmp_path / "frames").iterdir():
        movie(path, pixel_A=header)
    assert code in found(tmp_path, input={"raw_pixel_size_A": stated} if stated else {})


def test_an_mdoc_of_binned_images_is_no_contradiction(tmp_path: Path) -> None:
    good(tmp_path)
    mdoc(tmp_path, [f"TS_01_{i:03d}" for i in range(4)], pixel=6.0)
    assert "pixel_mdoc" not in found(tmp_path)


def test_an_unknown_exposure_is_a_warning_and_an_error_where_it_is_needed(tmp_path: Path) -> None:
    good(tmp_path)
    mdoc(tmp_path, [f"TS_01_{i:03d}" for i in range(4)], exposure=0.0)
    bare = {"raw_pixel_size_A": 1.5}
    assert found(tmp_path, input=bare)["exposure_unknown"].level == "warning"
    assert found(tmp_path, input=bare, output={"exposure_weighting": True})["exposure_unknown"].level == "error"


def test_an_exposure_that_contradicts_the_mdoc(tmp_path: Path) -> None:
    good(tmp_path)
    assert "0.4" in found(tmp_path, input={"raw_pixel_size_A": 1.5, "exposure_e_A2": 0.4})["mdoc"].message


def test_a_range_beyond_what_the_pixels_hold(tmp_path: Path) -> None:
    good(tmp_path)
    assert found(tmp_path, ctf={"range_A": [40.0, 2.0]})["ctf_range"].level == "info"
    assert found(tmp_path, ctf={"range_A": [4.0, 2.0]})["ctf_range"].level == "error"


def test_nodes_in_time_without_frames_are_told(tmp_path: Path) -> None:
    good(tmp_path)
    one = found(tmp_path, ctf={"grid": "2x2xn"})["settings"]
    assert (one.level, one.where) == ("warning", "ctf.grid")
    assert "the n nodes in time are not used" in one.message
    assert "settings" not in found(tmp_path, ctf={"grid": "2x2x3", "use_movie_sum": False})
    assert "settings" not in found(tmp_path, ctf={"grid": "2x2x1"})


def test_a_binning_factor_in_place_of_the_exponent(tmp_path: Path) -> None:
    good(tmp_path)
    assert "exponent" in found(tmp_path, input={"raw_pixel_size_A": 1.5, "bin": 4.0})["bin"].fix


def test_another_voltage(tmp_path: Path) -> None:
    good(tmp_path)
    assert "300" in found(tmp_path, optics={"voltage_kV": 200.0})["voltage"].fix


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    good(tmp_path)
    given = project(tmp_path)
    tmp_path.chmod(0o500)
    try:
        codes = {one.code: one for one in check_project(given)}
    finally:
        tmp_path.chmod(0o700)
    assert codes["read_only"].stops == "machine"


def test_a_disk_that_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    good(tmp_path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1000))
    assert found(tmp_path)["disk_full"].level == "error"


def test_needed_bytes_by_hand() -> None:
    settings = Settings()
    small = needed_bytes(settings, 0, 0, 8)
    assert needed_bytes(settings, 1000, 2000, 8) - small == 8_000_000
    halves = settings.model_copy(update={"output": settings.output.model_copy(update={"halves": True})})
    assert needed_bytes(halves, 1000, 2000, 8) - small == 24_000_000


def test_the_verb_prints_sentences_and_ends_in_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good(tmp_path)
    project(tmp_path)
    assert main(["check", "-C", str(tmp_path)]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
    (tmp_path / "frames" / "TS_01_002.mrc").write_text("no image\n" * 300)
    assert main(["check", "-C", str(tmp_path)]) == 4
    out = capsys.readouterr().out
    assert "error: TS_01_002.mrc" in out
    assert "Traceback" not in out


def test_the_verb_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good(tmp_path)
    project(tmp_path)
    main(["check", "--json", "-C", str(tmp_path)])
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "weft.check/1"
    assert {"level", "code", "message", "fix", "where", "stops"} == set(told["findings"][0])


def test_a_run_does_not_start_where_nothing_could_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good(tmp_path)
    write_mrc(tmp_path / "gain.mrc", np.ones((70, 96), dtype=np.float32), 1.5)
    project(tmp_path, input={"gain": "gain.mrc", "raw_pixel_size_A": 1.5})
    assert main(["run", "-C", str(tmp_path)]) == 3
    assert "no orientation or binning fits" in capsys.readouterr().err
    assert not list((tmp_path / "weft").glob("records/*"))


@pytest.mark.parametrize(("bin_exponent", "is_told"), [(0.0, False), (1.0, False), (0.5, True)])
def test_pixels_unequal_in_x_and_y_are_told(tmp_path: Path, bin_exponent: float, is_told: bool) -> None:
    movie(tmp_path / "frames/m0.mrc", (2, 700, 1000))
    seen = found(tmp_path, input={"raw_pixel_size_A": 1.5, "bin": bin_exponent})
    assert ("pixel_shape" in seen) == is_told
