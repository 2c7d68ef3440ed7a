"""What a run learns: the section ``data`` of its configuration."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from scorefield import data
from scorefield._noise import derive_seed
from scorefield.config.base import Section
from scorefield.config.kind import Kind
from scorefield.config.rooms import DENSITY
from scorefield.data.arrays import Channels
from scorefield.data.folder import same_classes
from scorefield.errors import ConfigError

_DRAWN = 50_000  # examples of a density
_OF_KIND = {
    "path": ("path", "test", "array", "channels", "columns", "size"),
    "density": ("density", "channels", "examples"),
}
_CHANNELS = 4  # more of them on the first axis of a series or volume are told by data.channels


class DataConfig(Section):
    """What to learn: a data set by name, a path of your own (a folder of images, .npy, .npz, .csv), or draws from a density.

    Attributes:
        kind: the data set; "path" for data of your own, "density" for draws from a distribution with a formula.
        path: with kind "path", the folder of images, or the .npy, .npz or .csv file.
        test: with kind "path", examples that are not trained on, stored as those of ``path`` are, to measure with.
        array: which array of an .npz file holds the examples, where it has several (`scorefield.data.from_array_file`).
        channels: where the channels of an array are: on the "first" or "last" axis, or "none"; needed where the shape leaves it open.
        columns: which columns of a table to learn, by their names in its first line, in this order; when absent all but a column of labels.
        size: images of a folder are brought to this height and width, in pixels.
        dir: where downloaded files, and a path that is not absolute, are looked for.
        density: with kind "density", the distribution to draw from.
        examples: how many examples of the density are drawn for training, and as many again for testing; 50 000 when absent.
        keep: makes data unbalanced: {3: 0.35} keeps 35 % of the examples of class 3 (`scorefield.data.keep_share`).
        flips: mirrors half of the training images left to right, another half in each epoch (`scorefield.data.Dataset`).
    """

    kind: Literal["digits", "mnist", "fashion_mnist", "kmnist", "cifar10", "path", "density"] = "mnist"
    path: str | None = None
    test: str | None = None
    array: str | None = None
    channels: Channels | None = None
    columns: tuple[str, ...] | None = None
    size: PositiveInt | None = None
    dir: str | None = None
    density: Annotated[Kind, DENSITY] | None = None
    examples: PositiveInt | None = None
    keep: dict[NonNegativeInt, Annotated[float, Field(ge=0, le=1)]] | None = None
    flips: bool = False

    @field_validator("columns", mode="before")
    @classmethod
    def _listed(cls, columns: object) -> object:
        # YAML reads a name such as 2019 as a number, and `--data.columns height,weight` as one text.
        if isinstance(columns, str):
            return [name.strip() for name in columns.split(",")]
        return (
            [str(name) if isinstance(name, int) else name for name in columns] if isinstance(columns, list) else columns
        )

    @field_validator("keep", mode="before")
    @classmethod
    def _spaced(cls, keep: object) -> object:
        # YAML reads {3:0.35} as the time 3:00:21, and {3:.35} as a word, each of no value.
        if isinstance(keep, Mapping) and None in keep.values():
            raise ValueError("expected the share of each class, with a space after the colon, such as {3: 0.35}")
        return keep

    def at(self, folder: str | None, test: str | None = None) -> Self:
        """Return the section with files looked for in a folder, and examples to test with from a path, where these are named."""
        update = {"dir": folder, "test": test and os.path.abspath(_at_home(test))}
        return self.model_copy(update={name: value for name, value in update.items() if value is not None})

    def require_read(self) -> None:
        """Refuse a setting that data of this kind do not read: a size of a data set by name, a number of examples of a file."""
        for kind, names in _OF_KIND.items():
            for name in names:
                if name not in _OF_KIND.get(self.kind, ()) and getattr(self, name) is not None:
                    raise ConfigError(
                        f"data.{name} goes with data.kind={kind}; {self.kind} does not read it: leave it out"
                    )

    @property
    def tested(self) -> bool:
        """Whether there is a test set: data of your own have one where ``test`` says."""
        return self.kind != "path" or self.test is not None

    def load(self, *, train: bool = True) -> data.Dataset:
        """Return the training set, or else the test set, which is the same where there is no other."""
        dataset = self._whole(train)
        for label, share in sorted((self.keep or {}).items()):
            dataset = data.keep_share(dataset, label, share)
        if self.flips and len(dataset.event) != 3:
            raise ConfigError(f"data.flips mirrors images; the data has the shape {dataset.event}: leave it out")
        return replace(dataset, flips=self.flips and train)

    def on_grid(self, event: tuple[int, ...]) -> bool:
        """Return whether an event is channels on a grid: an image, or a series or volume of which the first axis is known to be them."""
        return len(event) == 3 or (len(event) in (2, 4) and (self.channels is not None or event[0] <= _CHANNELS))

    def _whole(self, train: bool) -> data.Dataset:
        """Return all examples of the training or the test set, of all classes."""
        if (self.kind == "density") != (self.density is not None):
            raise ConfigError("data.density goes with data.kind=density, and only with it; set both or neither")
        if self.test is not None and self.path is None:
            raise ConfigError(
                f"examples of your own to test with (data.test, --test) go with data.path; {self.kind} has its own: leave them out"
            )
        if self.density is not None:
            generator = torch.Generator().manual_seed(derive_seed("examples", train))
            return data.Dataset(
                self.density.build().sample(self.examples or _DRAWN, generator).float(), None, self.density.kind
            )
        if self.path == "":  # not the working folder
            raise ConfigError("data.path is empty: name a file or a folder, or leave it out")
        if (self.kind == "path") != (self.path is not None):
            raise ConfigError("data.path goes with data.kind=path, and only with it; set both or neither")
        if self.path is not None:
            base = Path(_at_home(self.dir or ""))
            path, test = base / _at_home(self.path), base / _at_home(self.test or self.path)
            if self.test is not None:  # looked at before the training, not after it
                if not test.exists():
                    raise ConfigError(f"data.test: {os.fspath(test)!r} does not exist; check the path")
                if path.exists() and path.samefile(test):
                    raise ConfigError(
                        f"data.test: {os.fspath(test)!r} is data.path, which is trained on: name others, or leave it out"
                    )
                same_classes(path, test)
            how: dict[str, Any] = {"array": self.array, "channels": self.channels, "columns": self.columns}
            return data.from_path(path if train else test, self.size, **how)
        if self.kind == "digits":
            return data.digits(train=train)
        published = {load.__name__: load for load in (data.mnist, data.fashion_mnist, data.kmnist, data.cifar10)}
        return published[self.kind](train=train, data_dir=None if self.dir is None else Path(_at_home(self.dir)))


def _at_home(path: str) -> str:
    """Return a path with ~/ replaced by the home folder, which shells do on a command line and nothing does in YAML."""
    return os.path.expanduser(path) if path.startswith("~/") else path
