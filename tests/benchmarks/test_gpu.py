"""The script for a GPU runs in small on a CPU, so that it works where there is one; its checks hold there too."""

import pytest
import torch

from benchmarks import gpu, scaling
from scorefield.data import Dataset
from scorefield.networks import UNet


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fraction of that of digits, with the same weights every time."""

    def network(size: int = 28) -> UNet:
        torch.manual_seed(0)
        return UNet(1, size, width=16, depth=1)

    monkeypatch.setattr(gpu, "network", network)


@pytest.mark.slow
def test_the_script_runs_and_checks_itself(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr("benchmarks.noise.SIZES", {"few": (4, (2,))})
    found = gpu.main("cpu", gpu.SMALL)
    assert found["failed"] == []
    assert found["checks"]["losses"]["value"] == found["checks"]["drawings"]["value"] == 0  # the CPU beside itself
    assert found["training"][0]["images/s"] > 0
    assert found["sampling"]["evaluations"] == 33


def test_what_is_beyond_its_bound_is_named(monkeypatch):
    for measure in ("product", "rates", "training", "sampling"):
        monkeypatch.setattr(gpu, measure, lambda *_: 0.0)
    for check in ("losses", "noises", "drawings", "resumes", "lowered"):
        monkeypatch.setattr(gpu, check, named(check, 1.0 if check in ("losses", "drawings", "lowered") else 0.5))
    assert gpu.main("cpu", gpu.SMALL)["failed"] == ["losses", "drawings", "lowered"]


@pytest.mark.slow
def test_compiled_steps_and_draws_are_measured_too(monkeypatch):
    modes = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, mode: modes.append(mode))
    small, cpu = gpu.SMALL._replace(rounds=1, steps=1), torch.device("cpu")
    torch.manual_seed(0)
    assert gpu.training(cpu, 8, small, 1e9, "graphs")["compile"] == "graphs"
    assert gpu.sampling(cpu, small, gpu.MODES[1])["compile"] == "reduce-overhead"
    assert modes == ["reduce-overhead"] * 2


@pytest.mark.slow
def test_minutes_of_training_end_in_a_distance(monkeypatch):
    monkeypatch.setattr("benchmarks.minutes.PILOT", 1)
    pixels = gpu.images(64).x
    monkeypatch.setattr(
        "benchmarks.minutes.mnist", lambda train=True: Dataset(pixels if train else 255 - pixels, None, "")
    )
    found = gpu.learnt(0.001, gpu.SMALL)
    assert found["minutes"] == 0.001
    assert found["frechet_distance"]["times_floor"] > 0


@pytest.mark.slow
def test_processes_are_measured_together_and_alone():
    found = scaling.started(2, 1, rows=2, steps=1)
    assert found["processes"] == 2
    for way in ("none", "full"):
        assert found[f"efficiency, {way}"] == found["alone"] / found[way] > 0
    assert "none" not in scaling.started(1, 2, rows=2, steps=1)


def named(check, value):
    def found(_):
        return value, 0.5

    found.__name__ = check
    return found
