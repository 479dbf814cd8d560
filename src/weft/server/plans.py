"""What a run would do, asked of ``weft run --dry-run`` in a child: hashing 10,000 files is no work for the server."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from weft.errors import InputError
from weft.server.runs import ask_verb

__all__ = ["Planner", "dry_run"]

_PATIENCE_S = 300.0


def dry_run(folder: Path, flags: list[str]) -> dict[str, Any]:
    """Return the plan of a run with some settings given as flags.

    Parameters
    ----------
    folder : Path
        The project's.
    flags : list of str
        Such as ``--ctf.range_A=40,5``.

    Raises
    ------
    InputError
        If the settings are wrong, or there are no movies; with what the verb said.
    """
    done = ask_verb(folder, "run", "--dry-run", *flags, patience_s=_PATIENCE_S)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise InputError(said[-1] if said else f"`weft run --dry-run` ended with code {done.returncode}")
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


class Planner:
    """Keeps the plan of the settings in ``weft.toml`` up to date in the background.

    Parameters
    ----------
    folder : Path
        The project's.
    on_plan : callable
        Called with state and reason of each movie when a new plan is there.
    """

    def __init__(self, folder: Path, on_plan: Callable[[Mapping[str, tuple[str, str]]], None]) -> None:
        self._folder = folder
        self._on_plan = on_plan
        self._wanted: Any = None
        self._made: Any = None
        self._busy = threading.Lock()
        self.counts: dict[str, int] = {}
        self.stages: dict[str, int] = {}
        self.error = ""

    def want(self, what: Any) -> None:
        """Ask for a plan if `what` (anything that stands for settings and records) differs from the last one's."""
        self._wanted = what
        if what != self._made and self._busy.acquire(blocking=False):
            threading.Thread(target=self._make, daemon=True).start()

    def _make(self) -> None:
        try:
            while self._wanted != self._made:
                wanted = self._wanted
                self._plan()
                self._made = wanted
        finally:
            self._busy.release()

    def _plan(self) -> None:
        try:
            document = dry_run(self._folder, [])
        except (InputError, subprocess.TimeoutExpired, ValueError, OSError) as error:
            self.error = str(error)
            self._on_plan({})
            return
        self.error = ""
        self.counts = document["counts"]
        self.stages = count_stages(document)
        self._on_plan({item["name"]: (item["state"], "; ".join(item["reasons"])) for item in document["items"]})


def count_stages(document: Mapping[str, Any]) -> dict[str, int]:
    """Return how many movies each stage would be run for."""
    found: dict[str, int] = {}
    for item in document["items"]:
        for stage in item["stages"]:
            found[stage] = found.get(stage, 0) + 1
    return found
