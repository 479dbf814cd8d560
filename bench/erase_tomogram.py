"""A small tomogram by back-projection, with and without its gold, to see whether the streaks go.

python bench/erase_tomogram.py SIM SET SERIES OUT.jpg [--cache DIR]

SET is a simulated tilt series with truth: angles, axis and shifts are the true ones, so that only the gold differs. The
sums along the true motion are scaled to 10.8 Å a pixel, weighted by a ramp and back-projected. Shown are slices across the
beam (x, y) and along it (x, z) through the bead nearest the middle, left with gold, right without; the same grey scale.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft as sfft
import scipy.ndimage as ndi
import torch
from beads_accuracy import cached_average, true_fit
from beads_kinds import simulator
from PIL import Image, ImageDraw

from weft.engine.device import Engine
from weft.fiducials import segment
from weft.settings.schema import FiducialSettings
from weft.signal.fill import erase_for_stack

BIN = 4
DEPTH_A = 2200.0
EDGE = 40  # voxels left out of figures, where not all tilts see the volume


def prepared(image: np.ndarray, entry: dict[str, Any], pixel_A: float) -> np.ndarray:
    """Return the image binned, turned so that the tilt axis stands upright, shifted to the specimen, ramp-weighted."""
    side = image.shape[0] // BIN
    small = image[: side * BIN, : side * BIN].reshape(side, BIN, side, BIN).mean((1, 3))
    small = small / np.median(small) - 1
    a = np.deg2rad(entry["axis_deg"])
    turn = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])  # rows: y then x of the input, from v and u
    shift = np.array(entry["shift_A"][::-1]) / (pixel_A * BIN)
    middle = np.array([side / 2 - 0.5] * 2)
    upright = ndi.affine_transform(small, turn, middle + shift - turn @ middle, order=1, mode="reflect")
    ramp = sfft.rfftfreq(2 * side)
    padded = np.pad(upright, [(0, 0), (side // 2, side - side // 2)], mode="reflect")
    return sfft.irfft(sfft.rfft(padded, axis=1) * ramp * np.exp(-8 * ramp**2), axis=1)[:, side // 2 : side // 2 + side]


def back_project(images: list[np.ndarray], tilts_deg: list[float], depth: int) -> np.ndarray:
    """Return the volume [z, v, u]: u is seen at u cos θ + z sin θ."""
    rows, side = images[0].shape
    out = np.zeros((depth, rows, side), np.float32)
    u, z = np.arange(side) - side / 2 + 0.5, np.arange(depth) - depth / 2 + 0.5
    for image, tilt in zip(images, tilts_deg, strict=True):
        at = u[None, :] * np.cos(np.deg2rad(tilt)) + z[:, None] * np.sin(np.deg2rad(tilt)) + side / 2 - 0.5
        low = np.floor(at).astype(int)
        part = (at - low).astype(np.float32)
        seen = (low >= 0) & (low < side - 1)
        low = np.clip(low, 0, side - 2)
        for k in range(depth):
            values = image[:, low[k]] * (1 - part[k]) + image[:, low[k] + 1] * part[k]
            out[k] += values * seen[k]
    return out / len(images)


def grey(slice_: np.ndarray, middle: float, spread: float, zoom: int) -> Image.Image:
    values = np.clip((slice_ - middle) / (5 * spread) + 0.55, 0, 1) * 255
    picture = Image.fromarray(values[::-1].astype(np.uint8))
    return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.BICUBIC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("simulator", type=Path)
    parser.add_argument("set", type=Path)
    parser.add_argument("series")
    parser.add_argument("out", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("bead_averages"))
    args = parser.parse_args()
    detector = simulator(args.simulator).detector
    truth = json.loads((args.set / "truth" / "truth.json").read_text())
    pixel_A = truth["settings"]["pixel_A"]
    engine = Engine(torch.device("cpu"), 1, 2 << 30)
    with_gold, without, tilts = [], [], []
    for entry in truth["images"]:
        if entry["series"] != args.series or entry["bad"]:
            continue
        image = cached_average(args.cache, args.set, entry, pixel_A, detector)
        fit = true_fit(entry, truth["settings"])
        mask = segment(image, pixel_A, FiducialSettings(), engine, ctf=fit).mask
        out = erase_for_stack(image, pixel_A, mask, name=entry["name"], ctf=fit)
        with_gold.append(prepared(image, entry, pixel_A))
        without.append(prepared(out, entry, pixel_A))
        tilts.append(entry["tilt_deg"])
    depth = int(DEPTH_A / (pixel_A * BIN))
    volumes = [back_project(images, tilts, depth) for images in (with_gold, without)]
    middle, spread = float(np.median(volumes[1])), float(volumes[1][:, EDGE:-EDGE, EDGE:-EDGE].std())
    dark = ndi.gaussian_filter(volumes[0], 1.5)
    quarter = [n // 4 for n in dark.shape]
    inner = dark[tuple(slice(n, -n) for n in quarter)]
    z, v, u = np.array(np.unravel_index(inner.argmin(), inner.shape)) + np.array(quarter)
    zoom, gap = 2, 8
    tiles = [
        [grey(w[z], middle, spread, zoom) for w in volumes],
        [grey(w[:, v], middle, spread, zoom) for w in volumes],
    ]
    height = sum(row[0].height for row in tiles) + gap + 16
    sheet = Image.new("L", (2 * tiles[0][0].width + gap, height), 255)
    draw, top = ImageDraw.Draw(sheet), 16
    for column, text in enumerate(("with gold", "gold erased")):
        draw.text((column * (tiles[0][0].width + gap) + 4, 2), f"{text}: above x, y; below x, z", fill=0)
    for row in tiles:
        for column, tile in enumerate(row):
            sheet.paste(tile, (column * (tile.width + gap), top))
        top += row[0].height + gap
    sheet.save(args.out, quality=72)
    for name, volume in zip(("with gold", "erased"), volumes, strict=True):
        flat = (volume[:, EDGE:-EDGE, EDGE:-EDGE] - middle) / spread
        print(f"{name}: voxels beyond 6 sigmas {1e6 * float((np.abs(flat) > 6).mean()):.0f} ppm, "
              f"lowest {flat.min():.1f}, highest {flat.max():.1f}, spread {flat.std():.3f}")  # fmt: skip
    print(f"slices through z {z}, v {v}, u {u}; {len(tilts)} tilts")


if __name__ == "__main__":
    main()
