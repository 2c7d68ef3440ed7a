"""A run: a configuration, its data, its folder. What ``scorefield train`` does is to iterate over one."""

import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

from scorefield._found import described
from scorefield._tensors import looked_at
from scorefield.config import RunConfig, refusals
from scorefield.config.measure import moments
from scorefield.data import Batches, Dataset
from scorefield.errors import CheckpointError, ConfigError, DivergedError
from scorefield.likelihood import ByteDecoder
from scorefield.loaded import LoadedModel
from scorefield.models import NoisyModel, ScoreModel
from scorefield.runs.averages import Averages
from scorefield.runs.changes import changed, require_alike, start_of
from scorefield.runs.doubts import doubts
from scorefield.runs.folder import RunFolder
from scorefield.runs.lock import RunLock
from scorefield.runs.pictures import draw_due
from scorefield.runs.scalars import tensorboard
from scorefield.runs.writer import Writer
from scorefield.training import (
    OneProcess,
    Parallel,
    StepRecord,
    TrainState,
    check_labels,
    checkpoint,
    pick_device,
    train,
)
from scorefield.training.sharding import gathered
from scorefield.training.state import start_from
from scorefield.units import UNCHANGED, Moments


class Run:
    """A training run in a folder that holds all of its files.

        with Run(config, "runs/mine") as run:
            for record in run:
                print(record.step, record.loss)

    Iterating trains from ``state.step`` to the last step and yields the record of every step, after what is due at it was written: a line
    of metrics.jsonl, a checkpoint (on a GPU a copy, on its way to the disk), a picture. Stop where you like and call `save`; `resume` goes
    on, bit for bit.

    Args:
        config: of the run; what depends on the data is measured and filled in.
        path: the folder. It is locked from the first access until the run ends or is closed.
        data: the training set; that of the configuration when absent.
        parallel: the processes of the run; one on the device of the configuration when absent. The first of them writes.
        pretrained, teacher: the trained models that the configuration names; a run starts from the first, or a teacher of its own network.
        warn: called with a sentence on damaged checkpoints passed over, and on pictures and metrics that could not be drawn or written.

    Raises:
        ConfigError: a configuration that cannot be built, a folder that cannot be written to, is in use, or holds another run.
        DataError: data that cannot be read.
    """

    def __init__(
        self,
        config: RunConfig,
        path: str | Path,
        *,
        data: Dataset | None = None,
        parallel: Parallel | None = None,
        pretrained: LoadedModel[NoisyModel] | None = None,
        teacher: LoadedModel | None = None,
        warn: Callable[[str], None] = warnings.warn,
    ) -> None:
        self.path = Path(path)
        self.data = config.data.load() if data is None else data
        require_alike(config.data, self.data)
        # What an earlier sitting measured of the data stands, whatever this edition would measure.
        written = self.path / "checkpoints"
        before = checkpoint.latest(written, lambda _: None) if os.path.isdir(written) else None
        if before is None and data is None:
            config.data.require_read()
        self.config = config.resolve(self.data, None if before is None else described(before)[0])
        self.parallel = parallel or OneProcess(pick_device(config.train.device))
        self.warn = warn
        rows, world = self.config.train.batch_size, self.parallel.world
        if rows < world:
            raise ConfigError(
                f"train.batch_size {rows} is less than the {world} processes: each needs a row; start fewer of them"
            )
        with refusals("configuration"):
            model = self.config.build_model(self.data.event)
            if before is None and (start := start_of(self.config, pretrained, teacher)) is not None:
                start_from(model, start.model.state_dict(), f"{start.source}, of examples of shape {start.event}")
            # Stored in float32; of a run whose checkpoints have none, one number stands for all coordinates, as it did when it began.
            self._moments, kept = None, before is None or "moments" in before.tensors
            if kept and isinstance(model, ScoreModel) and model.moments is not None:
                self._moments = moments(self.data, model.units or UNCHANGED).tensors
                model.moments = Moments.stored(self._moments, self.data.event)
            self._objective = self.config.build_objective(
                None if teacher is None else teacher.steered(precision=self.config.train.precision)
            )
            self.config.sampling.require_fit(model.process)
            self._settings = self.config.train.build(self.config.seed, self.config.guide.step)
            self.state = TrainState.create(model, self._settings, self.parallel)
        check_labels(model.classes, self.data.labels)
        self._held, self._writer = ExitStack(), Writer()
        self._folder: RunFolder | None = None
        self._averages = Averages(self.config, self.data, self.state, self.parallel.device)
        self._seconds, self._began = 0.0, time.perf_counter()
        labels = None if model.classes is None else self.data.labels
        self._seen = None if labels is None else labels.unique().tolist()
        self._decoder: ByteDecoder | None = None
        self._again: Callable[[ByteDecoder], object] | None = None
        self.drawing = False
        """Whether a picture is being drawn; breaking that off costs the run nothing."""
        self.stopping: Callable[[], bool] = lambda: False
        """Tells whether to stop: then no picture is begun, and the decoder's network, which takes minutes, is left at its next step."""
        self.on_decoder: Callable[[], object] = lambda: None
        """Called after every step of the decoder's network."""
        if self.first:
            for doubt in doubts(self.config, self.data, model.classes, self._seen):
                warn(doubt)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.parallel.rank == 0

    @property
    def folder(self) -> RunFolder:
        """The folder, made and locked when it is first asked for."""
        if self._folder is None:
            self._folder = RunFolder(self.path, self.warn)
            if self.first:
                self._held.enter_context(RunLock(self.path))
                checkpoint.clean(self._folder.checkpoints)
            self.parallel.wait()
        return self._folder

    def close(self) -> None:
        """Release the folder, once a checkpoint that is being written is there.

        Raises:
            CheckpointError: it could not be written.
        """
        try:
            self._writer.check(wait=True)
        finally:
            self._held.close()
            self._folder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resume(self, *, override: bool = False) -> Self:
        """Put the newest good checkpoint in place, if there is one yet.

        Args:
            override: go on although the configuration changed.

        Raises:
            ConfigError: the configuration changed in what decides the steps.
            CheckpointError: the folder is not that of a run, or all of its checkpoints are damaged.
        """
        if not (self.path / "checkpoints").is_dir():
            raise CheckpointError(
                f"{self.path}: holds no run to go on with; check its name, or start one there without resuming"
            )
        found = checkpoint.latest(self.folder.checkpoints, self.warn)
        if found is None:
            self.warn(f"{self.path}: has no checkpoint yet; starting at step 0")
            return self
        changes = changed(found, self.config)
        if changes and not override:
            raise ConfigError(
                f"{self.path}: the configuration changed since step {found.step}: {'; '.join(changes)}; "
                "resume with the old one, or override it"
            )
        self.state.restore(found.step, found.tensors)
        if not changes and found.step >= self.config.train.steps:
            self._decoder = self._averages.stored(found.tensors)
        self._seconds, self._began = found.seconds or 0.0, time.perf_counter()
        return self

    def begin(self) -> None:
        """Write the files that describe the run, and drop what a killed run logged after its last checkpoint; iterating begins with it.

        Raises:
            ConfigError: the folder holds a run, which was not resumed, or cannot be written to.
        """
        folder, step = self.folder, self.state.step
        found = checkpoint.latest(folder.checkpoints, self.warn) if step == 0 else None
        if found is not None:
            raise ConfigError(
                f"{self.path}: already holds a run, at step {found.step}; resume it, or choose another folder"
            )
        if self.first:
            for file in folder.begin(self.config, self.parallel.device, step):
                self.warn(f"{file}: was there before this run, under the name of a file that it writes")

    def __iter__(self) -> Iterator[StepRecord]:
        self.begin()
        config = self.config.train
        batches = Batches(
            *(self.data, config.batch_size, self.config.seed),
            rank=self.parallel.rank,
            world=self.parallel.world,
            device=self.parallel.device,
            generator=self._settings.stream(self.parallel.device),
        )
        ahead = looked_at(self.parallel.device) > 1  # the CPU has time to write while a GPU computes
        with ExitStack() as stack:
            curve = stack.enter_context(tensorboard(self.path, self.warn)) if self.first else None
            rows, clock = config.batch_size * config.log_every, time.perf_counter()
            for record in train(self.state, batches, self._objective, self._settings, self.parallel):
                if curve is not None and record.step % config.log_every == 0:
                    self.folder.log(record)
                    now = time.perf_counter()
                    curve(record, rows / (now - clock))
                    clock = now
                self._writer.check()
                if record.step % config.checkpoint_every == 0 and record.step < config.steps:
                    self.save(wait=not ahead)
                if record.step % config.sample_every == 0 and record.step < config.steps:
                    self.draw()
                yield record
        self.save()
        self.draw()
        self._learn_decoder()

    def save(self, *, wait: bool = True) -> None:
        """Write a checkpoint that holds all of the run's state, and what is needed to sample from it.

        Args:
            wait: until it is there; else a copy of the state, in the CPU's memory, is written while training goes on, and what the writing
                meets is raised by a later step, by the next `save` or by `close`. A kill during it leaves the former checkpoint.

        Raises:
            DivergedError: the state is not finite; the checkpoints before stay.
            CheckpointError: the disk is full or failing.
        """
        if (name := self.state.not_finite()) is not None:
            raise DivergedError(
                f"training diverged at step {self.state.step}: {name} is not finite, and is not saved. "
                "Lower the learning rate, clip gradients or use fp32, and go on from the last checkpoint."
            )
        self._writer.check(wait=True)
        tensors = self.state.gathered(keep=self.first, copy=not wait)
        if not self.first:
            return
        seconds = round(self._seconds + time.perf_counter() - self._began, 1)
        if self.state.step >= self.config.train.steps:
            self.config = self._averages.fitted(tensors["ema"], tensors.get("guide", {}), self.warn)
            self._decoder = self._decoder or self._averages.decoder(tensors["ema"], self.warn)
        extra = self.config.kept(self.data.event) | {"seconds": seconds, "seen": self._seen}
        step, keep = self.state.step, self.config.train.keep
        write = partial(checkpoint.save, self.folder.checkpoints, step, state=extra, keep=keep)
        if self._moments is not None:
            tensors["moments"] = self._moments
        if self._decoder is not None:
            tensors["decoder"] = self._decoder.tensors
            self._again = lambda decoder: write(tensors=tensors | {"decoder": decoder.tensors})
        if wait:
            write(tensors=tensors)
        else:
            self._writer.start(partial(write, tensors=tensors))

    def draw(self) -> None:
        """Write a grid of images from the averaged weights; after the last step also the way there, and the curve of the loss.

        A picture that cannot be drawn is warned of, and ends no training. Weights in shares are gathered in the first process, which draws.
        """
        ema, guide = (
            gathered(weights, keep=self.first) for weights in (self.state.ema.state_dict(), self.state.guide or {})
        )
        if not self.first or self.stopping():
            return
        self.drawing = True
        try:
            model = partial(self._averages.guided, ema, guide)
            draw_due(self.folder, model, self.config, self.data.event, self.state.step)
        except Exception as error:
            self.warn(f"step {self.state.step}: the picture could not be drawn ({type(error).__name__}: {error})")
        finally:
            self.drawing = False

    def _learn_decoder(self) -> None:
        """Train the network of the decoder, if asked for, and write it beside the weights; broken off, it is trained anew on resuming."""
        found = self._averages.learned(self._decoder, self.parallel, self.on_decoder, self.stopping, self.warn)
        if found is not None and self._again is not None:
            self._decoder = found
            self._again(found)
