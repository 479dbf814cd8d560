"""How long the CTF of one 3838 x 3710 average takes, phase by phase.

python bench/ctf_time.py [--threads N] [--repeat N]

The image is amorphous noise behind a CTF of 3 µm. Phases: spectra of patches, search, refinement (with the smoothness of
the curves and the window), curves, and the spectrum that is shown. The least of the repeats is told; beside it the floor:
one Fourier transform of the image there and back.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft

import weft.ctf.estimate as steps
from weft.ctf.model import make_optics
from weft.engine.device import make_engine
from weft.settings.schema import ComputeSettings, CtfSettings, OpticsSettings

PHASES = {
    "patch_spectra": "spectra",
    "flatten": "background",
    "search": "search",
    "refine": "refinement",
    "window_fade": "window",
    "curves_of": "curves",
    "display_spectrum": "shown",
}


def image(shape: tuple[int, int], pixel_size_A: float) -> Any:
    """Return noise through a CTF of 3 µm, plus noise."""
    rng = np.random.default_rng(0)
    ky, kx = np.fft.fftfreq(shape[0], pixel_size_A)[:, None], np.fft.rfftfreq(shape[1], pixel_size_A)[None]
    k2 = ky**2 + kx**2
    rings = np.sin(0.5 * make_optics(OpticsSettings()).twice_gamma(k2, 30000.0, 0.0)) * np.exp(-20 * k2)
    seen = scipy.fft.irfft2(scipy.fft.rfft2(rng.standard_normal(shape)) * rings, shape)
    return (seen + rng.standard_normal(shape)).astype(np.float32)


def timed(name: str, spent: dict[str, float]) -> Callable[..., Any]:
    """Return a step that notes its time."""
    inner = getattr(steps, name)

    def outer(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        out = inner(*args, **kwargs)
        spent[PHASES[name]] += time.perf_counter() - began
        return out

    return outer


def main() -> None:
    """Print a line a phase."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    engine = make_engine(ComputeSettings(device="cpu", threads=options.threads))
    average = image((3710, 3838), 1.35)
    spent: dict[str, float] = defaultdict(float)
    for name in PHASES:
        setattr(steps, name, timed(name, spent))
    runs = []
    for _ in range(options.repeat):
        spent.clear()
        began, busy = time.perf_counter(), time.process_time()
        scipy.fft.irfft2(scipy.fft.rfft2(average, workers=options.threads), average.shape, workers=options.threads)
        floor = time.perf_counter() - began
        began, busy = time.perf_counter(), time.process_time()
        steps.estimate_ctf(average, 1.35, CtfSettings(), OpticsSettings(), engine)
        total = time.perf_counter() - began
        runs.append((total, {**spent, "CPU": time.process_time() - busy, "floor": floor}))
    total, phases = min(runs, key=lambda run: run[0])
    sys.stdout.write(f"{'all':12s} {total:6.2f} s\n")
    for phase, seconds in sorted(phases.items(), key=lambda item: -item[1]):
        sys.stdout.write(f"{phase:12s} {seconds:6.2f} s\n")


if __name__ == "__main__":
    main()
