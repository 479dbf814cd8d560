import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from weft.engine.device import Engine
from weft.errors import SettingsError
from weft.fiducials import segment
from weft.fiducials.template import Optics, bead_contrast, optics_of
from weft.fields import Assessment, BeadMask, CtfFit, Verdict
from weft.settings.schema import FiducialSettings

ENGINE = Engine(torch.device("cpu"), 1, 1 << 30)
FIT = CtfFit(
    20_000.0, 20_000.0, 0.0, 0.0, 0.0, 0.0, [[[20_000.0]]], {}, 10.0, 8.0, 8.0, 300.0, 2.7, 0.07
)  # fmt: skip
MODELS = ("gold", "classic")


def average(
    places: list[tuple[float, float]], radius_A: float = 50.0, *, side: int = 160, electrons: float = 120.0
) -> np.ndarray:
    """An average of 8 Å a pixel with beads at places (y, x) in pixels."""
    beam = np.full((side + 80, side + 80), electrons)
    for y, x in places:
        row, column = round(y), round(x)
        bead = 1 + bead_contrast(radius_A, Optics(20_000.0), offset_px=(y - row, x - column))
        half = len(bead) // 2
        beam[row + 40 - half : row + 41 + half, column + 40 - half : column + 41 + half] *= bead
    seen = beam[40:-40, 40:-40]
    return np.random.default_rng(3).poisson(seen).astype(np.float32)


def find(image: np.ndarray, pixel_A: float = 8.0, *, ctf: CtfFit | None = FIT, **settings: object) -> BeadMask:
    return segment(image, pixel_A, FiducialSettings.model_validate(settings), ENGINE, ctf=ctf)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("radius_A", [25.0, 50.0, 100.0])
def test_beads_are_found_where_they_are_with_their_size(model: str, radius_A: float) -> None:
    places = [(40.0, 40.3), (50.2, 110.0), (110.4, 60.0)]
    found = find(average(places, radius_A), model=model)
    assert len(found.beads) == 3
    for bead in found.beads:
        away = min(np.hypot(bead.y_A / 8 - y, bead.x_A / 8 - x) for y, x in places)
        assert away < 0.25  # pixels; counting noise moves a centre by some hundredths
        assert bead.radius_A == pytest.approx(radius_A, rel=0.12)  # fits are tried 10 % apart
    area = 3 * np.pi * (radius_A / 8) ** 2
    assert found.mask.sum() == pytest.approx(area, rel=0.25)


@pytest.mark.parametrize("model", MODELS)
def test_blank_and_constant_images_have_no_gold(model: str) -> None:
    noise = np.random.default_rng(1).poisson(100, (128, 128)).astype(np.float32)
    for image in (noise, np.zeros((64, 80)), np.full((64, 80), 7.0), np.full((64, 80), np.nan), np.ones((1, 300))):
        found = find(image.astype(np.float32), model=model)
        assert not found.mask.any()
        assert not found.beads
        assert not found.dirt.any()


def test_a_constant_image_says_so() -> None:
    assert find(np.full((64, 64), 5.0, np.float32)).assessment.verdict == Verdict.WEAK


@pytest.mark.parametrize("model", MODELS)
def test_works_without_a_ctf(model: str) -> None:
    found = find(average([(60.0, 60.0), (100.0, 110.0)]), ctf=None, model=model)
    assert len(found.beads) == 2


def test_grey_values_need_not_be_electrons() -> None:
    image = average([(60.0, 60.0), (100.0, 110.0)])
    found = find((image - image.mean()) / image.std())
    assert len(found.beads) == 2
    assert found.assessment.verdict == Verdict.WEAK


def test_threshold_applies_to_the_probability() -> None:
    image = average([(60.0, 60.0)], 25.0, electrons=25.0)
    low, high = find(image, threshold=0.05), find(image, threshold=0.95)
    assert np.array_equal(low.probability, high.probability)
    assert low.mask.sum() > high.mask.sum()
    assert np.array_equal(low.mask, low.probability >= 0.05)


