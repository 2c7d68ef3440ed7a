"""Nothing waits for a GPU between two looks: with the CPU in its place, no number is read from a tensor that would be there.

Nor does training wait for a disk where a GPU trains.
"""

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from small import images, small_run
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from scorefield import (
    DSM,
    VE,
    Denoiser,
    Euler,
    EulerMaruyama,
    Exact,
    Gaussian,
    Heun,
    Karras,
    Optimization,
    ReverseDiffusion,
    sample,
)
from scorefield.data import Batch, Batches
from scorefield.errors import CheckpointError, DivergedError
from scorefield.networks import NCSNpp, UNet
from scorefield.training import OneProcess, TrainState, checkpoint, train
from scorefield.training.record import look_back
from scorefield.units import Units

READS = ("item", "tolist", "__bool__", "__float__", "__int__", "nonzero")


@contextmanager
def reads(monkeypatch: pytest.MonkeyPatch, *, times: bool = False) -> Iterator[Counter[str]]:
    """Count what is read of floating tensors; with ``times`` but for 0-dimensional ones in float64, which are on the CPU when sampling."""
    found: Counter[str] = Counter()
    with monkeypatch.context() as patch:
        for name in READS:
            reading = getattr(torch.Tensor, name)

            def counted(self: Any, *given: Any, _name: str = name, _read: Any = reading, **named: Any) -> Any:
                if self.dtype.is_floating_point and not (times and (self.dtype, self.ndim) == (torch.float64, 0)):
                    found[_name] += 1
                return _read(self, *given, **named)

            patch.setattr(torch.Tensor, name, counted)
        yield found


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loops take the CPU for a GPU."""
    for module in ("training.loop", "sampling"):
        monkeypatch.setattr(f"scorefield.{module}.looked_at", lambda _: 20)


def test_training_reads_nothing_between_looks(tmp_path, monkeypatch, ahead):
    run, _ = small_run(tmp_path, steps=45, clip=1.0)
    records = train(run.state, Batches(images(), 8, 0), run._objective, run._settings)
    next(records)
    for expected in ({}, {"tolist": 1}):  # twenty steps' numbers in one go
        with reads(monkeypatch) as found:
            found_records = [next(records) for _ in range(18 if not expected else 1)]
        assert found == expected
    with reads(monkeypatch) as found:
        assert found_records[-1].loss > 0
    assert found == {"item": 1}


class Uploads(TorchDispatchMode):
    """Lists what is copied from the CPU in a way that it waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        here = any(x.is_cpu for x in args if isinstance(x, torch.Tensor))
        if func is torch.ops.aten._to_copy.default and here and made.is_meta and not (kwargs or {}).get("non_blocking"):
            self.waited.append(f"a copy of shape {tuple(made.shape)}")
        return made


class Numbers(TorchFunctionMode):
    """Lists the numbers that are made into tensors there, which is a copy too."""

    def __init__(self, waited: list[str]) -> None:
        super().__init__()
        self.waited = waited

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor) and made.is_meta and not isinstance(args[0], torch.Tensor):
            self.waited.append(f"{func.__name__}({args[0]})")
        return made


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_training_step_uploads_nothing_that_it_waits_for(monkeypatch, ahead, optimizer):
    """With PyTorch's device without memory in place of a GPU: what is copied there is known, and that nothing can be read back."""
    monkeypatch.setattr(Optimization, "autocast", lambda self, device: nullcontext())
    monkeypatch.setattr(sys.modules["torch.optim.adam"], "_device_dtype_check_for_fused", lambda *given: None)
    place = torch.device("meta")
    settings = Optimization(steps=3, optimizer=optimizer, precision="fp32", generator="philox")
    torch.manual_seed(0)
    state = TrainState.create(Denoiser(UNet(1, 8, width=32), VE(0.01, 10.0), 0.5), settings, OneProcess(place))
    batches = Batches(images(), 8, 0, device=place, generator="philox")
    records = train(state, batches, DSM(), settings, OneProcess(place))
    next(records)
    with Uploads() as uploads, Numbers(uploads.waited):
        next(records)
    assert uploads.waited == []


@pytest.mark.parametrize("sampler", [Euler(), Heun(), EulerMaruyama(), ReverseDiffusion()], ids=repr)
def test_sampling_reads_nothing_between_looks(tmp_path, monkeypatch, ahead, sampler):
    model = small_run(tmp_path)[0].state.ema
    counts = []
    for steps in (5, 15):
        with reads(monkeypatch, times=True) as found:
            sample(model, sampler, (3, 1, 8, 8), grid=Karras(steps), seed=0)
        counts.append(found.total())
    assert counts[0] == counts[1]  # what is read does not grow with the steps


@pytest.mark.promise("A14")
def test_a_late_look_names_the_first_bad_step(tmp_path, monkeypatch, ahead):
    """A14, as a GPU is trained on: steps are looked at together; the first that was not finite is named."""
    run, _ = small_run(tmp_path, steps=30)
    batches, draw = Batches(images(), 8, 0), Batches.batch
    monkeypatch.setattr(Batches, "batch", lambda self, k: Batch(draw(self, k).x / (k != 6), None))
    with pytest.raises(DivergedError, match=r"step 7: the loss is nan; it was noticed at step 20, too late"):
        list(train(run.state, batches, run._objective, run._settings))
    assert run.state.step == 20
    look_back([])


