"""``weft``: the table of verbs; each verb's file is loaded when it is called, so that help comes at once."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from weft import __version__
from weft.cli.output import json_line, message, say
from weft.errors import Interrupted, UsageError, WeftError

__all__ = ["GROUPS", "VERBS", "call_words", "help_text", "main", "module_of"]

GROUPS: dict[str, dict[str, str]] = {
    "Start": {
        "init": "look at the data and write weft.toml",
        "adopt": "take over results of Warp, WarpTools or RELION",
        "check": "find what is wrong with the input, without computing",
        "config": "show or change settings: get, set, diff, schema",
        "gain": "find how the gain reference lies on the movies, or make one of them",
        "simulate": "make movies with known truth",
        "demo": "simulate, process and compare with the truth",
    },
    "Compute": {
        "run": "process the movies that need it",
        "retry": "process again the movies that failed",
        "watch": "process movies as they arrive",
        "fiducials": "gold detectors: list, apply to images, train on your masks",
    },
    "Look": {
        "status": "what is done, what failed, who works",
        "ls": "one line per movie",
        "show": "everything about one movie",
        "view": "images in the terminal, or as PNG",
        "hand": "which way round the tilt geometry is, told by the data",
        "suggest": "images to leave out, with reasons",
        "report": "one HTML file about the whole project",
        "serve": "show the project in a browser",
        "open": "show a project on another machine in the browser here",
    },
    "Decide": {
        "drop": "leave movies out",
        "keep": "keep movies whatever is suggested",
        "auto": "take back decisions about movies",
        "undo": "take back the latest decision",
    },
    "Leave": {
        "import": "make tilt series of mdocs and movies",
        "stack": "write stacks for IMOD and Dynamo",
        "make-mdoc": "write repaired mdocs, or mdocs from a table",
        "export": "write what other programs start from: dynamo, aretomo, relion, warp, star",
    },
}
VERBS: dict[str, str] = {verb: line for group in GROUPS.values() for verb, line in group.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Words after ``weft``; those of this process if not given.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        return call_words(words)
    except WeftError as error:
        if debug:
            raise
        message(str(error))
        if "--json" in words and not isinstance(error, Interrupted):  # whose events end by themselves
            json_line({"schema": "weft.error/1", "error": str(error), "exit_code": error.exit_code})
        return error.exit_code
    except KeyboardInterrupt:
        message("stopped; what was finished is kept, and the same command goes on from there")
        return 130
    except BrokenPipeError:
        # the reader (head, less) has had enough; python must not complain about it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        from weft.cli.bug import report

        return report(error, words)


def call_words(words: list[str]) -> int:
    """Find the verb and call it.

    Raises
    ------
    UsageError
        If there is no such verb.
    WeftError
        Whatever the verb raises.
    """
    if "--version" in words[:1]:
        say(f"weft {__version__}")
        return 0
    verb = _verb_in(words)
    if verb is None or words[0] in {"-h", "--help", "help"}:
        others = [word for word in words if word not in {"-h", "--help", "help"}]
        if others and others[0] in VERBS:
            return _call(others[0], ["--help"])
        say(help_text())
        return 0 if words else 2
    if verb not in VERBS:
        raise UsageError(_unknown(verb))
    words.remove(verb)
    return _call(verb, words)


def _verb_in(words: Sequence[str]) -> str | None:
    """Return the first word that is no flag; the folder after ``-C`` is none."""
    before = ["", *words]
    for word, previous in zip(words, before, strict=False):
        if not word.startswith("-") and previous not in {"-C", "--project"}:
            return word
    return None


def _call(verb: str, words: list[str]) -> int:
    from weft.cli.verb import call_verb

    module = importlib.import_module(f"weft.cli.{module_of(verb)}")
    return call_verb(module.app, verb, words)


def module_of(verb: str) -> str:
    """Return the file of a verb: its name, with a trailing underscore where Python has the word itself."""
    return {"import": "import_"}.get(verb, verb.replace("-", "_"))


def help_text() -> str:
    """Return what ``weft --help`` prints."""
    lines = [
        "weft: from raw cryo-electron tomography movies to corrected images, CTF values, gold masks and stacks",
        "",
        "  weft init                                    look at the data here, write weft.toml",
        "  weft run                                     motion, averages, CTF, bead masks",
        "  weft drop TS_01_039 --reason 'grid bar'      leave a bad image out",
        "  weft import && weft stack                    tilt series, then stacks for IMOD and Dynamo",
        "",
    ]
    for group, verbs in GROUPS.items():
        lines.append(f"{group}:")
        lines += [f"  {verb:<10} {line}" for verb, line in verbs.items()]
    lines += [
        "",
        "Everywhere: --help, --json, -q, -C FOLDER (the project; here or above if not given), --debug, and every",
        "setting of weft.toml as a flag for this call: --ctf.range_A 40 5",
    ]
    return "\n".join(lines)


def _unknown(verb: str) -> str:
    import difflib

    near = difflib.get_close_matches(verb, VERBS, 1, 0.5)
    hint = f"did you mean `weft {near[0]}`?" if near else "`weft --help` lists all verbs"
    return f"weft {verb}: there is no such verb; {hint}"
