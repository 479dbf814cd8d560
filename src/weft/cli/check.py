"""``weft check``: what is wrong with the input, without computing."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from weft.cli.output import counted, document, say
from weft.cli.verb import Here, make_app

app = make_app("check", "weft check\nweft check --all\nweft check --input.raw_pixel_size_A 0.675 --json")
_SIGNS = {"error": "✕", "warning": "⚠", "info": "○", "ok": "✓"}


@app.default
def check(
    *,
    show_all: Annotated[bool, Parameter(name="--all", help="Tell, too, what was looked at and is right.")] = False,
    call: Here,
) -> int:
    """Look at names, mdocs, sizes, gain, pixel sizes, exposures and room on the disk; change nothing.

    Each line says what, where and how to mend it. Exit code 4 if there is an error.
    """
    from weft.check import check_project

    project = call.project()
    findings = check_project(project)
    counts = {level: sum(one.level == level for one in findings) for level in _SIGNS}
    if call.json:
        facts = {"folder": str(project.folder), "counts": counts, "findings": [one.to_json() for one in findings]}
        document("check", facts)
    else:
        for one in findings:
            if one.level != "ok" or (show_all and not call.quiet):
                say(f"{_SIGNS[one.level]} {one.level}: {one.sentence}")
        if not call.quiet:
            say(_summary(counts))
    return 4 if counts["error"] else 0


def _summary(counts: dict[str, int]) -> str:
    bad = [counted(counts[level], level) for level in ("error", "warning") if counts[level]]
    looked = f"{counted(counts['ok'], 'thing')} looked at {'is' if counts['ok'] == 1 else 'are'} right"
    return f"{', '.join(bad)}; {looked}" if bad else f"nothing is wrong: {looked}"
