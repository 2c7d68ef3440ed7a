"""The Python lines and the command shown with a result give exactly it."""

import contextlib
import io
import json
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from demo_server import IMAGE, MASK, Served, files, png, serve

from scorefield.app.recipes import written
from scorefield.cli import main
from scorefield.config import load_plugins
from scorefield.config.rooms import SAMPLER
from scorefield.config.sampling import SamplingConfig
from scorefield.grids import Ladder
from scorefield.processes import VE

DIGITS = np.repeat(np.repeat(np.uint8(np.random.default_rng(0).integers(0, 256, (7, 7))), 4, axis=0), 4, axis=1)
HALF = np.repeat(np.uint8([[0] * 14 + [255] * 14]), 28, axis=0)
DRAWN = {
    "its own way": {"model": "digits", "n": 3, "seed": 5},
    "fewer steps": {"model": "digits", "n": 2, "steps": 3},
    "corrected": {"model": "digits", "n": 2, "sampler": "pc", "steps": 4},
    "annealed": {"model": "digits", "n": 2, "sampler": "ald", "steps": 3},
    "by its last guess": {"model": "digits", "n": 5, "sampler": "dpmpp2m", "steps": 6, "seed": 2**31 - 1},
    "by several guesses": {"model": "digits", "n": 2, "sampler": "multistep", "steps": 4},
    "guided": {"model": "mnist", "n": 2, "steps": 2, "guide": 0.7},
    "not guided": {"model": "mnist", "n": 1, "steps": 2, "sampler": "ddim", "guide": 0.0},
    "a class": {"model": "mnist-class", "n": 2, "steps": 2, "label": 7, "weight": 1.5},
    "distilled": {"model": "mnist-fast", "n": 2, "sampler": "euler", "steps": 3},
    "classes in turn": {"model": "mnist-class", "n": 3, "steps": 1, "label": "all"},
}
SMALL = {"model": "digits", "image": IMAGE, "n": 3, "steps": 4, "seed": 3}
RESTORED = {
    "half": SMALL | {"problem": "mask", "mask": MASK},
    "painted": SMALL | {"problem": "mask", "mask": png(np.eye(8, dtype=np.uint8) * 255), "method": "repaint"},
    "pulled": SMALL | {"problem": "mask", "mask": MASK, "method": "pigdm"},
    "blurred": SMALL | {"problem": "blur", "size": 0.7, "method": "dps"},
    "coarse": SMALL | {"problem": "downsample", "size": 2.0, "method": "pigdm"},
    "large": {"model": "mnist", "image": png(DIGITS), "problem": "mask", "mask": png(HALF), "n": 2, "steps": 2},
}


@pytest.fixture(scope="module")
def app() -> Iterator[Served]:
    with serve("digits", "mnist", "mnist-class", "mnist-fast") as served:
        yield served


def lines(answer: dict, folder: Path) -> dict:
    """Run the lines of Python where the files of the answer were saved; return what they define."""
    for name in answer["files"]:
        (folder / name).write_bytes(files(answer, name) if not name.endswith(".npz") else b"")
    found: dict = {}
    exec(compile(answer["python"], "recipe", "exec"), found)  # noqa: S102
    return found


