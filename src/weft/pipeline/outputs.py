"""The files of a movie and the parts of its record, from the values that the stages return."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from weft import __version__
from weft.fields import Bead, BeadMask, CtfCurves, CtfFit, MotionField
from weft.io.atomic import write_bytes
from weft.io.masktiff import write_mask, write_probability
from weft.io.mrc import MrcStackWriter, write_mrc
from weft.settings.schema import OutputSettings, Settings
from weft.signal.describe import describe
from weft.signal.picture import thumbnail_jpeg
from weft.state import decisions
from weft.state.record import AverageFacts, CtfFacts, MaskFacts, MotionFacts, Record

if TYPE_CHECKING:
    from weft.movie.average import Averages
    from weft.movie.prepare import PreparationFacts

__all__ = [
    "average_facts",
    "ctf_facts",
    "mask_facts",
    "motion_part",
    "relative",
    "remove_leftovers",
    "remove_outdated",
    "write_aligned_stack",
    "write_averages",
    "write_mask_files",
    "write_spectrum",
    "write_warp_xml",
]

_LABEL = f"Weft {__version__}"


_PLACES = (
    ("average", ".mrc"), ("average/even", ".mrc"), ("average/odd", ".mrc"), ("thumbnail", ".jpg"), ("stack", ".mrcs"),
    ("powerspectrum", ".mrc"), ("mask", ".tif"), ("mask", ".prob.tif"), ("records", ".json"), (".", ".xml"),
)  # fmt: skip


def remove_leftovers(out: Path, name: str) -> None:
    """Remove half-written files that a killed run left beside a movie's results; call it under the movie's claim."""
    for folder, suffix in _PLACES:
        for path in (out / folder).glob(f".{glob.escape(name + suffix)}.????????.tmp"):
            path.unlink(missing_ok=True)


def remove_outdated(out: Path, name: str, files: Collection[str]) -> None:
    """Remove images of a movie that other settings asked for: they belong to another average.

    Parameters
    ----------
    out : Path
        The project's output folder.
    name : str
        The movie's.
    files : collection of str
        What its average stage has just written, relative to `out`.
    """
    for file in (f"average/{name}.mrc", f"average/even/{name}.mrc", f"average/odd/{name}.mrc", f"stack/{name}.mrcs"):
        if file not in files:
            (out / file).unlink(missing_ok=True)


def write_averages(out: Path, name: str, averages: Averages, settings: OutputSettings) -> list[str]:
    """Write the average, its halves and its thumbnail; return their names relative to `out`."""
    wanted = {f"average/{name}.mrc": averages.full if settings.average else None}
    if settings.halves:
        wanted |= {f"average/even/{name}.mrc": averages.even, f"average/odd/{name}.mrc": averages.odd}
    files = []
    for file, image in wanted.items():
        if image is not None:
            write_mrc(out / file, image, averages.pixel_size_A, dtype=settings.dtype, label=_LABEL)
            files.append(file)
    thumbnail = f"thumbnail/{name}.jpg"
    write_bytes(out / thumbnail, thumbnail_jpeg(averages.full))
    return [*files, thumbnail]


def write_aligned_stack(out: Path, name: str, sections: Iterator[NDArray[np.float32]], averages: Averages) -> list[str]:
    """Write the aligned frames one by one."""
    file = f"stack/{name}.mrcs"
    with MrcStackWriter(out / file, averages.full.shape, averages.pixel_size_A, labels=[_LABEL]) as writer:
        for section in sections:
            writer.append(section)
    return [file]


def write_spectrum(out: Path, name: str, curves: CtfCurves) -> list[str]:
    """Write the 2D spectrum as Warp lays it out: half plane, k_y = 0 and k_x = 0 at column window/2 of the last row.

    The upper half plane suffices because the spectrum of a real image is point-symmetric.
    """
    rows, half = curves.spectrum.shape
    window = rows
    centre = window // 2
    right = curves.spectrum[: centre + 1, : half - 1]  # k_y from -Nyquist to 0, k_x ≥ 0
    mirrored = curves.spectrum[centre:, 1:half][::-1, ::-1]  # the same k_y, k_x < 0, by symmetry
    left = np.zeros_like(right)
    left[-mirrored.shape[0] :, : mirrored.shape[1]] = mirrored[-left.shape[0] :, : left.shape[1]]
    plane = np.concatenate([left, right], axis=1)[1:, :window]
    file = f"powerspectrum/{name}.mrc"
    write_mrc(out / file, np.ascontiguousarray(plane, dtype=np.float32), 1.0, dtype="float32", label=_LABEL)
    return [file]


def write_mask_files(out: Path, name: str, found: BeadMask) -> list[str]:
    """Write the mask as Warp does and the probability beside it."""
    mask, probability = f"mask/{name}.tif", f"mask/{name}.prob.tif"
    write_mask(out / mask, found.mask, found.pixel_size_A)
    write_probability(out / probability, found.probability, found.pixel_size_A)
    return [mask, probability]


def write_warp_xml(out: Path, record: Record, settings: Settings) -> None:
    """Write ``NAME.xml`` for WarpTools, with the decision that holds."""
    from weft.io.warpxml import write_movie_xml

    decision = decisions.effective(decisions.read(out)).get(record.name)
    facts = record.model_dump(mode="json", by_alias=True)
    write_movie_xml(out / f"{record.name}.xml", facts, settings, decision.verb if decision else None)


def average_facts(averages: Averages, prepared: PreparationFacts, exposure_e_A2: float | None) -> AverageFacts:
    """Return the average's part of the record."""
    image = averages.full
    return AverageFacts(
        height=image.shape[0],
        width=image.shape[1],
        pixel_size_A=averages.pixel_size_A,
        first_frame=averages.first_frame,
        last_frame=averages.last_frame,
        mean=round(float(image.mean(dtype=np.float64)), 6),
        median=round(float(np.median(image[::3, ::3])), 6),
        sigma=round(float(image.std(dtype=np.float64)), 6),
        exposure_e_A2=exposure_e_A2,
        hot_pixels=prepared.hot_pixels,
        xrays=prepared.xrays,
        defect_pixels=prepared.defect_pixels,
        notes=[],
        picture=describe(image),
    )


