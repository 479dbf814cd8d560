from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from weft.errors import MissingError, UsageError
from weft.state import decisions


def verbs(out: Path) -> dict[str, str]:
    return {name: decision.verb for name, decision in decisions.effective(decisions.read(out)).items()}


def test_the_last_decision_about_an_item_holds(tmp_path: Path) -> None:
    decisions.append(tmp_path, ["a", "b"], "drop", reason="ice", by="ann")
    decisions.append(tmp_path, ["b"], "keep", by="bob")
    assert verbs(tmp_path) == {"a": "drop", "b": "keep"}
    assert decisions.effective(decisions.read(tmp_path))["a"].reason == "ice"


@pytest.mark.parametrize("verb", ["undo", "dropp", ""])
def test_what_is_no_decision_is_not_recorded(tmp_path: Path, verb: str) -> None:
    with pytest.raises(UsageError, match="it is keep, drop or auto"):
        decisions.append(tmp_path, ["a"], verb)  # type: ignore[arg-type]
    assert not (tmp_path / "decisions.jsonl").exists()


def test_auto_takes_the_decision_away(tmp_path: Path) -> None:
    decisions.append(tmp_path, ["a"], "drop")
    decisions.append(tmp_path, ["a"], "auto")
    assert verbs(tmp_path) == {}


def test_undo_takes_back_one_event_after_the_other(tmp_path: Path) -> None:
    decisions.append(tmp_path, ["a"], "drop")
    decisions.append(tmp_path, ["b", "c"], "drop")
    decisions.undo(tmp_path)
    assert verbs(tmp_path) == {"a": "drop"}
    decisions.undo(tmp_path)
    assert verbs(tmp_path) == {}
    with pytest.raises(MissingError, match="no decision to undo"):
        decisions.undo(tmp_path)


def test_redo_brings_back_what_undo_took(tmp_path: Path) -> None:
    decisions.append(tmp_path, ["a"], "drop")
    decisions.append(tmp_path, ["a"], "keep")
    decisions.undo(tmp_path)
    decisions.undo(tmp_path)
    decisions.redo(tmp_path)
    assert verbs(tmp_path) == {"a": "drop"}
    decisions.redo(tmp_path)
    assert verbs(tmp_path) == {"a": "keep"}
    with pytest.raises(MissingError, match="nothing to redo"):
        decisions.redo(tmp_path)


def test_a_new_decision_ends_redo(tmp_path: Path) -> None:
    decisions.append(tmp_path, ["a"], "drop")
    decisions.undo(tmp_path)
    decisions.append(tmp_path, ["b"], "drop")
    with pytest.raises(MissingError):
        decisions.redo(tmp_path)


def test_an_older_event_can_be_named_for_undo(tmp_path: Path) -> None:
    first = decisions.append(tmp_path, ["a"], "drop")
    decisions.append(tmp_path, ["b"], "drop")
    decisions.undo(tmp_path, event_id=first.id)
    assert verbs(tmp_path) == {"b": "drop"}


def test_a_torn_last_line_is_passed_over_and_not_grown_onto(tmp_path: Path) -> None:
    decisions.append(tmp_path, ["a"], "drop")
    with (tmp_path / "decisions.jsonl").open("a") as file:
        file.write('{"id": "x", "verb": "dr')
    decisions.append(tmp_path, ["b"], "drop")
    assert verbs(tmp_path) == {"a": "drop", "b": "drop"}


def test_lines_of_others_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "decisions.jsonl").write_text('42\n[]\n{"verb": "explode"}\n' + json.dumps({"items": None}) + "\n")
    assert decisions.read(tmp_path) == []


DROP_MANY = """
import sys
from pathlib import Path
from weft.state import decisions
for number in range(10):
    decisions.append(Path(sys.argv[1]), [f"{sys.argv[2]}{number}"], "drop", by=sys.argv[2])
"""


def test_decisions_of_several_processes_are_all_there_each_once(tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", DROP_MANY, str(tmp_path), who]) for who in "abc"]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    events = decisions.read(tmp_path)
    for who in "abc":
        assert [e.items[0] for e in events if e.by == who] == [f"{who}{n}" for n in range(10)]
    assert len(events) == 30
