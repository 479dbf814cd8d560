"""Real input from the command line: a K2 micrograph, and movies counted out of it along real trajectories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.commands import read_json, run_weft

pytestmark = [pytest.mark.data, pytest.mark.slow]

Array = NDArray[np.float64]

MICROGRAPH = Path("data/real/mrcfile/fei-extended_crop2048.mrc")
PIXEL_A = 0.8537755
CTFFIND_DEFOCUS_A = 10_554.0  # CTFFIND 5, mean of U and V
RAW_PIXEL_A = 0.675  # of the trajectories' movies
EXPOSURE_E_A2 = 3.0
TRAJECTORIES = ("TS_01_000_0_0", "TS_01_030_-45_0", "TS_03_000_0_0", "TS_03_040_60_0")


def shown(folder: Path, name: str) -> Any:
    return read_json(folder, "show", name)


def test_a_real_micrograph_passes_as_a_movie_of_one_frame(test_data: Path, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "k2.mrc").symlink_to(test_data / MICROGRAPH)
    run_weft(tmp_path, "init", "--optics.amplitude_contrast", "0.1")
    run_weft(tmp_path, "run", "--ctf.range_A", "30", "4")
    found = shown(tmp_path, "k2")
    record = found["record"]
    assert record["movie"]["frames"] == 1
    assert record["average"]["pixel_size_A"] == pytest.approx(PIXEL_A, rel=1e-4)
    fit = record["ctf"]["fit"]
    assert 0.5 * (fit["defocus_u_A"] + fit["defocus_v_A"]) == pytest.approx(CTFFIND_DEFOCUS_A, abs=100)
    assert record["mask"]["masked_fraction"] < 0.001


def trajectory(path: Path) -> Array:
    """Return the displacement (frame, (y, x)) in Å with zero mean; RELION's columns are corrections in raw pixels."""
    table = path.read_text().split("data_global_shift")[1].split("data_")[0]
    rows = [line.split() for line in table.splitlines() if line.split() and line.split()[0].isdigit()]
    moved = -np.array([[float(row[2]), float(row[1])] for row in rows]) * RAW_PIXEL_A
    return np.asarray(moved - moved.mean(0))


def count_out(scene: Array, path: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return frames of electrons: the scene moved along a path, as expected counts."""
    fy, fx = np.fft.fftfreq(scene.shape[0])[:, None], np.fft.rfftfreq(scene.shape[1])[None, :]
    ft = np.fft.rfft2(scene / scene.mean() * EXPOSURE_E_A2 * PIXEL_A**2 / len(path))
    frames = []
    for dy, dx in path / PIXEL_A:
        moved = np.fft.irfft2(ft * np.exp(-2j * np.pi * (fy * dy + fx * dx)), s=scene.shape)
        frames.append(rng.poisson(np.clip(moved, 0, None)).clip(0, 255).astype(np.uint8))
    return np.stack(frames)


def test_real_trajectories_come_back_from_movies_of_three_electrons(test_data: Path, tmp_path: Path) -> None:
    scene = mrcfile.read(test_data / MICROGRAPH).astype(np.float64)
    (tmp_path / "frames").mkdir()
    truth = {}
    for number, name in enumerate(TRAJECTORIES):
        truth[name] = trajectory(test_data / f"data/real/relion5-EMPIAR-10164/MotionCorr/frames/{name}.star")
        with mrcfile.new(tmp_path / "frames" / f"{name}.mrc") as file:
            file.set_data(count_out(scene, truth[name], np.random.default_rng(number)))
            file.voxel_size = PIXEL_A
    run_weft(tmp_path, "init", "--input.exposure_e_A2", "3")
    run_weft(tmp_path, "run", "--ctf.no-enabled", "--fiducials.no-enabled")
    for name, path in truth.items():
        moved = np.array(shown(tmp_path, name)["neutral"]["displacement_A"]).mean((1, 2))[:, ::-1]
        error = moved - moved.mean(0) - path
        rms = float(np.sqrt((error**2).sum(1).mean()))
        print(f"{name}: moved {np.ptp(path, axis=0).max():.2f} Å, off by {rms:.3f} Å rms")
        assert rms < 0.25
