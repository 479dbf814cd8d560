"""EER: events land where they were recorded; frames are grouped; what is cut off or damaged is reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.events import Event, encode, write_eer

from weft.errors import InputError
from weft.io.eer import Grouping, group_frames, read_eer_fractions, read_eer_header
from weft.io.sniff import recognise
from weft.movie.open import open_movie
from weft.settings.schema import InputSettings

SHAPE = (64, 96)


def _events(seed: int, count: int = 200) -> list[Event]:
    rng = np.random.default_rng(seed)
    places = rng.choice(SHAPE[0] * SHAPE[1], count, replace=False)
    subs = rng.integers(0, 4, (count, 2))
    return [(int(p) // SHAPE[1], int(p) % SHAPE[1], int(v), int(h)) for p, (v, h) in zip(places, subs, strict=True)]


def _rendered(frames: list[list[Event]], scale: int) -> np.ndarray:
    out = np.zeros((SHAPE[0] * scale, SHAPE[1] * scale), dtype=int)
    for frame in frames:
        for y, x, v, h in frame:
            out[y * scale + v * scale // 4, x * scale + h * scale // 4] += 1
    return out


@pytest.mark.parametrize("compression", [65000, 65001, 65002])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_events_land_where_they_were_recorded(tmp_path: Path, compression: int, scale: int) -> None:
    if compression == 65002 and scale == 4:
        pytest.skip("two bits tell no more than half pixels")
    frames = [_events(seed) for seed in range(4)] + [[]]
    path = tmp_path / "m.eer"
    write_eer(path, frames, SHAPE, compression)
    assert recognise(path) == "eer"
    header = read_eer_header(path)
    assert (header.nx, header.ny, header.frames) == (96, 64, 5)
    found = list(read_eer_fractions(path, header, Grouping((0, 2, 5), ""), scale))
    np.testing.assert_array_equal(found[0], _rendered(frames[:2], scale))
    np.testing.assert_array_equal(found[1], _rendered(frames[2:], scale))


def test_a_plain_sum_in_front_is_no_frame(tmp_path: Path) -> None:
    path = tmp_path / "m.eer"
    write_eer(path, [_events(1), _events(2)], SHAPE, sum_first=True)
    assert recognise(path) == "eer"
    assert read_eer_header(path).frames == 2


def test_the_metadata_tell_pixel_size_and_exposure(tmp_path: Path) -> None:
    path = tmp_path / "m.eer"
    text = (
        '<metadata><item name="sensorPixelSize.width" unit="m">1.35E-10</item>'
        '<item name="totalDose">4.9</item><item name="cameraName">Falcon</item></metadata>'
    )
    write_eer(path, [_events(1)] * 3, SHAPE, metadata=text)
    header = read_eer_header(path)
    assert header.pixel_size_A == pytest.approx(1.35)
    assert header.exposure_e_px == pytest.approx(4.9)
    info = open_movie(path, InputSettings(eer_fractions=1, eer_supersampling=2)).info
    assert info.pixel_size_A == pytest.approx(0.675)
    assert (info.height, info.width, info.frames) == (128, 192, 1)


def test_frames_that_are_cut_off_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "m.eer"
    write_eer(path, [_events(seed) for seed in range(10)], SHAPE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.75)])
    header = read_eer_header(path)
    assert 6 <= header.frames <= 7
    movie = open_movie(path, InputSettings(eer_frames_per_fraction=1))
    frames = list(movie.frames())
    assert len(frames) == header.frames
    np.testing.assert_array_equal(frames[0], _rendered([_events(0)], 1))


def test_a_file_cut_within_the_first_frame_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.eer"
    write_eer(path, [_events(1)], SHAPE)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="copy it again"):
        open_movie(path, InputSettings())


def test_a_damaged_frame_is_skipped_many_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "m.eer"
    frames = [_events(seed) for seed in range(20)]
    write_eer(path, frames, SHAPE)
    data = bytearray(path.read_bytes())
    for number in range(1, 8):
        start = data.find(encode(frames[number], SHAPE, 65001))
        data[start : start + 60] = bytes([0x80, 0x3F] * 30)  # short runs: the frame ends before its last pixel
        path.write_bytes(data)
        movie = open_movie(path, InputSettings(eer_frames_per_fraction=1))
        if number <= 2:
            counts = [int(frame.sum()) for frame in movie.frames()]
            assert counts[0] == 200
            assert all(count == 200 for count in counts[number + 1 :])
            assert counts[number] == 0
        elif number > 3:
            with pytest.raises(InputError, match="damaged"):
                list(movie.frames())


@given(st.integers(1, 2000), st.integers(1, 300))
def test_grouping_by_frames_uses_all_but_a_small_rest(frames: int, each: int) -> None:
    if each > frames:
        with pytest.raises(InputError, match="the movie has"):
            group_frames(frames, frames_per_fraction=each)
        return
    grouping = group_frames(frames, frames_per_fraction=each)
    sizes = np.diff(grouping.edges)
    assert grouping.edges[0] == 0
    assert (sizes[:-1] == each).all()
    assert each <= sizes[-1] < 2 * each
    left = frames - grouping.edges[-1]
    assert 2 * left < each
    assert (f"{left} of {frames}" in grouping.note) == (left > 0)


@given(st.integers(1, 2000), st.integers(1, 100))
def test_grouping_by_number_gives_that_number(frames: int, count: int) -> None:
    if count > frames:
        with pytest.raises(InputError, match="only"):
            group_frames(frames, fractions=count)
        return
    assert group_frames(frames, fractions=count).fractions == count


def test_grouping_by_exposure_follows_the_movies_own() -> None:
    assert group_frames(400, exposure_per_fraction_e_A2=0.25, exposure_e_A2=4.0).fractions == 16
    assert group_frames(800, exposure_per_fraction_e_A2=0.25, exposure_e_A2=8.0).fractions == 32
    with pytest.raises(InputError, match=r"input\.exposure_e_A2"):
        group_frames(400, exposure_per_fraction_e_A2=0.25)
