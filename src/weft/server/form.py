"""The settings as a form: every key of the schema with its kind, limits and value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Literal

from weft.errors import SettingsError, WeftError
from weft.io.mrc import read_mrc_header
from weft.server.models import KeyOut, TableOut
from weft.settings.describe import KeyInfo, describe_key, describe_settings, schema_json
from weft.settings.file import make_settings, with_value
from weft.settings.schema import Settings
from weft.state.project import Project

__all__ = ["as_flags", "check_changes", "form_of", "header_pixel_size_A"]

Kind = Literal["switch", "number", "whole", "pair", "text", "choice"]


def form_of(settings: Settings) -> list[TableOut]:
    """Return all tables with their keys and the values of some settings."""
    schema = schema_json()["$defs"]
    tables = []
    for table in describe_settings():
        model = type(getattr(settings, table.name)).__name__
        properties = schema[model]["properties"]
        values = getattr(settings, table.name)
        keys = [_key(info, properties[info.key], getattr(values, info.key)) for info in table.keys]
        tables.append(TableOut(name=table.name, description=table.description, keys=keys))
    return tables


def check_changes(text: str, changes: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the text of ``weft.toml`` with all changes that are allowed, and what is wrong with the others.

    Parameters
    ----------
    text : str
        Of the file.
    changes : mapping of str to Any
        ``table.key`` to value; None takes a key out.
    """
    errors: dict[str, str] = {}
    waiting = dict(changes)
    # one change may be allowed only after another (two limits moved together): go round until nothing moves
    while waiting:
        failed: dict[str, str] = {}
        for name, value in waiting.items():
            try:
                text = with_value(text, name, value)
            except SettingsError as error:
                failed[name] = _without_place(str(error), name)
        if len(failed) == len(waiting):
            errors = failed
            break
        waiting = {name: waiting[name] for name in failed}
    return text, errors


def as_flags(changes: Mapping[str, Any]) -> list[str]:
    """Return changes as flags of the command line.

    Examples
    --------
    >>> as_flags({"ctf.range_A": [40, 5.5], "ctf.enabled": False, "input.gain": None})
    ['--ctf.range_A=40,5.5', '--ctf.enabled=false', '--input.gain=none']
    """
    return [f"--{name}={_word(value)}" for name, value in changes.items() if describe_key(name)]


def header_pixel_size_A(project: Project) -> float | None:
    """Return the pixel size that the first movie's header tells; None if it does not."""
    path = next(iter(project.movies().values()), None)
    if path is None or path.suffix.lower() not in {".mrc", ".mrcs", ".st", ".map"}:
        return None
    try:
        return read_mrc_header(Path(path)).pixel_size_A
    except (WeftError, OSError):
        return None


def require_valid(text: str) -> None:
    """Check the text of a whole ``weft.toml``.

    Raises
    ------
    SettingsError
        If anything in it is wrong.
    """
    import tomllib

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"this is not TOML ({error}); texts need quotes, lists square brackets") from None
    make_settings(data, text=text, file="weft.toml")


def _key(info: KeyInfo, schema: Mapping[str, Any], value: Any) -> KeyOut:
    options = [schema, *schema.get("anyOf", ())]
    low = _limit(options, "minimum", "exclusiveMinimum")
    high = _limit(options, "maximum", "exclusiveMaximum")
    return KeyOut(
        name=info.name,
        key=info.key,
        description=info.description,
        unit=info.unit,
        warp=info.warp,
        allowed=info.allowed,
        choices=_choices(options),
        kind=_kind(info, options),
        is_optional=info.is_optional,
        minimum=low,
        maximum=high,
        step=_limit(options, "multipleOf", "multipleOf"),
        default=_plain(info.default),
        value=_plain(value),
    )


def _kind(info: KeyInfo, options: list[Mapping[str, Any]]) -> Kind:
    types = {option.get("type") for option in options}
    if info.is_switch:
        return "switch"
    if 2 in info.words:
        return "pair"
    if "number" in types:
        return "number"
    if "integer" in types and not any("enum" in option for option in options):
        return "whole"
    if any("enum" in option for option in options) and "pattern" not in schema_words(options):
        return "choice"
    return "text"


def schema_words(options: list[Mapping[str, Any]]) -> set[str]:
    """Return the keywords that a key's schema uses."""
    return {word for option in options for word in option}


def _choices(options: list[Mapping[str, Any]]) -> list[str]:
    found = [str(value) for option in options for value in option.get("enum", ())]
    return found + [str(option["const"]) for option in options if "const" in option]


def _limit(options: list[Mapping[str, Any]], *words: str) -> float | None:
    return next((float(option[word]) for option in options for word in words if word in option), None)


def _plain(value: Any) -> Any:
    if isinstance(value, PurePath):
        return value.as_posix()
    return list(value) if isinstance(value, tuple) else value


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(_word(entry) for entry in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _without_place(sentence: str, name: str) -> str:
    """Return an error's first line without the file and line that it names: the form shows the place."""
    first = next((line for line in sentence.splitlines() if name in line), sentence.splitlines()[0])
    return first.partition(": ")[2] or first
