"""Runs weft for tests: as a process of its own without network, or in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from weft.cli.main import main

__all__ = ["ONE_THREAD", "WEFT", "call_weft", "read_json", "run_weft"]

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
# what no test may do: reach another machine
_GUARD = """
import socket, sys
def refuse(self, address, *more):
    if isinstance(address, tuple) and address[0] not in {"127.0.0.1", "::1", "localhost"}:
        raise AssertionError(f"reached for {address}")
    return connect(self, address, *more)
connect = socket.socket.connect
socket.socket.connect = refuse
from weft.cli.main import main
sys.exit(main())
"""
WEFT = (sys.executable, "-c", _GUARD)


def run_weft(folder: Path, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Run weft in a process and make sure of its exit code; None takes any."""
    done = subprocess.run(
        [*WEFT, *words], cwd=folder, env=ONE_THREAD, capture_output=True, text=True, check=False, timeout=500
    )
    assert code is None or done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def read_json(folder: Path, *words: str) -> Any:
    """Return what weft prints with ``--json``."""
    return json.loads(run_weft(folder, *words, "--json").stdout)


def call_weft(folder: Path, *words: str) -> int:
    """Run weft in this process and return its exit code."""
    return main([words[0], "-C", str(folder), *words[1:]])
