"""``weft.toml``: read with line numbers in its errors, written with comments, changed without losing them."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

from weft.errors import MachineError, MissingError, SettingsError
from weft.settings.describe import KeyInfo, describe_key, describe_settings
from weft.settings.explain import explain
from weft.settings.schema import Settings

__all__ = [
    "SETTINGS_FILE",
    "changed_settings",
    "find_settings",
    "make_settings",
    "read_settings",
    "settings_text",
    "with_value",
]

SETTINGS_FILE = "weft.toml"
Overrides = Mapping[str, Mapping[str, Any]]
_HEAD = """\
# Settings of this Weft project. Every key is here; one with a # before it is not set.
# `weft config schema` tells more, `weft config diff` what differs from the defaults, and
# `weft run --TABLE.KEY VALUE` (for example --ctf.range_A 40 5) wins over this file for one run.
"""


def read_settings(path: Path, overrides: Overrides | None = None) -> Settings:
    """Return the settings in a file.

    Parameters
    ----------
    path : Path
        A ``weft.toml``.
    overrides : mapping of table to keys, optional
        Values that win over the file's.

    Raises
    ------
    MissingError
        If there is no such file.
    SettingsError
        If it is no TOML, or a key is unknown or has a wrong value; one line per mistake, each with its line number.
    """
    text = _read_text(path)
    return make_settings(_parse(text, path.name), overrides, text=text, file=path.name)


def find_settings(start: Path, *, is_exact: bool = False) -> Path:
    """Return the ``weft.toml`` of the project that a folder lies in, whether it can be understood or not.

    Parameters
    ----------
    start : Path
        Where to look, and above.
    is_exact : bool
        Do not look above.

    Raises
    ------
    MissingError
        If there is none.
    """
    start = start.resolve()
    for folder in (start,) if is_exact else (start, *start.parents):
        if (folder / SETTINGS_FILE).is_file():
            return folder / SETTINGS_FILE
    raise MissingError(f"{start}: no {SETTINGS_FILE} here; make one with `weft init`")


def make_settings(
    data: Mapping[str, Any], overrides: Overrides | None = None, *, text: str = "", file: str = "settings"
) -> Settings:
    """Return the settings that nested values mean.

    Parameters
    ----------
    data : mapping
        As read from a file.
    overrides : mapping of table to keys, optional
        Values of flags, which win.
    text, file : str
        What was read, and from where, for errors.

    Raises
    ------
    SettingsError
        See `read_settings`.
    """
    overrides = overrides or {}
    merged: dict[str, Any] = dict(data)
    for table, values in overrides.items():
        below = merged.get(table, {})
        merged[table] = {**below, **values} if isinstance(below, Mapping) else dict(values)

    def where(name: str) -> str:
        table, _, key = name.partition(".")
        if key in overrides.get(table, {}):
            return "command line"
        line = _line_of(text, table, key)
        return f"{file}, line {line}" if line else file

    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(explain(error, where, merged)) from None


def settings_text(settings: Settings) -> str:
    """Return a complete commented ``weft.toml``; keys without a value stand there as comments.

    Parameters
    ----------
    settings : Settings
        Values to write.
    """
    parts = [_HEAD]
    for table in describe_settings():
        values = getattr(settings, table.name)
        lines = [f"\n[{table.name}]  # {table.description}"]
        for info in table.keys:
            lines += textwrap.wrap(_comment(info), 110, initial_indent="# ", subsequent_indent="#   ")
            value = getattr(values, info.key)
            lines.append(f"# {info.key} =" if value is None else f"{info.key} = {_toml(value)}")
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)


def with_value(text: str, name: str, value: Any) -> str:
    """Return the text of a ``weft.toml`` with one value changed, comments and order kept.

    Parameters
    ----------
    text : str
        Of the file.
    name : str
        ``table.key``.
    value : Any
        None takes the key out (it becomes a comment again).

    Raises
    ------
    SettingsError
        If there is no such key, or the value is not allowed.
    """
    import tomlkit

    info = describe_key(name)
    data = _parse(text, SETTINGS_FILE)
    values = {key: old for key, old in data.get(info.table, {}).items() if key != info.key}
    trial = {**data, info.table: values if value is None else {**values, info.key: value}}
    make_settings(trial, text=text, file=SETTINGS_FILE)
    line = _line_of(text, info.table, info.key)
    lines = text.split("\n")
    if value is None:
        if line:
            lines[line - 1] = f"# {info.key} ="
        return "\n".join(lines)
    placeholder = _line_of(text, info.table, info.key, commented=True)
    if not line and placeholder:
        lines[placeholder - 1] = f"{info.key} = {_toml(value)}"
        return "\n".join(lines)
    document = tomlkit.parse(text)
    if info.table not in document:
        document[info.table] = tomlkit.table()
    document[info.table][info.key] = value
    return tomlkit.dumps(document)


def changed_settings(settings: Settings) -> dict[str, Any]:
    """Return the keys that differ from their defaults, ``table.key`` to value, in the order of the schema."""
    return {
        info.name: value
        for table in describe_settings()
        for info in table.keys
        if (value := getattr(getattr(settings, table.name), info.key)) != info.default
    }


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingError(f"{path}: no such file; make one with `weft init`") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: byte {error.start} is no UTF-8; save the file as UTF-8 text") from error
    except OSError as error:
        raise MachineError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def _parse(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = re.search(r"\(at line (\d+), column (\d+)\)", message)
        place = f"{file}, line {found[1]}, column {found[2]}" if found else file
        what = message.split(" (at ", maxsplit=1)[0]
        raise SettingsError(f"{place}: this is not TOML ({what}); texts need quotes, lists square brackets") from None


def _line_of(text: str, table: str, key: str, *, commented: bool = False) -> int:
    """Return the line (from 1) on which a key stands, or its table if `key` is empty; 0 if it cannot be told."""
    mark = r"\s*#\s*" if commented else r"\s*"
    wanted = re.compile(rf'{mark}"?{re.escape(key)}"?\s*=')
    dotted = re.compile(rf"{mark}{re.escape(table)}\s*\.\s*{re.escape(key)}\s*=")
    current = ""
    for number, line in enumerate(text.split("\n"), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            current = header[1]
            if not key and current == table:
                return number
        elif not key:
            if not current and re.match(rf"\s*{re.escape(table)}\s*[=.]", line):
                return number
        elif (current == table and wanted.match(line)) or (not current and dotted.match(line)):
            return number
    return 0


def _comment(info: KeyInfo) -> str:
    facts = [f"in {info.unit}" if info.unit else "", info.allowed if _tells(info) else ""]
    facts.append(f"Warp: {info.warp}" if info.warp else "")
    told = "; ".join(fact for fact in facts if fact)
    return f"{info.description} ({told})" if told else info.description


def _tells(info: KeyInfo) -> bool:
    """Whether what is allowed is worth a line: choices are, `a text` is not."""
    return " or " in info.allowed and not info.is_switch


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(_toml(entry) for entry in value)}]"
    text = value.as_posix() if isinstance(value, PurePath) else str(value)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _number(value: float) -> str:
    """Return 300 rather than 300.0: people read it, and the schema takes both."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)