@pytest.mark.promise("A14")
def test_a_late_look_names_step_level_and_sample(ahead):
    """A14, as a GPU samples: the first state that was not finite is named, with its step, level and first sample."""
    calls = 0

    class Spoilt(Euler):
        def step(self, model, x, step, memory, noise):
            nonlocal calls
            calls += 1
            found, memory = super().step(model, x, step, memory, noise)
            found[2, 0] += torch.nan if calls == 4 else 0
            return found, memory

    model = Exact(Gaussian([0.0, 0.0], 1.0), VE(sigma_min=0.1, sigma_max=10.0))
    with pytest.raises(DivergedError, match=r"step 4 of 9 \(t = .*noise level .*1 of 5 samples.*number 2"):
        sample(model, Spoilt(), (5, 2), grid=Karras(9), seed=0)
    assert calls == 9  # looked at after the last


@pytest.fixture
def held_back(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let checkpoints that are written beside the training wait for an event."""
    go_on, save = threading.Event(), checkpoint.save
    monkeypatch.setattr("scorefield.runs.run.looked_at", lambda _: 20)

    def waits(*given: Any, **named: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            go_on.wait(60)
        return save(*given, **named)

    monkeypatch.setattr(checkpoint, "save", waits)
    return go_on


def test_training_goes_on_while_a_checkpoint_is_written(tmp_path, held_back):
    """On a GPU a checkpoint holds the state of its step, though training changed it before the file was there."""
    run, _ = small_run(tmp_path / "run", checkpoint_every=3, averages=[0.1])
    with run:
        for record in run:
            if record.step == 3:
                kept = run.state.gathered(copy=True)
            if record.step == 5:
                assert checkpoint.latest(run.folder.checkpoints, pytest.fail) is None
                held_back.set()
            if record.step == 7:
                run.save()  # waits for the one before
                break
    found = checkpoint.load(run.path / "checkpoints" / "step-00000003")
    assert {name: set(tensors) for name, tensors in found.tensors.items()} == {
        **{name: set(tensors) for name, tensors in kept.items()},
        "moments": {"mean", "std"},
    }
    for group, tensors in kept.items():
        for name, value in tensors.items():
            assert torch.equal(found.tensors[group][name], value)
    assert sorted(p.name for p in found.path.parent.glob("step-*")) == [f"step-{k:08d}" for k in (3, 6, 7)]


@pytest.mark.promise("A6")
@pytest.mark.parametrize("when", ["a later step", "the end"])
def test_what_the_writing_meets_is_raised_later(tmp_path, monkeypatch, held_back, when):
    """A6: a full disk stops a training whose checkpoints are written beside it."""

    def full(*_: Any, **__: Any) -> None:
        held_back.wait(60)
        raise CheckpointError("no space")

    monkeypatch.setattr(checkpoint, "save", full)
    run, _ = small_run(tmp_path / "run", checkpoint_every=3)

    def go_on() -> None:
        with run:
            for record in run:
                if record.step == 4:
                    held_back.set()
                if record.step == 5 and when == "the end":
                    break
                time.sleep(0.05)

    with pytest.raises(CheckpointError, match="no space"):
        go_on()
    assert run.state.step < 7


@pytest.mark.promise("A1")
def test_a_kill_while_a_checkpoint_is_written_leaves_the_former(tmp_path, held_back):
    """A1: kill -9 in the middle of a write beside the training; the run goes on from the checkpoint before."""
    child = os.fork()
    if child == 0:
        run, _ = small_run(tmp_path / "run", checkpoint_every=3)
        with run:
            for record in run:
                if record.step == 2:
                    run.save()
                if record.step == 5:
                    os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    run, warned = small_run(tmp_path / "run", checkpoint_every=1000)
    with run.resume():
        assert run.state.step == 2
        assert warned == []
        assert [record.step for record in run] == list(range(3, 13))


@pytest.fixture
def blocking(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Let every tensor pass for one on a GPU, and note exact numbers, which the CPU has, that are sent there with a wait."""
    found, to = list[tuple[int, ...]](), torch.Tensor.to

    def noted(self: torch.Tensor, *given: Any, **named: Any) -> torch.Tensor:
        exact = self.dtype in (torch.float64, torch.int64) and self.ndim == 0
        away = given and (
            isinstance(given[0], torch.device) or (isinstance(given[0], torch.Tensor) and given[0].ndim > 0)
        )
        if exact and away and not named.get("non_blocking"):
            found.append(tuple(self.shape))
        return to(self, *given, **named)

    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda _: True))
    monkeypatch.setattr(torch.Tensor, "to", noted)
    return found


def test_training_sends_nothing_with_a_wait(tmp_path, ahead, blocking):
    run, _ = small_run(tmp_path, generator="philox")
    model = run.state.model.in_units(Units(torch.tensor(0.1), torch.tensor(2.0)))
    state = TrainState.create(model, run._settings)
    list(train(state, Batches(images(), 8, 0, generator="philox"), run._objective, replace(run._settings, steps=3)))
    assert blocking == []


@pytest.mark.parametrize(
    "net", [lambda: UNet(1, 8, width=4, depth=1), lambda: NCSNpp(1, 8, width=4, multipliers=(1, 2))]
)
def test_sampling_sends_nothing_with_a_wait(ahead, blocking, net):
    units = Units(torch.tensor(0.1), torch.tensor(2.0))
    torch.manual_seed(0)
    model = Denoiser(net(), VE(sigma_min=0.1, sigma_max=10.0), sigma_data=1.0).in_units(units).eval()
    sample(model, Heun(), (2, 1, 8, 8), grid=Karras(3), generator="philox")
    assert blocking == []
