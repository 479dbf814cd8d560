"""Gain references: eight ways to lie, multiplied or divided by, of other sizes; found from the movies."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from weft.cli.main import main
from weft.errors import InputError, MissingError
from weft.io.mrc import write_mrc
from weft.movie.gain import load_correction
from weft.movie.gain_search import Pattern, estimate_gain, find_orientation
from weft.movie.open import open_movie
from weft.movie.prepare import prepare
from weft.pipeline.gains import defect_rectangles
from weft.settings.schema import InputSettings

SHAPE = (96, 140)
WAYS = list(itertools.product((False, True), repeat=3))


def _sensitivity(seed: int, shape: tuple[int, int] = SHAPE) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.asarray(np.clip(1 + 0.06 * rng.normal(size=shape), 0.5, 1.5))


def _stored(gain: NDArray[Any], steps: tuple[bool, bool, bool]) -> NDArray[np.float32]:
    """Return what must lie in the file so that transpose, reversed rows, reversed columns of it give the gain."""
    transpose, rows, columns = steps
    out = gain[:, ::-1] if columns else gain
    out = out[::-1] if rows else out
    return np.ascontiguousarray(out.T if transpose else out, dtype=np.float32)


def _settings(steps: tuple[bool, bool, bool], *, is_tiff: bool) -> dict[str, bool]:
    """Return flips and transpose in the order of the settings; rows of a TIFF movie are turned once more."""
    transpose, rows, columns = steps
    rows ^= is_tiff
    x, y = (rows, columns) if transpose else (columns, rows)
    return {"gain_flip_x": x, "gain_flip_y": y, "gain_transpose": transpose}


def _write_movie(path: Path, frames: NDArray[np.uint8]) -> None:
    if path.suffix == ".mrc":
        write_mrc(path, frames.astype(np.int16), 1.5, dtype="int16")
    else:
        with tifffile.TiffWriter(path) as writer:
            for frame in frames:
                writer.write(frame, contiguous=False, photometric="minisblack", metadata=None)


@pytest.mark.parametrize("steps", WAYS, ids=lambda steps: "".join("TRC"[i] for i in range(3) if steps[i]) or "none")
@pytest.mark.parametrize("ending", [".mrc", ".tif"])
@pytest.mark.parametrize("mode", ["multiply", "divide"])
def test_all_eight_orientations_undo_the_camera(
    tmp_path: Path, steps: tuple[bool, bool, bool], ending: str, mode: str
) -> None:
    sensitivity = _sensitivity(1)
    frames = np.round(np.full((3, *SHAPE), 100) * sensitivity).astype(np.uint8)
    _write_movie(tmp_path / f"m{ending}", frames)
    write_mrc(tmp_path / "gain.mrc", _stored(1 / sensitivity if mode == "multiply" else sensitivity, steps), 1.0)
    given = InputSettings(
        gain=tmp_path / "gain.mrc", gain_mode=mode, **_settings(steps, is_tiff=ending == ".tif"), xrays="keep"
    )
    prepared = prepare(open_movie(tmp_path / f"m{ending}", given), given)
    for frame in prepared.frames():
        assert frame.std() / frame.mean() < 0.004  # counts were rounded to whole numbers of about 100


def test_zeros_mark_dead_pixels_that_are_replaced(tmp_path: Path) -> None:
    gain = (1 / _sensitivity(2)).astype(np.float32)
    gain[:, 17] = 0
    gain[40, 60] = np.nan
    write_mrc(tmp_path / "gain.mrc", gain, 1.0)
    counts = np.random.default_rng(3).poisson(4, (4, *SHAPE)).astype(np.uint8)
    counts[:, :, 17] = 0
    _write_movie(tmp_path / "m.mrc", counts)
    given = InputSettings(gain=tmp_path / "gain.mrc")
    prepared = prepare(open_movie(tmp_path / "m.mrc", given), given)
    assert prepared.facts.defect_pixels == SHAPE[0] + 1
    total = sum(prepared.frames())
    assert abs(total[:, 17].mean() / total.mean() - 1) < 0.1  # type: ignore[index, union-attr]


@pytest.mark.parametrize(("fold", "word"), [(2, "finer"), (4, "finer"), (-2, "coarser"), (-4, "coarser")])
def test_references_of_other_sampling_are_averaged_or_repeated(tmp_path: Path, fold: int, word: str) -> None:
    fine = _sensitivity(4, (64, 96)).astype(np.float32)
    many = abs(fold)
    coarse = fine.reshape(64 // many, many, 96 // many, many).mean(axis=(1, 3))
    stored, shape = (fine, coarse.shape) if fold > 0 else (coarse, fine.shape)
    expected = coarse if fold > 0 else np.kron(coarse, np.ones((many, many)))
    write_mrc(tmp_path / "gain.mrc", stored, 1.0)
    correction = load_correction(InputSettings(gain=tmp_path / "gain.mrc"), shape, is_eer=False)
    assert word in correction.notes[0]
    assert correction.factor is not None
    np.testing.assert_allclose(correction.factor, expected / expected.mean(), rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((140, 96), "fits when transposed: change input.gain_transpose"),
        ((280, 192), r"fits when scaled by 2 and transposed \(change input\.gain_transpose\)"),
        ((100, 100), "no orientation or binning fits"),
    ],
)
def test_a_reference_of_another_size_names_the_way_out(tmp_path: Path, shape: tuple[int, int], sentence: str) -> None:
    write_mrc(tmp_path / "gain.mrc", np.ones(shape, "f4"), 1.0)
    with pytest.raises(InputError, match=sentence):
        load_correction(InputSettings(gain=tmp_path / "gain.mrc"), SHAPE, is_eer=False)


def test_a_reference_without_values_or_file_is_refused(tmp_path: Path) -> None:
    write_mrc(tmp_path / "gain.mrc", np.zeros(SHAPE, "f4"), 1.0)
    with pytest.raises(InputError, match="no positive value"):
        load_correction(InputSettings(gain=tmp_path / "gain.mrc"), SHAPE, is_eer=False)
    with pytest.raises(MissingError):
        load_correction(InputSettings(gain=tmp_path / "none.mrc"), SHAPE, is_eer=False)


def test_the_gain_of_an_eer_lies_as_its_rows_do(tmp_path: Path) -> None:
    gain = (1 / _sensitivity(5)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.gain", gain)
    given = InputSettings(gain=tmp_path / "a.gain")
    for is_eer, expected in ((True, gain), (False, gain[::-1])):
        factor = load_correction(given, SHAPE, is_eer=is_eer).factor
        assert factor is not None
        np.testing.assert_allclose(factor, expected / expected.mean(), rtol=1e-5)


def _pattern(sensitivity: NDArray[Any], seed: int, *, movies: int = 3, mean: float = 30.0) -> Pattern:
    pattern = Pattern((sensitivity.shape[0], sensitivity.shape[1]))
    rng = np.random.default_rng(seed)
    for _ in range(movies):
        y, x = np.mgrid[: sensitivity.shape[0], : sensitivity.shape[1]]
        specimen = mean * (1 + 0.2 * np.sin(x / rng.uniform(8, 20)) * np.cos(y / rng.uniform(8, 20)))
        pattern.add(rng.poisson(specimen * sensitivity).astype(np.float32), is_integer=True)
    return pattern


@pytest.mark.parametrize("steps", WAYS)
@pytest.mark.parametrize("mode", ["multiply", "divide"])
@pytest.mark.parametrize("shape", [(160, 160), (120, 180)])
def test_the_movies_tell_how_the_reference_lies(steps: tuple[bool, bool, bool], mode: str, shape: Any) -> None:
    sensitivity = _sensitivity(6, shape)
    stored = _stored(1 / sensitivity if mode == "multiply" else sensitivity, steps)
    verdict = find_orientation(_pattern(sensitivity, 7), stored, Path("gain.mrc"))
    assert verdict.outcome == "found"
    assert verdict.ways[0].settings == {**_settings(steps, is_tiff=False), "gain_mode": mode}
    assert abs(verdict.ways[0].slope - 1) < 0.1
    assert verdict.margin > 15


def test_corrected_movies_are_recognised_and_so_is_a_reference_of_other_data() -> None:
    sensitivity = _sensitivity(8, (200, 200))
    gain = (1 / sensitivity).astype(np.float32)
    assert find_orientation(_pattern(np.ones((200, 200)), 9), gain, Path("g")).outcome == "already corrected"
    foreign = find_orientation(_pattern(_sensitivity(10, (200, 200)), 11), gain, Path("g"))
    assert foreign.outcome == "other data"
    assert "explains none of it" in foreign.reason


def test_too_few_electrons_and_symmetric_references_are_undecided() -> None:
    sensitivity = _sensitivity(12, (100, 100))
    gain = (1 / sensitivity).astype(np.float32)
    few = find_orientation(_pattern(sensitivity, 13, movies=1, mean=0.2), gain, Path("g"))
    assert few.outcome == "undecided"
    assert "are needed" in few.reason
    half = 1 / _sensitivity(14, (100, 50))
    mirrored = np.concatenate([half, half[:, ::-1]], axis=1).astype(np.float32)
    twins = find_orientation(_pattern(1 / mirrored, 15), mirrored, Path("g"))
    assert twins.outcome == "undecided"
    assert "nearly alike" in twins.reason
    flat = find_orientation(_pattern(sensitivity, 13), np.full((100, 100), 2, np.float32), Path("g"))
    assert flat.outcome == "undecided"
    assert "the same everywhere" in flat.reason


def test_a_gain_is_estimated_from_enough_movies_with_the_bad_pixels() -> None:
    sensitivity = _sensitivity(16, (150, 150))
    sensitivity[:, 33] = 0
    pattern = Pattern((150, 150))
    rng = np.random.default_rng(17)
    for _ in range(12):
        counts = rng.poisson(60 * sensitivity).astype(np.float32)
        counts[70, 80] += 700
        counts[rng.integers(150), rng.integers(150)] += 500  # an X-ray, another place in each movie
        pattern.add(counts, is_integer=True)
    estimate = estimate_gain(pattern)
    assert estimate.outcome == "good"
    wanted = np.zeros((150, 150), dtype=bool)
    wanted[:, 33] = wanted[70, 80] = True
    np.testing.assert_array_equal(estimate.bad, wanted)
    good = ~wanted
    left = (estimate.gain * sensitivity)[good]
    assert left.std() / left.mean() < 0.04  # 720 electrons: 3.7 %; uncorrected 6 %
    assert abs(estimate.pattern - 0.06) < 0.01
    assert estimate_gain(_pattern(np.ones((150, 150)), 18, mean=200)).outcome == "none needed"
    assert estimate_gain(_pattern(_sensitivity(19), 20, movies=2, mean=2)).outcome == "weak"


def test_bad_pixels_become_rectangles_and_come_back(tmp_path: Path) -> None:
    from weft.io.defects import read_defects

    bad = np.random.default_rng(21).random(SHAPE) < 0.01
    bad[:, 5] = bad[30, 20:60] = True
    path = tmp_path / "defects.txt"
    path.write_text("\n".join(" ".join(map(str, one)) for one in defect_rectangles(bad)))
    np.testing.assert_array_equal(read_defects(path, SHAPE).map, bad)


def test_the_verb_finds_the_orientation_and_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sensitivity = _sensitivity(22, (128, 160))
    rng = np.random.default_rng(23)
    (tmp_path / "frames").mkdir()
    for number in range(3):
        _write_movie(tmp_path / f"frames/m{number}.tif", rng.poisson(10 * sensitivity, (3, 128, 160)).astype(np.uint8))
    write_mrc(tmp_path / "ref.mrc", _stored(1 / sensitivity, (True, False, True)), 1.0)
    (tmp_path / "weft.toml").write_text('[input]\nmovies = "frames/*.tif"\nraw_pixel_size_A = 1.5\n')
    words = ["gain", "-C", str(tmp_path), "--reference", str(tmp_path / "ref.mrc")]
    assert main([*words, "--json", "--estimate", str(tmp_path / "new.mrc"), "--dry-run"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["orientation"]["outcome"] == "found"
    assert not (tmp_path / "new.mrc").exists()
    assert main([*words, "--write", "--defects", str(tmp_path / "d.txt")]) == 0
    assert "found" in capsys.readouterr().out
    text = (tmp_path / "weft.toml").read_text()
    assert 'gain = "ref.mrc"' in text
    wanted = _settings((True, False, True), is_tiff=True)
    assert all(f"{key} = {str(value).lower()}" in text for key, value in wanted.items() if value)
    assert (tmp_path / "d.txt").exists()
    assert main(["gain", "-C", str(tmp_path), "--movies", "0"]) == 2


@pytest.mark.data
def test_the_simulators_gain_is_found_and_leaves_no_flaw(tmp_path: Path, test_data: Path) -> None:
    made = tmp_path / "set"
    subprocess.run(
        [sys.executable, test_data / "sim/simulate.py", "gain", "--seed", "31", "--out", made, "--small"],
        check=True,
        capture_output=True,
        timeout=300,
    )
    told = json.loads((made / "settings.json").read_text())["gain"]["to_movie_in_this_order"]
    steps = (told["transpose"], told["flip_y"], told["flip_x"])
    wanted = _settings(steps, is_tiff=True)
    truth = np.load(made / "truth/gain.npz")
    for path in sorted((made / "frames").iterdir()):
        given = InputSettings(gain=made / "gain.mrc", **wanted)
        prepared = prepare(open_movie(path, given), given)
        assert prepared.facts.defect_pixels == int((truth["reference"] == 0).sum())
        assert prepared.facts.hot_pixels == len(truth["hot"])
        total = sum(prepared.frames())
        clean = np.asarray(_clean(made, path.stem))[::-1] * prepared.info.frames
        low = [_blocks(image) for image in (total, clean)]  # type: ignore[arg-type]
        assert np.abs(low[0] / low[1] - 1).max() < 0.12  # 2,500 electrons a block, and the specimen moves
        assert (np.asarray(total) < 8 * clean.max()).all()


def _clean(made: Path, name: str) -> NDArray[Any]:
    from weft.io.mrc import read_mrc

    return read_mrc(made / f"truth/{name}_clean.mrc")[0]


def _blocks(image: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(image[:512, :512].reshape(32, 16, 32, 16).mean(axis=(1, 3)))
