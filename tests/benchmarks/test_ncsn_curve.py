"""The command that compares NCSN's loss with the published one: its convention, its files, and that it trains the recipe."""

import json
from pathlib import Path

import pytest

from benchmarks import ncsn_curve
from scorefield.cli.main import main
from scorefield.runs.folder import RunFolder


def test_the_convention_is_the_mean_of_the_last_hundred_steps() -> None:
    losses = [float(step) for step in range(1, 601)]
    assert ncsn_curve.at_steps(losses) == {"1": 1.0, "100": 50.5, "500": 450.5}
    assert ncsn_curve.at_steps(losses[:120]) == {"1": 1.0, "100": 50.5}
    assert ncsn_curve.recent(losses, 40) == 20.5


@pytest.mark.mnist
@pytest.mark.parametrize("data", ["digits", pytest.param("mnist", marks=pytest.mark.slow)])
def test_a_run_of_the_recipe_gives_both_files(tmp_path: Path, mnist_dir: Path, data: str) -> None:
    run, recipe = tmp_path / "run", str(Path(__file__).parents[2] / "configs" / "mnist-ncsn.yaml")
    tiny = ["--train.steps", "3", "--network.ngf", "4", "--sampling.repeats", "1", "--data-dir", str(mnist_dir)]
    tiny += ["--data.kind", data]
    assert main(["train", "--config", recipe, "--run", str(run), "--train.log_every", "1", *tiny]) == 0
    ncsn_curve.main([str(run), "--out", str(tmp_path / "ncsn")])
    found = json.loads((tmp_path / "ncsn" / "curve.json").read_text())
    assert len(found["losses"]) == 3
    assert found["ours"] == {"1": pytest.approx(found["losses"][0], abs=0.01)}
    assert found["published"] == {"1": 503, "100": 229, "500": 79}
    settings = found["settings"]
    assert (settings["train"]["batch_size"], settings["train"]["learning_rate"]) == (128, 1e-3)
    assert str(mnist_dir) not in (tmp_path / "ncsn" / "curve.json").read_text()
    assert (tmp_path / "ncsn" / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_did_not_log_every_step_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 20, "loss": 1.0}\n')
    with pytest.raises(ValueError, match=r"--train\.log_every 1"):
        ncsn_curve.curve(RunFolder(tmp_path))
