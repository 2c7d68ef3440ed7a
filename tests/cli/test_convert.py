"""``scorefield convert``: a foreign file becomes a run that samples and trains on, and goes back unchanged; refusals end as promised."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from foreign_checkpoints import LEVELS, contents, network, shadow, state, write
from scorefield import geometric
from scorefield.cli import main
from scorefield.config import RunConfig, read_yaml, validate
from scorefield.pretrained import load_model

CPU = torch.device("cpu")


def convert(path: Path, layout: str, out: Path, *more: str) -> int:
    return main(["convert", str(path), "--from", layout, "--out", str(out), "--size", "8", *more])


def given(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "given.yaml").write_text(text)
    return ["--config", str(tmp_path / "given.yaml")]


CASES = [
    ("ncsn", "cond_refinenet", ""),
    pytest.param("ncsnv2", "ncsnv2", "", marks=pytest.mark.slow),
    pytest.param("score_sde", "cond_refinenet", "", marks=pytest.mark.slow),
    (
        "score_sde",
        "ncsnv2",
        "process: {kind: ve, sigma_max: 5.0}\nmodel: {kind: ladder, levels: 6}\nobjective: {sigma_1: 5.0, levels: 6}",
    ),
]


@pytest.mark.parametrize(("layout", "kind", "text"), CASES)
def test_a_converted_run_is_the_foreign_network_and_samples(tmp_path: Path, layout: str, kind: str, text: str) -> None:
    net = network(kind)
    source = write(tmp_path / "x.pth", contents(layout, net))
    run, out = tmp_path / "run", tmp_path / "x.npz"
    assert convert(source, layout, run, *(given(tmp_path, text) if text else [])) == 0
    assert {path.name for path in run.iterdir()} >= {"config.yaml", "environment.json", "metrics.jsonl", "checkpoints"}
    loaded = load_model(str(run), CPU)
    assert loaded.event == (1, 8, 8)
    assert validate(RunConfig, read_yaml(run / "config.yaml"), "run") == loaded.config
    if layout != "ncsn":
        net.load_state_dict(shadow(net), strict=False)
    levels = geometric(1.0, 0.01, 6) if kind == "cond_refinenet" else LEVELS
    x, index = torch.rand(6, 1, 8, 8), torch.arange(6)
    with torch.no_grad():
        score = loaded.model.score(x, loaded.model.process.time(levels))
        torch.testing.assert_close(score, net(x, index), rtol=1e-6, atol=1e-6)
    assert main(["sample", str(run), "-n", "2", "--options.repeats", "2", "--out", str(out)]) == 0
    assert np.isfinite(np.load(out)["x"]).all()


@pytest.mark.parametrize("kind", ["cond_refinenet", "ncsnv2"])
def test_a_state_dict_alone_is_converted(capsys, tmp_path: Path, kind: str) -> None:
    net = network(kind)
    source = write(tmp_path / "x.pth", state(net))
    assert convert(source, "ncsn", tmp_path / "run") == 0
    loaded, x = load_model(str(tmp_path / "run"), CPU), torch.rand(6, 1, 8, 8)
    levels = geometric(1.0, 0.01, 6) if kind == "cond_refinenet" else LEVELS
    with torch.no_grad():
        score = loaded.model.score(x, loaded.model.process.time(levels))
        torch.testing.assert_close(score, net(x, torch.arange(6)), rtol=1e-6, atol=1e-6)
    mine = write(tmp_path / "mine.pth", torch.nn.Linear(2, 2).state_dict())
    capsys.readouterr()
    refused(
        capsys, 4, [str(mine), "--from", "ncsn", "--out", str(tmp_path / "y")], "load_state_dict", "scorefield.save"
    )


@pytest.mark.parametrize(
    ("layout", "kind"), [pytest.param("ncsn", "cond_refinenet", marks=pytest.mark.slow), ("ncsnv2", "ncsnv2")]
)
def test_there_and_back_is_exact(tmp_path: Path, layout: str, kind: str) -> None:
    value = contents(layout, network(kind))
    source, back = write(tmp_path / "x.pth", value), tmp_path / "back.pth"
    assert convert(source, layout, tmp_path / "run") == 0
    assert main(["convert", str(tmp_path / "run"), "--to", layout, "--out", str(back)]) == 0
    found = torch.load(back, weights_only=True)
    assert list(found[0]) == list(value[0])
    assert all(torch.equal(found[0][name], value[0][name]) for name in value[0])
    for index, entry in value[1]["state"].items():
        assert all(torch.equal(found[1]["state"][index][key], entry[key]) for key in entry)
    if layout == "ncsnv2":
        assert found[3] == value[3]
        assert all(torch.equal(found[4][name], value[4][name]) for name in value[4])


def test_training_goes_on_where_the_file_stopped(tmp_path: Path) -> None:
    """Two steps there, one more here: Adam's moments have come along."""
    source, run = write(tmp_path / "x.pth", contents("ncsn", network("cond_refinenet"))), tmp_path / "run"
    assert (
        convert(
            source,
            "ncsn",
            run,
            *given(tmp_path, "data: {kind: digits}\ntrain: {steps: 3, log_every: 1, batch_size: 4}"),
        )
        == 0
    )
    assert main(["train", "--config", str(run / "config.yaml"), "--run", str(run), "--resume", "--sampling.steps", "2",
                 "--sampling.repeats", "1"]) == 0  # fmt: skip
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()] == [3]


