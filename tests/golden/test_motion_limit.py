"""Motion of simulated movies against the Cramér-Rao bound, small fields."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench" / "motion_accuracy.py"
BAND_A = (300.0, 5.0)


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("motion_accuracy", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "local_A"), [("easy", 0.25), ("gain", 0.30)])
def test_small_sets_are_solved_at_the_limit(
    kind: str, local_A: float, test_data: Path, tmp_path: Path, bench: ModuleType
) -> None:
    sim = test_data / "sim"
    subprocess.run(
        [sys.executable, "simulate.py", kind, "--seed", "5", "--small", "--out", str(tmp_path / "set")],
        cwd=sim, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    out = tmp_path / "found.json"
    subprocess.run(
        [sys.executable, str(BENCH), str(sim), str(tmp_path / "set"), "--grid", "1x1xn", "auto", "--json", str(out)],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    rows = json.loads(out.read_text())
    for grid in ("1x1xn", "auto"):
        chosen = [row for row in rows if row["grid"] == grid]
        error = bench.rms(chosen, "global")
        print(kind, grid, "global", error, "bound", bench.rms(chosen, "bound"), "local", bench.rms(chosen, "local"))
        assert all(row["verdict"] == "good" for row in chosen)
        assert error < 1.5 * bench.rms(chosen, "bound")  # three small images scatter by a fifth each
        assert bench.rms(chosen, "local") < local_A
        assert 0.6 < bench.rms(chosen, "path_pull") < 1.6
    assert np.isfinite(error)
