"""The parts of answers: values of pixels, samples on their way, files."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield.app.jobs import Job
from scorefield.app.pictures import encoded, sprite
from scorefield.app.shelf import Entry
from scorefield.sampling import Samples

Answer = dict[str, Any]
Work = Callable[[Job[Answer]], Answer]

FRAMES = 40
"""As the command's ``--frames``."""


def valued(image: Tensor, ends: tuple[float, float]) -> Float[Tensor, "n c h w"]:
    """Return bytes as the values of the model's data."""
    low, high = ends
    return low + (high - low) * (image.float() / 255)


def filmed(drawn: Samples, entry: Entry) -> Answer:
    """Return samples on their way, as pictures, with the noise level of each."""
    assert drawn.trajectory is not None  # noqa: S101 for the type checker: frames were asked for
    last = len(drawn.times)
    kept = sorted(set(torch.linspace(0, last, FRAMES).round().int().tolist()))  # as `sample` keeps them
    ratios = [*entry.loaded.model.process.ratio(drawn.times).tolist(), 0.0]
    trajectory = drawn.trajectory.cpu()
    return {
        "trajectory": trajectory,
        "sprite": encoded(sprite(trajectory, entry.loaded.model.ends)),
        "shape": trajectory.shape,
        "noise": [ratios[k] for k in kept],
        "evaluations": drawn.evaluations,
    }


def told(files: dict[str, bytes], seconds: float | None = None) -> Answer:
    """Return files for the browser, and the seconds that the work took."""
    return {"files": {name: encoded(file) for name, file in files.items()}, "seconds": seconds}
