"""The smoothness of curves, told by data whose smoothness is known."""

from __future__ import annotations

import numpy as np
import pytest

from weft.ctf.smooth import likeliest_stiffness, penalty

COUNTS = (8, 24)


def coefficients(stiffness: tuple[float, float], seed: int) -> np.ndarray:
    """Draw straight lines plus what the prior of a stiffness allows."""
    rng = np.random.default_rng(seed)
    parts = []
    for count, precision in zip(COUNTS, stiffness, strict=True):
        differences = np.diff(np.eye(count), 2, axis=0)
        bent = np.linalg.pinv(differences) @ rng.standard_normal(count - 2) / np.sqrt(precision)
        parts.append(bent + np.linspace(1, 2, count))
    return np.concatenate(parts)


def test_straight_curves_cost_nothing() -> None:
    line = np.concatenate([np.linspace(0, 1, 8), np.linspace(5, -3, 24)])
    assert line @ penalty(COUNTS, (10.0, 1000.0)) @ line == pytest.approx(0, abs=1e-9)


def test_each_curve_has_its_own_precision() -> None:
    bent = np.zeros(sum(COUNTS))
    bent[10] = 1.0  # the strength's third
    assert bent @ penalty(COUNTS, (7.0, 0.0)) @ bent == 0
    assert bent @ penalty(COUNTS, (0.0, 22.0**2)) @ bent == pytest.approx(1 + 4 * 4 + 9)  # 1, -2, 1; rising


def test_the_strength_may_bend_most_at_low_frequencies() -> None:
    bends = np.zeros((2, sum(COUNTS)))
    bends[0, 10] = bends[1, -3] = 1.0  # third from the start, third from the end
    low, high = (bend @ penalty(COUNTS, (0.0, 1.0)) @ bend for bend in bends)
    assert low < 0.02 * high
    assert high == pytest.approx(6, rel=0.1)


@pytest.mark.parametrize("truth", [(np.exp(6.0), np.exp(9.0)), (np.exp(12.0), np.exp(3.0))])
def test_the_smoothness_of_the_data_is_found(truth: tuple[float, float]) -> None:
    found = []
    for seed in range(20):
        exact = coefficients(truth, seed)
        information = 1e6 * np.eye(sum(COUNTS))
        noise = np.random.default_rng(100 + seed).standard_normal(len(exact)) * 1e3
        found.append(np.log(likeliest_stiffness(information, information @ exact + noise, COUNTS)))
    assert np.median(found, axis=0) == pytest.approx(np.log(truth), abs=1.6)


def test_a_curve_that_is_not_seen_goes_on_straight() -> None:
    exact = np.concatenate([np.ones(8), np.linspace(0.9, 0.1, 24)])
    seen = np.concatenate([np.zeros(3), np.ones(5), np.ones(24)])
    information = np.diag(1e5 * seen + 1e-3)
    stiffness = likeliest_stiffness(information, information @ exact, COUNTS)
    found = np.linalg.solve(information + penalty(COUNTS, stiffness), information @ exact)
    assert found == pytest.approx(exact, abs=0.02)