def command(answer: dict, *more: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        assert main([*shlex.split(answer["command"])[1:], *more]) == 0


@pytest.mark.parametrize(
    "name",
    [pytest.param(each, marks=pytest.mark.slow if each == "not guided" else ()) for each in DRAWN],
)
def test_samples_can_be_drawn_again(app: Served, tmp_path: Path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    answer = app.answer("draw", **DRAWN[name])
    x = files(answer, "digits.npz")["x"]
    np.testing.assert_array_equal(lines(answer, tmp_path)["x"].numpy(), x)
    command(answer)
    np.testing.assert_array_equal(np.load("digits.npz")["x"], x)


PLUGIN = """import scorefield as sf

class Slow(sf.Sampler):
    order = evaluations = 1

    def __init__(self, share: float = 0.5) -> None:
        self.share = share

    def step(self, model, x, step, memory, noise):
        return x + self.share * (step.alpha_s * (x / step.alpha_t + (step.rho_s - step.rho_t) * model.noise(x, step.t)) - x), None

sf.register("sampler", slow=Slow)
"""


def test_a_sampler_of_a_plugin_is_run_before_it_is_used(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my own.py").write_text(PLUGIN)
    load_plugins(["my own.py"])
    try:
        with serve("digits", plugins=["my own.py"]) as app:
            answer = app.answer("draw", model="digits", n=2, sampler="slow", steps=3)
    finally:
        del sys.modules["scorefield_plugin_my own"]  # the lines run it again
        del SAMPLER.makers["slow"]
    x = files(answer, "digits.npz")["x"]
    np.testing.assert_array_equal(lines(answer, tmp_path)["x"].numpy(), x)
    command(answer)
    np.testing.assert_array_equal(np.load("digits.npz")["x"], x)
    assert written(sys.modules["scorefield_plugin_my own"].Slow(0.25)).endswith(".Slow(share=0.25)")
    del SAMPLER.makers["slow"]


def test_pictures_and_films_are_the_commands(app: Served, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = app.answer("draw", **DRAWN["its own way"])
    for name in ("digits.png", "digits.gif"):
        command(answer, "--out", name)
        assert Path(name).read_bytes() == files(answer, name)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "large" else ()) for name in RESTORED]
)
def test_restorations_can_be_made_again(app: Served, tmp_path: Path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    answer = app.answer("restore", **RESTORED[name])
    got = files(answer, "restored.npz")
    np.testing.assert_array_equal(lines(answer, tmp_path)["x"].numpy(), got["x"])
    command(answer)
    again = dict(np.load("restored.npz"))
    for array in got:
        np.testing.assert_array_equal(again[array], got[array])
    if RESTORED[name].get("method", "replace") in ("replace", "repaint"):
        known = ~np.broadcast_to(got["hidden"], got["truth"].shape)
        for x in got["x"]:
            np.testing.assert_array_equal(x[known], got["truth"][known])


def test_a_level_can_be_computed_again(app: Served, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = app.answer("explore", model="digits", image=IMAGE, noise=0.3, seed=4)
    got = files(answer, "level.npz")
    assert answer["command"] == "python level.py"
    for name in ("level.py", "image.png"):
        Path(name).write_bytes(files(answer, name))
    assert Path("level.py").read_text() == answer["python"]
    runpy.run_path("level.py")
    found = dict(np.load("level.npz"))
    assert sorted(found) == ["denoised", "score", "x_t"]
    for name, x in found.items():
        np.testing.assert_array_equal(x, got[name])


def test_a_likelihood_can_be_computed_again(app: Served, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    answer = app.answer("likelihood", model="digits", image=IMAGE, seed=1)
    found = lines(answer, tmp_path)
    assert (found["bits"].item(), found["error"].item()) == (answer["bits"], answer["error"])
    assert main([*shlex.split(answer["command"])[1:], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [told[name] for name in ("bits", "error", "nats")] == [answer[name] for name in ("bits", "error", "nats")]
    assert answer["nats"] == pytest.approx(-answer["bits"] * 64 * np.log(2))


def test_what_a_sampler_is_written_as_is_that_sampler(app: Served) -> None:
    import scorefield as sf

    for kind in json.loads(app.ask("GET", "/api/model?name=digits")[1])["steps"]:
        made = SamplingConfig.model_validate({"sampler": {"kind": kind}}).build(VE(0.01, 20.0))
        sampler, grid = (eval(written(part), {"sf": sf, "torch": torch}) for part in made)  # noqa: S307
        assert sampler == made[0]
        assert torch.equal(grid.times(VE(0.01, 20.0)), made[1].times(VE(0.01, 20.0)))
    uneven = torch.tensor([3.0, 2.0, 0.5], dtype=torch.float64)
    assert torch.equal(eval(written(Ladder(uneven)), {"sf": sf, "torch": torch}).levels, uneven)  # noqa: S307
