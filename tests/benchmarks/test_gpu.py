"""The script for a GPU runs in small on a CPU, so that it works where there is one; its checks hold there too."""

import torch

from benchmarks import gpu


def test_the_script_runs_and_checks_itself(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr("benchmarks.noise.SIZES", {"few": (4, (2,))})
    found = gpu.main("cpu", gpu.SMALL)
    assert found["failed"] == []
    assert found["checks"]["losses"]["value"] == found["checks"]["drawings"]["value"] == 0  # the CPU beside itself
    assert found["training"][0]["images/s"] > 0
    assert found["sampling"]["evaluations"] == 33


def test_what_is_beyond_its_bound_is_named(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr("benchmarks.noise.SIZES", {"few": (4, (2,))})
    for check in ("losses", "drawings", "lowered"):
        monkeypatch.setattr(gpu, check, named(check))
    assert gpu.main("cpu", gpu.SMALL)["failed"] == ["losses", "drawings", "lowered"]


def named(check):
    def beyond(_):
        return 1.0, 0.5

    beyond.__name__ = check
    return beyond
