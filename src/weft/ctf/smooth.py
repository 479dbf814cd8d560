"""How smooth the noise and the rings' strength are, told by the data.

Notes
-----
Both curves are splines whose second differences have a Gaussian prior (Eilers & Marx 1996, P-splines). Where the data
determine a curve, the prior does nothing; where they do not, as at the low frequencies of a phase plate, the curve goes
on as straight as it does elsewhere. The precision of the prior is the one under which the data are likeliest, the
curves being integrated out (MacKay 1992, evidence).

The strength follows the form of what is in the ice, which bends most at low frequencies: held there as elsewhere, it
turns the phase of a phase plate by half a degree. Its precision rises as the square of the place along the curve. Of the
powers 0 to 5 the evidence of simulated phase plates and thin ice is greatest with 2; thick ice would take 3 or 4.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stiffness", "likeliest_stiffness", "penalty"]

Array = NDArray[np.float64]

Stiffness = tuple[float, float]  # precisions of the last second difference, of the noise and of the strength

_RISE = (0.0, 2.0)  # power by which the precision rises along the noise and along the strength
_LADDER = np.exp(np.arange(0.0, 20.0, 1.5))


def penalty(counts: tuple[int, int], stiffness: Stiffness) -> Array:
    """Return the prior's information on the coefficients of both curves.

    Parameters
    ----------
    counts : tuple of int
        Coefficients of the noise and of the strength.
    stiffness : tuple of float
        Precisions at the curves' ends.
    """
    out = np.zeros((sum(counts), sum(counts)))
    first = 0
    for count, precision, rise in zip(counts, stiffness, _RISE, strict=True):
        differences = np.diff(np.eye(count), 2, axis=0)
        each = precision * (np.arange(1, len(differences) + 1) / max(1, len(differences))) ** rise
        out[first : first + count, first : first + count] = differences.T @ (each[:, None] * differences)
        first += count
    return out


def likeliest_stiffness(information: Array, pull: Array, counts: tuple[int, int]) -> Stiffness:
    """Return the precisions under which the data are likeliest.

    Parameters
    ----------
    information : ndarray, shape (coefficient, coefficient)
        Of the data on the coefficients, without a prior; positive definite.
    pull : ndarray, shape (coefficient,)
        Derivative of lnL with respect to the coefficients at 0.
    counts : tuple of int
        Coefficients of the noise and of the strength.

    Notes
    -----
    Up to a constant, the evidence is ½ bᵀ(M + P)⁻¹b − ½ ln det(M + P) + ½ Σ (n − 2) ln τ.
    """

    def evidence(stiffness: Stiffness) -> float:
        root = np.linalg.cholesky(information + penalty(counts, stiffness))
        white = np.linalg.solve(root, pull)
        free = sum(max(0, n - 2) * math.log(tau) for n, tau in zip(counts, stiffness, strict=True))
        return 0.5 * float(white @ white) - float(np.log(np.diag(root)).sum()) + 0.5 * free

    pairs: list[Stiffness] = list(itertools.product(_LADDER.tolist(), _LADDER.tolist()))
    return max(pairs, key=evidence)
