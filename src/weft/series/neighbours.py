"""CTF of a series, second pass: outliers found, defocus and astigmatism shared with the neighbours; numpy only.

The fits' own values are never changed: what the series says of each image stands beside them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weft.fields import CtfFit, Verdict
from weft.series.smooth import Expected, Scales, expect

if TYPE_CHECKING:
    from weft.series.table import Tilt, TiltSeries
    from weft.state.record import Record

__all__ = ["ImageCtf", "SeriesCtf", "share_ctf", "with_refits"]

Array = NDArray[np.float64]

SCHEMA = "weft.series_ctf/1"
LEAST_IMAGES = 4  # that share their astigmatism
LEAST_FORETOLD = 5  # with fewer there is no telling whose defocus is the outlier
LARGEST_EXPECTED_SIGMA_A = 3000.0  # neighbours that know less cannot confine a fit
OUTLIER = 0.1  # probability of an image's own value to be right, below which it is an outlier
_ASTRAY = {Verdict.GOOD: 0.03, Verdict.WEAK: 0.5, Verdict.FAILED: 0.9}
_DEFOCUS = Scales(5000.0, (600.0, 3000.0), (50.0, 100.0, 170.0, 260.0, 400.0, 700.0, 1500.0), 50_000.0)
_ASTIGMATISM = Scales(1000.0, (250.0,), (30.0, 60.0, 100.0, 180.0, 350.0), 5_000.0)
_FALLBACK_DEFOCUS_A = 300.0
_FALLBACK_ASTIGMATISM_A = 600.0


@dataclass(frozen=True, slots=True)
class ImageCtf:
    """CTF of one image: its own fit beside what the series says.

    Parameters
    ----------
    movie, tilt_deg : str, float
        Which image.
    own_defocus_A, own_sigma_A, own_astigmatism_A, own_angle_deg : float or None
        As its own fit found them.
    expected_defocus_A, expected_sigma_A : float
        Foretold by the other images alone; of four images, which foretell nothing, their median with a wide sigma.
    defocus_u_A, defocus_v_A, angle_deg, gradient_x, gradient_y, defocus_sigma_A, astigmatism_sigma_A : float
        What to use: all together; gradients are those of the image's own (or second) fit.
    source : str
        ``shared`` (own fit and neighbours), ``neighbours`` (the own fit is left out), ``refit`` (fitted again within
        the range that the neighbours allow).
    trust : float
        Probability that the image's own defocus is right.
    verdict, reason : str
        ``good``, or ``weak`` with the reason.
    """

    movie: str
    tilt_deg: float
    own_defocus_A: float | None
    own_sigma_A: float | None
    own_astigmatism_A: float | None
    own_angle_deg: float | None
    expected_defocus_A: float
    expected_sigma_A: float
    defocus_u_A: float
    defocus_v_A: float
    angle_deg: float
    gradient_x: float
    gradient_y: float
    defocus_sigma_A: float
    astigmatism_sigma_A: float
    source: str
    trust: float
    verdict: str
    reason: str

    @property
    def is_foretold(self) -> bool:
        """Whether the others tell its defocus well enough to confine a fit."""
        return self.expected_sigma_A <= LARGEST_EXPECTED_SIGMA_A

    @property
    def is_outlier(self) -> bool:
        """Whether the image's own defocus is not believed."""
        return self.trust < OUTLIER

    @property
    def defocus_A(self) -> float:
        """Mean of U and V."""
        return 0.5 * (self.defocus_u_A + self.defocus_v_A)


