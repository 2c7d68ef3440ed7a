"""What every layer needs of tensors: broadcasting a time against a state, sums over an event, gradients, rows.

A state ``x`` has shape ``(b, *d)`` for any event shape ``d``; a time, and any scale that is a function of it, has shape
``()`` or ``(b,)``. `like` is the only place where the two meet.
"""

import math
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scorefield.errors import ConfigError

__all__ = [
    "HasParts",
    "as_constant",
    "as_time",
    "evaluating",
    "flatten",
    "floating",
    "gradient",
    "home",
    "like",
    "looked_at",
    "match_rows",
    "precise",
    "promoted",
    "recording",
    "require_numbers",
    "same_state",
    "sum_event",
    "take_rows",
    "there",
    "uncast",
]

_EVALUATED = Counter[nn.Module]()  # parts in evaluation mode until those that asked for it, counted here, are done
_TURNS = threading.Lock()

# OpenMP's threads do not follow a fork: a child that computed on more than one would wait for the others without end.
os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


def like(a: Tensor, x: Tensor) -> Tensor:
    """Return ``a`` of shape () or (b,) shaped to broadcast against ``x`` of shape (b, *d), in the dtype and device of x."""
    x = floating(x)
    if a.ndim == 0:
        return there(a, x)
    if a.ndim == 1 and x.ndim >= 1 and a.shape[0] in (1, x.shape[0]):
        return there(a, x).reshape(-1, *[1] * (x.ndim - 1))
    raise ValueError(
        f"a time or scale must have shape () or (b,); received {tuple(a.shape)} against a state of shape {tuple(x.shape)}"
    )


def floating(x: Tensor, event: tuple[int, ...] | None = None) -> Tensor:
    """Return a state as it is.

    Whole numbers are refused, since scales and means would be rounded to them, and so are events of another shape than the density's, which
    would broadcast.

    Raises:
        ConfigError: it is not a tensor of floating-point numbers, or not of shape (b, *event).
    """
    if not isinstance(x, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]  arrays come, whatever types say
        raise ConfigError(
            f"a state must be a tensor of shape (b, *d); received {type(x).__name__}: torch.as_tensor makes one"
        )
    if not x.is_floating_point():
        raise ConfigError(
            f"a state must be of floating-point numbers; received {x.dtype}: {'x.real' if x.is_complex() else 'x.float()'} makes them"
        )
    if event is not None and (x.ndim == 0 or tuple(x.shape[1:]) != event):
        shape = ", ".join(["b", *map(str, event)])
        raise ConfigError(f"states must have shape ({shape}), as the density's events; received {tuple(x.shape)}")
    return x


def promoted(x: Tensor, event: tuple[int, ...]) -> Tensor:
    """Return `floating` states, those of half precision in float32, where squares neither overflow nor lose what tells them apart."""
    return floating(x, event).to(torch.promote_types(x.dtype, torch.float32))


