"""How far Weft's phases are from the floor: one read, one decode, one transform a frame, one write.

CPU seconds, user and system, of all threads. Floor and ways have a process each, which does everything --repeats times:
the first movie of a process finds memory that the system must clear, which on virtual machines can cost as much as all
else; later ones (the median is printed) find it warm, as most of a worker's movies do. Movies are made of counting noise
in a temporary folder, or taken from a folder of the simulator's kind `bench` (--movies).

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
    """CPU seconds of named phases, each as often as it was done."""

    phases: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure what is done inside."""
        before = time.process_time()
        yield
        self.phases.setdefault(name, []).append(time.process_time() - before)


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


def floor(path: Path, out: Path, threads: int, clock: Clock) -> None:
    """Measure what no program can do without, in an order that keeps one frame in memory; transforms are Weft's own."""
    import scipy.fft
    import torch

    from weft.engine.device import make_engine
    from weft.engine.fft import rfft2
    from weft.io.mrc import write_mrc
    from weft.movie.open import open_movie
    from weft.settings.schema import ComputeSettings, InputSettings

    engine = make_engine(ComputeSettings(device="cpu", threads=threads, memory_GB=2.5))
    movie = open_movie(path, InputSettings())
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


def weft(way: str, path: Path, out: Path, threads: int, bin_: float, clock: Clock) -> None:
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
    settings = InputSettings()
    options: dict[str, Any] = {"exposure_e_A2": None, "pre_exposure_e_A2": 0.0, "voltage_kV": 300.0}
    with clock.phase("prepare"):
        prepared = prepare(open_movie(path, settings), settings)
    movie = bin_movie(prepared, bin_, PIXEL_A / 2**bin_, engine)
    with clock.phase("transform, motion"):
        field = estimate_motion(movie, MotionSettings(grid={"rigid": "1x1xn", "5x5": "5x5xn"}[way]), engine)
    if way == "5x5":
        nodes = np.random.default_rng(3).normal(0, 0.5, (4, 5, 5, 2))  # Å: what tilted movies show
        field = MotionField(field.path_A, field.path_sigma_A, nodes, np.full_like(nodes, np.nan))
    with clock.phase("average"):
        averages = make_averages(movie, field, OutputSettings(), engine, **options)
    with clock.phase("write"):
        write_mrc(out / "weft.mrc", averages.full, averages.pixel_size_A)


def child(arguments: argparse.Namespace) -> None:
    """Measure one side of a case in this process and print it as JSON."""
    path, clock = Path(arguments.path), Clock()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.repeats):
            if arguments.child == "floor":
                floor(path, Path(folder), arguments.threads, clock)
            else:
                weft(arguments.child, path, Path(folder), arguments.threads, arguments.bin, clock)
    peak_GB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"phases": clock.phases, "peak_GB": peak_GB}))


def measure(path: Path, threads: int, bin_: float, repeats: int) -> None:
    print(f"{'CPU s':<28}{'first':>8}{'later':>8}{'× floor: first':>16}{'later':>8}")
    least = np.ones(2)
    for side in ("floor", *GOALS):
        words = [sys.executable, __file__, "--child", side, "--path", str(path), "--threads", str(threads)]
        words += ["--bin", str(bin_), "--repeats", str(repeats)]
        # as Weft's workers do; libraries read it when they are loaded
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        found = json.loads(done.stdout)
        phases = {name: np.array([cpu[0], np.median(cpu[1:] or cpu)]) for name, cpu in found["phases"].items()}
        whole = np.sum(list(phases.values()), axis=0)
        least = whole if side == "floor" else least
        for name, cpu in (*phases.items(), ("in all", whole)):
            print(
                f"{side + ': ' + name:<28}{cpu[0]:>8.2f}{cpu[1]:>8.2f}{cpu[0] / least[0]:>16.2f}{cpu[1] / least[1]:>8.2f}"
            )
        goal = f"  (goal {GOALS[side]} × the floor)" if side in GOALS else ""
        print(f"{side + ': peak GB':<28}{found['peak_GB']:>8.2f}{goal}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="one small movie, seconds")
    parser.add_argument("--case", choices=sorted(CASES), action="append")
    parser.add_argument("--movies", type=Path, help="a folder of movies to take instead")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=4)
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
            measure(path, arguments.threads, arguments.bin, arguments.repeats)
        return
    for name in arguments.case or (["smoke"] if arguments.smoke else ["k2", "k2super", "k3"]):
        case = CASES[name]
        print(
            f"\n{name}: {case.frames} × {case.height} × {case.width} int8, bin {case.bin:g}, {arguments.threads} threads"
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "movie.mrc"
            make_movie(path, case)
            measure(path, arguments.threads, case.bin, arguments.repeats)


if __name__ == "__main__":
    main()
