"""Location and scale: laws far from the origin, and models of data in any units, say what they say in standard coordinates."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from scorefield import (
    DPS,
    EDM,
    VE,
    Ancestral,
    AutoGuided,
    Blur,
    ByteDecoder,
    Classifier,
    ClassifierFree,
    ClassifierGuided,
    Denoiser,
    Downsample,
    Euler,
    Exact,
    Gaussian,
    GaussianMixture,
    Heun,
    Inpaint,
    LinearGaussian,
    LinearOperator,
    LogSNR,
    Mask,
    MatrixFree,
    Particles,
    Project,
    RePaint,
    Sampler,
    ScoreModel,
    Similarity,
    bits_per_dim,
    decode,
    encode,
    fisher_divergence,
    log_likelihood,
    sample,
    variational_bound,
)
from scorefield.errors import ConfigError
from scorefield.models import Time
from scorefield.units import Units
from turns import in_turn

from .cases import ROUTE_PROCESSES, SAMPLERS, coarse, normal, seeded
from .chains import affine
from .guided import CLASSES, dense, told
from .nets import Nothing
from .statistics import LEVEL, accept, mean_p, variance_p

# --- laws far from the origin ----------------------------------------------------------------------------------------------------

SHIFT = 300.0
FAR = [
    (name, process)
    for name, route in SAMPLERS.items()
    for process, p in ROUTE_PROCESSES.items()
    if math.isclose(route.times(p, 1)[0].item(), p.t_max) and name != "AdaptiveSDE"  # whose map is not affine
]
# Where α changes, these discretise the drift f x itself, and err by a share of the mean: only more steps help.
DRIFTING = {(name, p) for name in ("EulerMaruyama", "ReverseDiffusion", "PredictorCorrector") for p in ("VP", "SubVP")}


@pytest.mark.parametrize(("name", "process"), FAR)
def test_far_away_samples_have_the_moments_of_the_exact_recursion(name: str, process: str) -> None:
    """From the model's own prior, the sampler's bias included: z- and χ²-tests, level 1e-3; and it does not grow with distance."""
    p, route = ROUTE_PROCESSES[process], SAMPLERS[name]
    variance = torch.tensor([0.3, 1.5], dtype=torch.float64)
    model, times = Exact(Gaussian([SHIFT, -SHIFT], variance), p), coarse(route.times(p, 1))
    prior, end = model.prior(times[0]), model.marginal(times[-1]).moments
    assert end is not None
    mean, spread = affine(model, route.sampler, times).moments(prior.mean, prior.std**2)
    x = sample(model, route.sampler, (2_000, 2), grid=times, seed=5, denoise=False).x.double()
    accept([*mean_p(x, mean), *(variance_p(x[:, i] - mean[i], spread[i].item()) for i in range(2))], LEVEL / len(FAR))
    assert ((mean - end.mean).abs().max() < 0.01) == ((name, process) not in DRIFTING)


# --- data in units of their own --------------------------------------------------------------------------------------------------

PROCESS = VE(sigma_min=0.05, sigma_max=5.0)
TIMES = LogSNR(6).times(PROCESS)
IMAGE = (1, 4, 4)
TABLE = (4,)
PIXELS = GaussianMixture(0.5 * normal(3, *IMAGE), 0.05, [0.2, 0.3, 0.5])
COLUMNS = GaussianMixture(0.5 * normal(3, *TABLE), 0.05, [0.2, 0.3, 0.5])
UNITS: dict[str, tuple[GaussianMixture, Units]] = {
    "0 to 255": (PIXELS, Units(torch.tensor(127.5), torch.tensor(120.0))),
    "-1 to 1": (PIXELS, Units(torch.tensor(-0.3), torch.tensor(0.9))),
    "tiny": (COLUMNS, Units(torch.tensor(300.0), torch.tensor(1e-3))),
    "huge": (COLUMNS, Units(torch.tensor(-2e5), torch.tensor(1e5))),
    "columns": (COLUMNS, Units(torch.tensor([0.02, 7.0, 300.0, -2e5]), torch.tensor([1e-3, 1.0, 40.0, 1e5]))),
}
SCALAR = [name for name, (_, units) in UNITS.items() if units.scale.numel() == 1]
of_units = pytest.mark.parametrize("units", UNITS)
of_scale = pytest.mark.parametrize("units", SCALAR)


def both(name: str) -> tuple[ScoreModel, Units]:
    """Return the model in standard coordinates, and its units."""
    density, units = UNITS[name]
    return Exact(density, PROCESS), units


def close(found: Tensor, expected: Tensor, units: Units, tolerance: float = 1e-3) -> None:
    """Compare two arrays of data in units of their scale, as far as float32 tells them apart."""
    rounding = 2e-7 * units.location.abs() / units.scale
    gap = (found.double() - expected.double()).abs() / units.scale
    assert (gap <= tolerance + rounding).all(), f"apart by {gap.max().item():.3g} of the scale"


def drawn(model: ScoreModel, sampler: Sampler, event: tuple[int, ...]) -> Tensor:
    return sample(model, sampler, (5, *event), grid=TIMES, seed=2).x


@pytest.mark.parametrize(("name", "units"), in_turn(SAMPLERS, UNITS))
def test_samples_and_states_along_the_way_are_in_the_datas_units(name: str, units: str) -> None:
    model, u = both(units)
    stable = PROCESS.time(torch.tensor([3.0, 2.0, 1.0, 0.6], dtype=torch.float64))
    how: dict[str, Any] = {"shape": (5, *UNITS[units][0].event), "grid": stable, "frames": 3, "seed": 1}
    inside = sample(model, SAMPLERS[name].sampler, **how)
    outside = sample(model.in_units(u), SAMPLERS[name].sampler, **how)
    assert torch.equal(outside.x, u.outside(inside.x))
    assert inside.trajectory is not None
    assert outside.trajectory is not None
    assert torch.equal(outside.trajectory, u.outside(inside.trajectory))
    assert torch.equal(outside.trajectory[-1], outside.x)


@pytest.mark.parametrize(("spread", "dtype"), [(1e3, torch.float32), (1e3, torch.float64), (1e-3, torch.float64)])
def test_a_column_far_from_zero_keeps_what_its_numbers_tell(spread: float, dtype: torch.dtype) -> None:
    """Of seconds since 1970 a quarter of an hour is 8 last digits in float32; of a constant, rounding leaves one."""
    x = (1.7e9 + spread * normal(500, 2)).to(dtype)
    torch.testing.assert_close(Units.of(x).scale, 2 * x.double().std(dim=0, correction=0))
    constant = 1.7e9 * (1 + torch.finfo(dtype).eps * torch.randint(2, (500, 2), generator=seeded(0))).to(dtype)
    assert Units.of(constant).scale.tolist() == pytest.approx([1.7e9, 1.7e9])


def by_hand(density: GaussianMixture, u: Units) -> Exact:
    """Return the same model without units: the law of m + cX under noise c times as large."""
    c = u.scale.item()
    return Exact(Similarity(density, c, shift=u.location), EDM(c * 0.05, c * 5.0))


@of_scale
@pytest.mark.parametrize("name", ["Heun", "Ancestral", "EulerMaruyama", "PredictorCorrector"])
def test_one_scale_is_noise_of_another_size(name: str, units: str) -> None:
    density, u = UNITS[units]
    model = Exact(density, EDM(0.05, 5.0)).in_units(u)
    routes = [LogSNR(6).times(m.process) for m in (model, by_hand(density, u))]
    found, expected = (
        sample(m, SAMPLERS[name].sampler, (5, *density.event), grid=times, seed=1).x
        for m, times in zip((model, by_hand(density, u)), routes, strict=True)
    )
    close(found, expected, u, 0.02 if "tiny" in units else 2e-3)  # the reference runs on float32 states of 300 ± 0.001


def known(event: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return an observation in standard coordinates, and what of it is known."""
    return normal(5, *event, seed=8), normal(5, *event, seed=9) > 0


