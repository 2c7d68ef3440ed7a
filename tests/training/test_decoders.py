"""A run of 8-bit images ends with a decoder of bytes; one that cannot be made costs no checkpoint."""

from pathlib import Path

import pytest
import torch
from small import as_bytes, small_run

from scorefield.data import Dataset
from scorefield.likelihood import ByteDecoder
from scorefield.training import OneProcess, checkpoint


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
    assert set(found.tensors) == {"model", "ema", "moments", "optim"}
    assert warned == ["the decoder of bytes could not be made (ValueError: no such bytes); samples end between bytes"]


def stored(path: Path) -> dict[str, torch.Tensor]:
    found = checkpoint.latest(path / "checkpoints", pytest.fail)
    assert found is not None
    return found.tensors["decoder"]


def learning(path: Path, stop_after: int | None = None, steps: int = 4) -> int:
    """Train a run with a network of its decoder, or go on with it, as the command does; return how many steps the network took."""
    run, _ = small_run(path, as_bytes(), steps=3, decoder_steps=steps)
    taken: list[int] = []
    run.on_decoder = lambda: taken.append(len(stored(path)))
    run.stopping = lambda: stop_after is not None and len(taken) >= stop_after
    with run:
        if (path / "checkpoints" / "last").exists():
            run.resume(override=steps != 4)
        list(run)
    return len(taken)


@pytest.mark.promise("A10")
def test_its_network_is_left_when_the_run_is_stopped(tmp_path: Path) -> None:
    """All else is written by then; the network is trained when the run goes on, as if nothing had been, and not once more after that."""
    assert learning(tmp_path / "whole") == 4
    assert learning(tmp_path / "stopped", stop_after=2) == 2
    assert len(stored(tmp_path / "stopped")) == 3  # by counts
    assert learning(tmp_path / "stopped", stop_after=0) == 0  # asked for before it began
    assert learning(tmp_path / "stopped") == 4
    ours, theirs = (stored(tmp_path / name) for name in ("stopped", "whole"))
    assert ours.keys() == theirs.keys() > {"table", "network.last.weight"}
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert learning(tmp_path / "whole") == 0
    assert stored(tmp_path / "whole").keys() == theirs.keys()
    assert learning(tmp_path / "whole", steps=5) == 5


def test_a_network_that_fails_leaves_the_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr("scorefield.likelihood.decoder.learned", fails)
    run, warned = small_run(tmp_path, as_bytes(), steps=1, decoder_steps=4)
    with run:
        list(run)
    assert warned == ["the decoder's network could not be trained (RuntimeError: no memory); counts decode"]
    assert len(stored(tmp_path)) == 3


class Counted(OneProcess):
    """Counts how often it waits for others."""

    waits = 0

    def wait(self) -> None:
        self.waits += 1


@pytest.mark.parametrize("how", ["whole", "stopped", "not begun", "failed", "of another process"])
def test_all_processes_wait_as_often_for_its_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """One that waited once for all steps would be taken for one that hangs: after 10 minutes on GPUs."""
    monkeypatch.setattr("scorefield.runs.averages._REST", 2)
    if how == "failed":
        monkeypatch.delattr("scorefield.likelihood.decoder.learned")
    run, _ = small_run(tmp_path, as_bytes(), steps=1, decoder_steps=5)
    decoder = None if how == "of another process" else ByteDecoder(run.state.ema, as_bytes().x)
    taken, parallel, last = [], Counted(), {"stopped": 3, "not begun": 0}.get(how, 6)
    run._averages.learned(decoder, parallel, lambda: taken.append(1), lambda: len(taken) >= last, lambda _: None)
    assert len(taken) == {"whole": 5, "stopped": 3}.get(how, 0)
    assert parallel.waits == 2
