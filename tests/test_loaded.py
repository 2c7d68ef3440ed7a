"""Trained models by name: what `LoadedModel` promises."""

import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from scorefield import load_model
from scorefield.errors import ConfigError
from scorefield.loaded import LoadedModel, lowered
from scorefield.networks.precision import LowPrecision, Precision
from scorefield.preconditioning import Networked
from scorefield.samplers import AdaptiveODE
from scorefield.sampling import Samples

ADAPTIVE = AdaptiveODE(1e-2, 1e-2)


@pytest.mark.parametrize(
    ("name", "settings", "precision"),
    [
        ("digits", {}, "fp32"),
        pytest.param("digits", {"sampler": ADAPTIVE}, "fp32", marks=pytest.mark.slow),
        ("mnist", {"steps": 6}, "fp32"),
        pytest.param("mnist", {}, "fp32", marks=pytest.mark.slow),
        pytest.param("mnist-class", {"labels": 4, "weight": 1.0, "steps": 8}, "fp32", marks=pytest.mark.slow),
        ("digits", {}, "bf16"),
    ],
)
def test_a_sample_is_the_same_in_batches_of_1_7_and_64(
    name: str, settings: dict[str, Any], precision: Precision
) -> None:
    """Equal to 1e-6, where images are of order 1 and not rounded to bytes. Sample 4 of mnist is one that amplifies a last digit to 2e-4."""
    model = load_model(name)

    def drawn(seeds: Sequence[int], batch_size: int) -> torch.Tensor:
        return model.sample(seeds=seeds, batch_size=batch_size, precision=precision, decode="none", **settings).x

    many = drawn(range(8), 64)
    for size, seeds in {1: [0, 4], 7: range(8)}.items():
        torch.testing.assert_close(drawn(seeds, size), many[seeds], rtol=0, atol=1e-6)


def test_some_rows_of_a_draw_are_those_of_the_whole() -> None:
    model = load_model("digits")
    assert torch.equal(model.sample(4, seed=1, rows=range(2, 4)).x, model.sample(4, seed=1).x[2:])


def test_the_weaker_version_is_as_precise_as_the_model() -> None:
    model = lowered(load_model("mnist"))
    assert isinstance(model.model, Networked)
    assert isinstance(model.weak, Networked)
    assert type(model.weak.net) is type(model.model.net) is LowPrecision


def test_classes_are_measured_in_the_turn_in_which_they_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.Tensor] = []

    def sample(self: LoadedModel[Any], n: int, *, labels: torch.Tensor, **_: Any) -> Samples:
        asked.append(labels)
        return draw(self, n, steps=1)

    draw = LoadedModel.sample
    monkeypatch.setattr(LoadedModel, "sample", sample)
    monkeypatch.setattr("scorefield.loaded.evaluate_samples", lambda *_, **__: {})
    load_model("digits").evaluate(n=12, classes=[3, 5, 8])
    assert asked[0].tolist() == [3, 5, 8] * 4


def test_a_model_without_a_decoder_has_no_bytes_to_draw() -> None:
    """A shipped model is called by its name, not by the folder of the installation."""
    with pytest.raises(ConfigError, match=r'decode "mode": digits keeps no decoder of bytes'):
        replace(load_model("digits"), byte_decoder=None).sample(decode="mode")


@pytest.mark.parametrize("name", ["digits", pytest.param("mnist-class", marks=pytest.mark.slow)])
def test_a_loaded_model_goes_to_another_process(name: str) -> None:
    """Pickled and read where nothing of it is known yet, it draws the same."""
    loaded = load_model(name)
    code = (
        "import pickle, sys; loaded = pickle.load(sys.stdin.buffer); "
        "sys.stdout.buffer.write(pickle.dumps((loaded.config, loaded.sample(1, steps=1).x)))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(loaded), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    config, x = pickle.loads(done.stdout)  # noqa: S301 of our own child
    assert config == loaded.config
    assert torch.equal(x, loaded.sample(1, steps=1).x)
