from __future__ import annotations

import io
from typing import Any

import pytest

from weft.cli.output import table, table_text
from weft.cli.progress import duration_text, plain_progress, run_progress


def events(count: int) -> list[dict[str, Any]]:
    first: dict[str, Any] = {"event": "run_started", "total": count, "up_to_date": 2, "dropped": 1}
    middle: list[dict[str, Any]] = []
    for number in range(count):
        middle += [
            {"event": "item_started", "item": f"m{number}", "stages": ["motion"], "reasons": []},
            {"event": "stage_done", "item": f"m{number}", "stage": "motion", "seconds": 0.1},
        ]
        if number:
            middle.append({"event": "item_done", "item": f"m{number}", "total": count})
        else:
            middle.append({"event": "item_failed", "item": "m0", "message": "m0: is [bad]", "total": count})
    return [first, *middle, {"event": "run_finished", "done": count}]


def test_without_a_terminal_lines_tell_count_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    listen = plain_progress(every_s=0)
    for event in events(3):
        listen(event)
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert lines[0] == "3 to do, 2 up to date, 1 left out"
    assert lines[2].startswith("2 of 3 done, 1 of them failed, ")
    assert "movies/s, about 0 s left" in lines[2]
    assert len(lines) == 4


def test_of_one_run_after_the_other_each_is_counted_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    listen = plain_progress(every_s=0)
    for event in events(2) + events(1):
        listen(event)
    assert "1 of 1 done, 1 of them failed" in capsys.readouterr().err


def test_lines_come_now_and_then_only(capsys: pytest.CaptureFixture[str]) -> None:
    listen = plain_progress(every_s=1000)
    for event in events(30):
        listen(event)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with run_progress(quiet=True) as listen:
        for event in events(3):
            listen(event)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_a_bar_is_drawn_and_failures_stay_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("sys.stderr", terminal)
    with run_progress() as listen:
        for event in events(3):
            listen(event)
    text = terminal.getvalue()
    assert "failed: m0: is [bad]" in text
    assert "3/3" in text


def test_dumb_terminals_get_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with run_progress(every_s=1000) as listen:
        listen(events(1)[0])
    assert "1 to do" in capsys.readouterr().err


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0 s"), (61, "1 min 1 s"), (700, "12 min"), (7300, "2 h 1 min")])
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_tables_are_aligned_for_people_and_tab_separated_for_pipes(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("a", "1.0"), ("bcd", "12.0")]
    assert table_text(["name", ">value"], rows).splitlines() == ["name  value", "a       1.0", "bcd    12.0"]
    table(["name", ">value"], rows)
    assert capsys.readouterr().out == "name\tvalue\na\t1.0\nbcd\t12.0\n"
