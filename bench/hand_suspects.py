"""Handedness, suspects and shared CTF of processed simulated series against their truth.

    python bench/hand_suspects.py PROJECT ... [--truth FOLDER]

A project is a folder made by ``shared/sim`` or ``weft simulate`` (its ``truth/truth.json``, or that of --truth) in which
``weft run`` has finished.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from weft.series.handedness import judge_hand
from weft.series.jumps import find_jumps
from weft.series.match import build_series
from weft.series.neighbours import share_ctf
from weft.series.suggest import suggest
from weft.state.project import Project

RANGES = ((0.0, 31.0), (32.0, 49.0), (50.0, 90.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("projects", type=Path, nargs="+")
    parser.add_argument("--truth", type=Path)
    given = parser.parse_args()
    rows: list[tuple[float, ...]] = []
    bad = caught = false = good = 0
    for folder in given.projects:
        project = Project.open(folder)
        truth = read_truth((given.truth or project.folder) / "truth" / "truth.json")
        records = project.records()
        for one in build_series(project.mdocs(), list(project.movies().values()), project.settings).series:
            names = [str(tilt.movie) for tilt in one.tilts if tilt.movie in records]
            spoiled = {name for name in names if truth[name].get("bad")}
            hand = judge_hand(one, records)
            jumps = find_jumps(one, lambda name, at=project: at.path("thumbnail", name))  # type: ignore[misc]
            found = {row.item for row in suggest(one, records, jumps=jumps)}
            bad, caught = bad + len(spoiled), caught + len(spoiled & found)
            good, false = good + len(names) - len(spoiled), false + len(found - spoiled)
            print(
                f"{folder.name} {one.name}: hand {hand.hand} (probability of +1 {hand.probability_plus:.4f}), "
                f"{len(spoiled & found)} of {len(spoiled)} bad images suggested, good ones: {sorted(found - spoiled)}"
            )
            rows += errors_of(share_ctf(one, records), truth, spoiled)
    print(f"\nsuspects: {caught} of {bad} bad images; {false} of {good} good ones\n")
    print(
        f"{'tilts':>10} {'images':>7} {'defocus own':>14} {'in series':>14} {'astigmatism own':>16} {'in series':>10}"
    )
    table = np.array(rows)
    for low, high in RANGES:
        part = table[(table[:, 0] >= low) & (table[:, 0] <= high)] if len(table) else table
        if len(part):
            own, series = (f"{np.median(part[:, i]):.0f} / {part[:, i].max():.0f} Å" for i in (1, 2))
            print(
                f"{f'{low:.0f}–{high:.0f}°':>10} {len(part):7} {own:>14} {series:>14} {np.median(part[:, 3]):14.0f} Å {np.median(part[:, 4]):8.0f} Å"
            )


def errors_of(shared: Any, truth: dict[str, Any], spoiled: set[str]) -> list[tuple[float, ...]]:
    """Return |tilt| and the errors of good images: defocus and astigmatism, own and in the series."""
    rows: list[tuple[float, ...]] = []
    for image in shared.images if shared else ():
        if image.movie in spoiled or image.own_defocus_A is None:
            continue
        true = truth[image.movie].get("ctf", truth[image.movie])
        mean = 0.5 * (true["defocus_u_A"] + true["defocus_v_A"])
        vector = to_vector(true["defocus_u_A"] - true["defocus_v_A"], true["angle_deg"])
        own = to_vector(image.own_astigmatism_A or 0.0, image.own_angle_deg or 0.0)
        both = to_vector(image.defocus_u_A - image.defocus_v_A, image.angle_deg)
        rows.append((
            abs(image.tilt_deg), abs(image.own_defocus_A - mean), abs(image.defocus_A - mean),
            float(np.linalg.norm(own - vector)), float(np.linalg.norm(both - vector)),
        ))  # fmt: skip
    return rows


def to_vector(length: float, angle_deg: float) -> np.ndarray[Any, Any]:
    turn = math.radians(2 * angle_deg)
    return length * np.array([math.cos(turn), math.sin(turn)])


def read_truth(path: Path) -> dict[str, Any]:
    images = json.loads(path.read_text())["images"]
    return images if isinstance(images, dict) else {image["name"]: image for image in images}


if __name__ == "__main__":
    main()
