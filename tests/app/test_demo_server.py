"""The app refuses what is hostile, bounds what it takes, answers each of many people with their own, and leaves nothing behind."""

import itertools
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from demo_server import IMAGE, MASK, Served, encoded, files, png, serve

import scorefield
import scorefield.cli.demo
from scorefield.app.answers import explore
from scorefield.app.asks import NAMES, Explore
from scorefield.app.guard import LIMIT
from scorefield.app.jobs import Job
from scorefield.app.pictures import hidden_of, picture_of
from scorefield.app.pictures import png as as_png
from scorefield.app.server import sentence
from scorefield.app.shelf import Entry, Shelf
from scorefield.cli import main
from scorefield.config.sampling import SamplingConfig
from scorefield.data import digits
from scorefield.errors import ConfigError
from scorefield.pretrained import load_model
from scorefield.units import Units

EVERYONE = "0.0.0.0"  # noqa: S104 asked for, and warned of
PACKAGE = Path(scorefield.__file__).parent
LEAKS = re.compile(
    rf"Traceback|File \"|site-packages|{re.escape(str(PACKAGE.parent))}|/tmp/|/home/|\.py\b|object at 0x"
)


@pytest.fixture(scope="module")
def app() -> Iterator[Served]:
    with serve("digits") as served:
        yield served


@pytest.mark.promise("F1")
def test_only_its_own_pages_on_this_machine_are_answered(app: Served) -> None:
    good = f"127.0.0.1:{app.port}"
    for host in (good, f"localhost:{app.port}", f"[::1]:{app.port}", "localhost"):
        assert app.ask("GET", "/api/models", Host=host)[0] == 200, host
    for host in (
        "evil.example",
        f"evil.example:{app.port}",
        "127.0.0.1.evil.example",
        "",
        EVERYONE,
        "localhost.evil.example:1",
    ):
        assert app.ask("GET", "/api/models", Host=host)[0] in (400, 403), host
    body = json.dumps({"model": "digits", "n": 1, "steps": 1}).encode()
    assert app.ask("POST", "/api/draw", body, Origin=f"http://{good}")[0] == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"http://{good}.evil.example"):
        assert app.ask("POST", "/api/draw", body, Origin=origin)[0] == 403, origin
    assert (
        app.ask("POST", "/api/draw", body, Content_Type="text/plain")[0] == 422
    )  # what a form of another page could send


@pytest.mark.promise("F1")
def test_what_browsers_say_of_who_asks_is_believed(app: Served) -> None:
    """A proxy may have changed the host, and taken the origin away."""
    body = json.dumps({"model": "digits", "n": 1, "steps": 1}).encode()
    foreign = "https://evil.example"
    assert app.ask("POST", "/api/draw", body, Sec_Fetch_Site="same-origin", Origin="https://demo.example")[0] == 200
    for site in ("cross-site", "same-site"):
        assert app.ask("POST", "/api/draw", body, Sec_Fetch_Site=site)[0] == 403
        assert app.ask("GET", "/api/models", Sec_Fetch_Site=site, Origin=foreign)[0] == 403
        assert app.ask("GET", "/", Sec_Fetch_Site=site)[0] == 200  # a link to the app
    assert app.ask("GET", "/", Sec_Fetch_Site="none")[0] == 200  # its address, as typed


@pytest.mark.promise("F1")
def test_everyone_is_let_in_only_when_asked_for_and_warned_of(monkeypatch, capsys) -> None:
    heard = []
    monkeypatch.setattr(scorefield.cli.demo, "_listen", lambda host, port: heard.append(host) or socket.socket())
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    assert main(["demo", "digits"]) == 0
    assert "warning" not in capsys.readouterr().err
    assert main(["demo", "digits", "--host", EVERYONE]) == 0
    assert "warning: --host 0.0.0.0: everyone who can reach this machine" in capsys.readouterr().err
    assert heard == ["127.0.0.1", EVERYONE]
    assert main(["demo", "--share"]) == 2


@pytest.mark.promise("F1")
def test_behind_a_proxy_it_has_another_name_and_still_its_own_pages() -> None:
    with serve("digits", local=False) as public:
        assert public.ask("GET", "/api/models", Host="demo.example")[0] == 200
        assert public.ask("GET", "/api/models", Host="demo.example", Origin="https://demo.example")[0] == 200
        assert public.ask("GET", "/api/models", Host="demo.example", Origin="https://evil.example")[0] == 403