@of_units
@pytest.mark.parametrize(
    "sampler", [Heun(), Ancestral(), RePaint(Ancestral(), 2)], ids=["Heun", "Ancestral", "RePaint"]
)
def test_what_is_known_is_given_and_returned_in_the_datas_units(units: str, sampler: Sampler) -> None:
    model, u = both(units)
    y, mask = known(UNITS[units][0].event)
    mask[:, ..., 0], mask[:, ..., 1] = True, False
    observed = u.outside(y).float()
    inside = drawn(Inpaint(model, u.inside(observed.double()).float(), mask), sampler, y.shape[1:])
    result = sample(Inpaint(model.in_units(u), observed, mask), sampler, y.shape, grid=TIMES, seed=2, frames=2)
    assert torch.equal(result.x[mask], observed[mask])
    assert result.trajectory is not None
    assert torch.equal(result.trajectory[-1], result.x)
    close(result.x, u.outside(inside), u)


def operators(event: tuple[int, ...]) -> dict[str, LinearOperator]:
    size, axes = math.prod(event), min(2, len(event))
    matrix = normal(3, size, seed=4) / 4
    return {
        "Mask": Mask(torch.arange(size).reshape(event) % 2 == 0),
        "Downsample": Downsample(2, axes),
        "Blur": Blur.gaussian(0.33, axes),
        "Project": Project(matrix, event),
        "MatrixFree": MatrixFree(
            lambda x: x.flatten(1) @ matrix.T.to(x), lambda v: (v @ matrix.to(v)).reshape(-1, *event)
        ),
    }


