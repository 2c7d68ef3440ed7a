"""What the raw output of a network means: the formulas of each parameterisation, their limits, and the scale the network sees."""

import math
from typing import Any

import pytest
import torch

from scorefield import EDM, VE, VP, Denoiser, Exact, Gaussian, LadderNet, NoiseNet, Process, ScoreNet, geometric
from scorefield.preconditioning import DataNet, FlowNet, VelocityNet
from scorefield.processes import RectifiedFlow

from .cases import PROCESSES, normal, seeded, times_inside
from .nets import Nothing, Wave, beside

LEVELS = geometric(3.0, 0.05, 6)


def test_a_ladder_on_a_level_is_its_network_and_between_levels_the_nearest_noise_estimate() -> None:
    net = Wave()
    model, x = LadderNet(net, LEVELS), normal(4, 2)
    for index, level in enumerate(LEVELS):
        raw = net(x, torch.full((4,), index))
        on = model.process.time(level)
        torch.testing.assert_close(model.score(x, on), raw, rtol=1e-9, atol=1e-9)
        for factor in (
            1.3,
            0.7,
        ):  # less than half a rung away in logarithms, a factor 1.5; 0.7 is more than half a rung in σ
            if LEVELS[-1] <= factor * level <= LEVELS[0]:
                off = model.process.time(factor * level)
                torch.testing.assert_close(model.score(x, off), raw / factor, rtol=1e-9, atol=1e-9)
                torch.testing.assert_close(model.noise(x, off), model.noise(x, on), rtol=1e-9, atol=1e-9)
    assert model.process == VE(sigma_min=LEVELS[-1].item(), sigma_max=LEVELS[0].item())


@pytest.mark.parametrize("levels", [[], [0.1, 1.0], [1.0, 1.0], [1.0, 0.0], [[1.0, 0.1]]])
def test_a_ladder_that_does_not_descend_is_refused(levels: list[float]) -> None:
    with pytest.raises(ValueError, match="descending positive"):
        LadderNet(Wave(), torch.tensor(levels))


