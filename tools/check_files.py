#!/usr/bin/env python3
"""Look at the tracked files: size, line ends, last newline, JSON and TOML, length of modules, changelog fragments."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 500_000
LONGEST = 400
MAY_BE_LARGE = ("src/weft/fiducials/weights/", "docs/", "tests/data/")
TEXT = {".py", ".md", ".toml", ".json", ".yaml", ".yml", ".sh", ".ts", ".tsx", ".css", ".html", ".txt", ""}
NOT_OURS = ("src/weft/web/",)  # built, compared with its source elsewhere
FRAGMENT = re.compile(r"\d{4}\.(added|changed|fixed|removed)\.md")


def main() -> int:
    """Print what is wrong and return 1 if something is."""
    found = list(problems())
    for sentence in found:
        print(sentence)
    return 1 if found else 0


def problems() -> Iterator[str]:
    """Yield a sentence for each fault."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        if path.stat().st_size > LARGEST and not name.startswith(MAY_BE_LARGE):
            yield f"{name}: {path.stat().st_size:,} bytes, at most {LARGEST:,} are kept here"
        if path.suffix in TEXT and not name.startswith((*NOT_OURS, "tests/data/")):
            yield from _text_problems(name, path)
    yield from _fragment_problems(sorted(path.name for path in (ROOT / "changes").iterdir()))


def _fragment_problems(names: list[str]) -> Iterator[str]:
    """Yield what is wrong with the names of the changelog's fragments."""
    taken: dict[str, str] = {}
    for name in names:
        if name == "README.md":
            continue
        if not FRAGMENT.fullmatch(name):
            yield f"changes/{name}: call it NNNN.added.md, .changed.md, .fixed.md or .removed.md"
        other = taken.setdefault(name[:4], name)
        if other != name:
            yield f"changes/{name}: {other} has this number; take the next free one"


def _text_problems(name: str, path: Path) -> Iterator[str]:
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        yield f"{name}: no UTF-8"
        return
    if "\r" in text:
        yield f"{name}: has carriage returns"
    if text and not text.endswith("\n"):
        yield f"{name}: does not end in a newline"
    lines = text.count("\n")
    if name.startswith("src/") and path.suffix == ".py" and lines > LONGEST:
        yield f"{name}: {lines} lines, at most {LONGEST}; split it by step"
    try:
        if path.suffix == ".json":
            json.loads(text)
        elif path.suffix == ".toml":
            tomllib.loads(text)
    except ValueError as error:
        yield f"{name}: {error}"


if __name__ == "__main__":
    sys.exit(main())