def stated(model: ScoreModel, u: Units, A: LinearOperator, event: tuple[int, ...]) -> tuple[LinearGaussian, ScoreModel]:
    """Return one problem stated in the data's units, and by hand in standard coordinates."""
    x = u.outside(0.5 * normal(5, *event, seed=8))
    noise = 0.1 * u.scale.max().item()
    y = A.apply(x) + noise * normal(*A.apply(x).shape, seed=9)
    centred = y - A.apply(u.location.expand(x.shape))
    if u.scale.numel() > 1:
        matrix = Project(dense(A, event) * u.scale.flatten(), event)
        by_hand = LinearGaussian(model, matrix, centred.flatten(1), noise)
    else:
        by_hand = LinearGaussian(model, A, centred / u.scale, noise / u.scale.item())
    return LinearGaussian(model.in_units(u), A, y, noise), by_hand


@pytest.mark.parametrize(("units", "name", "sampler"), in_turn(UNITS, operators(IMAGE), (Heun(), Particles(8))))
def test_measurements_are_of_data_in_their_units(units: str, name: str, sampler: Sampler) -> None:
    model, u = both(units)
    event = UNITS[units][0].event
    problem, by_hand = stated(model, u, operators(event)[name], event)
    found, expected = (drawn(m, sampler, event) for m in (problem, by_hand))
    close(found, u.outside(expected), u, 2e-3)
    later = LinearGaussian(model, problem.A, problem.y, problem.variance**0.5).in_units(u)
    assert torch.equal(drawn(later, sampler, event), found)


def test_a_scale_per_column_is_solved_for_as_precisely_as_one_for_all() -> None:
    """Noise of the smallest column's size: the variances to be inverted lie sixteen orders of magnitude apart."""
    model, u = both("columns")
    A, v = Mask(torch.tensor([True, False, True, True])), normal(5, 3)
    inside = LinearGaussian(model.in_units(u), A, v, 1e-3).inside
    found = inside.solve(v, torch.tensor(0.4, dtype=torch.float64), 1e-6)
    torch.testing.assert_close(found, v / (0.4 * u.scale[[0, 2, 3]] ** 2 + 1e-6), rtol=1e-6, atol=0)


@of_units
@pytest.mark.parametrize("name", ["Mask", "Downsample", "Project"])
def test_dps_pulls_alike_in_all_units(units: str, name: str) -> None:
    model, u = both(units)
    event = UNITS[units][0].event
    A = operators(event)[name]
    if u.scale.numel() > 1 and name != "Mask":
        return  # measurements that mix columns have no standard coordinates of their own
    y = A.apply(u.outside(0.5 * normal(5, *event, seed=8)))
    each = A.apply(u.scale.expand(1, *event)) if name == "Mask" else u.scale
    by_hand = LinearGaussian(model, A, (y - A.apply(u.location.expand(1, *event))) / each, 0.1)
    problem = LinearGaussian(model.in_units(u), A, y, 0.1 * u.scale.max().item())
    found, expected = (
        sample(m, DPS(Euler(), 0.05), (5, *event), grid=TIMES, seed=2, denoise=False).x for m in (problem, by_hand)
    )
    close(found, u.outside(expected), u, 2e-3)


# --- classes ---------------------------------------------------------------------------------------------------------------------

PLANE = Units(torch.tensor([300.0, -2e4]), torch.tensor([1e-3, 1e5]))
LABELS = torch.tensor([2, 0, 1, 0, 2])


def posterior_logits(x: Tensor, t: Time) -> Tensor:
    return CLASSES.diffuse(*PROCESS.alpha_sigma(torch.as_tensor(t))).responsibilities(x).log()


GUIDES: dict[str, Callable[[ScoreModel], ScoreModel]] = {
    "ClassifierFree": lambda model: ClassifierFree(model, LABELS, 1.5),
    "ClassifierGuided": lambda model: ClassifierGuided(model, posterior_logits, LABELS, 2.0),
    "AutoGuided": lambda model: AutoGuided(model, Exact(Gaussian([0.5, 0.0], 4.0), PROCESS).in_units(model.units), 0.5),
}


@pytest.mark.parametrize("name", GUIDES)
def test_a_guided_model_speaks_the_units_of_the_model_it_guides(name: str) -> None:
    model = told(PROCESS)
    inside, outside = (drawn(GUIDES[name](m), Heun(), (2,)) for m in (model, model.in_units(PLANE)))
    assert torch.equal(outside, PLANE.outside(inside))


class Logits(torch.nn.Module):
    classes = 3

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return x.flatten(1)[:, :1] * torch.arange(3.0)


