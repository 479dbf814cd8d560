"""Images without their gold, for stacks."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from weft.export.chosen import Chosen
from weft.io.masktiff import effective_mask
from weft.state.project import Project

__all__ = ["Part", "without_gold"]

Part = Literal["full", "even", "odd"]


def without_gold(
    project: Project, chosen: Chosen, movie: str, image: NDArray[np.float32], *, part: Part, pixel_size_A: float
) -> NDArray[np.float32]:
    """Return an image with its gold filled; without a mask it stays as it is.

    Parameters
    ----------
    project : Project
        Whose masks and settings count.
    chosen : Chosen
        The series, with the movies' records.
    movie : str
        Name.
    image : ndarray, shape (y, x), float32
        The average or a half of it.
    part : str
        Which of them.
    pixel_size_A : float
        Of the image.
    """
    mask = effective_mask(project.path("mask", movie).parent, movie)
    if mask is None:
        return image
    from weft.signal.fill import erase_for_stack

    record = chosen.records.get(movie)
    is_painted = project.path("edited_mask", movie).exists()
    facts = record.mask if record is not None and not is_painted else None
    return erase_for_stack(
        image,
        pixel_size_A,
        mask,
        name=movie,
        part=part,
        beads=facts.likely_beads if facts is not None else (),
        ctf=record.ctf.to_fit() if record is not None and record.ctf is not None else None,
    )