def test_overlapping_beads_are_two() -> None:
    places = [(80.0, 76.0), (80.0, 85.0)]  # nine pixels apart, beads of 12.5
    found = find(average([*places, (30.0, 30.0), (120.0, 130.0)]))
    assert len(found.beads) == 4


def test_bead_whose_centre_lies_outside_is_kept_below_one_half() -> None:
    found = find(average([(-3.5, 80.0), (60.0, 60.0), (110.0, 100.0)]))
    assert len(found.beads) == 2
    assert 0.2 < found.probability[0, 80] < 0.5


def test_dark_lump_that_is_no_gold_is_left_alone() -> None:
    y, x = np.indices((160, 160))
    lump = np.exp(-0.35 * np.exp(-((y - 80) ** 2 + (x - 70) ** 2) / 72))  # as dark as 400 Å of ice
    image = np.random.default_rng(2).poisson(120 * lump).astype(np.float32)
    assert find(image).masked_fraction < 1e-3
    assert find(image, model="classic").masked_fraction < 1e-3


@pytest.mark.parametrize("pixel_A", [1.37, 2.7, 6.1, 10.0])
def test_pixel_size_and_odd_sides(pixel_A: float) -> None:
    side = int(900 / pixel_A) | 1
    y, x = np.indices((side, side + 6)) * pixel_A
    beam = np.full(y.shape, 2.0 * pixel_A**2)
    beam[(y - 430) ** 2 + (x - 500) ** 2 < 50**2] *= 0.25
    image = np.random.default_rng(4).poisson(beam).astype(np.float32)
    found = find(image, pixel_A, ctf=None, model="classic")
    assert len(found.beads) == 1
    assert found.beads[0].y_A == pytest.approx(430, abs=5)
    assert found.beads[0].x_A == pytest.approx(500, abs=5)
    assert found.pixel_size_A == pytest.approx((side + 6) * pixel_A / found.probability.shape[1])


def test_given_diameter_is_used() -> None:
    found = find(average([(60.0, 60.0), (100.0, 110.0)]), bead_diameter_nm=10.0)
    assert len(found.beads) == 2
    assert found.details["bead_diameter_nm"] == 10.0


def test_unknown_model_is_named_with_the_nearest() -> None:
    image = np.ones((32, 32), np.float32)
    with pytest.raises(SettingsError, match='did you mean "gold"'):
        find(image, model="glod")
    with pytest.raises(SettingsError, match="no such file"):
        find(image, model="models/mine.safetensors")
    with pytest.raises(SettingsError, match="above 0"):
        find(image, 0.0)


def test_same_input_same_answer() -> None:
    image = average([(60.0, 60.0), (100.0, 110.0)])
    first, second = find(image), find(image)
    assert np.array_equal(first.probability, second.probability)
    assert first.beads == second.beads
    assert json.dumps(first.details)


def test_steep_defocus_is_followed() -> None:
    tilted = replace(FIT, gradient_x=1.7)
    assert len(find(average([(60.0, 60.0), (100.0, 110.0)]), ctf=tilted).beads) == 2


def test_a_failed_fit_is_not_believed() -> None:
    wrong = replace(FIT, defocus_u_A=79_000.0, defocus_v_A=79_000.0)
    failed = replace(wrong, assessment=Assessment(Verdict.FAILED, "no rings"))
    image = average([(60.0, 60.0), (100.0, 110.0)])
    assert find(image, ctf=failed).beads == find(image, ctf=None).beads
    assert optics_of(failed) == optics_of(None)
    assert optics_of(wrong) != optics_of(None)


def test_own_network_is_taken_by_its_path(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from weft.fiducials.net import GoldNet

    torch.manual_seed(0)
    net = GoldNet((4, 4, 4, 4))
    save_file(net.state_dict(), tmp_path / "mine.safetensors")
    found = find(average([(60.0, 60.0)]), model=str(tmp_path / "mine.safetensors"))
    assert found.details["model"].endswith("mine.safetensors")
