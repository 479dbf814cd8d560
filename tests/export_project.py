"""Makes a small project that looks processed, to be imported, stacked and exported: values invented, files real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tests.commands import call_weft
from tests.events import write_eer

from weft.fields import CtfFit, MotionField
from weft.io.mrc import write_mrc
from weft.io.warpxml import write_movie_xml
from weft.settings.file import settings_text
from weft.settings.schema import Settings
from weft.state.keys import key_of, stage_inputs
from weft.state.project import Project
from weft.state.record import AverageFacts, CtfFacts, MaskFacts, MotionFacts, MovieFacts, Record, Stage
from weft.state.records import write_record

__all__ = ["SHAPE", "Made", "a_fit", "a_motion", "make_eer", "make_processed", "mdoc_of", "movie_of", "weft"]

ANGLES = (0.0, 3.0, -3.0, -6.0, 6.0)
SHAPE = (24, 32)
PIXEL_A = 1.35
FRAMES = 4


@dataclass(frozen=True, slots=True)
class Made:
    """What to make.

    Parameters
    ----------
    folder : Path
        Of the project.
    series : int
        How many.
    angles : sequence of float
        In the order of acquisition.
    settings : mapping of table to keys
        Beside raw pixel size and bin.
    exposure_e_A2 : float
        In the mdocs; 0 = unknown.
    halves : bool
        Even and odd averages, too.
    shape : tuple of int
        Rows and columns of an average.
    """

    folder: Path
    series: int = 1
    angles: Sequence[float] = ANGLES
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    exposure_e_A2: float = 3.0
    halves: bool = True
    shape: tuple[int, int] = SHAPE


def weft(project: Project, *words: str) -> int:
    """Run a verb in this process on the project and return its exit code."""
    return call_weft(project.folder, *words)


def movie_of(series: int, index: int, angle: float) -> str:
    return f"TS_{series:02d}_{index:03d}_{angle:.1f}"


def make_processed(made: Made) -> Project:
    """Make movies, mdocs, averages, records and XML; nothing is imported yet."""
    tables = {table: dict(keys) for table, keys in made.settings.items()}
    tables["input"] = {"raw_pixel_size_A": 0.675, "bin": 1, **tables.get("input", {})}
    settings = Settings.model_validate(tables)
    for name in ("frames", "mdoc"):
        (made.folder / name).mkdir(parents=True, exist_ok=True)
    (made.folder / "weft.toml").write_text(settings_text(settings))
    project = Project.open(made.folder)
    rng = np.random.default_rng(5)
    for series in range(1, made.series + 1):
        (made.folder / "mdoc" / f"TS_{series:02d}.mrc.mdoc").write_text(
            mdoc_of(series, made.angles, made.exposure_e_A2)
        )
        for index, angle in enumerate(made.angles):
            _make_movie(project, movie_of(series, index, angle), made, rng)
    return project


def make_eer(folder: Path, raw_frames: int, **given: Any) -> Project:
    """Make a processed and imported project whose movies are EER of 64 × 48 sensor pixels, with settings of ``[input]``."""
    project = make_processed(Made(folder, settings={"input": {"movies": "frames/*.eer", **given}}))
    gain = "a gain" if project.settings.input.gain else None
    inputs = stage_inputs(project.settings, movie="0", gain=gain, defects=None)["motion"]
    stage = Stage(key=key_of(stage="motion", inputs=inputs), inputs=inputs)
    height, width = 2 * SHAPE[0], 2 * SHAPE[1]
    scale = project.settings.input.eer_supersampling
    for name, record in project.records().items():
        path = f"frames/{name}.eer"
        write_eer(folder / path, [[(1, 2, 0, 0)]] * raw_frames, (height, width))
        facts = {"format": "eer", "path": path, "height": scale * height, "width": scale * width}
        movie = record.movie.model_copy(update=facts)
        write_record(
            project.path("record", name), record.model_copy(update={"movie": movie, "stages": {"motion": stage}})
        )
    assert weft(project, "import", "-q") == 0
    return project


def mdoc_of(series: int, angles: Sequence[float], exposure_e_A2: float = 3.0) -> str:
    text = "PixelSpacing = 1.35\nVoltage = 300\n\n[T = Tilt axis angle = 85.3, binning = 1  spot = 8  camera = 0]\n"
    for index, angle in enumerate(angles):
        text += (
            f"\n[ZValue = {index}]\nTiltAngle = {angle + 0.004:.4f}\nExposureDose = {exposure_e_A2:g}\nTargetDefocus = -4\n"
            f"SubFramePath = D:\\frames\\{movie_of(series, index, angle)}.mrc\nNumSubFrames = {FRAMES}\n"
            f"DateTime = 30-Nov-15  {10 + index // 60:02d}:{index % 60:02d}:38\n"
        )
    return text


def a_motion(rng: np.random.Generator, frames: int = FRAMES, *, is_rigid: bool = False) -> MotionField:
    path = rng.normal(0, 2, (frames, 2))
    path -= path.mean(0)
    if is_rigid:
        return MotionField.rigid(path)
    nodes = rng.normal(0, 0.3, (1, 2, 3, 2))
    return MotionField(path, np.full_like(path, 0.1), nodes, np.full_like(nodes, 0.1))


def a_fit(defocus_A: float = 40000.0, **changes: Any) -> CtfFit:
    values: dict[str, Any] = {
        "defocus_u_A": defocus_A + 150, "defocus_v_A": defocus_A - 150, "angle_deg": 31.5, "phase_shift_deg": 0.0,
        "gradient_x": 0.01, "gradient_y": 0.0, "sigma": {"defocus_A": 40.0}, "score": 50.0, "resolution_A": 7.5,
        "grid_A": [[[defocus_A - 200, defocus_A + 200], [defocus_A - 200, defocus_A + 200]]],
        "pixel_size_A": PIXEL_A, "voltage_kV": 300.0, "cs_mm": 2.7, "amplitude_contrast": 0.07,
    }  # fmt: skip
    return CtfFit(**{**values, **changes})


def _make_movie(project: Project, name: str, made: Made, rng: np.random.Generator) -> None:
    (project.folder / "frames" / f"{name}.mrc").write_bytes(b"a movie " + name.encode())
    image = rng.normal(20, 4, made.shape).astype(np.float32)
    write_mrc(project.path("average", name), image, PIXEL_A)
    if made.halves:
        even = (image / 2 + rng.normal(0, 1, made.shape)).astype(np.float32)
        write_mrc(project.path("even", name), even, PIXEL_A)
        write_mrc(project.path("odd", name), image - even, PIXEL_A)
    motion, fit = a_motion(rng), a_fit(40000 + rng.normal(0, 500))
    record = Record(
        name=name,
        movie=MovieFacts(
            path=f"frames/{name}.mrc", format="mrc", frames=FRAMES, height=2 * made.shape[0], width=2 * made.shape[1],
            raw_pixel_size_A=0.675, size_bytes=30, identity="0",
        ),
        motion=MotionFacts(
            field=motion.to_json(), total_A=6, early_A=4, late_A=2, mean_frame_A=2, largest_local_A=0.5, verdict="good", reason="",
        ),
        average=AverageFacts(
            height=made.shape[0], width=made.shape[1], pixel_size_A=PIXEL_A, first_frame=0, last_frame=FRAMES - 1, mean=20, median=20,
            sigma=4, exposure_e_A2=None, hot_pixels=0, xrays=0, defect_pixels=0,
        ),
        ctf=CtfFacts(fit=fit.to_json(), verdict="good", reason=""),
        mask=MaskFacts(
            pixel_size_A=8, height=4, width=6, threshold=0.5, masked_fraction=0.012, dirt_fraction=0, beads=[], model="gold",
            verdict="good", reason="",
        ),
    )  # fmt: skip
    write_record(project.path("record", name), record)
    write_movie_xml(project.path("xml", name), record.model_dump(mode="json", by_alias=True), project.settings, None)
