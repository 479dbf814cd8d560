"""What leaving gold beads out of motion and CTF changes: errors against truth with and without them.

python bench/ignore_gold.py SIM SET ... [--grid 1x1xn auto] [--every N]

SIM is the folder with the simulator's code, SET a folder that it made, with beads. Printed for each image and in the
end as root mean squares: errors of path and field (Å) with gold and without, what is stated of the path, and the errors
of defocus and astigmatism (Å).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from motion_accuracy import as_stored, input_settings, is_usable

from weft.ctf import estimate_ctf
from weft.engine.device import Engine, make_engine
from weft.fiducials import segment
from weft.fields import CtfFit
from weft.motion import Gold, estimate_motion
from weft.movie.average import make_averages
from weft.movie.bin import BinnedMovie, bin_movie
from weft.movie.open import open_movie
from weft.movie.prepare import prepare
from weft.settings.schema import (
    ComputeSettings,
    CtfSettings,
    FiducialSettings,
    MotionSettings,
    OpticsSettings,
    OutputSettings,
)
from weft.signal.fill import erase_for_stack, holes_of, reach_A

Row = dict[str, tuple[float, float]]  # with gold, without


def compare(movie: BinnedMovie, image: dict[str, Any], truth: np.ndarray, grid: str, engine: Engine, score: Any) -> Row:
    """Return the errors of one movie, with gold and without."""
    settings, is_tiff = MotionSettings(grid=grid), image["file"].endswith(".tif")
    first = estimate_motion(movie, settings, engine)
    weighting: dict[str, Any] = {"exposure_e_A2": None, "pre_exposure_e_A2": 0.0, "voltage_kV": 300.0}
    average = make_averages(movie, first, OutputSettings(), engine, **weighting).full
    pixel_A = movie.pixel_size_A
    fit, _ = estimate_ctf(average, pixel_A, CtfSettings(), OpticsSettings(), engine)
    found = segment(average, pixel_A, FiducialSettings(), engine, ctf=fit)
    holes = holes_of(found.mask, average.shape, pixel_A, found.likely_beads)
    second = estimate_motion(movie, settings, engine, without=Gold(holes, reach_A(fit), first))
    erased = erase_for_stack(average, pixel_A, found.mask, name=image["name"], beads=found.likely_beads, ctf=fit)
    refit, _ = estimate_ctf(erased, pixel_A, CtfSettings(), OpticsSettings(), engine)
    truth = truth.reshape(movie.frames, -1, *truth.shape[1:]).mean(1)
    errors = [
        score.motion_errors(truth, as_stored(field, score.LATTICE, is_tiff=is_tiff)[1]) for field in (first, second)
    ]
    stated = [float(np.sqrt((field.path_sigma_A**2).sum(1).mean())) for field in (first, second)]
    ctf = [score.ctf_errors(image, as_told(one)) for one in (fit, refit)]
    return {
        "path": (errors[0]["global_A"], errors[1]["global_A"]),
        "stated": (stated[0], stated[1]),
        "field": (errors[0]["local_A"], errors[1]["local_A"]),
        "defocus": (ctf[0]["defocus_error_A"], ctf[1]["defocus_error_A"]),
        "astigmatism": (ctf[0]["astigmatism_error_A"], ctf[1]["astigmatism_error_A"]),
        "masked": (100 * float(holes.mean()),) * 2,
    }


def as_told(fit: CtfFit) -> dict[str, float]:
    """Return a fit as the scorer takes it."""
    return {"defocus_u_A": fit.defocus_u_A, "defocus_v_A": fit.defocus_v_A, "angle_deg": fit.angle_deg}


def shown(row: Row) -> str:
    return "  ".join(f"{name} {before:.4g} → {after:.4g}" for name, (before, after) in row.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sim", type=Path)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--grid", nargs="+", default=["1x1xn", "auto"])
    parser.add_argument("--every", type=int, default=1, help="only every N-th image of a set")
    args = parser.parse_args()
    sys.path.insert(0, str(args.sim))
    import score  # the simulator's

    engine = make_engine(ComputeSettings(threads=1, memory_GB=2.0, device="cpu"))
    rows: dict[str, list[Row]] = {}
    for folder in args.sets:
        truth = json.loads((folder / "truth" / "truth.json").read_text())
        inputs = input_settings(folder, truth["settings"], score)
        for image in [one for one in truth["images"][:: args.every] if is_usable(one)]:
            image["pixel_A"] = truth["settings"]["pixel_A"]
            source = prepare(open_movie(folder / image["file"], inputs), inputs)
            movie = bin_movie(source, 0.0, inputs.raw_pixel_size_A or 1.0, engine)
            path, _ = score.true_motion(folder, image)
            for grid in args.grid:
                row = compare(movie, image, path, grid, engine, score)
                rows.setdefault(f"{truth['kind']} {grid}", []).append(row)
                print(f"  {folder.name} {image['name']} {grid}: {shown(row)}", flush=True)
    for title, found in rows.items():
        together = {
            name: (rms([row[name][0] for row in found]), rms([row[name][1] for row in found])) for name in found[0]
        }
        print(f"{title}, {len(found)} images: {shown(together)}")


def rms(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


if __name__ == "__main__":
    main()
