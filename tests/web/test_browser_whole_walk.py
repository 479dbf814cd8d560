"""The reference walk in a browser, from a folder without anything to stacks: a real server, a real run, real files.

With ``WEFT_PICTURES`` naming a folder, the pictures of the docs are written there on the way.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from browsing import CHROMIUM, open_page, running_server, until
from PIL import Image
from playwright.sync_api import Browser, Page, expect

pytestmark = [
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]
TILT_STEP = os.environ.get("WEFT_WALK_TILT_STEP", "30")
PATIENCE_MS = 240_000
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@dataclass
class Walk:
    """A page and where it is walked."""

    page: Page
    folder: Path
    movies: int

    def picture(self, name: str) -> None:
        """Keep a picture for the docs, in both themes."""
        where = os.environ.get("WEFT_PICTURES")
        if not where:
            return
        for theme in ("dark", "light"):
            self.page.emulate_media(color_scheme=theme)
            self.page.wait_for_timeout(700)
            image = Image.open(io.BytesIO(self.page.screenshot()))
            image.convert("RGB").save(Path(where) / f"{name}-{theme}.webp", quality=72, method=6)
        self.page.emulate_media(color_scheme="dark")

    def set(self, name: str, value: str) -> None:
        """Fill one field of the settings."""
        field = self.page.locator(f"[id='set-{name}']")
        field.fill(value)
        field.press("Tab")

    def to(self, name: str) -> None:
        """Go to a page by its tab."""
        self.page.get_by_role("link", name=name).click()


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two series recorded in super-resolution, one of each hand, three tilts of each spoilt."""
    folder = tmp_path_factory.mktemp("raw") / "set"
    words = ["--series", "2", "--tilt-step", TILT_STEP, "--width", "512", "--super-resolution", "--seed", "5", "-q"]
    subprocess.run([sys.executable, "-m", "weft", "simulate", str(folder), *words], check=True, env=ENVIRONMENT)
    return folder


def test_the_whole_walk(browser: Browser, raw: Path, tmp_path: Path) -> None:
    movies = len(list((raw / "frames").iterdir()))
    folder = tmp_path / "HIV"
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "weft", "init", "-C", str(folder), "-q"], check=True, capture_output=True)

    with running_server(folder) as server:
        context, page = open_page(browser, server.link)
        walk = Walk(page, folder, movies)
        _settings(walk, raw)
        _start(walk)
        server.kill()
        context.close()
    # the run goes on without server and page; the next page finds it
    with running_server(folder) as server:
        context, page = open_page(browser, server.link)
        walk = Walk(page, folder, movies)
        _look_while_it_runs(walk)
        _deselect(walk)
        _import(walk)
        _stacks(walk)
        _afterwards(walk)
        assert page.faults == []  # type: ignore[attr-defined]
        context.close()
    _read_back(folder)


def _settings(walk: Walk, raw: Path) -> None:
    page = walk.page
    expect(page.get_by_text("No movies yet")).to_be_visible()
    page.get_by_role("button", name="Settings", exact=True).first.click()
    walk.set("input.movies", str(raw / "frames" / "*.mrc"))
    walk.set("input.mdocs", str(raw / "mdoc" / "*.mdoc"))
    walk.set("input.gain", str(raw / "gain.mrc"))
    page.locator("[id='set-input.gain_flip_x']").check()
    walk.set("input.raw_pixel_size_A", "1.35")
    walk.set("input.bin", "1")
    expect(page.get_by_test_id("settings")).to_contain_text("2.7 Å/px")
    page.locator("summary", has_text="Fiducials").click()
    walk.set("fiducials.bead_diameter_nm", "10")
    page.get_by_test_id("draft").get_by_role("button", name="Save").click()
    expect(page.get_by_test_id("counts")).to_contain_text(f"{walk.movies} used", timeout=20_000)
    walk.picture("settings")
    page.get_by_role("button", name="Settings", exact=True).first.click()
    walk.to("Checks")
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_role("button", name="Check again")).to_be_visible(timeout=60_000)
    expect(page.locator(".check-row").first).to_be_visible()
    assert page.locator(".check-row .bad").count() == 0
    walk.picture("checks")


