# ---
# jupytext:
#   text_representation:
#     extension: .py
#     format_name: percent
# kernelspec:
#   display_name: Python 3
#   language: python
#   name: python3
# ---

# %% [markdown]
# # Score matching
#
# Learn the score of a density from samples of it, and compare with the truth, which here is known. Two ways: **denoising** score
# matching, a regression on noise at all levels, and **sliced** score
# matching, which needs no noise but a derivative of the network.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from PIL import Image

import scorefield as sf
from scorefield.plotting import Square, Terrain, score_panels

FAST = os.environ.get("SCOREFIELD_FAST") == "1"  # the built pages show it in full
STEPS = 100 if FAST else 8_000
DRAWS = 500 if FAST else 20_000
OUT = Path(tempfile.mkdtemp())

# %% [markdown]
# ## A density that knows its score
#
# A banana: log density, score and samples in closed form, before and after noise of any level.

# %%
banana = sf.Banana()
process = sf.VE(sigma_min=0.05, sigma_max=100.0)
exact = sf.Exact(banana, process)
x = banana.sample(4)
print("log density", banana.log_prob(x), "score", banana.score(x), sep="\n")
print("score after noise of σ = 2.2, at t = 0.5", exact.marginal(torch.tensor(0.5)).score(x), sep="\n")

# %% [markdown]
# ## Denoising score matching
#
# `Denoiser` scales a network so that its inputs and targets have unit variance at every noise level; `DSM` draws a level per example,
# adds noise and asks for the data back. The loss does not go to zero: its
# minimum is the variance of the data given the noisy state.

# %%
torch.manual_seed(0)
draws = banana.sample(10_000, torch.Generator().manual_seed(0))
std, mean = draws.std().item(), draws.mean().item()
model = sf.Denoiser(sf.MLP(dim=2), process, sigma_data=std, mean_data=mean)
print("before:", sf.fisher_divergence(model, banana, n=2_000))
records = sf.fit(model, banana, sf.DSM(sf.LogNormal(0.0, 1.8), sf.edm_weight(std)), steps=STEPS)
print("after: ", sf.fisher_divergence(model, banana, n=2_000), "  (0 is the exact score, 1 knows nothing)")

# %%
losses = torch.tensor([record.loss for record in records])
plt.figure(figsize=(6, 3))
plt.plot(losses, color="0.8")
plt.plot(losses.unfold(0, 50, 1).mean(1), color="C0")
plt.xlabel("optimiser step")
plt.ylabel("loss")
plt.show()

# %% [markdown]
# True score, learned score, and the error between them at one noise level. It is small where there are data, and large where
# there are none to learn from.

# %%
t = process.time(torch.tensor(0.5, dtype=torch.float64))
score_panels(OUT / "field.png", model, exact, t, Square((0.0, 4.0), 9.0))
Image.open(OUT / "field.png")

# %% [markdown]
# The same sampler on both scores: what differs is learning, not sampling.

# %%
learned, true = (sf.sample(m, sf.Heun(), (DRAWS, 2), grid=sf.Karras(23), seed=0) for m in (model, exact))
print("MMD², learned against exact samples:", sf.mmd(learned.x[:2000], banana.sample(2000)))
terrain = Terrain.of(banana, Square((0.0, 4.0), 9.0))
figure, panels = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
for axes, (title, drawn) in zip(panels, {"learned score": learned, "exact score": true}.items(), strict=True):
    terrain.fill(axes)
    axes.scatter(*drawn.x[:1000].T, s=3, color="C1")
    axes.set_title(f"{title}, {drawn.evaluations:.0f} evaluations")
plt.show()

# %% [markdown]
# ## Sliced score matching
#
# Without noise there is no regression target. Integration by parts gives one from samples alone, ½‖s‖² + vᵀ∇s v with a random v per
# example. Here at a single small level, on the mixture of Song & Ermon (2019): one fifth
# and four fifths of the mass, far apart.

# %%
mixture = sf.GaussianMixture.song2019()
torch.manual_seed(0)
narrow = sf.VE(sigma_min=0.1, sigma_max=1.0)
sliced = sf.ScoreNet(sf.MLP(dim=2), narrow)
sf.fit(sliced, mixture, sf.SSMVR(ratio=0.1), steps=STEPS)
t = narrow.time(torch.tensor(0.1, dtype=torch.float64))
score_panels(OUT / "sliced.png", sliced, sf.Exact(mixture, narrow), t, Square(half=9.0))
Image.open(OUT / "sliced.png")

# %% [markdown]
# Near the modes the score is right, between them it is not, and neither error nor truth there tells how much mass each mode has. That
# is why NCSN learns many levels; the same mixture by denoising at all of them:

# %%
torch.manual_seed(0)
wide = sf.VE(sigma_min=0.05, sigma_max=500.0)
all_levels = sf.Denoiser(sf.MLP(dim=2), wide, sigma_data=5.0, mean_data=3.0)
sf.fit(all_levels, mixture, sf.DSM(sf.LogNormal(0.5, 1.8), sf.edm_weight(5.0)), steps=STEPS)
drawn = sf.sample(all_levels, sf.Heun(), (DRAWS, 2), grid=sf.Karras(31))
weights = sf.mode_weights(drawn.x, mixture)
print(
    f"share of the smaller mode: {weights.shares[0]:.3f} [{weights.low[0]:.3f}, {weights.high[0]:.3f}], truth {weights.expected[0]:.3f}"
)
