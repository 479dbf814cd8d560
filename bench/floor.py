"""How far Weft's phases are from the floor: one read, one decode, one transform a frame, one write.

Every figure of a case is measured in one process, so that ratios mean something on a busy machine, too; CPU seconds of
all threads and seconds on the clock are printed beside them. Movies are made of counting noise in a temporary folder,
or taken from a folder of the simulator's kind `bench` (--movies).

    python bench/floor.py --smoke
    python bench/floor.py --case k2super --threads 2
    python bench/floor.py --movies SET/frames
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

PIXEL_A = 1.35
GOALS = {"rigid": 2.5, "5x5": 4.0}


@dataclass(frozen=True)
class Case:
    """Size of a movie, its binning exponent, electrons per raw pixel and frame."""

    frames: int
    height: int
    width: int
    bin: float
    mean: float


CASES = {
    "smoke": Case(8, 1024, 960, 0, 0.35),
    "k2": Case(8, 3710, 3838, 0, 0.35),
    "k2super": Case(8, 7676, 7420, 1, 0.09),
    "k3": Case(50, 4092, 5760, 0, 0.4),
}


@dataclass
class Clock:
    """CPU and clock seconds of named phases, and the peak of memory after each."""

    phases: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure what is done inside."""
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        self.phases[name] = (time.process_time() - cpu, time.perf_counter() - wall, peak)


def make_movie(path: Path, case: Case) -> None:
    from scipy import ndimage

    from weft.io.mrc import MrcStackWriter

    rng = np.random.default_rng(1)
    scene = ndimage.gaussian_filter(rng.standard_normal((case.height, case.width), dtype=np.float32), 3)
    scene = case.mean * np.exp(0.15 / scene.std() * scene)
    walk = np.rint(np.cumsum(rng.normal(0.5, 1.0, (case.frames, 2)), axis=0)).astype(int)
    with MrcStackWriter(path, (case.height, case.width), PIXEL_A / 2**case.bin, dtype="int8") as writer:
        for shift in walk:
            writer.append(rng.poisson(np.roll(scene, tuple(shift), (0, 1))).astype(np.int8))


def floor(path: Path, out: Path, threads: int) -> dict[str, tuple[float, float, float]]:
    """Measure what no program can do without, in an order that keeps one frame in memory; transforms are Weft's own."""
    import scipy.fft
    import torch

    from weft.engine.device import make_engine
    from weft.engine.fft import rfft2
    from weft.io.mrc import write_mrc
    from weft.movie.open import open_movie
    from weft.settings.schema import ComputeSettings, InputSettings

    engine = make_engine(ComputeSettings(device="cpu", threads=threads, memory_GB=2.5))
    clock, movie = Clock(), open_movie(path, InputSettings())
    first = next(movie.frames()).astype(np.float32)
    shape = tuple(scipy.fft.next_fast_len(side, real=True) for side in first.shape)
    padded = torch.zeros(shape)
    padded.numpy()[: first.shape[0], : first.shape[1]] = first
    with clock.phase("read and decode"):
        for _ in movie.frames():
            pass
    with clock.phase("one transform a frame"):
        for _ in range(movie.info.frames):
            rfft2(padded, engine)
    with clock.phase("write"):
        write_mrc(out / "floor.mrc", first, PIXEL_A)
    return clock.phases


