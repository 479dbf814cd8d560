"""Whether erased gold leaves a trace, judged by a classifier of filled and of bead-free places.

python bench/erase_trace.py SIM [--images N] [--seed S] [--size PX]

Images of beads come from the simulator of the test data (specimen and optics, see beads_kinds.py); beads are found by the
detector, erased as `weft stack --erase-gold` does, and patches around them compared with as many bead-free patches of the
same images: logistic regression on local mean, logarithm of the variance and ring spectrum, five-fold. Half is chance;
before erasing, the same features tell beads by far.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft as sfft
import torch
from beads_kinds import Case, make, simulator
from scipy.optimize import minimize

from weft.engine.device import Engine
from weft.fiducials import segment
from weft.settings.schema import FiducialSettings
from weft.signal.fill import erase_for_stack

RINGS = 10


def features(patch: np.ndarray, level: float) -> list[float]:
    side = len(patch)
    window = np.hanning(side + 2)[1:-1]
    power = np.abs(sfft.rfft2((patch - patch.mean()) / level * window[:, None] * window)) ** 2
    radius = np.hypot(sfft.fftfreq(side)[:, None], sfft.rfftfreq(side)[None, :])
    ring = np.digitize(radius.ravel(), np.linspace(0.01, 0.5, RINGS + 1))
    rings = [np.log(power.ravel()[ring == i].mean()) for i in range(1, RINGS + 1)]
    return [patch.mean() / level, np.log(patch.var() / level**2), *rings]


def right_share(found: np.ndarray, kind: np.ndarray, rng: np.random.Generator) -> float:
    """Return the share that a logistic regression tells rightly, five-fold."""
    x = np.c_[(found - found.mean(0)) / found.std(0), np.ones(len(found))]
    sign, right, order = 2.0 * kind - 1, 0, rng.permutation(len(x))
    for fold in range(5):
        test = order[fold::5]
        train = np.setdiff1d(order, test)

        def cost(w: np.ndarray, train: np.ndarray = train) -> tuple[float, np.ndarray]:
            z = sign[train] * (x[train] @ w)
            gradient = -(x[train] * (sign[train] / (1 + np.exp(z)))[:, None]).mean(0)
            return float(np.logaddexp(0, -z).mean() + 1e-3 * w @ w), gradient + 2e-3 * w

        w = minimize(cost, np.zeros(x.shape[1]), jac=True).x
        right += int(((x[test] @ w > 0) == (sign[test] > 0)).sum())
    return right / len(x)


def places(beads: list[dict[str, float]], side: int, size: int, away: float, rng: np.random.Generator) -> Any:
    """Return bead centres whose patch lies in the field, and as many places far from any bead."""
    centres = np.array([(b["y_px"], b["x_px"]) for b in beads])
    inside = ((centres > size / 2) & (centres < side - size / 2)).all(1)
    free: list[np.ndarray] = []
    for place in rng.uniform(size / 2, side - size / 2, (4000, 2)):
        if len(free) < inside.sum() and np.hypot(*(centres - place).T).min() > away:
            free.append(place)
    return centres[inside][: len(free)], np.array(free)


def cut(image: np.ndarray, place: np.ndarray, size: int) -> np.ndarray:
    top, left = (round(p - size / 2) for p in place)
    return image[top : top + size, left : left + size]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("simulator", type=Path)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--size", type=int, default=48, help="side of a patch in px of 2.7 Å")
    args = parser.parse_args()
    sim = simulator(args.simulator)
    engine, rng = Engine(torch.device("cpu"), 1, 2 << 30), np.random.default_rng(args.seed)
    tilts, defoci = (0.0, 20.0, -40.0, 60.0), (18_000.0, 32_000.0, 50_000.0)
    rows: dict[str, list[list[float]]] = {"beads": [], "erased": [], "free": []}
    seconds = []
    for number in range(args.images):
        tilt, defocus_A = tilts[number % 4], defoci[number % 3]
        case = replace(Case("trace"), beads=40, tilt_deg=tilt, defocus_A=defocus_A)
        image, beads, fit = make(case, args.seed + number, sim)
        mask = segment(image, case.pixel_A, FiducialSettings(), engine, ctf=fit)
        began = time.process_time()
        out = erase_for_stack(image, case.pixel_A, mask.mask, name=f"image {number}", ctf=fit)
        seconds.append(time.process_time() - began)
        at, free = places(beads, len(image), args.size, 200 / case.pixel_A, rng)
        level = float(np.median(image))
        for kind, picture, chosen in (("beads", image, at), ("erased", out, at), ("free", out, free)):
            rows[kind] += [features(cut(picture, place, args.size), level) for place in chosen]
    kinds = {name: np.array(values) for name, values in rows.items()}
    count = 2 * len(kinds["free"])
    label = np.r_[np.ones(count // 2), np.zeros(count // 2)]
    error = np.sqrt(0.25 / count)
    print(
        f"{count} patches of {args.size} px from {args.images} images; erasing took {np.mean(seconds):.2f} s CPU each"
    )
    for name in ("beads", "erased"):
        share = right_share(np.r_[kinds[name], kinds["free"]], label, rng)
        print(f"{name:8s} told from bead-free places: {100 * share:.1f} ± {100 * error:.1f} %")
    gap = (kinds["erased"].mean(0) - kinds["free"].mean(0)) / kinds["free"].std(0)
    print("erased minus free, in sigmas of a patch: mean, log variance, rings:", np.round(gap, 2).tolist())


if __name__ == "__main__":
    main()
