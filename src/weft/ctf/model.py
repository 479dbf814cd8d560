"""The phase of the contrast transfer function, and the smooth curves that multiply it.

Notes
-----
The expected power of a patch is (Erickson & Klug 1971; Rohou & Grigorieff 2015 for the phase)

    E[P](k, α, place) = E0(k) · (A(k) − D(k) cos 2γ),
    2γ = 2πλk² (z(place) + a1 cos 2α + a2 sin 2α) − πCsλ³k⁴ + 2 (φ + asin w),

because sin²γ = (1 − cos 2γ) / 2. A and D are smooth in k: D takes up envelopes, radiation damage, the spread of
defocus within the slab and within a patch, and it changes its sign past the node that the slab's thickness makes.
(a1, a2) = ½ (U − V) (cos 2α_U, sin 2α_U).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline

from weft.conventions import electron_wavelength_A
from weft.settings.schema import OpticsSettings

__all__ = ["Optics", "make_optics", "root_k_basis"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Optics:
    """What the phase needs of the microscope.

    Parameters
    ----------
    per_defocus : float
        2πλ: phase 2γ per Å of defocus and k².
    per_k4 : float
        −πCsλ³.
    offset_rad : float
        2 asin w, w the amplitude contrast.
    """

    per_defocus: float
    per_k4: float
    offset_rad: float

    def twice_gamma(self, k2: Array, defocus_A: Array | float, phase_rad: float = 0.0) -> Array:
        """Return 2γ for squared frequencies (1/Å²) and the defocus along their direction."""
        return np.asarray(
            self.per_defocus * k2 * defocus_A + self.per_k4 * k2 * k2 + self.offset_rad + 2 * phase_rad,
            dtype=np.float64,
        )


def make_optics(settings: OpticsSettings) -> Optics:
    """Return the microscope's constants.

    Examples
    --------
    >>> from weft.settings.schema import OpticsSettings
    >>> round(make_optics(OpticsSettings()).per_defocus, 5)
    0.1237
    """
    wavelength_A = electron_wavelength_A(settings.voltage_kV)
    return Optics(
        per_defocus=2 * math.pi * wavelength_A,
        per_k4=-math.pi * settings.cs_mm * 1e7 * wavelength_A**3,
        offset_rad=2 * math.asin(settings.amplitude_contrast),
    )


def root_k_basis(k: Array, splines: int, limits: tuple[float, float] | None = None) -> Array:
    """Return clamped cubic B-splines with knots even in √k.

    Parameters
    ----------
    k : ndarray, shape (ring,)
        Frequencies, 1/Å, above 0.
    splines : int
        How many; at least 1 (fewer than 4 lower the degree).
    limits : tuple of float, optional
        First and last frequency of the curve; of `k` if not given.

    Returns
    -------
    ndarray, shape (ring, splines)
        Each row sums to 1.

    Notes
    -----
    The background bends most at low k; knots even in √k follow it without following the rings there.
    """
    low, high = limits or (float(k.min()), float(k.max()))
    if splines == 1 or not high > low:
        return np.ones((len(k), 1))
    degree = min(3, splines - 1)
    at = (np.sqrt(k) - math.sqrt(low)) / (math.sqrt(high) - math.sqrt(low))
    inner = np.linspace(0, 1, splines - degree + 1)
    knots = np.concatenate([np.zeros(degree), inner, np.ones(degree)])
    matrix = BSpline.design_matrix(np.clip(at, 0, 1), knots, degree)
    return np.asarray(matrix.toarray(), dtype=np.float64)
