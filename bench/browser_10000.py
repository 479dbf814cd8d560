"""How the page behaves with 10,000 images: first paint, key to image, filter and sort, hovering, memory.

    python bench/browser_10000.py [--folder /tmp/fake10k] [--series 244]

Makes a project that looks processed (kept in --folder if given), starts `weft serve` on it, and drives Debian's
Chromium. Figures are printed beside the targets of the design; nothing is asserted. Frames on a machine that others use
are late now and then whatever the page does: the frames while nothing happens, and while the pointer moves where
nothing is, are measured in the same run, and the processor time of the longest task of the page's thread, which other
programs do not lengthen.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "web"))
CHROMIUM_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--disable-quic",
]  # fmt: skip
EMPTY_Y = 52
FRAMES = """(() => { const t = []; let last = performance.now(); window.__frames = t;
  const go = (now) => { t.push(now - last); last = now; window.__go && requestAnimationFrame(go); };
  window.__go = true; requestAnimationFrame(go); })()"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--series", type=int, default=244)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "fake"
        images = prepare(folder, given.series)
        figures = measure(folder)
    if given.json:
        print(json.dumps({"images": images, **figures}))
        return
    print(f"{images} images")
    for name, (value, unit, target) in figures.items():
        verdict = "" if target is None else f"  target {target:g} {unit}  {'ok' if value <= target else 'ABOVE'}"
        print(f"{name:60s} {value:9.1f} {unit}{verdict}")


def prepare(folder: Path, series: int) -> int:
    """Make the project if it is not there, and return its number of movies."""
    from fake_project import FakeProject, make_project

    if not (folder / "weft.toml").exists():
        folder.mkdir(parents=True, exist_ok=True)
        make_project(FakeProject(folder, series=series))
    return sum(1 for _ in (folder / "frames").iterdir())


def measure(folder: Path) -> dict[str, tuple[float, str, float | None]]:
    """Start the server and the browser, and return value, unit and target of each figure."""
    figures: dict[str, tuple[float, str, float | None]] = {}
    for cache in (folder / "weft" / "cache").glob("rows.sqlite*"):
        cache.unlink()
    server, link, seconds = start_server(folder)
    figures["server up, no cache"] = (seconds, "s", None)
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_ARGS)
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            figures["first look: bar drawn (records read)"] = (first_paint(page, link)[1], "ms", None)
            until_quiet(link)
            opened = sorted((first_paint(page, link) for _ in range(5)), key=lambda both: both[1])
            figures["first paint, median of 5"] = (statistics.median(paint for paint, _ in opened), "ms", 1500)
            figures["all images in the bar, median of 5"] = (opened[2][1], "ms", 1500)
            figures["all images in the bar, slowest of 5"] = (opened[4][1], "ms", None)
            figures |= keys(page)
            figures |= filters(page)
            figures |= hovering(page)
            figures["browser memory (all processes)"] = (browser_memory(), "MB", 500)
            figures |= processor_time(browser, page)
            browser.close()
        figures["server memory"] = (resident(server.pid), "MB", 300)
    finally:
        server.terminate()
        server.wait(20)
    return figures


