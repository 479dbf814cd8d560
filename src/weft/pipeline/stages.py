"""The four stages of a movie: motion, average, ctf, mask; then its record, written last.

A stage is a pure function of its inputs and settings; only this module touches files. Before a file of an earlier
run is replaced, the stages it belongs to are struck from the record, so that a kill at any moment leaves either a
whole result or none.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft import __version__
from weft.ctf import estimate_ctf
from weft.engine.device import Engine, is_out_of_memory, make_engine, name_of, onto_cpu
from weft.errors import ItemFailed, MachineError, WeftError
from weft.fiducials import segment
from weft.fields import CtfFit, MotionField
from weft.io.mrc import read_mrc
from weft.motion import estimate_motion
from weft.motion.quality import motion_facts
from weft.movie.average import aligned_sections, make_averages
from weft.movie.bin import BinnedMovie, bin_movie
from weft.movie.open import open_movie
from weft.movie.prepare import PreparedMovie, prepare
from weft.pipeline import outputs
from weft.pipeline.gold import ctf_without_gold, motion_without_gold
from weft.pipeline.jobs import Job
from weft.pipeline.masking import another_threshold, with_model_path
from weft.settings.schema import ComputeSettings, Settings
from weft.state.keys import key_of
from weft.state.record import Failure, MovieFacts, Record, Stage, StageName
from weft.state.records import read_record, write_record

__all__ = ["engine_for", "process_movie"]

Report = Callable[[str, float], None]


@functools.cache
def engine_for(compute: ComputeSettings) -> Engine:
    """Return the engine of this worker, made once."""
    return make_engine(compute)


def process_movie(job: Job, engine: Engine, report: Report) -> Record:
    """Run the stages of one movie, write its files and its record.

    Parameters
    ----------
    job : Job
        What to do.
    engine : Engine
        Where to compute.
    report : callable
        Called with the stage's name and its seconds after each.

    Returns
    -------
    Record
        As written; with ``failure`` if a stage could not be done, the stages before it being kept.

    Raises
    ------
    MachineError
        If the machine cannot go on; the record then holds what was finished before.
    """
    path = job.out / "records" / f"{job.item.name}.json"
    earlier = _earlier(path)
    record = _begin(job, path, earlier)
    work = _Work(job, engine, record, report, earlier=earlier)
    for stage in job.item.stages:
        try:
            work.run(stage)
        except MachineError:
            raise
        except Exception as error:
            if not (isinstance(error, WeftError) or is_out_of_memory(error)):
                raise
            work.fail(stage, _sentence(job, stage, error))
            break
    outputs.write_warp_xml(job.out, work.record, job.settings)
    write_record(path, work.record)
    return work.record


def _sentence(job: Job, stage: str, error: Exception) -> str:
    if is_out_of_memory(error):
        return (
            f"{job.item.name}: not enough memory for the {stage} stage; "
            "set compute.workers lower or compute.memory_GB to what is free"
        )
    return str(error)


def _earlier(path: Path) -> Record | None:
    """Return the record as an earlier run left it."""
    try:
        return read_record(path)
    except WeftError:
        return None


def _begin(job: Job, path: Path, record: Record | None) -> Record | None:
    """Return the record so far without the stages that are to run again, after striking them on disk, too."""
    if record is None:
        return None
    if record.failure is not None or any(stage in record.stages for stage in job.item.stages):
        record = record.without(job.item.stages).model_copy(update={"failure": None})
        write_record(path, record)
    return record


class _Work:
    """One movie in hand: what was read and computed so far, so that nothing is read or computed twice."""

    def __init__(
        self, job: Job, engine: Engine, record: Record | None, report: Report, *, earlier: Record | None
    ) -> None:
        self._job = job
        self._earlier = earlier
        self._engine = engine
        self._report = report
        self._prepared: PreparedMovie | None = None
        self._binned: BinnedMovie | None = None
        self._field: MotionField | None = None
        self._average: NDArray[np.float32] | None = None
        self._fit: CtfFit | None = None
        self._device_note = ""
        self._record = record

    @property
    def record(self) -> Record:
        """The record of what is done."""
        assert self._record is not None
        return self._record

    def run(self, stage: StageName) -> None:
        """Run one stage and note its results in the record."""
        before = self._seconds()
        if self._record is None:
            self._record = Record(name=self._job.item.name, movie=self._movie_facts())
        try:
            parts, files = getattr(self, f"_run_{stage}")()
        except Exception as error:
            if self._engine.device.type == "cpu" or not is_out_of_memory(error):
                raise
            self._leave_device()
            parts, files = getattr(self, f"_run_{stage}")()
        inputs = self._job.item.inputs[stage]
        done = Stage(key=key_of(stage=stage, inputs=inputs), inputs=inputs, files=files)
        update = {"stages": {**self.record.stages, stage: done}, "versions": self._versions(), **parts}
        self._record = self.record.model_copy(update=update)
        if stage == "average":
            self._strike_older()
        self._report(stage, self._seconds() - before)

    def _strike_older(self) -> None:
        """Strike the CTF and the mask of another average, which are there where their stage is now switched off."""
        stages, inputs = self.record.stages, self._job.item.inputs
        names: tuple[StageName, ...] = ("ctf", "mask")
        older = [n for n in names if n in stages and stages[n].inputs["average"] != inputs[n]["average"]]
        for name in older:
            for file in stages[name].files:
                (self._job.out / file).unlink(missing_ok=True)
        self._record = self.record.without(older)

    def fail(self, stage: StageName, sentence: str) -> None:
        """Note why a stage could not be done."""
        inputs = self._job.item.inputs[stage]
        failure = Failure(
            stage=stage, message=sentence, identity=self._job.item.inputs["motion"]["movie"], inputs=inputs
        )
        if self._record is None:
            self._record = Record(name=self._job.item.name, movie=self._unread_facts())
        self._record = self._record.model_copy(update={"failure": failure, "versions": self._versions()})

    def _leave_device(self) -> None:
        """Go on with this movie on the CPU: the GPU's memory is too small for it."""
        self._engine = onto_cpu(self._engine)
        self._binned = None
        self._device_note = " (the GPU's memory was too small)"

    def _versions(self) -> dict[str, str]:
        """Return what the results were made with."""
        return {**_versions(), "device": f"{name_of(self._engine.device)}{self._device_note}"}

    def _run_motion(self) -> tuple[dict[str, Any], list[str]]:
        settings = self._job.settings
        if settings.motion.enabled:
            self._field = estimate_motion(self._frames(), settings.motion, self._engine)
            if settings.motion.ignore_gold:
                self._field = motion_without_gold(self._frames(), self._field, self._job, self._engine)
        else:
            still = np.zeros((self._prepare().info.frames, 2))
            self._field = MotionField.rigid(still, still, reason="motion correction is switched off")
        facts = outputs.motion_part(self._field, motion_facts(self._field, settings.input.exposure_e_A2))
        return {"motion": facts, "movie": self._movie_facts()}, []

    def _run_average(self) -> tuple[dict[str, Any], list[str]]:
        settings, field = self._job.settings, self._motion()
        averages = make_averages(
            self._frames(),
            field,
            settings.output,
            self._engine,
            exposure_e_A2=settings.input.exposure_e_A2,
            pre_exposure_e_A2=self._job.item.pre_exposure_e_A2,
            voltage_kV=settings.optics.voltage_kV,
        )
        self._average = averages.full
        files = outputs.write_averages(self._job.out, self._job.item.name, averages, settings.output)
        if settings.output.aligned_stack:
            sections = aligned_sections(self._frames(), field, settings.output, self._engine)
            files += outputs.write_aligned_stack(self._job.out, self._job.item.name, sections, averages)
        outputs.remove_outdated(self._job.out, self._job.item.name, files)
        facts = outputs.average_facts(averages, self._prepare().facts, settings.input.exposure_e_A2)
        self._binned = None  # nothing after this needs the frames, but for spectra of frames
        return {"average": facts}, files

    def _run_ctf(self) -> tuple[dict[str, Any], list[str]]:
        settings = self._job.settings
        image, pixel_size_A = self._corrected()
        self._fit, curves = estimate_ctf(
            image, pixel_size_A, settings.ctf, settings.optics, self._engine, frames=self._sections()
        )
        if settings.ctf.ignore_gold:
            self._fit, curves = ctf_without_gold(
                image, pixel_size_A, (self._fit, curves), self._job, self._engine, frames=self._sections()
            )
        files = outputs.write_spectrum(self._job.out, self._job.item.name, curves)
        return {"ctf": outputs.ctf_facts(self._fit, curves)}, files

    def _run_mask(self) -> tuple[dict[str, Any], list[str]]:
        again = another_threshold(self._earlier, self._job)
        if again is not None:
            return {"mask": again[0]}, again[1]
        image, pixel_size_A = self._corrected()
        ctf = self._fit or (self.record.ctf.to_fit() if self.record.ctf else None)
        found = segment(image, pixel_size_A, with_model_path(self._job), self._engine, ctf=ctf)
        files = outputs.write_mask_files(self._job.out, self._job.item.name, found)
        return {"mask": outputs.mask_facts(found, self._job.settings.fiducials.model)}, files

    def _prepare(self) -> PreparedMovie:
        if self._prepared is None:
            settings = _with_full_paths(self._job)
            self._prepared = prepare(open_movie(self._job.item.path, settings.input), settings.input)
        return self._prepared

    def _frames(self) -> BinnedMovie:
        if self._binned is None:
            settings = self._job.settings.input
            self._binned = bin_movie(self._prepare(), settings.bin, self._raw_pixel_size_A(), self._engine)
        return self._binned

    def _sections(self) -> Iterator[NDArray[np.float32]] | None:
        """Return the aligned frames if the CTF is fitted to their spectra."""
        if self._job.settings.ctf.use_movie_sum or self._movie_facts().frames == 1:
            return None
        return aligned_sections(self._frames(), self._motion(), _every_frame(self._job.settings), self._engine)

    def _motion(self) -> MotionField:
        if self._field is None:
            assert self.record.motion is not None
            self._field = self.record.motion.to_field()
        return self._field

    def _corrected(self) -> tuple[NDArray[np.float32], float]:
        """Return the average and its pixel size: from memory, from its file, or made again where none is kept."""
        facts = self.record.average
        assert facts is not None
        if self._average is None:
            file = self._job.out / "average" / f"{self._job.item.name}.mrc"
            if file.exists():
                self._average = np.asarray(read_mrc(file)[0], dtype=np.float32)
            else:
                self._run_average()
        assert self._average is not None
        return self._average, facts.pixel_size_A

    def _raw_pixel_size_A(self) -> float:
        given, found = self._job.settings.input.raw_pixel_size_A, self._prepare().info.pixel_size_A
        if given is None and found is None:
            raise ItemFailed(
                f"{self._job.item.path.name}: its header tells no pixel size; set input.raw_pixel_size_A in weft.toml"
            )
        return float(given if given is not None else found or 0.0)

    def _movie_facts(self) -> MovieFacts:
        info = self._prepare().info
        return MovieFacts(
            path=outputs.relative(info.path, self._job.folder),
            format=info.format,
            frames=info.frames,
            height=info.height,
            width=info.width,
            raw_pixel_size_A=self._raw_pixel_size_A(),
            size_bytes=info.size_bytes,
            identity=info.identity,
            notes=list(self._prepare().facts.notes),
        )

    def _unread_facts(self) -> MovieFacts:
        """Return what is known of a movie that could not be opened."""
        path = self._job.item.path
        return MovieFacts(
            path=outputs.relative(path, self._job.folder), format="", frames=0, height=0, width=0,
            raw_pixel_size_A=0.0, size_bytes=path.stat().st_size if path.exists() else 0,
            identity=self._job.item.inputs["motion"]["movie"],
        )  # fmt: skip

    @staticmethod
    def _seconds() -> float:
        return time.perf_counter()


def _with_full_paths(job: Job) -> Settings:
    """Return the settings with gain and defects found from the project's folder."""
    paths = {
        key: job.folder / path
        for key, path in (("gain", job.settings.input.gain), ("defects", job.settings.input.defects))
        if path is not None
    }
    return job.settings.model_copy(update={"input": job.settings.input.model_copy(update=paths)})


def _every_frame(settings: Settings) -> Any:
    return settings.output.model_copy(update={"collapse": 1})


def _versions() -> dict[str, str]:
    found = {"weft": __version__}
    for package in ("torch", "numpy", "scipy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found
