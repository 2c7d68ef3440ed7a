"""What an atomic, synced, hashed checkpoint costs beside `torch.save`, which is none of these, with a sync and without."""

import os
import tempfile
from pathlib import Path

import torch

from benchmarks.timing import Row, compare, in_turn
from scorefield.training import checkpoint

SIZES = {"15 MB": 15, "120 MB": 120}


def run(rounds: int = 15) -> list[Row]:
    """Return the comparison at two sizes."""
    rows = []
    for name, megabytes in SIZES.items():
        tensors = {f"w{k}": torch.randn(megabytes * 250_000 // 30) for k in range(30)}
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            rows += compare(in_turn(sides(Path(folder), tensors, name), rounds), f"torch.save, {name}", "saves/s", 1)
    return rows


def sides(folder: Path, tensors: dict[str, torch.Tensor], name: str) -> dict:
    """Return the three ways to save."""
    plain = folder / "plain.pt"
    step = iter(range(10**9))

    def synced() -> None:
        torch.save(tensors, plain)
        descriptor = os.open(plain, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    return {
        f"torch.save, {name}": lambda: torch.save(tensors, plain),
        f"torch.save and fsync, {name}": synced,
        f"checkpoint.save, {name}": lambda: checkpoint.save(folder, next(step), {"model": tensors}, {}, keep=1),
    }
