"""Laws of score models: four views of one estimand, one time or one per row, any event shape, and what each network's output means."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from scorefield import (
    DSM,
    EDM,
    MLP,
    VE,
    VP,
    Denoiser,
    Energy,
    Exact,
    FromScore,
    GaussianMixture,
    LadderNet,
    NoiseNet,
    Process,
    ScoreModel,
    ScoreNet,
    geometric,
)
from scorefield.errors import ConfigError
from scorefield.likelihood import encode, interpolate
from scorefield.units import Units

from .cases import PROCESSES, normal, seeded, times_inside
from .nets import Wave, beside

EVENTS = [(2,), (8, 8), (1, 28, 28)]
LEVELS = geometric(3.0, 0.05, 6)


def mixture(event: tuple[int, ...]) -> GaussianMixture:
    return GaussianMixture(normal(3, *event), 0.4, [0.2, 0.3, 0.5])


MODELS: dict[str, Callable[[tuple[int, ...]], ScoreModel]] = {
    "Exact": lambda event: Exact(mixture(event), VP()),
    "FromScore": lambda event: FromScore(Exact(mixture(event), VE()).score, VE()),
    "Denoiser": lambda event: Denoiser(Wave(), EDM(), sigma_data=0.5, mean_data=0.2),
    "NoiseNet": lambda event: NoiseNet(Wave(), VP()),
    "ScoreNet": lambda event: ScoreNet(Wave(), VE()),
    "LadderNet": lambda event: LadderNet(Wave(), LEVELS),
    "Energy": lambda event: Energy(Wave(), VP()),
}
ON_MLP: dict[str, Callable[[nn.Module, Process], ScoreModel]] = {
    "Denoiser": lambda net, process: Denoiser(net, process, sigma_data=0.5),
    "NoiseNet": NoiseNet,
    "ScoreNet": ScoreNet,
    "Energy": Energy,
}


def views_agree(model: ScoreModel, x: Tensor, t: Tensor) -> None:
    """Tweedie's formula, and the velocity as E[dx_t/dt | x_t] = α̇ E[x_0 | x_t] + σ̇ E[z | x_t] with α̇, σ̇ by differentiation."""
    scales, rates = torch.func.jvp(model.process.alpha_sigma, (t,), (torch.ones_like(t),))[:2]
    alpha, sigma, alpha_rate, sigma_rate = (beside(a, x) for a in (*scales, *rates))
    denoised, score, noise = model.denoise(x, t), model.score(x, t), model.noise(x, t)
    pairs = [
        (alpha * denoised, x + sigma**2 * score),
        (noise, -sigma * score),
        (x, alpha * denoised + sigma * noise),
        (model.velocity(x, t), alpha_rate * denoised + sigma_rate * noise),
    ]
    for found, expected in pairs:
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def rows_agree(model: ScoreModel, x: Tensor) -> None:
    """A time of shape (), the same in shape (b,), and a different one per row, all mean the same."""
    times = times_inside(model.process, len(x))
    for view in (model.denoise, model.score, model.noise, model.velocity):
        mixed = view(x, times)
        for i, t in enumerate(times):
            whole, spread = view(x, t), view(x, t.repeat(len(x)))
            torch.testing.assert_close(whole, spread, rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(mixed[i], whole[i], rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(view(x[i : i + 1], t), whole[i : i + 1], rtol=1e-9, atol=1e-9)


every = pytest.mark.parametrize("name", MODELS)
events = pytest.mark.parametrize("event", EVENTS, ids=str)


@every
@events
def test_four_views_of_a_model_are_one(name: str, event: tuple[int, ...]) -> None:
    model = MODELS[name](event)
    x = 2 * normal(5, *event)
    views_agree(model, x, times_inside(model.process, 5))
    views_agree(model, x, times_inside(model.process, 1)[0])


@every
@events
def test_one_time_for_all_or_one_per_row(name: str, event: tuple[int, ...]) -> None:
    rows_agree(MODELS[name](event), normal(3, *event))


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("name", ON_MLP)
def test_views_of_a_network_are_one_under_every_process(name: str, process: str) -> None:
    torch.manual_seed(0)
    model = ON_MLP[name](MLP(dim=2, width=16).double(), PROCESSES[process])
    x = normal(6, 2)
    views_agree(model, x, times_inside(model.process, 6))
    rows_agree(model, x[:3])


@pytest.mark.parametrize("process", PROCESSES)
def test_the_exact_views_are_one_under_every_process(process: str) -> None:
    model = Exact(mixture((2,)), PROCESSES[process])
    t = times_inside(model.process, 6)
    x = beside(model.process.prior_std(t), normal(6, 2)) * normal(6, 2)
    views_agree(model, x, t)
    torch.testing.assert_close(model.score(x, t), model.marginal(t).score(x))


def test_a_state_keeps_its_dtype() -> None:
    for make in MODELS.values():
        model, x = make((2,)), normal(3, 2).float()
        t = times_inside(model.process, 3)
        for view in (model.denoise, model.score, model.noise, model.velocity):
            assert view(x, t).dtype == view(x, t[0]).dtype == torch.float32


# --- and what is broken does not -------------------------------------------------------------------------------------------------


class FullScoreVelocity(Exact):
    """The drift of the reverse SDE in the place of the flow's velocity: ½ is missing."""

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        f, g = self.process.drift_diffusion(t)
        return beside(f, x) * x - beside(g, x) ** 2 * self.score(x, t)


class FirstTimeOnly(Exact):
    """A time of shape (b,) of which only the first is looked at."""

    def score(self, x: Tensor, t: Tensor) -> Tensor:
        return super().score(x, t.reshape(-1)[0])


def test_a_velocity_without_its_half_is_rejected() -> None:
    model = FullScoreVelocity(mixture((2,)), VP())
    with pytest.raises(AssertionError):
        views_agree(model, normal(4, 2), times_inside(VP(), 4))


def test_a_model_that_reads_only_the_first_time_is_rejected() -> None:
    with pytest.raises(AssertionError):
        rows_agree(FirstTimeOnly(mixture((2,)), VP()), normal(3, 2))


WHOLE: dict[str, Callable[[ScoreModel, Tensor], object]] = {
    "perturb": lambda model, x: model.process.perturb(x, torch.tensor(0.5), x),
    "denoise": lambda model, x: model.denoise(x, 0.5),
    "noise": lambda model, x: model.noise(x, 0.5),
    "objective": lambda model, x: DSM()(model, x, seeded(0)),
    "encode": encode,
    "encode in units": lambda model, x: encode(model.in_units(Units(torch.tensor(0.5), torch.tensor(2.0))), x),
    "interpolate": lambda model, x: interpolate(x, x, 3),
}


@pytest.mark.parametrize("use", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("process", PROCESSES)
def test_whole_numbers_are_no_states(use: Callable[[ScoreModel, Tensor], object], process: str) -> None:
    """An alpha of 0.7 beside whole numbers is 0."""
    model = Denoiser(Wave(), PROCESSES[process], sigma_data=1.0)
    with pytest.raises(ConfigError, match=r"floating-point numbers; received torch\.int64"):
        use(model, torch.tensor([[0, 1], [2, -1]]))
