"""A training run on disk: its folder, its checkpoints, its pictures. Interrupting and resuming a run does not change its result."""

from scorefield.runs.folder import RunFolder
from scorefield.runs.lock import RunLock
from scorefield.runs.run import Run

__all__ = ["Run", "RunFolder", "RunLock"]
