"""Which way round a tilt series is: measured defocus gradients against those that the tilt angles expect; numpy only.

Hypotheses: the gradients follow handedness +1 or -1 about the given axis; there is no tilt in them; they belong to
other angles of the same series (a shuffled mdoc); they follow the tilt about another axis. Each is weighed by its
likelihood, averaged over what is not known (axis ± 3°, pretilt, how far the stated uncertainties are too small, the
share of images whose fit went astray), so that the probability that comes out is one to bet on.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.series.gradients import GradientFit, Gradients, collect_gradients, fit_gradients
from weft.series.hand_causes import LEAST_IMAGES, LEAST_SPAN_DEG, causes_of, causes_of_absence, nearest_axis
from weft.series.hand_evidence import Evidence, log_sum

if TYPE_CHECKING:
    from weft.series.table import TiltSeries
    from weft.state.record import Record

__all__ = ["HandVerdict", "SetVerdict", "judge_hand", "judge_set"]

DECIDED = 0.99  # probability from which a hand is told
DECIDED_WITHOUT_ANY = 0.9  # the same with the one image left out that speaks loudest: no image decides alone
ODD_SERIES = 0.02  # share of series that differ from their set (another session, another mdoc)

_PRIORS = {"+1": 0.47, "-1": 0.47, "none": 0.02, "shuffled": 0.02, "other axis": 0.02}


@dataclass(frozen=True, slots=True)
class HandVerdict:
    """What a series' gradients say about its handedness.

    Parameters
    ----------
    series : str
        Its name.
    hand : int or None
        +1, -1, or None: cannot be told.
    probability_plus : float
        That the hand is +1; 0.5 if nothing is known.
    log_likelihoods : dict
        Of the five hypotheses, relative to the largest.
    axis_deg, measured_axis_deg, axis_sigma_deg : float or None
        As given; as the gradients tell it (the direction nearer to the given one), with its standard deviation.
    offset_deg, offset_sigma_deg : float or None
        Angle at which the specimen lay when the stage was at 0°.
    scale, scale_sigma : float or None
        Size of the gradients against what the angles say.
    images, span_deg : int, float
        Images with a gradient, and the range of their angles.
    astray : tuple of str
        Movies whose gradients do not follow the others.
    reason : str
        One sentence.
    causes : tuple of str
        What may be wrong, likeliest first; empty if nothing is.
    """

    series: str
    hand: int | None
    probability_plus: float
    log_likelihoods: dict[str, float]
    axis_deg: float | None
    measured_axis_deg: float | None
    axis_sigma_deg: float | None
    offset_deg: float | None
    offset_sigma_deg: float | None
    scale: float | None
    scale_sigma: float | None
    images: int
    span_deg: float
    astray: tuple[str, ...]
    reason: str
    causes: tuple[str, ...]

    @property
    def log_odds(self) -> float:
        """Natural logarithm of the odds for +1, at most 27 either way."""
        p = min(max(self.probability_plus, 1e-12), 1 - 1e-12)
        return math.log(p) - math.log1p(-p)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, rounded."""
        data = asdict(self)
        data["log_likelihoods"] = {name: round(value, 2) for name, value in self.log_likelihoods.items()}
        return {key: round(value, 5) if isinstance(value, float) else value for key, value in data.items()}


@dataclass(frozen=True, slots=True)
class SetVerdict:
    """What all series together say: one microscope and one way of importing have one hand.

    Parameters
    ----------
    hand, probability_plus : int or None, float
        As in `HandVerdict`.
    agree, disagree, undecided : tuple of str
        Series by what they say themselves.
    reason : str
        One sentence.
    """

    hand: int | None
    probability_plus: float
    agree: tuple[str, ...]
    disagree: tuple[str, ...]
    undecided: tuple[str, ...]
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "probability_plus": round(self.probability_plus, 6)}


def judge_hand(series: TiltSeries, records: Mapping[str, Record], *, dropped: Collection[str] = ()) -> HandVerdict:
    """Return the handedness of a series with its probability.

    Parameters
    ----------
    series : TiltSeries
        Angles and tilt axis.
    records : mapping of str to Record
        By the movies' names; movies without a CTF are passed over.
    dropped : collection of str
        Movies that a decision leaves out.

    Notes
    -----
    An image's likelihood is (1 - ε) N(g; model, s² C + floor²) + ε N(g; 0, C + 1²), so that a fit gone astray says
    little; s and ε are averaged over. A hand is told if its probability is at least 0.99, and at least 0.9 without the
    image that speaks for it most.
    """
    data = collect_gradients(series, records, dropped=dropped)
    axis = series.axis_deg
    if len(data.movies) < LEAST_IMAGES:
        causes = causes_of_absence(series, records, data, dropped)
        return _untold(series, data, f"only {len(data.movies)} images with a usable defocus gradient", causes)
    evidence = Evidence.of(data, math.radians(axis if axis is not None else 0.0))
    posterior = _normalised({name: math.log(_PRIORS[name]) + value for name, value in evidence.totals.items()})
    plus = posterior["+1"] + evidence.other_plus * posterior["other axis"]
    plus += 0.5 * (posterior["none"] + posterior["shuffled"])
    fit = fit_gradients(data, evidence.best_phi_rad, outliers=evidence.outliers, inflation=evidence.inflation)
    if axis is None:
        measured = nearest_axis(fit.phi_deg, 90.0)
        what = f"the tilt axis is not known (the data say {measured:.1f}° or {measured - 180:.1f}°)"
        return _told(series, data, fit, evidence, None, 0.5, what, ("set series.tilt_axis_deg",))
    hand = None
    if posterior["other axis"] <= 0.5:
        hand = _decide(plus, evidence.least_plus(posterior), data.span_deg)
    causes = causes_of(axis, data, fit, posterior)
    reason = _reason(hand, plus, posterior, data, evidence)
    return _told(series, data, fit, evidence, hand, plus, reason, causes)