STRANGERS: dict[str, Callable[[ScoreModel, Units | None], ScoreModel]] = {
    "ClassifierGuided": lambda m, u: ClassifierGuided(m, Classifier(Logits(), PROCESS, 1.0).in_units(u), 1),
    "AutoGuided": lambda m, u: AutoGuided(m, Exact(CLASSES, PROCESS).in_units(u), 0.5),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_guide_in_other_units_is_refused_with_both_named(name: str) -> None:
    model = Denoiser(Nothing(), PROCESS, 1.0).in_units(PLANE)
    near = Units(PLANE.location, PLANE.scale * (1 + 1e-8))
    assert STRANGERS[name](model, near).units is model.units
    for other in (None, Units(PLANE.location, 2 * PLANE.scale), Units(torch.zeros(3), torch.ones(3))):
        with pytest.raises(
            ConfigError, match=r"units of the model it guides, x = \[-20000 … 300\] \+ .*; received one in x = "
        ):
            STRANGERS[name](model, other)


# --- likelihoods and measures ----------------------------------------------------------------------------------------------------


def is_the_closed_form(model: ScoreModel, u: Units, mean: Tensor, variance: Tensor) -> None:
    """log p of N(mean, variance) noised to t_min, in the data's units; the prior is exact."""
    x = u.outside(normal(6, *mean.shape))
    std = u.scale * torch.sqrt(variance + PROCESS.sigma_min**2)
    expected = torch.distributions.Normal(u.location + u.scale * mean, std).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(log_likelihood(model, x).log_prob, expected, rtol=1e-4, atol=1e-3)


@of_units
def test_likelihoods_count_the_volume_of_the_datas_units(units: str) -> None:
    density, u = UNITS[units]
    mean, variance = 0.3 * normal(*density.event, seed=2), 0.2 + normal(*density.event, seed=3).square()
    model = Exact(Gaussian(mean, variance), PROCESS).in_units(u)
    is_the_closed_form(model, u, mean, variance)
    for wrong in (Units(u.location, 2 * u.scale), Units(u.location + u.scale, u.scale)):
        with pytest.raises(AssertionError):
            is_the_closed_form(model.in_units(wrong), u, mean, variance)


@of_units
def test_a_latent_is_standard_and_decodes_to_the_data(units: str) -> None:
    model, u = both(units)
    x = u.outside(0.5 * normal(4, *UNITS[units][0].event))
    latent = encode(model.in_units(u), x, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(latent, encode(model, u.inside(x), rtol=1e-7, atol=1e-7))
    close(decode(model.in_units(u), latent, rtol=1e-7, atol=1e-7), x, u)


BYTES = torch.randint(256, (6, *IMAGE), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
UNIT_INTERVAL = Units(torch.tensor(0.5), torch.tensor(0.4))


def test_bits_are_those_of_the_same_model_by_hand() -> None:
    model, hand = Exact(PIXELS, EDM(0.05, 5.0)).in_units(UNIT_INTERVAL), by_hand(PIXELS, UNIT_INTERVAL)
    decoders = [ByteDecoder(m, BYTES, ratio=r) for m, r in ((model, 0.1), (hand, 0.04))]
    for found, expected in (
        (bits_per_dim(model, BYTES), bits_per_dim(hand, BYTES)),
        *((bits_per_dim(model, BYTES, decoder=decoders[0]), bits_per_dim(hand, BYTES, decoder=decoders[1])),),
    ):
        torch.testing.assert_close(found[0], expected[0], rtol=1e-3, atol=1e-3)
    bounds = [variational_bound(m, BYTES, d) for m, d in zip((model, hand), decoders, strict=True)]
    torch.testing.assert_close(bounds[0], bounds[1], rtol=1e-4, atol=1e-4)
    other = variational_bound(model.in_units(Units(torch.tensor(0.5), torch.tensor(0.5))), BYTES, decoders[0])
    assert (other - bounds[1]).abs().max() > 0.01


@of_scale
def test_the_fisher_divergence_of_the_truth_is_zero_in_all_units(units: str) -> None:
    density, u = UNITS[units]
    model, truth = Exact(density, PROCESS).in_units(u), Similarity(density, u.scale.item(), shift=u.location)
    blur = 1e-6 * (1 + (u.location / u.scale).abs().max().item()) ** 2 * 1e-6
    assert fisher_divergence(model, truth, n=500).value < 1e-6 + blur
    assert fisher_divergence(model, Similarity(density, 1.3 * u.scale.item(), shift=u.location), n=500).value > 1e-3


def test_the_fisher_divergence_in_a_unit_per_column_is_refused() -> None:
    model, u = both("columns")
    with pytest.raises(ValueError, match="one scale for all"):
        fisher_divergence(model.in_units(u), UNITS["columns"][0], n=10)
