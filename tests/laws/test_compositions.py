"""A sampler inside of another: what it remembers must not undo, or repeat, what the other does to the state in between."""

from typing import Any

import pytest
import torch
from torch import Tensor

from scorefield import (
    DPS,
    VE,
    DPMpp2M,
    Exact,
    Gaussian,
    Heun,
    Inpaint,
    LangevinCorrector,
    LinearGaussian,
    LogSNR,
    PredictorCorrector,
    Project,
    RePaint,
    Sampler,
    sample,
)
from scorefield.samplers import AdaptiveSDE, Multistep
from scorefield.samplers.multistep import RULES

# Two independent coordinates N(0, 1): whatever is known of the first, the second is N(0, 1).
MODEL = Exact(Gaussian([0.0, 0.0]), VE(sigma_min=0.05, sigma_max=20.0))
GRID, N = LogSNR(60), 2000
REMEMBERING: dict[str, Sampler[Any]] = {
    "DPMpp2M": DPMpp2M(),
    **{f"Multistep {rule}": Multistep(rule) for rule in RULES},
    "AdaptiveSDE": AdaptiveSDE(),
}
every = pytest.mark.parametrize("name", REMEMBERING)


def drawn(model: Any, sampler: Sampler[Any], n: int = N, **settings: Any) -> Tensor:
    return sample(model, sampler, (n, 2), grid=GRID, denoise=False, **settings).x.double()


@every
def test_a_corrector_repairs_what_a_predictor_brings(name: str) -> None:
    """From twice the spread of the prior: without the corrector the variance stays 4, with it 1.06; n = 4000, standard error 0.024."""
    init = 40 * torch.randn(N, 2, generator=torch.Generator().manual_seed(0))
    repaired = PredictorCorrector(REMEMBERING[name], LangevinCorrector(snr=0.3))
    assert drawn(MODEL, repaired, init=init).var().item() == pytest.approx(1.06, abs=0.12)  # five errors: level 1e-6


@every
def test_a_step_taken_again_takes_other_noise(name: str) -> None:
    """The free coordinate under RePaint, four times up and down: its variance is 1 ± 0.063, and 2.7 where noise is repeated."""
    problem = Inpaint(MODEL, torch.tensor([[1.5, 0.0]]), torch.tensor([[True, False]]))
    free = drawn(problem, RePaint(REMEMBERING[name], 4), n=500)[:, 1]
    assert free.var().item() == pytest.approx(1.0, abs=0.35)  # five errors, level 1e-6, and what sixty steps leave


@pytest.mark.parametrize("name", sorted(set(REMEMBERING) - {"AdaptiveSDE"}))
def test_the_pull_of_a_measurement_stays(name: str) -> None:
    """DPS pulls by as much under every solver of the flow as under Heun's method, and from the same noise.

    Undone by a correction of the state from before, the pull would leave a mean of 1.12 where 1.55 is due.
    """
    problem = LinearGaussian(MODEL, Project(torch.tensor([[1.0, 0.0]])), torch.tensor([[1.5]]), 0.3)
    ours, theirs = (drawn(problem, DPS(sampler, 0.3))[:, 0] for sampler in (REMEMBERING[name], Heun()))
    assert ours.mean().item() == pytest.approx(theirs.mean().item(), abs=0.03)
    assert ours.std().item() == pytest.approx(theirs.std().item(), abs=0.04)
