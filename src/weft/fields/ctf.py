"""The fitted contrast transfer function."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.fields.verdict import GOOD, Assessment, Verdict

__all__ = ["CtfCurves", "CtfFit"]


@dataclass(frozen=True, slots=True)
class CtfFit:
    """Defocus, astigmatism and phase of one movie, with their uncertainties.

    Signs and angles as `weft.conventions`: positive = underfocus, U ≥ V, angle from +x towards +y.
    A missing value (nothing could be fitted) is nan.

    Parameters
    ----------
    defocus_u_A, defocus_v_A : float
        At the centre of the field.
    angle_deg : float
        Direction of U, -90 < angle ≤ 90.
    phase_shift_deg : float
        Of a phase plate, 0 ≤ phase < 180; 0 if not fitted.
    gradient_x, gradient_y : float
        Change of the defocus in Å per Å along +x and +y.
    grid_A : list of lists of lists of float, shape (t, y, x)
        Defocus at the nodes of the settings' grid (nodes span the field from edge to edge).
    sigma : dict
        Standard deviations: keys ``defocus_A``, ``astigmatism_A``, ``angle_deg``, ``phase_shift_deg``,
        ``gradient_x``, ``gradient_y``.
    score : float
        Gain in ln-likelihood of rings over no rings; its meaning is told in `weft.ctf.fit`.
    resolution_A : float or None
        To which the fit is supported; None if there are no rings.
    pixel_size_A, voltage_kV, cs_mm, amplitude_contrast : float
        What the fit was made with.
    assessment : Assessment
        ``failed``: no rings; ``weak``: not trusted.
    details : dict
        Plain JSON. ``parameters`` names the rows of ``covariance``: defocus_A, astigmatism_x_A and astigmatism_y_A
        ((U - V) (cos 2α, sin 2α)), gradient_x and gradient_y if the grid has a plane, phase_shift_deg if fitted, all
        fitted freely, so that fits of one series can be combined as Gaussians. ``range_A`` is the band used,
        ``patch_A`` the side of the patches, ``patches`` their number, ``noise`` the residual variance.
    """

    defocus_u_A: float
    defocus_v_A: float
    angle_deg: float
    phase_shift_deg: float
    gradient_x: float
    gradient_y: float
    grid_A: list[list[list[float]]]
    sigma: dict[str, float]
    score: float
    resolution_A: float | None
    pixel_size_A: float
    voltage_kV: float
    cs_mm: float
    amplitude_contrast: float
    assessment: Assessment = GOOD
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def defocus_A(self) -> float:
        """Mean of U and V."""
        return 0.5 * (self.defocus_u_A + self.defocus_v_A)

    @property
    def astigmatism_A(self) -> float:
        """U - V."""
        return self.defocus_u_A - self.defocus_v_A

    def defocus_at(self, y_A: float, x_A: float) -> float:
        """Return the mean defocus at an offset (Å) from the centre of the field."""
        return self.defocus_A + self.gradient_x * x_A + self.gradient_y * y_A

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers (nan becomes None)."""
        data = asdict(self)
        data.pop("assessment")
        out = {name: _plain(value) for name, value in data.items()}
        return out | {"verdict": str(self.assessment.verdict), "reason": self.assessment.reason}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CtfFit:
        """Return the fit that `to_json` described."""
        values = {name: value for name, value in data.items() if name not in {"verdict", "reason"}}
        for name in ("defocus_u_A", "defocus_v_A", "angle_deg", "phase_shift_deg", "gradient_x", "gradient_y", "score"):
            if values[name] is None:
                values[name] = float("nan")
        values["sigma"] = {key: float("nan") if v is None else v for key, v in values["sigma"].items()}
        return cls(**values, assessment=Assessment(Verdict(data["verdict"]), data["reason"]))


@dataclass(frozen=True, slots=True)
class CtfCurves:
    """What is shown of a fit: the 2D spectrum and the 1D curves.

    Parameters
    ----------
    spectrum : ndarray, shape (window, window // 2 + 1), float32
        Background-subtracted mean amplitude spectrum, rfft layout with rows shifted so that k_y = 0 is row
        window // 2 and k_x = 0 column 0.
    k : ndarray, shape (ring,)
        Spatial frequency of the rings, 1/Å.
    experimental, model, quality : ndarray, shape (ring,)
        Amplitude above that at the zeros of the CTF, averaged at equal phase over directions and patches, against
        the frequency at the mean defocus; the same of the model; local correlation of both, -1..1.
    background : ndarray, shape (ring,)
        The amplitude at the zeros, which was subtracted.
    """

    spectrum: NDArray[np.float32]
    k: NDArray[np.float64]
    experimental: NDArray[np.float64]
    model: NDArray[np.float64]
    quality: NDArray[np.float64]
    background: NDArray[np.float64]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float | np.floating):
        return None if not np.isfinite(value) else float(f"{float(value):.9g}")
    return value
