"""What goes over the wire about tilt series, their handedness, suggestions and exports."""

from __future__ import annotations

from weft.server.models import Wire

__all__ = [
    "ExportOut",
    "HandOut",
    "ImportOut",
    "LeftOut",
    "SeriesOut",
    "SuggestionOut",
    "Suggestions",
    "TiltOut",
]


class TiltOut(Wire):
    """One tilt of a series as the mdoc (or the names) tell it."""

    item: str | None
    section: int
    tilt_deg: float
    order: int
    exposure_e_A2: float | None
    pre_exposure_e_A2: float | None
    target_defocus_um: float | None
    time: str
    problem: str
    left_out: str


class SeriesOut(Wire):
    """One tilt series."""

    name: str
    is_imported: bool
    mdoc: str
    axis_deg: float | None
    axis_source: str
    exposure_e_A2: float | None
    is_aligned: bool
    warnings: list[str]
    tilts: list[TiltOut]


class ImportOut(Wire):
    """What an import would make."""

    series: list[SeriesOut]
    warnings: list[str]
    unmatched_movies: list[str]
    movies_found: int
    mdocs_found: int
    mdocs_pattern: str


class LeftOut(Wire):
    """An image that an export leaves out, and why."""

    item: str
    reason: str


class ExportOut(Wire):
    """What was written of a series, against what is decided now; and for how many tilts the mdoc tells no exposure."""

    series: str
    mdoc: int
    processed: int
    used: int
    written: int | None
    stale: str
    missing: list[str]
    left_out: list[LeftOut]
    without_exposure: int
    file: str
    size_bytes: int


class HandOut(Wire):
    """What the gradients of a series say of its handedness; `given` is what ``weft.toml`` says."""

    series: str
    hand: int | None
    probability_plus: float
    images: int
    axis_deg: float | None
    measured_axis_deg: float | None
    axis_sigma_deg: float | None
    scale: float | None
    scale_sigma: float | None
    offset_deg: float | None
    astray: list[str]
    reason: str
    causes: list[str]
    given: int | None


class SetHandOut(Wire):
    """What the gradients of all series together say of the handedness."""

    hand: int | None
    probability_plus: float
    agree: list[str]
    disagree: list[str]
    undecided: list[str]
    reason: str
    given: int | None


class SuggestionOut(Wire):
    """An image that something speaks against."""

    item: str
    series: str
    code: str
    reason: str
    score: float


class Suggestions(Wire):
    """All suggestions, and what could not be judged."""

    suggestions: list[SuggestionOut]
    note: str
    pending: int = 0