@dataclass(frozen=True, slots=True)
class SeriesCtf:
    """CTF of a series.

    Parameters
    ----------
    series : str
        Its name.
    images : tuple of ImageCtf
        Those with a CTF stage, by ascending tilt.
    focus_jitter_A, tilt_trend_A, order_trend_A : float
        How defocus varies: from image to image, with the tilt, with time.
    astigmatism_jitter_A : float
        The same of U - V.
    """

    series: str
    images: tuple[ImageCtf, ...]
    focus_jitter_A: float
    tilt_trend_A: float
    order_trend_A: float
    astigmatism_jitter_A: float

    @property
    def outliers(self) -> tuple[ImageCtf, ...]:
        """Images whose own defocus is not believed."""
        return tuple(image for image in self.images if image.is_outlier)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, rounded."""
        data = {"schema": SCHEMA, **asdict(self)}
        data["images"] = [{key: _plain(value) for key, value in image.items()} for image in data["images"]]
        return {key: _plain(value) for key, value in data.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SeriesCtf:
        """Return what `to_json` described.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is something else.
        """
        if data["schema"] != SCHEMA:
            raise ValueError(f"{data['schema']} is not {SCHEMA}")
        values = {key: value for key, value in data.items() if key != "schema"}
        return cls(**{**values, "images": tuple(ImageCtf(**image) for image in values["images"])})


def share_ctf(series: TiltSeries, records: Mapping[str, Record], *, dropped: Collection[str] = ()) -> SeriesCtf | None:
    """Return the CTF of a series' images with what they say of each other; None if there are fewer than four.

    Four images share their astigmatism only: which one's defocus is wrong cannot be told among so few.

    Parameters
    ----------
    series : TiltSeries
        Angles and order.
    records : mapping of str to Record
        By the movies' names.
    dropped : collection of str
        Movies left out by a decision: the others tell of them, they tell nothing of the others.
    """
    rows = [
        (tilt, record.ctf.to_fit())
        for tilt in series.tilts
        if tilt.movie and (record := records.get(tilt.movie)) is not None and record.ctf is not None
    ]
    return _shared(series.name, rows, dropped)


def with_refits(
    series: TiltSeries,
    records: Mapping[str, Record],
    refits: Mapping[str, CtfFit],
    *,
    dropped: Collection[str] = (),
) -> SeriesCtf | None:
    """Return `share_ctf`, outliers having been fitted again within the range that their neighbours allow.

    Parameters
    ----------
    series, records, dropped
        As there.
    refits : mapping of str to CtfFit
        By movie; those that failed are passed over.
    """
    first = share_ctf(series, records, dropped=dropped)
    good = {name: fit for name, fit in refits.items() if fit.assessment.verdict is not Verdict.FAILED}
    if first is None or not good:
        return first
    rows = [
        (tilt, good.get(tilt.movie, record.ctf.to_fit()))
        for tilt in series.tilts
        if tilt.movie and (record := records.get(tilt.movie)) is not None and record.ctf is not None
    ]
    again = _shared(series.name, rows, dropped)
    assert again is not None
    own = {image.movie: image for image in first.images}
    images = tuple(
        _refitted(image, own[image.movie]) if image.movie in good and not image.is_outlier else
        own[image.movie] if image.movie in good else image
        for image in again.images
    )  # fmt: skip
    return replace(again, images=images)


def _refitted(image: ImageCtf, own: ImageCtf) -> ImageCtf:
    """Return an image with the values of its second fit and, as its own, those of the first."""
    return replace(
        image,
        own_defocus_A=own.own_defocus_A,
        own_sigma_A=own.own_sigma_A,
        own_astigmatism_A=own.own_astigmatism_A,
        own_angle_deg=own.own_angle_deg,
        trust=own.trust,
        source="refit",
        verdict="weak",
        reason=f"fitted again near its neighbours; {own.reason}",
    )


def _shared(name: str, rows: list[tuple[Tilt, CtfFit]], dropped: Collection[str]) -> SeriesCtf | None:
    told = [fit for tilt, fit in rows if math.isfinite(fit.defocus_A) and tilt.movie not in dropped]
    if len(told) < LEAST_IMAGES:
        return None
    out = np.array([tilt.movie in dropped for tilt, _ in rows])
    tilt_deg = np.array([tilt.tilt_deg for tilt, _ in rows])
    order = np.array([tilt.order for tilt, _ in rows], dtype=np.float64)
    share = np.array([_ASTRAY[fit.assessment.verdict] for _, fit in rows])
    defocus = np.array([[fit.defocus_A for _, fit in rows]])
    sigma = np.array([_sigma(fit, "defocus_A", _FALLBACK_DEFOCUS_A) for _, fit in rows])
    z = (
        expect(np.where(out, np.nan, defocus), sigma**2, tilt_deg, order, share, _DEFOCUS)
        if len(told) >= LEAST_FORETOLD
        else _each_alone(defocus, sigma, share)
    )
    vector = np.array([_astigmatism(fit) for _, fit in rows]).T
    wide = np.array([_astigmatism_sigma(fit) for _, fit in rows])
    astray = out | (z.trust < OUTLIER)  # who errs in defocus does so in astigmatism
    a = expect(np.where(astray, np.nan, vector), wide**2, tilt_deg, order, share, _ASTIGMATISM)
    images = tuple(_image(rows[i], i, z, a, is_out=bool(out[i])) for i in range(len(rows)))
    return SeriesCtf(name, images, z.jitter, z.tilt_trend, z.order_trend, a.jitter)


def _each_alone(measured: Array, sigma: Array, share_astray: Array) -> Expected:
    """Return defocus as each image has it: so few foretell nothing of each other."""
    has_own = np.isfinite(measured[0])
    middle = np.full_like(measured, float(np.nanmedian(measured)))
    wide = np.full(len(sigma), _DEFOCUS.astray)
    return Expected(
        value=middle,
        sigma=wide,
        both=np.where(has_own, measured, middle),
        both_sigma=np.where(has_own, sigma, wide),
        trust=np.where(has_own, 1 - share_astray, 0.0),
        jitter=_DEFOCUS.astray,
        tilt_trend=0.0,
        order_trend=0.0,
    )


def _image(row: tuple[Tilt, CtfFit], i: int, z: Expected, a: Expected, *, is_out: bool) -> ImageCtf:
    tilt, fit = row
    a1, a2 = float(a.both[0, i]), float(a.both[1, i])
    length = math.hypot(a1, a2)
    mean = float(z.both[0, i])
    has_own = math.isfinite(fit.defocus_A)
    off = fit.defocus_A - float(z.value[0, i])
    reason = ""
    if not has_own:
        reason = "no rings: told by the neighbours alone"
    elif is_out:
        reason = "left out by a decision"
    elif z.trust[i] < OUTLIER:
        reason = f"its own defocus is {off / 1e4:+.2f} µm off what the neighbours say (± {z.sigma[i] / 1e4:.2f})"
    return ImageCtf(
        movie=str(tilt.movie),
        tilt_deg=tilt.tilt_deg,
        own_defocus_A=fit.defocus_A if has_own else None,
        own_sigma_A=_sigma(fit, "defocus_A", _FALLBACK_DEFOCUS_A) if has_own else None,
        own_astigmatism_A=fit.astigmatism_A if has_own else None,
        own_angle_deg=fit.angle_deg if has_own else None,
        expected_defocus_A=float(z.value[0, i]),
        expected_sigma_A=float(z.sigma[i]),
        defocus_u_A=mean + 0.5 * length,
        defocus_v_A=mean - 0.5 * length,
        angle_deg=0.5 * math.degrees(math.atan2(a2, a1)),
        gradient_x=_or_zero(fit.gradient_x),
        gradient_y=_or_zero(fit.gradient_y),
        defocus_sigma_A=float(z.both_sigma[i]),
        astigmatism_sigma_A=float(a.both_sigma[i]),
        source="neighbours" if reason else "shared",
        trust=1.0 if is_out else float(z.trust[i]),
        verdict="weak" if reason and not is_out else "good",
        reason=reason,
    )


def _astigmatism(fit: CtfFit) -> tuple[float, float]:
    """Return (U - V) (cos 2α, sin 2α)."""
    turn = math.radians(2 * fit.angle_deg)
    return fit.astigmatism_A * math.cos(turn), fit.astigmatism_A * math.sin(turn)


def _astigmatism_sigma(fit: CtfFit) -> float:
    """Return the standard deviation of one component of the vector, from the fit's covariance where it holds one."""
    names: Any = fit.details.get("parameters")
    matrix: Any = fit.details.get("covariance")
    try:
        at = [names.index(name) for name in ("astigmatism_x_A", "astigmatism_y_A")]
        sigma = math.sqrt(sum(float(matrix[i][i]) for i in at) / 2)
    except (AttributeError, IndexError, TypeError, ValueError):
        return _sigma(fit, "astigmatism_A", _FALLBACK_ASTIGMATISM_A)
    return sigma if math.isfinite(sigma) and sigma > 0 else _FALLBACK_ASTIGMATISM_A


def _sigma(fit: CtfFit, key: str, otherwise: float) -> float:
    value = float(fit.sigma.get(key, math.nan))
    return value if math.isfinite(value) and value > 0 else otherwise


def _or_zero(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _plain(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value
