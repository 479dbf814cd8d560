"""Averages along a motion field: amplitudes, borders, halves, stacks, weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from weft.engine.device import Engine
from weft.engine.fft import shift_phases
from weft.errors import SettingsError
from weft.fields import MotionField
from weft.movie.average import aligned_sections, make_averages, used_frames
from weft.movie.bin import BinnedMovie, bin_movie
from weft.movie.border import inside
from weft.settings.schema import OutputSettings

PIXEL_A = 1.5
SHAPE = (150, 170)
PATH = np.array([[-9.0, 5.2], [-2.1, 1.3], [1.9, -0.4], [4.0, -2.5], [5.2, -3.6]])


def _local(seed: int, size_A: float) -> MotionField:
    nodes = np.random.default_rng(seed).normal(0, size_A, (4, 3, 4, 2))
    return MotionField(PATH, np.full_like(PATH, np.nan), nodes, np.full_like(nodes, np.nan))


def _average(movie: BinnedMovie, field: MotionField, engine: Engine, **settings: Any) -> Any:
    return make_averages(
        movie,
        field,
        OutputSettings(**settings),
        engine,
        exposure_e_A2=settings.get("exposure", 20.0),
        pre_exposure_e_A2=0.0,
        voltage_kV=300.0,
    )


@pytest.mark.parametrize("freq", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("kind", ["rigid", "local"])
def test_less_than_a_hundredth_of_the_amplitude_is_lost_up_to_08_nyquist(
    engine: Engine, waves_of: Any, move: Any, kind: str, freq: float
) -> None:
    field = MotionField.rigid(PATH) if kind == "rigid" else _local(1, 0.5)
    waves = waves_of(freq)
    movie = bin_movie(move(waves, field, SHAPE, PIXEL_A), 0, PIXEL_A, engine)
    full = _average(movie, field, engine).full
    amplitude = waves.amplitude(full, margin=24) / len(PATH)
    assert np.all(np.abs(amplitude - 1) < 0.01)


def test_a_steep_local_field_keeps_its_amplitude_in_every_single_frame(
    engine: Engine, waves_of: Any, move: Any
) -> None:
    field, waves = _local(2, 1.0), waves_of(0.4)  # up to 0.02 px per px
    movie = bin_movie(move(waves, field, SHAPE, PIXEL_A), 0, PIXEL_A, engine)
    for section in aligned_sections(movie, field, OutputSettings(), engine):
        assert np.all(np.abs(waves.amplitude(section, margin=24)) > 0.985)


@pytest.mark.parametrize("kind", ["rigid", "local"])
def test_borders_have_the_level_and_contrast_of_the_middle(engine: Engine, waves_of: Any, move: Any, kind: str) -> None:
    field = MotionField.rigid(3 * PATH) if kind == "rigid" else _local(3, 1.0)
    waves = waves_of(0.11)
    movie = bin_movie(move(waves, field, SHAPE, PIXEL_A), 0, PIXEL_A, engine)
    full = _average(movie, field, engine).full / len(PATH)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float64)
    difference = np.abs(full - waves.at(y, x))
    # beside the border a frame is sampled up to half a pixel outside itself, of waves with amplitudes up to 5
    assert np.quantile(difference, 0.999) < 0.6
    assert difference.max() < 2.5
    inner = difference[30:-30, 30:-30]
    assert inner.max() < 0.2


def test_strips_and_whole_transforms_mend_the_rim_alike(
    engine: Engine, waves_of: Any, move: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = MotionField.rigid(PATH)
    movie = bin_movie(move(waves_of(0.2), field, SHAPE, PIXEL_A), 0, PIXEL_A, engine)
    thin = _average(movie, field, engine).full
    monkeypatch.setattr("weft.movie.border._STRIPS", 0)
    np.testing.assert_allclose(_average(movie, field, engine).full, thin, atol=2e-3)  # float32 of values of 250


@pytest.mark.parametrize("halves", [False, True])
def test_the_rim_equals_what_every_frame_alone_shows_there(engine: Engine, source_of: Any, halves: bool) -> None:
    rng = np.random.default_rng(8)
    path = rng.normal(0, 6, (7, 2))  # back and forth, so that lines are lost and seen again
    frames = rng.poisson(2, (7, *SHAPE)).astype(np.float32)
    movie = bin_movie(source_of(frames), 0, PIXEL_A, engine)
    found = _average(movie, MotionField.rigid(path), engine, halves=halves).full
    missing, there, means = np.zeros(SHAPE), np.zeros(SHAPE), 0.0
    for spectrum, shift in zip(movie.spectra(), path / PIXEL_A, strict=True):
        y, x = shift_phases(torch.from_numpy(shift), movie.padded)
        image = movie.to_image(spectrum * y * x).numpy()
        mean = float(spectrum[0, 0].real) / (movie.padded[0] * movie.padded[1])
        seen = [np.zeros(side, dtype=bool) for side in SHAPE]
        for lines, far, side in zip(seen, shift, SHAPE, strict=True):
            lines[slice(*inside(far, side))] = True
        is_seen = seen[0][:, None] & seen[1][None, :]
        missing += ~is_seen
        there += np.where(is_seen, image - mean, 0)
        means += mean
    wanted = means + there * len(path) / (len(path) - missing)
    np.testing.assert_allclose(found, wanted, atol=2e-4)  # float32 sums of seven frames


def test_the_others_stand_for_frames_that_have_left_the_field(engine: Engine, waves_of: Any, move: Any) -> None:
    movie = bin_movie(move(waves_of(0.2), MotionField.rigid(PATH), SHAPE, PIXEL_A), 0, PIXEL_A, engine)
    away = PATH.copy()
    away[[0, -1]] = np.array([[-2], [2]]) * PIXEL_A * max(SHAPE)
    full = _average(movie, MotionField.rigid(away), engine).full
    others = _average(movie, MotionField.rigid(PATH), engine, skip_first=1, skip_last=1).full
    here = len(PATH) - 2
    level = sum(float(movie.frame(number).mean()) - others.mean() / here for number in (0, len(PATH) - 1))
    wanted = others * len(PATH) / here + level
    np.testing.assert_allclose(full[30:-30, 30:-30], wanted[30:-30, 30:-30], atol=1.0)


def test_a_local_field_without_local_motion_equals_the_rigid_one(engine: Engine, waves_of: Any, move: Any) -> None:
    nodes = np.zeros((3, 3, 3, 2))
    nodes[1, 1, 1] = 1e-5
    rigid, local = MotionField.rigid(PATH), MotionField(PATH, PATH, nodes, nodes)
    movie = bin_movie(move(waves_of(0.25), rigid, SHAPE, PIXEL_A), 0, PIXEL_A, engine)
    one, other = (_average(movie, field, engine).full for field in (rigid, local))
    assert np.abs(one - other)[30:-30, 30:-30].max() < 0.02 * len(PATH)


@pytest.mark.parametrize("kind", ["rigid", "local"])
def test_halves_sum_to_the_full_average(engine: Engine, waves_of: Any, move: Any, kind: str) -> None:
    field = MotionField.rigid(PATH) if kind == "rigid" else _local(4, 1.0)
    movie = bin_movie(move(waves_of(0.3), field, SHAPE, PIXEL_A), 0.5, PIXEL_A, engine)
    averages, plain = (_average(movie, field, engine, halves=halves) for halves in (True, False))
    np.testing.assert_array_equal(averages.even + averages.odd, averages.full)
    np.testing.assert_allclose(averages.full, plain.full, rtol=2e-5)  # float32 in another order
    assert plain.even is None


STILL = MotionField.rigid(np.zeros((5, 2)))


@pytest.fixture(name="steps")
def _steps(engine: Engine, source_of: Any) -> BinnedMovie:
    """Five flat frames of 1, 10, 100, 1000 and 10000."""
    values = 10.0 ** np.arange(5)
    return bin_movie(source_of(np.ones((5, 64, 64), "f4") * values[:, None, None].astype("f4")), 0, 1.0, engine)


def test_the_first_used_frame_is_even_and_skipped_ones_do_not_count(engine: Engine, steps: BinnedMovie) -> None:
    averages = _average(steps, STILL, engine, halves=True, skip_first=1, skip_last=1)
    assert (averages.first_frame, averages.last_frame) == (1, 3)
    np.testing.assert_allclose(averages.even, 1010, rtol=1e-5)
    np.testing.assert_allclose(averages.odd, 100, rtol=1e-5)


def test_skipping_all_frames_is_refused_but_for_a_movie_of_one() -> None:
    with pytest.raises(SettingsError, match="leave none of 5 frames"):
        used_frames(5, OutputSettings(skip_first=3, skip_last=2))
    assert used_frames(1, OutputSettings(skip_first=1)) == range(1)


def test_a_movie_of_one_frame_passes_through_without_halves(engine: Engine, source_of: Any) -> None:
    frame = np.random.default_rng(5).poisson(3, (1, 90, 70)).astype(np.float32)
    averages = _average(
        bin_movie(source_of(frame), 0, 1.0, engine), MotionField.rigid(np.zeros((1, 2))), engine, halves=True
    )
    np.testing.assert_allclose(averages.full, frame[0], atol=1e-5)
    assert averages.even is None


def test_collapsed_sections_sum_neighbours_and_keep_the_rest(engine: Engine, steps: BinnedMovie) -> None:
    sections = list(aligned_sections(steps, STILL, OutputSettings(collapse=2), engine))
    assert [round(float(section.mean())) for section in sections] == [11, 1100, 10000]
    sections = list(aligned_sections(steps, STILL, OutputSettings(collapse=3, skip_first=1), engine))
    assert [round(float(section.mean())) for section in sections] == [1110, 10000]


@pytest.mark.parametrize("kind", ["rigid", "local"])
def test_sections_sum_to_the_average_where_every_frame_was_there(
    engine: Engine, waves_of: Any, move: Any, kind: str
) -> None:
    field = MotionField.rigid(PATH) if kind == "rigid" else _local(6, 0.5)
    movie = bin_movie(move(waves_of(0.2), field, SHAPE, PIXEL_A), 0, PIXEL_A, engine)
    total = np.sum(list(aligned_sections(movie, field, OutputSettings(), engine)), axis=0)
    full = _average(movie, field, engine).full
    np.testing.assert_allclose(total[12:-12, 12:-12], full[12:-12, 12:-12], atol=0.01)


@pytest.mark.parametrize("kind", ["rigid", "local"])
def test_exposure_weights_keep_white_noise_white_and_dampen_late_detail(
    engine: Engine, waves_of: Any, source_of: Any, kind: str
) -> None:
    rng = np.random.default_rng(7)
    nodes = np.full((2, 2, 2, 2), 1e-9)
    still = np.zeros((8, 2))
    field = MotionField.rigid(still) if kind == "rigid" else MotionField(still, still, nodes, nodes)
    noise = rng.normal(0, 1, (8, 200, 200)).astype(np.float32)
    weighted = [
        _average(bin_movie(source_of(noise + 20), 0, PIXEL_A, engine), field, engine, exposure_weighting=weighting).full
        for weighting in (False, True)
    ]
    powers = [np.abs(np.fft.rfft2(image - image.mean())) ** 2 for image in weighted]
    radius = np.hypot(np.fft.fftfreq(200)[:, None], np.fft.rfftfreq(200)[None, :])
    for low in (0.05, 0.15, 0.25, 0.35):
        ring = (radius >= low) & (radius < low + 0.08)
        assert abs(powers[1][ring].mean() / powers[0][ring].mean() - 1) < 0.07  # 2,000 terms or more: 2.2 %
    assert abs(weighted[1].mean() - weighted[0].mean()) < 1.5  # of 160: at zero frequency frames weigh 1, then √N/√Σw²
    first = waves_of(0.3).at(*np.mgrid[:200, :200].astype(float))
    gains = []
    for place in (0, 7):
        stack = np.zeros((8, 200, 200), dtype=np.float32)
        stack[place] = first
        image = _average(bin_movie(source_of(stack), 0, PIXEL_A, engine), field, engine, exposure_weighting=True).full
        gains.append(np.abs(waves_of(0.3).amplitude(image, 10)).mean())
    # Grant & Grigorieff: Ne(1 / 5 Å) = 6.39 e/Å²; exp(-(20 - 2.5) / (2 · 6.39)) = 0.254
    assert abs(gains[1] / gains[0] - 0.254) < 0.01


def test_weighting_without_an_exposure_is_refused(engine: Engine, steps: BinnedMovie) -> None:
    with pytest.raises(SettingsError, match=r"input\.exposure_e_A2"):
        make_averages(
            steps, STILL, OutputSettings(exposure_weighting=True), engine, exposure_e_A2=None, pre_exposure_e_A2=0.0,
            voltage_kV=300.0,
        )  # fmt: skip
