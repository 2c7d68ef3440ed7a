"""Compressed images decode to the same bytes from a file as long as the diffusion says, and what is no such file is refused."""

import functools
import math

import numpy as np
import pytest
import torch

from scorefield import VE, VP, Empirical, Exact, Gaussian, Process, Units, load_model
from scorefield.errors import DataError
from scorefield.likelihood import ByteDecoder, compress, decompress
from scorefield.likelihood.lattice import Bell, Lattice
from scorefield.likelihood.stack import PRECISION, Stack
from scorefield.units import Moments


def test_what_is_popped_is_what_was_pushed_and_its_length_what_it_says() -> None:
    """To a thousandth of Σ −log₂ of the probabilities, whatever they are, however many symbols come at once."""
    random, stack = np.random.default_rng(0), Stack()
    begun, pushed, bits = len(stack.written()), [], 0.0
    for count in (1, 16, 17, 40) * 50:
        width = np.minimum(1 << random.integers(PRECISION + 1, size=count), (1 << PRECISION) - 1)
        start = random.integers((1 << PRECISION) - width)
        stack.push((start, width))
        pushed.append((start, width))
        bits += (PRECISION - np.log2(width)).sum()
    written = stack.written()
    assert abs(8 * (len(written) - begun) - bits) < 0.001 * bits + 16 * 32  # a head says more than it is long, or less
    again = Stack.read(written)
    for start, width in reversed(pushed):

        def find(number, part, start=start, width=width):
            assert ((start[part] <= number) & (number < start[part] + width[part])).all()
            return start[part], (start[part], width[part])

        assert (again.pop(len(start), find) == start).all()
    assert again.empty


@pytest.mark.parametrize("drawn", [True, False])
def test_points_drawn_of_a_lattice_are_gaussian_and_their_bits_come_back(drawn: bool) -> None:
    """Moments of 40 000 points, at level 6e-5; what was borrowed to draw them is all there is when they are pushed again."""
    bell, stack, n = Bell(Lattice.over(-6.0, 9.0, 0.25), 1.0, drawn), Stack(), 40_000
    mean = np.linspace(-2.0, 2.0, n)
    shift = np.random.PCG64(5).random_raw(n) >> np.uint64(64 - PRECISION)
    k = bell.pop(stack, mean, shift)
    z = -6.0 + 0.25 * k - mean
    assert abs(z.mean()) < 4 / n**0.5
    assert abs(z.var() - 1 - 0.25**2 / 12) < 4 * (2 / n) ** 0.5
    assert abs(np.corrcoef(z[:-16], z[16:])[0, 1]) < 4 / n**0.5  # of one head, one after the other
    assert not stack.empty
    bell.push(stack, k, mean, shift)
    assert stack.empty
    far = np.array([-6.0, 9.0]), np.array([61, 0])  # nothing is impossible, but what is drawn
    if drawn:
        with pytest.raises(DataError, match="damaged"):
            bell.push(stack, far[1], far[0])
        return
    bell.push(stack, far[1], far[0])
    assert (bell.pop(stack, far[0]) == far[1]).all()


def test_no_point_is_drawn_far_from_its_mean() -> None:
    """Of a lattice of 64 000 points a number each would be one draw in a thousand: forty of these, hundreds of bits each."""
    bell = Bell(Lattice.over(-8000.0, 8000.0, 0.25), 1.0, drawn=True)
    z = -8000.0 + 0.25 * bell.pop(Stack(), np.zeros(40_000))
    assert np.abs(z).max() < 6  # beyond which lie 2e-9 of a Gaussian


STD, SIZE, STEPS = 0.1, 64, 15


@functools.cache
def known(process: Process) -> tuple[ByteDecoder, torch.Tensor]:
    """Return the decoder of images of independent Gaussian pixels, and such images."""
    law = Gaussian(torch.full((1, 8, 8), 0.5, dtype=torch.float64), STD**2)
    y = law.sample(2048, torch.Generator().manual_seed(0)).clamp(0, 1 - 1e-6)
    images = (256 * y).to(torch.uint8)
    return ByteDecoder(Exact(law, process), images[28:], ratio=0.02), images[:28]


