"""What the schema says of each key, as plain values: for the command line, the form, the file and the docs."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from weft.errors import SettingsError
from weft.settings.schema import Settings

__all__ = [
    "KeyInfo",
    "TableInfo",
    "describe_key",
    "describe_settings",
    "iterate_keys",
    "nearest",
    "parse_words",
    "schema_json",
]

TRUE_WORDS = frozenset({"true", "yes", "on", "1"})
FALSE_WORDS = frozenset({"false", "no", "off", "0"})
_SPECIAL = {  # what a pattern or a validator allows cannot be told from the type
    "grid": "a grid of nodes such as 2x2x1 or 1x1xn",
    "device": '"auto", "cpu", "cuda" or "cuda:N"',
}


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """One key of ``weft.toml``.

    Parameters
    ----------
    table, key : str
        Where it stands.
    description : str
        One sentence.
    unit, warp : str
        Unit, and the name in Warp's panels; empty if none.
    default : Any
        None if the key may be left out.
    allowed : str
        What may be written there, in words.
    words : tuple of int
        How many words a value has on the command line: ``(1,)``, ``(2,)`` for a pair.
    choices : tuple of str
        Words with a meaning of their own (``auto``), empty if none.
    is_switch, is_optional, is_text : bool
        True or false; may be none; a text or path rather than a number.
    """

    table: str
    key: str
    description: str
    unit: str
    warp: str
    default: Any
    allowed: str
    words: tuple[int, ...]
    choices: tuple[str, ...]
    is_switch: bool
    is_optional: bool
    is_text: bool

    @property
    def name(self) -> str:
        """``table.key``."""
        return f"{self.table}.{self.key}"


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table of ``weft.toml`` with its keys."""

    name: str
    description: str
    keys: tuple[KeyInfo, ...]


@cache
def describe_settings() -> tuple[TableInfo, ...]:
    """Return all tables in the order of the schema."""
    tables = []
    for name, field in Settings.model_fields.items():
        model = field.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        keys = tuple(_describe(name, key, info) for key, info in model.model_fields.items())
        tables.append(TableInfo(name, (model.__doc__ or "").strip().splitlines()[0], keys))
    return tuple(tables)


def describe_key(name: str) -> KeyInfo:
    """Return what is known of ``table.key``.

    Raises
    ------
    SettingsError
        If there is no such key; the nearest one is named.

    Examples
    --------
    >>> describe_key("ctf.window_px").default
    512
    """
    for table in describe_settings():
        for info in table.keys:
            if info.name == name:
                return info
    raise SettingsError(f"{name}: there is no such setting; {nearest(name)}")


def iterate_keys() -> Iterator[KeyInfo]:
    """Yield every key of every table."""
    for table in describe_settings():
        yield from table.keys


def nearest(name: str) -> str:
    """Return a phrase that names the known key (or table) nearest to a wrong one.

    Examples
    --------
    >>> nearest("ctf.rang_A")
    'the nearest is ctf.range_A'
    """
    tables = {table.name: [info.name for info in table.keys] for table in describe_settings()}
    if "." not in name:
        found = difflib.get_close_matches(name, tables, 1, 0.5)
        elsewhere = [key for keys in tables.values() for key in keys if key.split(".")[1] == name]
        if elsewhere:
            return f"the nearest is {elsewhere[0]}"
        return f"the nearest is [{found[0]}]" if found else f"the tables are {', '.join(tables)}"
    key = name.split(".", 1)[1]
    everywhere = [full for keys in tables.values() for full in keys]
    same = [full for full in everywhere if full.split(".")[1] == key]
    folded = {full.lower().replace("-", "_"): full for full in everywhere}
    found = difflib.get_close_matches(name.lower().replace("-", "_"), folded, 1, 0.4)
    if same:
        return f"the nearest is {same[0]}"
    return f"the nearest is {folded[found[0]]}" if found else "`weft config schema` lists all"


def parse_words(info: KeyInfo, words: Sequence[str]) -> Any:
    """Return the value that words of the command line mean; checking it is the schema's work.

    Parameters
    ----------
    info : KeyInfo
        The key.
    words : sequence of str
        As typed; a pair may be one word with a comma. ``none`` means left out, where that is allowed.

    Examples
    --------
    >>> parse_words(describe_key("ctf.range_A"), ["40", "5"])
    [40, 5]
    """
    parts = [part for word in words for part in word.split(",")] if 2 in info.words else list(words)
    if len(parts) == 1:
        word = parts[0]
        if info.is_optional and word.lower() == "none":
            return None
        if word in info.choices or info.is_text:
            return word
        if info.is_switch:
            return True if word.lower() in TRUE_WORDS else False if word.lower() in FALSE_WORDS else word
        return _number(word)
    return [_number(part) for part in parts]


def schema_json() -> dict[str, Any]:
    """Return the JSON schema of ``weft.toml``."""
    return Settings.model_json_schema()


def _number(word: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _describe(table: str, key: str, field: FieldInfo) -> KeyInfo:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    parts = [part for part in _alternatives(field.annotation) if part is not type(None)]
    limits = _limits([*field.metadata, *_inner_metadata(field.annotation)])
    is_pair = any(get_origin(part) is tuple for part in parts)
    phrases = [_SPECIAL.get(key, "") or _phrase(part, limits) for part in parts]
    return KeyInfo(
        table=table,
        key=key,
        description=field.description or "",
        unit=str(extra.get("unit", "")),
        warp=str(extra.get("warp", "")),
        default=field.default,
        allowed=" or ".join(dict.fromkeys(phrases)),
        words=(2,) if is_pair else (1,),
        choices=tuple(c for part in parts if get_origin(part) is Literal for c in get_args(part) if isinstance(c, str)),
        is_switch=bool in parts,
        is_optional=type(None) in _alternatives(field.annotation),
        is_text=any(part in {str, Path} for part in parts),
    )


def _alternatives(annotation: Any) -> list[Any]:
    """Return the members of a union, annotations taken off."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return [part for member in get_args(annotation) for part in _alternatives(member)]
    return [annotation]


def _inner_metadata(annotation: Any) -> list[Any]:
    """Return what the members of a union are annotated with."""
    found = [item for member in get_args(annotation) for item in _inner_metadata(member)]
    if get_origin(annotation) is Annotated:
        found += [item for note in annotation.__metadata__ if isinstance(note, FieldInfo) for item in note.metadata]
    return found


def _limits(metadata: Sequence[Any]) -> str:
    """Return the limits of a number in words."""
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    found = [f"{word} {getattr(item, name):g}" for item in metadata for name, word in words.items() if _has(item, name)]
    found += [f"a multiple of {item.multiple_of}" for item in metadata if _has(item, "multiple_of")]
    return " and ".join(found)


def _has(item: Any, name: str) -> bool:
    return isinstance(getattr(item, name, None), int | float)


def _phrase(part: Any, limits: str) -> str:
    """Return what a type allows in words."""
    simple = {bool: "true or false", str: "a text", Path: "a path"}
    if part in simple:
        return simple[part]
    if part in {int, float}:
        noun = "a whole number" if part is int else "a number"
        return f"{noun} {limits}".strip()
    if get_origin(part) is tuple:
        return "two numbers"
    if get_origin(part) is Literal:
        return " or ".join(_choice(choice) for choice in get_args(part))
    return str(part)


def _choice(choice: Any) -> str:
    return f'"{choice}"' if isinstance(choice, str) else str(choice)
