"""``python -m benchmarks.pictures FOLDER``: colour images of 28×28 pixels made by rule, to try recipes on that were found on digits.

Two sets, each with four classes, 20 000 examples to train on and 10 000 to test with, as .npz files of bytes:

- shapes: a disc, square, triangle or ring of one colour, of any place, size and turn, before a background that fades between two colours;
- textures: stripes, checks, spots or grain in two colours, with structure from 3 to 14 pixels.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIDE = 28
FINER = 4
"""Pixels are means of FINER × FINER points, so that edges are as smooth as a camera's."""
SIZES = {"train": 20_000, "test": 10_000}

Points = NDArray[np.float64]


def _plane(rng: np.random.Generator) -> tuple[Points, Points]:
    """Return coordinates in pixels, from a corner on, turned by any angle."""
    at = (np.arange(SIDE * FINER) + 0.5) / FINER
    x, y = np.meshgrid(at, at)
    turn = rng.uniform(0, 2 * np.pi)
    return np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x


def shape(kind: int, rng: np.random.Generator) -> tuple[Points, Points]:
    """Return what a shape covers, 0 or 1, and the background between its two colours."""
    u, v = _plane(rng)
    radius = rng.uniform(5, 10)
    row, column = rng.integers(radius, SIDE - radius, 2) * FINER
    u0, v0 = u - u[row, column], v - v[row, column]
    r = np.hypot(u0, v0)
    covers = [
        r < radius,
        np.maximum(np.abs(u0), np.abs(v0)) < 0.8 * radius,
        (v0 > -0.5 * radius) & (v0 + np.sqrt(3) * np.abs(u0) < radius),
        (r < radius) & (r > 0.55 * radius),
    ]
    return covers[kind].astype(float), (v - v.min()) / np.ptp(v)


def texture(kind: int, rng: np.random.Generator) -> tuple[Points, Points]:
    """Return the texture between its two colours, and the share of a second light that crosses it."""
    u, v = _plane(rng)
    k = 2 * np.pi / rng.uniform(3, 14)
    a, b = rng.uniform(0, 2 * np.pi, 2)
    grain = rng.standard_normal(u.shape)
    low = np.hypot(*np.meshgrid(np.fft.fftfreq(len(u), 1 / FINER), np.fft.fftfreq(len(u), 1 / FINER)))
    grain = np.fft.ifft2(np.fft.fft2(grain) * np.exp(-0.5 * (2 * np.pi * low / k) ** 2)).real
    waves = [
        np.sin(k * u + a),
        np.sign(np.sin(k * u + a) * np.sin(k * v + b)),
        2 * (np.cos(k * u + a) + np.cos(k * v + b) > 0.8) - 1,
        grain / grain.std() / 2,
    ]
    return np.clip(0.5 + waves[kind] / 2, 0, 1), (v - v.min()) / np.ptp(v)


def drawn(what: Callable[[int, np.random.Generator], tuple[Points, Points]], n: int, seed: int) -> dict[str, NDArray]:
    """Return n images and their classes; image i depends on the seed and i alone."""
    images, labels = np.empty((n, SIDE, SIDE, 3), np.uint8), np.arange(n) % 4
    for i, kind in enumerate(labels):
        rng = np.random.default_rng((seed, i))
        mix, light = what(kind, rng)
        front, back, far = rng.uniform(0, 1, (3, 3))
        behind = back + light[..., None] * 0.5 * (far - back)
        fine = behind + mix[..., None] * (front - behind)
        means = fine.reshape(SIDE, FINER, SIDE, FINER, 3).mean(axis=(1, 3))
        images[i] = np.rint(255 * means)
    return {"images": images, "labels": labels}


def main() -> None:
    """Write the four files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where to write")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for what in (shape, texture):
        for seed, (part, n) in enumerate(SIZES.items()):
            np.savez_compressed(folder / f"{what.__name__}s-{part}.npz", **drawn(what, n, seed))


if __name__ == "__main__":
    main()
