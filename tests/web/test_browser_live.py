"""What the page does while a run is going: alarms, the newest image; flags; every export from the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browsing import CHROMIUM, Server, open_page, until
from fake_project import share_series_ctf
from fake_run import fake_run, fake_watch
from playwright.sync_api import Browser, Page, expect

pytestmark = [
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"),
    pytest.mark.filterwarnings("ignore"),
]


def test_a_limit_that_is_crossed_while_a_run_goes_is_told_until_it_was_seen(page: Page, server: Server) -> None:
    page.get_by_label("Motion: at most").fill("30")
    page.keyboard.press("Tab")
    with fake_run(server.folder, total=10, in_hand=("TS_01_001",)) as run:
        expect(page.get_by_test_id("run-state")).to_contain_text("0 of 10")
        run.finish("TS_01_002", {"motion": {"total_A": 4.0}})
        expect(page.get_by_test_id("newest")).to_contain_text("TS_01_002")
        expect(page.get_by_test_id("alarms")).to_have_count(0)
        run.finish("TS_01_003", {"motion": {"total_A": 55.0}})
        expect(page.get_by_test_id("alarms")).to_have_text("▲ 1 alarm")
        expect(page.get_by_test_id("alarm")).to_contain_text("Motion above 30 Å: 1 of the 2 images of this run")
        assert page.title().startswith("▲1 ")
        page.get_by_test_id("alarm").get_by_role("button", name="Seen").click()
        expect(page.get_by_test_id("alarm")).to_have_count(0)
        run.finish("TS_01_004", {"motion": {"total_A": 60.0}})
        expect(page.get_by_test_id("alarm")).to_contain_text("2 of the 3 images")
        page.get_by_role("button", name="Look at the newest").click()
        expect(page.locator(".bar-info .name")).to_have_text("TS_01_004")
    # who was away finds the alarm after the run
    expect(page.get_by_test_id("run-state")).to_have_count(0)
    expect(page.get_by_test_id("alarms")).to_be_visible()


def test_three_dark_images_in_a_row_raise_an_alarm(page: Page, server: Server) -> None:
    with fake_run(server.folder, total=10) as run:
        for name in ("TS_02_001", "TS_02_002", "TS_02_003"):
            run.finish(name, {"average": {"mean": 0.4}})
        page.get_by_role("link", name="Overview").click()
        expect(page.get_by_test_id("alarm")).to_contain_text("3 images in a row are dark")


def test_images_that_come_one_by_one_to_a_watch_are_judged_together(browser: Browser, server: Server) -> None:
    context, opened = open_page(browser, server.link)
    with fake_watch(server.folder) as arrive:
        expect(opened.get_by_test_id("run-state")).to_contain_text("watching, 0 done")
        opened.get_by_label("Mean intensity: at least").fill("1")
        opened.keyboard.press("Tab")
        arrive("TS_02_001", {})
        expect(opened.get_by_test_id("newest")).to_contain_text("TS_02_001")
        arrive("TS_02_002", {"average": {"mean": 0.4}})
        expect(opened.get_by_test_id("alarm")).to_contain_text("1 of the 2 images of this run")
        opened.get_by_test_id("alarm").get_by_role("button", name="Seen").click()
        arrive("TS_02_003", {"average": {"mean": 24.0}})
        expect(opened.get_by_test_id("newest")).to_contain_text("TS_02_003")
        expect(opened.get_by_test_id("alarm")).to_have_count(0)  # the next look forgets nothing that was seen
        for number, name in enumerate(("TS_01_001", "TS_01_002", "TS_01_003"), 4):
            arrive(name, {"average": {"mean": 0.4}})
            expect(opened.get_by_test_id("run-state")).to_contain_text(f"watching, {number} done")
        expect(opened.get_by_test_id("alarm").filter(has_text="3 images in a row are dark")).to_be_visible()
        late_context, late = open_page(browser, server.link)  # who comes later is told the same
        expect(late.get_by_test_id("alarm").filter(has_text="3 images in a row are dark")).to_be_visible()
        late_context.close()
    assert opened.faults == []  # type: ignore[attr-defined]
    context.close()


def test_the_fourier_page_shows_the_defocus_that_is_exported(page: Page, server: Server) -> None:
    path = server.folder / "weft" / "records" / "TS_01_003.json"
    record = json.loads(path.read_text())
    for key in ("defocus_u_A", "defocus_v_A"):
        record["ctf"]["fit"][key] += 9000
    path.write_text(json.dumps(record))
    page.get_by_role("link", name="Fourier").click()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text("not judged yet")).to_be_visible()
    with fake_run(server.folder, total=0) as run:  # at whose end the series is judged
        share_series_ctf(server.folder)
        run.say("series_done", series="TS_01", outliers=["TS_01_003"])
        expect(page.get_by_test_id("in-series-reason")).to_contain_text("µm off what the neighbours say")
    own = float(page.get_by_label("Defocus", exact=True).input_value())
    value, _, sigma = page.get_by_test_id("in-series").inner_text().removesuffix(" µm").partition(" ± ")
    assert own - float(value) > 0.5
    assert 0 < float(sigma) < 0.3
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_test_id("in-series")).to_be_visible()
    expect(page.get_by_test_id("in-series-reason")).to_have_count(0)


def test_a_flag_is_found_again_after_a_reload_and_decides_nothing(page: Page, server: Server) -> None:
    page.keyboard.press("ArrowRight")
    page.keyboard.press("f")
    expect(page.get_by_test_id("flag")).to_be_visible()
    page.reload()
    page.locator("#search").fill("flag:yes")
    expect(page.get_by_test_id("hits")).to_have_text("1 of 10")
    expect(page.locator(".bar-info .name")).to_have_text("TS_01_001")
    assert not (server.folder / "weft" / "decisions.jsonl").exists()
    page.keyboard.press("Enter")
    page.keyboard.press("f")
    expect(page.get_by_test_id("hits")).to_have_text("0 of 10")


def test_every_target_is_exported_from_the_page(page: Page, server: Server) -> None:
    page.get_by_role("link", name="Export").click()
    for target in ("Dynamo", "AreTomo", "RELION 5", "WarpTools / M"):
        page.get_by_role("button", name=target, exact=True).click()
        expect(page.get_by_text("not written")).to_have_count(2)
        page.get_by_role("button", name="Export", exact=True).click()
        expect(page.get_by_text("✓ as decided")).to_have_count(2, timeout=120_000)
    written = {path.name for path in (server.folder / "weft").iterdir() if path.is_dir()}
    assert {"aretomo", "relion", "tomostar"} <= written


def test_an_exposure_that_no_mdoc_tells_is_given_on_the_page(page: Page, server: Server) -> None:
    path = server.folder / "weft" / "series" / "TS_02.json"
    series = json.loads(path.read_text())
    for tilt in series["tilts"]:
        tilt |= {"exposure_e_A2": None, "pre_exposure_e_A2": None}
    path.write_text(json.dumps(series))
    page.get_by_role("link", name="Export").click()
    expect(page.get_by_text("not written")).to_have_count(2)
    expect(page.get_by_test_id("no-exposure")).to_have_count(0)  # stacks do without
    page.get_by_role("button", name="RELION 5", exact=True).click()
    expect(page.get_by_test_id("no-exposure")).to_contain_text("The mdocs of 1 series tell no exposure")
    page.get_by_label("Of each of their tilts").fill("2,5")
    page.get_by_role("button", name="Export 1 series").click()
    expect(page.get_by_text("✓ as decided")).to_have_count(1, timeout=120_000)
    expect(page.get_by_text("Written, and 1 file read back.")).to_be_visible()
    written = (server.folder / "weft" / "relion" / "tilt_series" / "TS_02.star").read_text()
    assert "10.0" in written  # before the fifth tilt
    assert not (server.folder / "weft" / "relion" / "tilt_series" / "TS_01.star").exists()


def scrolled_to_bar(page: Page) -> bool:
    """Scroll to the bar of images; return whether it is in view."""
    bar = page.get_by_test_id("bar")
    bar.scroll_into_view_if_needed()
    try:
        expect(bar).to_be_in_viewport(timeout=500)
    except AssertionError:
        return False
    return True


def test_zoomed_to_200_percent_every_page_fits_the_width_and_scrolls(browser: Browser, server: Server) -> None:
    context, opened = open_page(browser, server.link, size=(640, 360))
    for name in ("Overview", "Fourier Space", "Real Space", "Series", "Import", "Export", "Checks", "Log"):
        opened.get_by_role("link", name=name).click()
        expect(opened.get_by_role("link", name=name)).to_have_attribute("aria-current", "page")
        until(opened, lambda: opened.evaluate("document.documentElement.scrollWidth <= innerWidth"))
        until(opened, lambda: scrolled_to_bar(opened))  # again, should the page still move
    assert opened.faults == []  # type: ignore[attr-defined]
    context.close()


def test_the_search_completes_what_is_typed(page: Page) -> None:
    page.locator("#search").fill("TS_01 state:d")
    expect(page.locator("#search-words option")).to_have_attribute("value", "TS_01 state:done")