def judge_set(verdicts: Sequence[HandVerdict]) -> SetVerdict:
    """Return the handedness of a set of series.

    Notes
    -----
    Each series is believed to differ from the others with probability 0.02, so that no single one decides against
    many; a set of one series says what that series says.
    """
    total = 0.0
    for verdict in verdicts:
        ratio = verdict.log_odds
        same, other = math.log1p(-ODD_SERIES), math.log(ODD_SERIES)
        total += float(np.logaddexp(same + ratio, other) - np.logaddexp(same, other + ratio))
    probability = 1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, total))))
    told = [verdict for verdict in verdicts if verdict.hand is not None]
    if len(verdicts) == 1:
        probability = verdicts[0].probability_plus
    better = max(probability, 1 - probability)
    hand = (1 if probability > 0.5 else -1) if told and better >= DECIDED else None
    agree = tuple(v.series for v in told if v.hand == hand)
    disagree = tuple(v.series for v in told if hand is not None and v.hand != hand)
    undecided = tuple(v.series for v in verdicts if v.hand is None)
    if hand is None:
        reason = "cannot be told" if not told else "the series contradict each other: " + _counts(told)
    else:
        reason = f"{len(agree)} of {len(verdicts)} series say {hand:+d}"
        reason += f", {len(disagree)} the opposite: {', '.join(disagree[:5])}" if disagree else ""
    return SetVerdict(hand, probability, agree, disagree, undecided, reason)


def _decide(plus: float, least: tuple[float, float], span_deg: float) -> int | None:
    if span_deg < LEAST_SPAN_DEG:
        return None
    if plus >= DECIDED and least[0] >= DECIDED_WITHOUT_ANY:
        return 1
    if plus <= 1 - DECIDED and least[1] >= DECIDED_WITHOUT_ANY:
        return -1
    return None


def _reason(hand: int | None, plus: float, posterior: Mapping[str, float], data: Gradients, evidence: Evidence) -> str:
    """Return the verdict's sentence."""
    gap = evidence.totals["+1"] - evidence.totals["-1"]
    if hand is not None:
        return f"{len(data.movies)} gradients speak for {hand:+d} by a ln-likelihood of {abs(gap):.0f}"
    if data.span_deg < LEAST_SPAN_DEG:
        return f"the angles span only {data.span_deg:.0f}°, too little to tell from a specimen that lies askew"
    best = max(posterior, key=lambda name: posterior[name])
    if posterior[best] > 0.5 and best == "none":
        return "the gradients show no tilt at all"
    if posterior[best] > 0.5 and best == "shuffled":
        return "the gradients are as large as the tilts say, but belong to other angles than the mdoc gives them"
    if posterior[best] > 0.5 and best == "other axis":
        return "the gradients follow the tilt about another axis than the given one"
    better = 1 if plus >= 0.5 else -1
    if max(plus, 1 - plus) >= DECIDED:
        return f"rests on a single image (probability of {better:+d} with it: {max(plus, 1 - plus):.3f})"
    return f"the gradients do not tell (probability of {better:+d}: {max(plus, 1 - plus):.2f})"


def _told(
    series: TiltSeries,
    data: Gradients,
    fit: GradientFit,
    evidence: Evidence,
    hand: int | None,
    plus: float,
    reason: str,
    causes: tuple[str, ...],
) -> HandVerdict:
    axis = series.axis_deg
    measured = nearest_axis(fit.phi_deg, axis if axis is not None else 90.0)
    top = max(evidence.totals.values())
    astray = [name for name, trust in zip(data.movies, fit.trust, strict=True) if trust < 0.05]
    return HandVerdict(
        series=series.name,
        hand=hand,
        probability_plus=plus,
        log_likelihoods={name: value - top for name, value in evidence.totals.items()},
        axis_deg=axis,
        measured_axis_deg=measured,
        axis_sigma_deg=fit.phi_sigma_deg,
        offset_deg=fit.offset_deg,
        offset_sigma_deg=fit.offset_sigma_deg,
        scale=fit.scale,
        scale_sigma=fit.scale_sigma,
        images=len(data.movies),
        span_deg=data.span_deg,
        astray=tuple(astray),
        reason=reason,
        causes=causes,
    )


def _untold(series: TiltSeries, data: Gradients, reason: str, causes: tuple[str, ...]) -> HandVerdict:
    nothing = dict.fromkeys(_PRIORS, 0.0)
    return HandVerdict(
        series.name, None, 0.5, nothing, series.axis_deg, None, None, None, None, None, None,
        len(data.movies), data.span_deg, (), reason, causes,
    )  # fmt: skip


def _normalised(logs: Mapping[str, float]) -> dict[str, float]:
    total = log_sum(np.array(list(logs.values())))
    return {name: math.exp(value - total) for name, value in logs.items()}


def _counts(told: Sequence[HandVerdict]) -> str:
    plus = [v.series for v in told if v.hand == 1]
    minus = [v.series for v in told if v.hand == -1]
    return f"{len(plus)} say +1, {len(minus)} say -1"
