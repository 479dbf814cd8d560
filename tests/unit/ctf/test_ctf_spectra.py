"""The spectra of patches, on noise whose statistics are known."""

from __future__ import annotations

import numpy as np
import pytest
from tests.rings import ENGINE, OPTICS, ring_image

from weft.ctf import estimate_ctf
from weft.ctf.spectra import patch_spectra
from weft.settings.schema import CtfSettings


def test_the_share_of_independent_samples_gives_the_variance_of_a_mean() -> None:
    means: list[float] = []
    share, samples = 0.0, 0
    for seed in range(200):
        noise = np.random.default_rng(seed).standard_normal((150, 220)).astype(np.float32)
        spectra = patch_spectra([noise], 1.0, 64, (20.0, 2.5), ENGINE)
        share, samples = spectra.share, spectra.power.size
        means.append(float(spectra.power.mean()) / 64**2 * 4)  # the window's mean square is a quarter
    assert np.mean(means) == pytest.approx(1, rel=0.01)
    assert np.var(means) == pytest.approx(1 / (samples * share), rel=0.3)


def test_what_only_low_frequencies_tell_is_kept() -> None:
    image = ring_image(u_A=60500, v_A=60000, angle_deg=20, signal=3)
    fit, _ = estimate_ctf(image, 2.0, CtfSettings(range_A=(80, 23)), OPTICS, ENGINE)
    assert 10 < fit.sigma["defocus_A"] < 400
    assert fit.defocus_A == pytest.approx(60250, abs=4 * fit.sigma["defocus_A"])


def test_the_form_of_large_objects_is_not_taken_for_rings() -> None:
    """Discs of 100 Å have rings of their own at 37 and 28 Å."""
    rng = np.random.default_rng(3)
    y, x = np.ogrid[:1024, :1024]
    image = ring_image(u_A=30500, v_A=30000, angle_deg=20).copy()
    spread = float(image.std())
    for cy, cx in rng.uniform(30, 994, (40, 2)):
        image[(y - cy) ** 2 + (x - cx) ** 2 < 25**2] -= 2 * spread
    whole, _ = estimate_ctf(image, 2.0, CtfSettings(range_A=(40, 5)), OPTICS, ENGINE)
    above, _ = estimate_ctf(image, 2.0, CtfSettings(range_A=(22, 5)), OPTICS, ENGINE)
    assert whole.defocus_A == pytest.approx(above.defocus_A, abs=0.25 * above.sigma["defocus_A"])


def test_what_lies_behind_a_grid_bar_is_left_out() -> None:
    image = ring_image(gradient=(0.0, 1.5), u_A=36000, v_A=36000).copy()
    whole, _ = estimate_ctf(image, 2.0, CtfSettings(), OPTICS, ENGINE)
    image[:, :400] *= 0.1
    fit, _ = estimate_ctf(image, 2.0, CtfSettings(), OPTICS, ENGINE)
    assert fit.details["patches"] < whole.details["patches"]
    assert fit.defocus_A == pytest.approx(36000, abs=4 * fit.sigma["defocus_A"])
    assert fit.gradient_y == pytest.approx(1.5, abs=4 * fit.sigma["gradient_y"])
