"""Pictures as they travel: base64 of a PNG, from the browser and to it."""

import base64
import binascii
import threading
from io import BytesIO

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from scorefield.data import decode_image
from scorefield.errors import ConfigError
from scorefield.plotting.images import exposed, to_unit

_PIXELS = 2**24  # of an upload: a photograph, and no bomb
_DECODING = threading.Lock()  # one at a time: what a decoder does with warnings, all threads share
_LIGHT = 128  # grey level from which a pixel of a mask is hidden


def picture_of(text: str, event: tuple[int, ...], *, cut: bool = False) -> UInt8[Tensor, "c h w"]:
    """Return a picture that was sent in base64, in the model's shape (c, h, w); with ``cut`` to the central square, resized, if need be."""
    channels, height, width = event
    try:
        file = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError("picture: expected the base64 of a PNG; received something else") from error
    size = height if cut and height == width else None
    with _DECODING:
        x = torch.from_numpy(np.array(decode_image(file, "picture", size, _PIXELS)))
    if x.shape[1:] != (height, width):
        found = "{} × {}".format(*x.shape[1:])
        raise ConfigError(f"picture: {found} pixels; the model draws {height} × {width} (height × width)")
    if len(x) > channels:
        return x.float().mean(0, keepdim=True).round().to(torch.uint8)
    return x.expand(event).clone()


def hidden_of(text: str, event: tuple[int, ...]) -> Bool[Tensor, "1 h w"]:
    """Return the mask that was sent as a picture: true, for hidden, where it is light."""
    hidden = picture_of(text, (1, *event[1:])) >= _LIGHT
    if hidden.all() or not hidden.any():
        found = "everything; leave some pixels uncovered" if hidden.all() else "nothing; paint over some pixels"
        raise ConfigError(f"mask: hides {found}")
    return hidden


def packed(image: Image.Image) -> bytes:
    """Return a picture as the bytes of a PNG."""
    written = BytesIO()
    image.save(written, format="PNG")
    return written.getvalue()


def png(x: Float[Tensor, "c h w"] | UInt8[Tensor, "c h w"]) -> bytes:
    """Return an image, of bytes or in [0, 1], as the bytes of a PNG of as many pixels."""
    pixels = x if x.dtype == torch.uint8 else (x.float().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
    rows = pixels.permute(1, 2, 0).contiguous().numpy()
    return packed(Image.fromarray(rows[:, :, 0] if len(x) == 1 else rows))


def sprite(frames: Float[Tensor, "f n c h w"], ends: tuple[float, float]) -> bytes:
    """Return images on their way as one PNG: a row per frame, each on its own scale as in `scorefield.plotting.save_film`."""
    rows = [torch.cat(to_unit(exposed(frame.float().cpu(), ends)).unbind(0), dim=2) for frame in frames]
    return png(torch.cat(rows, dim=1))


def arrays(**named: Tensor) -> bytes:
    """Return arrays as the bytes of an .npz."""
    written = BytesIO()
    np.savez_compressed(written, allow_pickle=False, **{name: x.cpu().numpy() for name, x in named.items()})
    return written.getvalue()


def encoded(file: bytes) -> str:
    """Return the base64 of a file."""
    return base64.b64encode(file).decode()
