from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from weft.cli.main import VERBS, main, module_of
from weft.errors import WeftError


def run(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three empty movies, being the current folder."""
    (tmp_path / "frames").mkdir()
    for name in ("TS_01_001_0.0", "TS_01_002_3.0", "TS_02_001_0.0"):
        (tmp_path / "frames" / f"{name}.mrc").write_bytes(b"\0" * 2048)
    (tmp_path / "weft.toml").write_text("[ctf]\nwindow_px = 256\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("project")
def test_a_program_that_asked_for_json_gets_errors_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(["show", "NOWHERE", "--json"], capsys)
    told = json.loads(out)
    assert told["schema"] == "weft.error/1"
    assert told["exit_code"] == code != 0
    assert told["error"] == err.strip()


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(["--help"], capsys)
    assert code == 0
    for verb, line in VERBS.items():
        assert f"{verb} " in out
        assert line in out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_that_starts_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run([verb, "--help"], capsys)
    assert code == 0
    assert out.startswith(f"Example:\n\n  weft {verb}")
    examples = out.split("\n\n")[1].splitlines()
    assert all(line.startswith("  weft ") for line in examples), "an example was folded, so it cannot be copied"
    assert importlib.import_module(f"weft.cli.{module_of(verb)}").__doc__


def test_help_folds_paragraphs_once(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(["adopt", "--help"], capsys)
    paragraph = next(part for part in out.split("\n\n") if part.startswith("They count as done")).splitlines()
    assert all(len(line) > 60 for line in paragraph[:-1])


def test_help_of_weft_loads_no_heavy_library() -> None:
    heavy = "{'torch', 'numpy', 'scipy', 'pandas', 'pydantic', 'rich', 'cyclopts', 'fastapi'}"
    code = f"import sys; from weft.cli.main import main; main(['--help']); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_verbs_that_do_not_compute_do_not_load_torch(project: Path) -> None:
    (project / "weft").mkdir()
    for words in (["ls"], ["status"], ["config", "diff"], ["run", "-n"], ["show", "TS_02"], ["drop", "-n", "TS_02"]):
        code = f"import sys; from weft.cli.main import main; main({words}); sys.exit('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stderr)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"], capsys)[1].startswith("weft 0.")


def test_no_words_print_the_help_and_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run([], capsys)
    assert code == 2
    assert "weft init" in out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["rnu"], 2, "weft rnu: there is no such verb; did you mean `weft run`?"),
        (["drop"], 2, "name at least one movie"),
        (["drop", "TS_01"], 2, '"TS_01" fits 2 items: TS_01_001_0.0, TS_01_002_3.0'),
        (["drop", "TS_03"], 3, '"TS_03" fits none of 3 items; the nearest name is TS_0'),
        (["run", "--ctf.rang_A", "40", "5"], 3, "ctf.rang_A: there is no such setting; the nearest is ctf.range_A"),
        (["run", "--ctf.range_A", "40"], 2, "--ctf.range_A: give two numbers after it"),
        (["run", "--input.bin", "-3"], 3, "command line: input.bin = -3: must be a number at least 0"),
        (["run", "--nonsense"], 2, "Unknown option: --nonsense"),
        (["undo"], 3, "there is no decision to undo"),
        (["undo", "everything"], 2, "'everything' makes no sense here"),
        (["ls", "--sort", "colour"], 2, "choose one of name"),
        (["config", "set", "ctf.range_A", "1", "2", "3"], 2, "give two numbers after it"),
        (["config", "get", "ctff"], 2, "the nearest is [ctf]"),
        (["-C", "elsewhere", "ls"], 3, "no weft.toml here"),
        (["retry"], 0, "no movie has failed"),
        (["simulate", "x", "--ctf.window_px", "64"], 2, "takes no settings"),
        (["simulate", "x", "--frames", "0"], 3, "frames = 0"),
        (["init"], 2, "is there already"),
    ],
)
def test_mistakes_are_one_sentence_and_their_exit_code(
    words: list[str], code: int, sentence: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = run(words, capsys)
    assert found == code
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    assert out == ""
    assert project.is_dir()


@pytest.mark.parametrize(
    "words",
    [
        ["drop", "TS_02"], ["keep", "TS_02"], ["auto", "TS_02"], ["undo"], ["undo", "--redo"], ["run"], ["retry"],
        ["config", "set", "ctf.range_A", "40", "6"], ["init"], ["simulate", "set"], ["demo", "demo"], ["report"],
        ["watch"], ["fiducials", "apply", "image.mrc"],
    ],
)  # fmt: skip
def test_a_dry_run_as_json_is_one_document_and_writes_nothing(
    words: list[str], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mrcfile.new(project / "image.mrc") as file:
        file.set_data(np.zeros((8, 8), np.float32))
    main(["drop", "TS_01_001"])
    if "--redo" in words:
        main(["undo"])
    capsys.readouterr()
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file() and "index" not in path.name}
    code, out, _ = run([*words, "--dry-run", "--json"], capsys)
    assert code == 0
    assert json.loads(out)["schema"] == f"weft.{words[0]}/1"
    after = {path: path.read_bytes() for path in project.rglob("*") if path.is_file() and "index" not in path.name}
    assert after == before


@pytest.mark.usefixtures("project")
def test_undo_and_its_dry_run_speak_of_the_same_decision(capsys: pytest.CaptureFixture[str]) -> None:
    main(["drop", "TS_01_001", "-r", "ice"])
    main(["keep", "TS_02"])
    capsys.readouterr()
    assert run(["undo", "-n"], capsys)[1].startswith("would be taken back: keep TS_02_001_0.0")
    assert run(["undo"], capsys)[1].startswith("taken back: keep TS_02_001_0.0")
    assert run(["undo", "--redo", "-n"], capsys)[1].startswith("would hold again: keep TS_02_001_0.0")
    assert run(["undo", "--redo"], capsys)[1].startswith("holds again: keep TS_02_001_0.0")
    assert run(["undo", "--redo"], capsys)[0] == 3


def test_a_run_that_cannot_start_leaves_no_folder(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(["run", "--input.gain", "nowhere.mrc"], capsys)
    assert code == 3
    assert "nowhere.mrc: no such file" in err
    assert not (project / "weft").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc to fail in")
@pytest.mark.usefixtures("project")
def test_an_output_folder_that_cannot_be_made_is_the_machines_fault(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(["run", "--output.folder", "/proc/weft"], capsys)
    assert code == 5
    assert "set output.folder to" in err


def test_outside_of_a_project_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(["ls"], capsys)
    assert code == 3
    assert "make one with `weft init`" in err


def test_a_project_without_movies_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(["run", "--input.movies", "nothing/*.mrc"], capsys)
    assert code == 3
    assert 'no movie fits input.movies = "nothing/*.mrc"' in err
    assert not (project / "weft").exists()


def test_flags_may_stand_before_the_verb_and_the_project_above(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project / "frames")
    code, out, _ = run(["--json", "ls"], capsys)
    assert code == 0
    document = json.loads(out)
    assert document["schema"] == "weft.ls/1"
    assert [movie["state"] for movie in document["movies"]] == ["new"] * 3


def test_dry_run_lists_stages_and_reasons_and_writes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(["run", "--dry-run", "TS_01_001"], capsys)
    assert code == 0
    assert "TS_01_001_0.0  motion, average, ctf, mask  not yet done" in out
    assert "1 of 1 movies would be processed" in out
    assert not (project / "weft" / "records").exists()


def test_a_switch_may_be_given_in_all_its_forms(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, value in (
        (["--ctf.enabled", "no"], "false"),
        (["--ctf.no-enabled"], "false"),
        (["--ctf.enabled=off"], "false"),
        (["--ctf.enabled"], "true"),
    ):
        code, out, _ = run(["config", "get", "ctf.enabled", *words], capsys)
        assert code == 0
        assert out.strip() == value
    assert project.is_dir()


def test_config_set_changes_the_file_and_diff_shows_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "set", "ctf.range_A", "30", "4"], capsys)[1].startswith("ctf.range_A = [30, 4] (was [40, 5])")
    assert run(["config", "get", "ctf.range_A"], capsys)[1] == "[30, 4]\n"
    out = run(["config", "diff"], capsys)[1]
    assert out.splitlines() == ["ctf.window_px = 256  # default: 512", "ctf.range_A = [30, 4]  # default: [40, 5]"]
    before = (project / "weft.toml").read_text()
    run(["config", "set", "input.bin", "1", "--dry-run"], capsys)
    assert (project / "weft.toml").read_text() == before


def test_config_set_says_what_another_setting_makes_void(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(["config", "set", "ctf.grid", "2x2x3"], capsys)
    assert code == 0
    assert "the 3 nodes in time are not used" in err
    assert 'grid = "2x2x3"' in (project / "weft.toml").read_text()
    assert "nodes" not in run(["config", "set", "input.bin", "1"], capsys)[2], "only of the table that was changed"
    _, out, _ = run(["config", "set", "ctf.use_movie_sum", "false", "--json"], capsys)
    assert json.loads(out)["doubts"] == []


def test_config_set_mends_a_wrong_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "weft.toml").write_text("[ctf]\nwindow_px = 255\n")
    assert run(["ls"], capsys)[0] == 3
    assert run(["config", "set", "ctf.window_px", "256"], capsys)[0] == 0
    assert run(["ls"], capsys)[0] == 0


def test_config_schema_is_the_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(["config", "schema", "--json"], capsys)
    assert "range_A" in json.loads(out)["json_schema"]["$defs"]["CtfSettings"]["properties"]


def test_unexpected_errors_are_kept_in_a_file(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_words: list[str]) -> int:
        raise KeyError("lost")

    (project / "weft" / "log").mkdir(parents=True)
    monkeypatch.setattr("weft.cli.main.call_words", broken)
    code, _, err = run(["ls"], capsys)
    assert code == 70
    kept = next((project / "weft" / "log").glob("bug-*.txt"))
    assert str(kept) in err
    assert "KeyError" in kept.read_text()
    with pytest.raises(KeyError):
        main(["ls", "--debug"])


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (KeyboardInterrupt(), 130, "stopped"),
        (MemoryError(), 5, "not enough memory"),
        (OSError(28, "No space left on device", "/data/x.mrc"), 5, "/data/x.mrc: No space left on device"),
        (WeftError("planned"), 70, "planned"),
    ],
)
def test_other_ends(
    error: BaseException,
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(_words: list[str]) -> int:
        raise error

    monkeypatch.setattr("weft.cli.main.call_words", broken)
    found, _, err = run(["ls"], capsys)
    assert found == code
    assert sentence in err


def test_simulate_writes_movies_with_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", str(tmp_path / "set"), "--series", "1", "--tilt-max", "0", "--height", "128", "--width", "128"]
    assert run([*words, "--frames", "2", "--dry-run"], capsys)[1].startswith("would write 1 movies of 2 frames")
    code, out, err = run([*words, "--frames", "2", "--seed", "5"], capsys)
    assert code == 0
    assert "1 movies in" in out
    assert "simulated 1 of 1 movies" in err
    assert (tmp_path / "set" / "truth" / "truth.json").exists()
    assert "lies here already" in run([*words, "--frames", "2"], capsys)[2]
