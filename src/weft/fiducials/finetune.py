"""Going on with a network on a user's images, with a check that the new one is better before it replaces anything."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weft.engine.device import Engine
from weft.errors import InputError
from weft.fiducials.data import Example, labelled_batches
from weft.fiducials.net import GoldNet, infer
from weft.fiducials.scenes import GOLD
from weft.fiducials.train import Recipe, train

__all__ = ["FineTuned", "fine_tune", "score"]

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
    before, after : float
        Scores of the old and of the new network on the held-out images, see `score`.
    is_better : bool
        Whether the new one may replace the old one.
    held_out : tuple of str
        Names of the images it was checked on and did not learn from.
    steps : int
        Done.
    """

    net: GoldNet
    before: float
    after: float
    is_better: bool
    held_out: tuple[str, ...]
    steps: int


def score(net: GoldNet, examples: list[Example], engine: Engine) -> float:
    """Return how well gold is found: intersection over union of all examples together, minus wrongly masked area.

    Parameters
    ----------
    net : GoldNet
        On the engine's device, in evaluation mode.
    examples : list of Example
        With or without gold.
    engine : Engine
        Where to compute.

    Returns
    -------
    float
        Up to 1.
    """
    both = either = wrong = area = 0.0
    for example in examples:
        found = infer(net, example.inputs, engine)[GOLD] > 0.5
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
    before = score(old, held_out, engine)
    best, best_score, best_step, last = old, before, 0, 0

    def check(step: int, loss: float, candidate: GoldNet) -> bool:
        nonlocal best, best_score, best_step, last
        now = score(candidate, held_out, engine)
        last = step
        if report is not None:
            report(step, loss, now)
        if now > best_score + _EPSILON:
            best, best_score, best_step = copy.deepcopy(candidate), now, step
        return step - best_step >= _PATIENCE * every

    train(copy.deepcopy(old), labelled_batches(own, recipe), recipe, engine, report=check, every=every)
    names = tuple(example.name for example in held_out)
    return FineTuned(best, before, best_score, best_score > before + _EPSILON, names, last)
