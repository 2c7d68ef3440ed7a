"""What every model takes: numbers as times, networks of any precision, inference mode, parts in modes of their own; and what it refuses."""

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scorefield import (
    DPS,
    MLP,
    VE,
    VP,
    AutoGuided,
    Classifier,
    ClassifierFree,
    ClassifierGuided,
    Denoiser,
    Energy,
    Euler,
    Exact,
    FromScore,
    Gaussian,
    Grid,
    Heun,
    Inpaint,
    LadderNet,
    LinearGaussian,
    Mask,
    NoiseNet,
    Particles,
    Project,
    Ring,
    Sampler,
    ScoreModel,
    ScoreNet,
    Similarity,
    Trace,
    TwoMoons,
    UNet,
    Units,
    decode,
    encode,
    fisher_divergence,
    geometric,
    log_likelihood,
    sample,
)
from scorefield._tensors import evaluating
from scorefield.densities import curved
from scorefield.errors import ConfigError
from scorefield.preconditioning import DataNet, FlowNet, VelocityNet

from .cases import PLANAR, normal
from .everything import by_default, public
from .guided import told
from .nets import Wave, beside

PROCESS = VE(sigma_min=0.05, sigma_max=5.0)
LEVELS = geometric(5.0, 0.05, 6)
TIMES = PROCESS.time(torch.tensor([4.0, 2.0, 1.0, 0.3], dtype=torch.float64))
OF_NETWORKS: dict[str, Callable[[nn.Module], ScoreModel]] = {
    "Denoiser": lambda net: Denoiser(net, PROCESS, sigma_data=0.5),
    "NoiseNet": lambda net: NoiseNet(net, PROCESS),
    "VelocityNet": lambda net: VelocityNet(net, PROCESS),
    "DataNet": lambda net: DataNet(net, PROCESS),
    "FlowNet": lambda net: FlowNet(net, PROCESS),
    "ScoreNet": lambda net: ScoreNet(net, PROCESS),
    "LadderNet": lambda net: LadderNet(net, LEVELS),
    "Energy": lambda net: Energy(net, PROCESS),
}
every = pytest.mark.parametrize("name", OF_NETWORKS)
SCORES = [name for name in OF_NETWORKS if name != "LadderNet"]


def logits(x: Tensor, t: Any) -> Tensor:
    return x @ torch.tensor([[1.0, -1.0, 0.3], [0.2, 0.4, 0.0]]).to(x)


class Logits(nn.Module):
    classes = 3

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return logits(x, condition)


KNOWN = {"observed": torch.ones(1, 2), "mask": torch.tensor([True, False])}
MEASURED = {"A": Project(torch.tensor([[0.6, 0.9]]), (2,)), "y": torch.tensor([[1.0]]), "noise": 0.2}


def guided(model: ScoreModel) -> dict[str, ScoreModel]:
    """Return guided models; one that asks for known coordinates or a measurement alone needs no line."""
    told_of: dict[str, ScoreModel] = {
        "AutoGuided": AutoGuided(model, FromScore(lambda x, t: -x, PROCESS), 0.5),
        "ClassifierFree": ClassifierFree(told(PROCESS), 1, 0.5),
        "ClassifierGuided": ClassifierGuided(model, logits, 1),
        "ClassifierGuided by a Classifier": ClassifierGuided(model, Classifier(Logits(), PROCESS, 1.0), 1),
    }
    given = {"model": model, **KNOWN, **MEASURED}

    def asked(cls: Any) -> ScoreModel:
        wanted = [name for name, setting in signature(cls).parameters.items() if setting.default is setting.empty]
        return cls(**{name: given[name] for name in wanted if name in given})

    return told_of | by_default(public(ScoreModel, ["guidance"]), told_of.values(), asked)


def models() -> dict[str, ScoreModel]:
    torch.manual_seed(0)
    nets = {name: make(Wave() if name == "LadderNet" else MLP(dim=2, width=8)) for name, make in OF_NETWORKS.items()}
    moons = Exact(TwoMoons(radius=1.5, std=0.3), PROCESS)
    function = FromScore(lambda x, t: -x / beside(1 + PROCESS.alpha_sigma(t)[1] ** 2, x).to(x), PROCESS)
    return nets | {"Exact": moons, "FromScore": function} | guided(moons)


