"""The command that compares NCSN's loss with the published one: its convention, its files, and that it trains the recipe."""

import json
from pathlib import Path

import pytest

from benchmarks import ncsn_curve


def test_the_convention_is_the_mean_of_the_last_hundred_steps() -> None:
    losses = [float(step) for step in range(1, 601)]
    assert ncsn_curve.at_steps(losses) == {"1": 1.0, "100": 50.5, "500": 450.5}
    assert ncsn_curve.at_steps(losses[:120]) == {"1": 1.0, "100": 50.5}
    assert ncsn_curve.recent(losses, 40) == 20.5


@pytest.mark.mnist
def test_a_few_steps_of_a_tiny_network_write_both_files(tmp_path: Path, mnist_dir: Path) -> None:
    ncsn_curve.main(["--steps", "3", "--ngf", "4", "--data-dir", str(mnist_dir), "--out", str(tmp_path / "ncsn")])
    found = json.loads((tmp_path / "ncsn" / "curve.json").read_text())
    assert len(found["losses"]) == 3
    assert found["ours"] == {"1": pytest.approx(found["losses"][0], abs=0.01)}
    assert found["published"] == {"1": 503, "100": 229, "500": 79}
    settings = found["settings"]
    assert (settings["train"]["batch_size"], settings["train"]["learning_rate"]) == (128, 1e-3)
    assert str(mnist_dir) not in (tmp_path / "ncsn" / "curve.json").read_text()
    assert (tmp_path / "ncsn" / "curve.png").read_bytes().startswith(b"\x89PNG")
