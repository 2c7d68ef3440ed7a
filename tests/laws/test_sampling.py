"""Laws of `sample`: each sample belongs to its seed, the count of evaluations is the number of calls, and failures say where."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scorefield import (
    EDM,
    VE,
    VP,
    AdaptiveODE,
    AnnealedLangevin,
    DivergedError,
    Exact,
    FromScore,
    Gaussian,
    GaussianMixture,
    Grid,
    Karras,
    Ladder,
    LogSNR,
    NoiseNet,
    Sampler,
    Samples,
    Transition,
    Uniform,
    geometric,
    sample,
)
from scorefield._noise import Stream
from scorefield.samplers import DDIM, AdaptiveSDE, DPMpp2M, Euler, EulerMaruyama, Heun

from .cases import SAMPLERS, TARGETS, normal

PROCESS = VE(sigma_min=0.05, sigma_max=5.0)
MODEL = Exact(TARGETS["mixture"].density, PROCESS)
DRAWING = {name: route.sampler for name, route in SAMPLERS.items()} | {
    "AnnealedLangevin": AnnealedLangevin(0.02, repeats=4)
}
TIMES = Ladder(geometric(2.0, 0.5, 5)).times(PROCESS)  # six times that end where every sampler's step size is stable
every = pytest.mark.parametrize("name", SAMPLERS)


def draw(name: str, **how: object) -> Samples:
    return sample(MODEL, DRAWING[name], grid=TIMES, **how)  # pyright: ignore[reportArgumentType]


def each_sample_belongs_to_its_seed(draw: Callable[..., Samples]) -> None:
    whole, seeds = draw(shape=(64, 2), seed=3).x, [5, 0, 10**12, 63, 5]
    named = draw(shape=(5, 2), seeds=seeds).x
    pairs = [
        (draw(shape=(1, 2), seed=3).x, whole[:1]),
        (draw(shape=(7, 2), seed=3).x, whole[:7]),
        (draw(shape=(64, 2), seed=3, batch_size=7).x, whole),
        (draw(shape=(5, 2), seeds=seeds[::-1], batch_size=2).x, named.flip(0)),
    ]
    for found, expected in pairs:  # a batch of another size may round differently
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(named[0], named[4], rtol=0, atol=0)
    assert (whole[:-1] != whole[1:]).all()
    assert (draw(shape=(64, 2), seed=4).x != whole).all()


@every
def test_a_sample_depends_on_its_own_seed_alone(name: str) -> None:
    each_sample_belongs_to_its_seed(lambda **how: draw(name, **how))


class Shared(EulerMaruyama):
    """A step that looks at its neighbours, as a step size from batch-mean norms does."""

    def step(self, model, x, step, memory, noise):
        x, memory = super().step(model, x, step, memory, noise)
        return x * (1 + 0.01 * x.square().mean()), memory


def test_a_step_that_ties_samples_together_is_rejected() -> None:
    with pytest.raises(AssertionError):
        each_sample_belongs_to_its_seed(lambda **how: sample(MODEL, Shared(), grid=TIMES, **how))


@every
def test_the_same_call_gives_the_same_samples_and_leaves_the_global_generator_alone(name: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = draw(name, shape=(16, 2), seed=3).x
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(draw(name, shape=(16, 2), seed=3).x, first)


def counting() -> tuple[FromScore, list[int]]:
    """Return the model and a list that grows by one entry per call."""
    calls: list[int] = []

    def score(x: Tensor, t: Tensor) -> Tensor:
        calls.append(len(x))
        return MODEL.score(x, t)

    return FromScore(score, PROCESS), calls


def counts_its_calls(sampler: Sampler, denoise: bool) -> None:
    model, calls = counting()
    result = sample(model, sampler, (3, 2), grid=TIMES, denoise=denoise)
    assert result.evaluations == len(calls) == 5 * sampler.evaluations + denoise
    model.evaluations = 2  # as in guidance, whose every call is two of the network
    assert sample(model, sampler, (3, 2), grid=TIMES, denoise=denoise).evaluations == 2 * result.evaluations


@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - {"AdaptiveODE", "AdaptiveSDE"}))
@pytest.mark.parametrize("denoise", [True, False])
def test_the_evaluations_reported_are_the_calls_made(name: str, denoise: bool) -> None:
    counts_its_calls(SAMPLERS[name].sampler, denoise)


@pytest.mark.parametrize("sampler", [AdaptiveODE(1e-7, 1e-7), AdaptiveSDE(0.01, 0.01)])
def test_an_adaptive_sampler_reports_the_mean_of_the_calls_each_sample_was_in(sampler: Sampler) -> None:
    model, calls = counting()
    result = sample(model, sampler, (50, 2), grid=TIMES[[0, -1]])
    assert result.evaluations == pytest.approx(sum(calls) / 50)
    assert result.evaluations < len(calls)


class Boastful(Heun):
    """Heun's method at the declared price of Euler's."""

    @property
    def evaluations(self) -> int:
        return 1


def test_a_sampler_that_costs_more_than_it_says_is_rejected() -> None:
    with pytest.raises(AssertionError):
        counts_its_calls(Boastful(), denoise=True)


def test_heun_on_eighteen_times_costs_thirty_five_evaluations() -> None:
    assert sample(MODEL, Heun(), (1, 2), grid=LogSNR(17).times(PROCESS)).evaluations == 35


def test_the_last_step_is_the_posterior_mean_at_the_last_time() -> None:
    times = LogSNR(5).times(PROCESS)  # TIMES hold the last level twice, and would not tell it from the one before
    raw = sample(MODEL, EulerMaruyama(), (8, 2), grid=times, denoise=False).x
    torch.testing.assert_close(sample(MODEL, EulerMaruyama(), (8, 2), grid=times).x, MODEL.denoise(raw, times[-1]))


@pytest.mark.parametrize("process", [PROCESS, VP()])
def test_sampling_starts_from_the_prior_and_the_trajectory_ends_in_the_samples(process: VE | VP) -> None:
    """The variance of 8 000 numbers is within 8 % (five standard errors)."""
    model = Exact(TARGETS["mixture"].density, process)
    result = sample(model, EulerMaruyama(), (4000, 2), grid=Uniform(5).times(process), frames=7)
    assert result.trajectory is not None
    assert result.trajectory.shape == (7, 4000, 2)
    assert torch.equal(result.trajectory[-1], result.x)
    start = result.trajectory[0] / process.prior_std(torch.tensor(process.t_max)).item()
    assert start.var().item() == pytest.approx(1.0, rel=0.08)


@pytest.mark.parametrize("denoise", [True, False])
@pytest.mark.parametrize("frames", [0, 1, 2, 3, 6])
def test_frames_are_states_along_the_way(frames: int, denoise: bool) -> None:
    how = {"shape": (3, 2), "denoise": denoise}
    result, whole = draw("Heun", frames=frames, **how), draw("Heun", frames=6 + denoise, **how)
    if frames == 0:
        assert result.trajectory is None
        return
    assert result.trajectory is not None
    assert whole.trajectory is not None
    assert len(whole.trajectory) == 6 + denoise
    assert len(result.trajectory) == frames
    assert torch.equal(result.trajectory[0], whole.trajectory[0])
    for frame in result.trajectory:
        assert any(torch.equal(frame, state) for state in whole.trajectory)
    if frames > 1:
        assert torch.equal(result.trajectory[-1], result.x)


def test_given_states_are_where_sampling_starts_in_their_own_dtype() -> None:
    init = 3 * normal(5, 2)
    result = sample(MODEL, Heun(), init=init, grid=TIMES, frames=2)
    assert result.x.dtype == torch.float64
    assert result.trajectory is not None
    assert torch.equal(result.trajectory[0], init)
    torch.testing.assert_close(sample(MODEL, Heun(), init=init, grid=TIMES, batch_size=2).x, result.x)
    assert sample(MODEL, Heun(), (5, 2), grid=TIMES).x.dtype == torch.float32


def test_progress_is_told_once_per_transition() -> None:
    told: list[Transition] = []
    drawn = draw("Heun", shape=(4, 2), batch_size=2, denoise=False, on_step=told.append)
    assert [made.step.number for made in told] == 2 * [1, 2, 3, 4, 5]
    assert all(made.step.t >= made.step.s for made in told)
    assert torch.equal(torch.cat([told[4].x, told[9].x]), drawn.x)


class Dropping(nn.Module):
    """A network whose output would be nonsense in training mode."""

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return torch.full_like(x, torch.nan) if self.training else x


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_evaluated_in_eval_mode_and_given_back_as_it_was(training: bool) -> None:
    model = NoiseNet(Dropping(), PROCESS).train(training)
    result = sample(model, Heun(), (2, 2), grid=TIMES)
    assert torch.isfinite(result.x).all()
    assert not result.x.requires_grad
    assert model.training == model.net.training == training


def diverging(x: Tensor, t: Tensor) -> Tensor:
    """Return a score that overflows in sample 2 from the third step on."""
    broken = (torch.arange(len(x)) == 2) & (t < 0.7)
    return torch.where(broken[:, None], torch.inf, -x)


def test_divergence_is_an_error_that_names_step_time_level_and_sample() -> None:
    model = FromScore(diverging, PROCESS).train()
    with pytest.raises(DivergedError, match=r"step 3 of 5 \(t = 0\.4, noise level 0\.3155\): 1 of 4 .* number 2"):
        sample(model, EulerMaruyama(), (4, 2), grid=Uniform(5).times(PROCESS))
    assert model.training


BAD: dict[str, tuple[dict[str, object], str]] = {
    "ascending": ({"grid": TIMES.flip(0)}, "descend"),
    "one time": ({"grid": TIMES[:1]}, "two or more"),
    "NaN time": ({"grid": torch.tensor([1.0, torch.nan], dtype=torch.float64)}, "finite"),
    "a matrix of times": ({"grid": TIMES[None]}, "vector"),
    "no shape": ({"shape": None}, "needs shape"),
    "no event": ({"shape": (4,)}, r"\(n, \*d\)"),
    "nothing at all": ({"shape": (), "seeds": [1]}, r"\(n, \*d\)"),
    "no samples": ({"shape": (0, 2)}, "n ≥ 1"),
    "init of another shape": ({"init": normal(4, 2)}, "init must have the shape"),
    "too few seeds": ({"seeds": [1, 2]}, "one per sample"),
    "a negative seed": ({"seeds": [0, -1, 2]}, "non-negative"),
    "a negative batch": ({"batch_size": -2}, "batch_size must be a whole number of at least 1"),
    "an empty batch": ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_refused_with_a_reason(name: str) -> None:
    how, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        sample(MODEL, Heun(), **({"shape": (3, 2), "grid": TIMES} | how))  # pyright: ignore[reportArgumentType]


def test_a_grid_that_ends_without_noise_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"σ is 0 .* Leave out a trailing 0"):
        sample(Exact(MODEL.density, EDM()), Heun(), (3, 2), grid=torch.tensor([80.0, 1.0, 0.0]))


@pytest.mark.parametrize("grid", [Karras(5), LogSNR(4)])
def test_times_may_be_numpys_and_not_end_without_noise(grid: Grid) -> None:
    """A trailing 0, as other libraries append, is refused where the process has no noise; float64 of NumPy or a list is a grid."""
    model = Exact(MODEL.density, EDM())
    times = grid.times(model.process)
    drawn = [sample(model, Heun(), (3, 2), grid=given).x for given in (grid, times.numpy(), times.tolist())]
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], drawn[2])
    for ending in (torch.cat([times, torch.zeros(1)]), np.append(times.numpy(), 0.0)):
        with pytest.raises(ValueError, match="Leave out a trailing 0"):
            sample(model, Heun(), (3, 2), grid=ending)


@pytest.mark.parametrize("sampler", [Euler(), DDIM(), DPMpp2M()])
def test_a_sample_may_cost_one_evaluation(sampler: Sampler) -> None:
    """E[x_0 | x_T] but for the share σ_min/σ_max of the noise; a single time is refused with how."""
    model = Exact(MODEL.density, EDM())
    init = 80 * normal(50, 2)
    drawn = sample(model, sampler, init=init, grid=Karras(1), denoise=False)
    assert drawn.evaluations == 1
    torch.testing.assert_close(drawn.x, model.denoise(init, torch.tensor(80.0)), rtol=0, atol=0.002 * 6)
    with pytest.raises(ValueError, match=r"Karras\(1\) with denoise=False"):
        sample(model, sampler, (3, 2), grid=torch.tensor([80.0]))


def test_any_event_shape_can_be_sampled() -> None:
    model = Exact(GaussianMixture(normal(2, 1, 8, 8), 0.1), VP())
    assert sample(model, Heun(), (3, 1, 8, 8), grid=LogSNR(4).times(VP())).x.shape == (3, 1, 8, 8)


@pytest.mark.promise("C1")
@pytest.mark.parametrize("generator", ["torch", "philox"])
def test_some_rows_of_a_draw_are_those_of_the_whole(generator: Stream) -> None:
    model = Exact(Gaussian([1.0, 2.0], 1.0), VE(sigma_min=0.1, sigma_max=10.0))
    draw = partial(sample, model, EulerMaruyama(), (10, 2), grid=Karras(5), generator=generator)
    whole = draw(seed=3)
    assert torch.equal(draw(seed=3, rows=range(4, 9), batch_size=2).x, whole.x[4:9])
    assert torch.equal(draw(seeds=range(20, 30), rows=range(2, 4)).x, draw(seeds=range(20, 30)).x[2:4])
    for wrong in (range(4, 11), range(4, 4), range(0, 4, 2)):
        with pytest.raises(ValueError, match="rows must be a range of the 10 samples"):
            draw(rows=wrong)
