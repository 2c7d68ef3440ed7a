"""The models of the app: loaded once, when they are first wanted, and shared by everyone, who only read them."""

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from scorefield.config.rooms import SAMPLER
from scorefield.config.sampling import SamplingConfig
from scorefield.config.usual import sampling as usual
from scorefield.errors import ConfigError, DataError
from scorefield.grids import times_of
from scorefield.loaded import LoadedModel
from scorefield.metrics import Judge
from scorefield.pretrained import load_judge, load_model

_ADAPTIVE = ("ode", "sde")  # they choose their steps by themselves
_FIXED = ("constant",)  # grids of chains at one noise level, which never leave the noise
_STEPS = 50  # as many as a person waits for, where the sampler's own number is larger


@dataclass(frozen=True)
class Entry:
    """A model, and what the app knows about it."""

    name: str
    loaded: LoadedModel
    data_dir: str | None
    plugins: tuple[str, ...] = ()

    def sampling(self, kind: str | None = None, steps: int | None = None) -> SamplingConfig:
        """Return how to draw: the model's own way, or what was asked for."""
        own = self.loaded.config.sampling
        if kind not in (None, own.sampler.kind, *_samplers()):
            raise ConfigError(f"sampler: there is no {kind!r}; choose {', '.join(_samplers())}")
        return self.loaded.sampling(kind, steps, source="sampler")

    def steps(self, choice: SamplingConfig) -> int:
        """Return the transitions of its grid."""
        return len(times_of(choice.build(self.loaded.model.process)[1], self.loaded.model.process)) - 1

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.loaded.model.parameters()).device

    @cached_property
    def digits(self) -> UInt8[Tensor, "n c h w"] | None:
        """The test images of the model's own data, where they are on this machine: nothing is downloaded."""
        config = self.loaded.config.data
        if config.kind in ("mnist", "fashion_mnist", "kmnist"):
            import pooch

            folder = self.data_dir or os.environ.get("SCOREFIELD_DATA") or pooch.os_cache("scorefield")
            config = config.model_copy(update={"dir": str(folder)})
        try:
            data = config.load(train=False)
        except (DataError, ConfigError):
            return None
        return data.x if data.x.dtype == torch.uint8 and data.event == self.loaded.event else None

    @cached_property
    def judge(self) -> Judge | None:
        """What reads digits, where the model draws some."""
        return load_judge() if self.loaded.event == (1, 28, 28) and self.loaded.config.data.kind == "mnist" else None

    def described(self) -> dict[str, Any]:
        """Return what the pages show and offer."""
        own = self.loaded.config.sampling
        distilled = self.loaded.config.teacher is not None  # to draw its own way and no other
        process = self.loaded.model.process
        ends = process.ratio(torch.tensor([process.t_min, process.t_max], dtype=torch.float64)).tolist()
        return {
            "name": self.name,
            "shape": self.loaded.event,
            "parameters": self.loaded.parameters,
            "classes": self.loaded.model.classes,
            "guide": None if self.loaded.weak is None else self.loaded.config.guide.weight,
            "sampler": own.sampler.kind,
            "distilled": distilled,
            "steps": {kind: min(self.steps(self.sampling(kind)), _STEPS) for kind in ([] if distilled else _samplers())}
            | {own.sampler.kind: self.steps(own)},
            "noise": ends,
            "test": 0 if self.digits is None else len(self.digits),
            "judged": self.judge is not None,
        }


class Shelf:
    """Models by name, the first of which is shown first; what is shown of Python runs the ``plugins``, as was done before, too."""

    def __init__(
        self, names: list[str], device: torch.device, data_dir: str | None = None, plugins: Iterable[str] = ()
    ) -> None:
        self.names = {(Path(name).name if Path(name).is_absolute() else name): name for name in names}
        if len(self.names) < len(names):
            raise ConfigError(f"each model must have a name of its own; received {', '.join(names)}")
        self.device, self._data_dir, self._plugins = device, data_dir, tuple(plugins)
        self._entries: dict[str, Entry] = {}
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Do beforehand what is slow when done first: load a model, and differentiate, for which PyTorch imports a thousand modules."""
        self[next(iter(self.names))].described()
        x = torch.ones(1, requires_grad=True)
        torch.autograd.grad(x.square(), x, torch.ones(1))

    def __getitem__(self, name: str) -> Entry:
        """Return a model, which is loaded when it is first wanted."""
        if name not in self.names:
            raise ConfigError(f"model: there is no {name!r}; choose {', '.join(self.names)}")
        with self._lock:
            if name not in self._entries:
                loaded = load_model(self.names[name], self.device)
                if len(loaded.event) != 3 or loaded.event[0] not in (1, 3):
                    raise ConfigError(f"model: {name} draws samples of shape {loaded.event}; the app shows pictures")
                self._entries[name] = Entry(name, loaded, self._data_dir, self._plugins)
            return self._entries[name]


def _samplers() -> list[str]:
    """Return the kinds of samplers that go from noise to data in a number of steps."""
    return [kind for kind in SAMPLER.makers if kind not in _ADAPTIVE and usual(kind)["grid"]["kind"] not in _FIXED]
