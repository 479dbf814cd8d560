import numpy as np
import pytest

from weft.fiducials.flatten import flatten
from weft.fiducials.render import Spot, draw_spots
from weft.fiducials.sample import sample, working_side


def test_sides_are_rounded_as_warp_does() -> None:
    assert (working_side(3710, 1.35), working_side(3838, 1.35)) == (626, 648)


def test_whole_pixels_are_summed() -> None:
    image = np.arange(48 * 64, dtype=np.float32).reshape(48, 64)
    small = sample(image, 2.0)
    assert np.allclose(small.image, image.reshape(12, 4, 16, 4).sum((1, 3)))


def test_electrons_are_kept_whatever_the_sides() -> None:
    image = np.random.default_rng(0).poisson(3, (157, 211)).astype(np.float32)
    small = sample(image, 1.7)
    assert small.image.sum() == pytest.approx(image.sum(), rel=1e-5)  # float32 sums
    assert small.image.shape == (working_side(157, 1.7), working_side(211, 1.7))


def test_places_come_back() -> None:
    small = sample(np.ones((100, 120), np.float32), 1.9)
    assert small.from_A(*small.to_A(3.25, 7.5)) == pytest.approx((3.25, 7.5))


def test_what_is_not_finite_is_replaced() -> None:
    image = np.full((64, 64), 4.0, np.float32)
    image[3, 3] = np.inf
    assert np.allclose(sample(image, 8.0).image, 4)


def test_flat_ice_with_a_slope_has_no_contrast() -> None:
    level = 200 * (1 + 0.3 * np.linspace(-1, 1, 128))[:, None] * np.ones(128)
    image = np.random.default_rng(0).poisson(level).astype(np.float32)
    flat = flatten(image)
    assert flat.is_physical
    assert abs(float(flat.contrast[16:-16, 16:-16].mean())) < 0.01
    inner = (flat.contrast / flat.sigma)[24:-24, 24:-24]  # at the border the slope is followed less well
    assert float(inner.std()) == pytest.approx(1, abs=0.1)


def test_an_offset_is_recognised() -> None:
    image = np.random.default_rng(0).poisson(100, (64, 64)).astype(np.float32)
    assert flatten(image).is_physical
    assert not flatten(image + 50_000).is_physical
    assert not flatten(image - 100).is_physical


def test_discs_have_their_area_and_the_larger_probability_holds() -> None:
    drawn = draw_spots((40, 40), [Spot(20.3, 19.8, 8.0, 1.0), Spot(20.3, 22.8, 8.0, 0.4)])
    assert (drawn >= 0.5).sum() == pytest.approx(np.pi * 64, rel=0.03)
    assert drawn.max() == 1
    assert drawn[20, 30] == pytest.approx(0.4)
    assert not draw_spots((5, 5), [Spot(-40.0, 2.0, 3.0, 1.0)]).any()
