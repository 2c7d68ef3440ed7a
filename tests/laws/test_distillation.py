"""Laws of distillation: what it teaches is the flow, in closed form where the data are Gaussian, and Euler's method then draws exactly."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from scorefield import (
    EDM,
    MLP,
    VP,
    Denoiser,
    Euler,
    Exact,
    Gaussian,
    GaussianMixture,
    Heun,
    Karras,
    Noise,
    Process,
    ScoreModel,
    fit,
    sample,
)
from scorefield.models import State, Time
from scorefield.objectives import Distillation

MEAN, VARIANCE = torch.tensor([0.5, -1.0], dtype=torch.float64), torch.tensor([0.4, 1.5], dtype=torch.float64)
DATA = Gaussian(MEAN, VARIANCE)
GRID = Karras(3, sigma_min=0.3)
PROCESSES = {"EDM": EDM(sigma_max=20.0), "VP": VP()}
every = pytest.mark.parametrize("name", PROCESSES)


class Jump(ScoreModel):
    """D* of Gaussian data: the flow takes y to m + (y − m) √((λ + ρ'²)/(λ + ρ²))."""

    def __init__(self, process: Process, ends: Tensor) -> None:
        super().__init__()
        self.process, self.reached = process, ends

    def denoise(self, x: State, t: Time) -> State:
        alpha, _ = self.scales(x, t)
        rho = self.process.ratio(torch.as_tensor(t).double()).expand(len(x))[:, None]
        rho_s = torch.stack([self.reached[self.reached < 0.999 * one][0] for one in rho.flatten()])[:, None]
        y, r = x / alpha, rho_s / rho
        end = MEAN + (y - MEAN) * ((VARIANCE + rho_s**2) / (VARIANCE + rho**2)).sqrt()
        return (end - r * y) / (1 - r)


def ends(process: Process) -> Tensor:
    return torch.cat([process.ratio(GRID.times(process)), process.ratio(torch.tensor([process.t_min]).double())])


def loss(process: Process, model: ScoreModel, steps: int) -> Tensor:
    taught = Distillation(Exact(DATA, process), Heun(), GRID, steps)
    noise = Noise(range(200), (2,), dtype=torch.float64)
    return taught(model, DATA.sample(200, torch.Generator().manual_seed(0)).double(), noise)


@every
def test_the_flow_in_closed_form_costs_nothing_but_the_solver_s_error(name: str) -> None:
    """Heun's error in the target is of second order, so its square falls as the fourth power of the step."""
    process = PROCESSES[name]
    jump = Jump(process, ends(process))
    coarse, fine = loss(process, jump, 16).mean(), loss(process, jump, 32).mean()
    assert fine < 1e-5
    assert 11 < coarse / fine < 22


@every
def test_a_stretch_of_no_length_ends_in_the_posterior_mean(name: str) -> None:
    """A grid that ends where the process does leaves one: the exact score's own mean costs nothing there, and what it costs is finite."""
    exact = Exact(DATA, PROCESSES[name])
    noise = Noise(range(200), (2,), dtype=torch.float64)
    taught = Distillation(exact, Heun(), Karras(2), 4)
    found = taught(exact, DATA.sample(200, torch.Generator().manual_seed(0)).double(), noise)
    assert torch.isfinite(found).all()
    assert 40 < (found == 0).sum() < 95  # 200 thirds, give or take four standard errors


@every
def test_the_posterior_mean_and_a_jump_too_short_are_not_the_flow(name: str) -> None:
    process = PROCESSES[name]
    short = ends(process)
    short[2] = 0.5
    for wrong in (Exact(DATA, process), Jump(process, short)):
        assert loss(process, wrong, 32).mean() > 1e-3


@every
def test_a_student_draws_what_its_teacher_does_in_one_evaluation_a_transition(name: str) -> None:
    """Euler's method on D* follows the flow: 4 evaluations end where 400 of the teacher's do from the same noise."""
    process = PROCESSES[name]
    jump, exact = Jump(process, ends(process)), Exact(DATA, process)
    init = (
        exact.prior(GRID.times(process)[0]).std
        * torch.randn(50, 2, generator=torch.Generator().manual_seed(1)).double()
    )
    drawn = sample(jump, Euler(), init=init, grid=GRID)
    fine = sample(exact, Heun(), init=init, grid=replace(GRID, steps=400, sigma_min=None))
    assert drawn.evaluations == 4
    torch.testing.assert_close(
        drawn.x, fine.x, atol=1e-2, rtol=0
    )  # the least noise of the process, 0.01, is where they end
    apart = sample(exact, Euler(), init=init, grid=GRID).x
    assert (apart - fine.x).abs().max() > 0.05


def test_labels_go_to_the_teacher() -> None:
    class Told(Exact):
        classes = 3

        def denoise(self, x: State, t: Time) -> State:
            assert self.labels is not None
            return super().denoise(x, t) + 10.0 * self.labels[:, None]

        def score(self, x: State, t: Time) -> State:
            alpha, sigma = self.scales(x, t)
            return super().score(x, t) + 10.0 * alpha * self.labels[:, None] / sigma**2

    process = EDM()
    student, labels = Told(DATA, process).condition(torch.tensor([0, 2])), torch.tensor([0, 2])
    taught = Distillation(Told(DATA, process), Heun(), GRID, 2)
    x0, noise = torch.zeros(2, 2).double(), Noise(range(2), (2,), dtype=torch.float64)
    both = taught(student, x0, noise)
    for k, label in enumerate(labels):
        one = taught(student.rows(torch.tensor([k])), x0[:1], Noise([k], (2,), dtype=torch.float64))
        torch.testing.assert_close(both[k : k + 1], one)
        assert int(label) == int(student.labels[k])


TWO_MODES = GaussianMixture(torch.tensor([[-1.0, 0.0], [1.5, 0.5]]), [0.5, 0.3], [0.4, 0.6])
FIVE_MODES = GaussianMixture.ring(modes=5, radius=2.0, std=0.2)


@pytest.mark.parametrize(
    ("target", "transitions", "steps", "batch_size"),
    [(TWO_MODES, 3, 250, 128), pytest.param(FIVE_MODES, 6, 1500, 256, marks=pytest.mark.slow)],
    ids=["two modes", "five modes"],
)
def test_a_network_learns_a_mixture_in_four_evaluations(
    target: GaussianMixture, transitions: int, steps: int, batch_size: int
) -> None:
    """Once trained, four evaluations land nearer the exact flow's ends than 4 of Euler's method on the exact score do, by half."""
    process = EDM(sigma_max=20.0)
    exact, torch_seed = Exact(target, process), torch.random.get_rng_state()
    torch.manual_seed(0)
    model = Denoiser(MLP(dim=2, width=64), process, sigma_data=1.4)
    torch.random.set_rng_state(torch_seed)
    fit(
        model,
        target,
        Distillation(exact, Heun(), GRID, transitions),
        steps=steps,
        batch_size=batch_size,
        learning_rate=3e-3,
    )
    init = process.alpha_sigma(GRID.times(process)[:1])[1].float() * torch.randn(
        500, 2, generator=torch.Generator().manual_seed(1)
    )
    fine = sample(exact, Heun(), init=init, grid=replace(GRID, steps=100, sigma_min=None)).x
    gap = {m: (sample(m, Euler(), init=init, grid=GRID).x - fine).norm(dim=1).median() for m in (model, exact)}
    assert gap[model] < 0.5 * gap[exact]
