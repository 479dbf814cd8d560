"""Settings of Warp into ``weft.toml``: behind ``weft import --settings``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weft.cli.output import document, message, say
from weft.cli.verb import Call
from weft.errors import MissingError
from weft.settings.file import SETTINGS_FILE, find_settings, make_settings, settings_text, with_value
from weft.settings.warp import WarpSettings, read_warp_settings

__all__ = ["import_settings", "settled"]


def import_settings(call: Call, file: Path, *, dry_run: bool) -> int:
    """Take the settings of Warp's file into this project's ``weft.toml``, which is made if there is none.

    Raises
    ------
    MissingError
        If there is no such file.
    SettingsError
        If it is no settings file of Warp, or a value is not allowed here.
    """
    from weft.io.atomic import write_text

    if not file.is_file():
        raise MissingError(f"{file}: no such file; give Warp's or WarpTools' .settings")
    try:
        toml = find_settings(call.folder, is_exact=call.is_named)
        old = toml.read_text(encoding="utf-8")
    except MissingError:
        toml, old = call.folder.resolve() / SETTINGS_FILE, ""
    found = settled(read_warp_settings(file), file.resolve().parent, toml.parent)
    values = {f"{table}.{key}": value for table, keys in found.tables.items() for key, value in keys.items()}
    if old:
        text = old
        for name, value in values.items():
            text = with_value(text, name, value)
    else:
        text = settings_text(make_settings({}, found.tables))
    if not dry_run:
        write_text(toml, text)
    _tell(call, found, values, toml, dry_run=dry_run)
    return 0


def _tell(call: Call, found: WarpSettings, values: Mapping[str, Any], toml: Path, *, dry_run: bool) -> None:
    if call.json:
        facts = {"settings": found.tables, "notes": list(found.notes), "file": str(toml), "dry_run": dry_run}
        document("import", facts)
        return
    for name, value in values.items():
        if not call.quiet:
            say(f"{name} = {_shown(value)}")
    for note in found.notes:
        message(note)
    if not call.quiet:
        say(f"{'would write' if dry_run else 'wrote'} {toml}")


def settled(found: WarpSettings, theirs: Path, ours: Path) -> WarpSettings:
    """Return settings with paths that hold from our folder; places that are not on this machine are left out and noted.

    Parameters
    ----------
    found : WarpSettings
        As read.
    theirs, ours : Path
        Folder of Warp's file, and of ``weft.toml``.
    """
    tables: dict[str, Mapping[str, Any]] = dict(found.tables)
    given = dict(tables.get("input", {}))
    notes = list(found.notes)
    for key in ("movies", "gain", "defects"):
        if key not in given:
            continue
        path = theirs / given[key]
        if not (path.parent if key == "movies" else path).exists():
            notes.append(f"{given[key]} is not on this machine, so input.{key} is not taken over; set it")
            del given[key]
        else:
            shown = Path(os.path.relpath(path, ours)).as_posix()
            given[key] = path.as_posix() if shown.startswith("../../..") else shown
    tables["input"] = given
    return WarpSettings({name: dict(table) for name, table in tables.items() if table}, tuple(notes))


def _shown(value: Any) -> str:
    return " ".join(str(part) for part in value) if isinstance(value, list | tuple) else str(value)
