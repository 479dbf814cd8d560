"""Training of the network: from simulated scenes, or going on with a user's images."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from weft.engine.device import Engine
from weft.fiducials.flatten import flatten
from weft.fiducials.net import CLASSES, GoldNet, inputs_of
from weft.fiducials.scenes import DIRT, GOLD, Scene, make_scene

__all__ = ["Batch", "Recipe", "simulated_batches", "train"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained; equal recipes on equal machines give equal weights.

    Parameters
    ----------
    steps, batch : int
        Steps and images a step.
    side : int
        Working pixels of a training image, a multiple of 8.
    fresh : int
        Scenes made anew each step; the others are drawn from the pool of earlier ones, with new noise.
    pool : int
        Scenes kept.
    learning_rate : float
        The highest; it rises over the first twentieth of the steps and falls as a cosine.
    gold_weight : float
        Of gold pixels over others in the loss.
    averaging : float
        Of the weights, exponential: share kept a step.
    seed : int
        Of scenes, noise and first weights.
    widths : tuple of int
        Channels of the levels.
    """

    steps: int = 2000
    batch: int = 6
    side: int = 128
    fresh: int = 1
    pool: int = 3000
    learning_rate: float = 4e-3
    gold_weight: float = 2.0
    averaging: float = 0.995
    seed: int = 2026
    widths: tuple[int, ...] = (8, 16, 32, 32)

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs (batch, 2, y, x) and shares of the classes (batch, 3, y, x)."""

    inputs: Tensor
    shares: Tensor


def train(
    net: GoldNet,
    batches: Iterator[Batch],
    recipe: Recipe,
    engine: Engine,
    *,
    report: Callable[[int, float, GoldNet], bool] | None = None,
    every: int = 100,
) -> GoldNet:
    """Return the trained network: a running average of the weights over the steps.

    Parameters
    ----------
    net : GoldNet
        Start values; it is changed.
    batches : iterator of Batch
        At least as many as steps.
    recipe : Recipe
        Steps, learning rate, weights.
    engine : Engine
        Where to compute.
    report : callable, optional
        Called every `every` steps with the step, the mean loss since and the averaged network; returns whether to
        stop early.
    every : int
        Steps between reports.
    """
    net.to(engine.device).train()
    averaged = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, recipe.steps))
    losses: list[float] = []
    for step, batch in zip(range(1, recipe.steps + 1), batches, strict=False):
        loss = loss_of(net(batch.inputs.to(engine.device)), batch.shares.to(engine.device), recipe.gold_weight)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        _average(averaged, net, min(recipe.averaging, step / (step + 10)))
        losses.append(float(loss.detach()))
        if report is not None and (step % every == 0 or step == recipe.steps):
            should_stop = report(step, float(np.mean(losses)), averaged.eval())
            losses.clear()
            if should_stop:
                break
    return averaged.eval()


@torch.no_grad()
def _average(averaged: GoldNet, net: GoldNet, keep: float) -> None:
    """Move the running average of all weights and statistics towards the network."""
    for old, new in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - keep)
        else:
            old.copy_(new)


def loss_of(logits: Tensor, shares: Tensor, gold_weight: float) -> Tensor:
    """Return the mean cross-entropy of class shares, gold pixels weighted."""
    per_pixel = -(shares * F.log_softmax(logits, 1)).sum(1)
    weight = 1 + (gold_weight - 1) * shares[:, GOLD]
    return (per_pixel * weight).sum() / weight.sum()


def _rate(step: int, steps: int) -> float:
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm)))) + 1e-3


def simulated_batches(recipe: Recipe) -> Iterator[Batch]:
    """Yield batches of simulated scenes without end; each a mix of new scenes and of earlier ones under new noise."""
    rng = np.random.default_rng(recipe.seed)
    pool: list[Scene] = []
    while True:
        fresh = recipe.batch if len(pool) < 4 * recipe.batch else recipe.fresh
        made = [make_scene(rng, recipe.side) for _ in range(fresh)]
        again = [pool[int(i)] for i in rng.integers(0, len(pool), recipe.batch - fresh)] if pool else []
        yield to_batch([_example(scene, rng) for scene in (made + again)[: recipe.batch]])
        if len(pool) + fresh <= recipe.pool:
            pool += made
        else:
            for scene in made:
                pool[int(rng.integers(len(pool)))] = scene


def to_batch(examples: list[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> Batch:
    """Return examples of inputs and shares as one batch."""
    return Batch(
        torch.from_numpy(np.stack([inputs for inputs, _ in examples])),
        torch.from_numpy(np.stack([shares for _, shares in examples])),
    )


def _example(scene: Scene, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Count a scene's electrons, flatten it as any average, and turn or mirror it."""
    exposed = scene.expected * np.float32(np.exp(rng.normal(0, 0.3)))
    image = rng.poisson(np.minimum(exposed, 1e7)).astype(np.float32)
    if rng.random() < 0.06:  # grey values that are no electrons
        image = (image - image.mean()) / (image.std() + 1e-6)
    shares = np.zeros((CLASSES, *image.shape), np.float32)
    shares[GOLD] = scene.gold
    shares[DIRT] = scene.dirt * (1 - scene.gold)
    shares[0] = 1 - shares[1:].sum(0)
    return turned(inputs_of(flatten(image)), shares, rng)


def turned(
    inputs: NDArray[np.float32], shares: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return both turned by the same multiple of 90° and perhaps mirrored."""
    quarter, mirror = int(rng.integers(4)), rng.random() < 0.5
    both = [np.rot90(a, quarter, (1, 2)) for a in (inputs, shares)]
    both = [a[:, :, ::-1] if mirror else a for a in both]
    return np.ascontiguousarray(both[0]), np.ascontiguousarray(both[1])
