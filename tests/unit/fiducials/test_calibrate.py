import itertools

import numpy as np

from weft.fiducials.calibrate import at_rim, of_fitted, of_laid, of_likeness, outside_share
from weft.fiducials.render import Spot

STEPS = np.linspace(0, 1, 21).tolist()


def test_more_evidence_never_makes_gold_less_likely() -> None:
    for low, high in itertools.pairwise(STEPS):
        assert of_laid(low, has_sure=False) < of_laid(high, has_sure=False) < of_laid(high, has_sure=True)
        for other in STEPS:
            assert of_fitted(low, other) <= of_fitted(high, other)
            assert of_fitted(other, low) <= of_fitted(other, high)


def likeness(of: list[float], off: float) -> float:
    *agreement, diameter_A, sigmas = of
    return of_likeness(agreement, diameter_A, sigmas, off)


def test_more_likeness_never_makes_gold_less_likely() -> None:
    usual = (0.7, 0.4, -2.0, 1.0, 50.0, 12.0)  # half, gain, bright, beside, Å, sigmas
    for place in range(len(usual)):
        for low, high in itertools.pairwise((0.8, 0.9, 1.0, 1.1)):
            less, more = ([v * (f if i == place else 1) for i, v in enumerate(usual)] for f in (low, high))
            assert 0 < likeness(less, 0.0) < likeness(more, 0.0) < 1
            assert likeness(less, 0.1) < likeness(less, 0.0)


def test_gold_needs_both_witnesses() -> None:
    assert of_fitted(1.0, 0.0) < 0.5 < of_fitted(0.9, 0.5)
    assert of_fitted(0.0, 0.3) < 0.5
    assert of_laid(1.0, has_sure=False) < 0.5 < of_laid(0.9, has_sure=True)


def test_probabilities_stay_between_nothing_and_certainty() -> None:
    values = [of_fitted(a, b) for a in STEPS for b in STEPS]
    assert min(values) > 0
    assert max(values) < 1


def test_only_centres_outside_the_field_are_held_back() -> None:
    for y, x in ((-0.5, 3.0), (9.5, 0.0), (4.0, 19.5)):
        assert outside_share(Spot(y, x, 3.0, 1.0), (10, 20)) == 1
    for y, x in ((-0.6, 3.0), (9.6, 0.0), (4.0, 19.6)):
        assert at_rim(Spot(y, x, 3.0, 0.9), (10, 20)).probability < 0.5
