"""How much memory is free, within the limits that a cluster or a container sets; without torch."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["SHARE_OF_MEMORY", "free_memory_bytes"]

SHARE_OF_MEMORY = 0.6  # of what is free may be planned with; the rest is for decoders, Python and other programs
_UNKNOWN = 4_000_000_000
_CGROUPS = Path("/sys/fs/cgroup")


def free_memory_bytes(*, proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> int:
    """Return the memory that is free now; 4 GB where the system does not tell.

    Parameters
    ----------
    proc, cgroups : Path
        Where the kernel tells.

    Notes
    -----
    Batch systems and containers limit a control group (versions 1 and 2) or one above it. Its pages of files that
    nobody uses any more count as free, as they do in MemAvailable.
    """
    free = []
    with contextlib.suppress(OSError, ValueError, KeyError):
        facts = dict(line.split(":", 1) for line in (proc / "meminfo").read_text(encoding="ascii").splitlines())
        free.append(int(facts["MemAvailable"].split()[0]) * 1024)
    if not free:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            free.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    for group in _groups(proc, cgroups):
        for limit, used, idle in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            with contextlib.suppress(OSError, ValueError):
                most, taken = int((group / limit).read_text()), int((group / used).read_text())
                free.append(most - taken + _stat(group, idle))
    return max(0, min(free, default=_UNKNOWN))


def _groups(proc: Path, cgroups: Path) -> list[Path]:
    """Return the folders of this process's control groups and of those above them."""
    try:
        lines = (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = [cgroups, cgroups / "memory"]
    for line in lines:
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" or "memory" in controllers.split(","):
            root = cgroups if number == "0" else cgroups / "memory"
            parts = [part for part in path.split("/") if part not in {"", ".."}]
            found += [root.joinpath(*parts[: n + 1]) for n in range(len(parts))]
    return found


def _stat(group: Path, key: str) -> int:
    """Return a line of memory.stat; 0 without it."""
    with contextlib.suppress(OSError, ValueError):
        for line in (group / "memory.stat").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == key:
                return int(value)
    return 0
