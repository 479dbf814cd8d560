"""Shared by all tests: where the data are, one thread, fixed hypothesis profiles."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parents[1]))  # `tests.NAME`: modules that several layers of tests share

settings.register_profile("ci", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder with ``sim/`` and ``data/real/``; without it the test is skipped."""
    folder = os.environ.get("WEFT_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("WEFT_TEST_DATA names no folder with the simulator and the real files")
    return Path(folder)
