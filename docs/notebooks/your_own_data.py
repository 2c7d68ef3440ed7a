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
# # Your own data
#
# From a folder of pictures, or an array, to samples, and the question whether the model learned or memorised. The pictures here are
# drawn on the spot, so that the notebook needs none: put your folder in place of `folder`.

# %%
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

import scorefield as sf
from scorefield import advice, data
from scorefield.metrics import soundness
from scorefield.plotting import save_grid

FAST = os.environ.get("SCOREFIELD_FAST") == "1"  # the built pages show it in full
OUT = Path(tempfile.mkdtemp())
folder = OUT / "pictures"
folder.mkdir()

# %%
generator = np.random.default_rng(0)
for k in range(200 if FAST else 600):
    picture = Image.new("L", (48, 48), 0)
    x, y = generator.integers(12, 36, 2)
    r = int(generator.integers(5, 11))
    draw = ImageDraw.Draw(picture)
    (draw.ellipse if k % 2 else draw.rectangle)((x - r, y - r, x + r, y + r), fill=255)
    picture.save(folder / f"{k:04d}.png")

# %% [markdown]
# ## Read
#
# `from_folder` enters sub-folders, turns pictures as their EXIF says, cuts the central square and resizes. A damaged file is an error
# that names it. Keep some for later.

# %%
pictures = data.from_folder(folder, size=16)
train, held_out = pictures.subset(slice(0, -100)), pictures.subset(slice(-100, None))
save_grid(OUT / "data.png", train.scaled(slice(0, 32)), columns=16)
print(train.name, len(train), train.event)
Image.open(OUT / "data.png")

# %% [markdown]
# ## Settings
#
# Mean and standard deviation come from the data. NCSNv2's rules say how far noise must reach to cross it, and how many levels a ladder
# would need.

# %%
x = train.scaled()
rules = advice.suggest(x)
print(f"largest distance {rules.sigma_1:.1f}, levels {rules.levels}, step {rules.step_size:.2g}")
std, mean = x.std().item(), x.mean().item()

# %% [markdown]
# ## Train and sample
#
# Fifteen hundred steps take a minute or two on one core. Places and sizes are learned by then; corners, and that there is one shape in each
# picture, take longer.

# %%
torch.manual_seed(0)
process = sf.EDM(sigma_min=0.005, sigma_max=rules.sigma_1)
model = sf.Denoiser(sf.UNet(1, 16, width=32, depth=1), process, std, mean)
records = sf.fit(
    model,
    train,
    sf.DSM(sf.LogNormal(-0.7, 1.2), sf.edm_weight(std)),
    steps=10 if FAST else 1_500,
    batch_size=64,
    learning_rate=2e-3,
)
drawn = sf.sample(model, sf.Heun(), (64, 1, 16, 16), grid=sf.Karras(17))
sound = soundness(drawn.x)
print(f"{sound.in_range:.0%} of the pixels lie in [0, 1]")
print(f"mean {sound.mean:.3f}, of the data {mean:.3f}; standard deviation {sound.std:.3f}, of the data {std:.3f}")
save_grid(OUT / "samples.png", drawn.x[:32], columns=16)
Image.open(OUT / "samples.png")

# %% [markdown]
# ## Learned, or memorised?
#
# Distance of each sample to the nearest training picture, beside that of held-out pictures, which nobody could have memorised. Samples
# much nearer than held-out pictures are copies.


# %%
def nearest(a, b):
    return torch.cdist(a.flatten(1), b.flatten(1)).min(dim=1).values


ours, fresh = nearest(drawn.x, x), nearest(held_out.scaled(), x)
print(f"median distance to the training set: samples {ours.median():.2f}, held-out pictures {fresh.median():.2f}")
print(f"samples nearer than the nearest held-out picture: {(ours < fresh.min()).double().mean():.0%}")

# %% [markdown]
# ## Arrays
#
# A table of numbers comes from a `.npy` or `.npz`, or is a tensor as it is. `Units.of` measures location and scale of each column; the
# model works in standardised coordinates, and what it draws is in the units of the table. And a test that sees more than eyes do: can a
# classifier tell samples from held-out data? An accuracy of one half means that it cannot.

