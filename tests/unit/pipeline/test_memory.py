"""Memory: how much is planned with, and what happens where it is short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from weft.engine.device import Engine, is_out_of_memory
from weft.engine.memory import free_memory_bytes
from weft.io.mrc import write_mrc
from weft.pipeline import stages, workers
from weft.pipeline.jobs import Job
from weft.pipeline.plan import make_plan
from weft.pipeline.workers import plan_workers
from weft.settings.schema import ComputeSettings, Settings
from weft.state.project import Project

GB = 10**9


def machine(folder: Path, group: str, **files: str) -> dict[str, Path]:
    """Write what a kernel tells: 20 GB available, and a control group's files."""
    proc, cgroups = folder / "proc", folder / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable: {20 * GB // 1024} kB\nHugePages_Free: 0\n")
    (proc / "self/cgroup").write_text(group)
    for name, text in files.items():
        path = cgroups / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {"proc": proc, "cgroups": cgroups}


def test_a_batch_systems_limit_counts_and_idle_file_pages_are_free(tmp_path: Path) -> None:
    files = {
        "job_7__memory_dot_max": f"{8 * GB}\n",
        "job_7__memory_dot_current": f"{5 * GB}\n",
        "job_7__memory_dot_stat": f"anon {GB}\ninactive_file {3 * GB}\n",
        "job_7__step__memory_dot_max": "max\n",
        "job_7__step__memory_dot_current": "1\n",
    }
    assert free_memory_bytes(**machine(tmp_path, "0::/job_7/step\n", **files)) == 6 * GB


def test_control_groups_of_the_first_version_count_too(tmp_path: Path) -> None:
    files = {
        "memory__slurm__memory_dot_limit_in_bytes": f"{4 * GB}",
        "memory__slurm__memory_dot_usage_in_bytes": f"{GB}",
    }
    assert free_memory_bytes(**machine(tmp_path, "5:cpu,memory:/slurm\n1:name=systemd:/x\n", **files)) == 3 * GB


def test_without_limits_the_machine_tells(tmp_path: Path) -> None:
    free = free_memory_bytes(**machine(tmp_path, "0::/\n"))
    assert abs(free - 20 * GB) < 1024


def test_workers_share_the_memory_that_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "free_memory_bytes", lambda: 20 * GB)
    monkeypatch.setattr(workers, "usable_gpus", list)
    two = plan_workers(ComputeSettings(workers=2, threads=1), 10)
    assert (two.workers, two.threads) == (2, 1)
    assert two.memory_GB == pytest.approx(6.0)
    assert plan_workers(ComputeSettings(workers=4), 1).memory_GB == pytest.approx(12.0)
    assert plan_workers(ComputeSettings(workers=2, memory_GB=1.5), 10).memory_GB == 1.5
    assert plan_workers(ComputeSettings(device="cuda:1", workers=2), 10).memory_GB == "auto"  # the GPU's, not this


def test_a_named_gpu_gets_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "free_memory_bytes", lambda: 128 * GB)
    assert plan_workers(ComputeSettings(device="cuda:1"), 10).workers == 1
    assert plan_workers(ComputeSettings(device="cuda:1", workers=2), 10).workers == 2


def test_a_torch_without_cuda_is_planned_with_as_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(workers, "torch_has_cuda", lambda: False)
    assert workers.visible_gpus() == ["0", "1"]
    assert workers.usable_gpus() == []
    monkeypatch.setattr(workers, "torch_has_cuda", lambda: True)
    assert workers.usable_gpus() == ["0", "1"]


def test_torchs_build_is_told_without_loading_it() -> None:
    assert workers.torch_has_cuda() == (torch.version.cuda is not None)


def test_what_means_that_memory_is_short() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("can't allocate memory"))


def starved(job: Job, device: str, monkeypatch: pytest.MonkeyPatch, *, everywhere: bool) -> Any:
    """Process a movie whose motion does not fit into the device's memory."""
    fits = stages._Work._run_motion

    def run_motion(work: Any) -> Any:
        if everywhere or work._engine.device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return fits(work)

    monkeypatch.setattr(stages._Work, "_run_motion", run_motion)
    return stages.process_movie(job, Engine(torch.device(device), 1, 1 << 30), lambda _stage, _seconds: None)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    frames = np.random.default_rng(1).poisson(2.0, (3, 96, 96)).astype(np.float32)
    (tmp_path / "frames").mkdir()
    write_mrc(tmp_path / "frames/a.mrc", frames, 2.0)
    off = {"ctf": {"enabled": False}, "fiducials": {"enabled": False}, "input": {"raw_pixel_size_A": 2.0}}
    project = Project(tmp_path, Settings.model_validate(off))
    return Job(make_plan(project).items[0], project.settings, project.folder, project.out)


def test_what_a_gpu_cannot_hold_is_done_on_the_cpu_and_told(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    record = starved(job, "cuda", monkeypatch, everywhere=False)
    assert record.failure is None
    assert set(record.stages) == {"motion", "average"}
    assert record.versions["device"] == "CPU (the GPU's memory was too small)"


def test_memory_that_is_short_everywhere_fails_one_movie_in_one_sentence(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = starved(job, "cpu", monkeypatch, everywhere=True)
    assert record.failure is not None
    assert record.failure.message.startswith("a: not enough memory for the motion stage; set compute.workers lower")
