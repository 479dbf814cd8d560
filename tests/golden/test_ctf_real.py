"""A real K2 micrograph: an independent program's defocus, and agreement with ourselves."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.rings import ENGINE

from weft.ctf import estimate_ctf
from weft.fields import CtfFit, Verdict
from weft.io.mrc import read_mrc
from weft.settings.schema import CtfSettings, OpticsSettings

CTFFIND_MEAN_A = 10554.0  # CTFFIND 5: U 10,582, V 10,525 at 30 to 4 Å, amplitude contrast 0.10


@cache
def fit_of(path: Path, window_px: int, range_A: tuple[float, float]) -> CtfFit:
    image, _ = read_mrc(path)
    settings = CtfSettings(window_px=window_px, range_A=range_A, defocus_um=(0.3, 6), grid="1x1x1")
    optics = OpticsSettings(amplitude_contrast=0.10)
    return estimate_ctf(np.asarray(image, dtype=np.float32).squeeze(), 0.85378, settings, optics, ENGINE)[0]


@pytest.fixture
def micrograph(test_data: Path) -> Path:
    return test_data / "data" / "real" / "mrcfile" / "fei-extended_crop2048.mrc"


@pytest.mark.parametrize("window_px", [384, 512, 768])
@pytest.mark.parametrize("range_A", [(30.0, 4.0), (40.0, 5.0)])
def test_the_mean_defocus_is_that_of_ctffind(micrograph: Path, window_px: int, range_A: tuple[float, float]) -> None:
    fit = fit_of(micrograph, window_px, range_A)
    assert fit.assessment.verdict is Verdict.GOOD
    assert fit.defocus_A == pytest.approx(CTFFIND_MEAN_A, abs=100)


def test_windows_and_ranges_agree_within_twice_their_uncertainty(micrograph: Path) -> None:
    fits = [fit_of(micrograph, w, r) for w in (384, 512, 768) for r in ((30.0, 4.0), (40.0, 5.0))]
    for one, other in itertools.combinations(fits, 2):
        assert abs(one.defocus_A - other.defocus_A) < 2 * max(one.sigma["defocus_A"], other.sigma["defocus_A"])
