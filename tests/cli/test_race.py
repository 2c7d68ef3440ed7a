"""scorefield race: who is how far from the flow's end after how many evaluations."""

import json
from pathlib import Path

import pytest
import torch

from scorefield import EDM, Exact, Gaussian, GaussianMixture, Karras
from scorefield.cli.main import main
from scorefield.evaluation.race import _TOLERANCE, RACERS, fitted_orders, race


def test_on_a_gaussian_the_solution_is_the_flow_and_no_one_spends_more_than_allowed() -> None:
    """x − m keeps its number of standard deviations along the flow; the closing denoising multiplies it by v/(v + σ²)."""
    process, std = EDM(sigma_min=0.05, sigma_max=20.0), 0.5
    found, solution = race(Exact(Gaussian([1.0, -1.0], std**2), process), (6, 2), (9, 17))
    assert {finish.sampler for finish in found} == set(RACERS)
    assert {finish.evaluations for finish in found} == {9, 17}
    start = race(Exact(Gaussian([0.0, 0.0], std**2), process), (6, 2), ())[1]
    torch.testing.assert_close(solution - torch.tensor([1.0, -1.0]), start, rtol=0, atol=1e-4)
    expected = std**2 / (std**2 + 0.05**2) ** 0.5  # of N(0, 1) numbers, by which the six points have to be spread
    assert 0.4 * expected < start.std() < 1.8 * expected
    for name, (few, many) in {n: [f.error for f in found if f.sampler == n] for n in RACERS}.items():
        assert 0 < many < few / 1.7, name


def test_the_orders_are_those_declared() -> None:
    mixture = GaussianMixture([[-1.0, 0.5], [1.5, 0.0]], [0.5, 0.8], [0.4, 0.6])
    model = Exact(mixture, EDM(sigma_min=0.3, sigma_max=2.0))
    found, _ = race(model, (16, 2), (65, 129, 257), grid=Karras, dtype=torch.float64)
    for name, order in fitted_orders(found).items():
        assert order == pytest.approx(RACERS[name].order, abs=0.2), name


@pytest.mark.slow
def test_a_race_is_written_and_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("scorefield.cli.race._MANY", (19, 27, 39))
    monkeypatch.setattr("scorefield.cli.race._EVALUATIONS", (6, 9))
    monkeypatch.setattr("scorefield.cli.race._POINTS", 50)
    monkeypatch.setattr("scorefield.cli.race._PATHS", 10)
    monkeypatch.setattr("scorefield.evaluation.race._OF_PATHS", (0.5, 0.2, 0.1))
    monkeypatch.setitem(_TOLERANCE, torch.float64, 1e-7)  # far below the errors of 39 evaluations
    assert (
        main(
            [
                "race",
                "digits",
                "-n",
                "2",
                "--device",
                "cpu",
                "--json",
                "--grid",
                "fitted",
                "--out",
                str(tmp_path / "race"),
            ]
        )
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "race" / "race.json").read_text()) == told
    assert {row["sampler"] for row in told["learned"]} == set(RACERS)
    assert (tmp_path / "race" / "race.png").stat().st_size > 10_000
    assert len(told["ratios"]) == 33
    spent, errors = ([row[key] for row in told["paths"]] for key in ("evaluations", "error"))
    assert spent == sorted(spent)
    assert errors[0] > errors[1] > errors[2] > 0
    assert told["orders"]["unipc"] > told["orders"]["Euler"]
