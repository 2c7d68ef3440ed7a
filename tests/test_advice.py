"""The published configurations, reproduced from their formulas; and refusals where there is no formula."""

import math

import pytest
import torch

from scorefield import LangevinCorrector
from scorefield.advice import largest_distance, level_ratio, remaining_variance, step_size, suggest
from scorefield.cli import main
from scorefield.config import read_yaml

# (D, sigma_1, sigma_L, L and T as configured, γ*, L*, r at the configured ε, that ε, ε*) of NCSNv2's released configurations.
PUBLISHED = {
    "cifar10": (3072, 50, 0.01, 232, 5, 1.0398, 219, 6.2e-6, 1.056, 6.19e-6),
    "celeba": (12288, 90, 0.01, 500, 5, 1.0195, 472, 3.3e-6, 1.031, 3.34e-6),
    "church": (27648, 140, 0.01, 788, 4, 1.0129, 745, 4.9e-6, 1.025, 2.31e-6),
    "bedroom": (49152, 190, 0.01, 1086, 3, 1.0097, 1026, 1.8e-6, 1.017, 1.77e-6),
    "ffhq": (196608, 348, 0.01, 2311, 3, 1.0048, 2182, 9e-7, 1.009, 8.93e-7),
    "ncsn": (3072, 1, 0.01, 10, 100, 1.0398, 119, 2e-5, 1.111, 3.23e-6),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings(name: str):
    dimension, sigma_1, sigma_L, levels, repeats, ratio, count, used, variance, best = PUBLISHED[name]
    assert level_ratio(dimension) == pytest.approx(ratio, abs=6e-5)
    assert math.log(sigma_1 / sigma_L) / math.log(level_ratio(dimension)) + 1 == pytest.approx(count, abs=1)
    configured = (sigma_1 / sigma_L) ** (1 / (levels - 1))
    assert remaining_variance(used / sigma_L**2, configured, repeats) == pytest.approx(variance, abs=1.5e-3)
    assert step_size(configured, sigma_L, repeats) == pytest.approx(best, rel=5e-3)


def test_the_ratio_solves_technique_2():
    from scipy.stats import norm

    for dimension in (5, 16, 784, 3072):
        ratio, root = level_ratio(dimension), math.sqrt(2 * dimension)
        overlap = norm.cdf(root * (ratio - 1) + 3 * ratio) - norm.cdf(root * (ratio - 1) - 3 * ratio)
        assert overlap == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_four_dimensions_or_fewer_have_no_solution(dimension: int):
    with pytest.raises(ValueError, match="no solution"):
        level_ratio(dimension)


def test_the_distance_is_the_largest():
    x = torch.randn(700, 3, 2, generator=torch.Generator().manual_seed(0))
    brute = max((a - b).norm().item() for a in x for b in x[:50])
    assert largest_distance(x) >= brute - 1e-5
    assert largest_distance(x) == pytest.approx(torch.cdist(x.flatten(1), x.flatten(1)).max().item(), rel=1e-5)


def test_a_step_size_mutant_is_worse():
    best = step_size(1.04, 0.01, 5)
    at_best = remaining_variance(best / 1e-4, 1.04, 5)
    assert all(remaining_variance(best * factor / 1e-4, 1.04, 5) > at_best for factor in (0.5, 0.9, 1.1, 2.0))


def test_the_ladder_is_as_short_as_its_ratio_allows_and_the_corrector_takes_the_same_step():
    x = torch.randn(200, 100, generator=torch.Generator().manual_seed(0))
    found = suggest(x, sigma_L=0.05, repeats=5)
    whole = found.sigma_1 / found.sigma_L
    assert found.ratio == pytest.approx(whole ** (1 / (found.levels - 1)))
    assert found.ratio <= level_ratio(100) < whole ** (1 / (found.levels - 2))
    corrector = LangevinCorrector(found.snr)
    assert 4 * (corrector.snr * found.sigma_L) ** 2 == pytest.approx(2 * found.step_size)  # α, the paper's


@pytest.mark.parametrize("bad", [torch.zeros(1, 9), torch.full((4, 9), math.nan), torch.zeros(5, 9)])
def test_bad_data_is_refused(bad: torch.Tensor):
    with pytest.raises(ValueError, match="received"):
        suggest(bad)


def test_steps_of_nothing_are_refused_and_whole_numbers_are_data():
    bytes_of = torch.randint(0, 256, (20, 9), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert suggest(bytes_of) == suggest(bytes_of.float())
    with pytest.raises(ValueError, match="repeats must be a whole number"):
        suggest(bytes_of, repeats=0)


def test_a_noise_level_whose_square_is_nothing_is_refused():
    with pytest.raises(ValueError, match="sigma_L must be positive"):
        suggest(torch.eye(9), sigma_L=1e-200)


def test_the_command_writes_a_configuration_that_train_accepts(capsys, tmp_path):
    out = tmp_path / "digits.yaml"
    assert main(["suggest", "digits", "--out", str(out)]) == 0
    assert "sigma_1" in capsys.readouterr().out
    assert main(["train", "--config", str(out), "--dry-run"]) == 0
    config = read_yaml(out)["sampling"]
    levels, sampler = config["grid"]["levels"], config["sampler"]
    used = (levels["sigma_1"] / levels["sigma_L"]) ** (1 / (levels["levels"] - 1))
    alpha = 2 * step_size(used, levels["sigma_L"], sampler["repeats"])  # ε of the code, α of the paper
    assert sampler["relative_step"] * levels["sigma_L"] ** 2 == pytest.approx(alpha)
