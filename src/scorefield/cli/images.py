"""Images, masks and measurements as the command line names them: a picture, an array, the number of an example, a half, a share, a blur."""

import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scorefield._checks import title
from scorefield._noise import derive_seed
from scorefield.cli.files import is_picture
from scorefield.cli.options import MASKS
from scorefield.data import read_array, read_image
from scorefield.errors import ConfigError
from scorefield.guidance import Blur, Downsample, LinearOperator, MatrixFree, Project, hidden_part
from scorefield.loaded import LoadedModel

_LIGHT = 128  # grey level from which a pixel of a mask picture is light
_ARRAYS = (".npy", ".npz")
_MOST = 4096  # random projections: a matrix of as many rows is held, and its square is decomposed


def read_truth(text: str, loaded: LoadedModel, data_dir: str | None) -> tuple[Float[Tensor, "1 *d"], str]:
    """Return the example called ``text``, in the units of the model's data, and its name for reports."""
    if re.fullmatch(r"[-+]?\d+", text):
        return _numbered(int(text), loaded, data_dir)
    path = Path(text)
    if path.suffix in _ARRAYS:
        return _array(path, loaded), path.name
    if not is_picture(loaded.event):
        raise ConfigError(
            f"--image {text}: {title(loaded.source)} draws samples of shape {loaded.event}, which no picture shows; give a .npy of "
            "that shape, or the number of a test example"
        )
    low, high = loaded.model.ends
    return low + (high - low) * _picture(path, loaded.event), path.name


