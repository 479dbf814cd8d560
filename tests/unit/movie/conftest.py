"""Movies made of plane waves, whose motion is known exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.moving import Source

from weft.engine.device import Engine
from weft.fields import MotionField

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Waves:
    """A sum of plane waves on a level."""

    level: float
    k: NDArray[np.float64]  # (wave, 2), cycles per pixel
    phase: NDArray[np.float64]

    def at(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.full(np.broadcast(y, x).shape, self.level)
        for (ky, kx), phase in zip(self.k, self.phase, strict=True):
            out += np.cos(2 * np.pi * (ky * y + kx * x) + phase)
        return out

    def amplitude(self, image: NDArray[Any], margin: int = 0) -> NDArray[np.complex128]:
        """Return each wave's complex amplitude in an image relative to its own, by least squares."""
        y, x = np.mgrid[margin : image.shape[0] - margin, margin : image.shape[1] - margin]
        window = np.hanning(y.shape[0])[:, None] * np.hanning(y.shape[1])[None, :]
        part = (image[margin : image.shape[0] - margin, margin : image.shape[1] - margin] - image.mean()) * window
        found = [
            2 * (part * np.exp(-1j * (2 * np.pi * (ky * y + kx * x) + phase))).sum() / window.sum()
            for (ky, kx), phase in zip(self.k, self.phase, strict=True)
        ]
        return np.array(found)


@pytest.fixture(name="engine", scope="session")
def _engine() -> Engine:
    return Engine(torch.device("cpu"), 1, 1 << 30)


@pytest.fixture(name="source_of", scope="session")
def _source_of() -> Callable[[Image], Source]:
    return Source


@pytest.fixture(name="waves_of", scope="session")
def _waves_of() -> Callable[[float], Waves]:
    def waves(freq: float) -> Waves:
        angles = np.deg2rad([3.0, 40.0, 81.0, 118.0, 160.0])
        k = freq * np.stack([np.sin(angles), np.cos(angles)], axis=1)
        return Waves(50.0, k, np.array([0.3, 1.1, 2.7, 4.0, 5.5]))

    return waves


@pytest.fixture(name="move", scope="session")
def _move() -> Callable[[Waves, MotionField, tuple[int, int], float], Source]:
    def move(waves: Waves, field: MotionField, shape: tuple[int, int], pixel_A: float) -> Source:
        """Return frames in which what lies at p is seen at p + d."""
        y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
        frames = []
        for number in range(field.frames):
            p_y, p_x = y.copy(), x.copy()
            for _ in range(4 if not field.is_rigid else 1):  # p = q - d(p)
                d = _displacement(field, number, (p_y + 0.5) / shape[0], (p_x + 0.5) / shape[1]) / pixel_A
                p_y, p_x = y - d[..., 0], x - d[..., 1]
            frames.append(waves.at(p_y, p_x).astype(np.float32))
        return Source(np.stack(frames))

    return move


def _displacement(
    field: MotionField, number: int, y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return d at scattered places by the bicubic surface through a fine lattice of the field."""
    if field.is_rigid:
        return np.broadcast_to(field.path_A[number], (*y.shape, 2)).copy()
    from scipy.interpolate import RectBivariateSpline

    at = np.linspace(-0.05, 1.05, 45)
    lattice = field.displacement(at, at)[number]
    return np.stack([RectBivariateSpline(at, at, lattice[..., axis]).ev(y, x) for axis in (0, 1)], axis=-1)