def test_what_cannot_be_served_is_said_before_an_address_is(capsys) -> None:
    assert main(["demo", "nosuch"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "nosuch: neither a run folder" in told.err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "digits", "--port", str(port)]) == 2
    said = "cannot be listened on: Address already in use; --port 0 takes a free port"
    assert capsys.readouterr().err == f"scorefield: --host 127.0.0.1 --port {port}: {said}\n"


def test_what_it_needs_is_said(monkeypatch, capsys) -> None:
    monkeypatch.setattr(scorefield.cli.demo, "find_spec", lambda name: None)
    assert main(["demo"]) == 2
    assert capsys.readouterr().err == "scorefield: the demo needs fastapi and uvicorn: pip install 'scorefield[demo]'\n"


@pytest.mark.promise("F2")
def test_no_address_reads_other_files(app: Served) -> None:
    ups = (
        "../",
        "..%2f",
        "%2e%2e/",
        "%2e%2e%2f",
        "..%5c",
        "..\\",
        "..%252f",
        "....//",
        "..;/",
        "%c0%ae%c0%ae/",
        ".%00./",
    )
    probes = [
        f"{root}{up * depth}{name}"
        for root in ("/", "/plane/")
        for up in ups
        for depth, name in ((1, "server.py"), (9, "etc/passwd"))
    ]
    probes += [
        "//etc/passwd",
        "/plane//etc/passwd",
        "/file:///etc/passwd",
        "/server.py",
        "/__init__.py",
        "/.git/config",
        "/%00",
        "/index.html%00.png",
    ]
    probes += ["/" + "a" * 5000, "/docs", "/openapi.json", "/redoc", "/api", "/api/nothing", "/plane", "/plane/nothing"]
    assert len(probes) >= 30
    for probe in probes:
        status, body = app.ask("GET", probe)
        if probe != "/plane":
            assert status in (400, 403, 404), probe
        assert b"root:" not in body, probe
        assert b"import" not in body, probe
    for name in ("../../../etc/passwd", "/etc/passwd", "digits/../mnist", "hf:a/b"):
        assert app.ask("GET", f"/api/model?name={name}")[0] == 422


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int, data: bytes = b"") -> bytes:
    """Return a small PNG that says it is large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


GREY = np.arange(64, dtype=np.uint8).reshape(8, 8)
HOSTILE = {
    "bomb": encoded(header(30000, 30000)),
    "bomb below the limit of Pillow": encoded(header(5000, 5000, bytes(5000 * 5001))),
    "no pixels": encoded(header(0, 0)),
    "truncated": png(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))[:800],
    "text": encoded(b"hello"),
    "svg": encoded(b"<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'/>"),
    "postscript": encoded(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(%pipe%id) (r) file\n"),
    "pickle": encoded(b"\x80\x04cos\nsystem\n."),
    "32 bits": png(GREY.astype(np.float32), "TIFF"),
    "no base64": "§" * 10,
    "empty": "",
    "path": "/etc/passwd",
}


@pytest.mark.promise("F3")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pictures_get_a_sentence(app: Served, name: str) -> None:
    for page, more in (
        ("picture", {}),
        ("explore", {"noise": 1.0}),
        ("restore", {"problem": "blur", "method": "pigdm", "steps": 1}),
    ):
        status, told = app.post(page, model="digits", image=HOSTILE[name], **more)
        assert (status, list(told)) == (422, ["error"])
        assert 10 < len(told["error"]) < 400
        assert not LEAKS.search(told["error"]), told


@pytest.mark.promise("F3")
def test_too_much_is_refused_before_it_is_read(app: Served) -> None:
    status, told = app.ask("POST", "/api/draw", b"", Content_Length=str(LIMIT + 1))
    assert (status, b"larger than 8 MiB" in told) == (413, True)
    assert app.ask("POST", "/api/draw", b" " * (LIMIT + 1))[0] == 413
    pieces = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    assert app.ask("POST", "/api/draw", pieces * 9 + b"0\r\n\r\n", Transfer_Encoding="chunked", Content_Length="0")[
        0
    ] in (400, 413)
    with socket.create_connection(("127.0.0.1", app.port)) as link:
        link.sendall(
            b"POST /api/draw HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        try:
            for _ in range(9):
                link.sendall(pieces)
        except OSError:
            pass  # it has hung up
        assert b" 413 " in link.recv(4096)


@pytest.mark.promise("F3")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_pictures_of_any_kind_are_cut_to_the_model(app: Served, kind: str) -> None:
    colours = np.zeros((30, 50, 3), np.uint8)
    colours[:, 25:] = 255
    status, told = app.post("picture", model="digits", image=png(colours, kind))
    assert status == 200
    assert app.answer("explore", model="digits", image=told["image"], noise=0.5)["denoised"]


VALID = {
    "draw": {
        "model": "digits",
        "n": 1,
        "steps": 1,
        "seed": 0,
        "sampler": "heun",
        "guide": None,
        "weight": 0.0,
        "label": None,
    },
    "restore": {
        "model": "digits",
        "image": IMAGE,
        "mask": MASK,
        "problem": "mask",
        "method": "replace",
        "n": 1,
        "steps": 1,
        "size": 2.0,
    },
    "explore": {"model": "digits", "image": IMAGE, "noise": 1.0, "seed": 0},
    "likelihood": {"model": "digits", "image": IMAGE, "seed": 0},
    "picture": {"model": "digits", "image": IMAGE},
}
WRONG = [
    None,
    True,
    -1,
    0,
    65,
    501,
    2**31,
    2**63,
    10**400,
    -0.5,
    1e308,
    1.5,
    "",
    "1",
    "heun",
    "x" * 300,
    "../../etc/passwd",
    "\x00",
    "\ud800",
]
WRONG += [[], {}, [1], {"a": 1}, "NaN", MASK[:50], "ode", "langevin", "all"]
GARBAGE = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff\xfe",
    b"[" * 20000,
    b'{"model":' * 3000,
    b'{"n": NaN}',
    b'{"n": 1e999}',
    b"9" * 5000,
    b'"x"',
]
GARBAGE += [
    b'{"model": "digits", "n": NaN}',
    b'{"model": "digits", "weight": Infinity}',
    b'{"model": "digits", "n": 1, "n": 2}',
]


REFUSED = {
    "draw": {
        "n": [0, 65, 1.0, "1", None],
        "steps": [0, 501, 2.5],
        "seed": [-1, 2**31, True],
        "weight": [-1.0, 21.0, "0"],
    }
    | {"guide": [-0.1, 21.0], "label": ["some", -1, 3], "sampler": ["ode", "mala", ""], "model": ["x", 1], "more": [1]},
    "restore": {
        "n": [0, 17],
        "steps": [0, 501, None],
        "problem": ["x"],
        "method": ["x"],
        "size": [0.0, 65.0],
        "mask": [None, IMAGE[:40], ""],
    },
    "explore": {"noise": [0.0, -1.0, 1e9, 1e-9], "seed": [-1], "more": [1]},
    "likelihood": {"seed": [0.5], "image": [None, MASK[:40]], "more": [1]},
    "picture": {"image": [1], "more": [1]},
}


@pytest.mark.promise("F4")
@pytest.mark.parametrize("page", REFUSED)
def test_what_is_out_of_bounds_is_refused_by_name(app: Served, page: str) -> None:
    for key, values in REFUSED[page].items():
        for value in values:
            status, told = app.post(page, **VALID[page] | {key: value})
            assert (status, list(told)) == (422, ["error"]), (key, value)
            assert NAMES.get(key, key) in told["error"] or key in ("image", "mask"), told
            assert f"{value}" in told["error"] or value is None or key in ("image", "mask"), told


@pytest.mark.promise("F4")
def test_a_width_that_a_picture_does_not_bear_is_refused_in_the_words_of_the_page(app: Served) -> None:
    asked = VALID["restore"] | {"method": "pigdm"}
    for problem, most, size, said in (
        ("blur", 1.0, 1.01, "width: of pictures of 8 × 8 pixels a blur is at most 1 px wide; received 1.01"),
        ("downsample", 8.0, 3.0, "width: pictures of 8 × 8 pixels fall into blocks of 2, 4, 8 pixels; received 3"),
    ):
        assert app.post("restore", **asked | {"problem": problem, "size": size}) == (422, {"error": said})
        app.answer("restore", **asked | {"problem": problem, "size": most})


def test_every_sampler_that_is_offered_has_a_name(app: Served) -> None:
    offered = json.loads(app.ask("GET", "/api/model?name=digits")[1])["steps"]
    named = re.findall(r"^  (\w+): \[", (PACKAGE / "app/pages/digits.js").read_text(), re.MULTILINE)
    assert set(offered) | {"ode", "sde"} == set(named)


@pytest.mark.parametrize("kind", ["ode", "sde"])
def test_a_run_that_draws_in_steps_of_its_own_choice_draws_so_here(kind: str) -> None:
    loaded = load_model("digits")
    own = SamplingConfig.model_validate({"sampler": {"kind": kind}})
    entry = Entry("mine", replace(loaded, config=loaded.config.model_copy(update={"sampling": own})), None)
    assert kind in entry.described()["steps"]
    assert entry.sampling(kind, entry.described()["steps"][kind]) == own
    with pytest.raises(ConfigError, match="there is no 'mala'"):
        entry.sampling("mala")


def test_a_level_of_noise_is_of_the_models_coordinates() -> None:
    loaded = load_model("digits")
    units = Units(torch.tensor(10.0), torch.tensor(10.0), ends=(10.0, 20.0))
    shelf = {
        "own": Entry("own", loaded, None),
        "far": Entry("far", replace(loaded, model=loaded.model.in_units(units)), None),
    }
    own, far = (
        explore(Explore(model=name, image=IMAGE, noise=0.3, seed=4), shelf)(Job(lambda _: None, 60)) for name in shelf
    )
    assert far["error"] == pytest.approx(own["error"], rel=1e-4)
    assert far["denoised"] == own["denoised"]


def test_a_mask_hides_where_it_is_light() -> None:
    grey = np.repeat(np.uint8([[0, 100, 200, 255]]), 4, axis=0)
    assert hidden_of(png(grey), (1, 4, 4))[0, 0].tolist() == [False, False, True, True]


def test_pictures_keep_their_colours() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    x = picture_of(png(colours), (3, 4, 4))
    assert torch.equal(picture_of(encoded(as_png(x)), (3, 4, 4)), torch.from_numpy(colours).movedim(2, 0))


def test_pictures_to_restore_are_none_of_training() -> None:
    assert torch.equal(Entry("digits", load_model("digits"), None).digits, digits(train=False).x)


def test_each_model_has_a_name_of_its_own() -> None:
    with pytest.raises(ConfigError, match="a name of its own; received /a/mine, /b/mine"):
        Shelf(["/a/mine", "/b/mine"], torch.device("cpu"))


@pytest.mark.promise("F4")
def test_a_refusal_names_what_was_asked_for(app: Served) -> None:
    """And neither how its type is put together, nor JSON as jSON."""
    assert app.post("draw", **VALID["draw"] | {"label": 3.5})[1]["error"].startswith("class: should be")
    assert app.post("explore", **VALID["explore"] | {"seed": None})[1]["error"].endswith("; received nothing")
    assert json.loads(app.ask("POST", "/api/draw", b"{")[1]) == {"error": "request: JSON decode error"}


def fuzzed(rng: random.Random) -> tuple[str, bytes]:
    """Return a page and a body that was valid before something happened to it."""
    page = rng.choice(list(VALID))
    if rng.random() < 0.1:
        return page, rng.choice(GARBAGE)
    body: dict = dict(VALID[page])
    for _ in range(rng.choice([1, 1, 2, 3])):
        key = rng.choice([*body, "more", "__class__"])
        if rng.random() < 0.15:
            body.pop(key, None)
        else:
            body[key] = rng.choice(WRONG)
    text = bytearray(json.dumps(body).encode())
    if rng.random() < 0.15:
        text[rng.randrange(len(text))] = rng.randrange(256)
    return page, bytes(text)


@pytest.mark.promise("F4")
@pytest.mark.parametrize("count", [150, pytest.param(5000, marks=pytest.mark.slow)])
def test_no_request_stops_it_or_shows_its_paths(app: Served, count: int) -> None:
    rng = random.Random(count)
    answers = {"mine": 0, "refused": 0}
    for _ in range(count):
        page, body = fuzzed(rng)
        status, told = app.ask("POST", f"/api/{page}", body)
        assert status in (200, 400, 422), (status, body[:300], told[:300])
        assert not LEAKS.search(re.sub(r'"(python|command)": "[^"]*|"level.py"', "", told.decode())), (
            body[:300],
            told[-300:],
        )
        answers["mine" if b'"answer"' in told or b'"image"' in told else "refused"] += 1
    assert answers["refused"] > count / 2
    assert answers["mine"] > 0
    assert app.answer("draw", **VALID["draw"])


@pytest.mark.promise("F4")
def test_a_sentence_names_no_folder() -> None:
    told = sentence(
        ConfigError("guide 2: /srv/me/site-packages/scorefield/weights/digits keeps no weaker version\nmore")
    )
    assert told == "guide 2: digits keeps no weaker version"
    assert (
        sentence(ConfigError("'/a b/c.png': a 8/9 share of C:\\x\\y")).count("/") == 2
    )  # a space ends a path; 8/9 is none
    assert "KeyError" not in sentence(KeyError("/etc/secret"))


def own(seed: int) -> np.ndarray:
    return load_model("digits").sample(1, seed=seed, steps=4).x.numpy()


@pytest.mark.promise("F5")
@pytest.mark.slow
def test_twenty_at_once_each_get_their_own(app: Served) -> None:
    with ThreadPoolExecutor(20) as people:
        asked = [people.submit(app.answer, "draw", model="digits", n=1, seed=seed, steps=4) for seed in range(20)]
    found = [files(each.result(), "digits.npz")["x"] for each in asked]
    for seed, x in enumerate(found):
        np.testing.assert_array_equal(x, own(seed))
    assert not np.array_equal(found[0], found[1])


@pytest.mark.promise("F5")
def test_a_full_line_is_said_and_empties_again() -> None:
    with serve("digits", most=2) as small:
        small.answer("draw", **VALID["draw"])
        until(lambda: len(small.jobs) == 0)
        go = threading.Event()

        def blocked(job: Job) -> None:
            go.wait(60)

        jobs = [small.jobs.submit(blocked) for _ in range(2)]
        assert [small.jobs.place(job) for job in jobs] == [0, 1]
        status, told = small.post("draw", **VALID["draw"])
        go.set()
        assert (status, told) == (503, {"error": "the queue is full: 2 are waiting; try again in a moment"})
        until(lambda: len(small.jobs) == 0)
        assert small.post("draw", **VALID["draw"])[0] == 200


@pytest.mark.promise("F5", "F6")
def test_whoever_leaves_the_line_gives_the_place_to_the_next() -> None:
    """While the job before them still runs."""
    with serve("digits", most=2) as small:
        until(lambda: len(small.jobs) == 0)
        go = threading.Event()
        small.jobs.submit(lambda _: go.wait(60))
        try:
            for _ in range(3):
                small.leave("draw", **LONG)
                until(lambda: len(small.jobs) == 1, 50)
        finally:
            go.set()
        assert small.answer("draw", **VALID["draw"])


def until(true, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.02)


def resident() -> float:
    """Return the MiB that this process, in which the app runs, holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.promise("F5")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc on this system")