def weft(way: str, path: Path, out: Path, threads: int, bin_: float) -> dict[str, tuple[float, float, float]]:
    """Measure the phases of one of Weft's ways, with a rigid or with a local model."""
    from weft.engine.device import make_engine
    from weft.fields import MotionField
    from weft.io.mrc import write_mrc
    from weft.motion import estimate_motion
    from weft.movie.average import make_averages
    from weft.movie.bin import bin_movie
    from weft.movie.open import open_movie
    from weft.movie.prepare import prepare
    from weft.settings.schema import ComputeSettings, InputSettings, MotionSettings, OutputSettings

    engine = make_engine(ComputeSettings(device="cpu", threads=threads, memory_GB=2.5))
    settings, clock = InputSettings(), Clock()
    with clock.phase("prepare"):
        prepared = prepare(open_movie(path, settings), settings)
    movie = bin_movie(prepared, bin_, PIXEL_A / 2**bin_, engine)
    with clock.phase("transform, motion"):
        field = estimate_motion(movie, MotionSettings(grid={"rigid": "1x1xn", "5x5": "5x5xn"}[way]), engine)
    if way == "5x5":
        nodes = np.random.default_rng(3).normal(0, 0.5, (4, 5, 5, 2))  # Å: what tilted movies show
        field = MotionField(field.path_A, field.path_sigma_A, nodes, np.full_like(nodes, np.nan))
    options: dict[str, Any] = {"exposure_e_A2": None, "pre_exposure_e_A2": 0.0, "voltage_kV": 300.0}
    with clock.phase("average"):
        averages = make_averages(movie, field, OutputSettings(), engine, **options)
    with clock.phase("write"):
        write_mrc(out / "weft.mrc", averages.full, averages.pixel_size_A)
    return clock.phases


def child(arguments: argparse.Namespace) -> None:
    """Measure one side of a case in this process and print it as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        path = Path(arguments.path)
        if arguments.child == "floor":
            print(json.dumps(floor(path, out, arguments.threads)))
        else:
            print(json.dumps(weft(arguments.child, path, out, arguments.threads, arguments.bin)))


def measure(path: Path, threads: int, bin_: float) -> None:
    sides = {}
    for side in ("floor", *GOALS):
        words = [sys.executable, __file__, "--child", side, "--path", str(path), "--threads", str(threads)]
        # as Weft's workers do; libraries read it when they are loaded
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        done = subprocess.run(
            [*words, "--bin", str(bin_)], check=True, stdout=subprocess.PIPE, text=True, env=environment
        )
        sides[side] = json.loads(done.stdout)
    least, least_wall, _ = _sum(sides["floor"])
    print(f"{'phase':<26}{'CPU s':>8}{'clock s':>9}{'× floor':>9}{'peak GB':>9}")
    for side, phases in sides.items():
        for name, (cpu, wall, peak) in phases.items():
            print(f"{side + ': ' + name:<26}{cpu:>8.2f}{wall:>9.2f}{cpu / least:>9.2f}{peak:>9.2f}")
    print(f"{'floor in all':<26}{least:>8.2f}{least_wall:>9.2f}{1:>9.2f}")
    for way, goal in GOALS.items():
        cpu, wall, peak = _sum(sides[way])
        print(f"{way + ' in all':<26}{cpu:>8.2f}{wall:>9.2f}{cpu / least:>9.2f}{peak:>9.2f}  (goal {goal} × the floor)")


def _sum(phases: dict[str, tuple[float, float, float]]) -> tuple[float, float, float]:
    """Return CPU and clock seconds of all phases, and the peak of memory."""
    cpu, wall, peaks = zip(*phases.values(), strict=True)
    return sum(cpu), sum(wall), max(peaks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="one small movie, seconds")
    parser.add_argument("--case", choices=sorted(CASES), action="append")
    parser.add_argument("--movies", type=Path, help="a folder of movies to take instead")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bin", type=float, default=0.0, help="binning exponent with --movies")
    parser.add_argument("--child", choices=("floor", *GOALS), help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments)
        return
    if arguments.movies:
        for path in sorted(arguments.movies.iterdir()):
            print(f"\n{path.name}, bin {arguments.bin:g}, {arguments.threads} threads")
            measure(path, arguments.threads, arguments.bin)
        return
    for name in arguments.case or (["smoke"] if arguments.smoke else ["k2", "k2super", "k3"]):
        case = CASES[name]
        print(
            f"\n{name}: {case.frames} × {case.height} × {case.width} int8, bin {case.bin:g}, {arguments.threads} threads"
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "movie.mrc"
            make_movie(path, case)
            measure(path, arguments.threads, case.bin)


if __name__ == "__main__":
    main()
