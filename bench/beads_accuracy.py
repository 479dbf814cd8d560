"""How well gold beads are found in simulated sets: recall, precision, IoU, and what is masked where there is no gold.

python bench/beads_accuracy.py SIM SET ... [--sums true|own] [--cache DIR] [--model NAME] [--no-ctf] [--neutral DIR]

SIM is the folder with the simulator's code (its reader and its scorer are used), SET a folder that it made. With
``--sums true`` frames are summed along their true motion and the CTF is the truth's, so that only the detector is
judged; with ``--sums own`` both are Weft's, as users get them. ``--no-ctf`` keeps the CTF from the detector.
``--neutral`` also writes results in the form that the simulator's ``score.py`` reads; ``--json`` writes scores and sums
of stated and true probability, which `beads_pictures.py` draws.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft as sfft
import tifffile
import torch
from beads_kinds import reliability, simulator
from ctf_accuracy import average_of, settings_of

from weft.ctf import estimate_ctf
from weft.engine.device import Engine
from weft.fiducials import segment
from weft.fields import CtfFit
from weft.settings.schema import FiducialSettings


def true_average(folder: Path, entry: dict[str, Any], pixel_A: float, detector: Any) -> np.ndarray:
    """Return the sum of a movie's frames along the global part of its true motion, electrons per pixel."""
    frames = detector.read_movie(folder / entry["file"])
    if entry["file"].endswith(".eer"):
        frames = np.stack([frames[i : i + 10].sum(0, dtype=np.uint16) for i in range(0, len(frames), 10)])
    gain_file = folder / "gain.mrc"
    gain = None
    if gain_file.exists():
        import mrcfile

        steps = json.loads((folder / "settings.json").read_text())["gain"]["to_movie_in_this_order"]
        gain = detector.orient(mrcfile.read(gain_file), tuple(steps.values()))
    path = folder / "truth" / f"{entry['name']}.npz"
    shifts = np.load(path)["global_A"] if path.exists() else np.zeros((len(frames), 2))
    shifts = shifts.reshape(len(frames), -1, 2).mean(1) / pixel_A
    h, w = frames.shape[1:]
    fy, fx = np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None, :]
    total: Any = 0
    for frame, (dx, dy) in zip(frames, shifts, strict=True):
        image = frame.astype(np.float32)
        if gain is not None:
            image *= gain
            bad = (gain == 0) | (image > image.mean() + 20 * image.std())
            image[bad] = image[~bad].mean()
        ramp = np.exp(2j * np.pi * fy * dy).astype(np.complex64), np.exp(2j * np.pi * fx * dx).astype(np.complex64)
        total = total + sfft.rfft2(image) * ramp[0] * ramp[1]
    average = sfft.irfft2(total, (h, w))
    if gain is not None:  # hot pixels stand out of the sum
        spread = np.median(np.abs(average - np.median(average))) * 1.4826
        average[np.abs(average - np.median(average)) > 8 * spread] = np.median(average)
    return average.astype(np.float32)


def cached_average(cache: Path, folder: Path, entry: dict[str, Any], pixel_A: float, detector: Any) -> np.ndarray:
    """Return the average from the cache, where it is made once."""
    file = cache / folder.name / f"{entry['name']}.npy"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, true_average(folder, entry, pixel_A, detector))
    return np.asarray(np.load(file))


def average_and_fit(
    args: argparse.Namespace, folder: Path, entry: dict[str, Any], facts: dict[str, Any], sim: Any, engine: Engine
) -> tuple[np.ndarray, CtfFit | None]:
    """Return a movie's average and CTF, Weft's or the truth's as ``--sums`` says, the average from ``--cache``."""
    if args.sums == "own":
        average = own_average(args.cache, folder, entry, facts, sim.detector, engine)
        return average, own_fit(average, facts, engine)
    return cached_average(args.cache, folder, entry, facts["pixel_A"], sim.detector), true_fit(entry, facts)


def own_average(
    cache: Path, folder: Path, entry: dict[str, Any], facts: dict[str, Any], detector: Any, engine: Engine
) -> np.ndarray:
    """Return Weft's own average, rows as the truth's, from the cache (one with `ctf_accuracy.py`)."""
    file = cache / f"{folder.name}-own-{entry['name']}.npy"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, average_of(folder, facts, entry, "own", detector, engine))
    return np.asarray(np.load(file))


