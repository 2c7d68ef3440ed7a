"""The app in a real browser, used as a person would: Playwright drives the system's Chromium. Skipped where either is missing."""

import base64
import json
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import PHONE, STILL, pages_of
from demo_server import Served, serve
from PIL import Image

from scorefield.data import digits
from turns import in_turn

pytestmark = pytest.mark.promise("F7")

SHEET = "document.querySelector('#restore .sheet canvas').toDataURL()"
RESTORED = "#restore .said:text('Done.')"
COLOUR = "name => getComputedStyle(document.body).getPropertyValue('--' + name).trim()"
BARE = """[...document.querySelectorAll('button, input, select, progress, a, img, canvas, summary, [role]')]
    .filter(e => !(e.ariaLabel || e.textContent || e.alt || e.labels?.length) && e.role !== 'status').map(e => e.outerHTML)"""


@pytest.fixture(scope="module")
def app() -> Iterator[Served]:
    with serve("digits", "mnist-fast") as served:
        yield served


@pytest.fixture(scope="module")
def pages(app: Served) -> Iterator[Any]:
    with pages_of(f"http://127.0.0.1:{app.port}/") as pages:
        yield pages


@pytest.fixture
def page(pages: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page without an address yet."""
    with pages(**getattr(request, "param", STILL)) as page:
        yield page


def pixels(data_url: str) -> np.ndarray:
    """Return a picture that a page shows, in grey."""
    return np.array(Image.open(BytesIO(base64.b64decode(data_url.split(",")[1]))).convert("L"))


def contrast(*colours: str) -> float:
    """Return the ratio of two colours, #rrggbb, as WCAG defines it."""
    shares = np.array([[int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)] for colour in colours])
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    dim, bright = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (bright + 0.05) / (dim + 0.05)


def saved(page: Any, name: str) -> bytes:
    """Return a file that a link of the page saves."""
    with page.expect_download() as download:
        page.click(f"main:not([hidden]) a[download='{name}'] >> nth=0")
    return Path(download.value.path()).read_bytes()


PLAYED = """new Promise(done => {
    const frames = [], button = document.querySelector('#digits .play');
    const look = () => {
        frames.push(Number(document.querySelector('.film').dataset.frame));
        button.textContent === 'Play' ? done(frames.slice(1)) : requestAnimationFrame(look);
    };
    button.click();
    look();
})"""


@pytest.mark.parametrize("page", [{}], indirect=True)
def test_digits_emerge_from_noise(page: Any) -> None:
    page.goto("")
    page.wait_for_selector("#digits .film")
    page.wait_for_selector("#digits .play:text('Play')")  # it has played
    assert page.inner_text(".transport output") == "done"
    last = page.evaluate("document.querySelector('.film').toDataURL()")
    frames = page.evaluate(PLAYED)
    assert frames == sorted(frames)
    assert len(set(frames)) > 2
    assert frames[-1] == 18
    page.locator("#digits .transport input").fill("0")
    assert "σ = 5" in page.inner_text(".transport output")
    assert page.evaluate("document.querySelector('.film').toDataURL()") != last


def test_the_same_seed_by_another_sampler_is_put_beside(page: Any) -> None:
    page.goto("")
    page.wait_for_selector("#digits .film")
    assert page.locator("#digits h3").all_inner_texts() == ["DPM-Solver++ (2M)"]
    page.click("#digits-other")
    page.wait_for_selector("#digits article:nth-child(2) .film")
    assert page.locator("#digits h3").all_inner_texts() == ["DPM-Solver++ (2M)", "UniPC"]
    page.set_viewport_size({"width": 1024, "height": 768})  # a projector's
    first, second = (page.locator("#digits article").nth(k).bounding_box() for k in range(2))
    assert first["y"] == second["y"]
    told = page.locator("#digits .numbers").all_inner_texts()
    assert all("17 steps, 19 evaluations of the network per picture" in text for text in told)
    first, second = page.evaluate("[...document.querySelectorAll('.film')].map(film => film.toDataURL())")
    near, far = pixels(first).astype(float), pixels(second).astype(float)
    assert 0 < np.abs(near - far).mean() < 25  # the same noise leads to the same digits, nearly
    assert saved(page, "digits.gif").startswith(b"GIF89a")
    picture = saved(page, "digits.png")
    size = 'width="{}" height="{}"'.format(*Image.open(BytesIO(picture)).size)
    drawing = saved(page, "digits.svg").decode()
    assert drawing.count(size) == 2
    assert f'href="data:image/png;base64,{base64.b64encode(picture).decode()}"' in drawing
    page.click("#digits summary >> nth=1")
    assert "--sampler multistep --steps 17" in page.inner_text("#digits article:nth-child(2) .recipe")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # as over plain HTTP
    copy = page.locator("button[aria-label='Copy the Python lines']").nth(1)
    copy.click()
    assert page.evaluate("getSelection().toString()").startswith("import scorefield as sf")
    assert copy.inner_text() == "Copy"  # it says nothing that is not so


