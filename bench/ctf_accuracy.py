"""How well the CTF is found in simulated sets: errors, pulls of the stated uncertainties, verdicts, CPU seconds.

python bench/ctf_accuracy.py SIM SET ... [--sums true|own] [--cache DIR] [--range LOW HIGH] [--window PX] [--each]

SIM is the folder with the simulator's code, SET a folder that it made. The images are Weft's own averages (``own``), or
sums along the true global motion (``true``). For each kind (and band of tilts): median and greatest |error| of the
mean defocus in Å, its mean (bias) with the standard error, the median stated standard deviation (the Cramér-Rao bound
of the spectrum's model), the pull (error over stated standard deviation, root mean square), the median error of the astigmatism vector (U - V)(cos 2a, sin 2a) and its pull, the root mean square error of
a gradient component and its pull, the median and greatest error of the phase, the number of good images flagged and
that of errors above 600 Å that are not flagged. ``--cache`` keeps the averages.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from motion_accuracy import input_settings
from numpy.typing import NDArray

from weft.ctf import estimate_ctf
from weft.engine.device import Engine, make_engine
from weft.fields import CtfFit, MotionField
from weft.motion import estimate_motion
from weft.movie.average import make_averages
from weft.movie.bin import bin_movie
from weft.movie.open import open_movie
from weft.movie.prepare import prepare
from weft.settings.schema import ComputeSettings, CtfSettings, MotionSettings, OpticsSettings, OutputSettings

LOW_EXPOSURE = 4.0  # e⁻/Å²
BANDS = ((0.0, 31.0), (31.0, 49.0), (49.0, 90.0))


@dataclass(frozen=True)
class Row:
    """One image: errors and stated uncertainties; nan where nothing was found."""

    name: str
    group: str
    bad: str
    verdict: str
    seconds: float
    defocus: tuple[float, float]
    astigmatism: tuple[float, float]
    gradient: tuple[float, float]
    phase: tuple[float, float]


def average_of(
    folder: Path, facts: dict[str, Any], image: dict[str, Any], sums: str, score: Any, engine: Engine
) -> Any:
    """Return the average; TIFF rows are turned back to lie as the truth's do."""
    settings = input_settings(folder, facts, score)
    binned = bin_movie(prepare(open_movie(folder / image["file"], settings), settings), 0.0, facts["pixel_A"], engine)
    is_tiff = image["file"].endswith(".tif")
    if sums == "true":
        path = np.load(folder / "truth" / f"{image['name']}.npz")["global_A"][:, ::-1].copy()
        if is_tiff:
            path[:, 0] *= -1
        field = MotionField.rigid(path, np.full_like(path, 0.1), reason="")
    else:
        field = estimate_motion(binned, MotionSettings(range_A="auto", grid="auto"), engine)
    full = make_averages(
        binned, field, OutputSettings(), engine, exposure_e_A2=None, pre_exposure_e_A2=0.0, voltage_kV=300.0
    ).full
    return full[::-1].copy() if is_tiff else full


def row_of(image: dict[str, Any], kind: str, fit: CtfFit, seconds: float) -> Row:
    """Compare a fit with the truth."""
    tilt = abs(image["tilt_deg"])
    group = kind
    if kind == "tilt":
        low, high = next(band for band in BANDS if band[0] <= tilt < band[1])
        group = f"tilt {low:.0f}-{high:.0f}"
    nan = (math.nan, math.nan)
    common = (image["name"], group, image.get("bad", ""), str(fit.assessment.verdict), seconds)
    if not math.isfinite(fit.defocus_A):
        return Row(*common, nan, nan, nan, nan)
    covariance = np.array(fit.details["covariance"])
    true = (image["defocus_u_A"] - image["defocus_v_A"]) * np.exp(2j * np.radians(image["angle_deg"]))
    found = fit.astigmatism_A * np.exp(2j * np.radians(fit.angle_deg))
    gradient = np.array([fit.gradient_x, fit.gradient_y]) - image["defocus_gradient_xy"]
    phase = (fit.phase_shift_deg - image["phase_shift_deg"] + 90) % 180 - 90
    return Row(
        *common,
        (fit.defocus_A - 0.5 * (image["defocus_u_A"] + image["defocus_v_A"]), fit.sigma["defocus_A"]),
        (abs(found - true), math.sqrt(covariance[1, 1] + covariance[2, 2])),
        (math.sqrt(float(gradient @ gradient) / 2), math.hypot(*(fit.sigma[f"gradient_{a}"] for a in "xy")) / 2**0.5),
        (phase, fit.sigma["phase_shift_deg"]),
    )


