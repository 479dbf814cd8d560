"""A run: everything that is to do, one movie after the other, resumable at any moment."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from weft.errors import BusyError, Interrupted, MachineError, WeftError
from weft.io.machine import machine_errors
from weft.pipeline.jobs import Job
from weft.pipeline.plan import Plan, PlanItem, make_plan, settings_for
from weft.pipeline.progress import RunLog
from weft.pipeline.series_pass import judge_series
from weft.pipeline.workers import STOP_SIGNALS, Pool, plan_workers
from weft.settings.schema import ComputeSettings
from weft.state.keys import key_of
from weft.state.locks import beating, claim, holder, is_alive
from weft.state.project import Project
from weft.state.record import Failure, MovieFacts, Record
from weft.state.records import read_record, write_record

__all__ = ["RunSummary", "current_runs", "registered", "run", "stop_signals", "work_movie"]

_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did.

    Parameters
    ----------
    done : int
        Movies finished by this run.
    failed : tuple of (str, str)
        Names and sentences of those that failed, this time or before with nothing changed since.
    up_to_date : int
        Movies that needed nothing.
    dropped : int
        Movies left out by decisions.
    seconds : float
        From start to end.
    log : Path
        The run's events.
    """

    done: int
    failed: tuple[tuple[str, str], ...]
    up_to_date: int
    dropped: int
    seconds: float
    log: Path


