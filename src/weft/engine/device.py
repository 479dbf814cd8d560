"""Where the heavy array work is done: device, threads, memory."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from weft.errors import MachineError
from weft.settings.schema import ComputeSettings

__all__ = ["Engine", "make_engine"]

_SHARE_OF_MEMORY = 0.6  # of what is free may be planned with; the rest is for decoders, Python and other programs
_LEAST_MEMORY = 1 << 30
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_REUSED_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Engine:
    """The device that computes, passed to whatever computes.

    Parameters
    ----------
    device : torch.device
        CPU or a CUDA device.
    threads : int
        Threads of one worker on the CPU.
    memory_bytes : int
        What one worker may plan to use on the device.
    """

    device: torch.device
    threads: int
    memory_bytes: int


def make_engine(settings: ComputeSettings) -> Engine:
    """Return the engine that the settings ask for, and tell torch the number of threads.

    Parameters
    ----------
    settings : ComputeSettings
        Device, threads and memory; ``auto`` takes a GPU where there is one, all cores this process
        may use, and 60 % of the free memory.

    Raises
    ------
    MachineError
        If a GPU is asked for and there is none.
    """
    device = _device(settings.device)
    threads = _cores() if settings.threads == "auto" else max(1, int(settings.threads))
    torch.set_num_threads(threads)
    _reuse_memory()
    if settings.memory_GB == "auto":
        memory = max(_LEAST_MEMORY, int(_free_bytes(device) * _SHARE_OF_MEMORY))
    else:
        memory = int(settings.memory_GB * 1e9)
    return Engine(device, threads, memory)


def _reuse_memory() -> None:
    """Let glibc hand freed arrays out again instead of giving them back to the system.

    By default each array above 32 MB is a mapping of its own whose pages the system clears at the first touch; sums of
    frames then take twice the time.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _REUSED_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _REUSED_BYTES)


def _device(name: str) -> torch.device:
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise MachineError(f'compute.device = "{name}": torch finds no CUDA device here; set it to auto or cpu')
    device = torch.device("cuda" if name == "auto" else name)
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise MachineError(
            f'compute.device = "{name}": this machine has {torch.cuda.device_count()} CUDA devices, counted from 0'
        )
    return device


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free_bytes(device: torch.device) -> int:
    """Return the memory that is free now; 4 GB where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 4_000_000_000
    facts = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith("kB")}
    return facts.get("MemAvailable", 4_000_000_000)
