"""How long a person waits for an answer of `scorefield demo` by the defaults of its pages, in Chromium, once a model is loaded.

From the press of a button to the picture: on two threads by the clock, and on one by the time of the processor, which other programs
do not add to. Each is the best of three rounds.
"""

import importlib.util
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from benchmarks.timing import Note, Row

MODELS = ("mnist", "mnist-class", "mnist-fast", "digits")  # as the command serves
PRESSED = {"draw": "digits", "restore": "restore", "likelihood": "understand"}  # pages, by what they answer
CLOCKS: dict[int, tuple[str, Callable[[], float]]] = {
    2: ("two threads", time.perf_counter),
    1: ("processor, one thread", time.process_time),
}
ROUNDS = 3


def run() -> list[Row | Note]:
    """Return the seconds of every answer."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or None in map(importlib.util.find_spec, ("playwright", "fastapi", "uvicorn")):
        return [Note("not measured: it needs Chromium, Playwright and the extra demo")]
    from playwright.sync_api import sync_playwright

    rows: list[Row | Note] = []
    threads = torch.get_num_threads()
    with served() as home, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(reduced_motion="reduce", base_url=home)
        for model in MODELS:
            for what, name in list(PRESSED.items())[
                : 1 if model == "mnist-fast" else None
            ]:  # which was distilled to draw
                page.goto("")
                page.select_option("#model", model)
                page.goto(f"#{name}")
                page.wait_for_selector(f"#{name} .said:text('Done.')" if name != "understand" else "[data-noise]")
                for number, (how, clock) in CLOCKS.items():
                    torch.set_num_threads(number)
                    best = min(waited(page, name, clock) for _ in range(ROUNDS))
                    rows.append(Row(f"{model}, {what}: {how}", best, "s"))
        browser.close()
    torch.set_num_threads(threads)
    return rows


def waited(page: Any, name: str, clock: Callable[[], float]) -> float:  # noqa: ANN401 Playwright's
    """Return the seconds from a press to its answer."""
    began = clock()
    page.click(f"#{name}-go")
    page.wait_for_selector(f"#{name} .said:text('Done.')", timeout=600_000)
    return clock() - began


@contextmanager
def served() -> Iterator[str]:
    """Serve the app from a thread; give its address."""
    import uvicorn

    from scorefield.app.server import build
    from scorefield.app.shelf import Shelf

    server = uvicorn.Server(uvicorn.Config(build(Shelf(list(MODELS), torch.device("cpu"))), log_level="critical"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()
