"""Images without their gold, for stacks."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from weft.export.chosen import Chosen
from weft.fields import Bead, CtfFit
from weft.io.identity import file_identity
from weft.io.masktiff import effective_mask
from weft.state.project import Project

__all__ = ["Part", "erasing_facts", "without_gold"]

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

    beads, ctf = _found(project, chosen, movie)
    return erase_for_stack(image, pixel_size_A, mask, name=movie, part=part, beads=beads, ctf=ctf)


def erasing_facts(project: Project, chosen: Chosen, movie: str) -> list[Any]:
    """Return what the filled image of a movie hangs on, beside the image: masks, beads, and what tells the fringes.

    Parameters
    ----------
    project, chosen, movie
        As for `without_gold`.

    Returns
    -------
    list
        As JSON gives it back.
    """
    masks = [path for kind in ("edited_mask", "mask") if (path := project.path(kind, movie)).exists()]
    if not masks:
        return []
    beads, ctf = _found(project, chosen, movie)
    fringes = [ctf.defocus_A, ctf.voltage_kV] if ctf is not None else []
    return [*(file_identity(path) for path in masks), [list(astuple(bead)) for bead in beads], fringes]


def _found(project: Project, chosen: Chosen, movie: str) -> tuple[tuple[Bead, ...], CtfFit | None]:
    """Return the beads that were found, none where a person painted the mask, and the CTF."""
    record = chosen.records.get(movie)
    if record is None:
        return (), None
    is_painted = project.path("edited_mask", movie).exists()
    beads = record.mask.likely_beads if record.mask is not None and not is_painted else ()
    return beads, record.ctf.to_fit() if record.ctf is not None else None
