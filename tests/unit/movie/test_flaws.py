"""Hot pixels, dead pixels and X-rays are found; clean movies stay as they are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from weft.movie.flaws import Flaws, Repair, find_flaws
from weft.movie.outliers import find_background, poisson_limit, replacement_sources

Counts = NDArray[np.uint8]


def _flaws(frames: NDArray[np.generic], bad: NDArray[np.bool_] | None = None) -> Flaws:
    total = frames.sum(axis=0, dtype=np.float64).astype(np.float32)
    sums = frames.sum(axis=(1, 2), dtype=np.float64)
    return find_flaws(total, list(frames), list(sums / sums.sum()), bad, is_integer=frames.dtype.kind in "iu")


def _counts(mean: float, seed: int, shape: tuple[int, int, int] = (8, 700, 900)) -> Counts:
    return np.random.default_rng(seed).poisson(mean, shape).astype(np.uint8)


@pytest.mark.parametrize("mean", [0.001, 0.01, 0.3, 3.0, 20.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_clean_movie_has_next_to_no_false_positives(mean: float, seed: int) -> None:
    flaws = _flaws(_counts(mean, seed))
    assert len(flaws.hot) + flaws.xrays <= 1  # 0.2 are expected at most in each of the 15 movies


def test_structure_is_no_flaw() -> None:
    y, x = np.mgrid[:600, :800]
    mean = 0.4 * (1 + 0.5 * np.sin(x / 40) * np.cos(y / 55))
    mean[(y - 300) ** 2 + (x - 200) ** 2 < 37**2] *= 0.15  # a bead, with a bright fringe
    ring = np.abs(np.hypot(y - 300, x - 200) - 39) < 2
    mean[ring] *= 1.4
    mean[:, 600:] *= 0.1  # the edge of a grid bar
    flaws = _flaws(np.random.default_rng(4).poisson(mean, (8, 600, 800)).astype(np.int16))
    assert len(flaws.hot) + flaws.xrays <= 1


@pytest.mark.parametrize("mean", [0.01, 0.4, 5.0])
def test_what_is_planted_is_found(mean: float) -> None:
    frames = _counts(mean, 5).astype(np.int16)
    rng = np.random.default_rng(6)
    spots = rng.choice(700 * 900, 60, replace=False)
    flat = frames.reshape(8, -1)
    flat[:, spots[:30]] += rng.integers(15, 120, (1, 30)).astype(np.int16)
    for spot in spots[30:]:
        flat[rng.integers(8), spot] += rng.integers(60, 250)
    flaws = _flaws(frames)
    assert set(spots[:30]) <= set(flaws.hot)
    struck = np.concatenate(flaws.struck)
    assert len(set(spots[30:]) & set(struck)) >= 29  # one may lie beside another
    assert len(flaws.hot) + len(struck) <= 62


def test_one_strong_strike_does_not_condemn_a_pixels_other_frames() -> None:
    frames = _counts(0.3, 7).astype(np.int16)
    frames[3, 100, 200] = 2000
    flaws = _flaws(frames)
    assert 100 * 900 + 200 not in flaws.hot
    assert flaws.struck[3].tolist() == [100 * 900 + 200]


def test_dead_columns_are_found_and_known_ones_are_not_counted() -> None:
    frames = _counts(0.4, 8)
    frames[:, :, 77] = 0
    assert set(_flaws(frames).hot) == {row * 900 + 77 for row in range(700)}
    bad = np.zeros((700, 900), dtype=bool)
    bad[:, 77] = True
    assert len(_flaws(frames, bad).hot) == 0


def test_scaled_counts_are_judged_by_their_own_scatter() -> None:
    frames = _counts(2.0, 9).astype(np.float32) * 32
    frames[:, 50, 60] += 32 * 40
    flaws = _flaws(frames)
    assert flaws.hot.tolist() == [50 * 900 + 60]
    background = find_background(frames.sum(axis=0), None, is_integer=False)
    assert abs(background.dispersion - 32) < 1


def test_an_average_of_another_program_loses_only_lone_pixels() -> None:
    y, x = np.mgrid[:512, :512]
    image = np.random.default_rng(10).normal(0, 1, (512, 512)).astype(np.float32)
    image[(y - 250) ** 2 + (x - 250) ** 2 < 12**2] -= 30
    image[40, 60] = 200
    flaws = find_flaws(image, [image], [1.0], None, is_integer=False)
    assert flaws.hot.tolist() == [40 * 512 + 60]


@pytest.mark.parametrize("level", [1e-3, 1e-8])
def test_the_limit_is_never_below_chance(level: float) -> None:
    means = np.geomspace(1e-4, 3000, 50)
    limit = poisson_limit(means, 1.0, level)
    assert np.all(special.pdtrc(limit, means) < level)
    slow = [next(k for k in range(10_000) if special.pdtrc(k, mean) < level) for mean in means]
    assert np.all(limit <= np.array(slow) + 1 + 0.05 * means)  # one step of the table above the exact limit at most


def test_sources_are_good_pixels_nearby() -> None:
    bad = np.zeros((60, 80), dtype=bool)
    bad[:, 30:33] = True
    bad[5:45, 40:79] = True  # wider than the search: the nearest good pixel steps in
    places = np.flatnonzero(bad)
    sources = replacement_sources(bad, places, np.random.default_rng(1), 3)
    assert sources.shape == (3, len(places))
    assert not bad.reshape(-1)[sources].any()


def test_mending_replaces_flaws_and_nothing_else() -> None:
    frames = _counts(3.0, 11, (3, 40, 50)).astype(np.float32)
    flaws = Flaws(np.array([7, 8]), (np.array([9]), np.empty(0, dtype=np.intp), np.array([60])))
    repair = Repair.of(None, flaws, (40, 50), np.random.default_rng(2))
    for number, changed in enumerate(({7, 8, 9}, {7, 8}, {7, 8, 60})):
        mended = frames[number].copy()
        mended.reshape(-1)[list(changed)] = -1
        repair.mend(mended, number)
        same = mended.reshape(-1) == frames[number].reshape(-1)
        assert set(np.flatnonzero(~same)) <= changed
        assert mended.min() >= 0
