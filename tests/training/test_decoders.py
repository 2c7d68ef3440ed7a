"""A run of 8-bit images ends with a decoder of bytes; one that cannot be made costs no checkpoint."""

from pathlib import Path

import pytest
import torch
from small import small_run

from scorefield.data import Dataset
from scorefield.likelihood import ByteDecoder
from scorefield.training import checkpoint


def ended(path: Path, data: Dataset) -> tuple[checkpoint.Checkpoint, list[str]]:
    """Return the last checkpoint of a run of one step, and what it warned of."""
    run, warned = small_run(path, data, steps=1)
    with run:
        list(run)
    return checkpoint.load(path / "checkpoints" / "step-00000001"), warned


@pytest.mark.parametrize("n", [1, 40], ids="{} images".format)
def test_of_images_in_black_and_white(tmp_path: Path, n: int) -> None:
    """Their standard deviation is ½, and more by the n − 1 that it is divided by."""
    x = (255 * (torch.arange(n * 64) % 2)).byte().view(n, 1, 8, 8)
    found, warned = ended(tmp_path, Dataset(x, None, "chessboards"))
    assert found.state["config"]["model"]["sigma_data"] > 0.5
    assert "decoder" in found.tensors
    assert not warned


def test_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("no such bytes")

    monkeypatch.setattr(ByteDecoder, "_place", fails)
    found, warned = ended(tmp_path, Dataset(torch.arange(256).byte().view(4, 1, 8, 8), None, "ramps"))
    assert set(found.tensors) == {"model", "ema", "optim"}
    assert warned == ["the decoder of bytes could not be made (ValueError: no such bytes); samples end between bytes"]
