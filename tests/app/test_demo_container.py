"""What docs/howto/demo.md says of containers and proxies is so: the files that are copied make the package, its command serves."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from demo_server import Served, serve

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "howto" / "demo.md").read_text()


def block(language: str) -> str:
    """Return the one block of a language on the page."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return found


def steps(name: str) -> list[str]:
    """Return what follows a word of the Dockerfile, each time."""
    return re.findall(rf"^{name} (.+)$", block("dockerfile"), re.MULTILINE)


@pytest.mark.slow  # another wheel than that of test_wheel.py
def test_what_is_copied_makes_the_package(tmp_path: Path) -> None:
    """And no more is copied: no history, no runs, no environment."""
    pytest.importorskip(
        "hatchling", reason="hatchling, which builds the wheel, is not installed: pip install hatchling"
    )
    for *sources, target in map(str.split, steps("COPY")):
        place = tmp_path / target.lstrip("/")
        for source in map(ROOT.joinpath, sources):
            if source.is_dir():
                shutil.copytree(source, place, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.mkdir(exist_ok=True)
                shutil.copy(source, place)
    (extra,) = re.findall(r'pip install .*"/scorefield\[(\w+)]"', block("dockerfile"))
    here = tmp_path / "scorefield"
    assert extra in tomllib.loads((here / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {path.name for path in here.iterdir()} == {"pyproject.toml", "README.md", "LICENSE", "configs", "src"}
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(build, cwd=here, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("scorefield-*.whl"))) == 1
    (upload,) = (line for line in PAGE.splitlines() if line.startswith("hf upload"))
    sent = set(re.findall(r'--include "?([\w.]+)', upload))
    assert sent == {"Dockerfile", *(path.name for path in here.iterdir())} - {"README.md"}  # which the Space has


@pytest.mark.promise("F1")
@pytest.mark.slow  # test_demo_server.py starts the command, too
def test_its_command_serves_at_the_port_that_is_open(tmp_path: Path) -> None:
    (command,) = map(json.loads, steps("CMD"))
    port = command[-1]
    assert command[:2] == ["scorefield", "demo"]
    assert steps("EXPOSE") == [port]
    assert f"-p 127.0.0.1:{port}:{port} scorefield" in PAGE
    assert steps("USER") == ["user"]  # and not root
    run = [sys.executable, "-m", *command[:-1], "0"]  # a free one: that of the page may be taken here
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as started:
        try:
            found = re.match(r"scorefield demo: http://[^:]+:(\d+) ", started.stdout.readline())
            space = {"Host": "user-space.hf.space", "Origin": "https://user-space.hf.space"}
            assert Served(int(found[1])).ask("GET", "/api/models", **space)[0] == 200
        finally:
            started.terminate()
            assert started.wait(30) in (143, -signal.SIGTERM)  # as `docker stop` does


@pytest.mark.promise("F1")
def test_the_proxy_reaches_an_app_that_serves_this_machine_alone() -> None:
    """The page of a proxy, over TLS and over plain HTTP, is answered; the page of another, and who comes past the proxy, is not."""
    lines = dict(re.findall(r'proxy_set_header (\w+) "?([^";]*)"?;', block("nginx")))
    body = json.dumps({"model": "digits", "n": 1, "steps": 1}).encode()
    came = {"Host": "demo.example", "Origin": "https://demo.example"}
    with serve("digits") as app:
        proxied = {name: value.replace("8000", str(app.port)) for name, value in (came | lines).items() if value}
        assert app.ask("POST", "/api/draw", body, **proxied)[0] == 200
        assert app.ask("POST", "/api/draw", body, **proxied, Sec_Fetch_Site="same-origin")[0] == 200
        assert app.ask("POST", "/api/draw", body, **proxied, Sec_Fetch_Site="cross-site")[0] == 403
        assert app.ask("POST", "/api/draw", body, **came)[0] == 403
