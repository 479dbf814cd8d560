from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import mrcfile
import numpy as np
import pytest
import tifffile
from scipy import ndimage

from weft.errors import InputError, MissingError, UsageError
from weft.simulate import SimulationOptions, read_truth, simulate_set
from weft.simulate.camera import GainTruth, make_camera
from weft.simulate.faults import choose_faults

SMALL = SimulationOptions(
    series=1, tilts_deg=(0.0, 30.0, -30.0), height=160, width=192, frames=3, proteins=10, vesicles=0, thickness_A=600
)


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "set"
    simulate_set(SMALL, folder)
    return folder


def test_same_seed_same_bytes(small: Path, tmp_path: Path) -> None:
    simulate_set(SMALL, tmp_path / "again")
    assert _hashes(tmp_path / "again") == _hashes(small)


def test_other_seed_other_movies(small: Path, tmp_path: Path) -> None:
    other = simulate_set(replace(SMALL, seed=2, tilts_deg=(0.0, 30.0)), tmp_path / "other")
    assert other.movies[0].name == "TS_01_000_0.0.mrc"
    assert other.movies[0].read_bytes() != (small / "frames" / "TS_01_000_0.0.mrc").read_bytes()


def test_movies_are_valid_mrc_with_pixel_size_and_counts(small: Path) -> None:
    path = small / "frames" / "TS_01_001_30.0.mrc"
    assert mrcfile.validate(path)
    with mrcfile.open(path) as mrc:
        assert mrc.data.shape == (3, 160, 192)
        assert mrc.data.dtype == np.int8
        assert mrc.voxel_size.x == pytest.approx(2.7)
        assert mrc.data.min() >= 0


def test_mean_counts_are_exposure_times_area_times_transmission(small: Path) -> None:
    truth = json.loads((small / "truth" / "truth.json").read_text())
    gain = mrcfile.read(small / "gain.mrc")
    for image in truth["images"]:
        ideal = image["bare_counts_per_pixel_frame"] * image["mean_beam"]
        # dead columns, hot pixels and X-rays change the mean of raw counts by less than 4 % here
        assert image["mean_counts"] == pytest.approx(ideal * (gain > 0).mean(), rel=0.04)


def test_tilted_ice_lets_less_through(small: Path) -> None:
    truth = {e["name"]: e for e in json.loads((small / "truth" / "truth.json").read_text())["images"]}
    assert truth["TS_01_001_30.0"]["transmission"] == pytest.approx(np.exp(-600 / (3100 * np.cos(np.pi / 6))))


def test_the_folder_is_not_overwritten(small: Path) -> None:
    with pytest.raises(UsageError, match="lies here already"):
        simulate_set(SMALL, small)


def test_truth_is_read_in_the_conventions_of_weft(small: Path) -> None:
    truth = read_truth(small)
    movie = truth.movies["TS_01_002_-30.0"]
    with np.load(small / "truth" / "TS_01_002_-30.0.npz") as arrays:
        assert np.allclose(movie.displacement_A[2, 1, 5], arrays["displacement_A"][2, 1, 5, ::-1])
    assert movie.hand == 1
    assert truth.movies["TS_01_000_0.0"].hand is None
    assert movie.gradient_xy[1] > 0.5  # -tan(-30°) · sin(85.3°)


def test_missing_and_broken_truth_are_told(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no truth"):
        read_truth(tmp_path)
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "truth.json").write_text('{"images": [{}], "settings": {}}')
    with pytest.raises(InputError, match="is missing"):
        read_truth(tmp_path)
    (tmp_path / "truth" / "truth.json").write_text("[")
    with pytest.raises(InputError, match="not JSON"):
        read_truth(tmp_path)


def test_tiff_movies_lie_upside_down_and_their_truth_is_turned(small: Path, tmp_path: Path) -> None:
    tiff = simulate_set(replace(SMALL, file_format="tiff"), tmp_path / "tiff")
    frames = tifffile.imread(tiff.movies[1])
    assert np.array_equal(frames[:, ::-1], mrcfile.read(small / "frames" / "TS_01_001_30.0.mrc"))
    one, two = (read_truth(folder).movies["TS_01_001_30.0"] for folder in (small, tmp_path / "tiff"))
    assert np.allclose(one.displacement_A, two.displacement_A)
    assert np.allclose(one.lattice, two.lattice)
    assert np.allclose(one.beads, two.beads)
    assert one.gradient_xy == pytest.approx(two.gradient_xy)
    assert one.angle_deg == pytest.approx(two.angle_deg)
    stored = json.loads((tmp_path / "tiff" / "truth" / "truth.json").read_text())["images"][1]
    assert stored["defocus_gradient_xy"][1] == pytest.approx(-one.gradient_xy[1])