MODELS = [*OF_NETWORKS, "Exact", "FromScore", *guided(FromScore(lambda x, t: -x, PROCESS))]
of_models = pytest.mark.parametrize("name", MODELS)
VIEWS = ("denoise", "score", "noise", "velocity")


@of_models
@pytest.mark.usefixtures("seeded")
def test_a_time_may_be_a_number(name: str) -> None:
    model, x = models()[name], normal(3, 2).float()
    for view in VIEWS:
        found = getattr(model, view)(x, 0.5)
        assert torch.equal(found, getattr(model, view)(x, torch.tensor(0.5, dtype=torch.float64)))
        assert found.dtype == torch.float32
    assert torch.equal(model.score(x, 1), model.score(x, 1.0))
    assert torch.equal(model.prior(0.5).std, model.prior(torch.tensor(0.5, dtype=torch.float64)).std)


@of_models
@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("t", [-0.1, 1.5, math.nan, math.inf, np.float32(20)], ids=str)
def test_a_number_that_is_no_time_is_refused(name: str, t: float) -> None:
    model, x = models()[name], normal(3, 2).float()
    for view in (*(partial(getattr(model, view), x) for view in VIEWS), model.prior):
        with pytest.raises(ConfigError, match="between 0 and 1; received"):
            view(t)


@every
@pytest.mark.parametrize("t", [0.5, torch.tensor(0.5, dtype=torch.float64), torch.tensor([0.2, 0.4, 0.9])], ids=str)
def test_a_network_is_given_one_condition_per_row(name: str, t: Any) -> None:
    net = Wave()
    OF_NETWORKS[name](net).denoise(normal(3, 2).float(), t)
    x, condition = net.seen
    assert (x.dtype, condition.shape) == (torch.float32, (3,))
    assert condition.dtype == (torch.long if name == "LadderNet" else torch.float32)


class Narrow(nn.Module):
    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return x[:, :1]


@every
def test_an_output_that_would_broadcast_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"of the states, \(3, 2\); Narrow returned \(3, 1\)"):
        OF_NETWORKS[name](Narrow()).denoise(normal(3, 2), 0.5)


def test_a_function_whose_value_would_broadcast_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"of the states, \(3, 2\); .* returned \(3, 1\)"):
        FromScore(lambda x, t: x[:, :1], PROCESS).score(normal(3, 2), 0.5)


def stirred(net: nn.Module) -> nn.Module:
    """Return a network whose last layer no longer starts at zero."""
    with torch.no_grad():
        for part in net.parameters():
            part += 0.1 * torch.randn_like(part)
    return net


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (lambda: MLP(dim=2, width=16), (2,)),
    "unet": (lambda: stirred(UNet(1, 8, width=8, depth=1)), (1, 8, 8)),
}


@pytest.mark.parametrize("net", NETWORKS)
@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-4), (torch.float16, 0.05), (torch.bfloat16, 0.3)])
@pytest.mark.usefixtures("seeded")
def test_a_network_of_another_precision_is_sampled_from(
    net: str, name: str, dtype: torch.dtype, tolerance: float
) -> None:
    make, event = NETWORKS[net]
    model = OF_NETWORKS[name](make())
    expected = sample(model, Heun(), (3, *event), grid=TIMES).x
    found = sample(model.to(dtype), Heun(), (3, *event), grid=TIMES).x
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() <= tolerance * expected.std()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_ladder_of_another_precision_has_the_levels_it_had(dtype: torch.dtype) -> None:
    model = LadderNet(Wave(), LEVELS)
    x = normal(3, 2).float()
    expected = model.score(x, TIMES[:3])
    torch.testing.assert_close(model.to(dtype).score(x, TIMES[:3]), expected, rtol=0, atol=0)
    assert torch.equal(model.levels, LEVELS)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.usefixtures("seeded")
def test_an_observation_keeps_its_precision(dtype: torch.dtype) -> None:
    """An observation comes back bit for bit, whatever the network's weights are rounded to; so does a measurement."""
    net, known = Denoiser(MLP(dim=2, width=8), PROCESS, 1.0), torch.tensor([[math.pi, 0.0]])
    model = Inpaint(net, known, torch.tensor([True, False])).to(dtype)
    assert next(model.parameters()).dtype == dtype
    assert torch.equal(sample(model, Heun(), (3, 2), grid=TIMES).x[:, 0], known[:, 0].expand(3))
    assert torch.equal(
        LinearGaussian(net, Project(torch.ones(1, 2), (2,)), known[:, :1], 0.1).to(dtype).y, known[:, :1]
    )


