"""The training loop: `train` yields one record per optimiser step; `fit` runs it to the end.

Step k is a function of the state before it and of (seed, k): the batch, its dequantisation and the noise of the loss are derived from the
step's number, so a resumed run is the uninterrupted one, bit for bit.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from scorefield._checks import number, require, whole
from scorefield._tensors import Noise, derive_seed, looked_at, precise, recording
from scorefield.data import Batch, Dataset, batches_of
from scorefield.densities import Density
from scorefield.errors import ConfigError, DivergedError
from scorefield.models import NoisyModel
from scorefield.objectives import Objective
from scorefield.training.optimization import Optimization
from scorefield.training.parallel import OneProcess, Parallel
from scorefield.training.sharding import full
from scorefield.training.state import TrainState, load_weights

__all__ = ["BatchStream", "StepRecord", "check_labels", "fit", "train"]

_HELP = "Lower the learning rate, clip gradients, use fp32, or look for non-finite values in the data."

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


@dataclass(frozen=True, eq=False)
class StepRecord:
    """What one optimiser step measured. Loss and norm stay where they were computed until they are asked for, which waits for a GPU.

    Attributes:
        step: its number, from 1.
        learning_rate: the rate it was taken with.
        measured: loss and norm.
    """

    step: int
    learning_rate: float
    measured: Tensor

    @property
    def loss(self) -> float:
        """Mean of the objective over the global batch."""
        return self.measured[0].item()

    @property
    def grad_norm(self) -> float:
        """Norm of the gradient of the mean loss per coordinate, before clipping."""
        return self.measured[1].item()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StepRecord) and self.values() == other.values()

    def __hash__(self) -> int:
        return hash(self.step)

    def values(self) -> dict[str, float]:
        """Return all of it by name, as a line of metrics has it."""
        loss, grad_norm = self.measured.tolist()
        return {"step": self.step, "loss": loss, "grad_norm": grad_norm, "learning_rate": self.learning_rate}


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
        DivergedError: the loss or a gradient stopped being finite; the state is that of the step before. On a GPU, which looking waits for,
            twenty steps are looked at together, and the state is lost.
        ConfigError: the network was to be compiled, and cannot be here; or a sharded state does not go with what is asked for.
    """
    parallel = parallel or OneProcess()
    if state.sharded:
        _check_sharded(batches.batch_size, parallel.world, settings)
    every, unseen = looked_at(parallel.device), list[StepRecord]()
    engine = parallel.summed(_Loss(state.model, objective))
    state.model.train()
    if settings.compile:
        for child in state.model.children():
            child.compile(mode="reduce-overhead" if settings.compile == "graphs" else None)
    while state.step < settings.steps:
        k, rate = state.step, settings.rate(state.step)
        if settings.compile == "graphs":
            torch.compiler.cudagraph_mark_step_begin()  # what the graphs of the step before returned is no longer needed
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        batch = batches.batch(k)
        with _said_if_not_compiled(), parallel.together():
            loss = _gradient(state, batch, batches, engine, settings, parallel)
            norm = _clip(state, settings.clip)
        record = StepRecord(k + 1, rate, torch.stack([loss, norm.to(loss)]))
        if every > 1:
            unseen.append(record)
        elif not record.measured.isfinite().all():
            raise DivergedError(_diagnosis(state, batch, record.loss))
        with parallel.together():
            state.optimizer.step()
        state.step = k + 1
        state.average_in()
        if state.step == settings.guide_step:
            state.keep_guide()
        if len(unseen) == every or state.step == settings.steps:
            _look_back(unseen)
        yield record


