"""The page in a real browser against a real server, on a project that looks processed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from browsing import CHROMIUM, Server, open_page, running_server, until
from fake_project import FakeProject, make_project
from playwright.sync_api import Browser, Page, expect

from weft.io.masktiff import read_mask
from weft.state import decisions

pytestmark = [
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"),
    pytest.mark.filterwarnings("ignore"),
]


def _held(folder: Path) -> dict[str, str]:
    events = decisions.read(folder / "weft")
    return {name: decision.verb for name, decision in decisions.effective(events).items()}


def test_the_token_leaves_the_address_and_nothing_leaves_the_machine(browser: Browser, server: Server) -> None:
    asked: list[str] = []
    context = browser.new_context()
    opened = context.new_page()
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(server.link)
    expect(opened.get_by_test_id("counts")).to_contain_text("10 used")
    assert "#" not in opened.url
    token = server.link.partition("#t=")[2]
    assert all(url.startswith("http://localhost:") for url in asked)
    assert not any(token in url for url in asked)
    assert context.cookies() == []
    context.close()


def test_without_the_token_the_page_says_what_to_do(browser: Browser, server: Server) -> None:
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(server.link.partition("#")[0])
    expect(opened.get_by_text("weft serve")).to_be_visible()
    opened.goto(server.link.partition("#")[0] + "#t=wrong")
    opened.reload()
    expect(opened.get_by_text("Paste it into the address bar")).to_be_visible()
    context.close()


def test_search_drop_undo_and_reload(page: Page, server: Server) -> None:
    page.keyboard.press("/")
    page.keyboard.type("TS_01")
    expect(page.get_by_test_id("hits")).to_have_text("5 of 10")
    page.keyboard.press("Enter")
    page.keyboard.press("End")
    expect(page.locator(".bar-info .name")).to_have_text("TS_01_004")
    page.keyboard.press("x")
    expect(page.get_by_test_id("decision")).to_have_attribute("data-verb", "drop")
    expect(page.get_by_test_id("counts")).to_contain_text("9 used · 1 out")
    until(page, lambda: _held(server.folder) == {"TS_01_004": "drop"})
    page.keyboard.press("z")
    expect(page.get_by_test_id("counts")).to_have_text("10 used")
    page.keyboard.press("Shift+Z")
    expect(page.get_by_test_id("counts")).to_contain_text("1 out")
    until(page, lambda: "item=TS_01_004" in page.url)  # the address follows up to 0.3 s later
    page.reload()
    expect(page.locator(".bar-info .name")).to_have_text("TS_01_004")
    expect(page.get_by_test_id("decision")).to_have_attribute("data-verb", "drop")
    expect(page.get_by_test_id("hits")).to_have_text("5 of 10")


def test_a_range_on_the_bar_is_dropped_together(page: Page, server: Server) -> None:
    box = page.get_by_test_id("bar").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 4, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 40, steps=4)
    page.mouse.up()
    page.get_by_role("button", name="Drop 3").click()
    until(page, lambda: len(_held(server.folder)) == 3)
    assert len(decisions.read(server.folder / "weft")) == 1


def test_hovering_shows_the_image_and_a_click_opens_it(page: Page) -> None:
    box = page.get_by_test_id("bar").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    expect(page.get_by_test_id("hover-card")).to_contain_text("TS_01_002")
    page.mouse.click(box["x"] + 60, box["y"] + 40)
    expect(page.locator(".bar-info .name")).to_have_text("TS_01_002")


def test_decisions_from_elsewhere_appear_by_themselves(browser: Browser, page: Page, server: Server) -> None:
    context, second = open_page(browser, server.link)
    second.keyboard.press("x")
    expect(page.get_by_test_id("counts")).to_contain_text("1 out")
    command = [sys.executable, "-m", "weft", "drop", "TS_02_003", "--reason", "grid bar", "-C", str(server.folder)]
    subprocess.run(command, check=True, capture_output=True)
    expect(page.get_by_test_id("counts")).to_contain_text("2 out")
    expect(second.get_by_test_id("counts")).to_contain_text("2 out")
    verbs = [(event.verb, event.items) for event in decisions.read(server.folder / "weft")]
    assert verbs == [("drop", ("TS_01_000",)), ("drop", ("TS_02_003",))]
    context.close()


def test_a_killed_server_loses_nothing_that_was_answered(browser: Browser, server: Server) -> None:
    context, opened = open_page(browser, server.link)
    answered: list[str] = []
    opened.on(
        "response",
        lambda response: answered.append(response.url) if "/decisions" in response.url and response.ok else None,
    )
    for _ in range(4):
        opened.keyboard.press("Shift+X")
    until(opened, lambda: len(answered) >= 2)
    server.kill()
    assert len(decisions.read(server.folder / "weft")) >= len(answered)
    expect(opened.get_by_test_id("offline")).to_be_visible(timeout=15_000)
    context.close()


def test_a_reason_is_kept_with_the_decision(page: Page, server: Server) -> None:
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.keyboard.press("x")
    page.get_by_role("button", name="grid bar").click()
    until(page, lambda: [event.reason for event in decisions.read(server.folder / "weft")] == ["", "grid bar"])
    expect(page.locator(".viewer-side")).to_contain_text("Reason: grid bar")


def test_a_mask_is_painted_and_taken_back(page: Page, server: Server) -> None:
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.get_by_role("button", name="Paint mask").click()
    edited = server.folder / "weft" / "mask" / "TS_01_000.edit.tif"
    box = page.get_by_test_id("viewer").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-mask", "shown", timeout=20_000)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y, steps=3)
    page.mouse.up()
    until(page, edited.exists)
    mask = read_mask(edited)
    middle = mask[mask.shape[0] // 2 - 8 : mask.shape[0] // 2 + 8, mask.shape[1] // 2 - 8 : mask.shape[1] // 2 + 8]
    assert middle.any()
    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Undo painting").click()
    until(page, lambda: not edited.exists())


def test_settings_tell_what_becomes_stale_before_they_are_saved(page: Page, server: Server) -> None:
    page.get_by_role("button", name="Settings").click()
    field = page.get_by_label("ctf.range_A, first")
    field.fill("30")
    field.press("Tab")
    expect(page.get_by_test_id("consequences")).to_contain_text("Makes 10 images stale", timeout=20_000)
    assert "range_A = [40, 5]" in (server.folder / "weft.toml").read_text()
    page.get_by_test_id("draft").get_by_role("button", name="Save").click()
    until(page, lambda: "range_A = [30, 5]" in (server.folder / "weft.toml").read_text())
    expect(page.get_by_test_id("stale")).to_contain_text("10 images", timeout=20_000)


def test_a_wrong_setting_is_told_at_its_field(page: Page) -> None:
    page.get_by_role("button", name="Settings").click()
    field = page.locator("[id='set-ctf.window_px']")
    field.fill("63")
    field.press("Tab")
    expect(page.locator(".field .note.bad")).to_contain_text("multiple of 2", timeout=20_000)
    expect(page.get_by_test_id("draft").get_by_role("button", name="Save")).to_be_disabled()


def test_a_threshold_proposes_and_a_person_applies(page: Page, server: Server) -> None:
    page.get_by_label("Mean intensity: at least").fill("23.95")
    page.keyboard.press("Tab")
    expect(page.get_by_test_id("rule")).to_contain_text("mean intensity < 23.95 e⁻/px would leave out")
    assert _held(server.folder) == {}
    page.get_by_test_id("rule").get_by_role("button", name="Drop").click()
    until(page, lambda: len(_held(server.folder)) > 0)
    reasons = {decision.reason for decision in decisions.read(server.folder / "weft")}
    assert reasons == {"rule: mean intensity < 23.95 e⁻/px"}


def test_every_page_opens_in_both_themes(browser: Browser, server: Server) -> None:
    for theme in ("dark", "light"):
        context, opened = open_page(browser, server.link, theme=theme)
        for name in ("Overview", "Fourier Space", "Real Space", "Series", "Import", "Export", "Checks", "Log"):
            opened.get_by_role("link", name=name).click()
            opened.wait_for_timeout(250)
            assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert opened.faults == []  # type: ignore[attr-defined]
        context.close()


def test_back_goes_to_the_page_before(page: Page) -> None:
    page.get_by_role("link", name="Series").click()
    page.get_by_role("link", name="Real Space").click()
    page.go_back()
    expect(page.get_by_role("link", name="Series")).to_have_attribute("aria-current", "page")


def test_letters_do_nothing_while_typing(page: Page, server: Server) -> None:
    page.locator("#search").click()
    page.keyboard.type("xkux")
    page.keyboard.press("Escape")
    assert _held(server.folder) == {}


def test_read_only_shows_everything_and_changes_nothing(browser: Browser, project_folder: Path) -> None:
    with running_server(project_folder, "--read-only") as reading:
        context, opened = open_page(browser, reading.link)
        expect(opened.get_by_test_id("start")).to_be_disabled()
        opened.keyboard.press("x")
        opened.wait_for_timeout(300)
        assert _held(project_folder) == {}
        context.close()


def test_an_empty_project_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    make_project(FakeProject(tmp_path, series=0))
    with running_server(tmp_path) as empty:
        context, opened = open_page(browser, empty.link)
        expect(opened.get_by_text("No movies yet")).to_be_visible()
        (tmp_path / "frames" / "TS_01_000.mrc").write_bytes(b"new")
        expect(opened.get_by_test_id("counts")).to_contain_text("1 used", timeout=20_000)
        context.close()


def test_triage_by_keyboard_takes_one_key_a_decision(browser: Browser, tmp_path: Path) -> None:
    make_project(FakeProject(tmp_path, series=10))
    bad = {"TS_01_039", "TS_02_017", "TS_03_039", "TS_04_008"}
    with running_server(tmp_path) as running:
        context, opened = open_page(browser, running.link, query="?page=series")
        keys = 0
        order = [f"TS_{series:02d}_{index:03d}" for series in range(1, 11) for index in range(41)]
        at = 0
        for name in sorted(bad):
            series_of_bad = order.index(name) // 41
            while at // 41 < series_of_bad:
                opened.keyboard.press("Enter")
                at = (at // 41 + 1) * 41
            while order[at] != name:
                opened.keyboard.press("ArrowRight")
                at += 1
            opened.keyboard.press("x")
            keys += 1
        until(opened, lambda: set(_held(tmp_path)) == bad)
        assert keys == len(bad)
        assert opened.locator("dialog[open]").count() == 0
        context.close()


def test_enter_ticks_a_series_off_as_the_button_does(page: Page) -> None:
    page.get_by_role("link", name="Series").click()  # which keeps the focus, and must not swallow the key
    listed = page.get_by_role("navigation", name="Series").get_by_role("button")
    expect(listed.first).to_have_attribute("aria-current", "true")
    page.keyboard.press("Enter")
    expect(listed.nth(1)).to_have_attribute("aria-current", "true")
    expect(listed.first).to_contain_text("✓")
    expect(listed.nth(1)).not_to_contain_text("✓")
    until(page, lambda: "item=TS_02" in page.url)  # the address follows up to 0.3 s later
    page.reload()
    expect(listed.first).to_contain_text("✓")
    expect(listed.nth(1)).not_to_contain_text("✓")
    page.get_by_role("button", name="Done, next").click()  # the last one: ticked off where it is
    expect(listed.nth(1)).to_contain_text("✓")


def test_enter_goes_on_from_a_series_that_was_clicked_in_the_list(page: Page) -> None:
    page.get_by_role("link", name="Series").click()
    listed = page.get_by_role("navigation", name="Series").get_by_role("button")
    listed.first.click()
    page.keyboard.press("Enter")
    expect(listed.first).to_contain_text("✓")
    expect(listed.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(listed.nth(1)).to_contain_text("✓")
    expect(listed.nth(1)).to_have_attribute("aria-current", "true")
