"""The plane (`scorefield/app/plane`) in Chromium: how soon it moves, and frames while five samplers carry 400 particles each.

The field follows the noise level of one of them: Langevin dynamics, which stays at one level, and at last the probability flow.

Work is processor time of the page's thread in a frame, scripts, layout and drawing, by the browser's own account; the time between frames
is what is seen. Each is the best of three rounds, since other programs can only slow it. A frame of 60 a second has 16.7 ms.
"""

import importlib.util
import shutil
import statistics
from pathlib import Path

import scorefield
from benchmarks.timing import Note, Row

PAGE = Path(scorefield.__file__).parent / "app" / "plane" / "index.html"
KINDS = ("modes", "ring", "banana", "moons", "checkerboard", "empirical")
SECONDS, ROUNDS = 2, 3
MOVES = """(function look() {
    if (globalThis.plane?.state.sigma < 2.45) globalThis.moved = performance.now();
    else requestAnimationFrame(look);
})()"""
START = "Object.assign(plane.state.run, { count: 400, budget: 400, speed: 60 })"
WATCH = """seconds => new Promise(done => {
    const [frames, began] = [[], performance.now()];
    let before = began;
    requestAnimationFrame(function look(now) {
        (frames.push(now - before), (before = now));
        now - began < 1000 * seconds ? requestAnimationFrame(look) : done(frames.slice(1));
    });
})"""


def run() -> list[Row | Note]:
    """Return milliseconds to the first motion, and for every distribution between frames and of work in them."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        return [Note("not measured: it needs Chromium and Playwright")]
    from playwright.sync_api import sync_playwright

    rows: list[Row | Note] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.add_init_script(MOVES)
        page.goto(PAGE.as_uri())
        page.wait_for_function("globalThis.moved")
        rows.append(Row("from opening to the first motion", page.evaluate("moved"), "ms"))
        page.evaluate(START)
        browser_own = page.context.new_cdp_session(page)
        browser_own.send("Performance.enable", {"timeDomain": "threadTicks"})

        def spent() -> float:
            metrics = browser_own.send("Performance.getMetrics")["metrics"]
            return 1000 * next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

        for kind, lane, followed in [*((kind, 1, "") for kind in KINDS), ("checkerboard", 5, ", the flow followed")]:
            page.check(f"input[value={kind}]")
            page.click(f".lane:nth-child({lane})")
            between, work = [], []
            for _ in range(ROUNDS):
                page.click("#from-noise")
                before, frames = spent(), page.evaluate(WATCH, SECONDS)
                between.append(statistics.median(frames))
                work.append((spent() - before) / len(frames))
            rows.append(Row(f"{kind}{followed}: between frames, median", min(between), "ms"))
            rows.append(Row(f"{kind}{followed}: work in a frame, mean", min(work), "ms"))
        browser.close()
    return rows
