"""Where the heavy array work is done: device, threads, memory."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass

import torch

from weft.engine.memory import SHARE_OF_MEMORY, free_memory_bytes
from weft.errors import MachineError
from weft.settings.schema import ComputeSettings

__all__ = ["Engine", "is_out_of_memory", "make_engine", "name_of", "onto_cpu"]

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
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory_bytes()
        memory = _planned(free)
    else:
        memory = int(settings.memory_GB * 1e9)
    return Engine(device, threads, memory)


def onto_cpu(engine: Engine) -> Engine:
    """Return the same on the CPU, with the memory that is free there; what torch keeps of the GPU's is given back."""
    if engine.device.type == "cuda" and torch.cuda.is_available():
        torch.cuda.empty_cache()
    return Engine(torch.device("cpu"), engine.threads, _planned(free_memory_bytes()))


def _planned(free_bytes: int) -> int:
    return max(_LEAST_MEMORY, int(free_bytes * SHARE_OF_MEMORY))


def name_of(device: torch.device) -> str:
    """Return what people call the device."""
    return "CPU" if device.type == "cpu" else torch.cuda.get_device_name(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory was short, on whatever device: torch raises a RuntimeError on the CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


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
