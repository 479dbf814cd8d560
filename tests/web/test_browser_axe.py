"""axe finds no serious violation on any page, in either theme."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import CHROMIUM, Server, open_page, running_server
from browsing import browser as chromium
from playwright.sync_api import Browser

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


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("page", PAGES)
def test_no_serious_violation(shown: tuple[Browser, Server], page: str, theme: str) -> None:
    browser, server = shown
    # axe builds functions from text, which the page's own policy forbids
    context, opened = open_page(browser, server.link, theme=theme, query=f"?page={page}", bypass_csp=True)
    opened.wait_for_timeout(600)
    opened.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = opened.evaluate("axe.run(document, {resultTypes: ['violations']})")
    context.close()
    serious = [
        f"{rule['id']} ({rule['impact']}): {node['html'][:120]} {node['failureSummary'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]
    assert serious == []
