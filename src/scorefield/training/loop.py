"""The training loop: `train` yields one record per optimiser step; `fit` runs it to the end.

Step k is a function of the state before it and of (seed, k): the batch, its dequantisation and the noise of the loss are derived from the
step's number, so a resumed run is the uninterrupted one, bit for bit.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from scorefield._tensors import Noise, derive_seed, precise
from scorefield.data import Batch, Dataset, batches_of
from scorefield.densities import Density
from scorefield.errors import ConfigError, DivergedError
from scorefield.models import NoisyModel
from scorefield.objectives import Objective
from scorefield.training.optimization import Optimization
from scorefield.training.parallel import OneProcess, Parallel
from scorefield.training.state import TrainState, load_weights

__all__ = ["BatchStream", "StepRecord", "check_labels", "fit", "train"]

Model = TypeVar("Model", bound=NoisyModel)


class BatchStream(Protocol):
    """Batches as a function of their number: `scorefield.data.Batches` or `DensityBatches`."""

    batch_size: int
    rows: slice

    @property
    def event(self) -> tuple[int, ...]:
        """The shape d of one example."""
        ...

    def batch(self, k: int) -> Batch:
        """Return this process's rows of batch k."""
        ...


@dataclass(frozen=True)
class StepRecord:
    """What one optimiser step measured.

    Attributes:
        step: its number, from 1.
        loss: mean of the objective over the global batch.
        grad_norm: norm of the gradient of the mean loss per coordinate, before clipping.
        learning_rate: the rate it was taken with.
    """

    step: int
    loss: float
    grad_norm: float
    learning_rate: float


def train(
    state: TrainState,
    batches: BatchStream,
    objective: Objective[Any],
    settings: Optimization,
    parallel: Parallel | None = None,
) -> Iterator[StepRecord]:
    """Train from ``state.step`` to ``settings.steps``, updating ``state`` in place and yielding a record after every step.

    Between records the state is consistent: save it, sample from ``state.ema``, stop.

    Cost: one objective per step on this process's rows.

    Raises:
        DivergedError: the loss or a gradient stopped being finite; the state is that of the step before.
        ConfigError: the network was to be compiled, and cannot be here.
    """
    parallel = parallel or OneProcess()
    state.model.train()
    if settings.compile:
        for child in state.model.children():
            child.compile()
    while state.step < settings.steps:
        k, rate = state.step, settings.rate(state.step)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        batch = batches.batch(k)
        with _said_if_not_compiled():
            loss = _gradient(state, batch, batches, objective, settings, parallel)
        norm = _clip(state, settings.clip)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise DivergedError(_diagnosis(state, batch, loss))
        state.optimizer.step()
        state.step = k + 1
        state.average_in()
        if state.step == settings.guide_step:
            state.keep_guide()
        yield StepRecord(state.step, loss, norm, rate)


def fit(
    model: Model,
    data: Density | Dataset | Tensor | np.ndarray | Iterable[Any],
    objective: Objective[Model],
    *,
    steps: int = 5_000,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    seed: int = 0,
    progress: bool = False,
) -> list[StepRecord]:
    """Train ``model`` in place, and leave the averaged weights in it.

    Args:
        model: to be trained.
        data: a density, a `Dataset`, a tensor or array of examples (n, *d), a sequence of them, or a loader of batches.
        objective: of the model.
        steps: optimiser steps.
        batch_size: examples per step; a loader has its own.
        learning_rate: the largest.
        seed: names the order of the examples and all noise.
        progress: show a bar on stderr.

    Returns:
        the record of every step.

    Raises:
        ConfigError: data of another kind, or a model with nothing to train.
        DivergedError: the loss or a gradient stopped being finite.
    """
    batches = batches_of(data, batch_size, seed)
    settings = Optimization(steps=steps, learning_rate=learning_rate, warmup=100, precision="fp32", seed=seed)
    state = TrainState.create(model, settings)
    device = next(model.parameters()).device
    stepped = train(state, batches, objective, settings, OneProcess(device))
    records = list(tqdm(stepped, "training", steps, disable=not progress, dynamic_ncols=True))
    load_weights(model, state.ema.state_dict())
    model.eval()
    return records


