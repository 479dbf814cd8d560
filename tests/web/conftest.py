"""A small processed project, and clients that talk to its server without a network."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from weft.server.app import make_app
from weft.server.security import GuardSettings
from weft.server.site import Site

with warnings.catch_warnings():
    # starlette would rather have the successor of httpx, which nothing else here needs
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parent))

from browsing import Server, open_page, running_server
from browsing import browser as chromium
from fake_project import TOKEN, FakeProject, make_project
from playwright.sync_api import Browser, Page

SERIES, TILTS = 2, 5


@pytest.fixture(scope="session")
def made_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A processed project with pictures; read it, and copy it to change it."""
    folder = tmp_path_factory.mktemp("made") / "hiv"
    make_project(FakeProject(folder, SERIES, TILTS, pictures=True, shrink=16))
    return folder


@pytest.fixture
def project_folder(made_project: Path, tmp_path: Path) -> Path:
    """A copy of the processed project, to be changed."""
    folder = tmp_path / "hiv"
    shutil.copytree(made_project, folder)
    return folder


@pytest.fixture
def site(project_folder: Path) -> Site:
    """The server's side of the project."""
    return Site(project_folder)


@pytest.fixture
def client(site: Site) -> Iterator[TestClient]:
    """A client that knows the token."""
    yield from _client(site, GuardSettings(TOKEN))


@pytest.fixture
def reader(project_folder: Path) -> Iterator[TestClient]:
    """A client of a server that was started read-only."""
    yield from _client(Site(project_folder, read_only=True), GuardSettings(TOKEN, read_only=True))


def _client(site: Site, guard: GuardSettings) -> Iterator[TestClient]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    with TestClient(make_app(site, guard), base_url="http://localhost:8765", headers=headers) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a module."""
    with chromium() as started:
        yield started


@pytest.fixture
def server(project_folder: Path) -> Iterator[Server]:
    """A server of its own for each test."""
    with running_server(project_folder) as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The page, just opened; whatever it complains about fails the test."""
    context, opened = open_page(browser, server.link)
    yield opened
    faults = opened.faults  # type: ignore[attr-defined]
    context.close()
    assert faults == []
