"""Makes projects that look processed, without processing: records, thumbnails, averages, spectra, masks.

Used by the browser tests and by ``bench/browser_10000.py``. What it writes has the form of the real thing (stage keys
fit the settings, so a plan calls it done); its values are invented, with faults where `FakeFault` says so.

    python tests/web/fake_project.py /tmp/fake --series 5
"""

from __future__ import annotations

import argparse
import io
import json
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weft.conventions import electron_wavelength_A
from weft.io.identity import file_identity
from weft.io.masktiff import write_mask, write_probability
from weft.io.mrc import write_mrc
from weft.series.judgements import stamp_of, write_series_ctf
from weft.series.known import known_series
from weft.series.match import build_series
from weft.series.neighbours import share_ctf
from weft.series.store import write_series
from weft.settings.file import settings_text
from weft.settings.schema import FiducialSettings, InputSettings, Settings
from weft.state.keys import key_of, stage_inputs
from weft.state.project import Project

__all__ = ["TOKEN", "FakeProject", "make_project", "movie_name", "share_series_ctf"]

TOKEN = "secret-of-the-tests"

PIXEL_A = 1.35
WIDTH, HEIGHT = 3838, 3710
MASK_A = 8.0
AXIS_DEG = 85.3
HAND = -1


@dataclass(frozen=True, slots=True)
class FakeProject:
    """What to make.

    Parameters
    ----------
    folder : Path
        Made anew.
    series, tilts : int
        How many.
    pictures : bool
        Averages, spectra and masks, too (55 MB a movie at full size).
    shrink : int
        Averages are this many times smaller.
    processed : float
        Share of the movies with a record.
    imported : bool
        The mdocs are imported.
    """

    folder: Path
    series: int = 5
    tilts: int = 41
    pictures: bool = False
    shrink: int = 4
    processed: float = 1.0
    imported: bool = True


def movie_name(series: int, index: int) -> str:
    """Return the name of a movie: ``TS_01_039``."""
    return f"TS_{series:02d}_{index:03d}"


def tilt_of(index: int, tilts: int) -> float:
    """Return the angle of a movie acquired dose-symmetrically in steps of 3 degrees."""
    step = (index + 1) // 2
    return 3.0 * (step if index % 2 else -step) if tilts > 1 else 0.0


def make_project(fake: FakeProject) -> list[str]:
    """Make a project and return the names of its movies."""
    settings = Settings(
        input=InputSettings(raw_pixel_size_A=0.675, bin=1), fiducials=FiducialSettings(bead_diameter_nm=10)
    )
    out = fake.folder / "weft"
    for name in ("records", "thumbnail", "average", "powerspectrum", "mask", "log"):
        (out / name).mkdir(parents=True, exist_ok=True)
    (fake.folder / "frames").mkdir(exist_ok=True)
    (fake.folder / "mdoc").mkdir(exist_ok=True)
    (fake.folder / "weft.toml").write_text(settings_text(settings))
    rng = np.random.default_rng(31)
    names = []
    total = fake.series * fake.tilts
    for series in range(1, fake.series + 1):
        base = rng.uniform(2.2, 4.2)
        for index in range(fake.tilts):
            name = movie_name(series, index)
            names.append(name)
            (fake.folder / "frames" / f"{name}.mrc").write_bytes(b"fake movie " + name.encode())
            if len(names) <= fake.processed * total:
                _make_one(fake, settings, name, tilt_of(index, fake.tilts), base, rng)
        (fake.folder / "mdoc" / f"TS_{series:02d}.mdoc").write_text(_mdoc(series, fake.tilts))
    if fake.imported:
        movies, mdocs = (fake.folder / "frames").iterdir(), (fake.folder / "mdoc").iterdir()
        write_series(out, build_series(mdocs, movies, settings).series)
    return names


def share_series_ctf(folder: Path) -> None:
    """Have the CTF of each imported series judged as a run does at its end, without second fits."""
    project = Project.open(folder)
    for series in known_series(project):
        shared = share_ctf(series, project.records())
        assert shared is not None
        write_series_ctf(project.out, shared, stamp_of(series, project.records(), ()))


