"""Every command in the documentation can be typed as it stands; those that cost little are run, page by page."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
from cyclopts import CycloptsError
from tests.export_project import Made, make_processed, movie_of

from weft.cli.main import VERBS, main, module_of
from weft.cli.verb import _take_flags, _take_settings
from weft.state.project import Project

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    path
    for path in (ROOT / "README.md", ROOT / "bench" / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if path.name != "verbs.md"  # its examples are those of the help, tested below
]
SHOWN_NAMES = {"TS_01_039": movie_of(1, 1, 3.0), "TS_03_039": movie_of(2, 1, 3.0)}
# what needs hours, a person, another machine, movies that can be read, or pictures
NOT_RUN = (
    "weft serve", "weft open", "weft demo", "weft fiducials apply", "weft fiducials train", "weft gain", "weft adopt",
    "weft view", "weft watch",
)  # fmt: skip


def commands(text: str) -> list[list[str]]:
    """Return the words of each command of ours in a page, in order."""
    lines = [
        line
        for block in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    lines += re.findall(r"^    (weft .*)$", text, re.MULTILINE)
    lines += re.findall(r"`(weft [^`]+ [^`]+)`", text)  # a verb alone is a mention
    parts = [part.strip().removeprefix("exec ") for line in lines for part in line.split(" #")[0].split("&&")]
    return [shlex.split(part)[1:] for part in parts if part.startswith("weft ")]


def refusal(words: list[str]) -> str:
    """Return why the words make no sense, empty if they do."""
    if words[0] not in VERBS:
        return "no such verb"
    app = importlib.import_module(f"weft.cli.{module_of(words[0])}").app
    rest, _ = _take_settings(words[1:])
    rest, _ = _take_flags(rest)
    try:
        app.parse_args(rest, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_command_of_a_page_can_be_parsed(page: Path) -> None:
    wrong = {" ".join(words): refusal(words) for words in commands(page.read_text(encoding="utf-8"))}
    assert {words: why for words, why in wrong.items() if why} == {}


@pytest.mark.parametrize("verb", VERBS)
def test_every_example_of_a_help_can_be_parsed(verb: str) -> None:
    app = importlib.import_module(f"weft.cli.{module_of(verb)}").app
    examples = commands(f"```\n{app.help_prologue.replace('  weft', 'weft')}\n```\n")
    assert examples
    assert {" ".join(words): why for words in examples if (why := refusal(words))} == {}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two series that look processed, and alignments of both."""
    made = make_processed(Made(tmp_path / "p", series=2))
    for name in ("TS_01", "TS_02"):
        folder = made.folder / "dynamo_alignments" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.xf").write_text("0.0819 -0.9966 0.9966 0.0819 1.5 -2.5\n" * 5)
        (folder / f"{name}.tlt").write_text("-6.00\n-3.00\n0.00\n3.00\n6.00\n")
    monkeypatch.chdir(made.folder)
    return made


@pytest.mark.parametrize("name", ["README", "walk", "series", "gold"])
def test_cheap_commands_of_a_page_run_as_they_stand(
    name: str, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    page = next(path for path in PAGES if path.stem == name)
    main(["import", "-q"])
    ran = 0
    for words in commands(page.read_text(encoding="utf-8")):
        shown = " ".join(["weft", *words])
        if shown.startswith(NOT_RUN) or re.search(r"\b(NAME|FILE|PLACE|TARGET|FOLDER)\b", shown):
            continue
        typed = [SHOWN_NAMES.get(word, word) for word in words]
        more = {"init": "--force", "run": "--dry-run"}.get(words[0])
        typed += [more] if more and more not in typed else []
        if words == ["config", "set", "fiducials.model", "mine"]:
            continue  # there is no network of this name before it was trained
        code = main(typed)
        told = capsys.readouterr().err
        assert code in ({0, 4} if words[0] == "check" else {0}), f"{shown}: {told}"  # these movies cannot be read
        ran += 1
    assert ran
    assert project.folder.is_dir()
