"""How beads of other sizes, scales and surroundings are found, and whether the stated probabilities hold.

python bench/beads_kinds.py SIM [--seeds N ...] [--json FILE] [--cases TEXT]

SIM is the folder with the test data's simulator; its specimen and optics are used, not those the network learnt from.
Each image is one exposure without motion: beads of 5, 10, 15 and 20 nm at 2.7 and 5.4 Å a pixel, tilts to 60°, with a
carbon edge, a phase plate, in crowded protein, overlapping, at low exposure, and none at all.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.fft as sfft
import torch

from weft.engine.device import Engine
from weft.fiducials import segment
from weft.fields import Bead, BeadMask, CtfFit
from weft.settings.schema import FiducialSettings

BINS = 10


@dataclass(frozen=True)
class Case:
    """One kind of image."""

    name: str
    diameter_nm: float = 10.0
    pixel_A: float = 2.7
    tilt_deg: float = 0.0
    dose: float = 3.0
    film: bool = False
    phase_deg: float = 0.0
    proteins: int = 250
    beads: int = 15
    clustered: bool = False
    defocus_A: float = 32_000.0
    thickness_A: float = 1500.0


def cases() -> list[Case]:
    out = [
        Case(f"{size} nm {pixel} Å/px {tilt:.0f}°", size, pixel, tilt)
        for size in (5, 15, 20)
        for pixel in (2.7, 5.4)
        for tilt in (0.0, -40.0, 60.0)
    ]
    out += [Case(f"carbon edge {size} nm", size, film=True) for size in (5, 10, 15)]
    plate = Case("", phase_deg=90, defocus_A=8000, thickness_A=500)
    out += [
        replace(plate, name=f"phase plate {size} nm {pixel} Å/px", diameter_nm=size, pixel_A=pixel)
        for size in (5, 10, 15, 20)
        for pixel in (2.7, 5.4)
    ]
    out += [replace(plate, name=f"phase plate carbon {size} nm", diameter_nm=size, film=True) for size in (5, 10, 15)]
    out += [
        replace(plate, name=f"phase plate {phase}° {size} nm", diameter_nm=size, phase_deg=phase, defocus_A=defocus_A)
        for phase, defocus_A in ((60, 5000), (120, 12_000))
        for size in (5, 10)
    ]
    out += [replace(plate, name=f"phase plate {size} nm -40°", diameter_nm=size, tilt_deg=-40.0) for size in (5, 10)]
    out += [Case("crowded 10 nm", proteins=1500), Case("crowded 5 nm", 5, proteins=1500)]
    out += [Case("touching 10 nm", clustered=True), Case("touching 15 nm", 15, clustered=True)]
    out += [Case("low exposure 10 nm", dose=0.6), Case("low exposure 5 nm 60°", 5, dose=0.8, tilt_deg=60)]
    out += [Case("close to focus 10 nm", defocus_A=6000), Case("8 µm 10 nm", defocus_A=80_000)]
    none = Case("", beads=0)
    out += [
        replace(none, name="none"), replace(none, name="none carbon edge", film=True),
        replace(none, name="none crowded", proteins=1500), replace(none, name="none tilted", tilt_deg=60),
        replace(plate, name="none phase plate", beads=0),
        replace(plate, name="none phase plate 5.4 Å/px", beads=0, pixel_A=5.4),
        replace(plate, name="none phase plate 60°", beads=0, phase_deg=60, defocus_A=5000),
        replace(plate, name="none phase plate 120°", beads=0, phase_deg=120, defocus_A=12_000),
        replace(plate, name="none phase plate carbon", beads=0, film=True),
        replace(plate, name="none phase plate crowded", beads=0, proteins=1500),
    ]  # fmt: skip
    return out


def simulator(folder: Path) -> Any:
    """Return the modules of the test data's simulator that lies in a folder."""
    sys.path.insert(0, str(folder))
    names = ("detector", "imaging", "metrics", "optics", "simulate", "specimen")
    return SimpleNamespace(**{name: importlib.import_module(name) for name in names})


def make(case: Case, seed: int, sim: Any) -> tuple[np.ndarray, list[dict[str, float]], CtfFit]:
    """Return electrons per pixel, the beads that are there, and the optics as a fit."""
    rng = np.random.default_rng([seed, hash_of(case.name)])
    side = 1024 if case.pixel_A < 4 else 640
    scope = sim.optics.Microscope(case.pixel_A, b_factor_A2=100)
    field = (side * case.pixel_A,) * 2
    extent = (field[0] * 1.4 / np.cos(np.deg2rad(case.tilt_deg)),) * 2
    specimen = sim.specimen.make_specimen(
        rng, field, extent, case.thickness_A, case.proteins, 0 if case.proteins > 1000 else 2, case.beads,
        10 * case.diameter_nm,
    )  # fmt: skip
    if case.clustered:
        beside = specimen.beads.copy()
        turn = rng.uniform(0, 2 * np.pi, len(beside))
        beside[:, 0] += 1.02 * 10 * case.diameter_nm * np.cos(turn)
        beside[:, 1] += 1.02 * 10 * case.diameter_nm * np.sin(turn)
        specimen = replace(specimen, beads=np.concatenate([specimen.beads, beside[::2]]))
    defocus = sim.optics.Defocus(case.defocus_A + 150, case.defocus_A - 150, 30.0, case.phase_deg)
    view = sim.imaging.View(defocus, case.tilt_deg, 85.3, 1, (0.0, 0.0), 0.3)
    if case.film:
        view.film = sim.simulate.edge(rng, field, 200.0, 0.4, 30.0)
    layers, beads = sim.imaging.form_layers(scope, specimen, view, (side, side), rng)
    since = np.array([0.5 * case.dose])
    image = sim.simulate.clean_image(layers, since + 20, since, scope, (side, side))
    ky, kx = sim.optics.frequencies(image.shape, case.pixel_A)
    seen = sfft.irfft2(sfft.rfft2(image) * sim.optics.mtf(np.hypot(ky, kx), case.pixel_A), image.shape)
    counts = rng.poisson(np.maximum(seen, 0) * case.dose * case.pixel_A**2).astype(np.float32)
    gx, gy = view.defocus_gradient()
    fit = CtfFit(
        defocus.u_A, defocus.v_A, 30.0, case.phase_deg, float(gx), float(gy), [[[case.defocus_A]]], {}, 100.0, 5.0,
        case.pixel_A, 300.0, 2.7, 0.07,
    )  # fmt: skip
    return counts, beads, fit


