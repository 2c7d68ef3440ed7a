"""Laws of objectives: on the truth they take the value, and have the minimum, that closed forms say."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from scorefield import (
    DSM,
    EDM,
    VE,
    VP,
    CrossEntropy,
    Exact,
    Gaussian,
    LogNormal,
    MultiLevelDSM,
    Noise,
    Objective,
    OneLevel,
    Process,
    ScoreModel,
    UniformTime,
    edm_weight,
    geometric,
    min_snr_weight,
    sigma_weight,
)

from .altered import rescored
from .cases import PROCESSES, TARGETS, seeded, times_inside
from .everything import by_default, public
from .statistics import LEVEL, accept, ks_p, mean_p

VARIANCE = torch.tensor([0.4, 1.5], dtype=torch.float64)
DATA = Gaussian([0.5, -1.0], VARIANCE)
LADDER = VE(sigma_min=0.1, sigma_max=2.0)
LEVELS = geometric(2.0, 0.1, 5)


def unit_weight(process: Process, t: Tensor) -> Tensor:
    return torch.ones_like(t)


def dsm_at_truth(process: Process, objective: DSM) -> float:
    """Return E ½ w(t) Σ_d λ_d σ²/(α²λ_d + σ²): half the weighted posterior variance, by quadrature over u."""
    u = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    t = objective.times(process, u)
    alpha, sigma = (scale[:, None] for scale in process.alpha_sigma(t))
    posterior = (VARIANCE * sigma**2 / (alpha**2 * VARIANCE + sigma**2)).sum(1)
    return (0.5 * objective.weight(process, t) * posterior).mean().item()


def ladder_at_truth(process: Process, objective: MultiLevelDSM) -> float:
    """Return the mean over levels of ½ σ^p Σ_d [1/σ² − 1/(λ_d + σ²)]: the score's variance given x̃."""
    sigma = objective.levels[:, None]
    gap = (1 / sigma**2 - 1 / (VARIANCE + sigma**2)).sum(1)
    return (0.5 * objective.levels**objective.anneal_power * gap).mean().item()


# name: (objective, process, value at the truth)
OBJECTIVES: dict[str, tuple[Objective, Process, Callable[[Process, Any], float]]] = {
    "DSM VE": (DSM(), LADDER, dsm_at_truth),
    "DSM VP": (DSM(), VP(), dsm_at_truth),
    "DSM VP unit weight": (DSM(weight=unit_weight), VP(), dsm_at_truth),
    "DSM EDM": (DSM(times=LogNormal(), weight=edm_weight(1.0)), EDM(), dsm_at_truth),
    "ladder p=2": (MultiLevelDSM(LEVELS), LADDER, ladder_at_truth),
    "ladder p=1": (MultiLevelDSM(LEVELS, anneal_power=1.0), LADDER, ladder_at_truth),
    "ladder p=4": (MultiLevelDSM(LEVELS, anneal_power=4.0), LADDER, ladder_at_truth),
    "ladder VP": (MultiLevelDSM(LEVELS), VP(), ladder_at_truth),
}
every = pytest.mark.parametrize("name", OBJECTIVES)
sizes = pytest.mark.parametrize("n", [40_000, pytest.param(1_000_000, marks=pytest.mark.slow)])


def losses(objective: Objective, model: ScoreModel, n: int) -> Tensor:
    return objective(model, DATA.sample(n, seeded(0)).double(), seeded(1))


def value_at_truth(name: str, model: ScoreModel, n: int, level: float) -> None:
    objective, process, value = OBJECTIVES[name]
    accept(mean_p(losses(objective, model, n), value(process, objective)), level)


def minimum_at_truth(name: str, model: ScoreModel, n: int, level: float) -> None:
    """The loss is quadratic in a factor c on the score: its derivative at c = 1 has mean zero, its curvature is positive."""
    objective = OBJECTIVES[name][0]
    low, here, high = (losses(objective, rescored(model, lambda t, c=c: c), n) for c in (0.9, 1.0, 1.1))
    accept(mean_p((high - low) / 0.2), level)
    assert (low + high - 2 * here).mean() > 0


