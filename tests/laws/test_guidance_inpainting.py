"""Laws of inpainting: known pixels come back bit for bit, carry the noise of every level on the way, and what is hidden follows them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scorefield import (
    VE,
    AdaptiveODE,
    Ancestral,
    AutoGuided,
    ClassifierGuided,
    Downsample,
    Euler,
    Exact,
    Gaussian,
    GaussianMixture,
    Heun,
    Inpaint,
    Ladder,
    LinearGaussian,
    LogSNR,
    Noise,
    RePaint,
    Sampler,
    ScoreModel,
    Step,
    Units,
    sample,
)
from scorefield import geometric as levels
from turns import in_turn

from .cases import ROUTE_PROCESSES, SAMPLERS, normal, seeded
from .guided import Moments, posterior
from .statistics import LEVEL, accept, ks_p, variance_p

PROCESS = VE(sigma_min=0.05, sigma_max=10.0)
IMAGES = GaussianMixture(normal(3, 1, 4, 4), 0.3)
OBSERVED = normal(5, 1, 4, 4, seed=2).float()
MASK = normal(5, 1, 4, 4, seed=3) > 0
TIMES = Ladder(levels(2.0, 0.5, 5)).times(PROCESS)  # where every sampler's step size is stable
every = pytest.mark.parametrize("name", SAMPLERS)


# --- known pixels ----------------------------------------------------------------------------------------------------------------


def keeps_what_is_known(model: ScoreModel, sampler: Sampler) -> None:
    """Bit for bit, one observation and one mask per sample, in batches that split them; and the hidden pixels are not the observation."""
    for size in (None, 2):
        x = sample(model, sampler, (5, 1, 4, 4), grid=TIMES, seed=1, batch_size=size).x
        assert torch.equal(x[MASK], OBSERVED[MASK])
        assert (x[~MASK] != OBSERVED[~MASK]).all()


@pytest.mark.promise("D12")
@pytest.mark.parametrize(("name", "resample"), in_turn(SAMPLERS, (1, 2)))
def test_known_pixels_equal_the_observation_bit_for_bit(name: str, resample: int) -> None:
    sampler = SAMPLERS[name].sampler if resample == 1 else RePaint(SAMPLERS[name].sampler, resample)
    keeps_what_is_known(Inpaint(Exact(IMAGES, PROCESS), OBSERVED, MASK), sampler)


class Late(Inpaint):
    """The published code's last step, which leaves the noise of the last level on the known pixels."""

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        return self.replace(super().denoise(x, t), self.renoise(x, t, torch.ones_like(x)))


@pytest.mark.parametrize(
    "wrong",
    [
        Inpaint(Exact(IMAGES, PROCESS), OBSERVED, ~MASK),
        Inpaint(Exact(IMAGES, PROCESS), OBSERVED.flip(0), MASK),
        Late(Exact(IMAGES, PROCESS), OBSERVED, MASK),
    ],
    ids=["mask inverted", "neighbours' observations", "noise left on"],
)
def test_pixels_of_something_else_are_noticed(wrong: Inpaint) -> None:
    with pytest.raises(AssertionError):
        keeps_what_is_known(wrong, Heun())


def test_what_is_hidden_may_be_anything() -> None:
    """NaN outside the mask is as good as any number."""
    hidden = torch.where(MASK, OBSERVED, torch.nan)
    first, second = (
        sample(Inpaint(Exact(IMAGES, PROCESS), y, MASK), Heun(), (5, 1, 4, 4), grid=TIMES).x for y in (hidden, OBSERVED)
    )
    assert torch.equal(first, second)


def test_one_observation_and_one_mask_serve_all_samples() -> None:
    one = Inpaint(Exact(IMAGES, PROCESS), OBSERVED[:1], MASK[:1])
    each = Inpaint(Exact(IMAGES, PROCESS), OBSERVED[:1].expand(5, 1, 4, 4), MASK[0])
    first, second = (sample(m, AdaptiveODE(), (5, 1, 4, 4), grid=TIMES[[0, -1]], batch_size=3).x for m in (one, each))
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)


