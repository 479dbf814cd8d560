"""Handedness of small simulated series that went the whole way from movies: right, wrong, undecided.

python bench/hand_series.py [--sets 12] [--seed 500] [--into FOLDER] [--height PX --width PX] [--tilt-step DEG]

Each set has two series, one of each hand, and is simulated, processed and judged by the command line. Then series on
which nothing may be decided: tilts within 6°, noise in place of movies, and angles shuffled among a series' sections.
Also told: the stated probabilities against the share that is right.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
from end_to_end import flags, weft

BINS = (0.5, 0.8, 0.95, 0.99, 1.0001)


def judged(folder: Path) -> dict[str, Any]:
    """Process a set and return what is said of its hands, by series."""
    weft(folder, "init", "-q", "--fiducials.no-enabled", *flags(folder))
    weft(folder, "run")
    return {one["series"]: one for one in json.loads(weft(folder, "hand", "--json"))["series"]}


def shuffle(folder: Path, rng: np.random.Generator) -> None:
    """Give the sections of every mdoc each other's angles."""
    for path in sorted((folder / "mdoc").glob("*.mdoc")):
        text = path.read_text()
        angles = re.findall(r"^TiltAngle = (\S+)", text, re.MULTILINE)
        lines = iter([f"TiltAngle = {angle}" for angle in rng.permutation(angles)])
        pieces = re.split(r"^TiltAngle = \S+", text, flags=re.MULTILINE)
        path.write_text("".join(itertools.chain(*zip(pieces, [*lines, ""], strict=True))))


def drown(folder: Path, rng: np.random.Generator) -> None:
    """Put noise of the same mean in place of every movie."""
    for path in sorted((folder / "frames").glob("*.mrc")):
        with mrcfile.open(path, mode="r+") as movie:
            movie.data[...] = rng.poisson(float(movie.data.mean()), movie.data.shape).astype(movie.data.dtype)


def main() -> None:
    """Print a line a set, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=12)
    parser.add_argument("--seed", type=int, default=500)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--height", type=int, default=640)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--tilt-step", type=float, default=10.0)
    options = parser.parse_args()
    into = options.into or Path(tempfile.mkdtemp())
    into.mkdir(parents=True, exist_ok=True)
    size = ["--height", str(options.height), "--width", str(options.width)]
    count, stated = {"right": 0, "wrong": 0, "undecided": 0}, []
    for number in range(options.sets):
        seed = options.seed + number
        folder = into / f"set-{seed}"
        tilts = ["--tilt-max", "60", "--tilt-step", str(options.tilt_step)]
        weft(into, "simulate", str(folder), *size, *tilts, "--no-gain", "--seed", str(seed), "-q")
        truth = json.loads((folder / "truth" / "truth.json").read_text())
        for name, one in sorted(judged(folder).items()):
            hand = next(image["handedness"] for image in truth["images"] if image["series"] == name)
            verdict = "undecided" if one["hand"] is None else "right" if one["hand"] == hand else "wrong"
            count[verdict] += 1
            stated.append(one["probability_plus"] if hand > 0 else 1 - one["probability_plus"])
            print(f"{folder.name} {name} {verdict:9s} p of the true hand {stated[-1]:.3f}; {one['reason']}", flush=True)
    print(f"{sum(count.values())} series: {count}")
    right = np.array(stated)
    sure, is_right = np.maximum(right, 1 - right), right > 0.5
    for low, high in itertools.pairwise(BINS):
        inside = (sure >= low) & (sure < high)
        if inside.any():
            print(f"stated {low:.2f}-{high:.2f}: mean {sure[inside].mean():.3f}, right {is_right[inside].mean():.3f}")
    rng = np.random.default_rng(options.seed)
    for what, (most, step) in {"within 6°": ("6", "1"), "noise": ("60", "10"), "shuffled": ("60", "10")}.items():
        folder = into / what.replace(" ", "-").replace("°", "")
        tilts = ["--tilt-max", most, "--tilt-step", step]
        weft(into, "simulate", str(folder), *size, *tilts, "--no-gain", "--seed", str(options.seed + 900), "-q")
        if what == "noise":
            drown(folder, rng)
        if what == "shuffled":
            shuffle(folder, rng)
        for name, one in sorted(judged(folder).items()):
            print(f"{what}: {name} hand {one['hand']}; {one['reason']}; causes {one['causes']}", flush=True)


if __name__ == "__main__":
    main()
