"""Laws of grids: where they begin and end, how they are spaced, and numbers to agree with."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from scorefield import (
    EDM,
    VE,
    VP,
    AdaptiveODE,
    Constant,
    DPMpp2M,
    Euler,
    Exact,
    Gaussian,
    GaussianMixture,
    Grid,
    Heun,
    Karras,
    Ladder,
    LogSNR,
    MultiLevelDSM,
    Process,
    Sampler,
    SubVP,
    Uniform,
    cosine,
    geometric,
    linear,
    sample,
    sigmoid,
)
from scorefield.grids import Counted, Fitted, local_errors, times_of
from scorefield.samplers import Multistep
from scorefield.toys import TOYS

from .cases import PROCESSES, normal
from .everything import public

GRIDS: dict[str, Callable[[int], Grid]] = {"uniform": Uniform, "karras": Karras, "log_snr": LogSNR}
GRIDS |= {name: cls for name, cls in public(Counted).items() if cls not in (*GRIDS.values(), Fitted)}
EDM_18 = (
    "80 57.5859847 40.7855738 28.3745846 19.3524530 12.9100824 8.40093531 5.31519452 3.25682152 1.92333984 1.08817064 "
    ".585348123 .296442284 .139516469 .0599473112 .0229345184 .00752801996 .002"
)
NCSN_10 = "1 .59948425 .35938137 .21544347 .12915497 .07742637 .04641589 .02782559 .01668101 .01"


def numbers(text: str) -> Tensor:
    return torch.tensor([float(word) for word in text.split()], dtype=torch.float64)


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("steps", [2, 3, 18, 1000])
def test_a_grid_descends_in_float64_from_end_to_end(process: str, grid: str, steps: int) -> None:
    p = PROCESSES[process]
    times = GRIDS[grid](steps - 1).times(p)
    assert times.dtype == torch.float64
    assert times.shape == (steps,)
    assert (times.diff() < 0).all()
    assert times[0].item() == pytest.approx(p.t_max, rel=1e-9)
    assert times[-1].item() == pytest.approx(p.t_min, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("process", PROCESSES)
def test_each_grid_is_evenly_spaced_in_its_own_variable(process: str) -> None:
    p = PROCESSES[process]
    variables = {
        "uniform": lambda t: t,
        "log_snr": lambda t: p.ratio(t).log(),
        "karras": lambda t: p.ratio(t) ** (1 / 7),
    }
    for name, variable in variables.items():
        gaps = variable(GRIDS[name](39).times(p)).diff()
        torch.testing.assert_close(gaps, gaps.mean().expand_as(gaps), rtol=1e-6, atol=1e-9)


def test_golden_grid_of_karras_2022() -> None:
    torch.testing.assert_close(Karras(17).times(EDM()), numbers(EDM_18), rtol=1e-8, atol=0)
    ends = VE(0.001, 100.0)
    torch.testing.assert_close(
        ends.ratio(Karras(17, sigma_min=0.002, sigma_max=80.0).times(ends)), numbers(EDM_18), rtol=1e-8, atol=0
    )


def test_golden_levels_of_ncsn() -> None:
    levels = geometric(1.0, 0.01, 10)
    torch.testing.assert_close(levels, numbers(NCSN_10), rtol=1e-7, atol=5e-9)
    torch.testing.assert_close(
        levels[:-1] / levels[1:], torch.full((9,), 1.6681005, dtype=torch.float64), rtol=1e-7, atol=0
    )


def test_one_level_is_the_smallest() -> None:
    assert geometric(1.0, 0.01, 1).tolist() == [0.01]


@pytest.mark.parametrize("process", [VE(0.01, 1.0), VP(), EDM()])
def test_a_ladder_meets_its_levels_and_stays_on_the_last(process: Process) -> None:
    levels = geometric(0.9, 0.02, 7)
    times = Ladder(levels.float()).times(process)
    assert times.dtype == torch.float64
    assert times[-1] == times[-2]
    torch.testing.assert_close(process.ratio(times[:-1]), levels, rtol=1e-6, atol=0)


def test_a_constant_grid_holds_its_time_for_so_many_transitions() -> None:
    assert Constant(0.3, 5).times(VP()).tolist() == [0.3] * 6


PLACE = EDM(sigma_min=0.01, sigma_max=40.0)


def fitted_to(std: float) -> Tensor:
    """Return σ/α of the grid fitted to isotropic Gaussian data far from 0, over those that are best there."""
    model = Exact(Gaussian([30.0, -50.0], std**2), PLACE)
    angles = torch.linspace(math.atan(40 / std), math.atan(0.01 / std), 13, dtype=torch.float64)
    ratios = PLACE.ratio(Grid.fit(model, 12, (2,), paths=32).times(PLACE))
    return ratios / (std * angles.tan())


@pytest.mark.parametrize("std", [0.3, 2.0])
def test_for_gaussian_data_the_fitted_grid_is_evenly_spaced_in_angle(std: float) -> None:
    """Within 5 %: the first of the short steps that measure are long beside its curvature."""
    torch.testing.assert_close(fitted_to(std), torch.ones(13, dtype=torch.float64), rtol=0.05, atol=0)


def test_errors_that_count_the_same_wherever_they_are_made_give_another_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_errors, "_spread", lambda y: torch.ones(()))
    assert (fitted_to(0.3) - 1).abs().max() > 0.3


def test_errors_are_the_distance_of_eulers_method_from_the_flow() -> None:
    """For N(0, 1) the flow is y ∝ √(1 + σ²): Euler's step from 2 to 1.98 leaves it by (√(4.9204/5) − 0.992) y, y of deviation √5."""
    model, times = Exact(Gaussian([0.0, 0.0]), PLACE), torch.tensor([2.0, 1.98]).double()
    _, passed = local_errors.errors_along(model, (2,), 4000, times, "data")
    assert passed[1].item() ** 2 == pytest.approx(math.sqrt(4.9204) - 0.992 * math.sqrt(5), rel=0.05)


