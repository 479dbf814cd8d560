"""How often is a stated handedness right? Thousands of series drawn from known truth, by their number of tilts and range.

    python bench/hand_calibration.py [--draws 200]

Prints, for each kind of series: decided right, decided wrong, undecided; and over all of them the stated probabilities
against the share that is right. Below come series on which nothing may be decided.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from weft.series.handedness import judge_hand
from weft.simulate.options import dose_symmetric
from weft.simulate.records import SeriesTruth, draw_series

KINDS: Mapping[str, dict[str, Any]] = {
    "41 tilts of 1024²": {},
    "11 tilts of 1024²": {"tilts_deg": dose_symmetric(60, 12)},
    "11 tilts of 512²": {"tilts_deg": dose_symmetric(60, 12), "gradient_sigma": 0.5},
    "7 tilts to ±30°": {"tilts_deg": dose_symmetric(30, 10), "gradient_sigma": 0.2},
    "7 tilts to ±18°": {"tilts_deg": dose_symmetric(18, 6), "gradient_sigma": 0.12},
    "4 of full size": {"tilts_deg": (0.0, 20.0, -40.0, -60.0), "gradient_sigma": 0.024},
    "one-sided 0…60°": {"tilts_deg": tuple(float(t) for t in range(0, 61, 6)), "gradient_sigma": 0.25},
    "errors 2.5 × stated": {"tilts_deg": dose_symmetric(60, 12), "gradient_sigma": 0.15, "sigma_factor": 2.5},
    "a third bad": {"tilts_deg": dose_symmetric(60, 12), "faults": {2: "dark", 5: "blurred", 7: "no rings", 9: "dark"}},
    "lamella at 10°": {"tilts_deg": dose_symmetric(60, 12), "offset_deg": 10.0, "gradient_sigma": 0.25},
    "axis off by 4°": {"tilts_deg": dose_symmetric(60, 12), "axis_deg": 89.3, "gradient_sigma": 0.25},
}
HOPELESS: Mapping[str, dict[str, Any]] = {
    "within ±6°, 1024²": {"tilts_deg": dose_symmetric(6, 3)},
    "within ±6°, full size": {"tilts_deg": dose_symmetric(6, 2), "gradient_sigma": 0.02},
    "noise, 41": {"noise_only": True},
    "noise, 11": {"noise_only": True, "tilts_deg": dose_symmetric(60, 12)},
    "shuffled, 41": {"shuffled": True},
    "shuffled, 11": {"shuffled": True, "tilts_deg": dose_symmetric(60, 12)},
    "axis off by 90°": {"axis_deg": -4.7},
    "axis unknown": {"stated_axis_deg": None},
}
BINS = (0.0, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 1.0001)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    stated: list[tuple[float, int]] = []
    print(f"{'series that can be told':26} {'right':>7} {'wrong':>7} {'undecided':>10}")
    for name, options in KINDS.items():
        count = {1: 0, -1: 0, 0: 0}
        for draw in range(given.draws):
            hand = 1 if draw % 2 else -1
            drawn = draw_series(SeriesTruth(hand=hand, **options), rng)
            verdict = judge_hand(drawn.series, drawn.records)
            stated.append((verdict.probability_plus, hand))
            count[0 if verdict.hand is None else verdict.hand * hand] += 1
        print(f"{name:26} {count[1]:7} {count[-1]:7} {count[0]:10}")
    print(f"\n{'stated probability of +1':26} {'series':>7} {'mean':>8} {'is +1':>8}")
    table = np.array(stated)
    for low, high in pairwise(BINS):
        inside = table[(table[:, 0] >= low) & (table[:, 0] < high)]
        if len(inside):
            print(
                f"{f'{low:g} to {min(high, 1):g}':26} {len(inside):7} {inside[:, 0].mean():8.3f} {(inside[:, 1] > 0).mean():8.3f}"
            )
    print(f"\n{'series that cannot be told':26} {'told':>7} {'undecided':>10} {'with a cause':>13}")
    for name, options in HOPELESS.items():
        told = causes = 0
        for draw in range(given.draws):
            drawn = draw_series(SeriesTruth(hand=1 if draw % 2 else -1, **options), rng)
            verdict = judge_hand(drawn.series, drawn.records)
            told += verdict.hand is not None
            causes += bool(verdict.causes)
        print(f"{name:26} {told:7} {given.draws - told:10} {causes:13}")


if __name__ == "__main__":
    main()
