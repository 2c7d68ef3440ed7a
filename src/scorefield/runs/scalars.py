"""A run's scalars for TensorBoard, where it is installed. A failure here does not end training: it is reported once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scorefield.training import StepRecord

_ELSE = "scalars go to metrics.jsonl only"


@contextmanager
def tensorboard(path: Path, warn: Callable[[str], None]) -> Iterator[Callable[[StepRecord, float], None]]:
    """Yield a function that writes a record and the speed in examples per second; ``warn`` is called if it cannot write, or no longer."""
    writer = None

    def write(record: StepRecord, speed: float) -> None:
        nonlocal writer
        values = record.values()
        del values["step"]
        try:
            for tag, value in (values | {"examples_per_second": speed}).items():
                if writer is not None:
                    writer.add_scalar(tag, value, record.step)
        except Exception as error:  # of the thread that writes: whatever it met
            writer = None
            warn(f"{_ELSE} ({error})")

    try:
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(path / "tensorboard"))
    except ImportError:
        warn(f"{_ELSE}; tensorboard is not installed (pip install 'scorefield[tensorboard]')")
    except OSError as error:
        warn(f"{_ELSE} ({error})")
    try:
        yield write
    finally:
        try:
            if writer is not None:
                writer.close()
        except Exception as error:
            warn(f"{_ELSE} ({error})")
