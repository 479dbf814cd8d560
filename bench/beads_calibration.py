"""How often it is gold, given what the sphere fit and the network say: finds the constants of `fiducials/calibrate.py`.

python bench/beads_calibration.py gather SIM OUT.npy [--scenes N] [--kinds N] [--seed N] [--cases TEXT]
python bench/beads_calibration.py fit OUT.npy ... [--check OTHER.npy ...]

``gather`` looks for beads in scenes of the training simulator and in the images of `beads_kinds.py` (N seeds of each
kind; SIM is the folder with the test data's simulator), and keeps for each candidate what both witnesses say and
whether its inner part is gold. ``fit`` finds the constants by logistic regression and prints stated against true, for
other candidates, too.
"""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from beads_kinds import cases, make, share_of_gold, simulator
from scipy.optimize import minimize

from weft.engine.device import Engine
from weft.fiducials.agree import agree, mean_inside, size_of_pieces
from weft.fiducials.calibrate import FITTED, LAID, UNDER_PLATE, outside_share, seen
from weft.fiducials.classic import DIAMETERS_A, find_spots
from weft.fiducials.flatten import Flat, flatten
from weft.fiducials.models import load_net
from weft.fiducials.net import infer, inputs_of
from weft.fiducials.plate import LEAST_HALF, LEAST_SURE, SURE, common_diameter, evidence
from weft.fiducials.render import Spot
from weft.fiducials.sample import WORKING_PIXEL_A, sample
from weft.fiducials.scenes import GOLD, make_scene
from weft.fiducials.template import Optics, optics_of
from weft.io.models import find_model

COLUMNS = ("image", "plate", "inside_field", "fitted", "fit", "network", "stated", "radius", "gold")
OF_PLATE = ("half", "gain", "bright", "beside", "sigmas", "off")  # further columns, under a phase plate
SIDE = 256  # working pixels of a scene
EDGES = (0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98, 1.01)
PULL = 0.05  # towards no slope, so that few candidates cannot make a step


def inner_share(share: np.ndarray, spot: Spot) -> float:
    """Return how much of a spot's inner part is gold; nan if it lies outside."""
    y, x = np.ogrid[: share.shape[0], : share.shape[1]]
    inner = np.hypot(y - spot.y, x - spot.x) <= max(1.0, 0.6 * spot.radius)
    return float(share[inner].mean()) if inner.any() else math.nan


def candidates(image: np.ndarray, optics: list[Optics], share: np.ndarray, engine: Engine, *, plate: bool) -> list[Any]:
    """Return what is known of each candidate of one image, `COLUMNS` without the first and `OF_PLATE`."""
    flat = flatten(image)
    if flat.is_blank:
        return []
    if plate:
        return under_plate(flat, optics, share)
    gold = infer(load_net(find_model("gold").path, engine.device), inputs_of(flat), engine)[GOLD]
    if gold.max() < 0.1:
        return []
    fitted, diameter_A = find_spots(flat, optics, None, engine.threads, near_A=size_of_pieces(gold, flat))
    by_place = {(s.y, s.x): s.probability / outside_share(s, gold.shape) for s in fitted}
    rows = []
    for spot in agree(gold, flat, fitted, diameter_A).spots:
        fit = by_place.get((spot.y, spot.x), math.nan)
        within = outside_share(spot, gold.shape) == 1
        stated = (spot.probability, spot.radius, inner_share(share, spot))
        rows.append(
            (False, within, not math.isnan(fit), fit, mean_inside(gold, spot), *stated, *[math.nan] * len(OF_PLATE))
        )
    return rows


