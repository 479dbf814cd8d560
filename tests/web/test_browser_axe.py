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
from playwright.sync_api import Browser, Page

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
    """Servers of projects in other states, and what to open: nothing there, half processed, failed and stale."""
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
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(running_server(folder / name)) for name in ("empty", "half", "spoilt")}


def _serious(page: Page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:120]} {node['failureSummary'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_serious_violation(shown: tuple[Browser, Server], theme: str) -> None:
    browser, server = shown
    # axe builds functions from text, which the page's own policy forbids
    context, opened = open_page(browser, server.link, theme=theme, bypass_csp=True)
    found = {}
    for page in PAGES:
        opened.evaluate(
            "(query) => { history.pushState({}, '', query); dispatchEvent(new PopStateEvent('popstate')) }",
            f"?page={page}",
        )
        opened.wait_for_timeout(350)
        found[page] = _serious(opened)
    opened.keyboard.press("?")
    found["help"] = _serious(opened)
    context.close()
    assert {page: faults for page, faults in found.items() if faults} == {}


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("state", ["empty", "half", "spoilt"])
def test_no_serious_violation_in_other_states(
    shown: tuple[Browser, Server], states: dict[str, Server], state: str, theme: str
) -> None:
    browser, _ = shown
    context, opened = open_page(browser, states[state].link, theme=theme, bypass_csp=True)
    found = {}
    for page in PAGES:
        opened.evaluate(
            "(query) => { history.pushState({}, '', query); dispatchEvent(new PopStateEvent('popstate')) }",
            f"?page={page}",
        )
        opened.wait_for_timeout(250)
        found[page] = _serious(opened)
    context.close()
    assert {page: faults for page, faults in found.items() if faults} == {}
