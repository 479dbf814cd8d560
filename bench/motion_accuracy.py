"""How well motion is found in simulated sets: errors beside the Cramér-Rao bound, pulls of the stated errors, averages.

python bench/motion_accuracy.py SIM SET ... [--grid G ...] [--range LOW HIGH] [--cache DIR] [--only TEXT] [--json FILE]
                                            [--frc]

SIM is the folder with the simulator's code (its scorer is used), SET a folder that it made. For each kind and grid:
root mean square over the usable images of the error of the global path and of the field on the scorer's 7 × 7 lattice,
the bound, what doing nothing scores, and the pulls (error over stated error, root mean square over frames and images)
of path and field. A bound that cannot be, far below the kind's others, is refused and its movie left out of the ratio,
not of the errors. ``--cache`` keeps the bounds, which cost more than the estimates. ``--frc`` makes each average, too,
and prints by how much the area under its ring correlation with the true image falls short of that of the sum along the
true motion (the scorer keeps the latter in the set).
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np

from weft.engine.device import Engine, make_engine
from weft.fields import MotionField
from weft.motion import estimate_motion
from weft.motion.estimate import AUTO_RANGE_A
from weft.movie.average import make_averages
from weft.movie.bin import BinnedMovie, bin_movie
from weft.movie.open import open_movie
from weft.movie.prepare import prepare
from weft.settings.schema import ComputeSettings, InputSettings, MotionSettings, OutputSettings

# Of the median of a kind's bounds. Where smoothing lifts a ring's signal above all of its power, the scorer divides by
# next to nothing, and the bound comes out some millions of times too small.
LEAST_BOUND = 0.1


def input_settings(folder: Path, facts: dict[str, Any], score: Any) -> InputSettings:
    """Return settings of a set: its gain turned until it lies as the movies do, TIFF rows being flipped on reading."""
    values: dict[str, Any] = {"raw_pixel_size_A": facts["pixel_A"]}
    if any((folder / "frames").glob("*.eer")):
        values["eer_frames_per_fraction"] = 10
    if facts["gain"]:
        gain = mrcfile.read(folder / "gain.mrc")
        wanted = score.orient(gain, tuple(facts["gain"]["to_movie_in_this_order"].values()))
        wanted = wanted if "eer_frames_per_fraction" in values else wanted[::-1]
        for x, y, transpose in itertools.product((False, True), repeat=3):
            turned = gain[:, ::-1] if x else gain
            turned = turned[::-1] if y else turned
            turned = turned.T if transpose else turned
            if turned.shape == wanted.shape and np.array_equal(turned, wanted):
                values |= {"gain_flip_x": x, "gain_flip_y": y, "gain_transpose": transpose}
                break
        values["gain"] = folder / "gain.mrc"
    return InputSettings(**values)


def as_stored(field: MotionField, lattice: np.ndarray, *, is_tiff: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return path and field in the simulator's order, (frame, [y, x,] [x, y]), rows as the file stores them."""
    found, path = field.displacement(lattice, lattice), field.path_A
    if is_tiff:
        found, path = found[:, ::-1] * [-1, 1], path * [-1, 1]
    return path[..., ::-1], found[..., ::-1]


