"""Computing steps about more than one movie: fits repeated near their neighbours, the orientation of a gain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.ctf import estimate_ctf
from weft.fields import CtfFit
from weft.io.mrc import read_mrc
from weft.pipeline.stages import engine_for
from weft.settings.schema import Settings
from weft.signal.fill import erase_for_stack

__all__ = ["fit_near"]

_SIGMAS = 4.0  # of what the neighbours say
_LEAST_REACH_A = 1500.0


def fit_near(
    average: Path,
    settings: Settings,
    expected_defocus_A: float,
    sigma_A: float,
    gold: NDArray[np.bool_] | None = None,
) -> CtfFit:
    """Return the CTF of an average, the defocus being searched only near what its neighbours say.

    Parameters
    ----------
    average : Path
        MRC with its pixel size.
    settings : Settings
        Of the project.
    expected_defocus_A, sigma_A : float
        What the neighbours say, and how surely.
    gold : ndarray, shape (any, any), bool, optional
        Mask of what is erased before the fit.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    data, header_A = read_mrc(average)
    image, pixel_size_A = np.asarray(data, dtype=np.float32), float(header_A or 1.0)
    if gold is not None:
        image = erase_for_stack(image, pixel_size_A, gold, name=average.stem)
    reach = max(_SIGMAS * sigma_A, _LEAST_REACH_A)
    low, high = (max(500.0, expected_defocus_A + side * reach) * 1e-4 for side in (-1, 1))
    near = settings.ctf.model_copy(update={"defocus_um": (low, max(high, low + 0.05))})
    return estimate_ctf(image, pixel_size_A, near, settings.optics, engine_for(settings.compute))[0]
