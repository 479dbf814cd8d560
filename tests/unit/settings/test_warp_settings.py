"""Warp's settings become ours: both generations, foreign paths, what has no place here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weft.cli.main import main
from weft.errors import SettingsError
from weft.settings.file import read_settings
from weft.settings.warp import read_warp_settings

NEW = """<?xml version="1.0" encoding="utf-8"?>
<Settings>
  <Param Name="ProcessCTF" Value="True" /> <Param Name="ProcessMovement" Value="False" /> <Param Name="ProcessPicking" Value="True" />
  <Import><Param Name="DataFolder" Value="frames" /><Param Name="Extension" Value="*.eer" /><Param Name="PixelSize" Value="0.7894" />
    <Param Name="BinTimes" Value="1.5" /><Param Name="DosePerAngstromFrame" Value="-2.64" /><Param Name="EERGroupFrames" Value="-40" />
    <Param Name="GainPath" Value="gain.mrc" /><Param Name="CorrectGain" Value="True" /><Param Name="GainFlipY" Value="True" /></Import>
  <CTF><Param Name="Window" Value="768" /><Param Name="RangeMin" Value="30" /><Param Name="RangeMax" Value="6" /><Param Name="Voltage" Value="200" />
    <Param Name="Cs" Value="2.7" /><Param Name="Amplitude" Value="0.1" /><Param Name="DoPhase" Value="True" /><Param Name="ZMin" Value="2" /><Param Name="ZMax" Value="7" /></CTF>
  <Movement><Param Name="RangeMin" Value="500" /><Param Name="RangeMax" Value="10" /><Param Name="Bfactor" Value="-250" /></Movement>
  <Grids><Param Name="CTFX" Value="2" /><Param Name="CTFY" Value="3" /><Param Name="CTFZ" Value="1" />
    <Param Name="MovementX" Value="0" /><Param Name="MovementY" Value="0" /><Param Name="MovementZ" Value="0" /></Grids>
  <Picking><Param Name="ModelPath" Value="GoldNet" /></Picking>
  <Export><Param Name="DoDenoise" Value="True" /><Param Name="SkipFirstN" Value="1" /></Export>
  <Unheard><Param Name="Of" Value="x" /></Unheard>
</Settings>
"""
OLD = """<Settings><Param Name="PixelSizeX" Value="0.675" /><Param Name="PixelSizeY" Value="0.68" />
<Import><Param Name="Folder" Value="D:\\data\\frames" /><Param Name="Extension" Value="*.mrc" /><Param Name="BinTimes" Value="1" />
<Param Name="DosePerAngstromFrame" Value="0.4" /></Import>
<CTF><Param Name="RangeMin" Value="0.0675" /><Param Name="RangeMax" Value="0.54" /></CTF></Settings>"""


def test_settings_of_warptools(tmp_path: Path) -> None:
    (tmp_path / "a.settings").write_text(NEW)
    found = read_warp_settings(tmp_path / "a.settings")
    assert found.tables["input"] == {
        "movies": "frames/*.eer", "raw_pixel_size_A": 0.7894, "bin": 1.5, "exposure_e_A2": 2.64, "eer_fractions": 40,
        "gain": "gain.mrc", "gain_flip_x": False, "gain_flip_y": True, "gain_transpose": False,
    }  # fmt: skip
    assert found.tables["ctf"] == {
        "enabled": True, "window_px": 768, "range_A": (30, 6), "defocus_um": (2, 7), "phase_shift": True, "grid": "2x3x1",
    }  # fmt: skip
    assert found.tables["motion"] == {"enabled": False, "range_A": (500, 10), "b_factor_A2": -250, "grid": "auto"}
    assert found.tables["optics"] == {"voltage_kV": 200, "cs_mm": 2.7, "amplitude_contrast": 0.1}
    assert found.tables["output"] == {"halves": True, "skip_first": 1}
    assert "GoldNet" in found.notes[0]


def test_settings_of_the_old_program(tmp_path: Path) -> None:
    (tmp_path / "a.settings").write_text(OLD)
    found = read_warp_settings(tmp_path / "a.settings")
    assert found.tables["input"] == {"movies": "D:/data/frames/*.mrc", "raw_pixel_size_A": 0.675, "bin": 1}
    assert found.tables["ctf"]["range_A"] == pytest.approx((40, 5))
    assert "pixels of 0.675 × 0.68 Å" in found.notes[0]
    assert "per frame" in found.notes[1]


@pytest.mark.parametrize("text", ["", "no xml", "<Movie/>", '<!DOCTYPE a [<!ENTITY b "c">]><Settings>&b;</Settings>'])
def test_what_is_no_settings_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.settings").write_text(text)
    with pytest.raises(SettingsError, match=r"^a\.settings: "):
        read_warp_settings(tmp_path / "a.settings")


def test_import_makes_or_changes_weft_toml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    warp, project = tmp_path / "warp", tmp_path / "project"
    (warp / "frames").mkdir(parents=True)
    project.mkdir()
    (warp / "a.settings").write_text(NEW)
    assert main(["import", "--settings", str(warp / "a.settings"), "-C", str(project), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "gain.mrc is not on this machine, so input.gain is not taken over; set it" in told["notes"]
    settings = read_settings(project / "weft.toml")
    assert settings.input.movies == "../warp/frames/*.eer"
    assert settings.ctf.range_A == (30, 6)
    (project / "weft.toml").write_text("# mine\n[ctf]\nwindow_px = 256 # small\n")
    assert main(["import", "--settings", str(warp / "a.settings"), "-C", str(project)]) == 0
    text = (project / "weft.toml").read_text()
    assert text.startswith("# mine")
    assert read_settings(project / "weft.toml").ctf.window_px == 768
    assert main(["import", "--settings", "absent.settings", "-C", str(project)]) == 3
