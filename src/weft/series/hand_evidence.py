"""How well each hypothesis about a series' handedness explains its gradients, averaged over what is not known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.series.gradients import Gradients, log_outlier, log_terms, predict

__all__ = ["Evidence", "log_sum"]

Array = NDArray[np.float64]

_AXIS_NODES_DEG = np.array([-8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0])
_AXIS_SIGMA_DEG = 3.0
_OFFSET_NODES_DEG = np.array([-20.0, -12.0, -8.0, -5.0, -2.5, 0.0, 2.5, 5.0, 8.0, 12.0, 20.0])
_OFFSET_SIGMA_DEG = 8.0
_ALONG_NODES = np.array([-0.12, -0.05, 0.0, 0.05, 0.12])
_ALONG_SIGMA = 0.07
_INFLATIONS = (0.8, 1.3, 2.1, 3.5)
_OUTLIER_SHARES = (0.03, 0.12, 0.4)
_WEAK_SHARE = 0.5  # least probability of a fit that is not trusted to be astray


@dataclass(frozen=True, slots=True)
class Evidence:
    """Log-likelihoods of the hypotheses, averaged over nodes of what is not known.

    ``other_plus`` is the share of the other axes' weight that lies on the side of +1; ``cells`` are the two hands' terms by image, shape (hand, setting, node, image), with their weights.
    """

    totals: dict[str, float]
    cells: Array
    weights: Array
    other_plus: float
    best_phi_rad: float
    inflation: float
    outliers: float

    @classmethod
    def of(cls, data: Gradients, axis_rad: float) -> Evidence:
        """Weigh all hypotheses."""
        settings = [(s, e) for s in _INFLATIONS for e in _OUTLIER_SHARES]
        astray = log_outlier(data)
        nodes, node_weights = _nodes()
        hands = np.stack([
            _cells(data, settings, astray, predict(data, axis_rad + turn + nodes[0], nodes[1], nodes[2]))
            for turn in (0.0, math.pi)
        ])  # fmt: skip
        weights = node_weights[None, :] - math.log(len(settings))
        by_cell = hands.sum(-1) + weights
        none = _cells(data, settings, astray, _level_means(len(data.movies)))
        circle = np.radians(np.arange(20.0, 341.0, 5.0))
        circle = axis_rad + circle[np.abs(np.degrees(circle) - 180.0) > 15.0]
        other = _cells(data, settings, astray, predict(data, circle, np.zeros_like(circle), np.zeros_like(circle)))
        by_axis = np.array([log_sum(column) for column in other.sum(-1).T])
        on_plus = np.cos(circle - axis_rad) > 0
        totals = {
            "+1": log_sum(by_cell[0]),
            "-1": log_sum(by_cell[1]),
            "none": log_sum(none.sum(-1)) - math.log(none.shape[0] * none.shape[1]),
            "shuffled": _shuffled(data, settings, astray, axis_rad),
            "other axis": log_sum(other.sum(-1)) - math.log(other.shape[0] * other.shape[1]),
        }
        sign, setting, node = np.unravel_index(int(np.argmax(by_cell)), by_cell.shape)
        phi = axis_rad + math.pi * float(sign) + float(nodes[0][node])
        if float(other.sum(-1).max()) > float(hands[sign, setting, node].sum()) + 3.0:
            setting, node = np.unravel_index(int(np.argmax(other.sum(-1))), other.shape[:2])
            phi = float(circle[node])
        other_plus = math.exp(log_sum(by_axis[on_plus]) - log_sum(by_axis))
        return cls(totals, hands, weights, other_plus, phi, *settings[int(setting)])

    def least_plus(self, posterior: Mapping[str, float]) -> tuple[float, float]:
        """Return the smallest probabilities of +1 and of -1 when any one image is left out."""
        totals = self.cells.sum(-1)
        without = totals[..., None] - self.cells + self.weights[None, :, :, None]
        peak = without.max(axis=(1, 2), keepdims=True)
        logs = np.log(np.exp(without - peak).sum(axis=(1, 2))) + peak[:, 0, 0]
        share = posterior["+1"] + posterior["-1"]
        plus = 1.0 / (1.0 + np.exp(np.clip(logs[1] - logs[0], -700, 700)))
        return float(0.5 + share * (plus.min() - 0.5)), float(0.5 + share * (0.5 - plus.max()))


def _nodes() -> tuple[tuple[Array, Array, Array], Array]:
    """Return nodes of axis deviation, θ0 (radians) and q, flattened, and the logs of their prior weights."""
    grids = np.meshgrid(np.radians(_AXIS_NODES_DEG), np.radians(_OFFSET_NODES_DEG), _ALONG_NODES, indexing="ij")
    log_weights = np.zeros(grids[0].shape)
    for values, sigma in zip(
        grids, (math.radians(_AXIS_SIGMA_DEG), math.radians(_OFFSET_SIGMA_DEG), _ALONG_SIGMA), strict=True
    ):
        log_weights -= 0.5 * (values / sigma) ** 2
    flat = log_weights.ravel()
    return (grids[0].ravel(), grids[1].ravel(), grids[2].ravel()), flat - log_sum(flat)


def _cells(data: Gradients, settings: Sequence[tuple[float, float]], astray: Array, means: Array) -> Array:
    """Return each image's log-likelihood, shape (setting, node, image)."""
    follows = {inflation: log_terms(data, means, inflation) for inflation, _ in settings}
    return np.stack([_mixed(data, follows[inflation], astray, share) for inflation, share in settings])


def _mixed(data: Gradients, follows: Array, astray: Array, share: float) -> Array:
    shares = np.where(data.is_weak, max(share, _WEAK_SHARE), share)
    return np.logaddexp(np.log1p(-shares) + follows, np.log(shares) + astray)


def _level_means(images: int) -> Array:
    """Return gradients of a specimen that lies at one small angle in all images, shape (node, image, 2)."""
    values = np.array([-0.1, -0.03, 0.03, 0.1])
    pairs = np.stack(np.meshgrid(values, values), axis=-1).reshape(-1, 1, 2)
    return np.broadcast_to(pairs, (len(pairs), images, 2))


def _shuffled(data: Gradients, settings: Sequence[tuple[float, float]], astray: Array, axis_rad: float) -> float:
    """Return the log-likelihood that each gradient belongs to any of the series' angles, of either hand."""
    zero = np.zeros(1)
    logs = []
    for turn in (0.0, math.pi):
        expected = predict(data, np.array([axis_rad + turn]), zero, zero)[0]
        means = np.broadcast_to(expected[:, None, :], (len(expected), len(data.movies), 2))
        for inflation, share in settings:
            terms = log_terms(data, means, inflation)
            mean = log_sum(terms, axis=0) - math.log(len(expected))
            logs.append(float(_mixed(data, mean, astray, share).sum()))
    return float(log_sum(np.array(logs))) - math.log(len(logs))


def log_sum(values: Array, axis: int | None = None) -> Any:
    """Return ln Σ exp, a float unless an axis is given."""
    peak = values.max(axis=axis, keepdims=True)
    out = np.log(np.exp(values - peak).sum(axis=axis, keepdims=True)) + peak
    return float(out.reshape(-1)[0]) if axis is None else np.squeeze(out, axis=axis)
