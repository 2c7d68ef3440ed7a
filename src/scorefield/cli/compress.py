"""``scorefield compress``: images to a file about as short as the model allows, and back."""

import io
import json
import lzma
import math
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from scorefield.cli.console import Progress, tell_device, warn
from scorefield.cli.files import is_picture, writable, written
from scorefield.cli.options import Whole1, command, data_dir, device, model, report
from scorefield.errors import ConfigError, DataError

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from torch import Tensor

    from scorefield.likelihood import ByteDecoder
    from scorefield.loaded import LoadedModel

_NEAR = 1.2  # times the bound: what is longer can be made shorter


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    parser = command(
        "Write 8-bit images to a file about as long as the variational bound of the model, by bits-back coding along its diffusion, or "
        "restore them from it, byte for byte. A file begins with random bits for its first image, a cost that many images share. "
        "Runs on one thread unless --threads says more: decoding must round as encoding did."
    )
    parser.set_defaults(threads=1)
    model(parser)
    parser.option("-n --n N", "how many held-out images", Whole1, default=100, rival=True)
    parser.option("--seed", "decides which images are chosen", int, default=0)
    parser.option("--images FILE", "compress these instead: a .npy of bytes, of shape (n, c, h, w)", rival=True)
    parser.option("--decode FILE", "restore the images of this compressed file", rival=True)
    parser.option("--steps N", "steps of the diffusion; more give shorter files", Whole1, default=100)
    parser.option("--batch N", "images at a time", Whole1, default=16)
    parser.option("--out FILE", "file to write; images.bits by default, images.npy with --decode")
    device(parser)
    data_dir(parser, test=True)
    report(parser)
    return parser


def run(args: Namespace) -> int:
    """Compress or decompress, write, print; return the exit code."""
    import numpy as np
    import torch

    from scorefield.cli.shared import once, shared
    from scorefield.config import refusals
    from scorefield.data._files import regular_file
    from scorefield.likelihood import compress, decompress
    from scorefield.likelihood.compression import opened
    from scorefield.pretrained import load_model
    from scorefield.training import OneProcess, environment, pick_device

    decoding = args.decode is not None
    name, kinds = ("images.npy", (".npy",)) if decoding else ("images.bits", ())
    out = writable(args.out or name, kinds, read=(args.images, args.decode))
    place = pick_device(args.device)
    loaded = load_model(args.model, place, warn=warn)
    loaded.require_score("compression")
    decoder, began, beside = loaded.byte_decoder, time.perf_counter(), dict[str, Any]()
    if decoder is None:
        raise ConfigError(f"{args.model}: keeps no decoder of bytes; a run on 8-bit images gets one at its end")
    tell_device(args.device)
    if decoding:
        data = regular_file(args.decode, "a file of compressed images").read_bytes()
        try:
            with Progress(opened(data)[0]["n"], "decoding", unit="images") as progress:
                images = decompress(decoder, data, loaded.event, on_image=progress.advance)
        except DataError as error:
            raise DataError(f"{args.decode}: {error}") from error
        with written(out) as file:
            np.save(file, images.numpy())
    else:
        images = _images(args, loaded)
        decides = {"steps": args.steps, "batch": args.batch, "threads": torch.get_num_threads(), "device": str(place)}
        with shared(OneProcess(place), out, loaded, decides, images) as each:
            with refusals("compress"), Progress(len(images), "coding", unit="images") as progress:
                coding = partial(compress, steps=args.steps, batch=args.batch, on_image=progress.advance)
                data = once(each, "coded", lambda: coding(decoder, images))
            with written(out) as file:
                file.write_bytes(data)
            beside = {"steps": args.steps, "bound": _bound(decoder, images.to(place), args.batch)}
            beside["bytes_per_image_of_others"] = _of_others(images, picture=is_picture(loaded.event))
    told = {"out": str(out), "model": args.model, "n": len(images), "bytes": len(data)}
    told |= {"bytes_per_image": len(data) / len(images), "bits_per_dim": 8 * len(data) / images.numel()}
    told |= {**beside, "seconds": round(time.perf_counter() - began, 1), "environment": environment(place)}
    print(json.dumps(told) if args.json else _rendered(told))
    return 0


