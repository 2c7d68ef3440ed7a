"""Trained models by name: what `LoadedModel` promises."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from scorefield import load_model
from scorefield.errors import ConfigError
from scorefield.networks.precision import Precision
from scorefield.samplers import AdaptiveODE

ADAPTIVE = AdaptiveODE(1e-2, 1e-2)


@pytest.mark.parametrize(
    ("name", "settings", "precision"),
    [
        ("digits", {}, "fp32"),
        ("digits", {"sampler": ADAPTIVE}, "fp32"),
        ("mnist", {}, "fp32"),
        ("mnist-class", {"labels": 4, "weight": 1.0, "steps": 8}, "fp32"),
        ("digits", {}, "bf16"),
    ],
)
def test_a_sample_is_the_same_in_batches_of_1_7_and_64(
    name: str, settings: dict[str, Any], precision: Precision
) -> None:
    """Equal to 1e-6, where images are of order 1 and not rounded to bytes. Sample 4 of mnist is one that amplifies a last digit to 2e-4."""
    model, seeds = load_model(name), range(16)
    many = model.sample(seeds=seeds, batch_size=64, precision=precision, decode="none", **settings).x
    for size, few in {1: 5, 7: 14}.items():
        drawn = model.sample(seeds=seeds[:few], batch_size=size, precision=precision, decode="none", **settings).x
        torch.testing.assert_close(drawn, many[:few], rtol=0, atol=1e-6)


def test_a_model_without_a_decoder_has_no_bytes_to_draw() -> None:
    with pytest.raises(ConfigError, match=r'decode "mode": .* keeps no decoder of bytes'):
        replace(load_model("digits"), byte_decoder=None).sample(decode="mode")
