"""The settings of an optimisation, and what follows from them: learning rate at a step, precision on a device."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le, Lt

from scorefield._noise import Stream
from scorefield.networks.precision import Precision, uses_bf16
from scorefield.training.posthoc import LONGEST

Share = Annotated[float, Ge(0), Lt(1)]
Length = Annotated[float, Gt(0), Le(LONGEST)]


@dataclass(frozen=True)
class Optimization:
    """How to train: an optimiser, a warm-up, a decay, clipping, an average of the weights.

    Args:
        steps: optimiser steps.
        optimizer: "adam", or "muon": Adam with orthogonal steps for the kernels of convolutions.
        learning_rate: the largest, reached after the warm-up.
        betas: Adam's decay rates of the averages of the gradient and of its square.
        warmup: steps of linear warm-up.
        decay: of the learning rate after the warm-up: "cosine", to zero at the last step, or "constant".
        clip: largest norm of the gradient of the mean loss per coordinate, larger ones are scaled down; None for no limit.
        ema_decay: d of the exponential moving average w̄ ← d w̄ + (1 − d) w of the weights, with which samples are drawn: single steps of
            the optimiser make colours and quality jump, their average over the last 1/(1 − d) steps does not (Song & Ermon 2020,
            Technique 5, who take 0.999). The first steps forget sooner: at step n, d is at most (1 + n)/(10 + n).
        averages: lengths σ_rel of more averages to keep beside it, such as (0.05, 0.1), from which one of any length is rebuilt after
            training (`scorefield.training.posthoc`).
        label_dropout: probability that a row is trained without its label; classifier-free guidance needs a model that also knows p(x).
        guide_step: the step whose averaged weights are kept, as the weaker model of `scorefield.AutoGuided`; None keeps none.
        accumulate: parts a batch is computed in, to bound memory.
        precision: number format of the network; "auto" is bfloat16 where the device is faster in it.
        compile: run the network through torch.compile; "graphs" also replays its kernels as CUDA graphs, for networks too small to keep a
            GPU busy.
        generator: source of all noise: "torch" draws on the CPU; "philox" on the device, without a loop over rows; None is philox on a CUDA
            device and torch on any other.
        seed: names the noise of the whole run.
    """

    steps: Annotated[int, Ge(1)] = 20_000
    optimizer: Literal["adam", "muon"] = "adam"
    learning_rate: Annotated[float, Gt(0)] = 2e-3
    betas: tuple[Share, Share] = (0.9, 0.999)
    warmup: Annotated[int, Ge(0)] = 200
    decay: Literal["cosine", "constant"] = "cosine"
    clip: Annotated[float, Gt(0)] | None = 1.0
    ema_decay: Share = 0.999
    averages: tuple[Length, ...] = ()
    label_dropout: Annotated[float, Ge(0), Le(1)] = 0.1
    guide_step: Annotated[int, Ge(1)] | None = None
    accumulate: Annotated[int, Ge(1)] = 1
    precision: Precision = "auto"
    compile: bool | Literal["graphs"] = False
    generator: Stream | None = None
    seed: int = 0

    def rate(self, step: int) -> float:
        """Return the learning rate of step ``step``, counted from 0: a function of the step alone, so that a resume needs no memory."""
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        if self.decay == "constant":
            return self.learning_rate * warm
        progress = min(1.0, max(0, step - self.warmup) / max(1, self.steps - self.warmup))
        return self.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * progress))

    def stream(self, device: torch.device) -> Stream:
        """Return what makes the noise of a run on ``device``."""
        return self.generator or ("philox" if device.type == "cuda" else "torch")

    def autocast(self, device: torch.device) -> torch.autocast:
        """Return the precision context for ``device``.

        Raises:
            ConfigError: bf16 asked of a device that does not know it at all.
        """
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=uses_bf16(self.precision, device))
