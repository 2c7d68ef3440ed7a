"""Grids and films of images. Black and white are the ``ends`` of the data's values: 0 and 1, or what `ScoreModel.ends` says."""

import math
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from scorefield._checks import ascending, numbers, reals, whole
from scorefield._replacing import replacing
from scorefield.errors import ConfigError

Ends = tuple[float, float]
UNIT: Ends = (0.0, 1.0)
VECTOR = (".pdf", ".svg")
FASTEST = 100
"""Frames a second: a .gif counts in hundredths."""
_SHORT_SIDE = 56  # pixels an image is enlarged to at least: an 8×8 digit should be seen without a lens


def to_unit(x: Float[Tensor, "n *d"], ends: Ends = UNIT) -> Float[Tensor, "n *d"]:
    """Return samples as the images they stand for: their ends brought to 0 and 1, what is beyond clamped."""
    low, high = ascending(ends, "ends", "black and white")
    return ((x - low) / (high - low)).clamp(0, 1)


def _images(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Return finite images that can be shown, on the CPU."""
    x = reals(x, "the values of a picture").float().cpu()
    if x.ndim != 4 or x.shape[1] not in (1, 3) or x.numel() == 0:
        raise ConfigError(
            f"a picture needs samples of shape (n, 1 or 3, h, w); received {tuple(x.shape)}; write .npz instead"
        )
    return x


def grid_image(x: Float[Tensor, "n c h w"], columns: int | None = None, ends: Ends = UNIT) -> Image.Image:
    """Return n images of one or three channels as one picture, row by row, enlarged by whole pixels.

    Raises:
        ConfigError: samples that are not images, bytes, or values that are not finite.
    """
    x = _images(x)
    n, c, h, w = x.shape
    columns = math.ceil(math.sqrt(n)) if columns is None else min(n, whole(columns, "columns", 1))
    rows = math.ceil(n / columns)
    gap = 1
    sheet = torch.ones(c, rows * (h + gap) + gap, columns * (w + gap) + gap)
    for k, image in enumerate(to_unit(x, ends)):
        top, left = gap + (k // columns) * (h + gap), gap + (k % columns) * (w + gap)
        sheet[:, top : top + h, left : left + w] = image
    pixels = (sheet * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    picture = Image.fromarray(pixels[:, :, 0] if c == 1 else pixels)
    zoom = max(1, round(_SHORT_SIDE / min(h, w)))
    return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)


def save_grid(path: str | Path, x: Float[Tensor, "n c h w"], columns: int | None = None, ends: Ends = UNIT) -> None:
    """Write `grid_image` to ``path``, by its extension; equal samples give equal bytes."""
    picture, path = grid_image(x, columns, ends), Path(path)
    if path.suffix not in VECTOR:
        with replacing(path) as place:
            picture.save(place)
        return
    from scorefield.plotting.panels import picture_row  # matplotlib, where it is needed

    picture_row(path, {"": picture}, height=picture.height / 150)


def save_film(path: str | Path, trajectory: Float[Tensor, "f n c h w"], fps: int = 12, ends: Ends = UNIT) -> None:
    """Write a .gif or .mp4 of a grid of images on their way from noise to data, the last frame held.

    Each frame is shown on its own scale, its 1st to 99th percentile, until the noise has come down to the data's range: noise of
    standard deviation 80 clamped to the range of the data would be a flicker of black and white.

    Raises:
        ConfigError: another extension, .mp4 without the ``video`` extra, or what cannot be shown.
    """
    save_frames(path, _film(trajectory, fps, ends), fps)


def save_frames(path: str | Path, frames: list[Image.Image], fps: int, colours: int = 0) -> None:
    """Write frames as .gif, with no more than so many ``colours`` if that is not 0, or as .mp4."""
    path = Path(path)
    if path.suffix == ".gif":
        if colours:
            palette = frames[-1].quantize(colours)
            frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
        with replacing(path) as place:
            place.write_bytes(_gif(frames, fps))
    elif path.suffix == ".mp4":
        _save_mp4(path, frames, fps)
    else:
        raise ConfigError(f"a film is written as .gif or .mp4; received {path.name}")


def gif(trajectory: Float[Tensor, "f n c h w"], fps: int = 12, ends: Ends = UNIT) -> bytes:
    """Return the film of `save_film` as the bytes of a .gif."""
    return _gif(_film(trajectory, fps, ends), fps)


def _gif(frames: list[Image.Image], fps: int) -> bytes:
    written = BytesIO()
    more = {"append_images": frames[1:], "duration": round(1000 / fps), "loop": 0, "optimize": True}
    frames[0].save(written, format="GIF", save_all=True, **more)
    return written.getvalue()


def _film(trajectory: Float[Tensor, "f n c h w"], fps: int, ends: Ends) -> list[Image.Image]:
    """Return the frames, the last one held for a second."""
    whole(fps, "fps", 1, FASTEST)
    way = numbers(trajectory, "the states of a film")
    if way.ndim != 5 or not len(way):
        raise ConfigError(
            f"a film needs states of shape (frames, n, 1 or 3, h, w), as sample(..., frames=N) keeps; received {tuple(way.shape)}"
        )
    frames = [grid_image(exposed(frame, ends)) for frame in way]
    return frames + [frames[-1]] * fps


def exposed(frame: Float[Tensor, "n c h w"], ends: Ends = UNIT) -> Float[Tensor, "n c h w"]:
    """Return images with their range, 1st to 99th percentile and at least the ends, brought to [0, 1]."""
    frame, (black, white) = _images(frame), ascending(ends, "ends", "black and white")
    low, high = torch.quantile(frame.flatten()[:100_000], torch.tensor([0.01, 0.99])).tolist()
    low, high = min(low, black), max(high, white)
    return (frame - low) / (high - low)


def _save_mp4(path: Path, frames: list[Image.Image], fps: int) -> None:
    try:
        import imageio.v2 as imageio
    except ImportError as error:
        raise ConfigError(
            "writing .mp4 needs the video extra: pip install 'scorefield[video]'; or write .gif"
        ) from error
    with imageio.get_writer(path, fps=fps, macro_block_size=None, codec="libx264", pixelformat="yuv420p") as writer:
        for frame in frames:
            pixels = np.asarray(frame.convert("RGB"))
            even = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]  # yuv420p wants even sides
            writer.append_data(even)  # pyright: ignore[reportAttributeAccessIssue] every writer has it
