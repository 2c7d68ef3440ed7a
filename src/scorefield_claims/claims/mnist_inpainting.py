r"""Inpainting digits: masks × methods, and the case the field fails on.

Every method restores the same test digits once under each mask. Beside the mean square error over hidden pixels stand the share that the
judge reads as the digit it reads in the original, and the diversity of a second draw of some (root mean square difference over hidden
pixels): an error is small for a method that says the same thing always, so the three belong together.

The case: a 1 under a central vertical band, which hides all of it and leaves blank margins. Most digits fit blank margins, but a 1 fits
best of all: the prior's share of ones is a tenth, and the posterior's should be above it. A method loses the digit where it draws
ones no more often than that.

The claim holds if guidance by the posterior (ΠGDM) agrees with the originals at least as often as replacement on average over
masks, within ``margin`` standard errors, so does RePaint, and neither ΠGDM nor the particles lose the ones: at the lower 95 % bound
they restore more of them than the tenth, ``prior``, that digits drawn at random would be.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scorefield.grids import Grid, Karras, LogSNR
from scorefield.guidance import DPS, HIDDEN_PARTS, Inpaint, LinearGaussian, Mask, Particles, RePaint, hidden_part
from scorefield.metrics import Estimate
from scorefield.metrics.estimate import mean
from scorefield.models import ScoreModel
from scorefield.plotting import veil
from scorefield.pretrained import load_model
from scorefield.samplers import Ancestral, Heun
from scorefield.sampling import Sampler, sample
from scorefield_claims.base import Claim, Finding, Recipe, rule
from scorefield_claims.drawing import canvas, label, save
from scorefield_claims.mnist import BATCH, digits, examples, read, show

__all__ = ["CLAIM", "MnistInpainting"]

_NOISE = 0.05
_BERNOULLI = "bernoulli 0.6"


@dataclass(frozen=True, kw_only=True)
class MnistInpainting(Recipe):
    """Test digits per mask, pairs of draws for diversity, and the methods' efforts."""

    n: int
    ones: int
    masks: tuple[str, ...]
    steps: int = 18
    resample: int = 4
    ancestral_steps: int = 40
    particles: int = 4
    pairs: int = 100
    margin: float = 3.0
    prior: float = 0.1
    model: str = "mnist"


class _Restored(NamedTuple):
    """What a method makes of the digits under a mask."""

    mask: str
    method: str
    error: Estimate
    agreement: Estimate
    diversity: Estimate
    evaluations: float
    x: Tensor


Guide = Callable[[ScoreModel, Tensor, Tensor], tuple[ScoreModel, Sampler, Grid]]


def _methods(recipe: MnistInpainting, sigma_data: float) -> dict[str, Guide]:
    """Return (model, originals, hidden) ↦ (guided model, sampler, grid), by name."""
    chain = LogSNR(recipe.ancestral_steps - 1)

    def replaced(sampler: Sampler, grid: Grid) -> Guide:
        def guide(model: ScoreModel, x0: Tensor, hidden: Tensor) -> tuple[ScoreModel, Sampler, Grid]:
            return Inpaint(model, x0, ~hidden), sampler, grid

        return guide

    def measured(sampler: Sampler) -> Guide:
        def guide(model: ScoreModel, x0: Tensor, hidden: Tensor) -> tuple[ScoreModel, Sampler, Grid]:
            seen = Mask(~hidden.expand(x0.shape[1:]))
            return LinearGaussian(model, seen, seen.apply(x0), _NOISE, sigma_data), sampler, chain

        return guide

    return {
        "replace": replaced(Heun(), Karras(recipe.steps - 1)),
        "repaint": replaced(RePaint(Ancestral(), recipe.resample), chain),
        "pigdm": measured(Ancestral()),
        "dps": measured(DPS(Ancestral())),
        "particles": measured(Particles(recipe.particles)),
    }


def _mask(name: str, seed: int) -> Bool[Tensor, "1 28 28"]:
    """Return where pixels are hidden."""
    if name in HIDDEN_PARTS:
        return hidden_part(name, 28, 28)
    return torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(seed)) < float(name.split()[1])


def measure(recipe: MnistInpainting) -> Finding:
    """Return errors, agreement and diversity of every method under every mask, and what becomes of ones."""
    loaded = load_model(recipe.model, precision="auto")
    sigma_data = getattr(loaded.config.model, "sigma_data", None)
    methods = _methods(recipe, sigma_data or 0.5)
    test = digits(train=False)
    assert test.labels is not None  # noqa: S101 MNIST has labels
    x0 = examples(test, recipe.n, recipe.seed).scaled()
    ones = examples(test.subset(test.labels == 1), recipe.ones, recipe.seed).scaled()
    found = [
        _restore(loaded.model, x0, mask, name, guide, recipe)
        for mask in recipe.masks
        for name, guide in methods.items()
    ]
    lost = [_restore(loaded.model, ones, "vertical", name, guide, recipe) for name, guide in methods.items()]
    return _finding(recipe, found, lost, x0[:6])


