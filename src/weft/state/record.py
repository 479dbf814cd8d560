"""The record: everything computed about one movie, one JSON file, written last.

A file without its record was never made. ``stages`` holds the key of each finished stage (see
`weft.state.keys`); a stage whose key differs from the one the settings now give is stale.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from weft.fields import Bead, CtfFit, MotionField

__all__ = ["STAGES", "AverageFacts", "CtfFacts", "Failure", "MaskFacts", "MotionFacts", "MovieFacts", "Record", "Stage"]

StageName = Literal["motion", "average", "ctf", "mask"]
STAGES: tuple[StageName, ...] = ("motion", "average", "ctf", "mask")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class MovieFacts(_Part):
    """The file as it was read."""

    path: str
    format: str
    frames: int
    height: int
    width: int
    raw_pixel_size_A: float
    size_bytes: int
    identity: str
    notes: list[str] = []


class Stage(_Part):
    """A finished stage.

    ``key`` is the hash of ``inputs``, which name everything the stage depended on; ``files`` are the files it
    wrote, relative to the output folder.
    """

    key: str
    inputs: dict[str, Any] = {}
    files: list[str] = []


class MotionFacts(_Part):
    """The motion field and numbers for quality, all in Å.

    ``total_A`` is the length of the path at the image's centre, ``early_A`` and ``late_A`` its parts before
    and after 4 e⁻/Å² of this movie (the first third of the frames if the exposure is unknown),
    ``mean_frame_A`` the mean step, ``largest_local_A`` the largest local residual.
    """

    field: dict[str, Any]
    total_A: float
    early_A: float
    late_A: float
    mean_frame_A: float
    largest_local_A: float
    verdict: str
    reason: str

    def to_field(self) -> MotionField:
        """Return the motion field as a value."""
        return MotionField.from_json(self.field)


class AverageFacts(_Part):
    """The average: electrons per binned pixel, summed over the used frames."""

    height: int
    width: int
    pixel_size_A: float
    first_frame: int
    last_frame: int
    mean: float
    median: float
    sigma: float
    exposure_e_A2: float | None
    hot_pixels: int
    xrays: int
    defect_pixels: int
    notes: list[str] = []
    picture: dict[str, float | list[float]] = {}


class CtfFacts(_Part):
    """The CTF fit, and its 1D curves for display."""

    fit: dict[str, Any]
    curves: dict[str, list[float | None]] = {}
    verdict: str
    reason: str

    def to_fit(self) -> CtfFit:
        """Return the fit as a value."""
        return CtfFit.from_json(self.fit)


class MaskFacts(_Part):
    """The bead mask; ``beads``, and ``doubtful`` ones below the threshold, are [y_A, x_A, radius_A, probability]."""

    pixel_size_A: float
    height: int
    width: int
    threshold: float
    masked_fraction: float
    dirt_fraction: float
    beads: list[tuple[float, float, float, float]]
    doubtful: list[tuple[float, float, float, float]] = []
    model: str
    verdict: str
    reason: str

    @property
    def likely_beads(self) -> tuple[Bead, ...]:
        """All that may be beads, doubtful ones, too, as values."""
        return tuple(Bead(*row) for row in (*self.beads, *self.doubtful))


class Failure(_Part):
    """Why a stage could not be done; ``identity`` and ``inputs`` tell whether trying again could help."""

    stage: str
    message: str
    identity: str
    inputs: dict[str, Any] = {}


class Record(_Part):
    """Everything computed about one movie."""

    schema_name: Literal["weft.record/1"] = Field(default="weft.record/1", alias="schema")
    name: str
    movie: MovieFacts
    stages: dict[StageName, Stage] = {}
    motion: MotionFacts | None = None
    average: AverageFacts | None = None
    ctf: CtfFacts | None = None
    mask: MaskFacts | None = None
    failure: Failure | None = None
    versions: dict[str, str] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), populate_by_name=True)

    def without(self, stages: Collection[StageName]) -> Record:
        """Return the record as if these stages had not been done."""
        struck: dict[str, Any] = dict.fromkeys(stages)
        kept = {name: stage for name, stage in self.stages.items() if name not in stages}
        return self.model_copy(update={**struck, "stages": kept})