@pytest.mark.parametrize("process", PROCESSES)
def test_a_denoiser_is_the_formula_of_karras_2022(process: str) -> None:
    net, p, sigma_d, mean = Wave(), PROCESSES[process], 0.5, 0.3
    model, x = Denoiser(net, p, sigma_d, mean), normal(5, 2)
    t = times_inside(p, 5)
    alpha, sigma = (beside(a, x) for a in p.alpha_sigma(t))
    rho, y = sigma / alpha, x / alpha - mean
    raw = net(y / (rho**2 + sigma_d**2).sqrt(), rho[:, 0].log() / 4)
    expected = mean + sigma_d**2 / (rho**2 + sigma_d**2) * y + rho * sigma_d / (rho**2 + sigma_d**2).sqrt() * raw
    torch.testing.assert_close(model.denoise(x, t), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_denoiser_of_gaussian_data_needs_no_network(process: str) -> None:
    """The optimal F is 0 for data N(mean_data, sigma_data² I): c_skip alone is the posterior mean."""
    p = PROCESSES[process]
    truth, x, t = Exact(Gaussian([0.3, 0.3], 0.5**2), p), normal(5, 2), times_inside(p, 5)
    torch.testing.assert_close(
        Denoiser(Nothing(), p, 0.5, 0.3).denoise(x, t), truth.denoise(x, t), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("rho", [0.01, 0.5, 30.0])
def test_inputs_and_targets_of_a_denoiser_have_unit_variance(rho: float) -> None:
    """(D* = x_0 makes F = (x_0 − m − c_skip y)/c_out); 3 % is nine standard errors of a variance of 200 000 numbers."""
    net, sigma_d, mean = Wave(), 0.7, -0.4
    x0 = mean + sigma_d * torch.randn(100_000, 2, generator=seeded(0), dtype=torch.float64)
    x = x0 + rho * torch.randn(100_000, 2, generator=seeded(1), dtype=torch.float64)
    t = torch.tensor(rho, dtype=torch.float64)
    denoised = Denoiser(net, EDM(), sigma_d, mean).denoise(x, t)
    seen, condition = net.seen
    c_out = rho * sigma_d / math.hypot(rho, sigma_d)
    target = net(seen, condition) + (x0 - denoised) / c_out
    assert condition.unique().item() == pytest.approx(math.log(rho) / 4)
    assert seen.var().item() == pytest.approx(1.0, rel=0.03)
    assert target.var().item() == pytest.approx(1.0, rel=0.03)


def test_a_denoiser_trusts_the_state_at_no_noise_and_the_network_at_much() -> None:
    net, x = Wave(), normal(5, 2)
    wide = EDM(sigma_min=1e-8, sigma_max=1e8)
    model = Denoiser(net, wide, sigma_data=0.5, mean_data=0.3)
    low, high = torch.tensor(1e-8, dtype=torch.float64), torch.tensor(1e8, dtype=torch.float64)
    torch.testing.assert_close(model.denoise(x, low), x, rtol=0, atol=1e-7)
    torch.testing.assert_close(model.denoise(1e8 * x, high), 0.3 + 0.5 * net(x, high.log() / 4), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("process", [VP(), VE()])
def test_noise_and_score_networks_see_unit_scale_and_mean_what_they_say(process: Process) -> None:
    net, x, t = Wave(), normal(4, 2), times_inside(process, 4)
    alpha, sigma = (beside(a, x) for a in process.alpha_sigma(t))
    raw = net(x / (alpha**2 + sigma**2).sqrt(), (sigma / alpha)[:, 0].log() / 4)
    torch.testing.assert_close(NoiseNet(net, process).noise(x, t), raw, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(ScoreNet(net, process).score(x, t), raw / sigma, rtol=1e-6, atol=1e-8)


def test_velocity_and_data_are_what_networks_of_them_predict() -> None:
    """v = α ẑ − σ D: with α² + σ² = 1 the model's noise and denoised state give the network's output back."""
    net, process, x = Wave(), VP(), normal(4, 2)
    t = times_inside(process, 4)
    alpha, sigma = (beside(a, x) for a in process.alpha_sigma(t))
    model = VelocityNet(net, process)
    raw = net(x, torch.log(sigma / alpha)[:, 0] / 4)
    torch.testing.assert_close(alpha * model.noise(x, t) - sigma * model.denoise(x, t), raw, rtol=1e-5, atol=1e-6)
    assert torch.equal(DataNet(net, process).denoise(x, t), raw)


@pytest.mark.parametrize("process", [RectifiedFlow(), VP(), VE()])
def test_flows_are_what_networks_of_them_predict(process: Process) -> None:
    """The model's velocity dx/dt is the network's output; of straight lines it is ẑ − D."""
    net, x, t = Wave(), normal(4, 2), times_inside(process, 4)
    model = FlowNet(net, process, "raw", "time")
    torch.testing.assert_close(model.velocity(x, t), net(x, 999 * t), rtol=1e-4, atol=1e-5)
    if isinstance(process, RectifiedFlow):
        torch.testing.assert_close(model.noise(x, t) - model.denoise(x, t), net(x, 999 * t), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("c_noise", "expected"),
    [
        ("log_ratio", lambda t, alpha, sigma: (sigma / alpha).log() / 4),
        ("log_sigma", lambda t, alpha, sigma: sigma.log()),
        ("log_half_sigma", lambda t, alpha, sigma: (sigma / 2).log()),
        ("sigma", lambda t, alpha, sigma: sigma),
        ("time", lambda t, alpha, sigma: 999 * t),
        ("log_time", lambda t, alpha, sigma: (999 * t).log()),
        ("time_left", lambda t, alpha, sigma: 999 * (1 - t)),
    ],
)
def test_networks_are_told_the_noise_in_the_way_that_is_asked_for(c_noise: Any, expected: Any) -> None:
    net, process, x = Wave(), VP(), normal(4, 2)
    t = times_inside(process, 4)
    raw = net(x, expected(t, *process.alpha_sigma(t)))
    torch.testing.assert_close(NoiseNet(net, process, "raw", c_noise).noise(x, t), raw, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("settings", [{"c_in": "none"}, {"c_noise": "none"}])
def test_other_ways_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(settings))} must be"):
        NoiseNet(Wave(), VP(), **settings)


@pytest.mark.parametrize("sigma_data", [0.0, -1.0, math.nan])
def test_a_denoiser_needs_a_positive_data_scale(sigma_data: float) -> None:
    with pytest.raises(ValueError, match=r"sigma_data must be a finite"):
        Denoiser(Wave(), VE(), sigma_data)
