"""A run's scalars for TensorBoard, where it is installed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from scorefield.training import StepRecord

__all__ = ["tensorboard", "write_scalars"]


class Writer(Protocol):
    """A TensorBoard SummaryWriter, or what can stand for it."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object:
        """Record one number."""
        ...


@contextmanager
def tensorboard(path: Path, warn: Callable[[str], None]) -> Iterator[Writer | None]:
    """Open a TensorBoard writer where the extra is installed; ``warn`` is told where it is not."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        warn("tensorboard is not installed: scalars go to metrics.jsonl only (pip install 'scorefield[tensorboard]')")
        yield None
        return
    writer = SummaryWriter(str(path / "tensorboard"))
    try:
        yield writer
    finally:
        writer.close()


def write_scalars(writer: Writer | None, record: StepRecord, speed: float) -> None:
    """Write what a step says, and the speed in examples per second, where there is a writer."""
    if writer is None:
        return
    for tag, value in (
        ("loss", record.loss),
        ("grad_norm", record.grad_norm),
        ("learning_rate", record.learning_rate),
        ("examples_per_second", speed),
    ):
        writer.add_scalar(tag, value, record.step)