@pytest.fixture
def double() -> Any:
    """float64 as the default, and what it was before afterwards."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("net", NETWORKS)
@pytest.mark.usefixtures("seeded")
def test_a_default_of_float64_breaks_no_network(net: str, request: pytest.FixtureRequest) -> None:
    make, event = NETWORKS[net]
    older = OF_NETWORKS["NoiseNet"](make())
    expected = sample(older, Heun(), (3, *event), grid=TIMES).x
    request.getfixturevalue("double")
    assert torch.equal(sample(older, Heun(), (3, *event), grid=TIMES).x, expected)
    for name in SCORES:
        drawn = sample(OF_NETWORKS[name](make()), Heun(), (3, *event), grid=TIMES).x
        assert drawn.dtype == torch.float32
        assert drawn.isfinite().all()


@pytest.mark.parametrize("density", PLANAR)
@pytest.mark.usefixtures("double")
def test_a_default_of_float64_breaks_no_density(density: str) -> None:
    assert sample(Exact(PLANAR[density], VP()), Euler(), (3, 2), grid=torch.tensor([0.9, 0.5, 0.1])).x.isfinite().all()


@pytest.mark.usefixtures("seeded")
def test_parts_keep_their_own_modes() -> None:
    model = Denoiser(MLP(dim=2, width=8), PROCESS, 1.0)
    model.train()
    frozen = next(iter(model.net.children()))
    frozen.eval()
    modes = {name: part.training for name, part in model.named_modules()}
    assert len(set(modes.values())) == 2
    sample(model, Heun(), (2, 2), grid=TIMES)
    assert {name: part.training for name, part in model.named_modules()} == modes


class Training(nn.Module):
    """A network whose output is nonsense while it trains."""

    called: Callable[[], object] = staticmethod(lambda: None)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        self.called()
        return torch.full_like(x, torch.nan) if self.training else 0.1 * x


TARGET, POINTS = TwoMoons(radius=1.5, std=0.3), normal(4, 2).float()
VERBS: dict[str, Callable[[ScoreModel], object]] = {
    "a likelihood": lambda model: log_likelihood(model, POINTS, rtol=0.1, atol=0.1).log_prob,
    "a latent": lambda model: encode(model, POINTS, rtol=0.1, atol=0.1),
    "a point of a latent": lambda model: decode(model, POINTS, rtol=0.1, atol=0.1),
    "a divergence": lambda model: torch.tensor(fisher_divergence(model, TARGET, n=4)[:2]),
    "a grid": lambda model: Grid.fit(model, 3, (2,), places=4).ratios,
    "a trace": lambda model: torch.tensor(traced(model)),
}


def traced(model: ScoreModel) -> list[float]:
    trace = Trace(model)
    sample(Exact(TARGET, PROCESS), Heun(), (2, 2), grid=TIMES, on_step=trace)
    return [row.score_rms for row in trace.rows]


@pytest.mark.parametrize("verb", VERBS)
def test_whatever_a_model_is_asked_it_is_evaluated(verb: str) -> None:
    model = OF_NETWORKS["NoiseNet"](Training())
    found = VERBS[verb](model)
    assert torch.as_tensor(found).isfinite().all()
    assert all(part.training for part in model.modules())


def test_a_model_is_evaluated_until_all_threads_are_done_with_it() -> None:
    net, begun, alone = Training(), threading.Event(), threading.Event()
    net.called = lambda: (begun.set(), alone.wait(10))
    model = OF_NETWORKS["NoiseNet"](net)
    with ThreadPoolExecutor() as pool:
        with evaluating(model):
            drawn = pool.submit(sample, model, Heun(), (2, 2), grid=TIMES)
            begun.wait(10)
        alone.set()
        assert drawn.result().x.isfinite().all()
    assert net.training


# --- inference mode --------------------------------------------------------------------------------------------------------------


@of_models
@pytest.mark.usefixtures("seeded")
def test_a_model_says_the_same_in_inference_mode(name: str) -> None:
    model, x, times = models()[name], normal(3, 2).float(), torch.tensor([0.5, 0.4, 0.3], dtype=torch.float64)
    with torch.no_grad():
        expected = {view: [getattr(model, view)(x, t) for t in (0.5, times)] for view in VIEWS}
    drawn = [sample(model, s, init=2 * x, grid=TIMES).x for s in (Heun(), Euler())]
    with torch.inference_mode():
        inside, when = x.clone(), times.clone()
        for view in VIEWS:
            for t, value in zip((0.5, when), expected[view], strict=True):
                assert torch.equal(getattr(model, view)(inside, t), value)
        for sampler, value in zip((Heun(), Euler()), drawn, strict=True):
            assert torch.equal(sample(model, sampler, init=2 * inside, grid=TIMES).x, value)


MADE: dict[str, Callable[[], ScoreModel]] = {
    **{name: partial(Exact, density, PROCESS) for name, density in PLANAR.items()},
    "full": lambda: Exact(Gaussian([0.0, 0.0], torch.tensor([[2.0, 0.5], [0.5, 1.0]])), PROCESS),
    "turned": lambda: Exact(Similarity(Ring(), 2.0, torch.eye(2).double(), torch.ones(2)), PROCESS),
    "masked": lambda: LinearGaussian(Exact(Ring(), PROCESS), Mask(torch.tensor([True, False])), torch.ones(1, 1), 0.1),
    "projected": lambda: LinearGaussian(Exact(Ring(), PROCESS), **MEASURED),
    "in units": lambda: LinearGaussian(
        Exact(Ring(), PROCESS).in_units(Units(torch.zeros(2), torch.tensor(2.0))), **MEASURED
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_what_was_made_in_inference_mode_can_be_differentiated(name: str) -> None:
    """In float64, too, where parameters are taken as they are."""
    with torch.inference_mode():
        model = MADE[name]()
    x = normal(3, 2).double().requires_grad_()
    expected = MADE[name]().score(x, 0.5)
    assert torch.equal(model.score(x, 0.5), expected)
    torch.autograd.grad(model.score(x, 0.5).sum(), x)


@pytest.mark.parametrize("name", ["annulus", "moons", "banana"])
def test_a_transformation_leaves_nothing_behind_for_the_next(name: str) -> None:
    """Rules of integration are kept for later calls, and belong to none."""
    curved._hermite.cache_clear(), curved._panels.cache_clear()
    density, x = PLANAR[name].diffuse(1.0, 0.5), normal(3, 2).double()
    torch.func.jacrev(density.score)(x)
    each = torch.func.vmap(lambda row: density.score(row[None])[0])(x)
    torch.testing.assert_close(each, density.score(x))


@pytest.mark.parametrize("name", ["Denoiser", "Energy", "Exact", "ClassifierGuided", "Inpaint", "LinearGaussian"])
@pytest.mark.usefixtures("seeded")
def test_likelihoods_are_the_same_in_inference_mode(name: str) -> None:
    model, x = models()[name], normal(3, 2).double()
    how: Any = {"rtol": 1e-3, "atol": 1e-3}
    expected = log_likelihood(model, x, **how).log_prob
    with torch.inference_mode():
        assert torch.equal(log_likelihood(model, x.clone(), **how).log_prob, expected)


@pytest.mark.parametrize("sampler", [DPS(Euler(), 0.1), Particles(4)], ids=["DPS", "Particles"])
@pytest.mark.usefixtures("seeded")
def test_samplers_that_differentiate_do_so_in_inference_mode(sampler: Sampler) -> None:
    model = models()["LinearGaussian"]
    expected = sample(model, sampler, (3, 2), grid=TIMES).x
    with torch.inference_mode():
        assert torch.equal(sample(model, sampler, (3, 2), grid=TIMES).x, expected)
        again = LinearGaussian(
            Exact(TwoMoons(1.5, 0.3), PROCESS), Project(torch.tensor([[0.6, 0.9]])), torch.ones(1, 1), 0.2
        )
        assert torch.equal(sample(again, sampler, (3, 2), grid=TIMES).x, expected)


def test_labels_given_in_inference_mode_guide_by_differentiation() -> None:
    model, labels = FromScore(lambda x, t: -x, PROCESS), [0, 1, 2]
    expected = sample(ClassifierGuided(model, logits, torch.tensor(labels)), Heun(), (3, 2), grid=TIMES).x
    with torch.inference_mode():
        guided = ClassifierGuided(model, logits, torch.tensor(labels))
        assert torch.equal(sample(guided, Heun(), (3, 2), grid=TIMES).x, expected)