def _mdoc(series: int, tilts: int) -> str:
    """Return the text of a mdoc as SerialEM writes it."""
    head = (
        f"PixelSpacing = 0.675\nVoltage = 300\nImageFile = TS_{series:02d}.st\nImageSize = 7676 7420\n\n"
        f"[T =     Tilt axis angle = {AXIS_DEG}, binning = 1  spot = 8  camera = 0]\n"
    )
    begin = datetime(2026, 5, 4, 10, 0, 0) + timedelta(hours=series)  # noqa: DTZ001 (mdocs know no time zone)
    sections = [
        f"\n[ZValue = {index}]\nTiltAngle = {tilt_of(index, tilts):.2f}\nTargetDefocus = -3\nExposureDose = 3\n"
        f"SubFramePath = D:\\frames\\{movie_name(series, index)}.mrc\nNumSubFrames = 8\n"
        f"DateTime = {begin + timedelta(minutes=index):%d-%b-%y  %H:%M:%S}\n"
        for index in range(tilts)
    ]
    return head + "".join(sections)


def _make_one(
    fake: FakeProject, settings: Settings, name: str, tilt: float, base: float, rng: np.random.Generator
) -> None:
    out = fake.folder / "weft"
    fault = {"TS_01_039": "grid bar", "TS_03_039": "grid bar", "TS_02_017": "blurred", "TS_04_008": "dark"}.get(
        name, ""
    )
    defocus = base + rng.normal(0, 0.06) + 0.0008 * abs(tilt) ** 1.2
    look = (series_of(name), round(abs(tilt) / 12), fault)
    record = _record(fake, settings, name, tilt, defocus, fault, rng)
    (out / "records" / f"{name}.json").write_text(json.dumps(record))
    (out / "thumbnail" / f"{name}.jpg").write_bytes(_thumbnail(*look))
    if not fake.pictures:
        return
    side = 1024 // max(1, fake.shrink // 4)
    image, beads = _scene(*look, side=side)
    height, width = HEIGHT // fake.shrink, WIDTH // fake.shrink
    rows, columns = np.arange(height) * side // height, np.arange(width) * side // width
    mean = record["average"]["mean"]
    noise = rng.normal(0, math.sqrt(mean), (height, width))
    average = mean * (1 + 0.22 * image[rows][:, columns]) + noise
    write_mrc(out / "average" / f"{name}.mrc", average.astype(np.float32), PIXEL_A * fake.shrink)
    write_mrc(out / "powerspectrum" / f"{name}.mrc", _spectrum(defocus, rng), 1.0)
    probability = _bead_map(beads)
    write_mask(out / "mask" / f"{name}.tif", probability > 0.5, MASK_A)
    write_probability(out / "mask" / f"{name}.prob.tif", probability, MASK_A)


def series_of(name: str) -> int:
    """Return the number of the specimen that a movie shows: series share some, so that thousands are made fast."""
    return int(name.split("_")[1]) % 7


