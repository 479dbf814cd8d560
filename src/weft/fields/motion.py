"""The motion field: where the sample has gone in each frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weft.fields.spline import spline_matrix
from weft.fields.verdict import GOOD, Assessment, Verdict

__all__ = ["MotionField"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MotionField:
    """Displacement of the sample over frame, y and x: a path for the whole image plus a local part.

    What lies at p in the reference geometry is seen at p + d in frame t. Pairs are (y, x), in Å.
    d(t, y, x) = path[t] + spline of the local nodes at (t/(frames-1), y, x).

    Parameters
    ----------
    path_A : ndarray, shape (frame, 2)
        Displacement common to the image, zero mean over the frames.
    path_sigma_A : ndarray, shape (frame, 2)
        Standard deviation of each entry; nan if unknown.
    nodes_A : ndarray, shape (t, y, x, 2)
        Local part at the nodes of an interpolating cubic spline (`weft.fields.spline`); shape
        (1, 1, 1, 2) and zero for a rigid model.
    nodes_sigma_A : ndarray, shape (t, y, x, 2)
        Standard deviation of each node; nan if unknown.
    assessment : Assessment
        ``failed`` means that the path is zero because nothing could be fitted.
    details : dict
        Numbers for people: band used, log evidence, iterations. Values are plain JSON.
    """

    path_A: Array
    path_sigma_A: Array
    nodes_A: Array
    nodes_sigma_A: Array
    assessment: Assessment = GOOD
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def rigid(
        cls, path_A: ArrayLike, sigma_A: ArrayLike | None = None, assessment: Assessment | None = None, **details: Any
    ) -> MotionField:
        """Return a field without a local part.

        Parameters
        ----------
        path_A : array_like, shape (frame, 2)
            Displacement (y, x) in Å.
        sigma_A : array_like, shape (frame, 2), optional
            Its standard deviation.
        assessment : Assessment, optional
            Good if not given.
        **details : Any
            Numbers to keep.
        """
        path = np.asarray(path_A, dtype=np.float64).reshape(-1, 2)
        sigma = np.full_like(path, np.nan) if sigma_A is None else np.asarray(sigma_A, dtype=np.float64).reshape(-1, 2)
        none = np.zeros((1, 1, 1, 2))
        return cls(path, sigma, none, none.copy(), assessment or GOOD, dict(details))

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.path_A)

    @property
    def is_rigid(self) -> bool:
        """Whether every place moves alike."""
        return not bool(np.any(self.nodes_A))

    def displacement(self, y_frac: ArrayLike, x_frac: ArrayLike) -> Array:
        """Return d on a lattice.

        Parameters
        ----------
        y_frac, x_frac : array_like, shape (y,) and (x,)
            Places as fractions (0..1) of the field between the outer pixel edges.

        Returns
        -------
        ndarray, shape (frame, y, x, 2)
            Displacement (y, x) in Å.
        """
        t, ny, nx, _ = self.nodes_A.shape
        at = np.linspace(0, 1, self.frames) if self.frames > 1 else np.zeros(1)
        local = np.einsum(
            "ft,gy,hx,tyxc->fghc",
            spline_matrix(t, at),
            spline_matrix(ny, y_frac),
            spline_matrix(nx, x_frac),
            self.nodes_A,
            optimize=True,
        )
        return np.asarray(self.path_A[:, None, None, :] + local, dtype=np.float64)

    def track(self) -> Array:
        """Return the displacement at the image's centre, shape (frame, 2)."""
        return self.displacement([0.5], [0.5])[:, 0, 0]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers (nan becomes None)."""
        return {
            "path_A": _listed(self.path_A),
            "path_sigma_A": _listed(self.path_sigma_A),
            "nodes_A": _listed(self.nodes_A),
            "nodes_sigma_A": _listed(self.nodes_sigma_A),
            "verdict": str(self.assessment.verdict),
            "reason": self.assessment.reason,
            "details": self.details,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> MotionField:
        """Return the field that `to_json` described."""
        return cls(
            _array(data["path_A"]).reshape(-1, 2),
            _array(data["path_sigma_A"]).reshape(-1, 2),
            _array(data["nodes_A"]),
            _array(data["nodes_sigma_A"]),
            Assessment(Verdict(data["verdict"]), data["reason"]),
            dict(data.get("details", {})),
        )


def _listed(values: Array) -> Any:
    """Return nested lists rounded to 1e-5 Å, nan as None."""
    return _without_nan(np.round(values, 5).tolist())


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(entry) for entry in value]
    return None if value != value else value  # noqa: PLR0124 (nan is the one value that differs from itself)


def _array(value: Any) -> Array:
    """Return float64 with None as nan."""
    return np.array(value, dtype=object).astype(np.float64)
