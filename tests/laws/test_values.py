"""What holds tensors compares by value, and is copied, pickled, hashed and shown as any other value is: every public dataclass of it."""

import copy
import pickle
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

import scorefield
from scorefield import (
    MLP,
    VE,
    VP,
    Denoiser,
    Density,
    Euler,
    Exact,
    Gaussian,
    Karras,
    MultiLevelDSM,
    Units,
    log_likelihood,
    sample,
)
from scorefield.grids import Fitted, Grid, Ladder, steps_of, times_of
from scorefield.metrics import classifier_two_sample
from scorefield.processes import Process
from scorefield.sampling import Sampler
from scorefield.training import StepRecord
from scorefield.units import Moments

from .cases import DENSITIES, PROCESSES, SAMPLERS, normal
from .everything import public

MODEL = Exact(Gaussian([0.0, 1.0], 1.0), VE())
MADE: dict[str, Callable[[], Any]] = {
    "ClassifierTest": lambda: classifier_two_sample(*normal(2, 8, 1, 4, 4).float(), steps=1),
    "Fitted": lambda: Fitted(2, torch.tensor([3.0, 2.0, 1.0])),
    "Ladder": lambda: Ladder(torch.tensor([3.0, 1.0])),
    "LogLikelihood": lambda: log_likelihood(MODEL, normal(2, 2)),
    "Moments": lambda: Moments(torch.zeros(2), torch.ones(2)),
    "MultiLevelDSM": lambda: MultiLevelDSM(torch.tensor([3.0, 1.0])),
    "Samples": lambda: sample(MODEL, Euler(), (2, 2), grid=Karras(2), frames=2),
    "StepRecord": lambda: StepRecord(1, 1e-3, torch.tensor([2.0, 3.0])),
    "Step": lambda: next(iter(steps_of(times_of(Karras(2), VE()), VE()))),
    "Units": lambda: Units(torch.tensor([0.0, 1.0]), torch.tensor(2.0)),
}
HOLDERS = {
    **{f"density {name}": lambda name=name: DENSITIES[name] for name, d in DENSITIES.items() if is_dataclass(d)},
    **{f"process {name}": lambda name=name: PROCESSES[name] for name in PROCESSES},
    **{f"sampler {name}": lambda name=name: SAMPLERS[name].sampler for name in SAMPLERS},
    **MADE,
}


def every() -> Iterator[type]:
    """Yield the dataclasses among the public classes of the package."""
    for found in pkgutil.walk_packages(scorefield.__path__, "scorefield."):
        if found.name.rpartition(".")[2].startswith("_") or found.ispkg:
            continue
        module = import_module(found.name)
        for name, value in vars(module).items():
            own = isinstance(value, type) and value.__module__ == found.name
            if own and is_dataclass(value) and not name.startswith("_"):
                yield value


def holds_tensors(cls: type) -> bool:
    """Return whether a field is declared to be a tensor, or perhaps one; not what is made of tensors, as functions are."""
    return any(re.match(r"(<class ')?(torch\.Tensor|jaxtyping\.)", str(field.type)) for field in fields(cls))


def test_every_dataclass_that_holds_tensors_is_compared_here_or_says_that_it_is_not() -> None:
    held = {cls for cls in every() if holds_tensors(cls) and cls.__dataclass_params__.eq}
    kinds = {cls for kind in (Density, Grid, Process, Sampler) for cls in public(kind).values()}
    bases = {cls for cls in held if any(issubclass(other, cls) for other in held - {cls})}
    missing = {cls.__name__ for cls in held - kinds - bases} - MADE.keys()
    assert not missing, (
        f"make these ByValue and add a case here, or say eq=False where they are not compared: {missing}"
    )
    assert MADE.keys() <= {cls.__name__ for cls in held}


@pytest.mark.parametrize("name", HOLDERS)
def test_a_value_is_equal_to_its_copies_and_can_be_a_key(name: str) -> None:
    value = HOLDERS[name]()
    pickled = pickle.loads(pickle.dumps(value))  # noqa: S301 made by the same line
    for other in (copy.copy(value), copy.deepcopy(value), pickled):
        assert other == value
        assert hash(other) == hash(value)
        assert {value: 1}[other] == 1
    assert value != "another kind"
    assert type(value).__name__ in repr(value)
    for field in fields(value):
        held = getattr(value, field.name)
        if isinstance(held, Tensor) and field.init and field.compare:
            assert replace(value, **{field.name: held + 1}) != value, field.name


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("name", DENSITIES)
def test_densities_and_models_say_what_they_are_of(name: str) -> None:
    density = DENSITIES[name]
    model = Exact(density, VP())
    assert "object at" not in repr(model)
    for part in (type(density).__name__, "Exact", repr(VP())):
        assert part in repr(model)
    network = Denoiser(MLP(2, 8), VP(), 0.5)
    assert repr(VP()) in repr(network)
    assert "Linear" in repr(network)
