"""Settings of drawing from a trained model, and how samples end: latents are decoded to images, samples of 8-bit data to bytes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypedDict, get_args

import torch
from torch import Tensor

from scorefield._checks import one_of, title
from scorefield._noise import Stream
from scorefield.errors import ConfigError
from scorefield.grids import Grid
from scorefield.interop.diffusers_latent import LatentDecoder
from scorefield.likelihood import ByteDecoder
from scorefield.likelihood.decoder import Finish
from scorefield.models import Labels
from scorefield.networks.precision import Precision
from scorefield.samplers import AdaptiveODE, AdaptiveSDE
from scorefield.sampling import Sampler, Samples, Transition

Decode = Literal["draw", "counts", "mode", "none"]
"""How samples of 8-bit data end: bytes drawn, bytes drawn by counts alone where the decoder also has a network, the most probable bytes, or
the real numbers that the sampler arrived at."""


class Steering(TypedDict, total=False):
    """Settings of `scorefield.loaded.LoadedModel.steered` beside precision."""

    labels: Labels | None
    weight: float
    guide: float | None


class Drawing(TypedDict, total=False):
    """Settings of `scorefield.loaded.LoadedModel.sample` beside number, seed and labels."""

    weight: float
    guide: float | None
    sampler: Sampler | None
    grid: Grid | Tensor | None
    steps: int | None
    evaluations: int | None
    precision: Precision
    decode: Decode | None
    batch_size: int
    generator: Stream | None
    on_step: Callable[[Transition], object] | None


def suited(precision: Precision, sampler: Sampler) -> Precision:
    """Return the precision to draw in: "auto" is float32 for adaptive solvers, whose error estimate rounding would disturb."""
    return "fp32" if precision == "auto" and isinstance(sampler, AdaptiveODE | AdaptiveSDE) else precision


def ending(asked: Decode | None, decoder: ByteDecoder | None, source: Path) -> Decode:
    """Return how samples end: as asked, else as bytes drawn where the model of ``source`` has a decoder of bytes."""
    if asked is not None:
        one_of(get_args(Decode), asked, "decode")
    if decoder is None and asked not in (None, "none"):
        raise ConfigError(
            f'decode "{asked}": {title(source)} keeps no decoder of bytes; a run on 8-bit images gets one at its end (go on with a '
            'finished one to add it). "none" leaves samples as the sampler ends'
        )
    return asked or ("none" if decoder is None else "draw")


def in_pixels(made: Samples, decoder: LatentDecoder, batch_size: int) -> Samples:
    """Return draws of latents as images, so many decoded at a time."""

    def images(z: Tensor) -> Tensor:
        return torch.cat([decoder(part) for part in z.split(batch_size)])

    frames = None if made.trajectory is None else torch.stack([images(z) for z in made.trajectory])
    return replace(made, x=images(made.x), trajectory=frames)


def in_bytes(made: Samples, decoder: ByteDecoder, how: Finish, *, stream: str, rows: Sequence[int]) -> Samples:
    """Return samples as bytes, by one evaluation more (`scorefield.likelihood.ByteDecoder.finish`), in the data's units."""
    low, high = decoder.model.ends
    bytes_ = decoder.finish(made.x, how, stream=stream, rows=rows)
    x = low + (high - low) * (bytes_.to(made.x) / 255)
    way = None if made.trajectory is None else torch.cat([made.trajectory[:-1], x[None]])
    return replace(made, x=x, evaluations=made.evaluations + 1, trajectory=way)