@pytest.mark.parametrize("steps", [1, 4, 12])
@pytest.mark.parametrize("std", [0.3, 2.0])
def test_a_grid_of_the_data_makes_the_closing_denoising_one_of_its_equal_steps(std: float, steps: int) -> None:
    """The integrals of 1/√(cos θ) between the angles are equal, the last of them down to where the process ends, within 2 %."""
    model = Exact(Gaussian([30.0, -50.0], std**2), PLACE)
    ratios = PLACE.ratio(Grid.fit(model, steps, (2,), of="data", paths=32, places=384).times(PLACE))
    angles = [*(ratios / std).atan().tolist(), math.atan(0.01 / std)]
    parts = [quad(lambda a: math.cos(a) ** -0.5, low, high)[0] for high, low in pairwise(angles)]
    np.testing.assert_allclose(parts, np.mean(parts), rtol=0.02)


@pytest.mark.parametrize("toy", ["mixture", "ring8"])
@pytest.mark.parametrize("process", [EDM(), VP()], ids=str)
@pytest.mark.parametrize("steps", [4, 7])
def test_with_few_evaluations_the_grid_of_the_data_ends_far_nearer_the_flow(
    toy: str, process: Process, steps: int
) -> None:
    model, shape = Exact(TOYS[toy].density, process), (256, 2)
    end = sample(model, Heun(), shape, grid=LogSNR(100)).x
    grids = Grid.fit(model, steps, (2,), of="data"), Karras(steps)
    fitted, karras = ((sample(model, DPMpp2M(), shape, grid=grid).x - end).norm(dim=1).mean() for grid in grids)
    assert 1.8 * fitted < karras


@pytest.mark.parametrize(("sampler", "gain"), [(Euler(), 1.5), (Multistep("ipndm"), 1.5)])
def test_at_equal_evaluations_the_fitted_grid_ends_nearer_the_flow_than_karras(sampler: Sampler, gain: float) -> None:
    model = Exact(GaussianMixture.ring(modes=8, radius=1.0, std=0.2), PLACE)
    start = 40 * normal(100, 2)
    fitted, karras = Grid.fit(model, 12, (2,)), Karras(12)
    end = sample(model, AdaptiveODE(1e-8, 1e-8), grid=LogSNR(1), init=start).x
    errors = [(sample(model, sampler, grid=g, init=start).x - end).square().mean().sqrt() for g in (fitted, karras)]
    assert gain * errors[0] < errors[1]


