"""scorefield tune: the way to draw that is nearest is found on one half, and said so if the other half agrees."""

import json
import shlex
from pathlib import Path

import pytest
import torch

from scorefield import Heun, load_model
from scorefield.cli import main
from scorefield.evaluation import real_data
from scorefield.evaluation.tuning import Trial, best, told_apart
from scorefield.loaded import LoadedModel
from scorefield.metrics import Estimate
from scorefield.models import ScoreModel
from scorefield.sampling import Samples

TINY = ["--network.width", "8", "--network.depth", "1", "--process.sigma_max", "2", "--device", "cpu", "--fast-dev-run"]
WAYS = ["--sampling.sampler.kind", "heun", "--sampling.sampler.churn", "10", "--guide.step", "1", "--guide.weight", "2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that draws with churn 10 and guidance 2."""
    folder = tmp_path_factory.mktemp("tuned") / "run"
    assert main(["train", "--data.kind", "digits", *TINY, *WAYS, "--run", str(folder)]) == 0
    return folder


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch):
    """Make samples of the data plus noise, of a standard deviation that follows from churn and guidance."""

    def install(noise) -> None:
        def sample(loaded: LoadedModel[ScoreModel], n: int, *, seed: int, sampler: Heun, guide: float) -> Samples:
            data = real_data(loaded.config.data, loaded.drawn, 10_000).train.scaled()
            generator = torch.Generator().manual_seed(seed)
            x = data[torch.randperm(len(data), generator=generator)[:n]]
            x = x + noise(sampler.churn, guide) * torch.randn(x.shape, generator=generator)
            return Samples(x, 1.0, torch.empty(0), None)

        monkeypatch.setattr(LoadedModel, "sample", sample)

    return install


def told(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path, *more: str) -> str:
    capsys.readouterr()
    assert main(["tune", str(run), "-n", "200", "--device", "cpu", "--out", str(tmp_path / "tuned"), *more]) == 0
    return capsys.readouterr().out


def test_the_nearest_way_is_found_and_becomes_the_runs_own(run, drawn, capsys, tmp_path) -> None:
    drawn(lambda churn, guide: 0.05 + abs(churn - 3) / 20 + abs(guide - 1) / 2)
    found = json.loads(told(capsys, run, tmp_path, "--json"))
    assert found == json.loads((tmp_path / "tuned" / "tune.json").read_text())
    assert {(t["churn"], t["guide"]) for t in found["trials"]} == {(c, g) for c in (0, 3, 10) for g in (0, 1, 2)}
    assert (found["chosen"], found["told_apart"]) == ({"churn": 3, "guide": 1}, True)
    text = told(capsys, run, tmp_path)
    assert f"scorefield sample {run} --options.churn 3 --guide 1" in text
    advice = next(line for line in text.splitlines() if "--resume" in line)
    assert main(shlex.split(advice.partition("scorefield ")[2])) == 0
    config = load_model(run).config
    assert (config.sampling.sampler.churn, config.guide.weight) == (3, 1)


def test_where_ways_are_alike_nothing_is_advised(run, drawn, capsys, tmp_path) -> None:
    drawn(lambda churn, guide: 0.1)
    text = told(capsys, run, tmp_path)
    assert "No way can be told from the run's own" in text
    assert "--resume" not in text


def test_what_is_reported_is_not_what_it_was_chosen_by() -> None:
    """Of equal ways the luckiest on the first half is no nearer on the second."""
    own = Trial(0.0, None, Estimate(5.0, 0.1), Estimate(5.0, 0.1))
    lucky = Trial(3.0, None, Estimate(1.0, 0.1), Estimate(5.0, 0.1))
    assert best([own, lucky]) is lucky
    assert not told_apart(lucky, own)
    assert told_apart(replace_second(lucky, 4.7), own)
    assert not told_apart(replace_second(lucky, 4.75), own)


def replace_second(trial: Trial, value: float) -> Trial:
    return trial._replace(second=Estimate(value, 0.1))


def test_what_cannot_be_tuned_is_a_sentence(tmp_path, capsys) -> None:
    folder = tmp_path / "euler"
    assert (
        main(["train", "--data.kind", "digits", *TINY, "--sampling.sampler.kind", "euler", "--run", str(folder)]) == 0
    )
    capsys.readouterr()
    assert main(["tune", str(folder), "--device", "cpu"]) == 2
    assert "nothing to tune" in capsys.readouterr().err
    assert main(["tune", str(folder), "-n", "50"]) == 2
    assert "-n 50" in capsys.readouterr().err
