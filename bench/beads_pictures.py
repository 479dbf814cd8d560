"""Pictures of the page on gold: masks over images across tilts, and stated against true probabilities.

python bench/beads_pictures.py sheet SIM SET OUT.jpg [--tiles N] [--side PX] [--only TEXT] [--sums own] [--cache DIR]
python bench/beads_pictures.py reliability OUT.svg FILE.json ...      files that beads_kinds.py wrote

A sheet shows every so many images of a simulated set, in order of tilt, rim of the mask in white. With ``--sums own``
averages and CTF are Weft's.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage as ndi
import torch
from beads_accuracy import average_and_fit
from beads_kinds import simulator
from PIL import Image, ImageDraw

from weft.engine.device import Engine
from weft.fiducials import segment
from weft.settings.schema import FiducialSettings

WIDTH, HEIGHT, LEFT, TOP, SIZE = 720, 350, 56, 30, 260  # px of the plot


def tile_of(image: np.ndarray, mask: np.ndarray, side: int) -> Image.Image:
    """Return an image at `side` px with the mask's rim, row 0 at the bottom."""
    step = max(1, min(image.shape) // side)
    height, width = (n // step * step for n in image.shape)
    small = image[:height, :width].reshape(height // step, step, width // step, step).mean((1, 3))
    low, high = np.percentile(small, (0.3, 99.7))
    low = min(low, np.median(small) - 2.5 * (high - np.median(small)))
    grey = Image.fromarray((np.clip((small - low) / (high - low), 0, 1) * 200).astype(np.uint8)[::-1])
    grey = grey.resize((side, side), Image.Resampling.BOX)
    at = (np.arange(side) + 0.5) / side
    shown = mask[::-1][(at * mask.shape[0]).astype(int)[:, None], (at * mask.shape[1]).astype(int)[None, :]]
    rim = ndi.binary_dilation(shown, iterations=2) & ~ndi.binary_dilation(shown, iterations=1)
    values = np.array(grey)
    values[rim] = 255
    return Image.fromarray(values)


def sheet(args: argparse.Namespace) -> None:
    sim = simulator(args.simulator)
    truth = json.loads((args.set / "truth" / "truth.json").read_text())
    facts, engine = truth["settings"], Engine(torch.device("cpu"), 1, 2 << 30)
    entries = [entry for entry in truth["images"] if args.only in entry["name"]]
    entries.sort(key=lambda entry: entry.get("tilt_deg", 0.0))
    chosen = [entries[i] for i in np.unique(np.linspace(0, len(entries) - 1, args.tiles).round().astype(int))]
    columns = min(4, len(chosen)) if len(chosen) != 4 else 2
    rows = -(-len(chosen) // columns)
    out = Image.new("L", (columns * (args.side + 4), rows * (args.side + 18)), 255)
    draw = ImageDraw.Draw(out)
    for number, entry in enumerate(chosen):
        image, fit = average_and_fit(args, args.set, entry, facts, sim, engine)
        found = segment(image, facts["pixel_A"], FiducialSettings(), engine, ctf=fit)
        x, y = (number % columns) * (args.side + 4), (number // columns) * (args.side + 18)
        out.paste(tile_of(image, found.mask, args.side), (x, y + 14))
        spoiled = f", {entry['bad']}" if entry.get("bad") else ""
        text = f"{entry.get('tilt_deg', 0):.0f} deg{spoiled}: {len(found.beads)} found, {len(entry['beads'])} there"
        draw.text((x + 2, y + 1), text, fill=0)
        print(entry["name"], text)
    out.save(args.out, quality=args.quality)


def reliability(args: argparse.Namespace) -> None:
    rows = [row for path in args.files for row in json.loads(path.read_text())]
    panels = []
    for number, (key, title, unit) in enumerate(
        (("pixels", "pixels of the mask", "mean share covered by gold"), ("beads", "beads", "share that are beads"))
    ):
        sums = np.sum([row[key] for row in rows], axis=0)
        count, stated, true = sums[:, sums[0] >= (50 if key == "pixels" else 1)]
        spread = np.sqrt(np.maximum(true / count * (1 - true / count), 1 / count) / count)
        panels.append(panel(LEFT + number * 350, title, unit, stated / count, true / count, spread, count))
        error = float((np.abs(stated - true)).sum() / count.sum())
        print(f"{title}: mean absolute difference of stated and true {error:.4f} over {int(count.sum())}")
        for c, s, t in zip(count, stated / count, true / count, strict=True):
            print(f"  {int(c):9d} stated {s:.3f} true {t:.3f}")
    args.out.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>{"".join(panels)}</svg>\n',
        encoding="utf-8",
    )


def panel(left: int, title: str, unit: str, stated: Any, true: Any, spread: Any, count: Any) -> str:
    def x(value: float) -> float:
        return round(left + SIZE * value, 1)

    def y(value: float) -> float:
        return round(TOP + SIZE * (1 - value), 1)

    parts = [
        f'<rect x="{left}" y="{TOP}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#888"/>',
        f'<path d="M{x(0)} {y(0)}L{x(1)} {y(1)}" stroke="#bbb" stroke-dasharray="4 4"/>',
        f'<text x="{left + SIZE / 2}" y="{TOP - 10}" text-anchor="middle">{title}, {int(count.sum()):,}</text>',
        f'<text x="{left + SIZE / 2}" y="{TOP + SIZE + 34}" text-anchor="middle">stated probability</text>',
        f'<text transform="translate({left - 34} {TOP + SIZE / 2}) rotate(-90)" text-anchor="middle">{unit}</text>',
    ]
    for value in (0, 0.5, 1):
        parts += [
            f'<text x="{x(value)}" y="{TOP + SIZE + 16}" text-anchor="middle">{value:g}</text>',
            f'<text x="{left - 6}" y="{y(value) + 4}" text-anchor="end">{value:g}</text>',
        ]
    for s, t, e in zip(stated, true, spread, strict=True):
        low, high = y(max(0.0, t - e)), y(min(1.0, t + e))
        parts.append(
            f'<path d="M{x(s)} {low}V{high}" stroke="#1f5fa8"/><circle cx="{x(s)}" cy="{y(t)}" r="4" fill="#1f5fa8"/>'
        )
    return "".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    one = verbs.add_parser("sheet")
    one.add_argument("simulator", type=Path)
    one.add_argument("set", type=Path)
    one.add_argument("out", type=Path)
    one.add_argument("--tiles", type=int, default=8)
    one.add_argument("--side", type=int, default=256)
    one.add_argument("--quality", type=int, default=72)
    one.add_argument("--only", default="")
    one.add_argument("--sums", choices=("true", "own"), default="true")
    one.add_argument("--cache", type=Path, default=Path("bead_averages"))
    one.set_defaults(do=sheet)
    two = verbs.add_parser("reliability")
    two.add_argument("out", type=Path)
    two.add_argument("files", type=Path, nargs="+")
    two.set_defaults(do=reliability)
    args = parser.parse_args()
    args.do(args)


if __name__ == "__main__":
    main()
