"""Pictures and the numbers that describe them."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil

from weft.signal.describe import PERCENTILES, describe
from weft.signal.picture import grey_bytes, robust_spread, shrink, thumbnail_jpeg


def _picture(data: bytes) -> NDArray[np.uint8]:
    with Pil.open(io.BytesIO(data)) as image:
        assert image.mode == "L"
        return np.asarray(image)


def test_a_thumbnail_has_512_px_on_its_longer_side_and_row_0_at_the_bottom() -> None:
    image = np.zeros((3710, 3838), dtype=np.float32)
    image[: 3710 // 2] = 1.0
    picture = _picture(thumbnail_jpeg(image + np.random.default_rng(1).normal(0, 0.05, image.shape).astype("f4")))
    assert picture.shape == (495, 512)
    assert picture[-100:].mean() > picture[:100].mean() + 50


def test_small_images_are_not_enlarged() -> None:
    assert _picture(thumbnail_jpeg(np.random.default_rng(2).poisson(3.0, (60, 40)).astype(np.float32))).shape == (
        60,
        40,
    )


def test_a_bead_does_not_decide_about_the_contrast() -> None:
    image = np.random.default_rng(3).normal(100, 1, (512, 512)).astype(np.float32)
    plain = _picture(thumbnail_jpeg(image)).std()
    image[200:230, 200:230] = -1000
    assert abs(_picture(thumbnail_jpeg(image))[:150].std() / plain - 1) < 0.05


def test_an_image_of_one_value_or_without_a_number_still_has_a_picture() -> None:
    assert _picture(thumbnail_jpeg(np.zeros((64, 64), np.float32))).shape == (64, 64)
    assert _picture(thumbnail_jpeg(np.full((64, 64), np.nan, np.float32))).shape == (64, 64)


def test_shrinking_equals_the_means_of_blocks() -> None:
    image = np.random.default_rng(4).normal(size=(13, 22)).astype(np.float32)
    slow = [[image[y : y + 4, x : x + 4].mean() for x in range(0, 22, 4)] for y in range(0, 13, 4)]
    np.testing.assert_allclose(shrink(image, 4), slow, rtol=1e-5, atol=1e-6)  # float32 sums of 16


def test_grey_bytes_span_their_limits() -> None:
    values = np.array([[-9.0, 0.0, 5.0, 10.0, 99.0, np.nan, np.inf]], dtype=np.float32)
    assert grey_bytes(values, 0, 10).tolist() == [[0, 0, 128, 255, 255, 0, 255]]


def test_the_spread_ignores_outliers() -> None:
    values = np.random.default_rng(5).normal(7, 2, 100_000).astype(np.float32)
    values[:2000] = 1e6
    median, sigma = robust_spread(values)
    assert abs(median - 7) < 0.1
    assert abs(sigma - 2) < 0.1


def test_a_description_tells_noise_from_structure_and_finds_a_bar() -> None:
    rng = np.random.default_rng(6)
    image = rng.poisson(10, (1024, 1200)).astype(np.float32)
    told = describe(image)
    sigmas, percentiles, lattice = told["sigmas"], told["percentiles"], told["lattice"]
    assert isinstance(sigmas, list)
    assert isinstance(percentiles, list)
    assert isinstance(lattice, list)
    assert len(percentiles) == len(PERCENTILES)
    assert len(lattice) == 64
    assert 1.8 < sigmas[1] / sigmas[2] < 2.2  # white noise halves
    assert told["dark"] == 0
    image[:512] *= 0.1
    assert abs(float(describe(image)["dark"]) - 0.5) < 0.02  # type: ignore[arg-type]


def test_a_description_of_nothing_is_empty() -> None:
    assert describe(np.full((32, 32), np.nan, np.float32)) == {}
