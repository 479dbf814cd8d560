"""Files and results of an earlier setting do not stay beside those of another average."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from weft.engine.device import Engine
from weft.io.mrc import write_mrc
from weft.pipeline.jobs import Job
from weft.pipeline.plan import make_plan
from weft.pipeline.stages import process_movie
from weft.settings.schema import Settings
from weft.state.project import Project
from weft.state.record import Record

BASE: dict[str, dict[str, Any]] = {
    "input": {"raw_pixel_size_A": 2.0},
    "motion": {"enabled": False},
    "ctf": {"window_px": 128},
    "fiducials": {"model": "classic"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frames = np.random.default_rng(1).poisson(2.0, (4, 128, 128)).astype(np.float32)
    (tmp_path / "frames").mkdir()
    write_mrc(tmp_path / "frames/a.mrc", frames, 2.0)
    return tmp_path


def done_with(folder: Path, **tables: dict[str, Any]) -> Record:
    settings = Settings.model_validate(BASE | {name: BASE.get(name, {}) | more for name, more in tables.items()})
    project = Project(folder, settings)
    item = make_plan(project).items[0]
    assert item.stages, "there is something to do"
    job = Job(item, settings, folder, project.out)
    return process_movie(job, Engine(torch.device("cpu"), 1, 1 << 30), lambda _stage, _seconds: None)


def images_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder / "weft")) for path in (folder / "weft").rglob("a.mrc*"))


def test_halves_of_another_average_go(folder: Path) -> None:
    done_with(folder, output={"halves": True, "aligned_stack": True})
    assert images_of(folder) == [
        "average/a.mrc", "average/even/a.mrc", "average/odd/a.mrc", "powerspectrum/a.mrc", "stack/a.mrcs",
    ]  # fmt: skip
    done_with(folder, output={"skip_first": 2})
    assert images_of(folder) == ["average/a.mrc", "powerspectrum/a.mrc"]


def test_an_average_that_is_not_asked_for_any_more_goes(folder: Path) -> None:
    done_with(folder)
    done_with(folder, output={"average": False})
    assert images_of(folder) == ["powerspectrum/a.mrc"]


def test_ctf_and_mask_of_another_average_go_where_they_are_switched_off(folder: Path) -> None:
    first = done_with(folder)
    assert set(first.stages) == {"motion", "average", "ctf", "mask"}
    off: dict[str, dict[str, Any]] = {"ctf": {"enabled": False}, "fiducials": {"enabled": False}}
    second = done_with(folder, output={"skip_first": 2}, **off)
    assert set(second.stages) == {"motion", "average"}
    assert (second.ctf, second.mask) == (None, None)
    assert not list((folder / "weft/mask").glob("a*"))


def test_ctf_and_mask_of_the_same_average_stay(folder: Path) -> None:
    first = done_with(folder, fiducials={"enabled": False})
    second = done_with(folder, ctf={"enabled": False})
    assert second.ctf == first.ctf
    assert set(second.stages) == {"motion", "average", "ctf", "mask"}


def test_ctf_and_mask_stay_where_only_other_files_are_asked_for(folder: Path) -> None:
    first = done_with(folder)
    second = done_with(folder, output={"halves": True})
    assert (second.ctf, second.mask) == (first.ctf, first.mask)
    assert set(second.stages) == {"motion", "average", "ctf", "mask"}
    assert (folder / "weft/average/even/a.mrc").exists()
