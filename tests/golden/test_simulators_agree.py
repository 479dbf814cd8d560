"""Weft's simulator and an independent one read each other's truth."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from weft.fields import MotionField
from weft.simulate import SimulationOptions, read_truth, simulate_set
from weft.simulate.compare import motion_error

pytestmark = [pytest.mark.data, pytest.mark.slow]

OPTIONS = SimulationOptions(
    series=1, tilts_deg=(0.0, 30.0), height=512, width=512, thickness_A=900, vesicles=0, beads=6, seed=3
)


def _run(script: Path, *arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, script.name, *map(str, arguments)],
        cwd=script.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["mrc", "tiff"])
def own_set(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = replace(OPTIONS, file_format=request.param)
    return simulate_set(options, tmp_path_factory.mktemp("own") / request.param).folder


def test_the_other_checker_finds_no_contradiction_in_our_set(test_data: Path, own_set: Path) -> None:
    # it measures mean counts, defocus and the direction of its gradient from the pixels
    assert "no contradiction found" in _run(test_data / "sim" / "check.py", own_set)


def test_the_other_scorer_gives_full_marks_to_our_truth_in_our_conventions(
    test_data: Path, own_set: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    results.mkdir()
    for movie in read_truth(own_set).movies.values():
        height, width = (round(side * movie.pixel_size_A / 8) for side in movie.shape)
        y, x = np.mgrid[:height, :width]
        mask = np.zeros((height, width), np.float32)
        for by, bx, radius in movie.beads:
            mask[np.hypot((y + 0.5) * 8 - by, (x + 0.5) * 8 - bx) <= radius] = 1
        tifffile.imwrite(results / f"{movie.name}.tif", mask)
        neutral = {
            "name": movie.name,
            "lattice": {"x": list(movie.lattice), "y": list(movie.lattice)},
            "displacement_A": movie.displacement_A[..., ::-1].tolist(),
            "ctf": {
                "defocus_u_A": movie.defocus_u_A,
                "defocus_v_A": movie.defocus_v_A,
                "angle_deg": movie.angle_deg,
                "phase_shift_deg": 0.0,
            },
            "mask": f"{movie.name}.tif",
        }
        (results / f"{movie.name}.json").write_text(json.dumps(neutral))
    scores = tmp_path / "scores.json"
    _run(test_data / "sim" / "score.py", own_set, results, "--rows", "mrc", "--no-frc", "--json", scores)
    for image in json.loads(scores.read_text())["images"]:
        assert image["motion"]["local_A"] == pytest.approx(0, abs=1e-6)
        assert image["uncorrected"]["global_A"] > 0.5
        assert image["ctf"]["defocus_error_A"] == pytest.approx(0, abs=1e-6)
        assert image["ctf"]["astigmatism_error_A"] == pytest.approx(0, abs=1e-6)
        assert image["beads"]["recall"] in {None, 1.0}
        assert image["beads"]["precision"] in {None, 1.0}


@pytest.mark.parametrize(("kind", "suffix"), [("hiv", ".mrc"), ("easy", ".tif")])
def test_our_reader_understands_the_other_set(test_data: Path, tmp_path: Path, kind: str, suffix: str) -> None:
    folder = tmp_path / kind
    _run(test_data / "sim" / "simulate.py", kind, "--seed", "5", "--out", folder, "--small")
    truth = read_truth(folder)
    assert truth.kind == kind
    for movie in truth.movies.values():
        assert movie.file.endswith(suffix)
        assert movie.displacement_A.shape == (movie.frames, 7, 7, 2)
        path = movie.displacement_A.mean((1, 2))
        error = motion_error(MotionField.rigid(path), movie)
        assert error is not None
        assert error.global_A == pytest.approx(0, abs=1e-9)
        assert 0 < error.global_uncorrected_A < 10
        assert movie.defocus_A is not None
        assert 5_000 < movie.defocus_A < 60_000