def own_fit(average: np.ndarray, facts: dict[str, Any], engine: Engine) -> CtfFit:
    """Return Weft's own fit with the settings a user would choose for a kind."""
    ctf, optics = settings_of(facts, argparse.Namespace(range=None, window=512))
    return estimate_ctf(average, facts["pixel_A"], ctf, optics, engine)[0]


def true_fit(entry: dict[str, Any], settings: dict[str, Any]) -> CtfFit | None:
    """Return the truth as a fit; None where the image has no CTF."""
    if "defocus_u_A" not in entry:
        return None
    gx, gy = entry["defocus_gradient_xy"]
    return CtfFit(
        entry["defocus_u_A"], entry["defocus_v_A"], entry["angle_deg"], entry["phase_shift_deg"], gx, gy,
        [[[0.5 * (entry["defocus_u_A"] + entry["defocus_v_A"])]]], {}, 100.0, 5.0, settings["pixel_A"],
        settings["voltage_kv"], settings["cs_mm"], settings["amplitude_contrast"],
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("simulator", type=Path)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--sums", choices=("true", "own"), default="true")
    parser.add_argument("--cache", type=Path, default=Path("bead_averages"), help="where averages are kept")
    parser.add_argument("--model", default="gold")
    parser.add_argument("--no-ctf", action="store_true", help="do not tell the detector the CTF")
    parser.add_argument("--neutral", type=Path, help="write neutral results here")
    parser.add_argument("--only", default="", help="only images whose name holds this")
    parser.add_argument("--json", type=Path, help="write all figures here")
    args = parser.parse_args()
    sim = simulator(args.simulator)
    engine = Engine(torch.device("cpu"), torch.get_num_threads(), 2 << 30)
    kept: list[dict[str, Any]] = []
    for folder in args.sets:
        truth = json.loads((folder / "truth" / "truth.json").read_text())
        facts = truth["settings"]
        rows = []
        for entry in truth["images"]:
            if args.only not in entry["name"]:
                continue
            average, fit = average_and_fit(args, folder, entry, facts, sim, engine)
            fit = None if args.no_ctf else fit
            began = time.process_time()
            found = segment(average, facts["pixel_A"], FiducialSettings(model=args.model), engine, ctf=fit)
            seconds = time.process_time() - began
            score = sim.metrics.bead_scores(found.probability, entry["beads"], average.shape)
            bad = entry.get("bad") or entry.get("what") or ""
            rows.append((entry["name"], score, bad, len(found.beads), len(entry["beads"]), seconds))
            if not bad:
                held = reliability(found, entry["beads"], len(average), facts["pixel_A"])
                kept.append({"case": folder.name, "name": entry["name"], **score, **held})
            if args.neutral:
                write_neutral(args.neutral / folder.name, entry["name"], found.probability)
        if rows:
            show(folder.name, rows)
    if args.json:
        args.json.write_text(json.dumps(kept), encoding="utf-8")


def write_neutral(folder: Path, name: str, probability: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / f"{name}_mask.tif", probability)
    (folder / f"{name}.json").write_text(json.dumps({"name": name, "mask": f"{name}_mask.tif"}) + "\n")


def show(kind: str, rows: list[Any]) -> None:
    def text(value: float | None) -> str:
        return "    -" if value is None else f"{value:5.3f}"

    for name, score, bad, found, there, seconds in rows:
        print(
            f"{kind:18s} {name:18s} recall {text(score['recall'])} precision {text(score['precision'])} "
            f"IoU {text(score['best_iou'])} masked {100 * score['masked_share']:6.3f} % beads {found:3d}/{there:3d} "
            f"{seconds:5.2f} CPU s {bad}"
        )
    usable = [r for r in rows if not r[2]]
    parts = []
    for key in ("recall", "precision", "best_iou"):
        values = [r[1][key] for r in usable if r[1][key] is not None]
        if values:
            parts.append(f"{key} mean {np.mean(values):.3f} median {np.median(values):.3f} least {min(values):.3f}")
    print(f"{kind:18s} {'ALL':18s} " + "; ".join(parts))
    print(f"{kind:18s} {'':18s} masked at most {100 * max(r[1]['masked_share'] for r in rows):.3f} %", flush=True)


if __name__ == "__main__":
    main()