@recording()
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
        ConfigError: data, a model or an objective of another kind, or a model with nothing to train.
        DivergedError: the loss or a gradient stopped being finite.
    """
    require(NoisyModel, model, "the model to train", "Denoiser(network, process, sigma_data)")
    if isinstance(objective, type) or not callable(objective):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"the objective must be an object, such as DSM(); received {objective!r:.80}")
    steps, seed, batch_size = whole(steps, "steps", 0), whole(seed, "seed"), whole(batch_size, "batch_size", 1)
    learning_rate = number(learning_rate, "learning_rate", 0)
    settings = Optimization(steps=steps, learning_rate=learning_rate, warmup=100, precision="fp32", seed=seed)
    state = TrainState.create(model, settings)
    device = next(model.parameters()).device
    batches = batches_of(data, batch_size, seed, device=device, generator=settings.stream(device))
    stepped = train(state, batches, objective, settings, OneProcess(device))
    records = list(tqdm(stepped, "training", steps, disable=not progress, dynamic_ncols=True))
    load_weights(model, state.ema.state_dict())
    model.eval()
    return records


def _check_sharded(batch_size: int, world: int, settings: Optimization) -> None:
    """Refuse what processes that gather weights together cannot do.

    Raises:
        ConfigError: a network that is compiled, or one process that computes its rows in fewer parts than another.
    """
    if settings.compile:
        raise ConfigError("train.sharding=full does not go with train.compile=true: leave one of them out")
    parts = {-(-rows // -(-rows // settings.accumulate)) for rows in (batch_size // world, -(-batch_size // world))}
    if len(parts) > 1:
        raise ConfigError(
            f"train.sharding=full: {world} processes would compute batch_size {batch_size} in {min(parts)} and {max(parts)} parts, and all "
            f"have to take as many; choose a multiple of {world} rows"
        )


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
    engine: nn.Module,
    settings: Optimization,
    parallel: Parallel,
) -> Tensor:
    """Leave in every parameter the gradient of the mean loss over the global batch; return that loss."""
    first = state.step * batches.batch_size + batches.rows.start
    x0 = state.model.standardise(batch.x.to(parallel.device))
    conditioned = _conditioned(state.model, batch.labels, first, settings)
    state.optimizer.zero_grad(set_to_none=False)
    coordinates = math.prod(batches.event)
    loss = torch.zeros((), dtype=precise(parallel.device), device=parallel.device)
    parts = list(zip(x0.chunk(settings.accumulate), torch.arange(len(x0)).chunk(settings.accumulate), strict=True))
    for k, (part, rows) in enumerate(parts, 1):
        noise = Noise(
            range(first + int(rows[0]), first + int(rows[-1]) + 1),
            batches.event,
            stream=f"train {settings.seed}",
            device=x0.device,
            dtype=x0.dtype,
            generator=settings.stream(parallel.device),
        )
        with nullcontext() if k == len(parts) else parallel.alone(engine):
            with (
                settings.autocast(parallel.device),
                _seeded(settings.seed, state.step, int(first + rows[0]), x0.device),
            ):
                part_loss = engine(conditioned.rows(rows), part, noise) / batches.batch_size
            if not part_loss.requires_grad:
                raise ConfigError(
                    "the loss does not depend on a weight: the network's output was detached, rounded, or made without gradients; "
                    "return what its layers compute"
                )
            # Adam does not care, but a clipping threshold should not depend on the number of pixels.
            parallel.backward(part_loss / coordinates)
        loss += part_loss.detach()
    parallel.sum_([loss])
    return loss


class _Loss(nn.Module):
    """The sum of an objective over rows, a module with the model's parameters: one forward pass, whatever it asks of the model."""

    def __init__(self, model: NoisyModel, objective: Objective[Any]) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, conditioned: NoisyModel, x0: Tensor, noise: Noise) -> Tensor:
        return self.objective(conditioned, x0, noise).sum()


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
    check_labels(model.classes, labels)  # labels stay on the CPU, so that this waits for nothing
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


def _clip(state: TrainState, limit: float | None) -> Tensor:
    """Scale gradients down to ``limit``; return the norm they had."""
    gradients = [p.grad for p in state.model.parameters() if p.grad is not None]
    norm = full(torch.nn.utils.get_total_norm(gradients))
    if limit is not None:
        torch.nn.utils.clip_grads_with_norm_(state.model.parameters(), limit, norm)
    return norm


def _look_back(unseen: list[StepRecord]) -> None:
    """Read what steps measured, all in one go, and forget them; raise for the first that was not finite."""
    if not unseen:
        return
    values, now = torch.stack([record.measured for record in unseen]).tolist(), unseen[-1].step
    for record, (loss, norm) in zip(unseen, values, strict=True):
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = "gradient is not finite" if math.isfinite(loss) else f"loss is {loss}"
            raise DivergedError(
                f"training diverged at step {record.step}: the {what}; it was noticed at step {now}, too late for the state. Go on from "
                f"the last checkpoint. {_HELP}"
            )
    unseen.clear()


def _diagnosis(state: TrainState, batch: Batch, loss: float) -> str:
    """Return what stopped being finite first, on the way from the state and the data to the gradient, and what helps."""
    gradients = ((name, p.grad) for name, p in state.model.named_parameters() if p.grad is not None)
    wrong = next(
        (f"gradient of {name}" for name, grad in gradients if not full(grad.isfinite().all())), "gradient's norm"
    )
    if name := state.not_finite():
        what = f"{name} is not finite"
    elif not batch.x.isfinite().all():
        what = f"the data of batch {state.step} are not finite"
    elif not math.isfinite(loss):
        what = f"the loss is {loss}"
    else:
        what = f"the {wrong} is not finite"
    return f"training diverged at step {state.step + 1}: {what}. The state is that of step {state.step}. {_HELP}"