@pytest.mark.slow  # fewer than hundreds of answers would not be seen
def test_memory_stays_as_it_is(app: Served) -> None:
    def some(number: int) -> None:
        for k in range(number):
            app.answer("draw", model="digits", n=16, seed=k, steps=2)

    some(15)
    before = resident()
    some(500)
    assert resident() - before < 40, "an answer is some 300 kB: 500 of them would be 150 MiB"


LONG = {"model": "digits", "n": 64, "steps": 500, "sampler": "pc"}


@pytest.mark.promise("F6")
def test_work_is_stopped_when_nobody_waits(app: Served) -> None:
    until(lambda: len(app.jobs) == 0)
    app.leave("draw", **LONG)
    app.leave("likelihood", **VALID["likelihood"])  # in the line behind it
    until(lambda: len(app.jobs) == 0, 10)
    with ThreadPoolExecutor(1) as another:
        app.leave("draw", **LONG)
        asked = another.submit(app.answer, "draw", **VALID["draw"])
        assert asked.result(10)  # what waited behind it is served


@pytest.mark.promise("F6")
def test_a_job_knows_that_it_was_cancelled_or_takes_too_long() -> None:
    for spoil in (Job.cancel, lambda job: setattr(job, "_patience", -1.0)):
        job = Job(lambda job: [job.advance() for _ in itertools.count()], patience=60.0)
        spoil(job)
        job.run()
        assert re.search("cancelled|stopped after", str(job.future.exception()))