def test_any_event_will_do() -> None:
    model = Inpaint(Exact(Gaussian(torch.zeros(6)), PROCESS), torch.ones(1, 6), torch.arange(6) < 2)
    x = sample(model, Heun(), (3, 6), grid=TIMES).x
    assert torch.equal(x[:, :2], torch.ones(3, 2))


@pytest.mark.parametrize("sampler", [Ancestral(), AdaptiveODE(), RePaint(Ancestral(), 2)])
def test_each_sample_depends_on_its_own_seed_and_observation_alone(sampler: Sampler) -> None:
    model = Inpaint(Exact(IMAGES, PROCESS), OBSERVED, MASK)
    whole = sample(model, sampler, (5, 1, 4, 4), grid=TIMES, seed=1).x
    parts = sample(model, sampler, (5, 1, 4, 4), grid=TIMES, seed=1, batch_size=2).x
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-4)
    others = Inpaint(Exact(IMAGES, PROCESS), torch.cat([OBSERVED[:3], OBSERVED[:2]]), MASK)
    changed = sample(others, sampler, (5, 1, 4, 4), grid=TIMES, seed=1).x
    torch.testing.assert_close(changed[:3], whole[:3], rtol=1e-4, atol=1e-4)
    assert (changed[3:] != whole[3:]).any()


# --- the noise on the way --------------------------------------------------------------------------------------------------------

PLANE = Gaussian([0.5, -0.5], torch.tensor([[1.0, 0.8], [0.8, 1.0]]))
KNOWN = torch.tensor([1.5, 0.0])
FIRST = torch.tensor([True, False])


def carries_the_noise_of_its_level(model: Inpaint, sampler: Sampler) -> None:
    """At every level the known coordinate is the observation noised to it: KS and χ² of 3 000 samples; level 1e-3."""
    process = model.process
    times = LogSNR(40).times(process)
    init = model.renoise(normal(3000, 2).float() * 10, times[0], normal(3000, 2, seed=1).float())
    path = sample(model, sampler, init=init, grid=times, frames=41, denoise=False).trajectory
    assert path is not None
    p = []
    for k in (10, 20, 30, 40):
        alpha, sigma = (scale.item() for scale in process.alpha_sigma(times[k]))
        z = (path[k, :, 0].double() - alpha * 1.5) / sigma
        p += [ks_p(z, lambda v: 0.5 * (1 + torch.erf(torch.as_tensor(v) / 2**0.5)).numpy()), variance_p(z, 1.0)]
    accept(p, LEVEL)


CARRIERS = {"Euler": Euler(), "Heun": Heun(), "Ancestral": Ancestral(), "RePaint": RePaint(Euler(), 2)}


@pytest.mark.parametrize("process", ["VE", "VP"])
@pytest.mark.parametrize("name", CARRIERS)
def test_known_pixels_carry_the_noise_of_the_level(name: str, process: str) -> None:
    carries_the_noise_of_its_level(Inpaint(Exact(PLANE, ROUTE_PROCESSES[process]), KNOWN[None], FIRST), CARRIERS[name])


