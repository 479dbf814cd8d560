"""Handedness on the page: of one series, and of all together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browsing import CHROMIUM, open_page, running_server
from fake_project import HAND, TOKEN, FakeProject, make_project
from playwright.sync_api import Browser, expect
from starlette.testclient import TestClient

from weft.series.handedness import judge_hand
from weft.series.judgements import write_hand
from weft.series.known import known_series
from weft.server.app import make_app
from weft.server.security import GuardSettings
from weft.server.site import Site
from weft.state.project import Project


@pytest.fixture(scope="module")
def one_odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four series, of which TS_03 has the other hand."""
    folder = tmp_path_factory.mktemp("hands") / "hiv"
    make_project(FakeProject(folder, series=4, tilts=21))
    for path in (folder / "weft" / "records").glob("TS_03_*.json"):
        record = json.loads(path.read_text())
        fit = record["ctf"]["fit"]
        fit |= {key: -fit[key] for key in ("gradient_x", "gradient_y")}
        path.write_text(json.dumps(record))
    return folder


def asking(folder: Path) -> Iterator[TestClient]:
    """A client of a server that shows a project."""
    app = make_app(Site(folder), GuardSettings(TOKEN))
    with TestClient(app, base_url="http://localhost:8765", headers={"authorization": f"Bearer {TOKEN}"}) as client:
        yield client


def test_the_set_is_told_with_the_series_that_disagree(one_odd: Path) -> None:
    for client in asking(one_odd):
        found = client.get("/api/hand").json()
        assert found["hand"] == HAND
        assert found["disagree"] == ["TS_03"]
        assert found["agree"] == ["TS_01", "TS_02", "TS_04"]
        assert found["undecided"] == []
        assert client.get("/api/series/TS_03/hand").json()["hand"] == -HAND


def test_what_a_run_has_judged_holds_until_something_changes(one_odd: Path, tmp_path: Path) -> None:
    folder = tmp_path / "hiv"
    shutil.copytree(one_odd, folder)  # newer than all that it follows from
    project = Project.open(folder)
    series = next(one for one in known_series(project) if one.name == "TS_01")
    verdict = judge_hand(series, project.records())
    write_hand(project.out, replace(verdict, reason="told by a run"), "")
    for client in asking(folder):
        assert client.get("/api/series/TS_01/hand").json()["reason"] == "told by a run"
        client.post("/api/decisions", json={"items": ["TS_01_003"], "verb": "drop"})
        found = client.get("/api/series/TS_01/hand").json()
        assert found["images"] == verdict.images - 1
        assert found["reason"] != "told by a run"


@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium")
@pytest.mark.filterwarnings("ignore")
def test_the_page_names_the_odd_series_first_and_leads_to_it(browser: Browser, one_odd: Path) -> None:
    with running_server(one_odd) as server:
        context, page = open_page(browser, server.link, query="?page=fourier")
        told = page.get_by_test_id("set-hand")
        expect(told).to_have_text("TS_03 disagrees. All: hand −1, 3 of 4, p > 0.999.")
        expect(page.get_by_test_id("hand")).to_contain_text("hand −1")
        told.get_by_role("link", name="TS_03").click()
        expect(page.get_by_test_id("hand")).to_contain_text("hand +1")
        assert page.faults == []  # type: ignore[attr-defined]
        context.close()
