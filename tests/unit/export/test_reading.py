"""What RELION and Warp are told of how the movies were read, for when they read them again."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import starfile
from tests.export_project import FRAMES, make_eer, movie_of, weft

from weft.io.warpxml import movie_xml
from weft.settings.warp import read_warp_settings
from weft.state.project import Project

FIRST = movie_of(1, 0, 0.0)
# settings, raw frames of a movie, raw frames in a fraction, what Warp's EERGroupFrames is; all make four fractions
GROUPINGS: list[tuple[dict[str, Any], int, int, int]] = [
    ({"eer_frames_per_fraction": 5}, 22, 5, 5),
    ({"eer_fractions": 4}, 19, 4, -4),
    ({"eer_exposure_per_fraction_e_A2": 0.75, "exposure_e_A2": 3}, 18, 4, 4),
    ({}, 4, 1, -4),
]


def general(project: Project, target: str = "relion") -> dict[str, Any]:
    return dict(starfile.read(project.out / target / "motion" / f"{FIRST}.star")["general"])


@pytest.mark.parametrize(("given", "raw_frames", "group", "_warp"), GROUPINGS)
def test_relion_gets_the_raw_frames_of_a_fraction(
    tmp_path: Path, given: dict[str, Any], raw_frames: int, group: int, _warp: int
) -> None:
    project = make_eer(tmp_path, raw_frames, **given)
    assert weft(project, "export", "relion") == 0
    found = general(project)
    assert (found["rlnEERUpsampling"], found["rlnEERGrouping"], found["rlnImageSizeZ"]) == (1, group, FRAMES)
    assert found["rlnMicrographDoseRate"] == pytest.approx(3 * group / raw_frames, abs=1e-6)


def test_relion_is_told_how_movies_were_read_whatever_the_settings_say_now(tmp_path: Path) -> None:
    project = make_eer(tmp_path, 19, eer_fractions=4, eer_supersampling=2)
    assert weft(project, "config", "set", "input.eer_fractions", "6") == 0
    assert weft(project, "config", "set", "input.eer_supersampling", "1") == 0
    weft(project, "export", "star")
    assert (general(project, "star")["rlnEERUpsampling"], general(project, "star")["rlnEERGrouping"]) == (2, 4)


def test_relion_counts_the_grid_of_16k_as_3(tmp_path: Path) -> None:
    project = make_eer(tmp_path, 8, eer_fractions=4, eer_supersampling=4)
    weft(project, "export", "relion")
    assert general(project)["rlnEERUpsampling"] == 3


def test_nothing_is_said_of_movies_that_are_no_longer_there(tmp_path: Path) -> None:
    project = make_eer(tmp_path, 8, eer_fractions=4)
    (project.folder / "frames" / f"{FIRST}.eer").unlink()
    weft(project, "export", "relion")
    assert "rlnEERGrouping" not in general(project)
    assert general(project)["rlnMicrographDoseRate"] == pytest.approx(3 / FRAMES)


@pytest.mark.parametrize(("given", "raw_frames", "_relion", "group"), GROUPINGS)
def test_warp_gets_the_groups_that_were_made(
    tmp_path: Path, given: dict[str, Any], raw_frames: int, _relion: int, group: int
) -> None:
    project = make_eer(tmp_path, raw_frames, **given)
    assert weft(project, "export", "warp") == 0
    text = (project.out / "warp_frameseries.settings").read_text()
    assert f'Name="EERGroupFrames" Value="{group}"' in text


@pytest.mark.parametrize("supersampling", [1, 2, 4])
@pytest.mark.parametrize("binning", [0.0, 1.5])
def test_warp_gets_pixel_and_binning_of_the_sensors_grid(tmp_path: Path, supersampling: int, binning: float) -> None:
    project = make_eer(tmp_path, 8, eer_fractions=4, eer_supersampling=supersampling, bin=binning)
    assert weft(project, "export", "warp") == 0
    for name in ("warp_frameseries.settings", "warp_tiltseries.settings"):
        text = (project.out / name).read_text()
        assert f'Name="PixelSize" Value="{0.675 * supersampling:g}"' in text
        assert f'Name="BinTimes" Value="{binning - math.log2(supersampling):g}"' in text
    assert 'Name="DimensionsX" Value="64"' in text
    record = project.records()[FIRST]
    xml = movie_xml(record.model_dump(mode="json", by_alias=True), project.settings).decode()
    for option in ("PixelSize", "BinTimes", "EERGroupFrames"):
        (line,) = [line.strip() for line in text.splitlines() if f'"{option}"' in line]
        assert line in xml
    back = read_warp_settings(project.out / "warp_frameseries.settings").tables["input"]
    finer = back.get("eer_supersampling", 1)
    assert back["raw_pixel_size_A"] * 2 ** back["bin"] == pytest.approx(0.675 * 2**binning)
    assert finer == (1 if binning >= math.log2(supersampling) else 2 ** math.ceil(math.log2(supersampling) - binning))