def line(group: str, rows: list[Row]) -> str:
    """Return what is told of one group."""
    good = [row for row in rows if not row.bad]
    found = [row for row in good if math.isfinite(row.defocus[0])]
    loose = sum(abs(row.defocus[0]) > 600 and row.verdict == "good" for row in rows)
    flagged = sum(row.verdict != "good" for row in good)
    text = f"{group:12s} n {len(good):3d}  flagged {flagged}  loose {loose}  CPU s {np.mean([r.seconds for r in rows]):4.2f}"
    if not found:
        return text
    z, ast, g, ph = (
        np.array([getattr(row, name) for row in found]) for name in ("defocus", "astigmatism", "gradient", "phase")
    )
    text += (
        f"  |z| {np.median(abs(z[:, 0])):5.1f} / {abs(z[:, 0]).max():5.1f}  bias {z[:, 0].mean():6.1f} ± "
        f"{z[:, 0].std() / len(z) ** 0.5:4.1f}  stated {np.median(z[:, 1]):3.0f}  pull {rms(z):4.2f}  ast {np.median(ast[:, 0]):5.1f} pull {rms(ast):4.2f}"
        f"  grad {np.sqrt(np.mean(g[:, 0] ** 2)):.3f} pull {rms(g):4.2f}"
    )
    return text + (f"  phase {np.median(abs(ph[:, 0])):.2f} / {abs(ph[:, 0]).max():.2f}" if ph[:, 1].any() else "")


def rms(pairs: NDArray[np.float64]) -> float:
    """Return the root mean square of error over stated error."""
    return float(np.sqrt(np.mean((pairs[:, 0] / pairs[:, 1]) ** 2)))


def settings_of(facts: dict[str, Any], options: argparse.Namespace) -> tuple[CtfSettings, OpticsSettings]:
    """Return the settings a user would choose: 5 Å suits 3 e⁻/Å², 4 Å suits more (see docs/ctf.md)."""
    exposure = facts["frames"] * facts["dose_per_frame_e_A2"]
    default = (40.0, 4.0) if exposure > LOW_EXPOSURE else (40.0, 5.0)
    ctf = CtfSettings(
        range_A=options.range or default,
        window_px=options.window,
        phase_shift=facts["phase_plate"],
        defocus_um=(0.3, 8),
    )
    return ctf, OpticsSettings(cs_mm=facts["cs_mm"], amplitude_contrast=facts["amplitude_contrast"])


def main() -> None:
    """Print one line a group."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sim", type=Path)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--sums", choices=("own", "true"), default="own")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--range", type=float, nargs=2)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--each", action="store_true", help="print every image")
    options = parser.parse_args()
    sys.path.insert(0, str(options.sim))
    import detector

    engine = make_engine(ComputeSettings(device="cpu", threads=1))
    groups: dict[str, list[Row]] = defaultdict(list)
    for folder in options.sets:
        truth = json.loads((folder / "truth" / "truth.json").read_text())
        facts = truth["settings"]
        ctf, optics = settings_of(facts, options)
        for image in truth["images"]:
            kept = options.cache / f"{folder.name}-{options.sums}-{image['name']}.npy" if options.cache else None
            if kept and kept.exists():
                average = np.load(kept)
            else:
                sums = options.sums if "defocus_u_A" in image else "own"
                average = average_of(folder, facts, image, sums, detector, engine)
                if kept:
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    np.save(kept, average)
            began = time.process_time()
            fit, _ = estimate_ctf(average, facts["pixel_A"], ctf, optics, engine)
            seconds = time.process_time() - began
            if "defocus_u_A" in image:
                row = row_of(image, truth["kind"], fit, seconds)
            else:
                nan = (math.nan, math.nan)
                verdict = str(fit.assessment.verdict)
                row = Row(image["name"], truth["kind"], image.get("what", ""), verdict, seconds, nan, nan, nan, nan)
            groups[row.group].append(row)
            if options.each:
                sys.stdout.write(f"{row}\n")
    for group, rows in sorted(groups.items()):
        sys.stdout.write(line(group, rows) + "\n")


if __name__ == "__main__":
    main()