@pytest.mark.parametrize("page", [STILL | PHONE], indirect=True)
def test_on_a_phone_what_was_asked_for_comes_into_sight(page: Any) -> None:
    page.goto("")
    page.wait_for_selector("#digits .film")
    assert page.evaluate("scrollY") == 0  # nobody asked yet
    page.click("#digits-other")
    page.wait_for_selector("#digits article:nth-child(2) .film")
    place = "document.querySelector('#digits article:nth-child(2)').getBoundingClientRect().top"
    page.wait_for_function(f"{place} < innerHeight / 2")


def test_what_is_painted_over_is_restored_and_the_rest_stays(page: Any) -> None:
    page.goto("#restore")
    page.wait_for_selector(RESTORED)
    page.fill("#restore input[aria-label='Number of the test picture']", "3")
    with page.expect_request("**/api/restore") as asked:
        page.keyboard.press("Enter")  # which asks for the picture, and for its restoration
    page.wait_for_selector(RESTORED)
    sent = pixels(f"data:image/png;base64,{json.loads(asked.value.post_data)['image']}")
    np.testing.assert_array_equal(sent, digits(train=False).x[3, 0].numpy())
    page.click("#restore .parts >> text=Nothing")
    sheet = page.locator("#restore .sheet canvas")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.9 * box["height"], steps=5)
    page.mouse.up()
    page.click("#restore-go")
    page.wait_for_selector(RESTORED)
    found = dict(np.load(BytesIO(saved(page, "restored.npz"))))
    assert 4 < found["hidden"].sum() < 40
    np.testing.assert_array_equal(found["truth"][0], digits(train=False).scaled()[3, 0].numpy())
    known = ~found["hidden"]
    for x in found["x"]:
        np.testing.assert_array_equal(x[known], found["truth"][known])
        assert not np.array_equal(x, found["truth"])
    shown = page.evaluate("document.querySelector('#restore .film').toDataURL()")
    assert pixels(shown).std() > 20
    for problem, method in (("blur", "dps"), ("downsample", "pigdm")):
        page.check(f"input[value={problem}]")
        page.select_option("#restore-method", method)
        page.locator("#restore-steps").fill("3")
        page.click("#restore-go")
        page.wait_for_selector(f"#restore pre:text('--method {method}')", state="attached")