@pytest.mark.promise("D10")
@pytest.mark.parametrize("process", [VE(0.001, 10.0), pytest.param(VP(), marks=pytest.mark.slow)])
def test_a_file_of_gaussian_images_is_as_long_as_its_steps_say(process: Process) -> None:
    """Σ_t ½ (1/ρ_s² − 1/ρ_t²) E‖x − D(x_t)‖² nats, in closed form, and the bytes' own; within 2 %, four standard errors of 24 images.

    The images' entropy is less, by what so few steps cost and by what the decoder's table of counts does not know.
    """
    decoder, images = known(process)
    few, many = (compress(decoder, images[:n], steps=STEPS, batch=1) for n in (4, 28))
    assert torch.equal(decompress(decoder, few, (1, 8, 8)), images[:4])
    bits = 8 * (len(many) - len(few)) / 24 / SIZE
    high = process.ratio(torch.tensor(process.t_max, dtype=torch.float64)).item()
    rho = torch.linspace(0.02 ** (-1 / 3), high ** (-1 / 3), STEPS + 1, dtype=torch.float64) ** -3
    error = STD**2 * rho**2 / (STD**2 + rho**2)
    steps = (0.5 * (rho[:-1] ** -2 - rho[1:] ** -2) * error[1:]).sum().item() / math.log(2)
    z, _ = decoder.noised(images, seed=0)
    bytes_ = -decoder.log_prob(images, z).mean().item() / SIZE / math.log(2)
    assert bits == pytest.approx(steps + bytes_, rel=0.02)
    entropy = math.log2(256 * STD * math.sqrt(2 * math.pi * math.e))
    assert 0.98 * entropy < bits < 1.1 * entropy