def test_a_fitted_grid_is_one_way_whatever_its_steps_and_another_process() -> None:
    """Of numbers that stand for themselves: ends are exact, every second of 2N steps is one of N, and σ/α are what counts."""
    grid = Fitted(4, torch.tensor([80.0, 5.0, 1.0, 0.2, 0.02]))
    torch.testing.assert_close(EDM().ratio(grid.times(EDM())), grid.ratios.double(), rtol=1e-6, atol=0)
    finer = Fitted(8, grid.ratios).times(EDM())
    torch.testing.assert_close(finer[::2], grid.times(EDM()))
    within = Fitted(3, torch.tensor([10.0, 1.0, 0.1, 0.01]))
    torch.testing.assert_close(VP().ratio(within.times(VP())), within.ratios.double(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("rho", [0.01, 0.1, 1.0, 7.0, 1e3])
@pytest.mark.parametrize(
    "process", [VE(1e-6, 1e6), EDM(1e-3, 1e9), EDM(1e-12, 1.0), VP(1e-3, 200.0, 1e-9), SubVP()], ids=str
)
@pytest.mark.parametrize("steps", [1, 10, 100_000])
def test_extreme_grids_descend_and_end_where_the_process_does(rho: float, process: Process, steps: int) -> None:
    """Twelve orders of magnitude, powers that overflow and powers near 1: no level is lost, doubled or beyond the ends."""
    for grid in (Karras(steps, rho=rho), LogSNR(steps)):
        times = times_of(grid, process)
        ratios = process.ratio(times)
        assert len(times) == steps + 1
        assert torch.isfinite(times).all()
        assert (times.diff() < 0).all()
        assert (ratios.diff() < 0).all()
        wanted = process.ratio(torch.tensor([process.t_max, process.t_min], dtype=torch.float64))
        torch.testing.assert_close(ratios[[0, -1]], wanted, rtol=1e-13, atol=0)


def test_levels_between_extreme_ends_are_the_formula() -> None:
    """In logarithms, where nothing overflows: for ρ → 0 all but the last level crowd at the first, for ρ → ∞ they are LogSNR's."""
    process = EDM(1e-6, 1e6)
    steep, flat = (Karras(10, rho=rho).times(process) for rho in (0.01, 1e7))
    expected = 1e6 * (1 - torch.arange(10, dtype=torch.float64) / 10) ** 0.01
    torch.testing.assert_close(steep[:-1], expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(flat, LogSNR(10).times(process), rtol=1e-4, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_draw_over_twelve_orders_of_magnitude_is_that_of_few(dtype: torch.dtype) -> None:
    """AdaptiveODE ends where the flow does, whatever the range: at m + s z₀ for data of N(m, s²)."""
    z = torch.linspace(-2, 2, 7, dtype=dtype)[:, None]
    wide = sample(Exact(Gaussian([3.0], 4.0), EDM(1e-6, 1e6)), AdaptiveODE(), grid=Karras(1, rho=1e3), init=1e6 * z)
    torch.testing.assert_close(wide.x, 3 + 2 * z, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor])
def test_levels_are_taken_in_any_form(kind: Callable[[list[float]], object]) -> None:
    given: Any = kind([3.0, 1.0])
    for made in (Ladder(given).levels, Fitted(2, given).ratios, MultiLevelDSM(given).levels):
        assert made.tolist() == [3.0, 1.0]


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "one time": (lambda: Uniform(0).times(VP()), "at least 1"),
    "one karras time": (lambda: Karras(0).times(VP()), "at least 1"),
    "one log_snr time": (lambda: LogSNR(0).times(VP()), "at least 1"),
    "no level": (lambda: geometric(1.0, 0.01, 0), "at least 1"),
    "no transition": (lambda: Constant(0.1, 0), "at least 1"),
    "a noise level for a time": (lambda: times_of(Constant(10.0, 3), VP()), "process.time"),
    "more noise than the process has": (
        lambda: times_of(Karras(3, sigma_max=500.0), VE(0.01, 5.0)),
        r"Karras\(.*\) begins at σ/α = 500, where VE\(.*\) ends at 5, .*: lower",
    ),
    "a ladder from beyond": (lambda: times_of(Ladder(geometric(90.0, 1.0, 3)), EDM()), "begins at σ/α = 90"),
    "ascending levels": (lambda: geometric(0.01, 1.0, 5), "must descend"),
    "level zero": (lambda: geometric(1.0, 0.0, 5), "must descend and be positive"),
    "ratios that ascend": (lambda: Fitted(3, torch.tensor([1.0, 2.0])), "positive numbers that descend"),
    "levels that ascend": (lambda: Ladder(torch.tensor([1.0, 2.0])), "positive numbers that descend"),
    "a level of nothing": (lambda: Ladder(torch.tensor([1.0, 0.0])), "positive numbers that descend"),
    "a level that is none": (lambda: Ladder(torch.tensor([math.nan])), "levels must be finite"),
    "no levels": (lambda: MultiLevelDSM([]), "vector of positive numbers"),  # pyright: ignore[reportArgumentType]
    "more steps than numbers": (lambda: times_of(Karras(100_000, rho=1e6), EDM(1.0, 1.0 + 1e-9)), "steps go nowhere"),
    "no signal at the end": (lambda: times_of(Karras(3), VP(1e-8, 2000.0)), "must be finite, positive and increasing"),
    "no signal at a time": (lambda: times_of(Uniform(3), VP(1.0, 4000.0)), "begin later"),
    "a class": (lambda: times_of(Karras, VP()), r"received Karras, a class: write Karras\(31\)"),  # pyright: ignore[reportArgumentType]
    "words": (lambda: times_of("karras", VP()), "a vector of two or more times; received str"),  # pyright: ignore[reportArgumentType]
    "nothing": (lambda: times_of(None, VP()), "received NoneType"),  # pyright: ignore[reportArgumentType]
    "complex times": (lambda: times_of(torch.ones(2) * 1j, VP()), "received torch.complex64"),
    "times of no numbers": (lambda: times_of(torch.ones(2, device="meta"), VP()), "received torch.float32"),
    "more steps than memory": (lambda: LogSNR(10**9), "steps must be at most 1000000; received 1000000000"),
    "one ratio": (lambda: Fitted(3, torch.tensor([1.0])), "positive numbers that descend"),
    "NaN level": (lambda: geometric(math.nan, 0.1, 5), "must descend"),
    "karras upside down": (lambda: Karras(4, sigma_min=10.0, sigma_max=1.0).times(VE()), "must descend"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_grids_are_refused_with_a_reason(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        make()


SHAPES = {
    "linear": (linear, lambda u: u),
    "cosine": (cosine, lambda u: (1 - torch.cos(math.pi * u)) / 2),
    "sigmoid": (sigmoid, lambda u: (torch.tanh(6 * u - 3) / math.tanh(3) + 1) / 2),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(
    "ends", [(1.0, 0.01), (50.0, 0.01), (0.5, 0.49)], ids=str
)  # a cosine schedule above 1 gave NaN elsewhere
def test_ladders_are_their_formulas_and_descend(name: str, ends: tuple[float, float]) -> None:
    make, share = SHAPES[name]
    levels = make(*ends, 30)
    u = torch.linspace(0, 1, 30, dtype=torch.float64)
    torch.testing.assert_close(levels, ends[0] + (ends[1] - ends[0]) * share(u), rtol=1e-9, atol=1e-12)
    assert (levels.diff() < 0).all()
    assert levels[[0, -1]].tolist() == list(ends)
    with pytest.raises(ValueError, match="must descend"):
        make(*ends[::-1], 30)