# %%
table = OUT / "table.npy"
u = generator.normal(size=(6_000, 1))
np.save(table, np.concatenate([u, u**2 - 1 + 0.3 * generator.normal(size=(6_000, 1))], axis=1).astype(np.float32))
rows = data.from_array_file(table).x
known, unseen = rows[:4_000], rows[-400 if FAST else -2_000 :]
torch.manual_seed(0)
process = sf.VE(sigma_min=0.01, sigma_max=30.0)
points = sf.Denoiser(sf.MLP(dim=2), process, sigma_data=0.5).in_units(sf.Units.of(known))
sf.fit(points, known, sf.DSM(sf.LogNormal(-0.5, 1.6), sf.edm_weight(0.5)), steps=50 if FAST else 8_000)
drawn = sf.sample(points, sf.Heun(), (len(unseen), 2), grid=sf.Karras(23))
accuracy, p = sf.c2st(drawn.x, unseen)
print(f"a classifier tells samples from data with accuracy {accuracy}")

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharex=True, sharey=True)
for axis, shown, name in zip(axes, (unseen, drawn.x), ("held-out rows", "samples"), strict=True):
    axis.scatter(*shown.T, s=3, alpha=0.3, linewidths=0)
    axis.set_title(name)
    axis.set_xlabel("column 1")
axes[0].set_ylabel("column 2")
axes[0].set_xlim(-4, 4)
axes[0].set_ylim(-3, 12)
figure.tight_layout()
figure.savefig(OUT / "table.png", dpi=100)
plt.close(figure)
Image.open(OUT / "table.png")

# %% [markdown]
# ## Series, colours, volumes
#
# The U-Net takes what has channels on a grid of one, two or three axes: series (n, c, length), images (n, c, height, width), volumes
# (n, c, depth, height, width). Here are waves of random phase and pitch, discs of a random colour, and balls, each in units of its own.
# Each network is trained for five hundred steps only: some of its samples hold no disc or ball, or two. More steps mend that.

# %%
u = [torch.from_numpy(generator.uniform(size=(1_000, 1))).float() for _ in range(4)]
line = torch.linspace(-1, 1, 16)
plane, space = torch.meshgrid(line, line, indexing="ij"), torch.meshgrid(*[line[::2]] * 3, indexing="ij")


def ball(axes):
    """Return 1 inside of balls with random centres and radii, 0 outside, and something between at the rim."""
    bent = [1] * len(axes)
    square = sum((axis - (c - 0.5).reshape(-1, *bent)) ** 2 for axis, c in zip(axes, u, strict=False))
    return torch.sigmoid(20 * ((0.4 + 0.3 * u[3]).reshape(-1, *bent) - square.sqrt()))


kinds = {
    "series": 40 * torch.sin((2 + 3 * u[0]) * torch.linspace(0, 6, 64) + 6 * u[1])[:, None],
    "colours": ball(plane)[:, None] * torch.stack([u[2], 1 - u[2], u[0]], dim=1)[..., None],
    "volumes": 300 + 50 * ball(space)[:, None],
}


def learned(x):
    """Return eight samples of a small network that was trained on x."""
    torch.manual_seed(0)
    net = sf.UNet(x.shape[1], tuple(x.shape[2:]), width=32, depth=1)
    model = sf.Denoiser(net, sf.EDM(0.005, 40.0), sigma_data=0.5).in_units(sf.Units.of(x))
    objective = sf.DSM(sf.LogNormal(-0.8, 1.4), sf.edm_weight(0.5))
    sf.fit(model, x, objective, steps=5 if FAST else 500, batch_size=64, learning_rate=2e-3)
    return sf.sample(model, sf.Heun(), (8, *x.shape[1:]), grid=sf.Karras(17)).x


drawn = {name: learned(x) for name, x in kinds.items()}
for name, x in kinds.items():
    print(
        f"{name}: mean {x.mean():.3g} and {drawn[name].mean():.3g}, deviation {x.std():.3g} and {drawn[name].std():.3g}"
    )

# %%
figure, axes = plt.subplots(6, 8, figsize=(9, 7))
for row, (name, x) in enumerate(kinds.items()):
    for which, shown in enumerate((x, drawn[name])):
        for axis, example in zip(axes[2 * row + which], shown, strict=False):
            if name == "series":
                axis.plot(example[0], linewidth=1)
                axis.set_ylim(-60, 60)
            elif name == "colours":
                axis.imshow(example.movedim(0, -1).clamp(0, 1))
            else:
                axis.imshow(example[0, 4], cmap="grey", vmin=300, vmax=350)  # a cut through the middle
            axis.set_xticks([])
            axis.set_yticks([])
        axes[2 * row + which, 0].set_ylabel(f"{name}\n{('data', 'samples')[which]}", fontsize=8)
figure.tight_layout()
figure.savefig(OUT / "kinds.png", dpi=100)
plt.close(figure)
Image.open(OUT / "kinds.png")

# %% [markdown]
# From the shell the same is
#
# ```console
# scorefield train --config mnist --data.path pictures --data.size 16 --name mine
# scorefield sample runs/mine -n 64 --out mine.png
# ```
