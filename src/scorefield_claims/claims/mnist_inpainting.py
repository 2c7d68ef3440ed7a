r"""Inpainting digits: masks × methods, and a case on which most methods fail.

Every method restores the same test digits once under each mask. Beside the mean square error over hidden pixels stand the share that the
judge reads as the digit it reads in the original, and the diversity of a second draw of some (root mean square difference over hidden
pixels): a method that always draws the same can have a small error, so all three count.

The case: a 1 under a central vertical band, which hides all of it and leaves blank margins. Most digits fit blank margins, but a 1 fits
best of all: the prior's share of ones is a tenth, and the posterior's should be above it. A method loses the digit where it draws
ones no more often than that.

The claim holds if guidance by the posterior (ΠGDM) agrees with the originals at least as often as replacement on average over
masks, within ``margin`` = 3 standard errors, so does RePaint, and neither ΠGDM nor the particles lose the ones: at the lower 95 % bound
they restore more of them than the tenth, ``prior``, that digits drawn at random would be.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

import scorefield as sf
from scorefield.guidance import HIDDEN_PARTS, hidden_part
from scorefield.metrics import Estimate, mean
from scorefield.plotting import veil
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, rule
from scorefield_claims.drawing import save, two_rows
from scorefield_claims.mnist import BATCH, classes, digits, examples, read, shipped, show

__all__ = ["CLAIM", "MnistInpainting"]

_NOISE = 0.05
_BERNOULLI = "bernoulli 0.6"
_AGREES, _ONES = "agreement, ", "ones under a vertical band restored as ones, "  # then the method
_NAMES = {"repaint": "RePaint", "pigdm": "ΠGDM", "particles": "the particle method"}


@dataclass(frozen=True, kw_only=True)
class MnistInpainting(Recipe):
    """Test digits per mask, pairs of draws for diversity, and the methods' efforts."""

    n: int
    ones: int
    masks: tuple[str, ...]
    steps: int = 17
    resample: int = 4
    ancestral_steps: int = 39
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


class _Method(NamedTuple):
    """A way to restore: (model, originals, hidden) ↦ guided model, and how that is followed."""

    guide: Callable[[sf.ScoreModel, Tensor, Tensor], sf.ScoreModel]
    sampler: sf.Sampler
    grid: sf.Grid


def _replaced(model: sf.ScoreModel, x0: Float[Tensor, "n 1 h w"], hidden: Bool[Tensor, "1 h w"]) -> sf.Inpaint:
    return sf.Inpaint(model, x0, ~hidden)


def _measured(model: sf.ScoreModel, x0: Float[Tensor, "n 1 h w"], hidden: Bool[Tensor, "1 h w"]) -> sf.LinearGaussian:
    seen = sf.Mask(~hidden.expand(x0.shape[1:]))
    sigma_data = model.sigma_data if isinstance(model, sf.Denoiser) else 0.5
    return sf.LinearGaussian(model, seen, seen.apply(x0), _NOISE, sigma_data)


def _methods(recipe: MnistInpainting) -> dict[str, _Method]:
    """Return what is compared, by name."""
    ancestral, grid = sf.Ancestral(), sf.LogSNR(recipe.ancestral_steps)
    return {
        "replace": _Method(_replaced, sf.Heun(), sf.Karras(recipe.steps)),
        "repaint": _Method(_replaced, sf.RePaint(ancestral, recipe.resample), grid),
        "pigdm": _Method(_measured, ancestral, grid),
        "dps": _Method(_measured, sf.DPS(ancestral), grid),
        "particles": _Method(_measured, sf.Particles(recipe.particles), grid),
    }


def _mask(name: str, seed: int) -> Bool[Tensor, "1 28 28"]:
    """Return where pixels are hidden."""
    if name in HIDDEN_PARTS:
        return hidden_part(name, 28, 28)
    return torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(seed)) < float(name.split()[1])


def measure(recipe: MnistInpainting) -> Finding:
    """Return errors, agreement and diversity of every method under every mask, and how many ones are restored as ones."""
    model, methods, test = shipped(recipe.model), _methods(recipe), digits(train=False)
    x0 = examples(test, recipe.n, recipe.seed).scaled()
    ones = examples(test.subset(classes(test) == 1), recipe.ones, recipe.seed).scaled()
    found = [_restore(model, x0, mask, name, how, recipe) for mask in recipe.masks for name, how in methods.items()]
    lost = [_restore(model, ones, "vertical", name, how, recipe) for name, how in methods.items()]
    return _finding(recipe, found, lost, x0[:6])