class WrongLevel(Inpaint):
    """Known pixels noised to the level that was left, not the one reached."""

    def renoise(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        return super().renoise(x, t + 0.025, z)


class Variance(Inpaint):
    """σ² for σ."""

    def renoise(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        _, sigma = self.process.alpha_sigma(t)
        return super().renoise(x, t, sigma.to(z) * z)


@pytest.mark.parametrize("wrong", [WrongLevel, Variance])
def test_noise_of_another_level_is_noticed(wrong: type[Inpaint]) -> None:
    model = wrong(Exact(PLANE, ROUTE_PROCESSES["VE"]), KNOWN[None], FIRST)
    with pytest.raises(AssertionError):
        carries_the_noise_of_its_level(model, RePaint(Euler(), 1))


# --- the hidden part -------------------------------------------------------------------------------------------------------------


def hidden_moments(data: Gaussian, sampler: Sampler, draws: int) -> Moments:
    """Return the exact moments of the hidden coordinate after 64 steps."""
    model = Inpaint(Exact(data, PROCESS), KNOWN[None].double(), FIRST)
    times = LogSNR(64).times(PROCESS)
    begin = Moments(torch.tensor([1.5, -0.5]).double(), torch.diag(torch.tensor([0.0, 0.6])).double()).noised(
        PROCESS, times[0]
    )
    end = begin.through(model, sampler, times, draws, (2,))
    return Moments(end.mean[1:], end.covariance[1:, 1:])


@pytest.mark.promise("D12")
def test_what_does_not_depend_on_the_known_part_is_drawn_from_its_own_law() -> None:
    data = Gaussian([0.5, -0.5], torch.tensor([1.0, 0.6]))
    expected = Moments(torch.tensor([-0.5]).double(), torch.tensor([[0.6 + 0.05**2]]).double())
    assert hidden_moments(data, Heun(), 0).error(expected) < 1e-2


@pytest.mark.promise("D12")
def test_replacement_is_biased_and_resampling_lessens_it() -> None:
    """The posterior of a correlated Gaussian; more resampling, less bias: 1, 4 and 16 times."""
    covariance = torch.tensor([[1.0, 0.8], [0.8, 1.0]], dtype=torch.float64)
    mean = torch.tensor([0.5, -0.5], dtype=torch.float64)
    exact = Moments(*posterior(mean, covariance, torch.tensor([[1.0, 0.0]]).double(), KNOWN[:1].double(), 0.0))
    wanted = Moments(exact.mean[1:], exact.covariance[1:, 1:] + 0.05**2)
    errors = [hidden_moments(PLANE, RePaint(Ancestral(), u), 64 * (3 * u - 1)).error(wanted) for u in (1, 4, 16)]
    assert errors[0] > 0.2
    assert errors[0] > 2 * errors[1]
    assert errors[2] < 0.1


class NotUp(RePaint):
    """Resampling that never goes back up."""

    def step(self, model: ScoreModel, x: Tensor, step: Step, memory: object, noise: Noise) -> tuple[Tensor, object]:
        for _ in range(self.resample):
            x, memory = RePaint(self.sampler, 1).step(model, x, step, memory, noise)
            step = step.arrived
        return x, memory


def test_repeating_without_going_up_does_not() -> None:
    covariance = torch.tensor([[1.0, 0.8], [0.8, 1.0]], dtype=torch.float64)
    mean = torch.tensor([0.5, -0.5], dtype=torch.float64)
    exact = Moments(*posterior(mean, covariance, torch.tensor([[1.0, 0.0]]).double(), KNOWN[:1].double(), 0.0))
    wanted = Moments(exact.mean[1:], exact.covariance[1:, 1:] + 0.05**2)
    assert hidden_moments(PLANE, NotUp(Ancestral(), 16), 64 * 32).error(wanted) > 0.1


def test_resampling_counts_its_evaluations() -> None:
    model = Inpaint(Exact(PLANE, PROCESS), KNOWN[None], FIRST)
    assert sample(model, RePaint(Heun(), 3), (2, 2), grid=TIMES).evaluations == 5 * 3 * 2 + 1


@pytest.mark.promise("C3")
def test_the_global_generator_is_left_alone() -> None:
    model = Inpaint(Exact(PLANE, PROCESS), KNOWN[None], FIRST)
    torch.manual_seed(1)
    first = sample(model, RePaint(Euler(), 2), (4, 2), grid=TIMES).x
    torch.rand(3, generator=seeded(0))
    torch.manual_seed(2)
    assert torch.equal(sample(model, RePaint(Euler(), 2), (4, 2), grid=TIMES).x, first)


# --- bad input -------------------------------------------------------------------------------------------------------------------

MODEL = Exact(PLANE, PROCESS)
BAD: dict[str, tuple[Callable[[], object], str]] = {
    "empty mask": (lambda: Inpaint(MODEL, KNOWN[None], torch.tensor([False, False])), "a mask is empty"),
    "full mask": (lambda: Inpaint(MODEL, KNOWN[None], torch.tensor([True, True])), "a mask is full"),
    "one full mask of two": (
        lambda: Inpaint(MODEL, torch.zeros(2, 2), torch.tensor([[True, False], [True, True]])),
        "full",
    ),
    "a mask of numbers": (lambda: Inpaint(MODEL, KNOWN[None], torch.tensor([1.0, 0.0])), "must be boolean"),
    "a mask of another shape": (
        lambda: Inpaint(MODEL, KNOWN[None], torch.tensor([True, False, True])),
        "or broadcast to it",
    ),
    "NaN under the mask": (lambda: Inpaint(MODEL, torch.tensor([[torch.nan, 0.0]]), FIRST), "1 NaN or infinite"),
    "no row": (lambda: Inpaint(MODEL, KNOWN, FIRST), r"\(1, \*d\)"),
    "bytes": (lambda: Inpaint(MODEL, torch.zeros(1, 2, dtype=torch.uint8), FIRST), "floating-point"),
    "an observation of other samples": (
        lambda: sample(Inpaint(MODEL, torch.zeros(1, 3), torch.arange(3) > 1), Heun(), (2, 2), grid=TIMES),
        r"observation has shape \(3,\), the samples \(2,\)",
    ),
    "too few observations": (
        lambda: sample(Inpaint(MODEL, torch.zeros(3, 2), FIRST), Heun(), (4, 2), grid=TIMES),
        "received 3, but there is a sample number 3",
    ),
    "no resampling": (lambda: RePaint(Heun(), 0), "resample must be a whole number of at least 1"),
    "nothing to repaint": (lambda: sample(MODEL, RePaint(Heun()), (2, 2), grid=TIMES), "must be an Inpaint"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_a_reason(name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        call()


# --- inside other guides ---------------------------------------------------------------------------------------------------------


def _guides(model: ScoreModel) -> dict[str, Callable[[ScoreModel], ScoreModel]]:
    """Return guides, each around an `Inpaint`: they move what is hidden, and not what is known."""
    weights = normal(16, 2, seed=4).float()
    return {
        "AutoGuided": lambda inner: AutoGuided(inner, model, 0.7),
        "ClassifierGuided": lambda inner: ClassifierGuided(inner, lambda x, t: x.flatten(1) @ weights, 1),
        "LinearGaussian": lambda inner: LinearGaussian(inner, Downsample(2), torch.zeros(1, 1, 2, 2), 0.5),
        "Inpaint": lambda inner: Inpaint(inner, torch.zeros(1, 1, 4, 4), torch.eye(4)[None, None] > 0),
    }


@pytest.mark.parametrize("guide", ["AutoGuided", "ClassifierGuided", "LinearGaussian", "Inpaint"])
@pytest.mark.parametrize("units", [None, Units(torch.tensor(0.1307), torch.tensor(0.6162))], ids=["own", "other"])
def test_known_pixels_inside_another_guide_equal_the_observation_bit_for_bit(guide: str, units: Units | None) -> None:
    model = Exact(IMAGES, PROCESS).in_units(units)
    guided = _guides(model)[guide](Inpaint(model, OBSERVED, MASK))
    x = sample(guided, Heun(), (5, 1, 4, 4), grid=TIMES, seed=1).x
    elsewhere = ~torch.eye(4, dtype=torch.bool).expand(5, 1, 4, 4) if guide == "Inpaint" else torch.ones_like(MASK)
    assert torch.equal(x[MASK & elsewhere], OBSERVED[MASK & elsewhere])
    assert (x[~MASK] != OBSERVED[~MASK]).all()
