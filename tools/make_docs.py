#!/usr/bin/env python3
"""Write docs/settings.md and docs/verbs.md from the schema and the verbs; --check only compares."""

from __future__ import annotations

import importlib
import sys
from io import StringIO
from pathlib import Path

from cyclopts import App
from rich.console import Console

from weft.cli.main import GROUPS, help_text, module_of
from weft.cli.verb import print_help
from weft.settings.describe import describe_settings
from weft.settings.explain import shown

DOCS = Path(__file__).resolve().parent.parent / "docs"
WIDTH = 100


def main() -> int:
    """Write the pages, or compare them; return 1 if they differ."""
    pages = {"settings.md": settings_page(), "verbs.md": verbs_page()}
    if "--check" not in sys.argv[1:]:
        for name, text in pages.items():
            (DOCS / name).write_text(text, encoding="utf-8")
        return 0
    stale = [name for name, text in pages.items() if (DOCS / name).read_text(encoding="utf-8") != text]
    for name in stale:
        print(f"docs/{name} is not what the code says; run tools/make_docs.py")
    return 1 if stale else 0


def settings_page() -> str:
    """Return the page of all settings."""
    lines = [
        "# Settings",
        "",
        "<!-- made by tools/make_docs.py from src/weft/settings/schema.py; edits are overwritten -->",
        "",
        "`weft init` writes all of these into `weft.toml`. Each is a flag of every verb, too, for one call:",
        "`weft run --ctf.range_A 40 5`. An unknown key is an error that names the nearest known one.",
        "*Warp* gives the name in Warp's panels.",
    ]
    for table in describe_settings():
        lines += ["", f"## `[{table.name}]`", "", table.description, ""]
        lines += ["| key | default | unit | allowed | meaning | Warp |", "|---|---|---|---|---|---|"]
        for info in table.keys:
            default = "–" if info.default is None else f"`{shown(info.default)}`"
            cells = (f"`{info.key}`", default, info.unit, info.allowed, info.description, info.warp)
            lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def verbs_page() -> str:
    """Return the page of all verbs."""
    lines = [
        "# Verbs",
        "",
        "<!-- made by tools/make_docs.py from src/weft/cli; edits are overwritten -->",
        "",
        "Results go to stdout, progress and messages to stderr. `--json` gives one document with a `schema` (`weft.error/1` when it fails);",
        "`weft run --json` prints its events, one JSON object a line.",
        "",
        "| exit code | meaning |",
        "|---|---|",
        "| 0 | done |",
        "| 1 | finished, some items failed (listed last) |",
        "| 2 | wrong usage |",
        "| 3 | bad settings or input, nothing started |",
        "| 4 | a check failed |",
        "| 5 | the machine: disk full, read-only, out of memory, GPU |",
        "| 6 | another run with other settings works in the project |",
        "| 70 | a mistake of Weft |",
        "| 130 | interrupted; the state is whole, run again to go on |",
        "",
        "```text",
        help_text(),
        "```",
    ]
    for group, verbs in GROUPS.items():
        lines += ["", f"## {group}"]
        for verb in verbs:
            app = importlib.import_module(f"weft.cli.{module_of(verb)}").app
            lines += ["", f"### `weft {verb}`", "", "```text", help_of(app, []), "```"]
            for name in sorted(command for command in app if not command.startswith("-")):
                lines += ["", f"### `weft {verb} {name}`", "", "```text", help_of(app, [name]), "```"]
    return "\n".join(lines) + "\n"


def help_of(app: App, words: list[str]) -> str:
    """Return a help text at a fixed width."""
    text = StringIO()
    print_help(app, words, Console(file=text, width=WIDTH, color_system=None))
    return "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines())


if __name__ == "__main__":
    sys.exit(main())
