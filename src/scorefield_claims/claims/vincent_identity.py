r"""Vincent (2011): a denoising autoencoder is a score model, and its loss a score matching loss.

    L_DAE = E ‖r(x̃) − x‖² = 2σ⁴ J_DSM,   J_DSM = E ½‖s(x̃) − ∇ log p(x̃ | x)‖²,   s = (r(x̃) − x̃)/σ²

Two things are measured. The identity, on one batch, for losses and for gradients: J_DSM is computed from the model's score and −z/σ, the
loss from its reconstruction and x, so that nothing but the algebra makes them agree; in float64, 1e-6 leaves room for rounding alone. And
what both losses lead to: two networks, of different initial weights and different batches, against the score of the noised distribution in
closed form. ``tolerance`` bounds E σ²‖ŝ − s‖²/D, which is 1 for a model that has learned nothing and 0 for the truth: at 0.02 a network
explains 98 %.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

import scorefield as sf
from scorefield.metrics import Estimate
from scorefield_claims.base import Claim, Finding, Recipe, Row, Verdict, exactly, rule
from scorefield_claims.drawing import COLOURS, canvas, label, legend, save
from scorefield_claims.learning import built, learned

__all__ = ["CLAIM", "VincentIdentity"]

_RADIUS = 5.0
_LOSSES, _GRADIENTS = "largest relative gap of the losses", "relative gap of the gradients"


@dataclass(frozen=True, kw_only=True)
class VincentIdentity(Recipe):
    """A circle (curved, with thickness), one noise level."""

    sigma: float = 0.5
    thickness: float = 0.1
    batch: int = 4096
    steps: int
    n: int
    identity: float = 1e-6
    tolerance: float = 0.02


def _build(recipe: VincentIdentity) -> sf.ScoreModel:
    """Return a network around the one level."""
    return sf.Denoiser(sf.MLP(2), sf.VE(recipe.sigma / 4, recipe.sigma * 4), sigma_data=_RADIUS / 2**0.5)


def _both(
    model: sf.ScoreModel, x: Float[Tensor, "b 2"], recipe: VincentIdentity
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Return the autoencoder's loss and 2σ⁴ times that of score matching, each from its own definition, on the same noise."""
    sigma = torch.tensor([recipe.sigma], dtype=torch.float64)
    autoencoder = sf.DAE(recipe.sigma)(model, x, torch.Generator().manual_seed(recipe.seed))
    matching = sf.MultiLevelDSM(sigma, anneal_power=0)(model, x, torch.Generator().manual_seed(recipe.seed))
    return autoencoder, 2 * recipe.sigma**4 * matching


def _gaps(model: sf.ScoreModel, x: Tensor, recipe: VincentIdentity) -> tuple[float, float]:
    """Return the largest relative gap of losses over examples, and the relative gap of the gradients of their means."""
    losses = _both(model, x, recipe)
    gradients = [
        torch.cat([g.flatten() for g in torch.autograd.grad(loss.mean(), list(model.parameters()))]) for loss in losses
    ]
    loss = ((losses[0] - losses[1]).abs() / losses[0]).max().item()
    return loss, ((gradients[0] - gradients[1]).norm() / gradients[0].norm()).item()


def measure(recipe: VincentIdentity) -> Finding:
    """Return whether losses, gradients and the trained scores agree."""
    law = sf.Ring(_RADIUS, recipe.thickness)
    x = law.sample(recipe.batch, torch.Generator().manual_seed(recipe.seed)).double()
    untrained = built(lambda: _build(recipe), recipe.seed).double()
    loss_gap, gradient_gap = _gaps(untrained, x, recipe)
    sigma = torch.tensor([recipe.sigma], dtype=torch.float64)
    objectives = {"autoencoder": sf.DAE(recipe.sigma), "score matching": sf.MultiLevelDSM(sigma, anneal_power=0)}
    nets = {
        name: learned(lambda: _build(recipe), law, objective, steps=recipe.steps, seed=recipe.seed + k)
        for k, (name, objective) in enumerate(objectives.items())
    }
    t = untrained.process.time(sigma[0]).item()
    errors = {name: sf.fisher_divergence(net, law, t=t, n=recipe.n, seed=recipe.seed) for name, net in nets.items()}
    measures = {_LOSSES: exactly(loss_gap), _GRADIENTS: exactly(gradient_gap)} | {
        f"score error of the {name} network": e for name, e in errors.items()
    }
    rows = [{"network": name, "score_error": e.value, "standard_error": e.error} for name, e in errors.items()]
    losses = tuple(loss.detach() for loss in _both(untrained, x, recipe))
    exact = sf.Exact(law, untrained.process)
    picture = lambda path: _draw(path, losses, nets, exact, recipe)  # noqa: E731
    return Finding(*judge(recipe, measures, rows), measures, rows, picture)


