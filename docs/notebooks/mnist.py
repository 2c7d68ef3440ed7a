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
# # MNIST, end to end
#
# Train a small network on small digits in a minute or two, then take the one that ships with the package, and draw with it: five
# samplers, classes, inpainting.

# %%
import os
import tempfile
from pathlib import Path

import torch
from PIL import Image

import scorefield as sf
from scorefield import data
from scorefield.plotting import sampler_comparison, save_grid

FAST = os.environ.get("SCOREFIELD_FAST") == "1"  # the built pages show it in full
N, LONG = (2, 9) if FAST else (16, 299)  # samples, and transitions of a long way
OUT = Path(tempfile.mkdtemp())


def show(name, x, columns=None):
    save_grid(OUT / f"{name}.png", x, columns)
    return Image.open(OUT / f"{name}.png")


# %% [markdown]
# ## Train
#
# `data.mnist()` downloads four files once and checks their hashes, or reads the folder that `SCOREFIELD_DATA` names. Without both, 8×8
# digits that come with the package stand in. A network for all 28×28 pixels trains for longer than a page should take: here each square
# of four pixels becomes their mean.

# %%
try:
    images = data.mnist()
except sf.ScorefieldError as missing:
    print(str(missing).splitlines()[0])
    images = data.digits()
pixels = torch.nn.functional.avg_pool2d(images.scaled(slice(0, 20_000)), 2)
std, mean = pixels.std().item(), pixels.mean().item()
print(images.name, tuple(pixels.shape), f"mean {mean:.3f}, standard deviation {std:.3f}")

# %%
torch.manual_seed(0)
process = sf.EDM(sigma_min=0.002, sigma_max=40.0)
net = sf.UNet(1, pixels.shape[-1], width=32, depth=2)
model = sf.Denoiser(net, process, sigma_data=std, mean_data=mean)
objective = sf.DSM(sf.LogNormal(-0.7, 1.2), sf.edm_weight(std))
records = sf.fit(model, pixels, objective, steps=30 if FAST else 1_500, batch_size=64, learning_rate=2e-3)
print(f"{sum(p.numel() for p in net.parameters()):,} parameters, loss {records[0].loss:.0f} → {records[-1].loss:.0f}")
drawn = sf.sample(model, sf.Heun(), (3 * N, *pixels.shape[1:]), grid=sf.Karras(17))
show("trained_here", drawn.x, columns=12)

# %% [markdown]
# Digits of 28×28 pixels from the shell, with checkpoints, resume and pictures on the way: `scorefield train --config mnist-small`, in six
# minutes on two cores.
#
# ## Five samplers on one network

# %%
loaded = sf.load_model("mnist")
model, event = loaded.model, loaded.event
runs = {
    "Heun, as shipped": loaded.config.sampling.build(model.process),
    "probability-flow ODE, adaptive": (sf.AdaptiveODE(1e-2, 1e-2), sf.LogSNR(1)),
    "reverse SDE": (sf.EulerMaruyama(), sf.LogSNR(LONG)),
    "predictor-corrector": (
        sf.PredictorCorrector(sf.ReverseDiffusion(), sf.LangevinCorrector(0.16)),
        sf.LogSNR(LONG // 2),
    ),
    "annealed Langevin": (
        sf.AnnealedLangevin(0.3 * 0.02**2, repeats=3),
        sf.Ladder(sf.geometric(10.0, 0.02, LONG // 4)),
    ),
}
grids = {}
for name, (sampler, grid) in runs.items():
    drawn = sf.sample(model, sampler, (N, *event), grid=grid, seed=0)
    grids[f"{name}\n{drawn.evaluations:.0f} evaluations"] = drawn.x
sampler_comparison(OUT / "samplers.png", grids)
Image.open(OUT / "samplers.png")

# %% [markdown]
# On its way: the state of eight digits at ten moments of the flow, the noise fading.

# %%
path = sf.sample(model, sf.Heun(), (8, *event), grid=sf.Karras(17), frames=10).trajectory
scale = path.flatten(1).abs().amax(dim=1).clamp_min(1.0).reshape(-1, 1, 1, 1, 1)
show("path", (path / scale).flatten(0, 1), columns=8)

# %% [markdown]
# ## The digit asked for
#
# A network that was trained with labels draws the digit asked for; classifier-free guidance, of this `weight`, exaggerates it.
# `load_model` gives a model that draws itself, by the sampler of its configuration.

# %%
labels = torch.arange(2 if FAST else 20) % 10
drawn = sf.load_model("mnist-class").sample(len(labels), labels=labels, weight=1.0, seed=0)
print(labels.tolist(), f"{drawn.evaluations:.0f} evaluations")
show("classes", drawn.x, columns=10)

# %% [markdown]
# ## Inpainting
#
# `Inpaint` says what is known; any sampler fills in the rest. Known pixels come out as they went in, bit for bit. Rows: digits, what is
# known of them, two restorations of each. The model never saw a mask.

# %%
truth = loaded.sample(2 if FAST else 8, seed=5).x
left = torch.zeros(event, dtype=torch.bool)
left[..., : event[-1] // 2] = True
random = torch.rand(event, generator=torch.Generator().manual_seed(0)) < 0.4
for name, mask in (("left half", left), ("40 % of the pixels", random)):
    problem = sf.Inpaint(model, truth, mask[None])
    sampler = sf.PredictorCorrector(sf.ReverseDiffusion(), sf.LangevinCorrector(0.16))
    restored = [sf.sample(problem, sampler, tuple(truth.shape), grid=sf.LogSNR(LONG // 5), seed=k).x for k in (0, 1)]
    assert all(torch.equal(x[:, mask], truth[:, mask]) for x in restored)
    save_grid(OUT / f"{name}.png", torch.cat([truth, torch.where(mask, truth, 0.5), *restored]), columns=len(truth))
Image.open(OUT / "left half.png")

# %%
Image.open(OUT / "40 % of the pixels.png")
