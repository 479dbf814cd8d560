"""Going on with a network on a user's images, with a check that the new one is better before it replaces anything."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.engine.device import Engine
from weft.errors import InputError
from weft.fiducials.data import Example, labelled_batches
from weft.fiducials.net import GoldNet, infer
from weft.fiducials.scenes import GOLD
from weft.fiducials.segment import brought_together
from weft.fiducials.train import Recipe, train
from weft.settings.schema import FiducialSettings

__all__ = ["Detector", "FineTuned", "checked_by_fit", "fine_tune", "network_alone", "score"]

Detector = Callable[[Example], NDArray[np.float32]]  # gives the probability of gold

_HELD_OUT = 0.25
_PATIENCE = 4  # reports without improvement after which it stops
_EPSILON = 1e-4


@dataclass(frozen=True, slots=True)
class FineTuned:
    """What came out.

    Parameters
    ----------
    net : GoldNet
        The best network on the held-out images: the old one if nothing was better.
    uses_sphere_fit : bool
        Whether it scores better when the sphere fit checks it.
    before, after : float
        Scores on the held-out images, see `score`: the best of the rivals, and the new network as it is to be used.
    is_better : bool
        Whether the new one may replace the old one.
    held_out : tuple of str
        Names of the images it was checked on and did not learn from.
    steps : int
        Done.
    """

    net: GoldNet
    uses_sphere_fit: bool
    before: float
    after: float
    is_better: bool
    held_out: tuple[str, ...]
    steps: int


def network_alone(net: GoldNet, engine: Engine) -> Detector:
    """Return a network as a detector."""
    return lambda example: infer(net, example.inputs, engine)[GOLD]


def checked_by_fit(net: GoldNet, engine: Engine) -> Detector:
    """Return a network and the sphere fit, each checking the other, as a detector."""
    alone = network_alone(net, engine)
    return lambda example: brought_together(alone(example), example.flat, FiducialSettings(), engine, None)[0]


def score(detector: Detector, examples: Sequence[Example]) -> float:
    """Return how well gold is found: intersection over union of all examples together, minus wrongly masked area.

    Parameters
    ----------
    detector : callable
        See `network_alone`, `checked_by_fit`.
    examples : sequence of Example
        With or without gold.

    Returns
    -------
    float
        Up to 1.
    """
    both = either = wrong = area = 0.0
    for example in examples:
        found = detector(example) >= 0.5
        there = example.shares[GOLD] > 0.5
        both += float((found & there).sum())
        either += float((found | there).sum())
        if not there.any():
            wrong += float(found.sum())
            area += float(found.size)
    return (both / either if either else 1.0) - (wrong / area if area else 0.0)


def fine_tune(
    net: GoldNet,
    examples: list[Example],
    recipe: Recipe,
    engine: Engine,
    *,
    rivals: Sequence[Detector] = (),
    report: Callable[[int, float, float], None] | None = None,
    every: int = 50,
) -> FineTuned:
    """Return the network after learning from examples, if it is better on some that were held out.

    Parameters
    ----------
    net : GoldNet
        To start from; it is not changed.
    examples : list of Example
        At least two; a quarter of them, and at least one, is held out.
    recipe : Recipe
        Steps at most, learning rate, batch; half of each batch are simulated scenes.
    engine : Engine
        Where to compute.
    rivals : sequence of callable
        Detectors that it must beat; the old network alone if none is given.
    report : callable, optional
        Called with step, loss and score on the held-out images.
    every : int
        Steps between checks; it stops early after four without improvement.

    Raises
    ------
    InputError
        If there are fewer than two examples.
    """
    if len(examples) < 2:
        raise InputError("one image is not enough to learn from and to check on; give at least two with masks")
    order = np.random.default_rng(recipe.seed).permutation(len(examples))
    count = max(1, round(_HELD_OUT * len(examples)))
    held_out, own = [examples[i] for i in order[:count]], [examples[i] for i in order[count:]]
    old = copy.deepcopy(net).to(engine.device).eval()
    alone = score(network_alone(old, engine), held_out)
    best, best_score, best_step, last = old, alone, 0, 0

    def check(step: int, loss: float, candidate: GoldNet) -> bool:
        nonlocal best, best_score, best_step, last
        now = score(network_alone(candidate, engine), held_out)
        last = step
        if report is not None:
            report(step, loss, now)
        if now > best_score + _EPSILON:
            best, best_score, best_step = copy.deepcopy(candidate), now, step
        return step - best_step >= _PATIENCE * every

    train(copy.deepcopy(old), labelled_batches(own, recipe), recipe, engine, report=check, every=every)
    before = max((score(rival, held_out) for rival in rivals), default=alone)
    with_fit = score(checked_by_fit(best, engine), held_out)
    after = max(best_score, with_fit)
    names = tuple(example.name for example in held_out)
    is_better = best_step > 0 and after > before + _EPSILON
    return FineTuned(best, with_fit > best_score, before, after, is_better, names, last)
