"""Deliberately broken objects: what the laws must reject."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from scorefield import Density, FromScore, Noise, Process, Sampler, ScoreModel, Step
from scorefield.grids import steps_of
from scorefield.units import Moments


class AlteredDensity(Density):
    """A density with some methods replaced by functions of (density, *arguments)."""

    def __init__(self, density: Density, **methods: Callable[..., Any]) -> None:
        self.density = density
        self.methods = methods

    def _call(self, name: str, *args: Any) -> Any:
        method = self.methods.get(name)
        return getattr(self.density, name)(*args) if method is None else method(self.density, *args)

    @property
    def event(self) -> tuple[int, ...]:
        return self.density.event

    @property
    def moments(self) -> Moments | None:
        return self.density.moments

    def log_prob(self, x: Tensor) -> Tensor:
        return self._call("log_prob", x)

    def score(self, x: Tensor) -> Tensor:
        return self._call("score", x)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return self._call("sample", n, generator)

    def diffuse(self, alpha: Tensor | float, sigma: Tensor | float) -> Density:
        return self._call("diffuse", alpha, sigma)


def rescored(model: ScoreModel, factor: Callable[[Tensor], Tensor | float]) -> FromScore:
    """Return a model whose score is wrong by a factor that is a function of time."""
    return FromScore(lambda x, t: factor(t) * model.score(x, t), model.process)


class AlteredNoise:
    """Noise of the wrong size."""

    def __init__(self, noise: Noise, factor: float) -> None:
        self.noise, self.factor = noise, factor

    def __getattr__(self, name: str) -> Any:  # a Brownian path is seeded by uniforms, which have no size
        return getattr(self.noise, name)

    def normal(self) -> Tensor:
        return self.factor * self.noise.normal()


class AlteredSampler(Sampler[Any]):
    """A sampler that sees the score times ``score``, noise times ``noise`` and another clock; the arguments are functions.

    Args:
        score: (process, t) ↦ factor.
        noise: (t, s) ↦ factor.
        clock: (process, t) ↦ t.
    """

    def __init__(
        self,
        sampler: Sampler,
        score: Callable[[Process, Tensor], Any] = lambda process, t: 1.0,
        noise: Callable[[float, float], float] = lambda t, s: 1.0,
        clock: Callable[[Process, Tensor], Tensor] = lambda process, t: t,
    ) -> None:
        self.sampler, self.score, self.noise, self.clock = sampler, score, noise, clock

    @property
    def evaluations(self) -> float:
        return self.sampler.evaluations

    def step(self, model: ScoreModel, x: Tensor, step: Step, memory: Any, noise: Any) -> tuple[Tensor, Any]:
        process = model.process
        wrong = rescored(model, lambda time: self.score(process, time))
        sized = AlteredNoise(noise, self.noise(step.t.item(), step.s.item()))
        (altered,) = steps_of(torch.stack([self.clock(process, step.t), self.clock(process, step.s)]), process)
        altered = replace(altered, number=step.number, count=step.count, sigma_end=step.sigma_end)
        return self.sampler.step(wrong, x, altered, memory, sized)  # pyright: ignore[reportArgumentType]


class SecondSlope(Sampler[None]):
    """Heun's method that forgot to average: only the slope at the far end is used."""

    order = 2
    evaluations = 2

    def step(self, model: ScoreModel, x: Tensor, step: Step, memory: None, noise: Noise) -> tuple[Tensor, None]:
        y, h = x / step.alpha_t, step.rho_s - step.rho_t
        guess = step.alpha_s * (y + h * model.noise(x, step.t))
        return step.alpha_s * (y + h * model.noise(guess, step.s)), None
