"""The requests of the pages, and their bounds."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

NOISE = 0.05
"""Standard deviation of a measurement's noise."""
RESAMPLE = 4
"""Times that RePaint takes each step."""
ZETA = 1.0
"""Length of the pull of DPS."""
NAMES = {
    "n": "number of pictures",
    "label": "class",
    "weight": "guidance",
    "guide": "guidance",
    "size": "width",
    "noise": "noise level",
    "number": "number of the test picture",
}
"""Names on the pages of settings that requests name differently."""
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Encoded = Annotated[str, Field(max_length=6_000_000)]


class Ask(BaseModel):
    """What every request has."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    model: Annotated[str, Field(max_length=200)]


class Draw(Ask):
    """Samples."""

    n: Annotated[int, Field(ge=1, le=64)] = 16
    seed: Seed = 0
    sampler: Annotated[str, Field(max_length=40)] | None = None
    steps: Annotated[int, Field(ge=1, le=500)] | None = None
    label: Annotated[int, Field(ge=0, le=9999)] | Literal["all"] | None = None
    weight: Annotated[float, Field(ge=0, le=20)] = 0.0
    guide: Annotated[float, Field(ge=0, le=20)] | None = None


class Picture(Ask):
    """A picture of any size, to be cut to the model's."""

    image: Encoded


class Restore(Picture):
    """An image of the model's size that was measured."""

    problem: Literal["mask", "blur", "downsample"]
    mask: Encoded | None = None
    size: Annotated[float, Field(gt=0, le=64)] = 2.0
    method: Literal["replace", "repaint", "pigdm", "dps"] = "replace"
    n: Annotated[int, Field(ge=1, le=16)] = 6
    seed: Seed = 0
    steps: Annotated[int, Field(ge=1, le=500)]


class Explore(Picture):
    """An image of the model's size, and a noise level σ/α."""

    noise: Annotated[float, Field(gt=0, le=1e6)]
    seed: Seed = 0


class Likelihood(Picture):
    """An image of the model's size."""

    seed: Seed = 0
