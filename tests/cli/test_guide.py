"""A run that keeps a weaker version of itself draws with its guidance, and without where it is told so."""

import json
from pathlib import Path

import numpy as np
import pytest
from jsonargparse import Namespace

from scorefield import AdaptiveODE, AutoGuided, Euler, Karras, load_model
from scorefield.cli.drawing import precision
from scorefield.cli.main import main
from scorefield.config.sampling import SamplingConfig
from scorefield.training import checkpoint
from scorefield.training.export import export

TINY = ["--data.kind", "digits", "--network.width", "8", "--network.depth", "1", "--fast-dev-run"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guide") / "tiny"
    assert main(["train", *TINY, "--guide.step", "2", "--guide.weight", "3", "--run", str(path)]) == 0
    return path


def draw(model: Path, *more: str) -> np.ndarray:
    out = model.parent / "x.npz"
    assert main(["sample", str(model), "-n", "2", "--steps", "3", "--out", str(out), *more]) == 0
    return np.load(out)["x"]


def test_the_run_says_how_strongly_it_is_guided(run: Path):
    guided = draw(run)
    np.testing.assert_array_equal(guided, draw(run, "--guide", "3"))
    assert not np.array_equal(guided, draw(run, "--guide", "0"))
    assert not np.array_equal(guided, draw(run, "--guide", "1"))
    loaded = load_model(str(run))
    assert loaded.weak is not None
    assert loaded.steered(guide=0.0) is loaded.model  # a weaker version that counts for nothing is not evaluated


def test_a_budget_of_evaluations_chooses_the_sampler(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    asked = ["sample", str(run), "-n", "2", "--out", str(tmp_path / "x.npz"), "--json", "--evaluations"]
    assert main([*asked, "9"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sampler"]["kind"] == "dpmpp2m"
    assert 7 < told["evaluations_per_sample"] <= 9
    np.testing.assert_array_equal(np.load(tmp_path / "x.npz")["x"], load_model(str(run)).sample(2, evaluations=9).x)
    assert main([*asked, "9", "--steps", "3", "--sampler", "heun"]) == 2
    refused = capsys.readouterr().err
    assert "--evaluations 9 chooses the sampler and its steps: leave out --sampler, --steps" in refused
    assert main([*asked, "2"]) == 2
    assert "evaluations must be at least " in capsys.readouterr().err


def test_an_exported_model_keeps_its_guide(run: Path, tmp_path: Path):
    found = checkpoint.latest(run / "checkpoints", print)
    assert found is not None
    export(found, tmp_path / "exported")
    np.testing.assert_array_equal(draw(tmp_path / "exported"), draw(run))


def test_a_guide_that_is_not_there_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    plain = tmp_path / "plain"
    assert main(["train", *TINY, "--run", str(plain)]) == 0
    assert main(["sample", str(plain), "--guide", "1"]) == 2
    assert "keeps no weaker version; train one with guide.step" in capsys.readouterr().err
    labelled = tmp_path / "labelled"
    assert main(["train", *TINY, "--network.classes", "10", "--guide.step", "2", "--run", str(labelled)]) == 0
    assert main(["sample", str(labelled), "--class", "1", "--weight", "1", "--guide", "1"]) == 2
    assert "two ways to strengthen guidance" in capsys.readouterr().err


def test_an_interval_that_descends_is_refused_before_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert (
        main(["train", *TINY, "--guide.step", "2", "--guide.interval", "[4.0, 0.2]", "--run", str(tmp_path / "run")])
        == 2
    )
    assert "guide.interval" in (error := capsys.readouterr().err)
    assert "must ascend" in error
    assert not (tmp_path / "run").exists()


def test_a_weaker_version_is_of_the_same_class_and_classifier_free_guidance_does_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = str(tmp_path / "run")
    assert main(["train", *TINY, "--network.classes", "10", "--guide.step", "2", "--run", run]) == 0
    steered = load_model(run).steered(labels=7)
    assert isinstance(steered, AutoGuided)
    for part in (steered.model, steered.weak):
        assert part.labels is not None
        assert part.labels.tolist() == [7]
    out = ["-n", "1", "--steps", "1", "--out", str(tmp_path / "x.npz"), "--json"]
    for more, weight in (([], 1.0), (["--class", "7", "--weight", "2"], 0.0)):
        capsys.readouterr()
        assert main(["sample", run, *out, *more]) == 0
        assert json.loads(capsys.readouterr().out)["guide"] == weight


def test_what_auto_means_is_decided_by_the_sampler(run: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    monkeypatch.setattr("scorefield.loaded.uses_bf16", lambda precision, device: asked.append(precision))
    for sampler in (Euler(), AdaptiveODE(0.1, 0.1)):
        load_model(str(run)).sample(1, sampler=sampler, grid=Karras(1))
    assert asked == ["auto", "fp32"]


@pytest.mark.parametrize(("kind", "expected"), [("heun", "bf16"), ("ode", "fp32"), ("sde", "fp32")])
def test_commands_draw_in_the_precision_that_the_library_would(
    kind: str, expected: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("scorefield.cli.drawing.uses_bf16", lambda asked, device: asked == "auto")
    args = Namespace(precision="auto", device="cpu")
    assert precision(args, SamplingConfig.model_validate({"sampler": kind})) == expected
