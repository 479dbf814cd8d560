"""A small U-Net that tells gold and dirt from the rest, and how it is applied to a whole average."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from weft.engine.device import Engine
from weft.fiducials.flatten import Flat

__all__ = ["CLASSES", "GoldNet", "infer", "inputs_of"]

CLASSES = 3  # background, gold, dirt
_INPUTS = 2
_LEVELS = 4
_STRIDE = 2 ** (_LEVELS - 1)
_CONTEXT = 56  # working pixels that a pixel's answer may depend on, a multiple of the stride
_TILE = 1024
_NOISE_SCALE = 8.0  # brings contrast in sigmas to the range of about -3 to 1


class GoldNet(nn.Module):
    """U-Net of four levels, two 3 × 3 convolutions each.

    Parameters
    ----------
    widths : tuple of int
        Channels of the levels, finest first.

    Notes
    -----
    Ronneberger et al. 2015, with batch normalisation, max pooling and bilinear up-sampling. Input: contrast, and
    contrast in sigmas / 8, see `inputs_of`; output: logits of background, gold and dirt.
    """

    def __init__(self, widths: tuple[int, ...] = (8, 16, 32, 32)) -> None:
        super().__init__()
        before = (_INPUTS, *widths[:-1])
        self.down = nn.ModuleList(_pair(a, b) for a, b in zip(before, widths, strict=True))
        self.up = nn.ModuleList(_pair(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.last = nn.Conv2d(widths[0], CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, shape (batch, 3, y, x), of inputs (batch, 2, y, x) whose sides are multiples of 8."""
        kept: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            kept.append(x)
        kept.pop()
        for block in self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = block(torch.cat([x, kept.pop()], 1))
        out: Tensor = self.last(x)
        return out


def _pair(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (before, after):
        layers += [nn.Conv2d(width, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def inputs_of(flat: Flat) -> NDArray[np.float32]:
    """Return what the network sees, shape (2, y, x), float32, clipped to -3..3."""
    both = np.stack([flat.contrast, flat.contrast / (flat.sigma * _NOISE_SCALE)])
    return np.asarray(np.clip(both, -3, 3), dtype=np.float32)


@torch.inference_mode()
def infer(net: GoldNet, inputs: NDArray[np.float32], engine: Engine) -> NDArray[np.float32]:
    """Return the probabilities of the classes, shape (3, y, x).

    Parameters
    ----------
    net : GoldNet
        On the engine's device, in evaluation mode.
    inputs : ndarray, shape (2, y, x), float32
        See `inputs_of`; any size.
    engine : Engine
        Where to compute.

    Notes
    -----
    Tiles are cut with as much around them as an answer depends on, so there are no seams: the result equals that of
    the whole image at once.
    """
    height, width = inputs.shape[1:]
    full = [-(-side // _STRIDE) * _STRIDE for side in (height, width)]
    padded = np.pad(
        inputs,
        [(0, 0)] + [(_CONTEXT, _CONTEXT + new - old) for new, old in zip(full, (height, width), strict=True)],
        mode="symmetric",
    )
    image = (
        torch.from_numpy(padded).to(engine.device)[None].contiguous(memory_format=torch.channels_last)
    )  # a third faster
    out = np.empty((CLASSES, *full), np.float32)
    for top in range(0, full[0], _TILE):
        for left in range(0, full[1], _TILE):
            bottom, right = min(top + _TILE, full[0]), min(left + _TILE, full[1])
            part = image[:, :, top : bottom + 2 * _CONTEXT, left : right + 2 * _CONTEXT]
            logits = net(part)[0, :, _CONTEXT : _CONTEXT + bottom - top, _CONTEXT : _CONTEXT + right - left]
            out[:, top:bottom, left:right] = torch.softmax(logits, 0).cpu().numpy()
    return out[:, :height, :width]
