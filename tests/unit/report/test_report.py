"""The report: one file, well-formed, complete, without anything from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from weft.cli.main import main
from weft.report import report_html
from weft.report.figures import Axes, Points, bars, coverage, plot, ticks
from weft.series.store import write_series
from weft.settings.file import settings_text
from weft.settings.schema import Settings
from weft.simulate.records import SeriesTruth, draw_series
from weft.state.decisions import append
from weft.state.project import Project
from weft.state.records import write_record

VOID = {"meta", "img", "br", "line", "circle", "rect", "polyline"}


class Balance(HTMLParser):
    """Fails where tags do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "weft.toml").write_text(settings_text(Settings()))
    project = Project.open(tmp_path)
    one = draw_series(SeriesTruth(name="TS_07", faults={4: "dark"}), np.random.default_rng(1))
    write_series(project.out, [one.series])
    (project.out / "records").mkdir(parents=True)
    for name, record in one.records.items():
        write_record(project.path("record", name), record)
    append(project.out, ["TS_07_009"], "drop", reason="<b>grid & bar</b>")
    return project


def test_the_report_tells_what_is_known(project: Project) -> None:
    from weft.series.store import read_series

    text = report_html(project, read_series(project.out))
    balance = Balance()
    balance.feed(text)
    assert balance.open == []
    assert "TS_07" in text
    assert "hand +1" in text
    assert "TS_07_004: " in text
    assert "&lt;b&gt;grid &amp; bar&lt;/b&gt;" in text
    assert len(text) < 300_000


def test_nothing_is_fetched_from_elsewhere(project: Project) -> None:
    from weft.series.store import read_series

    text = report_html(project, read_series(project.out))
    assert "<script" not in text
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert "http" not in text.replace("http-equiv", "")


def test_the_verb_writes_the_file(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--dry-run", "-C", str(project.folder)]) == 0
    assert not (project.out / "report.html").exists()
    assert main(["report", "-C", str(project.folder)]) == 0
    assert "report.html" in capsys.readouterr().out
    assert (project.out / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_an_empty_project_has_a_report(tmp_path: Path) -> None:
    (tmp_path / "weft.toml").write_text(settings_text(Settings()))
    assert main(["report", "-C", str(tmp_path)]) == 0


def test_a_point_lies_where_it_should() -> None:
    axes = Axes("x", "y", (0.0, 10.0), (0.0, 10.0))
    figure = plot(axes, [Points([0.0, 10.0, float("nan")], [0.0, 10.0, 1.0])])
    places = re.findall(r'<circle class="used" cx="([\d.]+)" cy="([\d.]+)"', figure)
    assert places == [("48.0", "174.0"), ("410.0", "10.0")]


def test_ticks_are_round_and_inside() -> None:
    for low, high in ((-62.0, 61.0), (0.0, 1.0), (3.41, 3.47), (1e-4, 5e-3)):
        found = ticks(low, high)
        assert 3 <= len(found) <= 13
        assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)


def test_figures_of_nothing_say_so() -> None:
    assert "nothing to show" in plot(Axes("x", "y"), [Points([], [])])
    assert "nothing to show" in bars(Axes("x", "y"), [0.0], [0.0, 1.0])
    assert coverage([0.0], [True], [0]).count("<line") == 1
