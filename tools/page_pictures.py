"""Take the pictures of the page that the docs show, from a processed project.

    python tools/page_pictures.py PROJECT docs/pictures

The project of the present pictures: two simulated series of 41 tilts of 1024² pixels, one of each hand, three tilts of each
spoilt; imported, stacks written, then one image dropped. Needs Debian's Chromium.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "web"))
from browsing import browser, open_page, running_server

PICTURES = (
    ("overview", "dark"), ("overview", "light"), ("fourier", "dark"), ("fourier", "light"), ("real", "dark"), ("real", "light"),
    ("series", "dark"), ("series", "light"), ("import", "dark"), ("export", "light"), ("checks", "dark"),
)  # fmt: skip
QUALITY = 70


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--item", default="", help="the image on show; the first if not given")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with running_server(given.project) as server, browser() as started:
        for theme in ("dark", "light"):
            context, page = open_page(started, server.link, theme=theme)
            page.locator("nav .badge.warn").wait_for(timeout=120_000)  # suspects are judged in the background
            for name in [name for name, wanted in PICTURES if wanted == theme]:
                show(page, name, given.item)
                image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
                image.save(given.out / f"browser-{name}-{theme}.webp", quality=QUALITY, method=6)
            context.close()


def show(page: Page, name: str, item: str) -> None:
    """Go to a page and wait until it has come to rest."""
    query = f"?page={name}" + (f"&item={item}" if item else "")
    page.evaluate("(q) => { history.pushState({}, '', q); dispatchEvent(new PopStateEvent('popstate')) }", query)
    if name == "checks":
        page.get_by_role("button", name="Check now").click()
        page.get_by_role("button", name="Check again").wait_for(timeout=60_000)
    page.wait_for_timeout(4000)


if __name__ == "__main__":
    main()