def run(
    project: Project,
    *,
    names: Collection[str] | None = None,
    retry: bool = False,
    redo: bool = False,
    is_registered: bool = False,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> RunSummary:
    """Do what is to do.

    Parameters
    ----------
    project : Project
        Folder and settings.
    names : collection of str, optional
        Only these movies.
    retry : bool
        Try again what failed, though nothing changed.
    redo : bool
        Do everything again.
    is_registered : bool
        The caller holds the project already; see `registered`.
    on_event : callable, optional
        Called with each event of the log.

    Raises
    ------
    BusyError
        If another run works here with other settings.
    MachineError
        If the machine cannot go on (disk full, read-only); finished work is kept.
    Interrupted
        If a signal stopped the run; the state is whole.
    """
    with contextlib.nullcontext() if is_registered else registered(project), stop_signals() as stop:
        plan = make_plan(project, names=names, retry=retry, redo=redo)
        log = RunLog(project.out, on_event)
        return _Run(project, plan, log, stop, redo=redo).go()


def work_movie(job: Job, compute: ComputeSettings, report: Callable[[str, float], None]) -> dict[str, Any]:
    """Do one movie in a worker; what another run has finished meanwhile is not done again."""
    from weft.pipeline.stages import engine_for, process_movie

    item = job.item
    record = read_record(job.out / "records" / f"{item.name}.json") if job.check_again else None
    if record is not None:
        left = tuple(stage for stage in item.stages if not _is_done(record, stage, item, job.out))
        item = replace(item, stages=left)
    if not item.stages:
        return {"failure": None, "twice": True}
    record = process_movie(replace(job, item=item), engine_for(compute), report)
    verdicts = {
        stage: part.verdict
        for stage, part in (("motion", record.motion), ("ctf", record.ctf), ("mask", record.mask))
        if part is not None
    }
    return {"failure": record.failure.message if record.failure else None, "verdicts": verdicts}


def current_runs(out: Path) -> list[dict[str, Any]]:
    """Return what the living runs of a project say of themselves: host, pid, settings, whether it watches."""
    claims = sorted((out / "claims").glob("run-*.claim"))
    return [data for path in claims if is_alive(path) and (data := holder(path)) is not None]


def _make_folder(out: Path) -> None:
    """Make the output folder.

    Raises
    ------
    MachineError
        If it cannot be made.
    """
    try:
        with machine_errors(out):
            out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise MachineError(f"{out}: cannot be made ({error.strerror}); set output.folder to another place") from error


def _is_done(record: Record, stage: Any, item: PlanItem, out: Path) -> bool:
    done = record.stages.get(stage)
    return (
        done is not None
        and done.key == key_of(stage=stage, inputs=item.inputs[stage])
        and all((out / file).exists() for file in done.files)
    )


@contextlib.contextmanager
def registered(project: Project, *, watches: bool = False) -> Iterator[None]:
    """Say that this process works here with these settings.

    Parameters
    ----------
    project : Project
        Folder and settings.
    watches : bool
        It also waits for new movies, so it does not end by itself soon.

    Raises
    ------
    BusyError
        If another process works here with other settings.
    MachineError
        If the output folder cannot be made or written to.
    """
    _make_folder(project.out)
    path = project.out / "claims" / f"run-{socket.gethostname()}-{os.getpid()}.claim"
    held = claim(path, settings=project.settings_hash, watches=watches)
    if held is None:
        raise BusyError(f"{path}: this process already runs here")
    try:
        for other in current_runs(project.out):
            if other["settings"] != project.settings_hash:
                where = f"process {other['pid']} on {other['host']}"
                raise BusyError(
                    f"{project.folder}: `weft watch`, {where}, works here with other settings; stop it first"
                    if other.get("watches")
                    else f"{project.folder}: {where} works here with other settings; wait for it, or stop it first"
                )
        with beating(held):
            yield
    finally:
        held.release()


class _Stop:
    """Set by signals: once = after the items in hand, twice = now."""

    def __init__(self) -> None:
        self.asked = 0


@contextlib.contextmanager
def stop_signals() -> Iterator[_Stop]:
    """Count INT, TERM and USR1 instead of ending at once, also where the shell had INT ignored."""
    stop = _Stop()

    def ask(_number: int, _frame: Any) -> None:
        stop.asked += 1

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class _Run:
    project: Project
    plan: Plan
    log: RunLog
    stop: _Stop
    redo: bool
    done: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    failed_before: int = 0
    machine: str | None = None
    elsewhere: list[PlanItem] = field(default_factory=list)

    def go(self) -> RunSummary:
        """Work until everything is done or something stops it."""
        began = time.monotonic()
        todo = deque(self.plan.to_run)
        self._announce(len(todo))
        for item in self.plan.items:
            if item.state in {"failed", "impossible"}:  # before this run: not among those it counts
                self.failed.append((item.name, item.reasons[0]))
                self.log.emit("item_failed", item=item.name, message=item.reasons[0])
        self.failed_before = len(self.failed)
        if todo:
            compute = plan_workers(self.project.settings.compute, len(todo))
            pool = Pool(work_movie, compute)
            try:
                pool.start(int(compute.workers))
                self._work_through(pool, todo)
            finally:
                pool.close(now=self.stop.asked > 1)
        return self._finish(time.monotonic() - began)

    def _announce(self, total: int) -> None:
        self.log.emit(
            "run_started",
            total=total,
            up_to_date=self.plan.count("done"),
            dropped=self.plan.count("dropped"),
            settings=self.project.settings_hash,
            pid=os.getpid(),
            host=socket.gethostname(),
        )

    def _work_through(self, pool: Pool, todo: deque[PlanItem]) -> None:
        """Keep every worker busy until nothing is left."""
        while todo or pool.busy or self.elsewhere:
            stopping = self.stop.asked or self.machine
            if self.stop.asked > 1 or (stopping and not pool.busy):
                return
            while todo and pool.idle and not stopping:
                self._hand_out(pool, todo.popleft())
            if not pool.busy:
                self._look_elsewhere(todo)
            for job, kind, content in pool.messages(_POLL_S):
                self._hear(job.item, kind, content)

    def _hand_out(self, pool: Pool, item: PlanItem) -> None:
        self.log.emit("item_started", item=item.name, stages=list(item.stages), reasons=list(item.reasons))
        settings = settings_for(self.project.settings, item.exposure_e_A2)
        pool.submit(Job(item, settings, self.project.folder, self.project.out, not self.redo))

    def _hear(self, item: PlanItem, kind: str, content: Any) -> None:
        if kind == "stage":
            self.log.emit("stage_done", item=item.name, stage=content[0], seconds=round(content[1], 3))
        elif kind == "taken":
            self.elsewhere.append(item)
        elif kind == "machine":
            self.machine = self.machine or content
            self.log.emit("machine", item=item.name, message=content)
        elif kind == "done" and content["failure"] is None:
            self.done += 1
            self._count("item_done", item.name, verdicts=content.get("verdicts", {}))
        elif kind == "done":
            self._note_failure(item.name, content["failure"])
        elif kind == "died":
            if not self.stop.asked:  # what was to stop has stopped; the next run does it
                self._record_failure(item, _death(item, content))
        else:
            self.log.emit("bug", item=item.name, traceback=content)
            last = content.strip().splitlines()[-1]
            self._record_failure(item, f"{item.name}: Weft made a mistake ({last}); the details are in {self.log.path}")

    def _look_elsewhere(self, todo: deque[PlanItem]) -> None:
        """Take back what another run left undone; count what it finished."""
        waiting, self.elsewhere = self.elsewhere, []
        for item in waiting:
            if is_alive(self.project.out / "claims" / f"{item.name}.claim"):
                self.elsewhere.append(item)
            else:
                todo.append(item)

    def _note_failure(self, name: str, sentence: str) -> None:
        self.failed.append((name, sentence))
        self._count("item_failed", name, message=sentence)

    def _record_failure(self, item: PlanItem, sentence: str) -> None:
        """Record the failure of an item whose worker could not do so itself, and that its stages are not done."""
        path = self.project.path("record", item.name)
        stage = item.stages[0]
        movie = item.inputs["motion"]["movie"]
        failure = Failure(stage=stage, message=sentence, identity=movie, inputs=item.inputs[stage])
        record = read_record(path) or Record(
            name=item.name,
            movie=MovieFacts(
                path=str(item.path), format="", frames=0, height=0, width=0,
                raw_pixel_size_A=0.0, size_bytes=0, identity=movie,
            ),
        )  # fmt: skip
        write_record(path, record.without(item.stages).model_copy(update={"failure": failure}))
        self._note_failure(item.name, sentence)

    def _count(self, event: str, name: str, **facts: Any) -> None:
        finished = self.done + len(self.failed) - self.failed_before
        self.log.emit(event, item=name, done=finished, total=len(self.plan.to_run), **facts)

    def _judge_series(self) -> None:
        """Judge the series whose movies are now all done."""
        try:
            judge_series(self.project, tell=self.log.emit)
        except WeftError as error:
            self.log.emit("series_failed", message=str(error))

    def _finish(self, seconds: float) -> RunSummary:
        facts = {"done": self.done, "failed": len(self.failed), "seconds": round(seconds, 1)}
        if self.machine:
            self.log.emit("run_finished", end="machine", message=self.machine, **facts)
            raise MachineError(self.machine)
        if self.stop.asked:
            self.log.emit("run_finished", end="interrupted", **facts)
            raise Interrupted(f"stopped after {self.done} movies; the state is whole, run again to go on")
        self._judge_series()
        self.log.emit("run_finished", end="done", **facts)
        return RunSummary(
            self.done, tuple(self.failed), self.plan.count("done"), self.plan.count("dropped"), seconds, self.log.path
        )


def _death(item: PlanItem, exit_code: int | None) -> str:
    if exit_code in {-9, 137}:
        return (
            f"{item.name}: its worker was killed, most likely because memory ran out; "
            "set compute.workers lower or compute.memory_GB higher and use `weft retry`"
        )
    return f"{item.name}: its worker ended with code {exit_code}; try `weft retry`"