def _start(walk: Walk) -> None:
    page = walk.page
    walk.to("Overview")
    page.get_by_test_id("start").click()
    expect(page.get_by_test_id("run-state")).to_contain_text(f"of {walk.movies}", timeout=60_000)


def _look_while_it_runs(walk: Walk) -> None:
    page = walk.page
    expect(page.get_by_test_id("run-state")).to_contain_text(f"of {walk.movies}", timeout=20_000)
    until(page, lambda: len(list((walk.folder / "weft" / "records").glob("*.json"))) >= 2, seconds=120)
    walk.to("Fourier Space")
    expect(page.locator(".fourier .numbers").get_by_label("Defocus")).not_to_have_value("0.000", timeout=60_000)
    walk.to("Overview")
    walk.picture("running")
    expect(page.get_by_test_id("run-state")).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.get_by_test_id("start")).to_be_visible()


def _deselect(walk: Walk) -> None:
    page = walk.page
    walk.picture("overview")
    page.keyboard.press("/")
    page.keyboard.type("TS_01")
    expect(page.get_by_test_id("hits")).to_have_text(f"{walk.movies // 2} of {walk.movies}")
    page.keyboard.press("Enter")
    bar = page.get_by_test_id("bar").bounding_box()
    assert bar is not None
    for step in range(8):
        page.mouse.move(bar["x"] + 6 + step * 20, bar["y"] + 40)
    expect(page.get_by_test_id("hover-card")).to_be_visible()
    walk.to("Real Space")
    page.mouse.move(400, 300)
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-mask", "shown", timeout=20_000)
    expect(page.locator(".viewer-foot")).to_contain_text("e⁻/px", timeout=20_000)
    walk.picture("real")
    walk.to("Series")
    page.keyboard.press("Home")
    page.keyboard.press("x")
    page.keyboard.press("End")
    page.keyboard.press("x")
    expect(page.get_by_test_id("counts")).to_contain_text(f"{walk.movies - 2} used · 2 out")
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("hits")).to_have_count(0)


def _import(walk: Walk) -> None:
    page = walk.page
    walk.to("Import")
    expect(page.locator("tbody tr.pick")).to_have_count(2, timeout=20_000)
    page.get_by_test_id("import").click()
    expect(page.get_by_role("button", name="Import again")).to_be_visible(timeout=60_000)
    walk.picture("import")


def _stacks(walk: Walk) -> None:
    page = walk.page
    page.get_by_role("button", name="Create stacks …").click()
    page.get_by_test_id("create-stacks").click()
    expect(page.get_by_text("✓ as decided")).to_have_count(2, timeout=120_000)
    walk.picture("export")


def _afterwards(walk: Walk) -> None:
    """Look at the series, the hand, a trial fit; a later decision marks the stack as stale."""
    page = walk.page
    walk.to("Fourier Space")
    expect(page.get_by_test_id("hand")).not_to_contain_text("Not judged", timeout=30_000)
    page.get_by_label("Range, highest resolution").fill("9")
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.get_by_text("trial, not kept")).to_be_visible(timeout=90_000)
    walk.picture("fourier")
    page.get_by_role("button", name="Forget").click()
    walk.to("Series")
    page.wait_for_timeout(500)
    walk.picture("series")
    walk.to("Log")
    expect(page.locator(".log-list li").first).to_be_visible()
    walk.picture("log")
    walk.to("Export")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    expect(page.get_by_text("you now use")).to_be_visible(timeout=20_000)
    page.keyboard.press("z")
    expect(page.get_by_text("✓ as decided")).to_have_count(2, timeout=20_000)


def _read_back(folder: Path) -> None:
    out = folder / "weft"
    dropped = 0
    for series in ("TS_01", "TS_02"):
        stack = out / "imod" / series / f"{series}.st"
        angles = np.loadtxt(out / "imod" / series / f"{series}.rawtlt")
        assert mrcfile.validate(stack, print_file=io.StringIO())
        with mrcfile.open(stack) as mrc:
            assert mrc.data.shape[0] == len(angles)
            assert float(mrc.voxel_size.x) == pytest.approx(2.7, rel=1e-4)
        assert (np.diff(angles) > 0).all()
        dropped += len(list((folder / "weft" / "records").glob(f"{series}_*.json"))) - len(angles)
    assert dropped == 2
    assert not list((out / ".staging").glob("trial-*"))
