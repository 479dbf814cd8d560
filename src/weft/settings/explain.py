"""From pydantic's errors to sentences that name the key, its value and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from weft.settings.describe import iterate_keys, nearest

__all__ = ["explain", "shown"]

Where = Callable[[str], str]


def explain(error: ValidationError, where: Where, data: Mapping[str, Any]) -> str:
    """Return one sentence for each wrong key, a line each.

    Parameters
    ----------
    error : ValidationError
        Of the whole `Settings`.
    where : callable
        Gives the place of a ``table.key`` or ``table``, such as ``weft.toml, line 12``.
    data : mapping
        What was validated.
    """
    allowed = {info.name: info.allowed for info in iterate_keys()}
    sentences: dict[str, str] = {}
    for item in error.errors(include_url=False, include_context=False):
        name = ".".join(str(part) for part in item["loc"][:2])
        if name in sentences:
            continue
        if item["type"] == "extra_forbidden":
            kind = "setting" if "." in name else "table"
            sentences[name] = f"{where(name)}: there is no {kind} {name}; {nearest(name)}"
        elif item["type"] == "value_error":
            message = item["msg"].removeprefix("Value error, ")
            table = name.split(".", maxsplit=1)[0]
            culprit = next((key for key in data.get(table, {}) if message.startswith(key)), "")
            place = f"{table}.{culprit}" if culprit and "." not in name else name
            shown_name = f"{table}." if culprit else f"{name}: "
            sentences[name] = f"{where(place)}: {shown_name}{message}"
        elif "." not in name:
            sentences[name] = f"{where(name)}: [{name}] must be a table of settings, not {shown(item['input'])}"
        else:
            value = data.get(name.split(".")[0], {}).get(name.split(".")[1])
            sentences[name] = f"{where(name)}: {name} = {shown(value)}: must be {allowed[name]}"
    return "\n".join(sentences.values())


def shown(value: Any) -> str:
    """Return a value as ``weft.toml`` would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(shown(entry) for entry in value)}]"
    if isinstance(value, float):
        return f"{value:g}" if value == float(f"{value:g}") else repr(value)
    return "none" if value is None else str(value)
