"""scorefield likelihood: bits per dimension of bytes both ways, nats of other data, of one example, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from scorefield._noise import derive_seed
from scorefield.cli.main import main
from scorefield.data import digits
from scorefield.evaluation import likelihood_of, real_data
from scorefield.likelihood import bits_per_dim, variational_bound
from scorefield.metrics import Estimate
from scorefield.pretrained import load_model

TINY = ["--network.width", "8", "--network.depth", "1", "--device", "cpu", "--fast-dev-run"]


def test_images_are_told_in_bits_by_both_dequantisations(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("scorefield.runs.averages._LEARNT", 2000)  # a bound of 200 images is a loose one
    run = str(tmp_path / "run")
    assert main(["train", "--data.kind", "digits", *TINY, "--run", run]) == 0
    capsys.readouterr()
    assert main(["likelihood", run, "-n", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == found["n_reference"] == 4
    for way in ("uniform", "gaussian"):
        row = found[way]
        assert row["low"] < row["value"] < row["high"]
        assert row["error_of_trace"] > 0
        assert f"{way} dequantisation" in row["dequantisation"].lower()
    bound = found["variational"]
    assert bound["n"] == 4
    loaded = load_model(run)
    images = real_data(loaded.config.data, loaded.event, 4).reference.x
    assert loaded.byte_decoder is not None
    own = variational_bound(loaded.model, images, loaded.byte_decoder, seed=derive_seed(0, "bound", 0))
    assert bound["value"] == pytest.approx(own.mean().item(), rel=1e-5)
    assert bound["low"] < found["gaussian"]["high"]
    assert found["gaussian"]["low"] < bound["high"]
    assert main(["likelihood", run, "-n", "4"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("bits/dim of 4 held-out") == 3
    assert f"{found['gaussian']['value']:.4g}" in shown


def test_a_model_of_more_noise_is_asked_at_its_least(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run, noisy = str(tmp_path / "run"), ["--process.kind", "edm", "--process.sigma_min", "0.07"]
    assert main(["train", "--data.kind", "digits", *noisy, *TINY, "--run", run]) == 0
    capsys.readouterr()
    assert main(["likelihood", run, "-n", "2"]) == 0
    assert "Gaussian dequantisation at σ/α = 0.07," in capsys.readouterr().out


def test_other_data_are_told_in_nats(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32))
    run = str(tmp_path / "run")
    data = [
        "--data.kind",
        "path",
        "--data.path",
        str(tmp_path / "x.npz"),
        "--network.kind",
        "mlp",
        "--network.width",
        "8",
    ]
    assert main(["train", *data, "--device", "cpu", "--fast-dev-run", "--run", run]) == 0
    capsys.readouterr()
    assert main(["likelihood", run, "-n", "5"]) == 0
    assert "log p of 5" in capsys.readouterr().out
    np.save(tmp_path / "one.npy", np.float32([0.5, -1.0]))
    assert main(["likelihood", run, "--image", str(tmp_path / "one.npy"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    loaded = load_model(run)
    assert found["nats"] == loaded.log_likelihood(torch.tensor([[0.5, -1.0]])).log_prob.item()
    assert "bits" not in found
    (tmp_path / "x.npz").rename(tmp_path / "elsewhere.npz")
    capsys.readouterr()
    assert main(["likelihood", run, "-n", "5"]) == 3
    assert main(["likelihood", run, "-n", "5", "--test", str(tmp_path / "elsewhere.npz")]) == 0  # without training data
    assert "log p of 5 held-out" in capsys.readouterr().out


@pytest.mark.parametrize("decoded", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_one_image_is_found_as_probable_as_by_a_finer_solver(decoded: bool, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = load_model("digits")
    image, decoder = digits(train=False).x[3:4], loaded.byte_decoder if decoded else None
    found = likelihood_of(loaded.model, image, decoder)
    draws, _ = bits_per_dim(loaded.model, image.expand(4, -1, -1, -1), decoder=decoder, probes=1, rtol=1e-5, atol=1e-5)
    assert abs(found["bits"] - draws.mean().item()) < 0.01
    assert found["error"] == pytest.approx(draws.std().item() / 2, rel=0.1)
    assert "4 draws" in found["dequantisation"]
    if decoded:
        assert main(["likelihood", "digits", "--image", "3"]) == 0
        shown = f"digits 3: {Estimate(found['bits'], found['error'])} bits/dim, {found['nats']:.5g} nats"
        assert shown in capsys.readouterr().out


def test_one_held_out_example_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["likelihood", "mnist", "-n", "1"]) == 2
    assert "at least 2" in capsys.readouterr().err
