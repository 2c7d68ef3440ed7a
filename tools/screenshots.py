"""``python -m tools.screenshots``: take the pictures of the app and of the plane that docs and README show, in Chromium."""

import shutil
from io import BytesIO
from pathlib import Path

from benchmarks.app import served
from PIL import Image
from playwright.sync_api import sync_playwright

PLACE = Path(__file__).parents[1] / "docs" / "howto"
DONE = ".said:text('Done.')"


def main() -> None:
    """Take them; every page is shown as it opens, with its results."""
    with served() as home, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(
            base_url=home, reduced_motion="reduce", viewport={"width": 1180, "height": 826}, device_scale_factor=1.25
        )

        def take(name: str, height: int) -> None:
            page.set_viewport_size({"width": 1180, "height": height})
            picture = Image.open(BytesIO(page.screenshot()))
            picture.convert("P", palette=Image.Palette.ADAPTIVE).save(PLACE / name, optimize=True)

        page.goto("")
        page.wait_for_selector(f"#digits {DONE}", timeout=600_000)
        take("demo-draw.png", 960)
        page.click("nav a:text('Restore')")
        page.wait_for_selector(f"#restore {DONE}", timeout=600_000)
        page.click("#restore .parts >> text=Bottom")
        page.click("#restore-go")
        page.wait_for_selector(f"#restore {DONE}", timeout=600_000)
        take("demo-restore.png", 1180)
        page.goto("plane/#4")
        page.click("#from-noise")
        page.evaluate("Object.assign(plane.state.run, { speed: 2000 })")
        page.wait_for_selector("#news:text('misplaced')", state="attached")
        page.wait_for_timeout(500)
        take("plane.png", 1108)
        browser.close()


if __name__ == "__main__":
    main()