@contextmanager
def _said_if_not_compiled() -> Iterator[None]:
    """Turn what torch.compile raises, at the first step, into what can be done about it."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        raise ConfigError(
            f"train.compile: PyTorch cannot compile the network here: {str(error).strip().splitlines()[0]} "
            "It needs a C++ compiler, such as g++; install one, or leave train.compile=false"
        ) from error


def _gradient(
    state: TrainState,
    batch: Batch,
    batches: BatchStream,
    objective: Objective[Any],
    settings: Optimization,
    parallel: Parallel,
) -> float:
    """Leave in every parameter the gradient of the mean loss over the global batch; return that loss."""
    first = state.step * batches.batch_size + batches.rows.start
    x0 = state.model.standardise(batch.x.to(parallel.device))
    conditioned = _conditioned(state.model, batch.labels, first, settings)
    state.optimizer.zero_grad(set_to_none=False)
    coordinates = math.prod(batches.event)
    loss = torch.zeros((), dtype=precise(parallel.device), device=parallel.device)
    for part, rows in zip(x0.chunk(settings.accumulate), torch.arange(len(x0)).chunk(settings.accumulate), strict=True):
        noise = Noise(
            (first + rows).tolist(), batches.event, stream=f"train {settings.seed}", device=x0.device, dtype=x0.dtype
        )
        with settings.autocast(parallel.device), _seeded(settings.seed, state.step, int(first + rows[0]), x0.device):
            part_loss = objective(conditioned.rows(rows), part, noise).sum() / batches.batch_size
        # Adam does not care, but a clipping threshold should not depend on the number of pixels.
        (part_loss / coordinates).backward()
        loss += part_loss.detach()
    parallel.sum_([loss])
    parallel.sum_([p.grad for p in state.model.parameters() if p.grad is not None])
    return loss.item()


@contextmanager
def _seeded(seed: int, step: int, row: int, device: torch.device) -> Iterator[None]:
    """Make what a network draws itself, such as dropout, a function of the step, and leave PyTorch's generators as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derive_seed(seed, "network", step, row))
        yield


def _conditioned(model: NoisyModel, labels: Tensor | None, first: int, settings: Optimization) -> NoisyModel:
    """Return the model conditioned on the labels of its rows, where it takes any, but for those that are dropped.

    Raises:
        ConfigError: as `check_labels` does.
    """
    check_labels(model.classes, labels)
    if model.classes is None or labels is None:
        return model
    seeds = range(first, first + len(labels))
    u = Noise(seeds, (1,), stream=f"labels {settings.seed}").uniform()
    return model.condition(torch.where(u < settings.label_dropout, model.classes, labels))


def check_labels(classes: int | None, labels: Tensor | None) -> None:
    """Refuse data that a model of so many classes cannot be trained on; one without classes looks at no labels.

    Raises:
        ConfigError: no labels, or others than 0 to classes − 1: the number ``classes`` itself would mean 'no label'.
    """
    if classes is None:
        return
    if labels is None:
        raise ConfigError("the network takes labels, but the data has none: build it without classes, or bring labels")
    if len(labels) and labels.max() >= classes:
        raise ConfigError(
            f"the network has {classes} classes, labelled 0 to {classes - 1}; the data has labels from {labels.min()} to {labels.max()}: "
            f"build it with classes={int(labels.max()) + 1}, or number the labels from 0"
        )


def _clip(state: TrainState, limit: float | None) -> float:
    """Scale gradients down to ``limit``; return the norm they had."""
    gradients = [p.grad for p in state.model.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if limit is not None:
        torch.nn.utils.clip_grads_with_norm_(state.model.parameters(), limit, norm)
    return norm.item()


def _diagnosis(state: TrainState, batch: Batch, loss: float) -> str:
    """Return what stopped being finite first, on the way from the state and the data to the gradient, and what helps."""
    gradients = ((name, p.grad) for name, p in state.model.named_parameters() if p.grad is not None)
    wrong = next((f"gradient of {name}" for name, grad in gradients if not grad.isfinite().all()), "gradient's norm")
    if name := state.not_finite():
        what = f"{name} is not finite"
    elif not batch.x.isfinite().all():
        what = f"the data of batch {state.step} are not finite"
    elif not math.isfinite(loss):
        what = f"the loss is {loss}"
    else:
        what = f"the {wrong} is not finite"
    return (
        f"training diverged at step {state.step + 1}: {what}. The state is that of step {state.step}. "
        "Lower the learning rate, clip gradients, use fp32, or look for non-finite values in the data."
    )
