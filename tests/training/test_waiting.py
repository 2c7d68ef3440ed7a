"""Nothing waits for a GPU between two looks: with the CPU in its place, no number is read from a tensor that would be there."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from small import images, small_run

from scorefield import VE, Euler, EulerMaruyama, Exact, Gaussian, Heun, Karras, ReverseDiffusion, sample
from scorefield.data import Batch, Batches
from scorefield.errors import DivergedError
from scorefield.training import train
from scorefield.training.loop import _look_back

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
    _look_back([])


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
