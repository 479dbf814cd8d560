"""Loading a network: weights only, never code."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from weft.errors import InputError
from weft.fiducials.net import GoldNet

__all__ = ["load_net"]


def load_net(path: Path, device: torch.device) -> GoldNet:
    """Return the network of a file, on a device, in evaluation mode.

    Raises
    ------
    InputError
        If the file does not hold the weights of such a network.
    """
    return _load(path, path.stat().st_mtime_ns, str(device))


@lru_cache(maxsize=4)
def _load(path: Path, _changed: int, device: str) -> GoldNet:
    try:
        weights = load_file(path, device=device)
        net = GoldNet(_widths(weights))
        net.load_state_dict(weights)
    except (SafetensorError, RuntimeError, KeyError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path.name}: holds no weights of a bead network ({reason}); make one with `weft fiducials train`"
        ) from error
    return net.to(device).eval()


def _widths(weights: dict[str, Tensor]) -> tuple[int, ...]:
    """Return the channels of the levels, read off the weights' shapes."""
    levels = sum(key.startswith("down.") and key.endswith(".0.weight") for key in weights)
    if not levels:
        raise KeyError("no level of a U-Net")
    return tuple(len(weights[f"down.{level}.0.weight"]) for level in range(levels))
