"""MMD to a known mixture: unbiased where the laws agree, the population's value where they do not."""

import math

import pytest
import torch

from scorefield.densities import GaussianMixture
from scorefield_claims.distance import mmd_to


def test_samples_of_the_law_are_at_distance_zero_on_average():
    law = GaussianMixture.ring(4, 1.4, 0.2).diffuse(0.7, 0.3)
    found = [mmd_to(law, law.sample(500, torch.Generator().manual_seed(k)), 0.7) for k in range(100)]
    values = torch.tensor([e.value for e in found], dtype=torch.float64)
    assert (
        values.mean().abs() < 4 * values.std() / 10
    )  # level: 1 in 16 000; without the correction it is at 1/500, 20 errors away
    assert values.std() < 1e-3


@pytest.mark.parametrize("shift", [pytest.param(0.3, marks=pytest.mark.slow), 1.0])
def test_a_shifted_gaussian_is_at_the_distance_that_is_known(shift: float):
    """Of N(0, I) and N(m, I) in the plane: 2 (1 + 2/h²)⁻¹ (1 − exp(−‖m‖²/(2h² + 4)))."""
    law, h = GaussianMixture([[0.0, 0.0]]), 1.0
    x = law.sample(20_000, torch.Generator().manual_seed(0)) + torch.tensor([shift, 0.0])
    known = 2 / (1 + 2 / h**2) * (1 - math.exp(-(shift**2) / (2 * h**2 + 4)))
    values = [mmd_to(law, x, h, seed=k).value for k in range(10)]
    assert sum(values) / 10 == pytest.approx(known, rel=0.08)  # 2000 random frequencies: about 3 %


def test_the_standard_error_is_that_of_repetitions():
    law = GaussianMixture([[0.0, 0.0]])
    draws = [law.sample(2000, torch.Generator().manual_seed(k)) + torch.tensor([0.5, 0.0]) for k in range(40)]
    found = [mmd_to(law, x, 1.0) for x in draws]
    spread = torch.tensor([e.value for e in found]).std().item()
    claimed = sum(e.error for e in found) / len(found)
    assert 0.6 < claimed / spread < 1.6