def test_noise_levels_and_a_likelihood(page: Any) -> None:
    page.goto("#understand")
    page.wait_for_selector("#understand-noisy[data-noise]")
    errors = []
    for level in ("0.05", "0.95"):
        page.locator("#understand-level").fill(level)
        wanted = page.inner_text("#understand-level-field output")
        page.wait_for_selector(f"#understand-numbers:text('At {wanted}:')")
        errors.append(float(page.inner_text("#understand-numbers").split("picture by ")[1].split()[0]))
    assert errors[0] < 0.1 < errors[1]
    page.click("#understand button:text-is('Empty')")
    box = page.locator("#understand .sheet canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20, steps=5)
    page.mouse.up()
    page.click("#understand-go")
    page.wait_for_selector("#understand .big")
    assert "bits per pixel" in page.inner_text("#understand .big")
    drawing = pixels(page.evaluate("document.querySelector('#understand .sheet canvas').toDataURL()"))
    assert drawing[:, 140].max() > 200
    assert drawing[:, 5].max() == 0


def test_the_keyboard_is_enough(page: Any) -> None:
    page.goto("")
    page.wait_for_selector("#digits .film")
    page.focus("#digits-seed")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_selector("#digits pre:text('seed=1')", state="attached")
    page.focus("nav a >> nth=1")
    page.keyboard.press("Enter")
    page.wait_for_selector(RESTORED)
    page.focus("#restore .parts button >> text=Nothing")
    page.keyboard.press("Enter")
    page.focus("#restore .sheet canvas")
    for key in ("Space", "ArrowRight", "Space", "ArrowDown", "Space"):
        page.keyboard.press(key)
    page.focus("#restore-go")
    page.keyboard.press("Enter")
    page.wait_for_selector(RESTORED)
    assert dict(np.load(BytesIO(saved(page, "restored.npz"))))["hidden"].sum() > 2
    page.focus("#restore summary")
    page.keyboard.press("Enter")
    assert page.is_visible("#restore pre")
    outline = page.evaluate("getComputedStyle(document.querySelector('#restore summary')).outlineStyle")
    assert outline == "solid"


def test_work_can_be_cancelled(app: Served, page: Any) -> None:
    page.goto("")
    page.wait_for_selector("#digits .film")
    page.select_option("#digits-sampler", "pc")
    for slider, value in (("steps", "100"), ("n", "64")):
        page.locator(f"#digits-{slider}").fill(value)
    page.click("#digits-go")
    page.wait_for_selector("#digits .said:text('Step')")
    page.click("#digits .work button")
    page.wait_for_selector("#digits .said:text('Cancelled.')")
    page.locator("#digits-n").fill("1")
    page.locator("#digits-steps").fill("2")
    page.click("#digits-go")
    page.wait_for_selector("#digits .said:text('Done.')")


@pytest.mark.parametrize(
    ("name", "page"),
    in_turn(("digits", "restore", "understand"), (STILL | PHONE, STILL | {"color_scheme": "dark"})),
    indirect=["page"],
)
def test_on_a_phone_in_the_dark_and_read_aloud(page: Any, name: str) -> None:
    page.goto(f"#{name}")
    if name != "digits":
        page.wait_for_selector(f"#{name} .sheet canvas[width='280']")
        page.wait_for_load_state("networkidle")
    if name != "understand":
        page.wait_for_selector(f"#{name} .play:text('Play')")  # it began by itself
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert page.evaluate(BARE) == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert (sum(map(int, paper[4:-1].split(","))) < 200) == dark
    for pair in ("ink paper", "quiet paper", "quiet card", "accent paper", "accent card", "on-accent accent"):
        assert contrast(*(page.evaluate(COLOUR, name) for name in pair.split())) >= 4.5, pair  # WCAG 2.2, 1.4.3
    for pair in ("edge paper", "edge card", "shade line", "accent line"):
        assert contrast(*(page.evaluate(COLOUR, name) for name in pair.split())) >= 3, pair  # WCAG 2.2, 1.4.11
    assert page.locator("[role=status], [aria-live]").count() >= 3
    assert page.evaluate("document.documentElement.lang") == "en"


def test_who_waits_in_the_queue_is_told(app: Served, page: Any) -> None:
    go = threading.Event()
    app.jobs.submit(lambda _: go.wait(60))
    try:
        page.goto("#understand")
        page.wait_for_selector("#understand-numbers:text-is('1 before you in the queue.')")
    finally:
        go.set()
    page.wait_for_selector("#understand-noisy[data-noise]")
    assert page.title() == "Understand: scorefield"


def test_what_the_server_refuses_is_said(page: Any) -> None:
    page.goto("#understand")
    page.wait_for_selector("#understand-noisy[data-noise]")
    drawing = {"name": "a.svg", "mimeType": "image/svg+xml", "buffer": b"<svg/>"}
    page.set_input_files("#understand input[type=file]", drawing)
    page.wait_for_selector("#understand .painter .said:text('found a picture that cannot be read')")
    photograph = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": bytes(5_000_000)}
    page.set_input_files("#understand input[type=file]", photograph)
    page.wait_for_selector("#understand .painter .said:text('This file has 5.0 MB')")
    refused = [text for text in page.trouble if "status of 422" in text]  # which the browser notes by itself
    assert page.trouble == refused
    assert len(refused) == 1
    page.trouble.clear()


def test_a_server_that_is_gone_is_said_and_tried_again(page: Any) -> None:
    page.goto("")
    page.wait_for_selector("#digits .film")
    page.route("**/api/**", lambda route: route.abort("connectionrefused"))
    gone = "said:text('The app does not answer; is scorefield demo still running')"
    page.click("#digits-go")
    page.wait_for_selector(f"#digits .{gone}")
    page.select_option("#model", "mnist-fast")
    page.wait_for_selector(f"#opening.{gone}")
    assert page.input_value("#model") == "digits"  # whose pictures are shown
    page.click("nav a:text('Understand')")
    page.wait_for_selector(f"#understand .painter .{gone}")
    page.unroute("**/api/**")
    page.click("nav a:text('Draw')")
    page.click("nav a:text('Understand')")
    page.wait_for_selector("#understand-noisy[data-noise]")
    assert {text.partition(":")[0] for text in page.trouble} == {"Failed to load resource"}
    page.trouble.clear()


def test_without_a_server_nothing_can_be_pressed(page: Any) -> None:
    page.route("**/api/**", lambda route: route.abort("connectionrefused"))
    page.goto("#restore")
    page.wait_for_selector("#opening.wrong:text('The app does not answer')")
    page.focus("#restore-go")
    assert page.evaluate("document.activeElement.id") == ""
    page.click("nav a:text('Draw')")
    assert page.inner_text("#digits h2") == "From noise to pictures"
    assert {text.partition(":")[0] for text in page.trouble} == {"Failed to load resource"}
    page.trouble.clear()


def test_what_a_model_restores_is_not_shown_with_another(page: Any) -> None:
    page.goto("#restore")
    page.wait_for_selector(RESTORED)
    page.locator("#restore-steps").fill("100")
    page.locator("#restore-n").fill("16")
    page.click("#restore-go")
    page.wait_for_selector("#restore .said:text('Step')")
    page.select_option("#model", "mnist-fast")
    page.wait_for_selector("#restore .said.wrong")  # it was distilled to draw, and restores nothing
    page.wait_for_load_state("networkidle")
    assert page.locator("#restore .film").count() == 0
    page.click("nav a:text('Understand')")
    page.wait_for_selector("#understand-numbers.wrong:text('mnist-fast was distilled')")
    assert page.locator("#understand-tiles:visible").count() == 0
    assert ["status of 422" in text for text in page.trouble] == [True, True]
    page.trouble.clear()


def test_the_model_stays_when_the_page_is_loaded_again(page: Any) -> None:
    shown = "#digits canvas[aria-label*='by mnist-fast']"
    page.goto("")
    page.wait_for_selector("#digits .film")
    page.select_option("#model", "mnist-fast")
    page.wait_for_selector(shown)
    page.reload()
    page.wait_for_selector(shown)
    page.click("nav a:text('The plane')")
    page.wait_for_url("**/plane/?app")
    page.go_back()
    page.wait_for_selector(shown)
    assert page.input_value("#model") == "mnist-fast"


def test_a_mask_is_painted_only_where_pixels_are_hidden(page: Any) -> None:
    tools, corner = page.locator("#restore .painter .choices label"), (slice(4), slice(-4, None))
    page.goto("#restore")
    page.wait_for_selector(RESTORED)
    assert tools.all_inner_texts() == ["Hide", "Uncover", "Draw"]
    assert pixels(page.evaluate(SHEET))[corner].min() > 50
    page.check("input[value=blur]")
    assert page.get_attribute("#restore-size", "max") == "1"  # 0.5 and 1 px: wider ones reach over more than 8 pixels
    assert tools.all_inner_texts() == ["Draw", "Erase"]
    assert pixels(page.evaluate(SHEET))[corner].max() == 0


def test_the_plane_works_within_the_app(page: Any) -> None:
    page.goto("")
    page.wait_for_selector("#digits .film")
    page.click("nav a:text('The plane')")
    page.wait_for_url("**/plane/?app")
    page.click("#from-noise")
    spent = "new Promise(done => { const look = () => plane.lanes[0]?.spent > 0 ? done(true) : setTimeout(look, 50); look(); })"
    assert page.evaluate(spent)
    with page.expect_popup() as opened:  # beside what was played with
        page.click("#story a")
    assert opened.value.url.endswith("/theory.html#score")
    assert opened.value.inner_text("h3:target") == "What a score is"
    page.click("#story-next")
    page.reload()
    assert "DAE" in page.inner_text("#story-title")
    assert page.locator("[aria-current=page]:visible").all_inner_texts() == ["The plane"]
    page.click("nav a:text('Understand')")
    page.wait_for_selector("#understand-noisy[data-noise]")
