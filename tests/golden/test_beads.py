"""Beads of simulated movies: found, nothing else masked; the simulator of the test data is the judge."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from weft.engine.device import Engine
from weft.fiducials import segment
from weft.fields import BeadMask, Verdict
from weft.io.image import read_image
from weft.settings.schema import FiducialSettings

ENGINE = Engine(torch.device("cpu"), 1, 1 << 30)
REAL = (  # file, Å a pixel (a guess where the header is silent): none shows gold
    ("mrcfile/fei-extended_crop2048.mrc", 0.85378),
    ("micrograph_cleaner_em/Ucsf_stack_1142_DW_mic.mrc", 2.5),
    ("micrograph_cleaner_em/Ucsf_stack_1142_DW_mic.mrc", 4.8),
    ("leginon/07jan05b_12gr_02en_00.dwn.mrc", 6.5),
    ("leginon/tilt1.mrc", 4.0),
    ("leginon/tilt2.mrc", 4.0),
    ("xmipp/KLH.tif", 4.4),
)


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The benchmark's functions: averages along the true motion, the truth as a fit."""
    folder = str(Path(__file__).parents[2] / "bench")
    sys.path.insert(0, folder)
    try:
        import beads_accuracy  # type: ignore[import-not-found]
    finally:
        sys.path.remove(folder)
    module: ModuleType = beads_accuracy
    return module


def make_set(kind: str, sim: Path, out: Path) -> dict[str, object]:
    command = [sys.executable, str(sim / "simulate.py"), kind, "--seed", "5", "--small", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True, cwd=sim, env={"PYTHONDONTWRITEBYTECODE": "1"})
    truth: dict[str, object] = json.loads((out / "truth" / "truth.json").read_text(encoding="utf-8"))
    return truth


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "has_gold"), [("hiv", True), ("easy", False), ("phaseplate", False), ("empty", False)]
)
def test_beads_of_simulated_movies(
    kind: str, has_gold: bool, test_data: Path, tmp_path: Path, bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim = test_data / "sim"
    monkeypatch.syspath_prepend(str(sim))
    import detector  # type: ignore[import-not-found]
    import metrics  # type: ignore[import-not-found]

    truth = make_set(kind, sim, tmp_path)
    settings = truth["settings"]
    found_share, right_share = [], []
    for entry in truth["images"]:  # type: ignore[attr-defined]
        average = bench.true_average(tmp_path, entry, settings["pixel_A"], detector)  # type: ignore[index]
        fit = bench.true_fit(entry, settings)
        found = segment(average, settings["pixel_A"], FiducialSettings(), ENGINE, ctf=fit)  # type: ignore[index]
        scores = metrics.bead_scores(found.probability, entry["beads"], average.shape)
        print(kind, entry["name"], scores)
        if has_gold:
            found_share.append(scores["recall"])
            right_share.append(scores["precision"])
            assert scores["best_iou"] > 0.75
        else:
            assert scores["masked_share"] < 1e-3
    if has_gold:
        assert np.mean(found_share) >= 0.97
        assert np.mean(right_share) >= 0.9  # 6 to 14 beads an image: one at the very rim costs a tenth


@pytest.mark.data
@pytest.mark.parametrize(("file", "pixel_A"), REAL)
def test_real_averages_without_gold_are_not_masked(file: str, pixel_A: float, test_data: Path) -> None:
    path = test_data / "data" / "real" / file
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    image = np.asarray(read_image(path)[0], dtype=np.float32)
    found: BeadMask = segment(image, pixel_A, FiducialSettings(), ENGINE, ctf=None)
    assert found.masked_fraction < 1e-3
    assert found.assessment.verdict in {Verdict.GOOD, Verdict.WEAK}
