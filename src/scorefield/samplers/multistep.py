r"""Exponential multistep methods of the probability flow: each step integrates a polynomial through past outputs.

In λ = −ln(σ/α), with h = λ_s − λ_t and τ from 0 at t to 1 at s, the flow is either of

    x_s = (σ_s/σ_t) x_t + α_s ∫₀¹ h e^{−h(1−τ)} D dτ            in the denoised data D    (Lu et al. 2022, DPM-Solver++)
    x_s = (α_s/α_t) x_t − σ_t (α_s/α_t) ∫₀¹ h e^{−hτ} ẑ dτ      in the noise ẑ            (Zhang & Chen 2023, DEIS)

A `Rule` puts the polynomial through the last D or ẑ for it. Rules differ in how many they take, in which of the two, in the kernel under
which they integrate, and in whether the state is corrected once D at its end is known. Each is a line of `RULES`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from scorefield._checks import one_of
from scorefield._noise import Noise
from scorefield._tensors import same_state
from scorefield.grids import Step
from scorefield.grids.local_errors import Held
from scorefield.models import ScoreModel, State
from scorefield.sampling import Sampler

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """How an exponential multistep method extrapolates and integrates.

    Args:
        order: of convergence, started as it is by one step of Euler's method.
        of: what is extrapolated, the denoised "data" or the "noise".
        nodes: how many past outputs the polynomial goes through, the newest included; fewer at the start.
        pair: the kernel under which a line through two nodes is integrated: the "exact" one above, the "middle" of the step, or "flat".
        kernel: the one for polynomials through more nodes.
        even: whether nodes are treated as equally spaced, wherever they are.
        curvature: factor of the coefficient of τ².
        corrected: whether x_s is computed anew from D at s, without another evaluation, before the next step.
    """

    order: int
    of: Held
    nodes: int
    pair: Literal["exact", "middle", "flat"] = "exact"
    kernel: Literal["exact", "flat"] = "exact"
    even: bool = False
    curvature: float = 1.0
    corrected: bool = False

    def weights(self, h: float, nodes: Sequence[float]) -> list[float]:
        """Return the weight of each node, at τ = ``nodes``: integrals of Lagrange's polynomials under the kernel."""
        tau, weight = _gauss()
        exact = weight * h * (np.exp(-h * (1 - tau)) if self.of == "data" else -np.exp(-h * tau))
        kernel = self.pair if len(nodes) == 2 else self.kernel
        if kernel == "middle":
            tau, exact = np.array([0.5]), exact.sum(keepdims=True)
        elif kernel == "flat":
            exact = exact.sum() * weight
        at = -np.arange(len(nodes), dtype=np.float64) if self.even else np.array(nodes, dtype=np.float64)
        moments = np.array([(exact * tau**k).sum() for k in range(len(nodes))])
        if len(nodes) > 2:
            moments[2] *= self.curvature
        return np.linalg.solve(np.vander(at, increasing=True).T, moments).tolist()


RULES = {
    "dpmpp3m": Rule(2, "data", 3, pair="middle", curvature=0.5),
    "unipc": Rule(3, "data", 3, pair="middle", corrected=True),
    "deis": Rule(2, "noise", 3),
    "ipndm": Rule(2, "noise", 4, pair="flat", kernel="flat", even=True),
}
"""DPM-Solver++(3M) as its authors' code has it, whose τ² counts half, which makes it a method of order 2; UniPC-3 with B(h) = e^h − 1 (Zhao
et al. 2023); DEIS-3 in ln ρ; and iPNDM-4 (Liu et al. 2022), whose coefficients are those of Adams and Bashforth."""


class Past(NamedTuple):
    """What `Multistep` remembers: D or ẑ of the last steps with their λ, newest first, the last step, its x_t and the x_s it made."""

    nodes: tuple[tuple[State, float], ...]
    step: Step
    x: State
    made: State


@dataclass(frozen=True)
class Multistep(Sampler[Past]):
    """Exponential multistep methods of higher order: DPM-Solver++(3M), UniPC, DEIS or iPNDM, as a line of `RULES` says.

    Args:
        rule: "dpmpp3m", "unipc", "deis" or "ipndm".

    Order 3 of "unipc", 2 of the others, whose first step is Euler's. Where another has changed the state since, as a corrector, `DPS` or
    `RePaint` does, "unipc" leaves it uncorrected: its correction would undo that. Cost: one evaluation per step.
    """

    rule: Literal["dpmpp3m", "unipc", "deis", "ipndm"] = "unipc"

    def __post_init__(self) -> None:
        one_of(RULES, self.rule, "rule")

    @property
    def order(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]  of the rule
        """That of the rule."""
        return RULES[self.rule].order

    @property
    def extrapolates(self) -> Held:  # pyright: ignore[reportIncompatibleVariableOverride]  of the rule
        """That of the rule."""
        return RULES[self.rule].of

    def step(self, model: ScoreModel, x: State, step: Step, memory: Past | None, noise: Noise) -> tuple[State, Past]:
        """Return x at s, and what the next step needs."""
        rule, here = RULES[self.rule], -math.log(step.rho_t)
        output = model.denoise(x, step.t) if rule.of == "data" else model.noise(x, step.t)
        nodes = ((output, here),)
        if memory is not None:
            nodes += tuple(node for node in memory.nodes if node[1] < here)  # where a level is held, none is new
            if rule.corrected and memory.nodes[0][1] < here and same_state(x, memory.made):
                x = _across(rule, memory.step, memory.x, nodes)
        nodes = nodes[: rule.nodes]
        made = _across(rule, step, x, nodes)
        return made, Past(nodes, step, x, made)


def _across(rule: Rule, step: Step, x: State, nodes: Sequence[tuple[State, float]]) -> State:
    """Return x at s from x at t, by the polynomial through the outputs at the nodes."""
    h = math.log(step.rho_t / step.rho_s)
    if h == 0:
        return x
    weights = rule.weights(h, [(place + math.log(step.rho_t)) / h for _, place in nodes])
    integral = sum((weight * output for weight, (output, _) in zip(weights, nodes, strict=True)), start=0 * x)
    if rule.of == "data":
        return (step.sigma_s / step.sigma_t) * x + step.alpha_s * integral
    return (step.alpha_s / step.alpha_t) * (x + step.sigma_t * integral)


@cache
def _gauss() -> tuple[Floats, Floats]:
    """Return nodes and weights of Gauss and Legendre on [0, 1], exact to rounding for any h below ten."""
    x, w = np.polynomial.legendre.leggauss(24)
    return (x + 1) / 2, w / 2