def _record(
    fake: FakeProject,
    settings: Settings,
    name: str,
    tilt: float,
    defocus: float,
    fault: str,
    rng: np.random.Generator,
) -> dict[str, Any]:
    frames = 8
    movie = fake.folder / "frames" / f"{name}.mrc"
    inputs = stage_inputs(settings, movie=file_identity(movie), gain=None, defects=None)
    motion = 2.5 + rng.gamma(2, 0.8) + (9 if fault == "blurred" else 0)
    resolution = 7.5 + 0.05 * abs(tilt) + rng.gamma(2, 0.4) + (14 if fault else 0)
    mean = 24 * math.exp(-0.45 / math.cos(math.radians(tilt)) + 0.45) * (0.15 if fault == "dark" else 1)
    files = {
        "motion": [],
        "average": [f"thumbnail/{name}.jpg"] + ([f"average/{name}.mrc"] if fake.pictures else []),
        "ctf": [f"powerspectrum/{name}.mrc"] if fake.pictures else [],
        "mask": [f"mask/{name}.tif"] if fake.pictures else [],
    }
    height, width = HEIGHT // fake.shrink, WIDTH // fake.shrink
    size = PIXEL_A * fake.shrink
    _, beads = _scene(series_of(name), round(abs(tilt) / 12), fault, side=512)
    verdict = ("weak", "few rings: the fit is supported to 22.1 Å only") if fault else ("good", "")
    return {
        "schema": "weft.record/1",
        "name": name,
        "movie": {
            "path": f"frames/{name}.mrc", "format": "mrc", "frames": frames, "height": 7420, "width": 7676,
            "raw_pixel_size_A": 0.675, "size_bytes": 22, "identity": file_identity(movie), "notes": [],
        },
        "stages": {
            stage: {"key": key_of(stage=stage, inputs=inputs[stage]), "inputs": inputs[stage], "files": files[stage]}
            for stage in ("motion", "average", "ctf", "mask")
        },
        "motion": {
            "field": _motion_field(frames, motion, rng), "total_A": round(motion, 3), "early_A": round(0.55 * motion, 3),
            "late_A": round(0.45 * motion, 3), "mean_frame_A": round(motion / 7, 3), "largest_local_A": 0.0,
            "verdict": "good", "reason": "",
        },
        "average": {
            "height": height, "width": width, "pixel_size_A": size, "first_frame": 0, "last_frame": frames - 1,
            "mean": round(mean, 3), "median": round(mean * 0.99, 3), "sigma": round(math.sqrt(mean), 3),
            "exposure_e_A2": None, "hot_pixels": 3, "xrays": 12, "defect_pixels": 0, "notes": [], "picture": {},
        },
        "ctf": {**_ctf(tilt, defocus, resolution, rng), "verdict": verdict[0], "reason": verdict[1]},
        "mask": {
            "pixel_size_A": MASK_A, "height": 626, "width": 648, "threshold": 0.5, "masked_fraction": 0.011,
            "dirt_fraction": 0.0, "model": "gold", "verdict": "good", "reason": "",
            "beads": [[round(y * HEIGHT * PIXEL_A), round(x * WIDTH * PIXEL_A), 50.0, 0.97] for y, x in beads],
        },
        "failure": None,
        "versions": {"weft": "0.1.0"},
    }  # fmt: skip


def _motion_field(frames: int, total: float, rng: np.random.Generator) -> dict[str, Any]:
    t = np.arange(frames)
    angle = rng.uniform(0, 2 * math.pi)
    along = total * (1 - np.exp(-t / 2.5))
    path = np.stack([along * math.sin(angle), along * math.cos(angle) + 0.2 * t], 1)
    path -= path.mean(0)
    none = [[[[0.0, 0.0]]]]
    return {
        "path_A": np.round(path, 4).tolist(), "path_sigma_A": np.full_like(path, 0.15).tolist(),
        "nodes_A": none, "nodes_sigma_A": none, "verdict": "good", "reason": "", "details": {},
    }  # fmt: skip


def _ctf(tilt: float, defocus: float, resolution: float, rng: np.random.Generator) -> dict[str, Any]:
    astigmatism, angle = abs(rng.normal(0.05, 0.02)), rng.normal(37, 4)
    slope = -HAND * math.tan(math.radians(tilt))
    axis = math.radians(AXIS_DEG)
    k = np.linspace(0, 0.5 / PIXEL_A, 182)
    gamma = _gamma(k, defocus)
    envelope = np.exp(-60 * k**2)
    model = np.abs(np.sin(gamma)) * envelope
    noise = rng.normal(0, 0.05, k.size)
    quality = np.clip(1.02 - (k * resolution * 0.75) ** 3, -0.2, 1) + rng.normal(0, 0.03, k.size)
    fit = {
        "defocus_u_A": round((defocus + astigmatism / 2) * 1e4, 1),
        "defocus_v_A": round((defocus - astigmatism / 2) * 1e4, 1), "angle_deg": round(angle, 2),
        "phase_shift_deg": 0.0, "gradient_x": slope * math.cos(axis) + rng.normal(0, 0.04),
        "gradient_y": slope * math.sin(axis) + rng.normal(0, 0.04), "grid_A": [[[defocus * 1e4] * 2] * 2],
        "sigma": {
            "defocus_A": 220.0, "astigmatism_A": 180.0, "angle_deg": 6.0, "phase_shift_deg": None,
            "gradient_x": 0.05, "gradient_y": 0.05,
        },
        "score": 140.0, "resolution_A": round(resolution, 2), "pixel_size_A": PIXEL_A, "voltage_kV": 300.0,
        "cs_mm": 2.7, "amplitude_contrast": 0.07, "details": {"rings": 11}, "verdict": "good", "reason": "",
    }  # fmt: skip
    curves = {
        "k": k, "experimental": model * np.clip(quality, 0.1, 1) + noise * np.exp(-20 * k), "model": model,
        "quality": quality, "background": 1 + 3 * np.exp(-k * 40),
    }  # fmt: skip
    return {"fit": fit, "curves": {name: np.round(values, 5).tolist() for name, values in curves.items()}}