def motion_part(field: MotionField, numbers: Mapping[str, float]) -> MotionFacts:
    """Return the motion's part of the record."""
    rounded = {key: round(float(value), 4) for key, value in numbers.items()}
    assessment = field.assessment
    return MotionFacts(field=field.to_json(), **rounded, verdict=str(assessment.verdict), reason=assessment.reason)


def ctf_facts(fit: CtfFit, curves: CtfCurves) -> CtfFacts:
    """Return the CTF's part of the record; curves keep five digits, gaps are None."""
    shown = {
        "k": curves.k,
        "experimental": curves.experimental,
        "model": curves.model,
        "quality": curves.quality,
        "background": curves.background,
    }
    return CtfFacts(
        fit=fit.to_json(),
        curves={key: [_short(value) for value in values] for key, values in shown.items()},
        verdict=str(fit.assessment.verdict),
        reason=fit.assessment.reason,
    )


def mask_facts(found: BeadMask, model: str) -> MaskFacts:
    """Return the mask's part of the record."""
    return MaskFacts(
        pixel_size_A=found.pixel_size_A,
        height=found.probability.shape[0],
        width=found.probability.shape[1],
        threshold=found.threshold,
        masked_fraction=round(found.masked_fraction, 6),
        dirt_fraction=round(float(found.dirt.mean()) if found.dirt.size else 0.0, 6),
        beads=[_bead_row(bead) for bead in found.beads],
        doubtful=[_bead_row(bead) for bead in found.doubtful],
        model=model,
        verdict=str(found.assessment.verdict),
        reason=found.assessment.reason,
    )


def _bead_row(bead: Bead) -> tuple[float, float, float, float]:
    return round(bead.y_A, 1), round(bead.x_A, 1), round(bead.radius_A, 1), round(bead.probability, 3)


def relative(path: Path, folder: Path) -> str:
    """Return a path relative to the project where it lies inside or beside it, absolute elsewhere."""
    shown = os.path.relpath(path, folder)
    return str(path) if Path(shown).parts[:3] == ("..", "..", "..") else shown


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if np.isfinite(value) else None
