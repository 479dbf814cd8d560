from __future__ import annotations

import pytest

from weft.errors import SettingsError
from weft.simulate import SimulationOptions, dose_symmetric


def test_dose_symmetric_order_goes_outwards_two_on_each_side() -> None:
    assert dose_symmetric(9, 3) == (0.0, 3.0, -3.0, -6.0, 6.0, 9.0, -9.0)


def test_default_set_is_small_enough_for_a_demo() -> None:
    options = SimulationOptions()
    assert options.series == 2
    assert len(options.tilts_deg) == 13
    assert options.frames * options.height * options.width * options.series * len(options.tilts_deg) < 80e6


def test_super_resolution_doubles_the_sides_and_halves_the_pixel() -> None:
    options = SimulationOptions(super_resolution=True, height=256, width=300)
    assert options.raw_shape == (512, 600)
    assert options.raw_pixel_size_A == pytest.approx(1.35)
    assert options.bin_exponent == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"height": 100},
        {"width": 301},
        {"frames": 0},
        {"series": 0},
        {"pixel_size_A": 0.0},
        {"thickness_A": -1.0},
        {"tilts_deg": ()},
        {"tilts_deg": (0.0, 80.0)},
        {"tilts_deg": (0.0, 10.0, 10.0)},
        {"defocus_um": (4.0, 2.0)},
    ],
)
def test_values_that_cannot_be_simulated_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        SimulationOptions(**wrong)  # type: ignore[arg-type]