def pulls(field: MotionField, truth: np.ndarray, found: np.ndarray, *, is_tiff: bool) -> tuple[float, float]:
    """Return error over stated error of the global path and of the nodes nearest to the lattice's places."""
    error = found.mean((1, 2)) - truth.mean((1, 2))
    error -= error.mean(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        path = np.sqrt((error**2).mean() / (field.path_sigma_A**2).mean())
        if field.is_rigid:
            return float(path), float("nan")
        lattice = np.linspace(0.05, 0.95, found.shape[1])
        stated = local_sigma(field, lattice)
        stated = stated[:, ::-1] if is_tiff else stated
        away = (found - found.mean((1, 2), keepdims=True)) - (truth - truth.mean((1, 2), keepdims=True))
        away -= away.mean(0)
        local = np.sqrt((away**2).mean() / (stated**2).mean())
    return float(path), float(local)


def local_sigma(field: MotionField, lattice: np.ndarray) -> np.ndarray:
    """Return the stated errors of the local part between the nodes, linear in each direction, (frame, y, x, 2)."""
    nodes_t, nodes_y, nodes_x, _ = field.nodes_sigma_A.shape
    t, y, x = (
        _between(nodes, places)
        for nodes, places in ((nodes_t, np.linspace(0, 1, field.frames)), (nodes_y, lattice), (nodes_x, lattice))
    )
    return np.einsum("ft,gy,hx,tyxc->fghc", t, y, x, field.nodes_sigma_A, optimize=True)


def _between(nodes: int, places: np.ndarray) -> np.ndarray:
    """Return the matrix that interpolates from evenly spaced nodes to places from 0 to 1."""
    return np.stack([np.interp(places, np.linspace(0, 1, nodes), row) for row in np.eye(nodes)], axis=1)


def loss_of_average(
    folder: Path, image: dict[str, Any], movie: BinnedMovie, field: MotionField, engine: Engine, score: Any
) -> float:
    """Return the loss of area under the ring correlation with the true image, over that along the true motion."""
    file = folder / "truth" / f"{image['name']}_clean.mrc"
    if not file.exists():
        return float("nan")
    clean = mrcfile.read(file)
    options: dict[str, Any] = {"exposure_e_A2": None, "pre_exposure_e_A2": 0.0, "voltage_kV": 300.0}
    average = make_averages(movie, field, OutputSettings(), engine, **options).full
    average = average[::-1] if image["file"].endswith(".tif") else average
    best = score.baselines(folder, image, clean)["true_motion"]
    return 1 - float(score.frc_area(score.frc_curve(average, clean))) / best


def measure_image(
    folder: Path, image: dict[str, Any], inputs: InputSettings, settings: MotionSettings, engine: Engine, score: Any,
    *, frc: bool,
) -> tuple[dict[str, Any], MotionField]:  # fmt: skip
    """Estimate one movie's motion and compare it with the truth."""
    movie = bin_movie(
        prepare(open_movie(folder / image["file"], inputs), inputs), 0.0, inputs.raw_pixel_size_A or 1.0, engine
    )
    for _ in movie.spectra():
        pass
    started = time.process_time()
    field = estimate_motion(movie, settings, engine)
    seconds = time.process_time() - started
    truth, _ = score.true_motion(folder, image)
    truth = truth.reshape(field.frames, -1, *truth.shape[1:]).mean(1)
    is_tiff = image["file"].endswith(".tif")
    _, found = as_stored(field, score.LATTICE, is_tiff=is_tiff)
    errors = score.motion_errors(truth, found)
    nothing = score.motion_errors(truth, np.zeros_like(truth))
    path_pull, local_pull = pulls(field, truth, found, is_tiff=is_tiff)
    out = {
        "name": image["name"], "usable": is_usable(image),
        "global": errors["global_A"], "local": errors["local_A"], "worst": errors["worst_place_A"],
        "none_global": nothing["global_A"], "none_local": nothing["local_A"], "path_pull": path_pull,
        "local_pull": local_pull, "seconds": seconds, "verdict": str(field.assessment.verdict), **field.details,
    }  # fmt: skip
    if frc and out["usable"]:
        out["frc_loss"] = loss_of_average(folder, image, movie, field, engine, score)
    return out, field


def is_usable(image: dict[str, Any]) -> bool:
    """Return whether nothing was spoiled on purpose."""
    return not image.get("bad") and image.get("what") is None


def movies_by_kind(
    sets: list[Path], only: str, most: int, score: Any
) -> dict[str, list[tuple[Path, dict[str, Any], InputSettings]]]:
    """Return set, image and settings of the movies of each kind."""
    out: dict[str, list[tuple[Path, dict[str, Any], InputSettings]]] = {}
    for folder in sets:
        truth = json.loads((folder / "truth" / "truth.json").read_text())
        inputs = input_settings(folder, truth["settings"], score)
        for image in [i for i in truth["images"] if only in i["name"]][:most]:
            image["pixel_A"] = truth["settings"]["pixel_A"]
            out.setdefault(truth["kind"], []).append((folder, image, inputs))
    return out


def bound_of(folder: Path, image: dict[str, Any], band: tuple[float, float], cache: Path | None, score: Any) -> float:
    """Return the Cramér-Rao bound of the global error; NaN for a spoiled image."""
    if not is_usable(image):
        return float("nan")
    file = cache / f"{folder.name}_{image['name']}_{band[0]:g}_{band[1]:g}.json" if cache else None
    if file is not None and file.exists():
        return float(json.loads(file.read_text()))
    value = float(score.bound(folder, image, band))
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))
    return value