def test_super_resolution_frames_crop_to_the_same_electrons(tmp_path: Path) -> None:
    options = replace(SMALL, tilts_deg=(0.0,), super_resolution=True, gain=False, hot_pixels=0, height=128, width=128)
    made = simulate_set(options, tmp_path / "super")
    frames = mrcfile.read(made.movies[0])
    assert frames.shape == (3, 256, 256)
    assert made.settings["input"]["bin"] == 1
    entry = json.loads((tmp_path / "super" / "truth" / "truth.json").read_text())["images"][0]
    bare = 1.0 * 1.35**2  # 1 e/Å² a frame
    assert entry["bare_counts_per_pixel_frame"] == pytest.approx(bare)
    # 49,152 pixels of 3 frames: the mean of Poisson counts has a standard error of 0.3 %
    assert frames.mean() == pytest.approx(bare * entry["mean_beam"], rel=0.015)


@pytest.mark.parametrize("turn", range(8))
def test_gain_as_stored_comes_back_by_the_three_steps(turn: int) -> None:
    gain = np.random.default_rng(1).normal(1, 0.1, (6, 9)).astype(np.float32)
    truth = GainTruth(gain, bool(turn & 1), bool(turn & 2), bool(turn & 4))
    read = truth.as_stored()
    read = read[:, ::-1] if truth.flip_x else read
    read = read[::-1] if truth.flip_y else read
    read = read.T if truth.transpose else read
    assert np.array_equal(read, gain)


@pytest.mark.parametrize("file_format", ["mrc", "tiff"])
def test_settings_json_tells_the_same_gain_orientation_in_its_own_order(
    tmp_path: Path, file_format: Literal["mrc", "tiff"]
) -> None:
    options = replace(SMALL, tilts_deg=(0.0,), file_format=file_format, seed=8)
    made = simulate_set(options, tmp_path / "set")
    stored = mrcfile.read(made.folder / "gain.mrc")
    order = json.loads((made.folder / "settings.json").read_text())["gain"]["to_movie_in_this_order"]
    assert list(order) == ["transpose", "flip_y", "flip_x"]
    turned = stored.T if order["transpose"] else stored
    turned = turned[::-1] if order["flip_y"] else turned
    turned = turned[:, ::-1] if order["flip_x"] else turned
    frames = mrcfile.read(made.movies[0]) if file_format == "mrc" else tifffile.imread(made.movies[0])
    dead = np.flatnonzero((turned == 0).all(0))
    assert len(dead) == 2
    assert np.median(frames[:, :, dead]) == 0
    live = (turned > 0) & (frames.sum(0) < 30)
    # where the gain is high the camera counts less; the specimen's own contrast is smooth and taken away
    total = frames.sum(0, dtype=np.float64)
    fine = total - ndimage.gaussian_filter(total, 2)
    assert np.corrcoef(turned[live], fine[live])[0, 1] < -0.05


def test_camera_without_gain_has_none() -> None:
    camera = make_camera((8, 9), has_gain=False, hot_pixels=0, rng=np.random.default_rng(1))
    assert camera.gain is None


def test_first_three_tilts_of_a_series_are_never_spoiled() -> None:
    for seed in range(30):
        faults = choose_faults(SimulationOptions(), 1, np.random.default_rng(seed))
        assert not any(faults[:3])
        assert sum(bool(f) for f in faults) == 3


def test_mdoc_of_an_even_series_is_sorted_by_angle_and_keeps_the_times(tmp_path: Path) -> None:
    made = simulate_set(replace(SMALL, series=2, height=128, width=128, gain=False), tmp_path / "two")
    first, second = (path.read_text() for path in made.mdocs)
    assert first.index("TS_01_000_0.0") < first.index("TS_01_001_30.0") < first.index("TS_01_002_-30.0")
    assert second.index("TS_02_002_-30.0") < second.index("TS_02_000_0.0") < second.index("TS_02_001_30.0")
    assert "DateTime = 06-Apr-15  19:58:27" in second  # of the tilt taken second
    assert "Tilt axis angle = 85.3, binning = 1" in first