@pytest.mark.slow
def test_a_file_of_known_images_is_as_long_as_their_entropy() -> None:
    """Of sixteen images one costs four bits, and at a hundred steps 12 % more; of one in two, one in four … 1.875, within 0.5."""
    images = torch.randint(0, 256, (16, 1, 2, 2), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    halves = images[:5].repeat_interleave(torch.tensor([8, 4, 2, 1, 1]), 0)
    for law, entropy, most in ((images, 4.0, 4.7), (halves, 1.875, 2.4)):
        model = Exact(Empirical((law.double() + 0.5) / 256), VE(0.001, 10.0))
        decoder, x = ByteDecoder(model, law.repeat(200, 1, 1, 1), ratio=0.02), law.repeat(20, 1, 1, 1)
        few, many = (compress(decoder, x[:n], batch=8) for n in (80, 320))
        assert entropy - 0.3 < 8 * (len(many) - len(few)) / 240 < most


def test_a_network_of_the_decoder_is_part_of_the_code_and_files_from_before_it_are_read() -> None:
    decoder, images = known(VE(0.001, 10.0))
    better = decoder.with_network(images, steps=2, width=8)
    for each in (better, decoder):
        assert torch.equal(decompress(better, compress(each, images[:2], steps=2, batch=1), (1, 8, 8)), images[:2])
    with pytest.raises(DataError, match="another model"):
        decompress(decoder, compress(better, images[:2], steps=2, batch=1), (1, 8, 8))


def test_files_from_before_the_mean_of_every_pixel_are_read() -> None:
    loaded = load_model("digits")
    assert loaded.byte_decoder is not None
    images = torch.randint(0, 256, (2, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    before = loaded.byte_decoder
    since = loaded.model._with()
    since.moments = Moments(images[0].double() / 255, torch.full((1, 8, 8), 0.25).double())
    after = ByteDecoder.stored(since, before.tensors)
    for each in (before, after):
        assert torch.equal(decompress(after, compress(each, images, steps=2, batch=1), (1, 8, 8)), images)
    with pytest.raises(DataError, match="another model"):
        decompress(before, compress(after, images, steps=2, batch=1), (1, 8, 8))


def test_a_wrong_score_makes_a_longer_file() -> None:
    decoder, images = known(VE(0.001, 10.0))
    wrong = Exact(Gaussian(torch.full((1, 8, 8), 0.5, dtype=torch.float64), (3 * STD) ** 2), VE(0.001, 10.0))
    right, longer = (
        len(compress(ByteDecoder.stored(model, decoder.tensors), images[:8], steps=10, batch=1))
        for model in (decoder.model, wrong)
    )
    assert longer > right + 8 * SIZE * 0.5 / 8  # half a bit a pixel


@pytest.mark.slow
def test_images_at_once_do_not_begin_from_more_bits_than_one() -> None:
    """The states of 28 images drawn at once would take 28 · 64 bytes and more that stand for nothing."""
    decoder, images = known(VE(0.001, 10.0))
    one, all_ = (len(compress(decoder, images, steps=3, batch=batch)) for batch in (1, 28))
    assert all_ < one + 100


def test_a_network_in_other_units_in_uneven_batches_decodes_to_the_same_bytes() -> None:
    loaded = load_model("digits")
    assert loaded.byte_decoder is not None
    images = torch.randint(0, 256, (9, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    images[0], images[1] = 0, 255
    other = loaded.model.in_units(Units(torch.tensor(-0.5), torch.tensor(256.0), ends=(0.0, 255.0)))
    for model in (loaded.model, other):
        decoder = ByteDecoder.stored(model, loaded.byte_decoder.tensors)
        data = compress(decoder, images, steps=4, batch=3)
        assert torch.equal(decompress(decoder, data, (1, 8, 8)), images)


@functools.cache
def compressed() -> tuple[ByteDecoder, bytes]:
    decoder, images = known(VE(0.001, 10.0))
    return decoder, compress(decoder, images[:3], steps=3, batch=2)


@pytest.mark.promise("E3")
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: b"", "does not begin as one"),
        (lambda data: data[:40], "does not begin as one"),
        (lambda data: data.replace(b"images 2", b"images 1"), "images of form '1'; this version reads form '2'"),
        (lambda data: data.replace(b'"n": 3', b'"n": ' + b"3" * 900), "does not begin as one, but with {.{99}$"),
        (lambda data: data.replace(b'"n": 3', b'"n": true'), "does not begin as one, but with {'n': True"),
        (lambda data: data.replace(b'"n": 3', b'"n": 900000000'), "900000000 images cannot be in"),
        (lambda data: data.replace(b'"steps": 3', b'"steps": 99999999'), "'steps': 99999999"),
        (lambda data: data.replace(b'{"n"', b"[" * 500 + b'{"n"'), "does not begin as one"),
        (lambda data: data[:-1], "not whole words"),
        (lambda data: data[:-200], "cut off|damaged"),
        (lambda data: data[:200], "cut off"),
        (lambda data: data + bytes(4), "damaged"),
        (lambda data: data[:-30] + bytes(2) + data[-28:], "damaged"),
        (lambda data: data.replace(b'"n": 3', b'"n": 2'), "damaged|agree in every bit"),
        (lambda data: data.replace(b'"n": 3', b'"n": 400'), "cut off|agree in every bit"),
    ],
)
def test_a_damaged_file_is_refused(damage, said: str) -> None:
    decoder, data = compressed()
    with pytest.raises(DataError, match=said):
        decompress(decoder, damage(data), (1, 8, 8))


def test_another_model_is_refused_and_so_is_what_cannot_be_compressed() -> None:
    decoder, data = compressed()
    other = Exact(Gaussian(torch.full((1, 8, 8), 0.4), STD**2), VE(0.001, 10.0))
    elsewhere = Exact(decoder.model.density, VE(0.001, 10.0))
    assert elsewhere.moments is not None
    elsewhere.moments = Moments(elsewhere.moments.mean + 0.1, elsewhere.moments.std)
    for model in (other, elsewhere):
        with pytest.raises(DataError, match=r"compressed with another model.*as many threads"):
            decompress(ByteDecoder.stored(model, decoder.tensors), data, (1, 8, 8))
    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    with pytest.raises(ValueError, match="steps must be between 1 and 10000; received 0"):
        compress(decoder, images, steps=0)
    with pytest.raises(ValueError, match="batch must be"):
        compress(decoder, images, batch=0)
    with pytest.raises(ValueError, match="images must be one or more"):
        compress(decoder, images[:0])
    with pytest.raises(ValueError, match=r"torch\.uint8"):
        compress(decoder, images.float())
