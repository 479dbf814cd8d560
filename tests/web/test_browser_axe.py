"""axe finds no serious violation on any page, in either theme."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import CHROMIUM, Server, open_page, running_server
from browsing import browser as chromium
from fake_project import FakeProject, make_project
from fake_run import fake_run
from playwright.sync_api import Browser, Page, expect

from weft.state import decisions

AXE = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = ("overview", "fourier", "real", "series", "import", "export", "checks", "log", "overview&settings=1")

pytestmark = [
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"),
    pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: run `npm ci` in web/"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def shown(made_project: Path) -> Iterator[tuple[Browser, Server]]:
    """One read-only server and one browser."""
    with running_server(made_project, "--read-only") as server, chromium() as browser:
        yield browser, server


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory, made_project: Path) -> Iterator[dict[str, Server]]:
    """Servers of projects in other states: nothing there, half processed, failed and stale, a run under way."""
    folder = tmp_path_factory.mktemp("states")
    make_project(FakeProject(folder / "empty", series=0))
    make_project(FakeProject(folder / "half", series=2, tilts=5, processed=0.5, imported=False))
    shutil.copytree(made_project, folder / "spoilt")
    record = folder / "spoilt" / "weft" / "records" / "TS_01_000.json"
    text = json.loads(record.read_text())
    text["failure"] = {
        "stage": "ctf", "message": "TS_01_000: no rings were found", "identity": text["movie"]["identity"], "inputs": {},
    }  # fmt: skip
    del text["stages"]["ctf"], text["stages"]["mask"]
    record.write_text(json.dumps({**text, "ctf": None, "mask": None}))
    settings = folder / "spoilt" / "weft.toml"
    settings.write_text(settings.read_text().replace("range_A = [40, 5]", "range_A = [30, 5]"))
    decisions.append(folder / "spoilt" / "weft", ["TS_01_001"], "drop", reason="grid bar")
    shutil.copytree(made_project, folder / "running")
    with contextlib.ExitStack() as stack:
        run = stack.enter_context(fake_run(folder / "running", total=10, in_hand=("TS_01_003", "TS_02_001")))
        run.finish("TS_01_001", {"motion": {"total_A": 55.0}})
        names = ("empty", "half", "spoilt", "running")
        yield {name: stack.enter_context(running_server(folder / name)) for name in names}


def _serious(page: Page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:120]} {node['failureSummary'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


def _faults_of_pages(opened: Page, wait_ms: int) -> dict[str, list[str]]:
    found = {}
    for page in PAGES:
        opened.evaluate(
            "(query) => { history.pushState({}, '', query); dispatchEvent(new PopStateEvent('popstate')) }",
            f"?page={page}",
        )
        opened.wait_for_timeout(wait_ms)
        found[page] = _serious(opened)
    return found


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_serious_violation(shown: tuple[Browser, Server], theme: str) -> None:
    browser, server = shown
    # axe builds functions from text, which the page's own policy forbids
    context, opened = open_page(browser, server.link, theme=theme, bypass_csp=True)
    found = _faults_of_pages(opened, 350)
    opened.keyboard.press("?")
    found["help"] = _serious(opened)
    context.close()
    assert {page: faults for page, faults in found.items() if faults} == {}


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("state", ["empty", "half", "spoilt", "running"])
def test_no_serious_violation_in_other_states(
    shown: tuple[Browser, Server], states: dict[str, Server], state: str, theme: str
) -> None:
    browser, _ = shown
    context, opened = open_page(browser, states[state].link, theme=theme, bypass_csp=True)
    if state == "running":
        expect(opened.get_by_test_id("run-state")).to_be_visible()
        opened.get_by_label("Motion: at most").fill("30")
        opened.keyboard.press("Tab")
        expect(opened.get_by_test_id("alarm")).to_be_visible()
    found = _faults_of_pages(opened, 250)
    context.close()
    assert {page: faults for page, faults in found.items() if faults} == {}


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_serious_violation_when_the_server_is_gone(
    shown: tuple[Browser, Server], project_folder: Path, theme: str
) -> None:
    browser, _ = shown
    with running_server(project_folder) as server:
        context, opened = open_page(browser, server.link, theme=theme, bypass_csp=True)
        server.kill()
        opened.keyboard.press("x")  # a decision that waits
        expect(opened.get_by_test_id("offline")).to_be_visible(timeout=20_000)
        found = _faults_of_pages(opened, 150)
        assert opened.get_by_test_id("offline").is_visible()
        context.close()
    assert {page: faults for page, faults in found.items() if faults} == {}
