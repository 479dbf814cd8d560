"""Train the network that ships with Weft, from simulated scenes alone.

python tools/train_gold.py [--out FOLDER] [--steps N] [--seed S] [--threads T] [--device D] [--score]

Writes gold.safetensors and gold.json (recipe, seed, time, machine, scores on scenes it has not seen) to FOLDER; a
checkpoint every 200 steps. The same seed, steps and threads give the same weights on one kind of machine. It took about
20 minutes on one busy core. With --score only the scores of the weights that are there are taken again.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from weft.engine.device import Engine
from weft.fiducials.models import load_net
from weft.fiducials.net import GoldNet, infer
from weft.fiducials.scenes import DIRT, GOLD
from weft.fiducials.train import Recipe, simulated_batches, train

HELD_OUT_SEED, HELD_OUT_BATCHES = 990_017, 40


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("src/weft/fiducials/weights"))
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--score", action="store_true", help="only score the weights that are there")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    recipe = Recipe(steps=args.steps, seed=args.seed)
    engine = Engine(torch.device(args.device), args.threads, 2 << 30)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.score:
        write_scores(args.out, engine)
        return
    began = time.time()

    def keep(step: int, loss: float, net: GoldNet) -> bool:
        minutes = (time.time() - began) / 60
        print(f"step {step} of {recipe.steps}: loss {loss:.4f}, {minutes:.1f} min", flush=True)
        save_file(net.state_dict(), args.out / "gold.safetensors")
        facts = {
            "name": "gold",
            "recipe": recipe.to_json(),
            "steps_done": step,
            "loss": round(loss, 5),
            "minutes": round(minutes, 1),
            "machine": f"{args.device}, {args.threads} threads, {platform.machine()}",
            "torch": torch.__version__,
        }
        (args.out / "gold.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        return False

    train(GoldNet(recipe.widths), simulated_batches(recipe), recipe, engine, report=keep, every=200)
    write_scores(args.out, engine)


def write_scores(folder: Path, engine: Engine) -> None:
    """Add the network's scores on scenes of another seed to its JSON file; the sphere fit takes no part."""
    net, recipe = load_net(folder / "gold.safetensors", engine.device), Recipe(seed=HELD_OUT_SEED)
    sums = {name: np.zeros(3) for name in ("gold", "dirt")}  # both, found, there
    wrong = area = scenes = 0.0
    for batch, _ in zip(simulated_batches(recipe), range(HELD_OUT_BATCHES), strict=False):
        for inputs, shares in zip(batch.inputs.numpy(), batch.shares.numpy(), strict=True):
            classes = infer(net, inputs, engine)
            for name, kind in (("gold", GOLD), ("dirt", DIRT)):
                found, there = classes[kind] > 0.5, shares[kind] > 0.5
                sums[name] += (found & there).sum(), found.sum(), there.sum()
            if not shares[GOLD].any():
                wrong, area = wrong + float((classes[GOLD] > 0.5).sum()), area + inputs[0].size
            scenes += 1
    scores: dict[str, float] = {"scenes": scenes, "seed": HELD_OUT_SEED}
    for name, (both, found, there) in sums.items():
        scores[f"{name}_recall"], scores[f"{name}_precision"] = (
            round(float(both / there), 4),
            round(float(both / found), 4),
        )
        scores[f"{name}_iou"] = round(float(both / (found + there - both)), 4)
    scores["masked_without_gold"] = round(wrong / area, 6)
    file = folder / "gold.json"
    facts = json.loads(file.read_text(encoding="utf-8")) | {"held_out_pixels": scores}
    file.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(scores)


if __name__ == "__main__":
    main()
