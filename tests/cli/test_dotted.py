"""Names of three parts and more on the command line: all of a section's are heard, and numbers are numbers."""

import pytest
import yaml

from scorefield.cli import main
from scorefield.cli.dotted import gathered
from scorefield.config.sampling import SamplingConfig, changed


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main(["train", *arguments, "--print_config"]) == 0
    return yaml.safe_load(capsys.readouterr().out)


@pytest.mark.parametrize("kind", [["--sampling.sampler.kind", "ald"], ["--sampling.sampler", "ald"]], ids=str)
def test_every_setting_of_a_section_is_heard(capsys: pytest.CaptureFixture[str], kind: list[str]) -> None:
    said = [
        *kind,
        "--sampling.sampler.repeats",
        "3",
        "--sampling.sampler.relative_step=1e-2",
        "--sampling.grid.levels",
        "[3, 1]",
    ]
    found = printed(capsys, *said, "--objective.times.mean", "-0.5", "--train.steps", "7")
    sampler, grid = found["sampling"]["sampler"], found["sampling"]["grid"]
    assert (sampler["kind"], sampler["repeats"], sampler["relative_step"]) == ("ald", 3, 0.01)
    assert grid == {"kind": "ladder", "levels": {"kind": "listed", "levels": [3.0, 1.0]}}
    assert found["objective"]["times"] == {"kind": "lognormal", "mean": -0.5, "std": 1.2}
    assert found["train"]["steps"] == 7


def test_deeper_sections_are_heard_too(capsys: pytest.CaptureFixture[str]) -> None:
    said = ["--sampling.sampler", "pc", "--sampling.sampler.corrector", "langevin_corrector"]
    found = printed(capsys, *said, "--sampling.sampler.corrector.snr", "0.2", "--sampling.sampler.predictor.kind", "em")
    assert found["sampling"]["sampler"]["corrector"]["snr"] == 0.2
    assert found["sampling"]["sampler"]["predictor"]["kind"] == "em"


def test_a_fitted_grid_is_asked_for_by_its_ratios_alone() -> None:
    own = SamplingConfig.model_validate({"sampler": "heun", "grid": {"kind": "karras", "steps": 15}})
    choice = changed(own, "dpmpp2m", 2, {"ratios": [40, 3, 0.3]}, "command line")
    assert choice.grid.model_dump() == {
        "kind": "fitted",
        "steps": 2,
        "ratios": {"kind": "listed", "levels": [40.0, 3.0, 0.3]},
    }


def test_other_arguments_are_left_as_they_are() -> None:
    said = ["train", "--config", "a.b.yaml", "--train.steps", "3", "--network.width=8", "--run", "--x"]
    assert gathered(said) == said


def test_a_fast_run_refuses_what_it_cannot_read_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--sampling.sampler.kind", "heun", "--sampling.sampler.eta", "1", "--fast-dev-run"]) == 2
    assert capsys.readouterr().err.startswith("scorefield: command line: sampling.sampler.eta: no such setting")
