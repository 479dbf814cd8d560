"""``weft config``: show and change settings."""

from __future__ import annotations

import tomllib
from typing import Annotated, Any

from cyclopts import Parameter

from weft.cli.output import document, message, say, table_text
from weft.cli.verb import DryRun, Here, make_app
from weft.errors import UsageError
from weft.settings.describe import KeyInfo, describe_key, describe_settings, iterate_keys, nearest, parse_words
from weft.settings.doubts import doubts_of
from weft.settings.explain import shown
from weft.settings.file import changed_settings, find_settings, make_settings, with_value

app = make_app(
    "config",
    "weft config get ctf.range_A\nweft config set ctf.range_A 40 5\nweft config diff\nweft config schema",
)
Keys = Annotated[str, Parameter(help="Keys such as ctf.range_A, or tables such as ctf; all if none is given.")]


@app.command
def get(*keys: Keys, call: Here) -> int:
    """Print settings as they are now."""
    settings = call.project().settings
    chosen = _chosen(keys)
    values = {info.name: getattr(getattr(settings, info.table), info.key) for info in chosen}
    if call.json:
        document("config", {"settings": values})
    elif len(values) == 1 and keys and "." in keys[0]:
        say(shown(next(iter(values.values()))))
    else:
        for info in chosen:
            say(f"{info.name} = {shown(values[info.name])}{f'  # {info.unit}' if info.unit else ''}")
    return 0


@app.command(name="set")
def set_(
    key: Annotated[str, Parameter(help="Such as ctf.range_A.")],
    *words: Annotated[str, Parameter(help="The value; `none` takes it out.", allow_leading_hyphen=True)],
    dry_run: DryRun = False,
    call: Here,
) -> int:
    """Change one setting in weft.toml; comments and order stay."""
    from weft.io.atomic import write_text

    file = find_settings(call.folder, is_exact=call.is_named)
    info = describe_key(key)
    if len(words) not in {1, *info.words}:
        raise UsageError(f"weft config set {key}: give {info.allowed} after it")
    old = file.read_text(encoding="utf-8")
    text = with_value(old, key, parse_words(info, words))
    before, value = _value_in(old, info), _value_in(text, info)
    if not dry_run:
        write_text(file, text)
    doubts = [
        sentence
        for name, sentence in doubts_of(make_settings(tomllib.loads(text))).items()
        if name.partition(".")[0] == info.table
    ]
    if call.json:
        document("config", {"key": key, "before": before, "value": value, "doubts": doubts, "dry_run": dry_run})
        return 0
    if not call.quiet:
        say(f"{key} = {shown(value)} (was {shown(before)}){'; not written' if dry_run else ''}")
    for sentence in doubts:
        message(f"warning: {sentence}")
    return 0


@app.command
def diff(*, call: Here) -> int:
    """Print the settings that differ from their defaults."""
    settings = call.project().settings
    changed = changed_settings(settings)
    if call.json:
        document(
            "config", {"changed": {k: {"value": v, "default": describe_key(k).default} for k, v in changed.items()}}
        )
        return 0
    for name, value in changed.items():
        say(f"{name} = {shown(value)}  # default: {shown(describe_key(name).default)}")
    if not changed:
        say("all settings have their defaults")
    return 0


@app.command
def schema(*keys: Keys, call: Here) -> int:
    """Print every key with its meaning, unit, default and what is allowed; with --json the JSON schema."""
    if call.json:
        from weft.settings.describe import schema_json

        document("config", {"json_schema": schema_json()})
        return 0
    rows = [
        (f"--{info.name}", shown(info.default), info.unit, info.allowed, info.description) for info in _chosen(keys)
    ]
    say(table_text(["setting", "default", "unit", "allowed", "meaning"], rows))
    return 0


def _chosen(keys: tuple[str, ...]) -> list[KeyInfo]:
    if not keys:
        return list(iterate_keys())
    chosen: list[KeyInfo] = []
    for key in keys:
        if "." in key:
            chosen.append(describe_key(key))
            continue
        table = next((table for table in describe_settings() if table.name == key), None)
        if table is None:
            raise UsageError(f"{key}: there is no such table of settings; {nearest(key)}")
        chosen += table.keys
    return chosen


def _value_in(text: str, info: KeyInfo) -> Any:
    """Return a key's value as the file has it, right or wrong; its default if it is not there."""
    return tomllib.loads(text).get(info.table, {}).get(info.key, info.default)
