"""What one movie costs from the command line: seconds of each stage, CPU seconds, peak memory.

    python bench/one_movie.py                              # 8 x 7676 x 7420, int8, binned by 2: 0.46 GB in a temporary folder
    python bench/one_movie.py --frames 10 --side 4092 5760 --bin 0 --threads 2
    python bench/one_movie.py --movie MOVIE --pixel 0.675 --bin 1

`weft run` runs as a user would start it, with a tutorial's settings (CTF 2x2x1, window 512, 40 to 5 Å; motion 1x1xn;
10 nm beads), one worker. Peak memory is the largest of its processes', as the kernel counts it.
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
from pathlib import Path

import numpy as np

SETTINGS = {
    "input.exposure_e_A2": "3", "ctf.window_px": "512", "ctf.range_A": "40 5", "ctf.grid": "2x2x1", "ctf.defocus_um": "0.5 8",
    "motion.grid": "1x1xn", "fiducials.bead_diameter_nm": "10", "compute.device": "cpu", "compute.workers": "1",
}  # fmt: skip
EXPOSURE_E_A2 = 3.0


def make_movie(path: Path, frames: int, height: int, width: int, pixel_A: float) -> None:
    """Write counting noise over a scene that drifts by some pixels."""
    from weft.io.mrc import MrcStackWriter

    rng = np.random.default_rng(1)
    scene = np.repeat(np.repeat(rng.uniform(0.6, 1.4, (height // 64 + 1, width // 64 + 1)), 64, 0), 64, 1)
    scene = (scene[:height, :width] * EXPOSURE_E_A2 * pixel_A**2 / frames).astype(np.float32)
    with MrcStackWriter(path, (height, width), pixel_A, dtype="int8") as writer:
        for frame in range(frames):
            writer.append(rng.poisson(np.roll(scene, (3 * frame, -2 * frame), (0, 1))).astype(np.int8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--side", type=int, nargs=2, default=(7676, 7420), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--pixel", type=float, default=0.675, help="Å of a raw pixel")
    parser.add_argument("--bin", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--movie", type=Path, help="take this one instead of making one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "frames").mkdir()
        if arguments.movie is not None:
            (folder / "frames" / arguments.movie.name).symlink_to(arguments.movie.resolve())
        else:
            rows, columns = arguments.side
            make_movie(folder / "frames" / "movie.mrc", arguments.frames, rows, columns, arguments.pixel)
        measure(folder, arguments)


def measure(folder: Path, arguments: argparse.Namespace) -> None:
    settings = SETTINGS | {
        "input.raw_pixel_size_A": f"{arguments.pixel:g}",
        "input.bin": f"{arguments.bin:g}",
        "compute.threads": f"{arguments.threads}",
    }
    words = [word for key, value in settings.items() for word in (f"--{key}", *value.split())]
    weft = [sys.executable, "-m", "weft"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    movie = next((folder / "frames").iterdir())
    subprocess.run(
        [*weft, "init", "-q", "--movies", f"frames/*{movie.suffix}", *words], cwd=folder, check=True, env=environment
    )
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*weft, "run", "--json"], cwd=folder, check=False, env=environment, stdout=subprocess.PIPE, text=True
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{movie.name}: {movie.stat().st_size / 1e9:.2f} GB, bin {arguments.bin:g}, {arguments.threads} threads")
    for line in done.stdout.splitlines():
        event = json.loads(line)
        if event["event"] == "stage_done":
            print(f"  {event['stage']:<10}{event['seconds']:>8.1f} s")
        elif event["event"] == "item_failed":
            print(f"  {event['message']}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"  {'in all':<10}{wall:>8.1f} s on the clock, {cpu:.1f} CPU s; peak memory {after.ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
