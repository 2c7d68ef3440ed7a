r"""Images in as many bits as the diffusion says they need: a file that is as long as `variational_bound`, and decodes to the same bytes.

The chain of noisy states is coded with bits back (`scorefield.likelihood.ladder`), a batch of images at a time.

Encoder and decoder must compute the same network outputs to the last bit: on the same kind of machine, with the same number of threads, in
the same batches. A file says what the network made of a fixed input, and is refused where it makes anything else of it.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from scorefield._noise import Noise
from scorefield._tensors import evaluating, home
from scorefield.errors import DataError
from scorefield.likelihood.cells import check_bytes
from scorefield.likelihood.decoder import ByteDecoder
from scorefield.likelihood.ladder import Ladder
from scorefield.likelihood.stack import Stack
from scorefield.preconditioning import Denoiser

_KIND = b"scorefield images "
_MAGIC = _KIND + b"2\n"
_HEADER = 1000  # bytes, at most
_ALONE = 12  # images that leave the bits of which the states of one more are drawn
_LIMITS = {"n": 10**9, "steps": 10_000, "batch": 1024}


def compress(
    decoder: ByteDecoder,
    images: UInt8[Tensor, "b *d"],
    *,
    steps: int = 100,
    batch: int = 16,
    on_image: Callable[[], object] = lambda: None,
) -> bytes:
    """Return images compressed to the bytes of a file, from which `decompress` restores them.

    Args:
        decoder: of the model.
        images: bytes.
        steps: T; more come nearer to the bound, and take longer.
        batch: images coded at once, for speed; the first ones are coded alone, since the states of a batch are drawn from bits that must
            be there. Those of the first image are random: a cost that the images of a file share.
        on_image: called for each image, when those it is coded with are done.

    Cost: steps + 1 evaluations per image; as many to decode.

    Raises:
        ValueError: images not of bytes, or none, or settings outside of their limits.
    """
    check_bytes(images)
    said = {"n": len(images), "steps": steps, "batch": batch}
    for name, value in said.items():
        if not 1 <= value <= _LIMITS[name]:
            raise ValueError(f"{name} must be between 1 and {_LIMITS[name]}; received {value}")
    shape = tuple(images.shape[1:])
    ladder, stack = Ladder(decoder, steps, shape), Stack()
    for number, part in reversed([*enumerate(images.cpu().split(_sizes(len(images), batch)))]):
        ladder.push(stack, part, number)
        for _ in part:
            on_image()
    head = said | {"fingerprint": _fingerprint(decoder, said, shape)}
    return _MAGIC + json.dumps(head).encode() + b"\n" + stack.written()


def decompress(
    decoder: ByteDecoder, data: bytes, shape: Sequence[int], *, on_image: Callable[[], object] = lambda: None
) -> UInt8[Tensor, "b *d"]:
    """Return the images of a file of `compress`.

    Args:
        decoder: the one they were compressed with.
        data: the file.
        shape: of an image.
        on_image: called for each image, when those it is coded with are done.

    Raises:
        DataError: another kind of file, one of another model or machine, one that is damaged.
    """
    said, fingerprint, body = opened(data)
    stack = Stack.read(body)
    known = next((d for d in _editions(decoder) if _fingerprint(d, said, shape) == fingerprint), None)
    if known is None:
        raise DataError(
            "compressed with another model, or on a machine where its outputs differ. Decode with the same model, on the same kind of "
            "machine, with the same versions and as many threads: its outputs must agree in every bit"
        )
    ladder, found = Ladder(known, said["steps"], shape), []
    for number, size in enumerate(_sizes(said["n"], said["batch"])):
        found.append(ladder.pop(stack, size, number))
        for _ in range(size):
            on_image()
    if not stack.empty:
        raise DataError("decoding did not end in the state in which encoding began: the file is damaged")
    return torch.cat(found)


def opened(data: bytes) -> tuple[dict[str, int], str, bytes]:
    """Return what the head of a file says, checked: settings and fingerprint; and what follows it."""
    line, found, _ = data[len(_MAGIC) : len(_MAGIC) + _HEADER].partition(b"\n")
    try:
        head: dict[str, Any] = dict(json.loads(line)) if data.startswith(_MAGIC) and found else {}
    except (ValueError, TypeError, RecursionError):
        head = {}
    if data.startswith(_KIND) and not data.startswith(_MAGIC):
        form = data[len(_KIND) : len(_KIND) + 9].partition(b"\n")[0].decode("ascii", "replace")
        raise DataError(f"images of form {form!r}; this version reads form '2': use the one that wrote them")
    named = {name: head.get(name) for name in _LIMITS}
    said = {name: value for name, value in named.items() if type(value) is int and 1 <= value <= _LIMITS[name]}
    if len(said) < len(_LIMITS):
        raise DataError(
            f"not a file of compressed images: it does not begin as one{f', but with {str(named)[:100]}' if head else ''}"
        )
    body = data[len(_MAGIC) + len(line) + 1 :]
    if said["n"] > 8 * len(body):
        raise DataError(f"{said['n']} images cannot be in {len(body)} bytes: the file is cut off or damaged")
    return said, str(head.get("fingerprint")), body


def _editions(decoder: ByteDecoder) -> Iterator[ByteDecoder]:
    """Yield the decoder, and what it was before its model gained a network of it, or the mean of every pixel."""
    yield from (decoder, decoder.counted)
    model = decoder.model
    if isinstance(model, Denoiser) and model.moments is not None and model.moments.mean.ndim:
        before = model._with()
        before.moments = model.overall
        yield from (ByteDecoder.stored(before, each.tensors) for each in (decoder, decoder.counted))


def _fingerprint(decoder: ByteDecoder, said: Mapping[str, int], shape: Sequence[int]) -> str:
    """Return a hash of the decoder, and of what its model makes of noise at three levels in a batch of the size that will be decoded.

    Where sampling starts is part of the code; as one number for all coordinates, which the model's function holds, it was never hashed.
    """
    model, digest = decoder.model, hashlib.blake2b(digest_size=8)
    noise = Noise(
        range(max(_sizes(said["n"], said["batch"]))), shape, stream="fingerprint", device=home(model)
    ).normal()
    for t in torch.linspace(decoder.t, model.process.t_max, 3, dtype=torch.float64):
        with torch.no_grad(), evaluating(model):
            denoised = model.denoise(model.process.perturb(torch.zeros_like(noise), t, noise), t)
        digest.update(denoised.cpu().numpy().tobytes())
    for tensor in decoder.tensors.values():
        digest.update(tensor.numpy().tobytes())
    if model.moments is not None and model.moments.mean.ndim:
        for moment in model.moments.tensors.values():
            digest.update(moment.cpu().numpy().tobytes())
    return digest.hexdigest()


def _sizes(n: int, batch: int) -> list[int]:
    """Return how many images are decoded at once: as many as are asked for, fewer and fewer towards the end, where encoding begins."""
    sizes, done = [], 0
    while done < n:
        sizes.append(min(batch, 1 + done // _ALONE, n - done))
        done += sizes[-1]
    return sizes[::-1]
