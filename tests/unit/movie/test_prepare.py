"""Frames as the camera should have given them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.events import Event, write_eer

from weft.errors import ItemFailed
from weft.io.mrc import write_mrc
from weft.movie.open import open_movie
from weft.movie.prepare import prepare
from weft.settings.schema import InputSettings

SHAPE = (48, 64)
HOT = (20, 33)


def _eer(path: Path, frames: int = 60) -> None:
    rng = np.random.default_rng(1)
    recorded: list[list[Event]] = []
    for _ in range(frames):
        hit = rng.random(SHAPE) < 0.1
        hit[HOT] = True
        subs = rng.integers(0, 4, (*SHAPE, 2))
        recorded.append([(int(y), int(x), *map(int, subs[y, x])) for y, x in np.argwhere(hit)])  # type: ignore[misc]
    write_eer(path, recorded, SHAPE)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_a_hot_pixel_of_an_eer_is_replaced_at_every_rendering(tmp_path: Path, scale: int) -> None:
    _eer(tmp_path / "m.eer")
    sensitivity = np.ones(SHAPE, "f4")
    sensitivity[:, 10] = 0
    write_mrc(tmp_path / "gain.mrc", sensitivity, 1.0)
    given = InputSettings(eer_fractions=6, eer_supersampling=scale, gain=tmp_path / "gain.mrc")
    prepared = prepare(open_movie(tmp_path / "m.eer", given), given)
    assert prepared.facts.hot_pixels == 1
    assert prepared.facts.xrays == 0
    assert prepared.facts.defect_pixels == SHAPE[0] * scale**2
    total = sum(prepared.frames())
    folded = np.asarray(total).reshape(SHAPE[0], scale, SHAPE[1], scale).sum(axis=(1, 3))
    assert folded[HOT] < 20  # 6 expected, 60 were there
    assert 3 < folded[:, 10].mean() < 9
    kept = prepare(open_movie(tmp_path / "m.eer", given), given.model_copy(update={"xrays": "keep"}))
    assert kept.facts.hot_pixels == 0


def test_reading_again_gives_the_same_frames(tmp_path: Path) -> None:
    counts = np.random.default_rng(2).poisson(0.5, (5, 60, 70)).astype(np.int8)
    counts[:, 30, 30] = 90
    write_mrc(tmp_path / "m.mrc", counts, 1.5, dtype="int8")
    movie = open_movie(tmp_path / "m.mrc", InputSettings())
    kept, again = prepare(movie, InputSettings()), prepare(movie, InputSettings(), kept_bytes=0)
    assert kept.facts == again.facts
    assert kept.facts.hot_pixels == 1
    for one, other in zip(kept.frames(), again.frames(), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.max() < 20


@pytest.mark.parametrize("kind", ["counts", "counts and gain", "floats"])
def test_frames_may_be_read_into_a_part_of_an_array(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(5)
    counts = rng.poisson(0.5, (4, 60, 70))
    counts[:, 30, 30] = 90
    counts[2, 40, 7] = 80
    write_mrc(tmp_path / "m.mrc", counts.astype(np.float32 if kind == "floats" else np.int8), 1.5,
              dtype="float32" if kind == "floats" else "int8")  # fmt: skip
    given = InputSettings()
    if kind == "counts and gain":
        write_mrc(tmp_path / "gain.mrc", rng.normal(1, 0.05, (60, 70)).astype("f4"), 1.5)
        given = InputSettings(gain=tmp_path / "gain.mrc")
    prepared = prepare(open_movie(tmp_path / "m.mrc", given), given)
    assert (prepared.facts.hot_pixels, prepared.facts.xrays) == (1, 1)
    larger = np.zeros((64, 80), dtype=np.float32)
    for own, _ in zip(prepared.frames(), prepared.frames(larger[:60, :70]), strict=True):
        np.testing.assert_array_equal(larger[:60, :70], own)
    assert not larger[60:].any()
    assert not larger[:, 70:].any()


def test_numbers_that_are_not_finite_are_replaced_and_told(tmp_path: Path) -> None:
    frames = np.random.default_rng(3).poisson(2.0, (3, 40, 50)).astype(np.float32)
    frames[1, 5, 6] = np.nan
    frames[2, 7, 8] = np.inf
    write_mrc(tmp_path / "m.mrc", frames, 1.5)
    prepared = prepare(open_movie(tmp_path / "m.mrc", InputSettings()), InputSettings())
    assert "2 pixels are not finite" in prepared.facts.notes[-1]
    assert all(np.isfinite(frame).all() for frame in prepared.frames())
    write_mrc(tmp_path / "n.mrc", np.full((2, 8, 8), np.nan, "f4"), 1.5)
    with pytest.raises(ItemFailed, match="not one pixel"):
        prepare(open_movie(tmp_path / "n.mrc", InputSettings()), InputSettings())


@pytest.mark.parametrize("value", [0, 7])
def test_blank_movies_pass_through(tmp_path: Path, value: int) -> None:
    write_mrc(tmp_path / "m.mrc", np.full((4, 64, 64), value, np.int8), 1.5, dtype="int8")
    prepared = prepare(open_movie(tmp_path / "m.mrc", InputSettings()), InputSettings())
    assert prepared.facts.hot_pixels == 0
    assert all((frame == value).all() for frame in prepared.frames())


def test_a_black_frame_among_others_is_left_as_it_is(tmp_path: Path) -> None:
    counts = np.random.default_rng(4).poisson(1.0, (4, 64, 64)).astype(np.int8)
    counts[2] = 0
    write_mrc(tmp_path / "m.mrc", counts, 1.5, dtype="int8")
    prepared = prepare(open_movie(tmp_path / "m.mrc", InputSettings()), InputSettings())
    assert prepared.facts.xrays == 0
    assert not list(prepared.frames())[2].any()
