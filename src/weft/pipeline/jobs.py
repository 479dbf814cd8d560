"""What is handed to a worker: plain values, so that the run itself needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from weft.pipeline.plan import PlanItem
from weft.settings.schema import Settings

__all__ = ["Job"]


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a worker needs to process one movie.

    Parameters
    ----------
    item : PlanItem
        The movie, the stages to run and their inputs.
    settings : Settings
        The project's settings.
    folder, out : Path
        The project's folder and its output folder.
    check_again : bool
        Leave out stages that another run has finished since the plan was made.
    """

    item: PlanItem
    settings: Settings
    folder: Path
    out: Path
    check_again: bool = True
