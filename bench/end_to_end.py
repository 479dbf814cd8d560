"""Process simulated sets from the command line with a tutorial's settings, and score them against their truth.

    python bench/end_to_end.py SET [SET ...] [--into FOLDER] [--set motion.grid=auto ...] [--frc]

A set is a folder with frames/, mdoc/, settings.json and truth/, made by the independent simulator whose folder
``sim`` stands in WEFT_TEST_DATA; its scorer judges the neutral form of ``weft show``. Each set becomes a project in
FOLDER with the set's files linked into it. Also told: what `weft hand` says, and what `weft suggest` finds of the
images that are spoiled.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def weft(project: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "weft", *words], cwd=project, capture_output=True, text=True, check=False
    )
    if done.returncode not in {0, 1, 4}:
        sys.exit(f"weft {' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def gain_flags(order: dict[str, bool], *, rows_are_turned: bool) -> list[str]:
    """Return the flags for a reference whose array becomes the stored movie by transpose, rows, columns."""
    rows, columns = order["flip_y"] != rows_are_turned, order["flip_x"]
    if order["transpose"]:
        rows, columns = columns, rows
    flips = {"gain_flip_x": columns, "gain_flip_y": rows, "gain_transpose": order["transpose"]}
    return [f"--input.{key}" for key, value in flips.items() if value]


def flags(folder: Path) -> list[str]:
    """Return what a user of this set would say."""
    told = json.loads((folder / "settings.json").read_text())
    movie = next((folder / "frames").iterdir())
    words = [
        "--movies", f"frames/*{movie.suffix}", "--input.raw_pixel_size_A", str(told["pixel_A"]),
        "--input.exposure_e_A2", f"{told['dose_per_frame_e_A2'] * told['frames']:.4g}",
        "--optics.amplitude_contrast", str(told["amplitude_contrast"]),
    ]  # fmt: skip
    if movie.suffix == ".eer":
        words += ["--input.eer_frames_per_fraction", "10"]
    if told["gain"]:
        turned = movie.suffix == ".tif"
        words += ["--input.gain", "gain.mrc"]
        words += gain_flags(told["gain"]["to_movie_in_this_order"], rows_are_turned=turned)
    if told["phase_plate"]:
        words += ["--ctf.phase_shift", "--ctf.range_A", "60", "4", "--ctf.defocus_um", "0.3", "4"]
    return words


def process(folder: Path, project: Path, extra: list[str]) -> None:
    """Make the project if need be, and run everything."""
    project.mkdir(parents=True, exist_ok=True)
    for name in ("frames", "mdoc", "gain.mrc"):
        if (folder / name).exists() and not (project / name).exists():
            (project / name).symlink_to(folder / name)
    if not (project / "weft.toml").exists():
        weft(project, "init", *flags(folder), *extra)
    began = time.perf_counter()
    print(weft(project, "run").strip().splitlines()[0])
    print(f"{time.perf_counter() - began:.0f} s")


def score(folder: Path, project: Path, sim: Path, *, frc: bool) -> None:
    """Write the neutral forms and let the other program judge them."""
    results = project / "neutral"
    results.mkdir(exist_ok=True)
    for path in sorted((project / "weft" / "records").glob("*.json")):
        neutral = json.loads(weft(project, "show", path.stem, "--json"))["neutral"]
        (results / f"{neutral['name']}.json").write_text(json.dumps(neutral))
    turned = any((folder / "frames").glob("*.tif"))
    command = [sys.executable, "score.py", str(folder), str(results), "--json", str(project / "scores.json")]
    command += (["--rows", "mrc"] if turned else []) + ([] if frc else ["--no-frc"])
    print(subprocess.run(command, cwd=sim, capture_output=True, text=True, check=True).stdout)


def series(folder: Path, project: Path) -> None:
    """Tell hands and suggestions beside the truth."""
    weft(project, "import")
    truth: dict[str, Any] = json.loads((folder / "truth" / "truth.json").read_text())
    spoiled = {image["name"]: image["bad"] for image in truth["images"] if image.get("bad")}
    found = {entry["item"]: entry["reason"] for entry in json.loads(weft(project, "suggest", "--json"))["suggestions"]}
    print(weft(project, "hand"))
    good = len(truth["images"]) - len(spoiled)
    print(f"suggested {len(found.keys() & spoiled.keys())} of {len(spoiled)} spoiled, ", end="")
    print(f"{len(found.keys() - spoiled.keys())} of {good} good ones")
    for name in sorted(found.keys() ^ spoiled.keys()):
        print(f"  {name}: {found.get(name) or 'missed, ' + spoiled[name]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--into", type=Path, default=Path("end-to-end"))
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="another setting")
    parser.add_argument("--frc", action="store_true", help="ring correlations with the true image, too: slow")
    args = parser.parse_args()
    sim = Path(os.environ.get("WEFT_TEST_DATA", "")) / "sim"
    if not (sim / "score.py").exists():
        sys.exit("WEFT_TEST_DATA must name the folder with the simulator")
    extra = [word for entry in args.set for word in (f"--{entry.split('=')[0]}", *entry.split("=")[1].split(","))]
    for folder in args.sets:
        print(f"== {folder.name}")
        project = args.into / folder.name
        process(folder.resolve(), project.resolve(), extra)
        score(folder.resolve(), project.resolve(), sim.resolve(), frc=args.frc)
        if (folder / "mdoc").exists():
            series(folder.resolve(), project.resolve())


if __name__ == "__main__":
    main()
