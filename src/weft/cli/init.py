"""``weft init``: look at the data and write ``weft.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from weft.cli.output import document, message, say
from weft.cli.verb import DryRun, Here, make_app
from weft.errors import MissingError, UsageError
from weft.settings.file import SETTINGS_FILE, make_settings, settings_text

app = make_app(
    "init",
    "weft init\n"
    "weft init --input.raw_pixel_size_A 0.675 --input.bin 1\n"
    "weft init /data/HIV-5-TS --movies 'frames/*.mrc' --mdocs 'mdoc/*.mdoc'",
)
_Pattern = Annotated[str | None, Parameter(help="Pattern relative to the project; found by a look if not given.")]


@app.default
def init(
    folder: Annotated[Path | None, Parameter(help="The project's folder; here if not given.")] = None,
    *,
    movies: _Pattern = None,
    mdocs: _Pattern = None,
    force: Annotated[bool, Parameter(help="Replace a weft.toml that is there.")] = False,
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Find movies, mdocs and gain reference by their content, read their headers, write a commented weft.toml.

    Settings given as flags are written into the file.
    """
    from weft.cli.look import look_at
    from weft.io.atomic import write_text

    place = (folder or call.folder).resolve()
    if not place.is_dir():
        raise MissingError(f"{place}: no such folder; give the one that holds the data")
    file = place / SETTINGS_FILE
    if file.exists() and not (force or dry_run):
        raise UsageError(f"{file}: is there already; change it with `weft config set`, or replace it with --force")
    given = _given(call.overrides, movies, mdocs)
    look = look_at(place, given.get("input", {}))
    tables = {name: {**look.settings.get(name, {}), **given.get(name, {})} for name in {*look.settings, *given}}
    settings = make_settings({}, tables)
    if not dry_run:
        write_text(file, settings_text(settings))
    if call.json:
        facts = {"found": look.found, "doubts": look.doubts, "settings": settings.model_dump(mode="json")}
        document("init", {"file": str(file), "dry_run": dry_run, **facts})
        return 0
    if not call.quiet:
        for sentence in look.found:
            say(f"found: {sentence}")
        for sentence in look.doubts:
            say(f"note:  {sentence}")
        say(f"{'would write' if dry_run else 'wrote'} {file}")
        message("next: read weft.toml, then `weft check` and `weft run`")
    return 0


def _given(overrides: Any, movies: str | None, mdocs: str | None) -> dict[str, dict[str, Any]]:
    """Return all settings that the user has told."""
    given = {table: dict(values) for table, values in overrides.items()}
    for key, value in (("movies", movies), ("mdocs", mdocs)):
        if value is not None:
            given.setdefault("input", {})[key] = value
    return given
