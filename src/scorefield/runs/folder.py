"""The folder of a run: resolved configuration, environment, metrics line by line, checkpoints, pictures."""

import errno
import itertools
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from scorefield._replacing import replacing, unwritten
from scorefield.config import RunConfig, to_yaml
from scorefield.errors import ConfigError
from scorefield.training import StepRecord, environment


class RunFolder:
    """The files of a run.

        config.yaml        the resolved configuration
        environment.json   versions, device, git commit
        metrics.jsonl      one line per logged step; the same bytes whether or not the run was interrupted
        checkpoints/       see `scorefield.training.checkpoint`
        samples/           grids drawn on the way
        tensorboard/       the same scalars, and the speed, for TensorBoard

    Args:
        path: of the folder.
        warn: called with a sentence on metrics that cannot be written.

    Raises:
        ConfigError: a path that is not, and cannot become, a writable folder.
    """

    def __init__(self, path: Path, warn: Callable[[str], None] = warnings.warn) -> None:
        self.path, self._warn, self._told = path, warn, False
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self._unwritten = ""
        try:
            str(path).encode()  # libraries that write here want UTF-8
            for folder in (path, self.checkpoints, self.samples):
                folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:  # ValueError: NUL in the name, or bytes that are not UTF-8
            reason = getattr(error, "strerror", error)
            raise ConfigError(f"{path}: cannot be a run folder: {reason}; choose another") from error
        if not os.access(path, os.W_OK):
            raise ConfigError(f"{path}: not writable; choose another")

    def begin(self, config: RunConfig, device: torch.device, step: int) -> list[Path]:
        """Write the files that describe the run, and drop what was logged after ``step``, where the run begins or goes on.

        Return the files of somebody else that stood in their place, by the names that they have now.

        Raises:
            ConfigError: it cannot be written to.
        """
        try:
            before = (
                []
                if step or self.environment.exists()
                else [*map(_set_aside, filter(Path.is_file, (self.config, self.metrics)))]
            )
            if step == 0:
                self.environment.write_text(json.dumps(environment(device), indent=2))
            with replacing(self.config) as file:
                file.write_text(to_yaml(config), encoding="utf-8")
            self.truncate_metrics(step)
        except OSError as error:
            raise ConfigError(str(unwritten(self.path, error))) from error
        return before

    def truncate_metrics(self, step: int) -> None:
        """Drop the lines after ``step``: those a killed run wrote after its last checkpoint, and a line cut short."""
        if not self.metrics.exists():
            return
        kept = 0
        for line in self.metrics.read_bytes().splitlines(keepends=True):
            try:
                if json.loads(line)["step"] > step:
                    break
            except (ValueError, KeyError, TypeError):
                break  # the line being written when the process died
            kept += len(line)
        os.truncate(self.metrics, kept)  # needs no space, where a copy might find none

    def log(self, record: StepRecord) -> None:
        """Append one line to metrics.jsonl, after those that could not be written before; what cannot be now is warned of, once."""
        self._unwritten += json.dumps(record.values()) + "\n"
        try:
            self._append()
        except OSError as error:
            if not self._told:
                self._warn(f"step {record.step}: {self.metrics}: {error}; its lines are kept until there is space")
            self._told = True

    def _append(self) -> None:
        """Append what is unwritten; where the disk is full or failing the file is as it was."""
        with self.metrics.open("ab", buffering=0) as file:
            size = file.tell()
            try:
                if file.write(self._unwritten.encode()) < len(self._unwritten):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                file.truncate(size)
                raise
        self._unwritten = ""

    def read_metrics(self) -> list[dict[str, float]]:
        """Return the logged lines; none where the run was shorter than its first."""
        if not self.metrics.exists():
            return []
        return [json.loads(line) for line in self.metrics.read_text().splitlines()]


def _set_aside(file: Path) -> Path:
    """Return the new name of a file that makes room: config.yaml.before, or with a number where that is taken."""
    names = (file.with_name(f"{file.name}.before{'' if k == 1 else k}") for k in itertools.count(1))
    return file.rename(next(name for name in names if not os.path.lexists(name)))
