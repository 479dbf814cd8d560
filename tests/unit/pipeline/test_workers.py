"""Workers: what they are told before their libraries load."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from weft.pipeline.workers import Pool
from weft.settings.schema import ComputeSettings

ASKED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class Job:
    """What a pool needs of one."""

    item: SimpleNamespace
    out: Path


def tell_environment(job: Any, compute: ComputeSettings, report: Callable[[str, float], None]) -> dict[str, Any]:  # noqa: ARG001
    return {name: os.environ.get(name) for name in ASKED}


def test_threads_are_limited_before_libraries_load(tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()
    before = {name: os.environ.get(name) for name in ASKED}
    pool = Pool(tell_environment, ComputeSettings(device="cpu", workers=1, threads=3))
    try:
        pool.start(1)
        pool.submit(Job(SimpleNamespace(name="one"), tmp_path))
        _, kind, told = pool.messages(60)[0]
    finally:
        pool.close()
    assert (kind, told) == ("done", {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "1"})
    assert {name: os.environ.get(name) for name in ASKED} == before