def there(a: Tensor, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Return ``a`` on the device of x, in its dtype or another.

    A copy to a GPU does not wait for it; a copy from it waits until it has computed ``a``.
    """
    return as_constant(a.to(x.device, dtype or x.dtype, non_blocking=x.is_cuda))


def as_time(t: Tensor | float) -> Tensor:
    """Return a time as a tensor; a number becomes one of shape (), whole numbers become float64.

    Raises:
        ConfigError: it is neither a number nor a tensor of real numbers.
    """
    if not isinstance(t, Tensor):
        try:
            return torch.tensor(t, dtype=torch.float64)
        except (RuntimeError, TypeError, ValueError):
            raise ConfigError(f"a time must be a number or a tensor of shape () or (b,); received {t!r:.80}") from None
    if t.is_complex():
        raise ConfigError(f"a time must be real; received {t.dtype}")
    return as_constant(t) if t.is_floating_point() else t.to(precise(t.device))


def as_constant(a: Tensor) -> Tensor:
    """Return ``a``; of a tensor made in inference mode, a copy that automatic differentiation accepts."""
    if torch.compiler.is_compiling():  # which cannot ask, and is never in between
        return a
    return a.clone() if a.is_inference() and not torch.is_inference_mode_enabled() else a


@contextmanager
def recording() -> Iterator[None]:
    """Record gradients, whatever the caller chose: inference mode, in which none can be recorded, is left as well."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def uncast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context that leaves autocast, which would round what solvers, exact scores and optimisers multiply."""
    # Not entered where there is none: within another context autocast keeps the weights it has cast.
    known = torch.amp.is_autocast_available(device.type)
    inside = known and torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if inside else nullcontext()


class HasParts(Protocol):
    """A module, by what it is asked for here."""

    def modules(self) -> Iterator[nn.Module]:
        """Return it and all parts of it."""
        ...


@contextmanager
def evaluating(model: HasParts) -> Iterator[None]:
    """Put every part of a model in evaluation mode, in which dropout adds no noise and no batch is remembered.

    Each is back in its own mode when the last thread that evaluates it is done.
    """
    with _TURNS:
        training = [part for part in model.modules() if part.training or part in _EVALUATED]
        _EVALUATED.update(training)
        for part in training:
            part.training = False
    try:
        yield
    finally:
        with _TURNS:
            _EVALUATED.subtract(training)
            for part in training:
                if not _EVALUATED[part]:
                    del _EVALUATED[part]
                    part.training = True


def precise(device: torch.device) -> torch.dtype:
    """Return the finest type of numbers that a device knows: float64, but for Apple's GPUs, which have float32."""
    return torch.float32 if device.type == "mps" else torch.float64


def home(model: nn.Module) -> torch.device:
    """Return where a model computes: where its parameters are, the CPU where it has none."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def require_numbers(model: nn.Module | None = None) -> None:
    """Refuse to compute on the device meta, where tensors have a shape and no numbers.

    Raises:
        ConfigError: new tensors are made there, or the model, if one is needed, is there.
    """
    if torch.empty(0).is_meta:
        raise ConfigError(
            "numbers are needed; received meta as PyTorch's default device, whose tensors have a shape alone: leave "
            'torch.device("meta"), or call torch.set_default_device("cpu")'
        )
    if model is not None and home(model).type == "meta":
        raise ConfigError(
            "numbers are needed; received a model on the device meta, whose tensors have a shape alone: make it outside of "
            'torch.device("meta"), and load its weights'
        )


def looked_at(device: torch.device) -> int:
    """Return how many steps pass between reads from a device: one on a CPU, more on a GPU, since each read waits for it."""
    return 20 if device.type == "cuda" else 1


def flatten(x: Float[Tensor, "b *d"]) -> Float[Tensor, "b n"]:
    """Return the events of ``x`` as rows."""
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))  # -1 would be ambiguous where there are no rows


def same_state(a: Float[Tensor, "b *d"], b: Float[Tensor, "b *d"]) -> bool:
    """Return whether a state is still the one that was remembered; where it is the same tensor, as usual, no device is waited for."""
    return a is b or torch.equal(a, b)


def sum_event(x: Float[Tensor, "b *d"]) -> Float[Tensor, " b"]:
    """Return Σ over the event dimensions, one number per example."""
    return flatten(x).sum(dim=1)


def gradient(
    log_prob: Callable[[Tensor], Tensor], x: Float[Tensor, "b *d"], *, create_graph: bool
) -> Float[Tensor, "b *d"]:
    """Return ∇ log p(x) of each row by automatic differentiation; with ``create_graph`` it can be differentiated in its turn."""
    if _transformed():
        return torch.func.grad(lambda x: log_prob(x).sum())(floating(x))
    with recording():
        x = x if x.requires_grad else as_constant(floating(x)).detach().requires_grad_(True)
        (found,) = torch.autograd.grad(log_prob(x).sum(), x, create_graph=create_graph)
    return found


def _transformed() -> bool:
    """Return whether a transformation of `torch.func`, such as vmap or jacfwd, is at work: it keeps its own record of gradients."""
    try:
        torch.empty(0).requires_grad_()
    except RuntimeError:
        return True
    return False


def take_rows(a: Tensor, index: Tensor) -> Tensor:
    """Return rows ``index`` of ``a``, one row per sample; a single row stands for every sample, and is returned as it is."""
    if len(a) == 1:
        return a
    if int(index.max()) >= len(a):
        raise ConfigError(
            "labels and observations must be one for all samples or one for each; "
            f"received {len(a)}, but there is a sample number {int(index.max())} (counted from 0)"
        )
    return a[index.to(a.device)]


def match_rows(a: Tensor, x: Float[Tensor, "b *d"]) -> Tensor:
    """Return ``a`` on the device of x, if it has one row for all rows of x or one for each."""
    if len(a) not in (1, len(x)):
        raise ConfigError(
            f"labels and observations must be one for all samples or one for each; received {len(a)} for {len(x)} samples"
        )
    return as_constant(a.to(x.device, non_blocking=x.is_cuda))
