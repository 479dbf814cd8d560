from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from weft.engine.device import Engine
from weft.errors import SettingsError
from weft.fiducials import segment
from weft.fiducials.template import Optics, bead_contrast
from weft.io.masktiff import read_mask, write_mask
from weft.pipeline.jobs import Job
from weft.pipeline.masking import another_threshold, with_model_path
from weft.pipeline.outputs import mask_facts, write_mask_files
from weft.pipeline.plan import PlanItem, make_plan
from weft.settings.schema import FiducialSettings, Settings
from weft.state.keys import key_of, stage_inputs
from weft.state.project import Project
from weft.state.record import MovieFacts, Record, Stage
from weft.state.records import write_record

ENGINE = Engine(torch.device("cpu"), 1, 1 << 30)
FACTS = MovieFacts(path="", format="mrc", frames=1, height=1, width=1, raw_pixel_size_A=1, size_bytes=1, identity="m")


def settings_at(threshold: float, **more: object) -> Settings:
    return Settings.model_validate({"fiducials": {"threshold": threshold, "model": "classic", **more}})


def job_at(folder: Path, settings: Settings, stages: tuple[str, ...] = ("mask",)) -> Job:
    inputs = stage_inputs(settings, movie="m", gain=None, defects=None)
    item = PlanItem("a", folder / "a.mrc", "stale", stages, (), inputs)  # type: ignore[arg-type]
    return Job(item, settings, folder, folder / "weft")


def weak_beads() -> np.ndarray:
    """Beads from clear to doubtful, 8 Å a pixel."""
    rng = np.random.default_rng(2)
    beam = np.full((160, 160), 30.0)
    for column, strength in ((40, 1.0), (80, 0.62), (120, 0.55)):
        for row in (40, 110):
            bead = 1 + strength * bead_contrast(50.0, Optics(20_000.0))
            half = len(bead) // 2
            beam[row - half : row + half + 1, column - half : column + half + 1] *= bead
    return rng.poisson(beam).astype(np.float32)


def made_at(threshold: float, folder: Path) -> Record:
    job = job_at(folder, settings_at(threshold))
    found = segment(weak_beads(), 8.0, job.settings.fiducials, ENGINE, ctf=None)
    files = write_mask_files(job.out, "a", found)
    inputs = job.item.inputs["mask"]
    stage = Stage(key=key_of(stage="mask", inputs=inputs), inputs=inputs, files=files)
    return Record(name="a", movie=FACTS, stages={"mask": stage}, mask=mask_facts(found, "classic"))


@pytest.mark.parametrize(("before", "after"), [(0.5, 0.95), (0.95, 0.1)])
def test_another_threshold_gives_what_a_new_look_would(before: float, after: float, tmp_path: Path) -> None:
    earlier, fresh = made_at(before, tmp_path / "one"), made_at(after, tmp_path / "two")
    again = another_threshold(earlier, job_at(tmp_path / "one", settings_at(after)))
    assert again is not None
    assert again[0] == fresh.mask
    assert again[1] == earlier.stages["mask"].files
    assert earlier.mask is not None
    assert again[0] != earlier.mask
    one, two = (read_mask(tmp_path / folder / "weft/mask/a.tif") for folder in ("one", "two"))
    assert np.array_equal(one, two)


def test_anything_but_the_threshold_asks_for_a_new_look(tmp_path: Path) -> None:
    earlier = made_at(0.5, tmp_path)
    assert another_threshold(earlier, job_at(tmp_path, settings_at(0.5))) is None  # redone on purpose
    assert another_threshold(earlier, job_at(tmp_path, settings_at(0.9, bead_diameter_nm=15))) is None
    assert another_threshold(earlier, job_at(tmp_path, settings_at(0.9), ("average", "mask"))) is None
    assert another_threshold(None, job_at(tmp_path, settings_at(0.9))) is None
    (tmp_path / "weft/mask/a.prob.tif").unlink()
    assert another_threshold(earlier, job_at(tmp_path, settings_at(0.9))) is None


def test_masked_share_is_that_of_the_mask_that_holds(tmp_path: Path) -> None:
    record = made_at(0.5, tmp_path)
    project = Project(tmp_path, settings_at(0.5))
    write_record(project.path("record", "a"), record)
    assert project.records()["a"] == record
    painted = np.zeros((10, 10), dtype=bool)
    painted[:2] = True
    write_mask(project.path("edited_mask", "a"), painted, 100.0)
    write_mask(project.path("edited_mask", "no_movie"), painted, 100.0)
    mask = project.records()["a"].mask
    assert mask is not None
    assert mask.masked_fraction == pytest.approx(0.2)
    project.path("edited_mask", "a").write_bytes(b"damaged")
    assert project.records()["a"] == record


def test_own_model_is_found_by_name_and_redoes_masks_when_trained_again(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames/a.mrc").write_bytes(b"a")
    project = Project(tmp_path, Settings.model_validate({"fiducials": {"model": "mine"}}))
    with pytest.raises(SettingsError, match="no such model"):
        make_plan(project)
    own = project.out / "models/mine.safetensors"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"first")
    first = make_plan(project).items[0]
    own.write_bytes(b"second, other weights")
    second = make_plan(project).items[0]
    keys = [
        {stage: key_of(stage=stage, inputs=item.inputs[stage]) for stage in item.inputs} for item in (first, second)
    ]
    assert {stage for stage in keys[0] if keys[0][stage] != keys[1][stage]} == {"mask"}
    job = replace(job_at(tmp_path, project.settings), out=project.out)
    assert with_model_path(job) == FiducialSettings(model=str(own))
    assert with_model_path(job_at(tmp_path, Settings())).model == "gold"
