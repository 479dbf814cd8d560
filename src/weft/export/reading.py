"""How Weft read the movies, for programs that read them again."""

from __future__ import annotations

from dataclasses import dataclass

from weft.errors import InputError
from weft.io.eer import group_frames, read_eer_header
from weft.settings.schema import InputSettings
from weft.state.project import Project
from weft.state.record import Record

__all__ = ["EerReading", "eer_reading", "input_as_read"]


@dataclass(frozen=True, slots=True)
class EerReading:
    """How the raw frames of an EER became fractions.

    Parameters
    ----------
    supersampling : int
        Rendered grid over the sensor's: 1, 2 or 4.
    frames_per_fraction : int
        Raw frames in each fraction; the last may hold up to half as many more.
    raw_frames : int
        Of the movie, those after the last fraction included.
    """

    supersampling: int
    frames_per_fraction: int
    raw_frames: int


def input_as_read(project: Project, record: Record) -> InputSettings:
    """Return the input settings with which a movie was read; those of now where its record does not tell."""
    stage = record.stages.get("motion")
    inputs = stage.inputs if stage is not None else {}
    known = {key: inputs[f"input.{key}"] for key in InputSettings.model_fields if f"input.{key}" in inputs}
    if "gain" in inputs and inputs["gain"] is None:
        known["gain"] = None
    return InputSettings.model_validate(project.settings.input.model_dump() | known)


def eer_reading(project: Project, record: Record, exposure_e_A2: float | None) -> EerReading | None:
    """Return how a movie's raw frames became fractions; None if it is no EER, or is no longer there as it was.

    Parameters
    ----------
    project : Project
        With the movie, whose raw frames are counted again.
    record : Record
        Of the movie.
    exposure_e_A2 : float or None
        Of the movie, where the settings do not tell it.
    """
    if record.movie.format != "eer":
        return None
    given = input_as_read(project, record)
    try:
        raw_frames = read_eer_header(project.folder / record.movie.path).frames
        grouping = group_frames(
            raw_frames,
            frames_per_fraction=given.eer_frames_per_fraction,
            fractions=given.eer_fractions,
            exposure_per_fraction_e_A2=given.eer_exposure_per_fraction_e_A2,
            exposure_e_A2=given.exposure_e_A2 or exposure_e_A2,
        )
    except InputError:
        return None
    if grouping.fractions != record.movie.frames:
        return None
    return EerReading(given.eer_supersampling, grouping.edges[1], raw_frames)
