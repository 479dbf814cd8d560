"""What goes over the wire, as models: the page's types are generated from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "CheckedSettings",
    "Columns",
    "DecisionIn",
    "DecisionOut",
    "ErrorOut",
    "EventOut",
    "ItemDetail",
    "ItemOut",
    "JobOut",
    "KeyOut",
    "LogLines",
    "LogOut",
    "PictureInfoOut",
    "ProjectOut",
    "RunIn",
    "RunOut",
    "SettingsChange",
    "SettingsOut",
    "StopIn",
    "TableOut",
    "TrialIn",
    "TrialOut",
    "UndoIn",
    "Wire",
]

Name = Annotated[str, Field(min_length=1, max_length=400)]


class Wire(BaseModel):
    """What all have in common: nothing is accepted that is not asked for."""

    model_config = ConfigDict(extra="forbid")


class ErrorBody(Wire):
    """Code for programs, sentence for people."""

    code: str
    message: str


class ErrorOut(Wire):
    """The one shape of every error."""

    error: ErrorBody


class DiskOut(Wire):
    """Room on the disk that the results go to."""

    free_bytes: int
    total_bytes: int


class RunOut(Wire):
    """How the newest run stands; a watch is one run, whatever it does at each look."""

    is_running: bool
    watches: bool = False
    log: str = ""
    done: int = 0
    total: int = 0
    failed: int = 0
    began: str = ""
    last: str = ""
    pid: int = 0
    host: str = ""
    message: str = ""
    in_hand: dict[str, str] = {}
    per_minute: float | None = None
    left_s: int | None = None


class ProjectOut(Wire):
    """The project and what may be done with it."""

    name: str
    folder: str
    out: str
    version: str
    read_only: bool
    author: str
    host: str
    settings_error: str
    disk: DiskOut | None
    devices: list[str]
    run: RunOut
    plan_counts: dict[str, int]
    plan_stages: dict[str, int]
    plan_error: str
    series_imported: int


class ItemOut(Wire):
    """One movie in the bar."""

    name: str
    series: str
    tilt_deg: float | None
    order: int | None
    exposure_e_A2: float | None
    pre_exposure_e_A2: float | None
    target_defocus_um: float | None
    state: Literal["waiting", "running", "done", "stale", "failed", "impossible"]
    verdict: Literal["", "good", "weak", "failed"]
    reason: str
    decision: Literal["auto", "keep", "drop"]
    decision_reason: str
    decision_by: str
    version: str
    numbers: dict[str, float | None]


class Columns(Wire):
    """All movies, column by column."""

    revision: int
    names: list[str]
    series_names: list[str]
    series: list[int]
    state: list[int]
    verdict: list[int]
    decision: list[int]
    version: list[str]
    reasons: dict[str, str]
    decision_reasons: dict[str, str]
    decision_by: dict[str, str]
    numbers: dict[str, list[float | None]]


class EventOut(Wire):
    """One decision event."""

    id: str
    at: str
    by: str
    verb: str
    items: list[str]
    reason: str
    undoes: str


class InSeriesOut(Wire):
    """What the series says of an image's CTF; `reason` tells why its own defocus is not believed."""

    defocus_um: float
    defocus_sigma_um: float
    astigmatism_um: float
    angle_deg: float
    expected_um: float | None
    expected_sigma_um: float | None
    source: str
    is_outlier: bool
    is_exported: bool
    reason: str


class ItemDetail(Wire):
    """Everything about one movie."""

    item: ItemOut
    record: dict[str, Any] | None
    in_series: InSeriesOut | None
    history: list[EventOut]
    has_average: bool
    has_halves: bool
    has_mask: bool
    has_spectrum: bool
    mask_is_edited: bool


class PictureInfoOut(Wire):
    """Size of an average and the spread of its grey values when shrunk by 1, 2, 4, ..."""

    height: int
    width: int
    pixel_size_A: float | None
    median: float
    sigmas: list[float]
    tile_px: int


class DecisionIn(Wire):
    """A decision about movies; `key` makes sending it twice harmless."""

    items: Annotated[list[Name], Field(min_length=1, max_length=100_000)]
    verb: Literal["keep", "drop", "auto"]
    reason: Annotated[str, Field(max_length=2000)] = ""
    by: Annotated[str, Field(max_length=200)] = ""
    key: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_-]*$")] = ""


class UndoIn(Wire):
    """Take back a decision, the latest if none is named."""

    by: Annotated[str, Field(max_length=200)] = ""
    event: Annotated[str, Field(max_length=64)] = ""


class DecisionOut(Wire):
    """The event that was written, and the movies that it is about as they are now."""

    event: EventOut
    items: list[ItemOut]


class KeyOut(Wire):
    """One setting for the form."""

    name: str
    key: str
    description: str
    unit: str
    warp: str
    allowed: str
    choices: list[str]
    kind: Literal["switch", "number", "whole", "pair", "text", "choice"]
    is_optional: bool
    minimum: float | None
    maximum: float | None
    step: float | None
    default: Any
    value: Any


class TableOut(Wire):
    """One panel of the form."""

    name: str
    description: str
    keys: list[KeyOut]


class SettingsOut(Wire):
    """All settings, and the file as it is."""

    hash: str
    error: str
    text: str
    tables: list[TableOut]
    header_pixel_size_A: float | None
    movies_found: int
    mdocs_found: int


class SettingsChange(Wire):
    """New values, `table.key` to value; null takes a key out. Or the whole file."""

    changes: dict[Annotated[str, Field(max_length=100)], Any] = {}
    text: Annotated[str, Field(max_length=200_000)] | None = None


class CheckedSettings(Wire):
    """What new values would mean, before anything runs."""

    errors: dict[str, str]
    message: str
    counts: dict[str, int]
    stages: dict[str, int]
    reasons: dict[str, int]
    command: str


class RunIn(Wire):
    """What to run."""

    items: Annotated[list[Name], Field(max_length=100_000)] = []
    retry: bool = False
    redo: bool = False


class StopIn(Wire):
    """How to stop: after the movies in hand, or now."""

    now: bool = False


class ReadBackOut(Wire):
    """How many files of a job were read back from the disk, and what is wrong with any."""

    files: int
    faults: list[str]


class JobOut(Wire):
    """A verb started from the page."""

    id: str
    verb: str
    command: str
    began: float
    exit_code: int | None
    is_running: bool
    document: Any
    events: list[Any]
    message: str
    read_back: ReadBackOut | None


class TrialIn(Wire):
    """Limits to try on one image."""

    range_A: tuple[float, float] | None = None
    defocus_um: tuple[float, float] | None = None
    phase_shift: bool | None = None


class TrialOut(Wire):
    """What a trial fit found; nothing was kept."""

    item: str
    fit: dict[str, Any]
    curves: dict[str, list[float | None]]
    verdict: str
    reason: str


class LogOut(Wire):
    """The log of one run."""

    name: str
    size_bytes: int
    modified: float


class LogLines(Wire):
    """A part of a log."""

    name: str
    offset: int
    is_end: bool
    events: list[dict[str, Any]]
