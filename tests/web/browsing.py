"""A real server and a real browser for the tests of the page."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

__all__ = ["CHROMIUM", "Server", "browser", "open_page", "running_server", "until"]

expect.set_options(timeout=20_000)  # ms; a machine that does other work, too, is no fault of the page
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--disable-quic",
]  # fmt: skip


@dataclass
class Server:
    """A running ``weft serve``."""

    process: subprocess.Popen[str]
    link: str
    folder: Path

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


@contextlib.contextmanager
def running_server(folder: Path, *flags: str) -> Iterator[Server]:
    """Start ``weft serve`` on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "weft", "serve", "--json", "-C", str(folder), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        yield Server(process, facts["link"], folder)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium."""
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=_ARGS)
        try:
            yield started
        finally:
            started.close()


def open_page(
    started: Browser,
    link: str,
    *,
    theme: str = "dark",
    size: tuple[int, int] = (1280, 720),
    query: str = "",
    **more: Any,
) -> tuple[BrowserContext, Page]:
    """Open the page by its link and wait until the images are there; faults of the page fail the test."""
    context = started.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="light" if theme == "light" else "dark", **more
    )
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.faults = faults  # type: ignore[attr-defined]
    head, _, fragment = link.partition("#")
    page.goto(f"{head}{query}#{fragment}")
    until(page, lambda: page.evaluate("performance.getEntriesByName('weft:items').length") > 0)
    return context, page


def until(page: Page, condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for a condition; the page's policy forbids the eval that Playwright's own waiting needs."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("this did not come true in time")
        page.wait_for_timeout(40)
