"""Theory 3: the scales of the processes, paths of the reverse SDE and of the probability flow, and orders of convergence."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from generate.drawing import BLUE, GREEN, ORANGE, RED, figure, save
from scorefield import (
    VE,
    VP,
    AdaptiveODE,
    DPMpp2M,
    Euler,
    EulerMaruyama,
    Exact,
    GaussianMixture,
    Grid,
    Heun,
    Karras,
    Process,
    Sampler,
    SubVP,
    Uniform,
    sample,
)

LINE = GaussianMixture([[-1.2], [0.8]], [0.02, 0.05], [0.35, 0.65])  # pyright: ignore[reportArgumentType]
RING = GaussianMixture.ring()


def write(folder: Path) -> None:
    """Draw."""
    _scales(folder)
    _paths(folder)
    _orders(folder)


def _scales(folder: Path) -> None:
    """α_t, σ_t and their ratio."""
    shown: dict[str, tuple[Process, str]] = {"VE": (VE(), BLUE), "VP": (VP(), RED), "sub-VP": (SubVP(), GREEN)}
    sheet, panels = figure(3, height=2.9)
    for name, (process, colour) in shown.items():
        t = torch.linspace(process.t_min, process.t_max, 300, dtype=torch.float64)
        alpha, sigma = process.alpha_sigma(t)
        for axes, values in zip(panels, (alpha, sigma, process.ratio(t)), strict=True):
            axes.plot(t, values, color=colour, label=name, linestyle="--" if name == "sub-VP" else "-")
    for axes, title in zip(panels, ("signal α", "noise σ", "ratio σ/α"), strict=True):
        axes.set(title=title, xlabel="t", yscale="linear" if title == "signal α" else "log")
    panels[0].legend(frameon=False)
    save(sheet, folder, "scales")


def _paths(folder: Path) -> None:
    """The same starts, carried to the data with noise and without, over p_t."""
    exact, times = Exact(LINE, VP()), Uniform(499).times(VP())
    init = torch.linspace(-2.2, 2.2, 12)[:, None]
    height = torch.linspace(-3, 3, 240, dtype=torch.float64)
    density = torch.stack([exact.marginal(t).log_prob(height[:, None]).exp() for t in times[::5]], dim=1)
    density = density / density.amax(dim=0)  # each time on its own scale: at t = 0 the law is ten times as high
    sheet, panels = figure(2, width=4.6, height=3.6)
    samplers = {"reverse SDE": EulerMaruyama(), "probability-flow ODE": Heun()}
    for axes, (title, sampler) in zip(panels, samplers.items(), strict=True):
        drawn = sample(exact, sampler, grid=times, init=init, frames=len(times), denoise=False, seed=3)
        axes.pcolormesh(times[::5], height, density, cmap="Blues", shading="nearest", vmax=1.6)
        axes.plot(times, drawn.trajectory[:, :, 0] if drawn.trajectory is not None else [], color=RED, linewidth=0.9)
        axes.set(title=title, xlabel="t, from noise to data", xlim=(1, 0), ylim=(-3, 3))
    panels[0].set_ylabel("x")
    save(sheet, folder, "paths")


def _orders(folder: Path) -> None:
    """Error of paths of the flow against evaluations, for the ODE samplers, with fitted slopes."""
    exact = Exact(RING, VE(0.02, 20.0))
    init = 20.0 * torch.randn(64, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ends = Karras(1)
    truth = _carry(exact, AdaptiveODE(1e-10, 1e-10), init, ends)
    counts = [16, 32, 64, 128, 256]
    sheet, (axes,) = figure(1, width=5.4, height=3.4)
    samplers: dict[Sampler, str] = {Euler(): BLUE, DPMpp2M(): ORANGE, Heun(): RED}
    for sampler, colour in samplers.items():
        errors = [(_carry(exact, sampler, init, Karras(n)) - truth).square().mean().sqrt().item() for n in counts]
        spent = [n * sampler.evaluations for n in counts]
        slope = -np.polyfit(np.log(spent[-3:]), np.log(errors[-3:]), 1)[0]
        name = f"{type(sampler).__name__}, declared order {sampler.order}, fitted {slope:.2f}"
        axes.loglog(spent, errors, "o-", color=colour, label=name)
    axes.set(xlabel="network evaluations", ylabel="error of a path (r.m.s.)")
    axes.set_xticks([16, 32, 64, 128, 256, 512], labels=["16", "32", "64", "128", "256", "512"], minor=False)
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=9)
    save(sheet, folder, "orders")


def _carry(exact: Exact, sampler: Sampler, init: Tensor, grid: Grid) -> Tensor:
    """Return where the flow takes ``init``."""
    return sample(exact, sampler, grid=grid, init=init, denoise=False).x
