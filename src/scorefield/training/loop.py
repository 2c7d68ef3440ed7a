"""The training loop, which yields one record per optimiser step.

Step k is a function of the state before it and of (seed, k): the batch, its dequantisation and the noise of the loss are derived from the
step's number, so a resumed run is the uninterrupted one, bit for bit.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from scorefield._noise import Noise, derive_seed
from scorefield._tensors import looked_at, precise, uncast
from scorefield.data import Batch
from scorefield.errors import ConfigError, DivergedError
from scorefield.models import NoisyModel
from scorefield.objectives import Objective
from scorefield.preconditioning import Denoiser
from scorefield.training.optimization import Optimization
from scorefield.training.parallel import OneProcess, Parallel
from scorefield.training.record import StepRecord, diagnosis, look_back
from scorefield.training.sharding import full
from scorefield.training.state import TrainState


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
    if settings.compile == "graphs":
        # Gradients are added to these: what a graph returns lasts until its next replay alone.
        for p in state.model.parameters():
            p.grad = torch.zeros_like(p) if p.requires_grad else None
    began = state.step
    while state.step < settings.steps:
        k, rate = state.step, settings.rate(state.step)
        if settings.compile == "graphs":
            torch.compiler.cudagraph_mark_step_begin()  # what the graphs of the step before returned is no longer needed
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        batch = batches.batch(k)
        if k == began:  # of resumed runs too, whose data may have changed
            check_scale(state.model, state.model.standardise(batch.x.to(parallel.device)))
        with _said_if_not_compiled(), parallel.together(), uncast(parallel.device):
            loss = _gradient(state, batch, batches, engine, settings, parallel)
            norm = _clip(state, settings.clip)
        record = StepRecord(k + 1, rate, torch.stack([loss, norm.to(loss)]))
        if every > 1:
            unseen.append(record)
        elif not record.measured.isfinite().all():
            raise DivergedError(diagnosis(state, batch, record.loss))
        with parallel.together(), uncast(parallel.device):
            state.optimizer.step()
        state.step = k + 1
        state.average_in()
        if state.step == settings.guide_step:
            state.keep_guide()
        if len(unseen) == every or state.step == settings.steps:
            look_back(unseen)
        yield record


def _check_sharded(batch_size: int, world: int, settings: Optimization) -> None:
    """Refuse what processes that gather weights together cannot do."""
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
    """Turn an error of torch.compile, which comes with the first step, into one that says what to do."""
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
        loss = self.objective(conditioned, x0, noise)
        shape = getattr(loss, "shape", None)
        if shape is None or shape[:1] != x0.shape[:1]:
            raise ConfigError(
                f"an objective must return the loss of each example, of shape ({len(x0)},), of which training takes the mean; received "
                f"{type(loss).__name__ if shape is None else tuple(shape)}: leave out the mean over the batch"
            )
        return loss.sum()


@contextmanager
def _seeded(seed: int, step: int, row: int, device: torch.device) -> Iterator[None]:
    """Make what a network draws itself, such as dropout, a function of the step, and leave PyTorch's generators as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derive_seed(seed, "network", step, row))
        yield


def _conditioned(model: NoisyModel, labels: Tensor | None, first: int, settings: Optimization) -> NoisyModel:
    """Return the model conditioned on the labels of its rows, where it takes any, but for those that are dropped."""
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


def check_scale(model: NoisyModel, x0: Tensor) -> None:
    """Refuse data of another scale than the one a model is made for: it would train without a word, and draw something else.

    Raises:
        ConfigError: half of the numbers are ten of its deviations from its mean, which of right ones a hundredth can be, or all within a
            three hundredth.
    """
    if not isinstance(model, Denoiser) or model.moments is None or not len(x0) or x0.is_meta:
        return
    std, mean = model.sigma_data, model.mean_data
    away = (x0.double() - mean).abs()
    if away.median() > 10 * std or 0 < away.max() < std / 300:
        raise ConfigError(
            f"the model is made for data of standard deviation {std:.4g} about {mean:.4g} (sigma_data, mean_data); received data that are "
            f"{away.median().item():.4g} from there. Give those of the data, or train model.in_units(Units.of(x)), which measures them; "
            "a run that goes on needs the data it began with"
        )


def _clip(state: TrainState, limit: float | None) -> Tensor:
    """Scale gradients down to ``limit``; return the norm they had."""
    gradients = [p.grad for p in state.model.parameters() if p.grad is not None]
    norm = full(torch.nn.utils.get_total_norm(gradients))
    if limit is not None:
        torch.nn.utils.clip_grads_with_norm_(state.model.parameters(), limit, norm)
    return norm