def under_plate(flat: Flat, optics: list[Optics], share: np.ndarray) -> list[Any]:
    """Return candidates under a phase plate: of the beads' size; without beads the better ones of all sizes."""
    sizes = [common_diameter(flat, [optics[len(optics) // 2]])] if share.any() else DIAMETERS_A
    rows = []
    for one in itertools.chain.from_iterable(evidence(flat, size, optics) for size in sizes):
        if one.half < LEAST_HALF and not share.any():
            continue
        spot = one.spot
        within = outside_share(spot, share.shape) == 1
        stated = (spot.probability, spot.radius, inner_share(share, spot))
        rows.append((True, within, True, math.nan, math.nan, *stated, *(getattr(one, name) for name in OF_PLATE)))
    return rows


def gather(args: argparse.Namespace) -> None:
    sim = simulator(args.simulator)
    engine = Engine(torch.device("cpu"), torch.get_num_threads(), 2 << 30)
    rows: list[Any] = []
    for number in range(args.scenes):
        rng = np.random.default_rng([args.seed, number])
        scene = make_scene(rng, SIDE)
        electrons = rng.poisson(scene.expected).astype(np.float32)
        found = candidates(electrons, scene.optics, scene.gold, engine, plate=scene.has_phase_plate)
        rows += [(number, *row) for row in found]
    for number in range(args.kinds):
        for place, case in enumerate(case for case in cases() if args.cases in case.name):
            image, beads, fit = make(case, args.seed + number, sim)
            small = sample(image, case.pixel_A).image
            share = share_of_gold(small.shape, beads, len(image))
            found = candidates(small, optics_of(fit), share, engine, plate=fit.phase_shift_deg > 20)
            rows += [(args.scenes + 1000 * number + place, *row) for row in found]
    np.save(args.out, np.array(rows, float))
    print(f"{len(rows)} candidates of {args.scenes} scenes and {args.kinds} × {len(cases())} images")


def logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 0.001, 0.999)
    return np.log(p / (1 - p))


def inputs_and_share(rows: np.ndarray, group: str, has_sure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what a group's probability depends on, and the share that is left of it."""
    one, network = np.ones(len(rows)), rows[:, 5]
    if group == "fitted":
        return np.stack([one, logit(rows[:, 4]), network], 1), np.array([seen(float(v)) for v in network])
    if group == "laid":
        return np.stack([one, network, has_sure], 1), one
    *agreement, sigmas, off = rows[:, len(COLUMNS) :].T
    return np.stack([one, *agreement, np.log(2 * WORKING_PIXEL_A * rows[:, 7]), np.log(sigmas), off], 1), one


def chosen(rows: np.ndarray, group: str) -> np.ndarray:
    plate, within, fitted = (rows[:, k] > 0 for k in (1, 2, 3))
    groups = {"fitted": fitted & ~plate, "laid": ~fitted & ~plate, "plate": plate & with_sure_under_plate(rows)}
    return np.asarray(groups[group] & within & ~np.isnan(rows[:, 8]))


def stated_of(inputs: np.ndarray, share: np.ndarray, constants: np.ndarray) -> np.ndarray:
    return np.asarray(share / (1 + np.exp(-inputs @ constants)))


def of_images(rows: np.ndarray, which: np.ndarray, least: int = 1) -> np.ndarray:
    """Return for each candidate whether at least so many of those are of its image."""
    image = np.cumsum(np.r_[0, np.diff(rows[:, 0]) != 0])
    return np.asarray(np.bincount(image, which)[image] >= least)


def with_sure_under_plate(rows: np.ndarray) -> np.ndarray:
    """Return for each candidate whether its image has sure beads by the constants that are kept.

    In the others all are held below one half on purpose, so they do not count.
    """
    sure = stated_of(*inputs_and_share(rows, "plate", rows[:, 0]), np.array(UNDER_PLATE)) > SURE
    half = rows[:, len(COLUMNS) + OF_PLATE.index("half")]
    return of_images(rows, sure & (half >= LEAST_HALF) & (rows[:, 1] > 0) & (rows[:, 2] > 0), LEAST_SURE)


def with_sure(rows: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """Return for each candidate whether the sphere fit found sure beads in its image."""
    sure = chosen(rows, "fitted")
    sure &= stated_of(*inputs_and_share(rows, "fitted", sure), constants) >= 0.5
    return of_images(rows, sure).astype(float)


def fitted_constants(inputs: np.ndarray, share: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Return the constants of greatest likelihood, slopes, each by the spread of its input, pulled towards 0 a little."""
    spread = inputs[:, 1:].std(0) if len(inputs) else np.zeros(inputs.shape[1] - 1)

    def cost(constants: np.ndarray) -> float:
        p = np.clip(stated_of(inputs, share, constants), 1e-9, 1 - 1e-9)
        wrong = -float(np.where(gold, np.log(p), np.log1p(-p)).sum())
        return wrong + PULL * float(((spread * constants[1:]) ** 2).sum())

    return np.asarray(minimize(cost, np.zeros(inputs.shape[1])).x)


def fit(args: argparse.Namespace) -> None:
    rows = np.concatenate([np.load(path) for path in args.files])
    others = [np.load(path) for path in args.check]
    found: dict[str, np.ndarray] = {}
    for group, kept in (("fitted", FITTED), ("laid", LAID), ("plate", UNDER_PLATE)):
        sure = with_sure(rows, found.get("fitted", np.array(FITTED)))
        used = chosen(rows, group)
        inputs, share = inputs_and_share(rows, group, sure)
        found[group] = fitted_constants(inputs[used], share[used], rows[used, 8] > 0.5)
        print(f"{group}: {np.round(found[group], 3).tolist()} (kept: {list(kept)})")
        for name, some in [("these", rows), *zip(args.check, others, strict=True)]:
            inputs, share = inputs_and_share(some, group, with_sure(some, found["fitted"]))
            used = chosen(some, group)
            table(str(name), stated_of(inputs, share, found[group])[used], some[used, 8] > 0.5)


def table(name: str, stated: np.ndarray, gold: np.ndarray) -> None:
    print(f"  {name}: {len(stated)}, {int((~gold).sum())} of them no gold, Brier {((stated - gold) ** 2).mean():.4f}")
    for low, high in itertools.pairwise(EDGES):
        some = (stated >= low) & (stated < high)
        if some.any():
            print(f"    {some.sum():5d} stated {stated[some].mean():.3f} true {gold[some].mean():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    one = verbs.add_parser("gather")
    one.add_argument("simulator", type=Path)
    one.add_argument("out", type=Path)
    one.add_argument("--scenes", type=int, default=200)
    one.add_argument("--kinds", type=int, default=1)
    one.add_argument("--seed", type=int, default=71)
    one.add_argument("--cases", default="", help="only cases whose name holds this")
    one.set_defaults(do=gather)
    two = verbs.add_parser("fit")
    two.add_argument("files", type=Path, nargs="+")
    two.add_argument("--check", type=Path, nargs="*", default=[])
    two.set_defaults(do=fit)
    args = parser.parse_args()
    args.do(args)


if __name__ == "__main__":
    main()