def start_server(folder: Path) -> tuple[subprocess.Popen[str], str, float]:
    """Return the server, its link and the seconds until it listened."""
    began = time.monotonic()
    server = subprocess.Popen(
        [sys.executable, "-m", "weft", "serve", "--json", "-C", str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    facts = json.loads(server.stdout.readline())
    return server, facts["link"], time.monotonic() - began


def first_paint(page: Page, link: str) -> tuple[float, float]:
    """Open the page anew; milliseconds to the first paint and to the bar with all images."""
    page.goto("about:blank")
    page.goto(link)
    # the page's policy forbids eval, which Playwright's own waiting needs
    deadline = time.monotonic() + 120
    while not page.evaluate("performance.getEntriesByName('weft:items').length") and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    page.wait_for_timeout(1500)
    paint, bar = page.evaluate(
        """() => [performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
                  performance.getEntriesByName('weft:items')[0].startTime]"""
    )
    return float(paint), float(bar)


def keys(page: Page) -> dict[str, tuple[float, str, float | None]]:
    """Walk through images in Real Space with the arrow key, slowly enough that the neighbours are there."""
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_timeout(2500)
    page.evaluate("addEventListener('keydown', () => { window.__key = performance.now(); }, true)")
    times = []
    for _ in range(60):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(90)
        shown = page.evaluate("() => performance.getEntriesByName('weft:image')[0].startTime - window.__key")
        times.append(max(0.0, shown))
        page.wait_for_timeout(160)
    times.sort()
    return {
        "key to image, neighbours cached, median": (statistics.median(times), "ms", None),
        "key to image, neighbours cached, 95 %": (times[int(0.95 * len(times))], "ms", 50),
    }


def filters(page: Page) -> dict[str, tuple[float, str, float | None]]:
    """Type a search and change the order, and wait for the bar."""

    def until_bar(script: str) -> float:
        page.evaluate("() => { window.__began = performance.now(); }")
        page.evaluate(script)
        page.wait_for_timeout(250)
        return float(page.evaluate("() => performance.getEntriesByName('weft:bar')[0].startTime - window.__began"))

    typed = """(() => { const i = document.getElementById('search'); i.value = %s;
        window.__began = performance.now(); i.dispatchEvent(new Event('input', {bubbles: true})); })()"""
    found = [
        until_bar(typed % json.dumps(text)) for text in ("TS_1", "res:>12", "TS_0[1-9]_*", "tilt:>50 -state:failed", "")
    ]
    order = """(() => { const s = document.querySelector('.bar-info select'); s.value = %s;
        window.__began = performance.now(); s.dispatchEvent(new Event('change', {bubbles: true})); })()"""
    sorts = [until_bar(order % json.dumps(text)) for text in ("tilt", "time", "name")]
    return {"filter, slowest of 5": (max(found), "ms", 100), "sort, slowest of 3": (max(sorts), "ms", 100)}


def sweep(page: Page, *, elsewhere: bool = False) -> None:
    """Move the pointer along the bar, or along an empty strip below the tabs."""
    box = page.get_by_test_id("bar").bounding_box()
    assert box is not None
    y = EMPTY_Y if elsewhere else box["y"] + 40
    for number in range(200):
        page.mouse.move(box["x"] + 20 + number * (box["width"] - 40) / 200, y)
    page.wait_for_timeout(300)


def hovering(page: Page, *, rounds: int = 3) -> dict[str, tuple[float, str, float | None]]:
    """Move the pointer along the bar on the Overview, and let it rest as long, in turn; every frame is timed."""
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_timeout(1500)

    def frames(act: Callable[[], None]) -> list[float]:
        page.evaluate(FRAMES)
        act()
        timed: list[float] = page.evaluate("() => { window.__go = false; return window.__frames; }")
        return timed[2:]

    found: dict[str, tuple[float, str, float | None]] = {}
    idle, elsewhere, hover = [], [], []
    for _ in range(rounds):
        page.mouse.move(300, EMPTY_Y)
        idle.append(frames(lambda: page.wait_for_timeout(4000)))
        elsewhere.append(frames(lambda: sweep(page, elsewhere=True)))
        hover.append(frames(lambda: sweep(page)))
    for name, runs in (("nothing happens", idle), ("hover over nothing", elsewhere), ("hover over the bar", hover)):
        timed = sorted(value for run in runs for value in run)
        for words, part in (("median", 0.5), ("95 %", 0.95), ("99 %", 0.99)):
            found[f"{name}: frame, {words} of {len(timed)}"] = (timed[int(part * (len(timed) - 1))], "ms", None)
        longest = [max(run) for run in runs]
        target = 50.0 if runs is hover else None
        found[f"{name}: longest frame, median of {rounds} runs"] = (statistics.median(longest), "ms", target)
        found[f"{name}: longest frame of all"] = (max(longest), "ms", target)
    return found


def processor_time(browser: Browser, page: Page) -> dict[str, tuple[float, str, float | None]]:
    """Return the processor time that the page's main thread takes while the pointer moves along the bar."""
    browser.start_tracing(page=page, categories=["toplevel"])
    sweep(page)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    main = {(one["pid"], one["tid"]) for one in events if one.get("args", {}).get("name") == "CrRendererMain"}
    tasks = [
        (one["dur"] / 1000, one.get("tdur", 0) / 1000)
        for one in events
        if one.get("ph") == "X" and one["name"].endswith("RunTask") and (one["pid"], one["tid"]) in main
    ]
    longest = max(tasks)
    return {
        "hover over the bar: CPU of 200 moves": (sum(cpu for _, cpu in tasks), "ms", None),
        "hover over the bar: most CPU of a task": (max(cpu for _, cpu in tasks), "ms", 50),
        "hover over the bar: task that took longest": (longest[0], "ms", None),
        "hover over the bar: CPU in that task, the rest is waiting": (longest[1], "ms", None),
    }


def until_quiet(link: str) -> None:
    """Wait until the server has planned and judged: work in the background that a project needs once."""
    address, token = link.split("#t=")

    def ask(path: str) -> Any:
        request = urllib.request.Request(f"{address}api/{path}", headers={"authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            if ask("project")["plan_counts"] and not ask("suggestions")["pending"]:
                return
        time.sleep(1)


def browser_memory() -> float:
    """Return the proportional memory of the browser's processes in MB."""
    own = set(children(Path("/proc/self").resolve().name))
    total = 0.0
    for process in own:
        command = Path(f"/proc/{process}/cmdline")
        if command.exists() and b"chromium" in command.read_bytes():
            total += proportional(process)
    return total


def children(parent: str) -> list[str]:
    """Return all processes below one."""
    parents: dict[str, Any] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[stat.parent.name] = stat.read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
    found, wave = [], [parent]
    while wave:
        wave = [process for process, above in parents.items() if above in wave]
        found += wave
    return found


def proportional(process: str) -> float:
    """Return the memory of a process in MB, shared pages divided among their users."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    main()