@pytest.mark.promise("D9")
@every
@sizes
def test_the_loss_of_the_truth_is_the_closed_form(name: str, n: int) -> None:
    """z-tests; family level 1e-3."""
    value_at_truth(name, Exact(DATA, OBJECTIVES[name][1]), n, LEVEL / len(OBJECTIVES))


@pytest.mark.promise("D9")
@every
@sizes
def test_the_truth_is_where_the_loss_is_least(name: str, n: int) -> None:
    """z-tests of the derivative; family level 1e-3."""
    minimum_at_truth(name, Exact(DATA, OBJECTIVES[name][1]), n, LEVEL / len(OBJECTIVES))


@every
def test_a_model_that_is_not_the_truth_is_rejected(name: str) -> None:
    wrong = rescored(Exact(DATA, OBJECTIVES[name][1]), lambda t: 2.0)
    for law in (value_at_truth, minimum_at_truth):
        with pytest.raises(AssertionError):
            law(name, wrong, 40_000, LEVEL / len(OBJECTIVES))


LEAST = by_default(public(object, ["objectives"]), [UniformTime(), LogNormal(), CrossEntropy()], lambda cls: cls())


@pytest.mark.parametrize("name", LEAST)
def test_an_objective_of_usual_settings_is_least_at_the_truth(name: str) -> None:
    """The mean loss of the score c s is quadratic in c and least at 1: a z-test, family level 1e-3; c = 2 is rejected."""
    process = VE(sigma_min=0.01, sigma_max=3.0)  # some score the data themselves, at t_min

    def slope(centre: float) -> Tensor:
        low, here, high = (
            losses(LEAST[name], rescored(Exact(DATA, process), lambda t, c=c: centre * c), 20_000)
            for c in (0.9, 1.0, 1.1)
        )
        assert (low + high - 2 * here).mean() > 0
        return (high - low).detach() / 0.2

    accept(mean_p(slope(1.0)), LEVEL / len(LEAST))
    with pytest.raises(AssertionError):
        accept(mean_p(slope(2.0)), LEVEL)


@pytest.mark.parametrize("process", PROCESSES)
def test_one_level_is_the_time_of_its_ratio(process: str) -> None:
    p = PROCESSES[process]
    t = OneLevel(0.7)(p, torch.rand(5, generator=seeded(0), dtype=torch.float64))
    torch.testing.assert_close(p.ratio(t), torch.full((5,), 0.7, dtype=torch.float64))


class HalfMissing:
    """NCSN's loss without its ½."""

    def __call__(self, model: ScoreModel, x0: Tensor, generator: Any = None) -> Tensor:
        return 2 * MultiLevelDSM(LEVELS)(model, x0, generator)


def test_a_loss_without_its_half_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    value = ladder_at_truth(LADDER, MultiLevelDSM(LEVELS))
    monkeypatch.setitem(OBJECTIVES, "ladder p=2", (HalfMissing(), LADDER, lambda process, objective: value))
    with pytest.raises(AssertionError):
        value_at_truth("ladder p=2", Exact(DATA, LADDER), 40_000, LEVEL)


# --- weights and noise levels ----------------------------------------------------------------------------------------------------