def judge(recipe: VincentIdentity, measures: Mapping[str, Estimate], rows: Sequence[Row]) -> tuple[Verdict, str]:
    """Return the verdict: do the losses agree, and do both lead to the score?"""
    loss, gradient = measures[_LOSSES].value, measures[_GRADIENTS].value
    limit = f"(below {recipe.identity:g})"
    return rule(
        {
            f"on {recipe.batch} examples the losses differ by at most {loss:.1e} of their value {limit}": loss
            < recipe.identity,
            f"their gradients by {gradient:.1e} {limit}": gradient < recipe.identity,
        }
        | {
            f"the {row['network']} network's score is off by {row['score_error']:.2g} of the noise's variance (below "
            f"{recipe.tolerance:g})": float(row["score_error"]) < recipe.tolerance
            for row in rows
        }
    )


def _draw(
    path: Path, losses: tuple[Tensor, ...], nets: dict[str, sf.ScoreModel], exact: sf.Exact, recipe: VincentIdentity
) -> None:
    """Draw the autoencoder's loss against 2σ⁴ times that of score matching, a point per example.

    Right: the exact and both learned scores along the radius of the ring.
    """
    figure, ((left, right),) = canvas(1, 2, width=5.4)
    matching, autoencoder = losses[1].numpy(), losses[0].numpy()
    left.loglog(matching, autoencoder, ".", color=COLOURS[0], markersize=3, alpha=0.4)
    left.axline((1, 1), (2, 2), color="black", linewidth=1)
    left.set_aspect("equal")
    label(left, "one point per example", "2σ⁴ × score matching loss", "autoencoder loss")
    radius = torch.linspace(0.5, 9.5, 200)
    angles = torch.linspace(0, 2 * torch.pi, 17)[:-1]
    unit = torch.stack([angles.cos(), angles.sin()], dim=1)
    points = (radius[:, None, None] * unit).reshape(-1, 2)
    t = exact.process.time(torch.tensor(recipe.sigma, dtype=torch.float64))
    with torch.no_grad():
        for k, (name, model) in enumerate({"exact": exact, **nets}.items()):
            along = (model.score(points, t).reshape(len(radius), -1, 2) * unit).sum(dim=2)
            style = {"color": "black", "linewidth": 3} if k == 0 else {"color": COLOURS[k], "linewidth": 1.6}
            right.plot(radius, along.mean(dim=1), label=name, **style)
            right.fill_between(radius, *along.aminmax(dim=1), color=style["color"], alpha=0.15)
    ends = _RADIUS - 2 * recipe.sigma, _RADIUS + 2 * recipe.sigma
    right.axvspan(*ends, color="0.9", zorder=0, label="95 % of the data")
    legend(right)
    title = "score along the radius (bands: all directions)"
    label(right, title, "distance from the centre", "radial component of the score")
    save(figure, path)


CLAIM = Claim(
    name="vincent-identity",
    statement=(
        "The denoising autoencoder's loss is 2σ⁴ times the denoising score matching loss, example by example, "
        "and networks trained with either have learned the score of the noised distribution."
    ),
    source="Vincent (2011), A connection between score matching and denoising autoencoders, sections 4.2 and 4.3",
    measure=measure,
    judge=judge,
    tiny=VincentIdentity(steps=3, n=200, batch=64),
    small=VincentIdentity(steps=1500, n=20_000),
    full=VincentIdentity(seed=1, steps=10_000, n=100_000),
)
