"""A run's scalars for TensorBoard, where it is installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scorefield.cli.console import warn
from scorefield.training import StepRecord
from scorefield.training.run import Writer

__all__ = ["tensorboard", "write_scalars"]


@contextmanager
def tensorboard(path: Path) -> Iterator[Writer | None]:
    """Open a TensorBoard writer where the extra is installed."""
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
