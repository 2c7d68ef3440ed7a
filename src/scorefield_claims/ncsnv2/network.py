"""Techniques 3 and 5: a network that is not given the level, averaged weights, a noise-free last step."""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

import scorefield as sf
from scorefield.data import DensityBatches
from scorefield.metrics import Estimate, mean
from scorefield.training import Optimization, TrainState, load_weights, train
from scorefield_claims.base import Row
from scorefield_claims.chance import generator
from scorefield_claims.distance import mmd_to
from scorefield_claims.learning import built, learned
from scorefield_claims.ncsnv2.part import NCSNv2Techniques, Part, row

__all__ = ["GIVEN", "Averaging", "averaging", "denoising", "unconditional"]

GIVEN = {"given σ": True, "not given σ": False}
"""Networks of Technique 3, by whether they are given the noise level."""
Averaging = list[tuple[int, Estimate, Estimate]]
"""Optimiser step, error of the last weights, error of the averaged ones."""


class _OverSigma(nn.Module):
    """F(x, ·)/σ, where F is given ln σ or nothing."""

    def __init__(self, dimension: int, process: sf.VE, *, given: bool) -> None:
        super().__init__()
        self.net = sf.MLP(dimension)
        self.process = process
        self.given = float(given)

    def forward(self, x: Float[Tensor, "b d"], t: Float[Tensor, "*b"]) -> Float[Tensor, "b d"]:
        """Return the score; x is brought to the scale of the data alone, which does not give σ away."""
        _, sigma = self.process.alpha_sigma(t)
        return self.net(x, self.given * torch.log(sigma) / 4) / sigma.to(x)[..., None]


def _over_sigma(dimension: int, process: sf.VE, given: bool) -> sf.FromScore:
    """Return the model around such a network."""
    return sf.FromScore(_OverSigma(dimension, process, given=given), process)


def unconditional(recipe: NCSNv2Techniques) -> Part:
    """Technique 3: what it costs not to give the network the level."""
    found: dict[int, dict[str, Estimate]] = {}
    rows: list[Row] = []
    for dimension in recipe.dimensions:
        corners = torch.randn(4, dimension, generator=generator(recipe.seed, "corners"))
        law = sf.GaussianMixture(corners, 0.1**2)
        process = sf.VE(0.1, 3.0)
        objective = sf.MultiLevelDSM(sf.geometric(3.0, 0.1, 20))
        found[dimension] = {}
        for name, given in GIVEN.items():
            build = partial(_over_sigma, dimension, process, given)
            model = learned(build, law, objective, steps=recipe.steps, seed=recipe.seed)
            found[dimension][name] = sf.fisher_divergence(model, law, n=recipe.n, seed=recipe.seed)
            rows.append(row("3", f"D = {dimension}, {name}", "score error", found[dimension][name]))
    return Part({f"3: score error at D = {d}, {name}": e for d, by in found.items() for name, e in by.items()}, rows)


def averaging(recipe: NCSNv2Techniques) -> tuple[Part, Averaging]:
    """Technique 5, first half: the error of last and averaged weights along a training at a constant rate."""
    law, process = sf.GaussianMixture.ring(8, 5.0, 0.5), sf.VE(0.1, 10.0)
    settings = Optimization(
        steps=recipe.steps, learning_rate=2e-3, warmup=100, decay="constant", precision="fp32", seed=recipe.seed
    )
    model, average = (built(lambda: sf.Denoiser(sf.MLP(2), process, 3.6), recipe.seed) for _ in range(2))
    state = TrainState.create(model, settings)
    objective, every = sf.MultiLevelDSM(sf.geometric(10.0, 0.1, 10)), recipe.steps // (2 * recipe.checkpoints)
    path = []
    for record in train(state, DensityBatches(law, 256, recipe.seed), objective, settings):
        if record.step > recipe.steps // 2 and record.step % every == 0:
            load_weights(average, state.ema.state_dict())
            errors = (sf.fisher_divergence(m, law, n=recipe.n, seed=recipe.seed) for m in (model, average))
            path.append((record.step, *errors))
    raw, averaged = (mean(torch.tensor([step[k].value for step in path], dtype=torch.float64)) for k in (1, 2))
    spread = {"last": raw, "averaged": averaged}
    part = Part(
        {f"5: score error of the {name} weights": e for name, e in spread.items()},
        [row("5", f"{name} weights", "score error over the second half of training", e) for name, e in spread.items()],
    )
    return part, path


def denoising(recipe: NCSNv2Techniques) -> Part:
    """Technique 5, second half: thin modes, annealed down to noise as wide as they are, with and without the last step."""
    law = sf.GaussianMixture.ring(4, 1.0, 0.05)
    exact, grid = sf.Exact(law, sf.VE(0.05, 3.0)), sf.Ladder(sf.geometric(3.0, 0.05, 12))
    sampler = sf.AnnealedLangevin(relative_step=0.3, repeats=30)
    found = {}
    for name, denoise in (("with", True), ("without", False)):
        x = sf.sample(exact, sampler, (recipe.n, 2), grid=grid, seed=recipe.seed, denoise=denoise, batch_size=4096).x
        found[name] = mmd_to(law, x, 0.1)
    return Part(
        {f"5: MMD² to the data {name} the last step": e for name, e in found.items()},
        [row("5", f"{name} the last step", "MMD2 to the data", e) for name, e in found.items()],
    )