def refuse_impossible(bounds: list[float]) -> list[float]:
    """Return the bounds of a kind's movies with those that are far below the others' replaced by NaN."""
    values = np.array(bounds)
    if np.isfinite(values).any():
        values[values < LEAST_BOUND * np.nanmedian(values)] = np.nan
    return [float(value) for value in values]


def rms(rows: list[dict[str, Any]], key: str) -> float:
    values = np.array([row[key] for row in rows if np.isfinite(row.get(key, np.nan))])
    return float(np.sqrt((values**2).mean())) if len(values) else float("nan")


def show(title: str, rows: list[dict[str, Any]]) -> None:
    used = [row for row in rows if row["usable"]]
    if not used:
        return
    bounded = [row for row in used if np.isfinite(row["bound"])]
    bound, error = rms(bounded, "bound"), rms(used, "global")
    refused = "" if len(bounded) == len(used) else f" (of {len(bounded)}, {len(used) - len(bounded)} refused)"
    local = np.array([row["local"] for row in used])
    losses = [row["frc_loss"] for row in used if np.isfinite(row.get("frc_loss", np.nan))]
    print(
        f"{title:<28} n {len(used):>3}  global {error:.4f} (median {np.median([r['global'] for r in used]):.4f})  "
        f"bound {bound:.4f}{refused}  ratio {rms(bounded, 'global') / bound:5.2f}  "
        f"local {rms(used, 'local'):.4f} (median {np.median(local):.4f})  "
        f"worst {max(r['worst'] for r in used):.2f}  none {rms(used, 'none_global'):.2f}/{rms(used, 'none_local'):.2f}  "
        f"pulls {rms(used, 'path_pull'):.2f} {rms(used, 'local_pull'):.2f}  "
        f"CPU s {np.mean([r['seconds'] for r in used]):.1f}"
        + (f"  FRC loss {100 * np.nanmean(losses):.2f} % (worst {100 * np.nanmax(losses):.2f})" if any(losses) else ""),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sim", type=Path)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--grid", nargs="+", default=["1x1xn"])
    parser.add_argument("--range", nargs=2, type=float, metavar=("LOW", "HIGH"), help="auto if not given")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--only", default="", help="part of the images' names")
    parser.add_argument("--most", type=int, default=1000, help="images of a set at most")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--frc", action="store_true", help="compare the averages with the true image, too")
    parser.add_argument("--quiet", action="store_true", help="no line for each image")
    args = parser.parse_args()
    sys.path.insert(0, str(args.sim))
    import score  # the simulator's

    engine = make_engine(ComputeSettings(threads=1, memory_GB=2.0, device="cpu"))
    band = tuple(args.range) if args.range else AUTO_RANGE_A
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for kind, movies in movies_by_kind(args.sets, args.only, args.most, score).items():
        raw = [bound_of(folder, image, band, args.cache, score) for folder, image, _ in movies]
        for (folder, image, inputs), before, bound in zip(movies, raw, refuse_impossible(raw), strict=True):
            shown = f"{bound:.4f}" if bound == before or np.isnan(before) else f"{before:.1e} (refused)"
            for grid in args.grid:
                settings = MotionSettings(range_A=band if args.range else "auto", grid=grid)
                row, field = measure_image(folder, image, inputs, settings, engine, score, frc=args.frc)
                row |= {"bound": bound, "set": folder.name, "grid": grid}
                found.setdefault((kind, grid), []).append(row)
                if not args.quiet:
                    print(
                        f"  {folder.name} {image['name']:<22} {grid:<6} global {row['global']:.4f} / {shown} "
                        f"stated {np.sqrt((field.path_sigma_A**2).sum(1).mean()):.4f}  local {row['local']:.4f} worst "
                        f"{row['worst']:.3f}  none {row['none_global']:.2f}/{row['none_local']:.2f}  pulls "
                        f"{row['path_pull']:.2f} {row['local_pull']:.2f}  {row['seconds']:.1f} s  "
                        f"{field.assessment.verdict} {field.assessment.reason} {'' if row['usable'] else 'UNUSABLE'}",
                        flush=True,
                    )
    for (kind, grid), rows in sorted(found.items()):
        show(f"{kind} {grid}", rows)
    if args.json:
        args.json.write_text(json.dumps([row for rows in found.values() for row in rows], indent=1, default=str))


if __name__ == "__main__":
    main()
