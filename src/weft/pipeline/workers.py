"""Workers: processes that take one movie at a time.

A worker is a fresh process (`spawn`), so that a crash or a kill by the kernel costs one movie, not the run. It dies
with its parent.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import multiprocessing as mp
import os
import re
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

from weft.engine.memory import SHARE_OF_MEMORY, free_memory_bytes
from weft.errors import MachineError
from weft.settings.schema import ComputeSettings
from weft.state.locks import beating, claim

__all__ = ["STOP_SIGNALS", "Pool", "Work", "do_job", "plan_workers", "usable_gpus", "visible_gpus"]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []))
_GB_PER_WORKER = 3.0
_LEAST_GB = 1.0


class Work(Protocol):
    """What a worker does with a job: computes, reports stages, returns a plain summary."""

    def __call__(self, job: Any, compute: ComputeSettings, report: Callable[[str, float], None]) -> dict[str, Any]:
        """Do one job."""


def plan_workers(compute: ComputeSettings, jobs: int) -> ComputeSettings:
    """Return the settings with workers and threads as numbers and, on the CPU, the memory that each worker may use.

    Notes
    -----
    On the CPU one thread per worker is best as long as memory (3 GB each, or `memory_GB`) allows; GPUs get one
    worker each. Workers share what is free.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    free_GB = free_memory_bytes() / 1e9
    need = _GB_PER_WORKER if compute.memory_GB == "auto" else float(compute.memory_GB)
    fitting = max(1, int(free_GB / need))
    gpus = usable_gpus() if compute.device == "auto" else []
    if gpus or compute.device.startswith("cuda"):
        fitting = min(fitting, max(1, len(gpus)))
    workers = min(cores, fitting) if compute.workers == "auto" else compute.workers
    workers = max(1, min(workers, jobs))
    planned: dict[str, Any] = {"workers": workers}
    if compute.threads == "auto":
        planned["threads"] = max(1, cores // workers)
    if compute.memory_GB == "auto" and not gpus and not compute.device.startswith("cuda"):
        planned["memory_GB"] = max(_LEAST_GB, SHARE_OF_MEMORY * free_GB / workers)
    return compute.model_copy(update=planned)


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    job: Any = None


class Pool:
    """Hands jobs to workers and yields what they report.

    Parameters
    ----------
    work : callable
        Importable by name; see `Work`.
    compute : ComputeSettings
        With workers and threads as numbers.
    """

    def __init__(self, work: Work, compute: ComputeSettings) -> None:
        self._work = work
        self._compute = compute
        self._context = mp.get_context("spawn")
        self._workers: list[_Worker] = []
        self._started = 0

    def start(self, count: int) -> None:
        """Start workers."""
        for _ in range(count):
            self._workers.append(self._start_one())

    @property
    def idle(self) -> int:
        """Workers without a job."""
        return sum(worker.job is None for worker in self._workers)

    @property
    def busy(self) -> int:
        """Workers with a job."""
        return sum(worker.job is not None for worker in self._workers)

    def submit(self, job: Any) -> None:
        """Give a job to an idle worker."""
        worker = next(worker for worker in self._workers if worker.job is None)
        worker.job = job
        worker.pipe.send(job)

    def messages(self, timeout_s: float) -> list[tuple[Any, str, Any]]:
        """Return what has been reported: (job, kind, content), kind being stage, done, error, machine or died."""
        by_pipe = {worker.pipe: worker for worker in self._workers}
        found = []
        for pipe in wait(list(by_pipe), timeout_s):
            worker = by_pipe[pipe]  # type: ignore[index]
            job = worker.job
            try:
                kind, content = worker.pipe.recv()
            except (EOFError, OSError):
                worker.process.join(5)
                kind, content = "died", worker.process.exitcode
                self._replace(worker)
            if kind != "stage":
                worker.job = None
            found.append((job, kind, content))
        return found

    def close(self, *, now: bool = False) -> None:
        """End all workers; at once, or after their jobs."""
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.pipe.send(None)
            if now:
                worker.process.kill()
        for worker in self._workers:
            worker.process.join(30)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join(5)
            worker.pipe.close()
        self._workers.clear()

    def _start_one(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        gpus = usable_gpus() if self._compute.device == "auto" else []
        gpu = gpus[self._started % len(gpus)] if gpus else None
        self._started += 1
        arguments = (theirs, self._work, self._compute, os.getpid())
        process = self._context.Process(target=_serve, args=arguments, daemon=True, name="weft-worker")
        with _environment(self._environment_of(gpu)):
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _environment_of(self, gpu: str | None) -> dict[str, str]:
        """Return what libraries read when they are loaded, which is before `_serve` runs."""
        told = {
            "OMP_NUM_THREADS": str(self._compute.threads),
            "OPENBLAS_NUM_THREADS": "1",  # NumPy's small systems take ten times as long on two threads that wait
        }
        return told if gpu is None else {**told, "CUDA_VISIBLE_DEVICES": gpu}  # this worker sees one device

    def _replace(self, worker: _Worker) -> None:
        worker.pipe.close()
        fresh = self._start_one()
        worker.process, worker.pipe, worker.job = fresh.process, fresh.pipe, None


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for the processes started within."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(pipe: Connection, work: Work, compute: ComputeSettings, parent: int) -> None:
    """Work until told to stop or left alone."""
    for number in STOP_SIGNALS:  # batch systems signal the whole group; the parent decides what that means
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        if job is None:
            return
        kind, content = do_job(job, work, compute, lambda stage, seconds: pipe.send(("stage", (stage, seconds))))
        pipe.send((kind, content))


def do_job(job: Any, work: Work, compute: ComputeSettings, report: Callable[[str, float], None]) -> tuple[str, Any]:
    """Do one job under its claim; return (done, summary), (error, traceback), (machine, sentence) or (taken, None).

    Parameters
    ----------
    job : Job
        With ``item.name`` and ``out``.
    work : callable
        See `Work`.
    compute : ComputeSettings
        Device, threads, memory.
    report : callable
        Called with stage and seconds.
    """
    held = claim(Path(job.out) / "claims" / f"{job.item.name}.claim")
    if held is None:
        return "taken", None
    try:
        with beating(held):
            if held.is_inherited:
                from weft.pipeline.outputs import remove_leftovers

                remove_leftovers(Path(job.out), job.item.name)
            return "done", work(job, compute, report)
    except MachineError as error:
        return "machine", str(error.args[-1] if error.args else error)
    except Exception:  # noqa: BLE001 (the worker's item loop: whatever happens, the other items go on)
        return "error", traceback.format_exc()
    finally:
        held.release()


def _die_with(parent: int) -> None:
    """End this process when its parent is gone: a half-made result is no result."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def visible_gpus() -> list[str]:
    """Return the numbers of the NVIDIA devices that this process may use, without loading torch."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [number.strip() for number in allowed.split(",") if number.strip() not in {"", "-1"}]
    try:
        return [str(number) for number in range(len(list(Path("/proc/driver/nvidia/gpus").iterdir())))]
    except OSError:
        return []


def usable_gpus() -> list[str]:
    """Return those of `visible_gpus` that the installed torch can use: none where it is a build for the CPU."""
    return visible_gpus() if torch_has_cuda() else []


@functools.cache
def torch_has_cuda() -> bool:
    """Tell whether the installed torch is a build for NVIDIA devices, without loading it."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    try:
        text = Path(found.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return True  # then the worker finds out
    return re.search(r"^cuda\b[^=]*= *None", text, re.MULTILINE) is None