def is_half_the_squared_noise_error(objective: DSM, process: Process) -> None:
    model = rescored(Exact(TARGETS["mixture"].density, process), lambda t: 0.8)
    x0 = TARGETS["mixture"].density.sample(50, seeded(2)).double()
    noise = Noise(range(50), (2,), dtype=torch.float64)
    t, z = objective.times(process, noise.uniform()), noise.normal()
    alpha, sigma = (scale[:, None] for scale in process.alpha_sigma(t))
    error = 0.5 * ((model.noise(alpha * x0 + sigma * z, t) - z) ** 2).sum(1)
    found = objective(model, x0, Noise(range(50), (2,), dtype=torch.float64))
    torch.testing.assert_close(found, error, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("process", PROCESSES)
def test_dsm_of_weight_sigma_is_half_the_squared_error_of_the_noise(process: str) -> None:
    is_half_the_squared_noise_error(DSM(weight=sigma_weight), PROCESSES[process])


def test_dsm_of_another_weight_is_not() -> None:
    with pytest.raises(AssertionError):
        is_half_the_squared_noise_error(DSM(weight=lambda process, t: process.ratio(t) ** -1), VP())


def test_the_ladder_at_power_two_is_dsm_on_its_levels() -> None:
    """½ σ² ‖s + z/σ‖² = ½ ‖ẑ − z‖², draw by draw."""
    on_levels = DSM(times=lambda process, u: process.time(LEVELS[(u * len(LEVELS)).long()]))
    x0, model = DATA.sample(50, seeded(2)).double(), Exact(DATA, LADDER)
    both = (loss(model, x0, Noise(range(50), (2,), dtype=torch.float64)) for loss in (on_levels, MultiLevelDSM(LEVELS)))
    torch.testing.assert_close(*both, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("process", PROCESSES)
def test_the_edm_weight_is_one_over_c_out_squared(process: str) -> None:
    p, sigma_data = PROCESSES[process], 0.6
    t = times_inside(p, 20)
    rho = p.ratio(t)
    c_out = rho * sigma_data / (rho**2 + sigma_data**2).sqrt()
    torch.testing.assert_close(edm_weight(sigma_data)(p, t) * c_out**2, torch.ones_like(t), rtol=1e-12, atol=0)


@pytest.mark.parametrize("process", PROCESSES)
def test_the_min_snr_weight_is_ncsns_where_there_is_much_noise_and_flat_below(process: str) -> None:
    p, sigma_data = PROCESSES[process], 0.6
    t = times_inside(p, 20)
    rho = p.ratio(t)
    noisy = rho > rho.median()
    gamma = (sigma_data / rho.median().item()) ** 2
    weight = min_snr_weight(sigma_data, gamma)(p, t)
    torch.testing.assert_close(weight[noisy], sigma_weight(p, t)[noisy], rtol=1e-12, atol=0)
    torch.testing.assert_close(weight[~noisy] * sigma_data**2, torch.full_like(t[~noisy], gamma), rtol=1e-12, atol=0)


def follows(times: Callable[[Process, Tensor], Tensor], variable: Callable[[Tensor], Tensor], law: Any) -> None:
    """KS at level 1e-3 of a function of the times drawn, 10 000 of them, from a process whose ends are far away."""
    u = torch.rand(10_000, generator=seeded(0), dtype=torch.float64)
    accept(ks_p(variable(times(WIDE, u)), law.cdf), LEVEL)


WIDE = VE(sigma_min=1e-6, sigma_max=1e6)


def test_uniform_time_and_log_normal_levels_follow_their_laws() -> None:
    """KS; level 1e-3 each."""
    follows(UniformTime(), lambda t: t, stats.uniform)
    follows(LogNormal(-1.2, 1.2), lambda t: WIDE.ratio(t).log(), stats.norm(-1.2, 1.2))


def test_levels_of_another_width_are_rejected() -> None:
    with pytest.raises(AssertionError):
        follows(LogNormal(-1.2, 1.2**2), lambda t: WIDE.ratio(t).log(), stats.norm(-1.2, 1.2))
    with pytest.raises(AssertionError):
        follows(lambda process, u: u**1.1, lambda t: t, stats.uniform)


@pytest.mark.parametrize("process", PROCESSES)
def test_times_stay_inside_the_process(process: str) -> None:
    p = PROCESSES[process]
    for law in (UniformTime(), LogNormal(), LogNormal(5.0, 3.0)):
        t = law(p, torch.tensor([0.0, 1e-12, 0.5, 1 - 1e-12], dtype=torch.float64))
        assert ((t >= p.t_min) & (t <= p.t_max)).all()


def test_losses_do_not_depend_on_the_batch() -> None:
    x0, model = DATA.sample(20, seeded(2)).double(), Exact(DATA, VP())
    whole = DSM()(model, x0, Noise(range(20), (2,), dtype=torch.float64))
    part = DSM()(model, x0[5:9], Noise(range(5, 9), (2,), dtype=torch.float64))
    torch.testing.assert_close(part, whole[5:9])


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "no width": (lambda: LogNormal(std=0.0), "std must be a finite positive"),
    "NaN width": (lambda: LogNormal(std=math.nan), "std must be a finite positive"),
    "level zero": (lambda: MultiLevelDSM(torch.tensor([1.0, 0.0])), "positive"),
    "a matrix of levels": (lambda: MultiLevelDSM(torch.ones(2, 2)), "vector of positive"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings_are_refused_with_a_reason(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        make()