def hash_of(text: str) -> int:
    """Return a number that differs from name to name, so that each case has a specimen of its own."""
    return zlib.crc32(text.encode())


def share_of_gold(shape: tuple[int, ...], beads: list[dict[str, float]], side: int) -> np.ndarray:
    """Return the share of each pixel of a map that beads cover, by 5 × 5 points a pixel; `side` is the image's."""
    scale = shape[0] / side
    fine = (np.arange(5 * shape[0]) + 0.5) / 5 - 0.5
    out = np.zeros((5 * shape[0], 5 * shape[1]), dtype=bool)
    for bead in beads:
        y, x = ((bead[k] + 0.5) * scale - 0.5 for k in ("y_px", "x_px"))
        r = bead["radius_px"] * scale
        rows, columns = (np.flatnonzero(np.abs(fine - c) <= r) for c in (y, x))
        out[np.ix_(rows, columns)] |= np.hypot(fine[rows][:, None] - y, fine[columns][None, :] - x) <= r
    return out.reshape(shape[0], 5, shape[1], 5).mean((1, 3))


def reliability(mask: BeadMask, beads: list[dict[str, float]], side: int, pixel_A: float) -> dict[str, Any]:
    """Return sums in bins of probability: of pixels (their share of gold) and of beads (whether one is there).

    Beads whose centre lies outside the field, and pixels as near to them as fringes reach, are left out: the truth
    does not list them.
    """
    stated = mask.probability
    share = share_of_gold(stated.shape, beads, side)
    beyond = [spot for spot in mask.likely_beads if not is_inside(spot, mask)]
    judged = np.ones(stated.shape, dtype=bool)
    y, x = np.ogrid[: stated.shape[0], : stated.shape[1]]
    for spot in beyond:
        away = np.hypot(y * mask.pixel_size_A - spot.y_A, x * mask.pixel_size_A - spot.x_A)
        judged &= away > spot.radius_A + 2 * mask.pixel_size_A
    index = np.minimum((stated * BINS).astype(int), BINS - 1)[judged]
    pixels = [np.bincount(index, w[judged], BINS).tolist() for w in (np.ones_like(share), stated, share)]
    rows = np.zeros((3, BINS))
    for spot in mask.likely_beads:
        if spot in beyond:
            continue
        away = [np.hypot(b["y_px"] * pixel_A - spot.y_A, b["x_px"] * pixel_A - spot.x_A) for b in beads]
        k = min(int(spot.probability * BINS), BINS - 1)
        rows[:, k] += 1, spot.probability, bool(away) and min(away) < spot.radius_A
    return {"pixels": pixels, "beads": rows.tolist()}


def is_inside(spot: Bead, mask: BeadMask) -> bool:
    """Whether a bead's centre lies within the field, to a tenth of a pixel."""
    sides = (side * mask.pixel_size_A for side in mask.probability.shape)
    return all(-0.1 <= at <= side for at, side in zip((spot.y_A, spot.x_A), sides, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("simulator", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11])
    parser.add_argument("--cases", default="", help="only cases whose name holds this")
    parser.add_argument("--model", default="gold")
    parser.add_argument("--no-ctf", action="store_true")
    parser.add_argument("--json", type=Path, help="write all figures here")
    args = parser.parse_args()
    sim = simulator(args.simulator)
    engine = Engine(torch.device("cpu"), torch.get_num_threads(), 2 << 30)
    rows = []
    for case in cases():
        if args.cases not in case.name:
            continue
        for seed in args.seeds:
            image, beads, fit = make(case, seed, sim)
            began = time.process_time()
            settings = FiducialSettings(model=args.model)
            mask = segment(image, case.pixel_A, settings, engine, ctf=None if args.no_ctf else fit)
            seconds = time.process_time() - began
            score = sim.metrics.bead_scores(mask.probability, beads, image.shape)
            held = reliability(mask, beads, len(image), case.pixel_A)
            rows.append({"case": case.name, "seed": seed, **score, **held})
            print(
                f"{case.name:28s} {seed:3d} beads {len(mask.beads):3d}/{len(beads):3d} {text(score)} "
                f"masked {100 * score['masked_share']:6.3f} % dirt {100 * mask.dirt.mean():6.2f} % "
                f"{mask.details['bead_diameter_nm'] or 0:5.1f} nm {seconds:5.2f} s CPU", flush=True,
            )  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps(rows), encoding="utf-8")
    with_beads = [row for row in rows if row["recall"] is not None]
    for key in ("recall", "precision", "best_iou"):
        values = [row[key] for row in with_beads if row[key] is not None]
        if values:
            print(f"{key}: mean {np.mean(values):.3f}, median {np.median(values):.3f}, least {min(values):.3f}")


def text(score: dict[str, Any]) -> str:
    shown = ("    -" if score[k] is None else f"{score[k]:5.3f}" for k in ("recall", "precision", "best_iou"))
    return " ".join(f"{name} {value}" for name, value in zip(("recall", "precision", "IoU"), shown, strict=True))


if __name__ == "__main__":
    main()