def _gamma(k: NDArray[Any], defocus_um: float | NDArray[Any]) -> NDArray[Any]:
    lam = electron_wavelength_A(300)
    return np.asarray(math.pi * lam * defocus_um * 1e4 * k**2 - 0.5 * math.pi * 2.7e7 * lam**3 * k**4 + 0.07)


def _spectrum(defocus: float, rng: np.random.Generator) -> NDArray[np.float32]:
    window = 512
    y, x = np.mgrid[-(window // 2 - 1) : 1, -(window // 2) : window // 2] / (window * PIXEL_A)
    k = np.hypot(y, x)
    local = defocus + 0.025 * np.cos(2 * (np.arctan2(y, x) - math.radians(37)))
    value = np.abs(np.sin(_gamma(k, local))) * np.exp(-60 * k**2) * 0.8 - 0.3
    return np.asarray(value + rng.normal(0, 0.25, k.shape), dtype=np.float32)


@lru_cache(maxsize=256)
def _thumbnail(series: int, look: int, fault: str) -> bytes:
    image, _ = _scene(series, look, fault, side=512)
    rng = np.random.default_rng(series * 100 + look)
    grey = np.clip(128 + 128 * (image * 0.9 + rng.normal(0, 0.16, image.shape)), 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(grey[::-1]).save(out, "jpeg", quality=85)
    return out.getvalue()


@lru_cache(maxsize=256)
def _scene(
    series: int, look: int, fault: str, side: int
) -> tuple[NDArray[np.float64], tuple[tuple[float, float], ...]]:
    """Return a specimen, -1 dark to 1 bright, and the places (y, x as fractions) of its beads."""
    rng = np.random.default_rng(series)
    y, x = np.mgrid[:side, :side] / side
    image = 0.08 * np.sin(5 * x + series) * np.cos(4 * y) - 0.05 * look
    squeeze = math.cos(math.radians(look * 12))
    for _ in range(14):  # particles: rings with a dense core
        cy, cx, radius = rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.95), rng.uniform(0.06, 0.09)
        distance = np.hypot(y - cy, (x - 0.5 - (cx - 0.5) * squeeze)) / radius
        image -= 0.35 * np.exp(-(((distance - 1) / 0.06) ** 2)) + 0.22 * np.exp(-(((distance - 0.8) / 0.09) ** 2))
        image -= 0.08 * (distance < 1)
    beads = []
    for _ in range(11):
        by, bx = rng.uniform(0.04, 0.96), 0.5 + (rng.uniform(0.04, 0.96) - 0.5) * squeeze
        beads.append((by, bx))
        image[np.hypot(y - by, x - bx) < 0.0105] = -0.95
    if fault == "grid bar":
        image[(x + 0.2 * y) < 0.45] = -1
    if fault == "dark":
        image = image * 0.1 - 0.8
    if fault == "blurred":
        image = (image + np.roll(image, 9, 1) + np.roll(image, 18, 1) + np.roll(image, 27, 1)) / 4
    return image, tuple(beads)


def _bead_map(beads: tuple[tuple[float, float], ...]) -> NDArray[np.float32]:
    y, x = np.mgrid[:626, :648]
    found = np.zeros((626, 648))
    for by, bx in beads:
        found = np.maximum(found, np.clip(1.6 - np.hypot(y - by * 626, x - bx * 648) / 7, 0, 1))
    return found.astype(np.float32)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--series", type=int, default=5)
    parser.add_argument("--tilts", type=int, default=41)
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--shrink", type=int, default=4)
    parser.add_argument("--processed", type=float, default=1.0)
    given = parser.parse_args()
    made = make_project(
        FakeProject(given.folder, given.series, given.tilts, given.pictures, given.shrink, given.processed)
    )
    print(f"{len(made)} movies in {given.folder}")
