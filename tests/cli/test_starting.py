"""A run that starts from a trained model is that model at first, whatever the label, and learns on from there."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from scorefield import load_model
from scorefield.cli.main import main
from scorefield.errors import ConfigError
from scorefield.pretrained import load_trained
from scorefield.runs import Run

TINY = ["--data.kind", "digits", "--fast-dev-run"]
STILL = ["--train.learning_rate", "1e-12"]


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("pretrained") / "former"
    network = ["--network.width", "16", "--network.depth", "1", "--process.sigma_max", "30.0"]
    assert main(["train", *TINY, *network, "--objective.times.mean", "-0.5", "--run", str(run)]) == 0
    return run


def test_at_first_it_is_the_former_model_whatever_the_label(
    former: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = tmp_path / "labelled"
    assert (
        main(["train", *TINY, "--pretrained", str(former), "--network.classes", "10", *STILL, "--run", str(run)]) == 0
    )
    before, after = load_model(str(former)), load_model(str(run))
    for part in ("process", "model", "objective", "sampling"):
        assert getattr(after.config, part) == getattr(before.config, part)
    own, new = before.model.state_dict(), after.model.state_dict()
    added = new.keys() - own.keys()
    assert len(added) == 1
    assert new[added.pop()].abs().max() < 1e-9
    for name, value in own.items():
        torch.testing.assert_close(new[name], value, atol=1e-6, rtol=0)
    x, t = torch.randn(10, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor(0.7)
    labelled = after.model.condition(torch.arange(10))
    torch.testing.assert_close(labelled.denoise(x, t), before.model.denoise(x, t), atol=1e-5, rtol=0)
    assert main(["train", *TINY, "--pretrained", str(run), "--network.classes", "12", "--dry-run"]) == 2
    assert "network.classes: 10 → 12" in capsys.readouterr().err


def test_it_goes_on_from_its_own_checkpoint(former: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = ["--run", str(tmp_path / "run")]
    assert main(["train", *TINY, "--pretrained", str(former), *run]) == 0
    assert main(["train", *TINY, "--pretrained", str(former), "--dry-run"]) == 0
    assert f"4 steps of 16 from the weights of {former}, " in capsys.readouterr().out
    state = {name: value.clone() for name, value in load_trained(str(tmp_path / "run")).model.state_dict().items()}
    assert main(["train", *TINY, "--pretrained", str(former), *run, "--resume"]) == 0
    for name, value in load_trained(str(tmp_path / "run")).model.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_it_goes_on_though_the_former_model_is_gone(former: Path, tmp_path: Path):
    shutil.copytree(former, tmp_path / "former")
    run = ["--run", str(tmp_path / "run")]
    assert main(["train", *TINY, "--pretrained", str(tmp_path / "former"), *run]) == 0
    shutil.rmtree(tmp_path / "former")
    assert main(["train", *run, "--resume"]) == 0


def test_another_network_or_process_or_size_is_refused(
    former: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    start = ["train", *TINY, "--pretrained", str(former), "--run", str(tmp_path / "run")]
    for other, named in (("--network.width=32", "network.width: 16 → 32"), ("--process.sigma_max=9.0", "30.0 → 9.0")):
        assert main([*start, other]) == 2
        assert named in capsys.readouterr().err
    np.save(tmp_path / "larger.npy", np.random.default_rng(0).integers(0, 256, (20, 16, 16), np.uint8))
    larger = ["train", "--data.path", str(tmp_path / "larger.npy"), "--fast-dev-run", "--run", str(tmp_path / "run")]
    assert main([*larger, "--pretrained", str(former)]) == 4
    assert "of examples of shape (1, 8, 8): expected the tensors of the model; net." in capsys.readouterr().err
    assert main([*larger, "--pretrained", str(tmp_path / "nothing")]) == 2
    assert "command line: pretrained: " in capsys.readouterr().err
    (tmp_path / "config.yaml").write_text("pretrained: nothing")
    assert main(["train", "--config", str(tmp_path / "config.yaml"), "--print_config"]) == 2
    assert "config.yaml: pretrained: nothing: neither a run folder" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_in_python_the_run_is_given_the_model(former: Path, tmp_path: Path):
    before = load_trained(str(former))
    config = before.config.model_copy(update={"pretrained": str(former)})
    with pytest.raises(ConfigError, match="give the run that model"):
        Run(config, tmp_path / "run")
    made = Run(config, tmp_path / "run", pretrained=before)
    assert all(
        torch.equal(value, before.model.state_dict()[name]) for name, value in made.state.ema.state_dict().items()
    )
