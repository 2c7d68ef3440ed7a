"""scorefield tune: the way to draw that is nearest is found on one half, and said so if the other half agrees."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch

from scorefield import Grid, Heun, load_model
from scorefield.cli import main
from scorefield.evaluation import real_data
from scorefield.evaluation.tuning import Trial, best, told_apart
from scorefield.grids import times_of
from scorefield.loaded import LoadedModel
from scorefield.metrics import Estimate
from scorefield.sampling import Sampler, Samples

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
    """Make samples of the data plus noise, of a standard deviation that follows from churn (None: of no churn) and guidance."""

    def install(noise) -> None:
        def sample(loaded: LoadedModel, n: int, *, seed: int, sampler: Sampler, grid: Grid, guide: float) -> Samples:
            data = real_data(loaded.config.data, loaded.drawn, 10_000).train.scaled()
            generator = torch.Generator().manual_seed(seed)
            x = data[torch.randperm(len(data), generator=generator)[:n]]
            churn = sampler.churn if isinstance(sampler, Heun) else None
            x = x + noise(churn, guide) * torch.randn(x.shape, generator=generator)
            return Samples(x, float(len(times_of(grid, loaded.model.process))), torch.empty(0), None)

        monkeypatch.setattr(LoadedModel, "sample", sample)

    return install


def told(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path, *more: str) -> str:
    capsys.readouterr()
    assert main(["tune", str(run), "-n", "200", "--device", "cpu", "--out", str(tmp_path / "tuned"), *more]) == 0
    return capsys.readouterr().out


FITTED = {"kind": "dpmpp2m", "steps": 10, "grid": "fitted"}


@pytest.mark.parametrize(
    ("nearest", "options", "said", "kept"),
    [
        (3, {"churn": 3.0}, "--options.churn 3", ("heun", "karras", 3)),
        (None, FITTED, "--sampler dpmpp2m --steps 10 --options.grid fitted", ("dpmpp2m", "fitted", 10)),
    ],
)
def test_the_nearest_way_is_found_and_becomes_the_runs_own(
    run, drawn, capsys, tmp_path, nearest, options, said, kept
) -> None:
    drawn(lambda churn, guide: 0.05 + 0.3 * (churn != nearest) + abs(guide - 1) / 2)
    mine = shutil.copytree(run, tmp_path / "my run")
    text = told(capsys, mine, tmp_path)
    found = json.loads((tmp_path / "tuned" / "tune.json").read_text())
    ways = [*({"churn": churn} for churn in (10, 0, 3)), FITTED]
    assert [(t["options"], t["guide"]) for t in found["trials"]] == [(way, g) for way in ways for g in (2, 1, 0)]
    assert [t["evaluations"] for t in found["trials"]] == [3] * 9 + [11] * 3
    assert (found["chosen"], found["told_apart"]) == ({"options": options, "guide": 1}, True)
    assert f"scorefield sample '{mine}' {said} --guide 1" in text
    advice = next(line for line in text.splitlines() if "--resume" in line)
    assert main(shlex.split(advice.partition("scorefield ")[2])) == 0
    config = load_model(mine).config
    sampling, own = config.sampling, kept[2]
    assert (sampling.sampler.kind, sampling.grid.kind, config.guide.weight) == (*kept[:2], 1)
    assert own == (sampling.sampler.churn if kept[0] == "heun" else sampling.grid.steps)
    assert not sampling.unfitted


def test_where_ways_are_alike_nothing_is_advised(run, drawn, capsys, tmp_path) -> None:
    drawn(lambda churn, guide: 0.1)
    text = told(capsys, run, tmp_path)
    assert "No way can be told from the run's own" in text
    assert "--resume" not in text


def test_what_is_reported_is_not_what_it_was_chosen_by() -> None:
    """Of equal ways the luckiest on the first half is no nearer on the second."""
    own = Trial({"churn": 0.0}, None, 35.0, Estimate(5.0, 0.1), Estimate(5.0, 0.1))
    lucky = Trial({"churn": 3.0}, None, 35.0, Estimate(1.0, 0.1), Estimate(5.0, 0.1))
    assert best([own, lucky]) is lucky
    assert not told_apart(lucky, own)
    assert told_apart(replace_second(lucky, 4.7), own)
    assert not told_apart(replace_second(lucky, 4.75), own)


def replace_second(trial: Trial, value: float) -> Trial:
    return trial._replace(second=Estimate(value, 0.1))


def test_a_run_of_another_sampler_is_compared_with_heun_and_with_a_fitted_grid(tmp_path, drawn, capsys) -> None:
    folder = tmp_path / "euler"
    euler = ["--sampling.sampler.kind", "euler", "--run", str(folder)]
    assert main(["train", "--data.kind", "digits", *TINY, *euler]) == 0
    drawn(lambda churn, guide: 0.1)
    found = json.loads(told(capsys, folder, tmp_path, "--json"))
    assert found == json.loads((tmp_path / "tuned" / "tune.json").read_text())
    heun = [{"kind": "heun", "churn": churn} for churn in (0, 3, 10)]
    assert [(t["options"], t["guide"]) for t in found["trials"]] == [(way, None) for way in ({}, *heun, FITTED)]


def test_too_few_samples_to_tell_anything_is_a_sentence(run, capsys) -> None:
    assert main(["tune", str(run), "-n", "50"]) == 2
    assert "-n 50" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["tune", "evaluate"])
def test_a_judge_of_images_of_another_size_is_refused_before_samples_are_drawn(command, run, capsys, tmp_path) -> None:
    asked = [command, str(run), "-n", "100", "--judge", "mnist-judge", "--out", str(tmp_path / "out")]
    assert main(asked) == 2
    err = capsys.readouterr().err
    assert "mnist-judge: judges images of shape (1, 28, 28)" in err
    assert "drawing" not in err