def _restore(
    model: ScoreModel, x0: Float[Tensor, "n 1 h w"], mask: str, method: str, guide: Guide, recipe: MnistInpainting
) -> _Restored:
    """Return what a method makes of x0, and of the first of them a second time."""
    hidden = _mask(mask, recipe.seed)
    guided, sampler, times = guide(model, x0, hidden)
    drawn = sample(guided, sampler, tuple(x0.shape), grid=times, seed=recipe.seed, batch_size=BATCH)
    twice = torch.arange(min(recipe.pairs, len(x0)))
    again = sample(guided.rows(twice), sampler, tuple(x0[twice].shape), grid=times, seed=recipe.seed + 1)
    first, second = (y.clamp(0, 1)[:, hidden].double() for y in (drawn.x, again.x))
    error = (first - x0[:, hidden]).square().mean(dim=1)
    diversity = mean((first[twice] - second).square().mean(dim=1).sqrt())
    return _Restored(mask, method, mean(error), mean(_same(drawn.x, x0)), diversity, drawn.evaluations, drawn.x[:6])


def _same(x: Float[Tensor, "n 1 h w"], x0: Float[Tensor, "n 1 h w"]) -> Bool[Tensor, " n"]:
    """Return where the judge reads in x what it reads in x0."""
    return read(x).labels == read(x0).labels


def _finding(recipe: MnistInpainting, found: list[_Restored], lost: list[_Restored], x0: Tensor) -> Finding:
    """Return the verdict."""
    averages = {
        name: _average([r.agreement for r in found if r.method == name])
        for name in dict.fromkeys(r.method for r in found)
    }
    base = averages["replace"]
    checks = {}
    for name in ("repaint", "pigdm"):
        slack = recipe.margin * (averages[name].error ** 2 + base.error**2) ** 0.5
        text = f"{name} agrees with the original in {averages[name].value:.3f}, replacement in {base.value:.3f}"
        checks[text] = averages[name].value >= base.value - slack
    ones = {r.method: r.agreement for r in lost}
    for name in ("pigdm", "particles"):
        base_share = ones["replace"].value
        text = f"{name} restores {ones[name].value:.2f} of the ones under a vertical band, replacement {base_share:.2f}"
        checks[text] = ones[name].interval[0] > recipe.prior
    verdict, reason = rule(checks)
    rows = [
        {
            "digits": which,
            "mask": r.mask,
            "method": r.method,
            "n": n,
            "evaluations": r.evaluations,
            "masked_mse": r.error.value,
            "masked_mse_error": r.error.error,
            "agreement": r.agreement.value,
            "agreement_error": r.agreement.error,
            "diversity": r.diversity.value,
        }
        for which, n, results in (("all", recipe.n, found), ("ones", recipe.ones, lost))
        for r in results
    ]
    measures = {f"agreement, {name}": value for name, value in averages.items()}
    measures |= {f"ones under a vertical band restored as ones, {r.method}": r.agreement for r in lost}
    return Finding(verdict, reason, measures, rows, lambda path: _draw(path, found, lost, x0, recipe.seed))


def _average(values: list[Estimate]) -> Estimate:
    """Return the mean of independent estimates."""
    error = sum(v.error**2 for v in values) ** 0.5 / len(values)
    return Estimate(sum(v.value for v in values) / len(values), error)


def _draw(path: Path, found: list[_Restored], lost: list[_Restored], x0: Tensor, seed: int) -> None:
    """Draw originals, what was seen of them, and every method's restorations: a column of panels per mask, the last of ones."""
    masks: Mapping[str, list[_Restored]] = {
        m: [r for r in found if r.mask == m] for m in dict.fromkeys(r.mask for r in found)
    }
    figure, axes = canvas(1, len(masks) + 1, width=3.6, height=4.4)
    for k, (panel, (mask, results)) in enumerate(zip(axes[0], [*masks.items(), ("vertical, ones", lost)], strict=True)):
        seen = veil(x0, _mask(mask, seed)) if mask in masks else None
        rows = [r.method for r in results]
        parts = [r.x.clamp(0, 1).expand(-1, 3, -1, -1) for r in results]
        if seen is not None:
            rows, parts = ["original", "seen", *rows], [x0.expand(-1, 3, -1, -1), seen, *parts]
        show(panel, torch.cat(parts), mask, 6, rows=rows if k in (0, len(masks)) else [""] * len(rows))
        label(panel, mask)
    save(figure, path)


CLAIM = Claim(
    name="mnist-inpainting",
    statement="What is known of an image restores what is hidden; posterior guidance and resampling agree with the original at least as "
    "well as replacement.",
    source="Song & Ermon (2019), Algorithm 2; Lugmayr et al. (2022); Chung et al. (2023); Song J. et al. (2023); Wu et al. (2023)",
    measure=measure,
    small=MnistInpainting(n=20, ones=20, masks=("bottom", _BERNOULLI)),
    full=MnistInpainting(n=200, ones=200, masks=("left", "bottom", "center", "horizontal", _BERNOULLI)),
    models=("mnist", "mnist-judge"),
)
