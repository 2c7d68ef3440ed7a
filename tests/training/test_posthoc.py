"""Averages of weights of any length after training: those that tracking them would have given."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small import small_run
from test_loop import SETTINGS, advance, assert_equal, fresh

from scorefield.errors import CheckpointError
from scorefield.training import TrainState, checkpoint, load_weights
from scorefield.training.posthoc import LONGEST, Snapshot, exponent, group, grouped, rebuild, snapshots, updated

LENGTHS = (0.05, 0.1)


def walk(steps: int) -> list[dict[str, torch.Tensor]]:
    """Return weights that wander as in training, the first hundred steps of them most."""
    z = torch.randn(steps, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return [{"w": w.float()} for w in (z / (10 + torch.arange(steps)[:, None])).cumsum(0) + 1]


def tracked(weights: list[dict[str, torch.Tensor]], length: float) -> list[dict[str, torch.Tensor]]:
    average, found = None, []
    for step, now in enumerate(weights, 1):
        average = updated(average, now, step, length)
        found.append(average)
    return found


@pytest.mark.parametrize("length", [0.01, 0.05, 0.1, 0.2, LONGEST])
def test_the_profile_of_an_average_has_the_length_it_is_named_by(length: float) -> None:
    """Averaging the steps' numbers and their squares gives mean and spread of the profile, in closed form."""
    n, gamma = 4000, exponent(length)
    steps = [{"i": torch.tensor([i / n, (i / n) ** 2], dtype=torch.float64)} for i in range(1, n + 1)]
    mean, square = tracked(steps, length)[-1]["i"].tolist()
    assert mean == pytest.approx((gamma + 1) / (gamma + 2), abs=1e-3)
    assert (square - mean**2) ** 0.5 == pytest.approx(length, rel=1e-2)


@pytest.mark.parametrize("length", [0.03, 0.05, 0.08, 0.15, 0.25])
def test_any_length_is_rebuilt_as_if_it_had_been_tracked(length: float) -> None:
    weights = walk(60)
    two = {one: tracked(weights, one) for one in LENGTHS}
    found = [Snapshot(step, one, two[one][step - 1]) for step in range(2, 61, 2) for one in LENGTHS]
    for step in (60, 41):
        expected = tracked(weights, length)[step - 1]["w"]
        if step % 2 == 0:
            torch.testing.assert_close(rebuild(found, length, step=step)["w"], expected, rtol=0, atol=1e-6)
        else:
            assert (rebuild(found, length, step=step)["w"] - expected).abs().max() > 1e-6  # not stored at that step
    for spacing, off in ((6, 2e-3), (12, 6e-3)):  # nearest in their profiles, they would be 6e-3 and 1e-2 off
        few = [one for one in found if one.step % spacing == 0]
        torch.testing.assert_close(rebuild(few, length)["w"], tracked(weights, length)[-1]["w"], rtol=0, atol=off)


def test_training_tracks_stores_and_goes_on_with_them(tmp_path: Path) -> None:
    settings = replace(SETTINGS, averages=(*LENGTHS, 1 / 13))
    plain, whole = fresh(), TrainState.create(copy.deepcopy(fresh().model), settings)
    advance(plain, until=9)
    advance(whole, settings, until=9)
    assert "average-0_05" not in plain.tensors()
    torch.testing.assert_close(whole.model.state_dict(), plain.model.state_dict(), rtol=0, atol=0)
    resumed = TrainState.create(copy.deepcopy(fresh(1).model), settings)
    resumed.restore(9, copy.deepcopy(whole.tensors()))
    for state in (whole, resumed):
        advance(state, settings)
    assert_equal(resumed, whole)
    before = whole.tensors()
    assert any(not torch.equal(before["average-0_1"][name], value) for name, value in before["average-0_05"].items())


@pytest.mark.parametrize("length", [1 / 13, 0.0512345678, 0.1, 1e-5, LONGEST])
def test_a_length_is_read_back_as_it_was_named(length: float) -> None:
    assert list(grouped({group(length): {}})) == [length]


def test_a_run_keeps_averages_and_others_say_how_to(tmp_path: Path) -> None:
    run, _ = small_run(tmp_path / "a", steps=6, checkpoint_every=2, keep=9, averages=[0.05, 0.1])
    with run:
        list(run)
    found = snapshots(tmp_path / "a")
    assert [(one.step, one.length) for one in found] == [(s, one) for s in (2, 4, 6) for one in LENGTHS]
    stored = checkpoint.latest(tmp_path / "a" / "checkpoints", print)
    assert stored is not None
    again = rebuild(found, 0.1)
    for name, value in stored.tensors["average-0_1"].items():
        torch.testing.assert_close(again[name], value, rtol=0, atol=1e-6)
    load_weights(run.state.model, again)
    plain, _ = small_run(tmp_path / "b", steps=2)
    with plain:
        list(plain)
    with pytest.raises(CheckpointError, match=r"keeps no averages of weights; train with train\.averages"):
        snapshots(tmp_path / "b")


def test_what_no_average_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"between 0 and 0\.28; received 0\.4"):
        exponent(0.4)
    with pytest.raises(ValueError, match="no snapshot of an average up to step 0"):
        rebuild([], 0.1)


def test_averages_tracked_by_ema_pytorch_are_ours() -> None:
    """Theirs counts its first weights twice, for two steps; from its two averages `rebuild` makes what it tracks of a third length."""
    ema_pytorch = pytest.importorskip("ema_pytorch", reason="ema-pytorch is not installed: pip install ema-pytorch")
    weights, lengths = walk(59), (*LENGTHS, 0.15)
    model = torch.nn.Module()
    model.w = torch.nn.Parameter(torch.empty(7))
    theirs = {one: ema_pytorch.KarrasEMA(model, sigma_rel=one, update_every=1) for one in lengths}
    ours, found = tracked([weights[0], *weights], lengths[-1]), []
    for step, now in enumerate(weights, 2):
        model.w.data.copy_(now["w"])
        for ema in theirs.values():
            ema.update()
        torch.testing.assert_close(ours[step - 1]["w"], theirs[lengths[-1]].ema_model.w.data, rtol=0, atol=1e-6)
        found += [Snapshot(step, one, {"w": theirs[one].ema_model.w.data.clone()}) for one in LENGTHS]
    torch.testing.assert_close(
        rebuild(found, lengths[-1])["w"], theirs[lengths[-1]].ema_model.w.data, rtol=0, atol=1e-6
    )
