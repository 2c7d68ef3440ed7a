"""Pages in a real browser, used as a person would: Playwright drives the system's Chromium. Skipped where either is missing."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

STILL = {"reduced_motion": "reduce"}
DESK = {"width": 1280, "height": 720}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@contextmanager
def pages_of(home: str) -> Iterator[Callable[..., AbstractContextManager[Any]]]:
    """Yield what opens a page of these settings: on one device the same each time, emptied; another takes twice the time of most tests.

    It has no address yet. Whatever is done with it, nothing but ``home`` is asked, and the console stays free of errors.
    """
    driver = pytest.importorskip("playwright.sync_api", reason="no browser driver: pip install playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this system: apt-get install chromium")
    pages: dict[str, Any] = {}

    @contextmanager
    def page(
        viewport: Any = DESK, reduced_motion: Any = "no-preference", color_scheme: Any = "light", **device: Any
    ) -> Iterator[Any]:
        page = pages.get(f"{device}") or pages.setdefault(f"{device}", new_page(device))
        page.set_viewport_size(viewport)
        page.emulate_media(reduced_motion=reduced_motion, color_scheme=color_scheme)
        page.trouble.clear()
        yield page
        page.evaluate("sessionStorage.clear()")
        page.unroute_all()
        page.goto("about:blank")
        assert page.trouble == []

    def new_page(device: dict[str, Any]) -> Any:
        page = browser.new_context(base_url=home, **device).new_page()
        page.trouble = trouble = []
        page.on("console", lambda message: message.type in ("error", "warning") and trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith((home, "data:", "blob:")) or trouble.append(asked.url))
        return page

    with driver.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield page
        browser.close()
