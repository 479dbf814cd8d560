"""Bead masks between runs: which model a name means, and another threshold without another look at the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from weft.errors import WeftError
from weft.io.masktiff import read_probability, write_mask
from weft.io.models import find_model
from weft.pipeline.jobs import Job
from weft.settings.schema import FiducialSettings
from weft.state.record import MaskFacts, Record

__all__ = ["another_threshold", "with_model_path"]

_THRESHOLD = "fiducials.threshold"


def with_model_path(job: Job) -> FiducialSettings:
    """Return the settings with a network of the user's named by its path, so that the detector need not search.

    Raises
    ------
    SettingsError
        If there is none of that name.
    """
    settings = job.settings.fiducials
    model = find_model(settings.model, job.out / "models", job.folder)
    return settings if model.is_shipped else settings.model_copy(update={"model": str(model.path)})


def another_threshold(earlier: Record | None, job: Job) -> tuple[MaskFacts, list[str]] | None:
    """Return the mask at a threshold from the probability that is kept, and write it.

    Parameters
    ----------
    earlier : Record or None
        As it was before this run.
    job : Job
        The movie, what its mask depends on now, and the settings.

    Returns
    -------
    tuple or None
        Facts for the record and the stage's files; None if anything but the threshold has changed.
    """
    if earlier is None or earlier.mask is None or "mask" not in earlier.stages or "average" in job.item.stages:
        return None
    done, wanted = earlier.stages["mask"], job.item.inputs["mask"]
    if _without_threshold(done.inputs) != _without_threshold(wanted) or done.inputs == wanted:
        return None
    try:
        probability = read_probability(job.out / f"mask/{earlier.name}.prob.tif")
    except WeftError:
        return None
    threshold = job.settings.fiducials.threshold
    mask = np.asarray(probability >= np.float32(threshold))
    write_mask(job.out / f"mask/{earlier.name}.tif", mask, earlier.mask.pixel_size_A)
    spots = [*earlier.mask.beads, *earlier.mask.doubtful]
    facts = earlier.mask.model_copy(
        update={
            "threshold": threshold,
            "masked_fraction": round(float(mask.mean()), 6),
            "beads": [spot for spot in spots if spot[3] >= threshold],
            "doubtful": [spot for spot in spots if spot[3] < threshold],
        }
    )
    return facts, done.files


def _without_threshold(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key != _THRESHOLD}