def test_the_published_ladder_and_steps_are_the_defaults(tmp_path: Path) -> None:
    assert convert(write(tmp_path / "a.pth", contents("ncsn", network("cond_refinenet"))), "ncsn", tmp_path / "a") == 0
    assert convert(write(tmp_path / "b.pth", contents("ncsnv2", network("ncsnv2"))), "ncsnv2", tmp_path / "b") == 0
    for run, repeats, sigma_1 in (("a", 100, 1.0), ("b", 5, 5.0)):
        loaded = load_model(str(tmp_path / run), CPU)
        sampler, grid = loaded.config.sampling.build(loaded.model.process)
        _, sigma = loaded.model.process.alpha_sigma(grid.times(loaded.model.process))
        assert sampler.evaluations == repeats
        torch.testing.assert_close(sigma[:-1], geometric(sigma_1, 0.01, 6))


def refused(capsys: pytest.CaptureFixture[str], code: int, arguments: list[str], *words: str) -> None:
    assert main(["convert", *arguments]) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert err.count("\n") == 1
    for word in words:
        assert word in err, err


def test_a_trap_is_exit_4_and_nothing_runs(capsys, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "sprung"),)

    path, run = tmp_path / "trap.pth", tmp_path / "run"
    path.write_bytes(pickle.dumps([Trap(), {}]))
    refused(capsys, 4, [str(path), "--from", "ncsn", "--out", str(run)], "trap.pth", "nothing was executed")
    assert not (tmp_path / "sprung").exists()
    assert not run.exists()


def test_what_cannot_be_done_is_said(capsys, tmp_path: Path) -> None:
    net = network("ncsnv2")
    good, run = write(tmp_path / "x.pth", contents("ncsnv2", net)), tmp_path / "run"
    bare = write(tmp_path / "bare.pth", contents("score_sde", net))
    two = write(tmp_path / "two.pth", [state(network("cond_refinenet", channels=2)), {}])
    refused(capsys, 2, [str(good), "--out", str(run)], "--from", "--to")
    refused(capsys, 2, [str(good), "--from", "ncsn", "--to", "ncsn", "--out", str(run)], "--from", "--to")
    refused(capsys, 2, [str(good), "--from", "nscn", "--out", str(run)], "nscn")
    refused(capsys, 2, [str(good), "--from", "ncsnv2", "--out", str(tmp_path)], "exists already")
    refused(capsys, 4, [str(good), "--from", "ncsn", "--out", str(run)], "list of 5")
    refused(capsys, 2, [str(bare), "--from", "score_sde", "--out", str(run)], "model.levels")
    refused(capsys, 2, [str(two), "--from", "ncsn", "--out", str(run)], "size", "2 channel")
    refused(capsys, 2, [str(two), "--from", "ncsn", "--out", str(run), "--size=-4"], "--size", "-4")
    with torch.no_grad():
        net.sigmas[3] = -1.0
    negative = write(tmp_path / "negative.pth", [state(net), {}])
    refused(capsys, 4, [str(negative), "--from", "ncsn", "--out", str(run)], "positive and descend")
    refused(capsys, 2, ["mnist", "--to", "ncsn", "--out", str(tmp_path / "y.pth")], "unet", "cond_refinenet")
    for text, code, word in (
        ("network: {ngf: 4}", 4, "shape"),
        ("model: {kind: noise}", 2, "ladder"),
        ("process: {sigma_max: 7.0}", 2, "from 7 to 0.01"),
        ("process: {sigma_max: 7.0}\nobjective: {sigma_1: 7.0}", 4, "noise levels"),
        ("network: {ngff: 4}", 2, "ngff"),
    ):
        arguments = [str(good), "--from", "ncsnv2", "--out", str(run), "--size", "8", *given(tmp_path, text)]
        refused(capsys, code, arguments, word)
    assert not run.exists()
