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
# # Langevin dynamics: basic, Metropolis-adjusted, annealed
#
# A score is enough to sample: a chain moves uphill along it and adds noise. This notebook uses exact scores, so that every error is the
# sampler's own, and shows what each of three chains can and cannot do.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from PIL import Image

import scorefield as sf
from scorefield.metrics import diagnose_chains, mode_jumps
from scorefield.plotting import Square, Terrain, trajectory_panels

FAST = os.environ.get("SCOREFIELD_FAST") == "1"  # the built pages show it in full
CHAINS = 500 if FAST else 20_000
OUT = Path(tempfile.mkdtemp())

# %% [markdown]
# ## One mode: how far a step size is off
#
# On a Gaussian everything is known. The chain x ← x + (α/2) s + √α z has the stationary variance 1/(1 − α/4), not 1: a bias of the step
# size, however long the chain.

# %%
process = sf.VE(sigma_min=1e-3, sigma_max=10.0)
gaussian = sf.Exact(sf.Gaussian([0.0, 0.0], 1.0), process)
start = torch.zeros(CHAINS, 2)
for alpha in (0.1, 0.5, 1.5):
    x = sf.sample(gaussian, sf.Langevin(alpha), grid=sf.Constant(0.0, 150), init=start, denoise=False).x
    print(f"α = {alpha}: variance {x.var():.3f}, formula {1 / (1 - alpha / 4):.3f}")

# %% [markdown]
# ## MALA: accepting or rejecting removes the bias
#
# The Metropolis–Hastings rule makes p exactly invariant, at any step size; too large a step is rejected more often. It needs log p,
# which a learned score does not give, and an exact density or an `Energy` does.

# %%
rates = []
chain = sf.sample(
    gaussian,
    sf.MALA(step_size=1.5),
    grid=sf.Constant(0.0, 150),
    init=start,
    denoise=False,
    on_step=lambda made: rates.append(made.memory.acceptance),
)
print(f"variance {chain.x.var():.3f}, accepted {rates[-1]:.2f}, evaluations {chain.evaluations:.0f}")

# %% [markdown]
# ## Has it mixed?
#
# Effective sample size and split R̂ need the whole trajectory of a few chains: as many frames as there are states. Chains that have
# mixed have R̂ below 1.01 and an effective size above 400 (Vehtari et al. 2021): these eight should run longer.

# %%
few = sf.sample(
    gaussian, sf.Langevin(0.5), grid=sf.Constant(0.0, 400), init=torch.zeros(8, 2), denoise=False, frames=401
)
try:
    found = diagnose_chains(few.trajectory)
    for axis, (size, rhat) in enumerate(zip(found.ess, found.rhat, strict=True)):
        print(
            f"coordinate {axis}: {found.chains * found.draws} states, worth {size:.0f} independent ones; R̂ = {rhat:.3f}"
        )
except ImportError as missing:
    print(missing)

# %% [markdown]
# ## Two modes: mixing fails
#
# ⅕ of the mass around (−5, −5), ⅘ around (5, 5). Chains that start evenly in a square go to the nearest mode and stay: the weights they
# show are those of the square, not of the distribution.

# %%
mixture, square = sf.GaussianMixture.song2019(), Square(half=8.0)
wide = sf.VE(sigma_min=0.1, sigma_max=10.0)
exact = sf.Exact(mixture, wide)
init = square.uniform(CHAINS, torch.Generator().manual_seed(0))
plain = sf.sample(exact, sf.Langevin(0.1), grid=sf.Constant(0.0, 500), init=init, denoise=False, frames=501)
print("jumps between modes per step:", mode_jumps(plain.trajectory[100:, :200], mixture))


def report(name, x):
    w = sf.mode_weights(x, mixture)
    chance = f"= {w.p_value:.1g}" if w.p_value > 1e-6 else "< 1e-6"
    print(
        f"{name}: smaller mode {w.shares[0]:.3f} [{w.low[0]:.3f}, {w.high[0]:.3f}], truth {w.expected[0]:.3f}, p {chance}"
    )


report("Langevin", plain.x)

# %% [markdown]
# ## Annealing
#
# Start where noise makes one mode of both, and go down a ladder of levels, each chain from where the last one ended. One level of the
# ladder is one transition of the grid; `repeats` Langevin steps are made there, of size α_i = ε σ_i²/σ_L².

# %%
levels = sf.Ladder(sf.geometric(10.0, 0.1, 10))
epsilon = 0.003
for repeats in (10, 50) if FAST else (10, 100, 300):
    annealed = sf.sample(exact, sf.AnnealedLangevin(epsilon, repeats=repeats), grid=levels, init=init, denoise=False)
    report(f"annealed, T = {repeats}, {annealed.evaluations:.0f} evaluations", annealed.x)

# %% [markdown]
# Longer chains come nearer; what remains is the bias of a finite ladder. A step size that cannot work is refused before it runs:

# %%
try:
    sf.sample(exact, sf.AnnealedLangevin(0.1, repeats=1), grid=levels, init=init)
except ValueError as refusal:
    print(refusal)

# %% [markdown]
# ## The paths they take

# %%
some = init[:6]
ways = {
    "Langevin": sf.sample(exact, sf.Langevin(0.1), grid=sf.Constant(0.0, 300), init=some, denoise=False, frames=301),
    "annealed": sf.sample(exact, sf.AnnealedLangevin(epsilon, 30), grid=levels, init=some, denoise=False, frames=11),
}
trajectory_panels(
    OUT / "ways.png", {name: drawn.trajectory for name, drawn in ways.items()}, Terrain.of(mixture, square.wider(2.0))
)
Image.open(OUT / "ways.png")

# %%
plt.figure(figsize=(5, 2.6))
for sigma in sf.geometric(10.0, 0.1, 10)[::3]:
    line = torch.linspace(-20, 20, 300)[:, None].expand(-1, 2)
    height = mixture.diffuse(1.0, sigma).log_prob(line).exp()
    plt.plot(line[:, 0], height / height.max(), label=f"σ = {sigma:.2g}")
plt.legend(frameon=False)
plt.title("the distribution along the diagonal, level by level")
plt.show()
