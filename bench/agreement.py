"""Do two simulators make the same kind of movies? Statistics of sets of either, side by side.

    python bench/agreement.py SET [SET ...] [--images N]

A set is a folder with frames/, settings.json and truth/ in the layout of `weft.simulate.truth`. Printed for each set:

counts      mean counts over what exposure, pixel area and transmission promise
noise       power near Nyquist over that of Poisson counts (a detector whose signal fades there, white noise)
rings       excess of power over counting noise in bands of resolution
defocus     error of a plain fit of sin² γ to the untilted movies' power
beads       grey value in the middle half of true beads over that around them
motion      correlation of frame against sum, along the true path and along its negative: the first must win
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import tifffile
from scipy import ndimage

from weft.conventions import electron_wavelength_A
from weft.simulate import MovieTruth, SetTruth, read_truth

TILE = 256
BANDS_A = (100, 60, 40, 30, 25, 20, 15, 12, 10, 8, 6.5)


def load(folder: Path, truth: MovieTruth, settings: dict[str, Any]) -> np.ndarray:
    """Return gain-corrected frames, rows as Weft reads them, bad pixels set to the mean."""
    path = folder / truth.file
    if path.suffix == ".eer":
        sys.exit(f"{path}: this comparison reads MRC and TIFF movies only")
    frames = mrcfile.read(path) if path.suffix == ".mrc" else tifffile.imread(path)
    frames = frames.astype(np.float32)
    if settings["gain"]:
        gain = mrcfile.read(folder / "gain.mrc").astype(np.float32)
        order = settings["gain"]["to_movie_in_this_order"]
        gain = gain.T if order["transpose"] else gain
        gain = gain[::-1] if order["flip_y"] else gain
        gain = gain[:, ::-1] if order["flip_x"] else gain
        frames *= gain
        frames[:, gain == 0] = frames.mean()
    total = frames.sum(0)
    frames[:, np.abs(total - np.median(total)) > 8 * total.std()] = frames.mean()
    limit = np.median(frames) + 12 * frames.std()
    frames[frames > limit] = frames.mean()
    return frames if path.suffix == ".mrc" else np.ascontiguousarray(frames[:, ::-1])


def excess(total: np.ndarray, pixel_A: float) -> tuple[np.ndarray, np.ndarray]:
    """Return k (1/Å) and the 2D power of half-overlapping tiles over that of counts."""
    window = np.outer(np.hanning(TILE), np.hanning(TILE))
    power, tiles = np.zeros((TILE, TILE // 2 + 1)), 0
    for y in range(0, total.shape[0] - TILE + 1, TILE // 2):
        for x in range(0, total.shape[1] - TILE + 1, TILE // 2):
            tile = total[y : y + TILE, x : x + TILE]
            power += np.abs(np.fft.rfft2((tile - tile.mean()) * window)) ** 2
            tiles += 1
    k = np.hypot(np.fft.fftfreq(TILE, pixel_A)[:, None], np.fft.rfftfreq(TILE, pixel_A)[None, :])
    return k, power / (tiles * (window**2).sum() * total.mean())


def fit_defocus(k: np.ndarray, power: np.ndarray, truth: MovieTruth, settings: dict[str, Any]) -> float:
    """Return found minus true mean defocus (Å), the astigmatism being the truth's."""
    pixel = truth.pixel_size_A
    ky, kx = np.fft.fftfreq(TILE, pixel)[:, None], np.fft.rfftfreq(TILE, pixel)[None, :]
    lam, used = electron_wavelength_A(settings["voltage_kv"]), (k > 1 / 35) & (k < 1 / 9)
    angle = math.radians(truth.angle_deg)
    half = 0.5 * (truth.defocus_u_A - truth.defocus_v_A)
    turned = half * ((kx**2 - ky**2) * math.cos(2 * angle) + 2 * kx * ky * math.sin(2 * angle))
    rest = -0.5 * math.pi * settings["cs_mm"] * 1e7 * lam**3 * k**4 + math.asin(settings["amplitude_contrast"])
    log = np.log(power + 1e-9)
    flat = (log - ndimage.gaussian_filter(log, TILE / 40, mode="nearest"))[used]
    errors = np.arange(-3000, 3001, 25)
    scores = []
    for error in errors:
        ring = np.sin(math.pi * lam * ((truth.defocus_A + error) * k**2 + turned) + rest) ** 2
        ring -= ndimage.gaussian_filter(ring, TILE / 40, mode="nearest")
        scores.append(np.corrcoef(flat, ring[used])[0, 1])
    return float(errors[int(np.argmax(scores))])