@pytest.mark.promise("F1", "F8")
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_command_listens_here_alone_and_leaves_no_file(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    run = [sys.executable, "-m", "scorefield", "demo", "digits"]
    environment = os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": str(PACKAGE.parent)}
    with subprocess.Popen(
        run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as command:
        try:
            line = command.stdout.readline()
            found = re.fullmatch(r"scorefield demo: http://127\.0\.0\.1:(\d+)  \(Ctrl-C ends it\)\n", line)
            assert found, line + command.stderr.read()
            served = Served(int(found[1]))
            listening = [
                row.split()[1] for row in Path("/proc/net/tcp").read_text().splitlines()[1:] if row.split()[3] == "0A"
            ]
            assert f"0100007F:{served.port:04X}" in listening
            assert f"00000000:{served.port:04X}" not in listening
            assert b"From noise to pictures" in served.ask("GET", "/")[1]
            assert b"Play with a score" in served.ask("GET", "/plane/")[1]
            for page in ("draw", "restore", "picture"):
                assert served.post(page, **VALID[page])[0] == 200
            served.leave("draw", **LONG)
            command.send_signal(signal.SIGINT)
            assert command.wait(20) == 130
            assert command.stderr.read() == "scorefield: interrupted\n"
        finally:
            command.kill()
    assert [path for path in scratch.rglob("*") if path.is_file()] == []
    assert [path.name for path in tmp_path.iterdir()] == ["scratch"]