def _images(args: Namespace, loaded: "LoadedModel") -> "UInt8[Tensor, 'n *d']":
    """Return the images to compress."""
    from scorefield.data import read_array
    from scorefield.evaluation import real_data

    if args.images is None:
        config = loaded.config.data.at(args.data_dir, args.test)
        images = real_data(config, loaded.event, args.n, seed=args.seed, trained=False).reference.x
    else:
        images = read_array(args.images)
    if images.shape[1:] != loaded.event or str(images.dtype) != "torch.uint8":
        raise ConfigError(
            f"{args.images or loaded.config.data.kind}: {images.dtype} of shape {tuple(images.shape)}; the model needs images of bytes, "
            f"torch.uint8 of shape (n, {', '.join(map(str, loaded.event))})"
        )
    return images


def _bound(decoder: "ByteDecoder", images: "UInt8[Tensor, 'n *d']", batch: int) -> dict[str, float]:
    """Return the model's variational bound of the images: the length that compression approaches as its steps become more."""
    import torch

    from scorefield.likelihood import variational_bound

    parts = enumerate(images.split(batch))
    bits = torch.cat([variational_bound(decoder.model, part, decoder, seed=k) for k, part in parts]).mean().item()
    return {"bytes_per_image": bits * images[0].numel() / 8, "bits_per_dim": bits}


def _of_others(images: "UInt8[Tensor, 'n *d']", *, picture: bool) -> dict[str, float]:
    """Return how many bytes an image takes in other formats: all images one after another by xz, and as pictures."""
    alike = lzma.compress(images.numpy().tobytes(), preset=9 | lzma.PRESET_EXTREME)
    return {"xz": len(alike) / len(images), **(_pictures(images) if picture else {})}


def _pictures(images: "UInt8[Tensor, 'n c h w']") -> dict[str, float]:
    """Return how many bytes an image takes as PNG and as lossless WebP: each a file of its own, and all in one picture, side by side."""
    import torch
    from PIL import Image

    settings = {"PNG": {"optimize": True}, "WebP": {"lossless": True, "quality": 100, "method": 6}}
    rows = images.permute(0, 2, 3, 1)  # pixels with their channels last
    side = math.ceil(len(rows) ** 0.5)
    blank = rows.new_zeros(side**2 - len(rows), *rows.shape[1:])
    wall = torch.cat([rows, blank]).unflatten(0, (side, side)).transpose(1, 2).flatten(2, 3).flatten(0, 1)

    def size(pixels: "Tensor", kind: str) -> int:
        file = io.BytesIO()
        Image.fromarray(pixels.squeeze(-1).numpy()).save(file, kind, **settings[kind])
        return file.tell()

    found = {kind: sum(size(one, kind) for one in rows) / len(rows) for kind in settings}
    return found | {f"{kind}, all in one": size(wall, kind) / len(rows) for kind in settings}


def _rendered(told: dict[str, Any]) -> str:
    """Return the report as lines."""
    lines = ["{out}: {n} images, {bytes} bytes: {bytes_per_image:.1f} each, {bits_per_dim:.4g} bits/dim".format(**told)]
    if "bound" in told:
        bound = "{bytes_per_image:.1f} bytes each, {bits_per_dim:.4g} bits/dim".format(**told["bound"])
        lines += [f"{'variational bound':>20}: {bound}"]
        lines += [f"{kind:>20}: {size:.1f} bytes each" for kind, size in told["bytes_per_image_of_others"].items()]
        if told["bytes_per_image"] > _NEAR * told["bound"]["bytes_per_image"]:
            lines.append(f"More images share what the first costs; more --steps than {told['steps']} shorten the rest.")
    return "\n".join(lines)
