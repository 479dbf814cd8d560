"""Train the network that ships with Weft, from simulated scenes alone.

python tools/train_gold.py [--out FOLDER] [--steps N] [--seed S] [--threads T] [--device D]

Writes gold.safetensors and gold.json (recipe, seed, time, machine) to FOLDER; a checkpoint every 200 steps. The same seed,
steps and threads give the same weights on one kind of machine. It took about 20 minutes on one busy core.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from weft.engine.device import Engine
from weft.fiducials.net import GoldNet
from weft.fiducials.train import Recipe, simulated_batches, train


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("src/weft/fiducials/weights"))
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    recipe = Recipe(steps=args.steps, seed=args.seed)
    engine = Engine(torch.device(args.device), args.threads, 2 << 30)
    args.out.mkdir(parents=True, exist_ok=True)
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


if __name__ == "__main__":
    main()
