"""What all verbs share: flags that work everywhere, settings as flags, errors of usage as sentences."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from cyclopts import App, CycloptsError, Parameter

from weft.errors import UsageError

if TYPE_CHECKING:
    from weft.settings.describe import KeyInfo
    from weft.state.project import Project

__all__ = ["Call", "DryRun", "Here", "call_verb", "make_app", "print_help"]

_SETTING = re.compile(r"--(?P<table>[a-z]+)\.(?P<off>no-)?(?P<key>[^=]*)(?:=(?P<value>.*))?", re.DOTALL)

DryRun = Annotated[bool, Parameter(name=("--dry-run", "-n"), negative="", help="Tell what would be done; do nothing.")]


@dataclass(frozen=True, slots=True)
class Call:
    """What every verb is told.

    Parameters
    ----------
    verb : str
        Its name.
    folder : Path
        Where to look for the project: here and above, or the folder given by ``-C``.
    is_named : bool
        Whether ``-C`` was given.
    json, quiet : bool
        ``--json`` and ``-q``.
    overrides : mapping of table to keys
        Settings given as flags.
    """

    verb: str
    folder: Path = Path()
    is_named: bool = False
    json: bool = False
    quiet: bool = False
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def project(self) -> Project:
        """Return the project that is meant.

        Raises
        ------
        MissingError
            If there is none.
        SettingsError
            If a setting is wrong.
        """
        from weft.state.project import Project

        return (Project.open if self.is_named else Project.find)(self.folder, self.overrides)


Here = Annotated[Call, Parameter(parse=False)]


def make_app(verb: str, example: str, *, takes_settings: bool = True) -> App:
    """Return a verb's application, to be given its function by ``@app.default``.

    Parameters
    ----------
    verb : str
        Name.
    example : str
        Shown first in the help, one command a line.
    takes_settings : bool
        Whether settings may be given as flags.
    """
    prologue = "\n".join(f"  {line}" for line in example.strip().splitlines())
    epilogue = "Everywhere: --json, -q, -C FOLDER (the project), --debug."
    if takes_settings:
        epilogue += " Every setting of weft.toml is a flag, too; `weft config schema` lists them."
    return App(
        name=f"weft {verb}",
        version_flags=[],
        help_flags=["--help", "-h"],
        help_format="plaintext",
        help_formatter="plain",
        help_prologue=f"Example:\n\n{prologue}\n",
        help_epilogue=epilogue,
        default_parameter=Parameter(negative=""),
    )


def call_verb(app: App, verb: str, words: Sequence[str]) -> int:
    """Parse the words of a verb and call its function.

    Raises
    ------
    UsageError
        If the words make no sense.
    WeftError
        Whatever the verb raises.
    """
    rest, after = _split(words)
    if {"-h", "--help"} & set(rest):
        print_help(app, [word for word in rest if not word.startswith("-")])
        return 0
    rest, overrides = _take_settings(rest)
    rest, flags = _take_flags(rest)
    folder = flags.get("-C")
    call = Call(
        verb=verb,
        folder=Path(folder or os.curdir),
        is_named=folder is not None,
        json="--json" in flags,
        quiet="-q" in flags,
        overrides=overrides,
    )
    try:
        command, bound, ignored = app.parse_args([*rest, *after], exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _refuse(verb, error)
    more = dict.fromkeys((name for name, kind in ignored.items() if _is_call(kind)), call)
    return int(command(*bound.args, **{**bound.kwargs, **more}) or 0)


def print_help(app: App, words: Sequence[str], console: Any = None) -> None:
    """Print a verb's help; paragraphs of docstrings are unfolded first, as the help folds them to its own width."""
    for one in (app, *(app[name] for name in app if not name.startswith("-"))):
        one.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in one.help.split("\n\n")).strip()
    app.help_print(words, console=console)


def _is_call(annotation: Any) -> bool:
    return annotation is Call or getattr(annotation, "__origin__", None) is Call


def _refuse(verb: str, error: CycloptsError) -> NoReturn:
    """Turn an error of cyclopts into our sentence."""
    what = " ".join(str(error).split()).rstrip(".")
    unused = re.fullmatch(r"Unused Tokens: \[(.*)\]", what)
    if unused:
        what = f"{unused[1]} makes no sense here"
    raise UsageError(f"weft {verb}: {what}; see `weft {verb} --help`") from None


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what stands before ``--``, and the rest with it."""
    at = list(words).index("--") if "--" in words else len(words)
    return list(words[:at]), list(words[at:])


def _take_flags(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return words without the flags that work everywhere, and those flags."""
    same = {"--quiet": "-q", "--project": "-C"}
    rest: list[str] = []
    flags: dict[str, str] = {}
    queue = list(words)
    while queue:
        word, _, value = queue.pop(0).partition("=")
        name = same.get(word, word)
        if name in {"--json", "-q"} and not value:
            flags[name] = ""
        elif name == "-C":
            if not value and not queue:
                raise UsageError(f"{word}: name the project's folder after it")
            flags[name] = value or queue.pop(0)
        else:
            rest.append(f"{word}={value}" if value else word)
    return rest, flags


def _take_settings(words: Sequence[str]) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Return words without settings, and the settings."""
    rest: list[str] = []
    overrides: dict[str, dict[str, Any]] = {}
    queue = list(words)
    while queue:
        word = queue.pop(0)
        found = _SETTING.fullmatch(word)
        if found is None:
            rest.append(word)
            continue
        from weft.settings.describe import describe_key, parse_words

        info = describe_key(f"{found['table']}.{found['key']}")
        if found["off"]:
            value: Any = False
        elif found["value"] is not None:
            value = parse_words(info, [found["value"]])
        else:
            value = parse_words(info, _take_values(info, queue))
        overrides.setdefault(info.table, {})[info.key] = value
    return rest, overrides


def _take_values(info: KeyInfo, queue: list[str]) -> list[str]:
    """Take the words of one value off the queue.

    Raises
    ------
    UsageError
        If there are too few.
    """
    from weft.settings.describe import FALSE_WORDS, TRUE_WORDS

    if info.is_switch:
        given = queue and queue[0].lower() in TRUE_WORDS | FALSE_WORDS
        return [queue.pop(0)] if given else ["true"]
    wanted = info.words[0]
    if queue and (queue[0] in info.choices or "," in queue[0] or (info.is_optional and queue[0] == "none")):
        wanted = 1
    taken = queue[:wanted]
    if len(taken) < wanted or any(word.startswith("--") for word in taken):
        raise UsageError(f"--{info.name}: give {info.allowed} after it")
    del queue[:wanted]
    return taken
