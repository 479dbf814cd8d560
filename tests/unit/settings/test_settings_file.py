from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from weft.errors import MissingError, SettingsError
from weft.settings.describe import describe_key, describe_settings, iterate_keys, nearest, parse_words
from weft.settings.file import changed_settings, make_settings, read_settings, settings_text, with_value
from weft.settings.schema import Settings


def write(folder: Path, text: str) -> Path:
    path = folder / "weft.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_written_file_means_the_same_settings() -> None:
    settings = make_settings({"input": {"bin": 0.5, "gain": 'gains/a "new" one.mrc'}, "ctf": {"range_A": [30, 4.5]}})
    assert make_settings(tomllib.loads(settings_text(settings))) == settings


def test_written_file_holds_every_key_and_tells_unit_and_warps_name() -> None:
    text = settings_text(Settings())
    for info in iterate_keys():
        assert f"\n{info.key} = " in text or f"\n# {info.key} =" in text
        if info.warp and len(info.warp) < 20:
            assert info.warp.split()[0] in text
    assert "Å" in text


def test_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert read_settings(write(tmp_path, "")) == Settings()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[ctf]\nrang_A = [40, 5]\n", "weft.toml, line 2: there is no setting ctf.rang_A; the nearest is ctf.range_A"),
        ("\n[ctff]\n", "weft.toml, line 2: there is no table ctff; the nearest is [ctf]"),
        ("range_A = [1, 2]\n", "weft.toml, line 1: there is no table range_A; the nearest is motion.range_A"),
        ("[input]\nbin = -1\n", "weft.toml, line 2: input.bin = -1: must be a number at least 0 and at most 10"),
        ("[ctf]\n\nrange_A = [5, 40]", "weft.toml, line 3: ctf.range_A = [5, 40]: the low resolution"),
        (
            "[compute]\nworkers = 0",
            'weft.toml, line 2: compute.workers = 0: must be a whole number at least 1 or "auto"',
        ),
        ("[compute]\nmemory_GB = 0", 'weft.toml, line 2: compute.memory_GB = 0: must be a number above 0 or "auto"'),
        ("[ctf]\ngrid = 'auto'", 'weft.toml, line 2: ctf.grid = "auto": write it as XxYxT, for example 2x2x1 or 1x1xn'),
        ("[motion]\nrange_A = 'x'", 'weft.toml, line 2: motion.range_A = "x": must be two numbers or "auto"'),
        ("[motion]\ngrid = '3x3'", 'weft.toml, line 2: motion.grid = "3x3": write it as XxYxT'),
        ("[output]\ndtype = 'int8'", 'output.dtype = "int8": must be "float32" or "float16"'),
        ("[output]\nhalves = 'maybe'", 'weft.toml, line 2: output.halves = "maybe": must be true or false'),
        ("input.bin = 'two'", 'weft.toml, line 1: input.bin = "two": must be a number'),
        ("input = 3\n", "weft.toml, line 1: [input] must be a table of settings, not 3"),
        ("[ctf]\nrange_A = \n", "weft.toml, line 2, column 11: this is not TOML"),
        ("[input]\neer_fractions = 4\neer_frames_per_fraction = 2\n", "input: give only one of"),
    ],
)
def test_mistakes_are_told_with_line_key_value_and_what_is_allowed(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(write(tmp_path, text))
    assert sentence in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(write(tmp_path, "[input]\nbin = -1\nmovie = 'x'\n[ctf]\nwindow_px = 511\n"))
    assert len(str(caught.value).splitlines()) == 3


def test_overrides_win_and_their_mistakes_are_not_blamed_on_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[ctf]\nwindow_px = 256\n")
    assert read_settings(path, {"ctf": {"window_px": 128}}).ctf.window_px == 128
    with pytest.raises(SettingsError, match=r"^command line: ctf.window_px = 5: must be a whole number at least 64"):
        read_settings(path, {"ctf": {"window_px": 5}})


def test_missing_file_and_wrong_encoding_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="weft init"):
        read_settings(tmp_path / "weft.toml")
    (tmp_path / "weft.toml").write_bytes(b"[input]\n# \xff\n")
    with pytest.raises(SettingsError, match="byte 10 is no UTF-8"):
        read_settings(tmp_path / "weft.toml")


def test_setting_a_value_keeps_comments_and_other_lines() -> None:
    text = "# mine\n[ctf]  # about rings\nrange_A = [40, 5]  # careful\n# grid =\n\n[output]\nhalves = true\n"
    changed = with_value(text, "ctf.range_A", [30.0, 4.0])
    assert tomllib.loads(changed)["ctf"]["range_A"] == [30, 4]
    assert "# careful" in changed
    assert "# about rings" in changed
    assert changed.splitlines()[-1] == "halves = true"


def test_setting_fills_a_commented_key_in_its_place_and_none_empties_it() -> None:
    text = settings_text(Settings())
    changed = with_value(text, "input.gain", "gain.mrc")
    place = text.splitlines().index("# gain =")
    assert changed.splitlines()[place] == 'gain = "gain.mrc"'
    assert with_value(changed, "input.gain", None) == text


def test_setting_makes_a_missing_table() -> None:
    assert tomllib.loads(with_value("", "optics.cs_mm", 2.0)) == {"optics": {"cs_mm": 2.0}}


def test_setting_a_wrong_value_or_key_is_refused() -> None:
    with pytest.raises(SettingsError, match="must be"):
        with_value("", "optics.cs_mm", -1)
    with pytest.raises(SettingsError, match=r"the nearest is optics\.cs_mm"):
        with_value("", "optics.cs_m", 1)


def test_changed_settings_are_those_that_differ_from_the_defaults() -> None:
    assert changed_settings(Settings()) == {}
    assert changed_settings(make_settings({"input": {"bin": 1}})) == {"input.bin": 1.0}


def test_every_key_is_described() -> None:
    for table in describe_settings():
        assert table.description
        for info in table.keys:
            assert info.description.endswith(".") or info.description.endswith("N.")
            assert info.allowed


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("ctf.rang_A", "ctf.range_A"),
        ("ctf.range-a", "ctf.range_A"),
        ("optics.exposure_e_A2", "input.exposure_e_A2"),
        ("bin", "input.bin"),
        ("inputs", "[input]"),
    ],
)
def test_nearest_key(wrong: str, right: str) -> None:
    assert right in nearest(wrong)


@pytest.mark.parametrize(
    ("key", "words", "value"),
    [
        ("ctf.range_A", ["40", "5"], [40, 5]),
        ("ctf.range_A", ["40,5.5"], [40, 5.5]),
        ("motion.range_A", ["auto"], "auto"),
        ("ctf.phase_shift", ["yes"], True),
        ("ctf.phase_shift", ["off"], False),
        ("input.gain", ["none"], None),
        ("input.gain", ["12.mrc"], "12.mrc"),
        ("compute.workers", ["4"], 4),
        ("compute.workers", ["auto"], "auto"),
        ("series.hand", ["-1"], -1),
        ("input.eer_supersampling", ["2"], 2),
        ("motion.grid", ["1x1xn"], "1x1xn"),
    ],
)
def test_words_become_values(key: str, words: list[str], value: object) -> None:
    assert parse_words(describe_key(key), words) == value


@pytest.mark.parametrize(("told", "known"), [(0, None), (0.0, None), (2.5, 2.5)])
def test_an_exposure_of_zero_is_an_unknown_one(told: float, known: float | None) -> None:
    assert Settings.model_validate({"input": {"exposure_e_A2": told}}).input.exposure_e_A2 == known
