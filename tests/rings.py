"""Images of amorphous noise seen through a known CTF."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from numpy.typing import NDArray

from weft.ctf.model import make_optics
from weft.engine.device import Engine
from weft.settings.schema import OpticsSettings

ENGINE = Engine(torch.device("cpu"), 1, 1 << 30)
OPTICS = OpticsSettings()


def ring_image(
    shape: tuple[int, int] = (1024, 1024),
    pixel_size_A: float = 2.0,
    *,
    u_A: float = 20500.0,
    v_A: float = 20000.0,
    angle_deg: float = 30.0,
    phase_deg: float = 0.0,
    gradient: tuple[float, float] = (0.0, 0.0),
    signal: float = 1.0,
    seed: int = 1,
) -> NDArray[np.float32]:
    """Return noise through −sin γ plus white noise; with a gradient (x, y) each place has its own defocus (40 levels)."""
    rng = np.random.default_rng(seed)
    optics = make_optics(OPTICS)
    ky, kx = np.fft.fftfreq(shape[0], pixel_size_A)[:, None], np.fft.rfftfreq(shape[1], pixel_size_A)[None, :]
    k2 = ky**2 + kx**2
    turn = np.arctan2(ky, kx) - math.radians(angle_deg)
    defocus = 0.5 * (u_A + v_A) + 0.5 * (u_A - v_A) * np.cos(2 * turn)
    envelope = signal * np.exp(-15 * k2) / np.sqrt(1 + k2 / 0.05**2)
    y, x = ((np.arange(n) - (n - 1) / 2) * pixel_size_A for n in shape)
    rise = gradient[0] * x[None, :] + gradient[1] * y[:, None]
    reach = float(np.abs(rise).max())
    edges = np.linspace(-reach, reach, 41) if reach > 0 else np.array([-1.0, 1.0])
    amorphous = rng.standard_normal(shape)
    out = rng.standard_normal(shape)
    for low, high in itertools.pairwise(edges.tolist()):
        inside = (rise >= low) & ((rise < high) | (high == edges[-1]))
        gamma = 0.5 * optics.twice_gamma(k2, defocus + 0.5 * (low + high), math.radians(phase_deg))
        out += np.fft.irfft2(np.fft.rfft2(amorphous * inside) * -np.sin(gamma) * 2 * envelope, shape)
    return out.astype(np.float32)