def places(event: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a mask that covers all channels of an event; vectors have none."""
    return (1, *event[1:]) if len(event) > 1 else event


def read_mask(
    text: str, event: tuple[int, ...], seed: int, columns: Sequence[str] | None = None
) -> Bool[Tensor, "..."]:
    """Return the mask called ``text``: true where a coordinate is hidden; of shape (1, h, w) where it is in all channels of an image.

    Halves and bands are those of `scorefield.guidance.hidden_part`; ``bernoulli:P`` hides each pixel or coordinate with probability P; a
    picture hides where it is light, an array where it is not zero; names of a table's columns hide these columns.
    """
    image = len(event) == 3
    if text in MASKS and image:
        hidden = hidden_part(text, *event[1:])
    elif text.partition(":")[0] == "bernoulli":
        generator = torch.Generator().manual_seed(derive_seed(seed, "mask"))
        share = _parameter("--mask", text, "a share of hidden pixels between 0 and 1", lambda p: 0 < p < 1)
        hidden = torch.rand(places(event), generator=generator) < share
    elif Path(text).suffix in _ARRAYS:
        hidden = _hiding(Path(text), event)
    elif image:
        hidden = _drawn(text, event[1:])
    elif columns is not None and set(names := [name.strip() for name in text.split(",")]) <= set(columns):
        hidden = torch.tensor([column in names for column in columns], dtype=torch.bool)
    else:
        named = "" if columns is None else f", or names of columns ({', '.join(columns):.200})"
        raise ConfigError(
            f"--mask {text}: masks images, and samples have shape {event}; give bernoulli:0.6 or a .npy of that shape, true where hidden"
            f"{named}"
        )
    size = f"{event[1]} × {event[2]} pixels" if image else f"{math.prod(event)} coordinates"
    if not hidden.any():
        raise ConfigError(f"--mask {text}: hides nothing of {size}, so there is nothing to restore")
    if hidden.all():
        other = "another --seed hides others" if text.startswith("bernoulli") else "draw with scorefield sample instead"
        raise ConfigError(f"--mask {text}: hides all {size}; {other}")
    return hidden


def operator(text: str, event: tuple[int, ...], seed: int) -> LinearOperator:
    """Return the operator called ``text``.

    ``downsample:K`` takes means of K × K pixels, ``blur:S`` convolves with a Gaussian of standard deviation S pixels (edges wrap around),
    ``grey`` takes the mean of the colours, ``project:M`` M random vectors of N(0, I/D), D the numbers of an image. Of series and volumes
    the first two are along all axes but the channels', of vectors along the coordinates.
    """
    kind, count, axes = text.partition(":")[0], math.prod(event), max(1, len(event) - 1)
    if kind == "downsample":
        k = int(_parameter("--problem", text, "a whole number, at least 2", lambda k: k >= 2 and k.is_integer()))
        if any(side % k for side in event[-axes:]):
            raise ConfigError(
                f"--problem {text}: samples of shape {event} are not cut into blocks of {k}; give a divisor"
            )
        return Downsample(k, axes)
    if kind == "blur":
        return Blur.gaussian(
            _parameter("--problem", text, "a number of pixels above 0", lambda s: 0 < s < max(event)), axes
        )
    if kind == "project":
        most = min(count, _MOST)
        expected = f"a whole number from 1 to {most}"
        rows = int(_parameter("--problem", text, expected, lambda m: 1 <= m <= most and m.is_integer()))
        generator = torch.Generator().manual_seed(derive_seed(seed, "projections"))
        return Project(torch.randn(rows, count, generator=generator) / count**0.5, event)
    if text != "grey":
        raise ConfigError(f"--problem {text}: no such problem; give downsample:4, blur:1.5, grey or project:100")
    if len(event) == 1 or event[0] == 1:
        kind = "grey images" if is_picture(event) else f"samples of shape {event}"
        raise ConfigError(f"--problem grey: takes the mean of colours; the model draws {kind}")
    channels = event[0]
    return MatrixFree(lambda x: x.mean(1, keepdim=True), lambda v: v.repeat_interleave(channels, dim=1) / channels)


def _parameter(option: str, text: str, expected: str, fits: Callable[[float], bool]) -> float:
    """Return the number of "kind:number"."""
    try:
        value = float(text.partition(":")[2])
    except ValueError:
        value = math.nan  # which fits nowhere
    if not fits(value):
        raise ConfigError(f"{option} {text}: after the colon must stand {expected}")
    return value


def _numbered(index: int, loaded: LoadedModel, data_dir: str | None) -> tuple[Float[Tensor, "1 *d"], str]:
    """Return an example of the test set of the model's own data."""
    config = loaded.config.data
    data = config.at(data_dir).load(train=False)
    what = "images" if is_picture(loaded.event) else "examples"
    if not 0 <= index < len(data):
        raise ConfigError(
            f"--image {index}: {data.name} has {len(data)} test {what}; give a number from 0 to {len(data) - 1}"
        )
    if data.event != loaded.event:
        raise ConfigError(
            f"--image {index}: {data.name} has {what} of shape {data.event}; the model draws {loaded.event}"
        )
    x = data.scaled(torch.tensor([index]))
    if is_picture(loaded.event):
        _require_within(str(index), x, loaded)
    return x, f"{data.name} {index}"


def _pixels(option: str, path: Path, size: tuple[int, ...]) -> Float[Tensor, "c h w"]:
    """Return a picture of the model's height and width, values in [0, 255]."""
    x = torch.tensor(read_image(path), dtype=torch.float32)
    if x.shape[1:] != size:
        found, wanted = ("{} × {}".format(*sides) for sides in (x.shape[1:], size))
        raise ConfigError(
            f"{option} {path}: {found} pixels; the model draws {wanted} (height × width): cut or resize the picture"
        )
    return x


def _picture(path: Path, event: tuple[int, ...]) -> Float[Tensor, "1 c h w"]:
    """Return a picture in the shape of ``event``, values in [0, 1]."""
    x = _pixels("--image", path, event[1:]) / 255
    if len(x) > event[0] and not (x == x[:1]).all():
        raise ConfigError(f"--image {path}: has colours, and the model draws grey images; save it in grey")
    return x[: event[0]].expand(event)[None].clone()


def _array(path: Path, loaded: LoadedModel) -> Float[Tensor, "1 *d"]:
    """Return the example that an array holds, in the units of the model's data: bytes are levels of images, as they are in training."""
    x, (black, white) = read_array(path), loaded.model.ends
    numbers = len(loaded.event) == 1 or (loaded.model.units is not None and loaded.model.units.ends is not None)
    levels = x.dtype == torch.uint8 and (loaded.byte_decoder is not None or not numbers)
    x = black + (white - black) * (x.float() / 255) if levels else x.float()
    if x.shape == (1, *loaded.event):
        x = x[0]
    if x.shape != loaded.event:
        raise ConfigError(f"--image {path}: an array of shape {tuple(x.shape)}; the model draws {loaded.event}")
    if not torch.isfinite(x).all():
        raise ConfigError(f"--image {path}: holds NaN or infinite numbers; put any number where the mask hides")
    if loaded.byte_decoder is not None:
        _require_within(str(path), x, loaded)
    return x[None]


def _require_within(text: str, x: Tensor, loaded: LoadedModel) -> None:
    """Refuse an image of values that no image has on which the model was trained."""
    (low, high), (black, white) = (x.min().item(), x.max().item()), loaded.model.ends
    if low < black or high > white:
        raise ConfigError(
            f"--image {text}: values from {low:.4g} to {high:.4g}; the model's data lie in [{black:g}, {white:g}]"
        )


def _hiding(path: Path, event: tuple[int, ...]) -> Bool[Tensor, "..."]:
    """Return the mask that an array holds, of the shape of an event or of one of its channels."""
    values = read_array(path)
    if values.shape not in (event, places(event), event[1:]):
        raise ConfigError(f"--mask {path}: an array of shape {tuple(values.shape)}; samples have shape {event}")
    hidden = values != 0
    return hidden if hidden.ndim == len(event) else hidden[None]


def _drawn(text: str, size: tuple[int, ...]) -> Bool[Tensor, "1 h w"]:
    """Return the mask that a picture shows."""
    path = Path(text)
    if not path.suffix and not os.path.exists(path):
        raise ConfigError(f"--mask {text}: no such mask; give {', '.join(MASKS)}, bernoulli:0.6, or a picture's path")
    return _pixels("--mask", path, size).mean(0, keepdim=True) >= _LIGHT
