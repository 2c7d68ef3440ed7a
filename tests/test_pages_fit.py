"""The built docs fit their window: no text and no code is cut, on a desk, a tablet and a phone. Needs `make docs`, and a browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

api = pytest.importorskip("playwright.sync_api", reason="no browser driver: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DOCS = Path(__file__).parents[1] / "docs"
BUILT = DOCS / "_build" / "html"
PAGES = sorted(
    str(page.relative_to(BUILT)) for page in BUILT.rglob("*.html") if not {"_modules", "plane"} & set(page.parts)
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this system: apt-get install chromium"),
    pytest.mark.skipif(not PAGES, reason="no built docs: make docs"),
]

CUT = """() => {
  document.querySelectorAll('mjx-assistive-mml').forEach(e => e.remove());  // for screen readers, never seen
  const scrolls = e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
  const inside = e => { for (let p = e.parentElement; p; p = p.parentElement) if (scrolls(p)) return true; return false; };
  const edge = document.documentElement.clientWidth;
  const blocks = [...document.querySelectorAll('article :is(p, li, h1, h2, h3, h4, dt, pre, table, img, video, figure, summary)')];
  const shown = blocks.filter(e => e.offsetParent !== null && !inside(e) && !e.closest('.math'));
  return shown.filter(e => e.getBoundingClientRect().right > edge + 1
    || (e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && !scrolls(e)
    && getComputedStyle(e).display !== 'inline')).map(e => e.tagName + ': ' + e.textContent.trim().slice(0, 60));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("width", [1400, 1024, 390])
def test_nothing_on_any_page_is_cut(browser: Any, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    found = {}
    for name in PAGES:
        page.goto((BUILT / name).as_uri(), wait_until="load")
        across = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found[name] = page.evaluate(CUT) + ([f"the page scrolls sideways by {across}"] if across > 1 else [])
    page.close()
    assert {name: cut for name, cut in found.items() if cut} == {}


@pytest.mark.parametrize("source", sorted((DOCS / "notebooks").glob("*.py")), ids=lambda source: source.stem)
def test_a_notebook_shows_a_picture_below_each_cell_that_asks_for_one(source: Path) -> None:
    cells = [cell.strip() for cell in source.read_text().split("\n# %%\n")[1:]]
    code = [cell.partition("\n# %% [markdown]")[0].strip().splitlines()[-1] for cell in cells]
    asked = sum(line.startswith(("plt.show(", "Image.open(", "show(")) for line in code)
    assert (BUILT / "notebooks" / f"{source.stem}.html").read_text().count("<img ") == asked


def test_a_line_that_is_cut_is_noticed(browser: Any) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.set_content("<article><p style='white-space: nowrap'>" + "word " * 200 + "</p></article>")
    assert page.evaluate(CUT)
    page.close()
