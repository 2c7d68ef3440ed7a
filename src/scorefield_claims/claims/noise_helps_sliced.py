r"""A little noise steadies score matching on images (Song & Ermon 2019, section 3.1 and Fig. 1).

Images lie on a low-dimensional set, where ∇ log p is not defined: many pixels of the digits are black in every image, and along them the
density has no bound. The same network is trained twice by sliced score matching, from the same weights on the same batches: on the digits
as they are, and noised with N(0, 1e-4 I), the paper's noise for data in [0, 1]. The paper shows the loss: it fluctuates without the noise
and converges with it.

Measured is the standard deviation of the loss over the last tenth of the steps, without noise over with it: to be seen in Fig. 1 it should
be an order of magnitude (``ratio`` = 10). Since the two losses are on scales of their own (that without noise has no lower bound), the
same is measured relative to the size of the mean there, and has to exceed one by two standard errors, which are over ten blocks of those
steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

import scorefield as sf
from scorefield.data import Batches, Dataset, digits, mnist
from scorefield.metrics import Estimate
from scorefield.training import Optimization, TrainState, train
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, exactly, rule
from scorefield_claims.drawing import COLOURS, canvas, label, legend, save
from scorefield_claims.learning import built

__all__ = ["CLAIM", "NoiseHelpsSliced"]

_SIGMA = 0.01  # N(0, 1e-4)
_BLOCKS = 10
_SPREADS, _RATIO = "ratio of the standard deviations", "ratio of the relative fluctuations"


@dataclass(frozen=True, kw_only=True)
class NoiseHelpsSliced(Recipe):
    """Images, and training; the optimiser's settings are the paper's."""

    images: Literal["digits", "mnist"]
    steps: int
    batch_size: int = 128
    learning_rate: float = 1e-3
    width: int = 256
    ratio: float = 10.0


def _losses(noise: bool, recipe: NoiseHelpsSliced) -> np.ndarray:
    """Return the loss of every step, as many as there were before a divergence."""
    images = {"digits": digits, "mnist": mnist}[recipe.images]().scaled().flatten(1)
    batches = Batches(Dataset(images, None, recipe.images), recipe.batch_size, recipe.seed)
    # The network's output is the score itself, as in the paper: whatever the scale.
    model = built(lambda: sf.FromScore(sf.MLP(images.shape[1], width=recipe.width), sf.VE(_SIGMA, 1.0)), recipe.seed)
    settings = Optimization(
        steps=recipe.steps, learning_rate=recipe.learning_rate, warmup=1, decay="constant", clip=None, precision="fp32", seed=recipe.seed
    )  # fmt: skip
    losses = []
    try:
        for record in train(TrainState.create(model, settings), batches, sf.SSM(_SIGMA if noise else None), settings):
            losses.append(record.loss)  # noqa: PERF401 what was there before a divergence is kept
    except ArithmeticError:
        pass  # the claim, at its strongest
    return np.array(losses)


def _fluctuation(losses: np.ndarray) -> Estimate:
    """Return the relative standard deviation over the last tenth of the steps, with its error over blocks of them."""
    last = losses[-max(len(losses) // 10, 2 * _BLOCKS) :]
    scale = abs(last.mean())
    blocks = [block.std(ddof=1) / scale for block in np.array_split(last, _BLOCKS)]
    return Estimate(float(last.std(ddof=1) / scale), float(np.std(blocks, ddof=1) / _BLOCKS**0.5))


def measure(recipe: NoiseHelpsSliced) -> Finding:
    """Return how much either loss fluctuates at the end."""
    losses = {name: _losses(noise, recipe) for name, noise in (("without noise", False), ("with noise", True))}
    found = {name: _fluctuation(values) for name, values in losses.items()}
    without, with_noise = found.values()
    ratio = without.value / with_noise.value
    error = ratio * ((without.error / without.value) ** 2 + (with_noise.error / with_noise.value) ** 2) ** 0.5
    steps = {name: len(values) for name, values in losses.items()}
    tail = {name: values[-max(len(values) // 10, 2) :] for name, values in losses.items()}
    spread = {name: float(values.std(ddof=1)) for name, values in tail.items()}
    plain = spread["without noise"] / spread["with noise"]
    measures = {_SPREADS: exactly(plain), _RATIO: Estimate(ratio, error)} | {
        f"relative fluctuation {name}": value for name, value in found.items()
    }
    rows = [
        {"training": name, "steps": steps[name], "last_mean": float(t.mean()), "last_std": spread[name],
         "relative": found[name].value, "standard_error": found[name].error}
        for name, t in tail.items()
    ]  # fmt: skip
    return Finding(*judge(recipe, measures, rows), measures, rows, lambda path: _draw(path, losses))


def judge(recipe: NoiseHelpsSliced, measures: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: does the loss fluctuate without noise, and converge with it?"""
    without, with_noise = rows
    plain, ratio = measures[_SPREADS].value, measures[_RATIO]
    ends = f"with noise it trains to the end ({with_noise['steps']} steps; without: {without['steps']})"
    return rule(
        {
            f"over the last tenth the loss has {plain:.3g} times the standard deviation without noise (more than "
            f"{recipe.ratio:g})": plain > recipe.ratio,
            f"relative to its size it fluctuates by {without['relative']:.3g} without noise, by {with_noise['relative']:.3g} with it: "
            f"the ratio is {ratio}, more than 2 standard errors above 1": ratio.value > 1 + 2 * ratio.error,
            ends: with_noise["steps"] == recipe.steps,
        }
    )


def _draw(path: Path, losses: dict[str, np.ndarray]) -> None:
    """Draw the loss without noise and with it.

    Right: over the last tenth of the steps, the deviation of each from its mean, relative to the mean.
    """
    figure, ((left, middle, right),) = canvas(1, 3, width=4.8)
    middle.sharey(left)
    for k, (axes, (name, values)) in enumerate(zip((left, middle), losses.items(), strict=True)):
        axes.plot(np.arange(1, len(values) + 1), values, color=COLOURS[1 - k], linewidth=0.7)
        axes.set_yscale("symlog", linthresh=10)
        axes.locator_params(axis="y", numticks=9)
        axes.locator_params(axis="x", nbins=4)
        label(axes, name, "optimiser step", "sliced score matching loss")
    for k, (name, values) in enumerate(losses.items()):
        last = values[-len(values) // 10 :]
        right.plot((last - last.mean()) / abs(last.mean()), color=COLOURS[1 - k], linewidth=0.8, label=name)
    right.locator_params(axis="x", nbins=4)
    legend(right)
    label(right, "last tenth", "optimiser step", "(loss − mean) / |mean|")
    save(figure, path)


CLAIM = Claim(
    name="noise-helps-sliced",
    statement="Sliced score matching on images fluctuates without noise on them, and converges with a little.",
    source="Song & Ermon (2019), section 3.1 and Fig. 1",
    measure=measure,
    judge=judge,
    tiny=NoiseHelpsSliced(images="digits", steps=40, width=16),
    small=NoiseHelpsSliced(images="digits", steps=2000),
    full=NoiseHelpsSliced(seed=1, images="mnist", steps=20_000, width=512),
)