def _restore(
    model: sf.ScoreModel, x0: Float[Tensor, "n 1 h w"], mask: str, name: str, method: _Method, recipe: MnistInpainting
) -> _Restored:
    """Return what a method makes of x0, and of the first of them a second time."""
    hidden = _mask(mask, recipe.seed)
    guided, (_, sampler, grid) = method.guide(model, x0, hidden), method
    drawn = sf.sample(guided, sampler, tuple(x0.shape), grid=grid, seed=recipe.seed, batch_size=BATCH)
    twice = torch.arange(min(recipe.pairs, len(x0)))
    again = sf.sample(guided.rows(twice), sampler, tuple(x0[twice].shape), grid=grid, seed=recipe.seed + 1)
    first, second = (y.clamp(0, 1)[:, hidden].double() for y in (drawn.x, again.x))
    error = (first - x0[:, hidden]).square().mean(dim=1)
    diversity = mean((first[twice] - second).square().mean(dim=1).sqrt())
    same = mean(read(drawn.x).labels == read(x0).labels)
    return _Restored(mask, name, mean(error), same, diversity, drawn.evaluations, drawn.x[:6])


def _finding(recipe: MnistInpainting, found: list[_Restored], lost: list[_Restored], x0: Tensor) -> Finding:
    """Return the verdict."""
    names = dict.fromkeys(r.method for r in found)
    averages = {name: _average([r.agreement for r in found if r.method == name]) for name in names}
    rows = [
        {"digits": which, "mask": r.mask, "method": r.method, "n": n, "evaluations": r.evaluations, "masked_mse": r.error.value,
         "masked_mse_error": r.error.error, "agreement": r.agreement.value, "agreement_error": r.agreement.error,
         "diversity": r.diversity.value}
        for which, n, results in (("all", recipe.n, found), ("ones", recipe.ones, lost))
        for r in results
    ]  # fmt: skip
    measures = {f"{_AGREES}{name}": value for name, value in averages.items()}
    measures |= {f"{_ONES}{r.method}": r.agreement for r in lost}
    picture = lambda path: _draw(path, found, lost, x0, recipe.seed)  # noqa: E731
    return Finding(*judge(recipe, measures, rows), measures, rows, picture)


def judge(recipe: MnistInpainting, measures: Mapping[str, Estimate], _rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: do restorations agree with the original, and are ones not lost?"""
    checks, base = {}, measures[f"{_AGREES}replace"]
    for name in ("repaint", "pigdm"):
        found = measures[_AGREES + name]
        slack = recipe.margin * math.hypot(found.error, base.error)
        text = (
            f"{_NAMES[name]} agrees with the original in {found.value:.1%}, replacement in {base.value:.1%} (at least as often, within "
            f"{recipe.margin:g} standard errors)"
        )
        checks[text] = found.value >= base.value - slack
    for name in ("pigdm", "particles"):
        found, (low, high) = measures[_ONES + name], measures[_ONES + name].interval
        text = (
            f"of ones under a vertical band {_NAMES[name]} restores {found.value:.1%} [{low:.1%}, {high:.1%}] as ones"
        )
        checks[f"{text}, more than the {recipe.prior:.0%} that chance would"] = low > recipe.prior
    return rule(checks)


def _average(values: list[Estimate]) -> Estimate:
    """Return the mean of independent estimates."""
    error = sum(v.error**2 for v in values) ** 0.5 / len(values)
    return Estimate(sum(v.value for v in values) / len(values), error)


def _draw(path: Path, found: list[_Restored], lost: list[_Restored], x0: Tensor, seed: int) -> None:
    """Draw six originals for each mask, what was left of them (blue: hidden), and every method's restorations; last, of ones."""
    masks = {mask: [r for r in found if r.mask == mask] for mask in dict.fromkeys(r.mask for r in found)}
    figure, axes = two_rows(len(masks) + 1, width=3.6, height=4.4)
    for k, (panel, (mask, results)) in enumerate(zip(axes, [*masks.items(), ("vertical, ones", lost)], strict=True)):
        seen = veil(x0, _mask(mask, seed)) if mask in masks else None
        rows = [r.method for r in results]
        parts = [r.x.clamp(0, 1).expand(-1, 3, -1, -1) for r in results]
        if seen is not None:
            rows, parts = ["original", "seen", *rows], [x0.expand(-1, 3, -1, -1), seen, *parts]
        named = k % ((len(axes) + 1) // 2) == 0 or mask not in masks
        show(panel, torch.cat(parts), mask, 6, rows=rows if named else [""] * len(rows))
    save(figure, path)


CLAIM = Claim(
    name="mnist-inpainting",
    statement="What is known of an image restores what is hidden; posterior guidance and resampling agree with the original at least as "
    "well as replacement.",
    source="Song & Ermon (2019), Algorithm 2; Lugmayr et al. (2022); Chung et al. (2023); Song J. et al. (2023); Wu et al. (2023)",
    measure=measure,
    judge=judge,
    tiny=MnistInpainting(n=2, ones=2, masks=("left",), steps=3, ancestral_steps=3, resample=2),
    small=MnistInpainting(n=20, ones=20, masks=("bottom", _BERNOULLI)),
    full=MnistInpainting(n=200, ones=200, masks=("left", "bottom", "center", "horizontal", _BERNOULLI)),
    models=("mnist", "mnist-judge"),
)