def bead_contrast(total: np.ndarray, truth: MovieTruth) -> list[float]:
    """Return grey values of beads over those around them."""
    y, x = np.mgrid[: total.shape[0], : total.shape[1]] * truth.pixel_size_A
    out = []
    for by, bx, radius in truth.beads:
        distance = np.hypot(y - by, x - bx)
        inside, around = distance < 0.5 * radius, (distance > 2.2 * radius) & (distance < 3 * radius)
        if (
            inside.any()
            and by > 3 * radius
            and bx > 3 * radius
            and by < y.max() - 3 * radius
            and bx < x.max() - 3 * radius
        ):
            out.append(float(total[inside].mean() / np.median(total[around])))
    return out


def along(frames: np.ndarray, truth: MovieTruth, sign: float) -> float:
    """Return the mean correlation of low-passed frames with the rest's sum, all shifted back by sign · path."""
    path = sign * truth.displacement_A.mean((1, 2)) / truth.pixel_size_A
    fy, fx = np.fft.fftfreq(frames.shape[1])[:, None], np.fft.rfftfreq(frames.shape[2])[None, :]
    low = np.exp(-((np.hypot(fy, fx) / truth.pixel_size_A * 15) ** 2))
    moved = [
        np.fft.irfft2(np.fft.rfft2(f - f.mean()) * low * np.exp(2j * np.pi * (fy * dy + fx * dx)), s=f.shape)
        for f, (dy, dx) in zip(frames, path, strict=True)
    ]
    total = np.sum(moved, axis=0)
    return float(np.mean([np.corrcoef(f.ravel(), (total - f).ravel())[0, 1] for f in moved]))


def describe(folder: Path, truth: SetTruth, images: int) -> dict[str, str]:
    """Return the figures of one set, medians over its usable movies."""
    raw = {e["name"]: e for e in json.loads((folder / "truth" / "truth.json").read_text())["images"]}
    usable = [m for m in truth.movies.values() if not m.bad and m.defocus_A is not None][:images]
    counts, noise, rings, errors, beads, signs = [], [], [], [], [], []
    for movie in usable:
        frames = load(folder, movie, truth.settings)
        total, entry = frames.sum(0), raw[movie.name]
        counts.append(frames.mean() / (entry["bare_counts_per_pixel_frame"] * entry["mean_beam"]))
        k, power = excess(total, movie.pixel_size_A)
        nyquist = 0.5 / movie.pixel_size_A
        noise.append(power[(k > 0.9 * nyquist) & (k < nyquist)].mean())
        rings.append(
            [
                power[(k >= 1 / low) & (k < 1 / high)].mean() - 1 if 1 / high < nyquist else math.nan
                for low, high in itertools.pairwise(BANDS_A)
            ]
        )
        if abs(movie.tilt_deg) < 1:
            errors.append(fit_defocus(k, power, movie, truth.settings))
        beads += bead_contrast(ndimage.gaussian_filter(total, 1), movie)
        signs.append((along(frames, movie, 1), along(frames, movie, -1)))
    with np.errstate(all="ignore"):
        bands = np.nanmedian(np.array(rings), axis=0)
    right, wrong = np.median(signs, axis=0)
    return {
        "movies": str(len(usable)),
        "counts": f"{np.median(counts):.3f}",
        "noise": f"{np.median(noise):.3f}",
        **{
            f"rings {low:g}-{high:g} Å": f"{b:.3f}"
            for low, high, b in zip(BANDS_A[:-1], BANDS_A[1:], bands, strict=True)
        },
        "defocus error Å": f"{np.median(np.abs(errors)):.0f} ({len(errors)} movies)" if errors else "-",
        "beads": f"{np.median(beads):.2f} ({len(beads)})" if beads else "-",
        "motion as told": f"{right:.4f}",
        "motion reversed": f"{wrong:.4f}",
        "uncorrected Å": f"{np.median([m_rms(m) for m in usable]):.2f}",
    }


def m_rms(movie: MovieTruth) -> float:
    """Return the root mean square of the path."""
    return float(np.sqrt((movie.displacement_A.mean((1, 2)) ** 2).sum(-1).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--images", type=int, default=12, help="usable movies looked at in each set")
    args = parser.parse_args()
    columns = [describe(folder, read_truth(folder), args.images) for folder in args.sets]
    print("".ljust(20) + "".join(str(folder)[-22:].rjust(24) for folder in args.sets))
    for key in columns[0]:
        print(key.ljust(20) + "".join(column[key].rjust(24) for column in columns))


if __name__ == "__main__":
    main()
