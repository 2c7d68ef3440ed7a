# The gallery: each cell makes one picture, `out`. docs/generate/gallery.py runs the cells and shows the lines that it ran.
# ruff: noqa: ANN001, ANN201, D100, D103, E402, E501, F821
# %% setup
import matplotlib.pyplot as plt
import torch

import scorefield as sf
from scorefield import plotting
from scorefield.data import digits
from scorefield.plotting import Square, Terrain
from scorefield.sampling import Samples

colours = plt.cycler(
    color=["#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"]
)  # for every kind of colour vision
plt.rcParams.update({"figure.constrained_layout.use": True, "font.size": 11, "axes.prop_cycle": colours})


def shade(ax, density, half=6.0):
    """Shade the regions that hold 50, 90 and 99 % of a distribution in the plane."""
    Terrain.of(density, Square(half=half), side=120, draws=4000).fill(ax)
    Square(half=half).frame(ax)


def arrows(ax, density, half=6.0):
    """Draw its score ∇ log p: arrows point to where the density grows."""
    at = Square(half=half).points(21)
    score = density.score(at)
    ax.quiver(*at.T, *(score / (1 + score.norm(dim=1, keepdim=True))).T, pivot="mid", width=0.004)


# %% Fields | a_ring_of_modes.png | The score of eight modes, after little and after much noise: noise joins the modes
ring, panels = sf.GaussianMixture.ring(modes=8, radius=4.0, std=0.3), plt.figure(figsize=(10, 3.7)).subplots(1, 3)
for ax, sigma in zip(panels, (0.1, 1.0, 3.0), strict=True):
    noised = ring.diffuse(torch.tensor(1.0), torch.tensor(sigma))
    shade(ax, noised)
    arrows(ax, noised)
    ax.set_title(f"noise σ = {sigma:g}")

# %% Fields | banana.png | A banana: the score is not a force towards a centre, but towards the ridge
ax = plt.figure(figsize=(5, 4.6)).subplots()
shade(ax, sf.Banana(), half=7.0)
arrows(ax, sf.Banana(), half=7.0)
ax.set(title="banana, and its score", xlabel="x₁", ylabel="x₂")

# %% Fields | moons_and_checkerboard.png | Two moons and a checkerboard: scores at σ = 0.5, computed, not learned
board, panels = sf.densities.Checkerboard(), plt.figure(figsize=(9, 4.4)).subplots(1, 2)
for ax, density, name in zip(panels, (sf.TwoMoons(), board), ("two moons", "checkerboard"), strict=True):
    noised = density.diffuse(torch.tensor(1.0), torch.tensor(0.5))
    shade(ax, noised, half=5.0)
    arrows(ax, noised, half=5.0)
    ax.set(title=f"{name}, noise σ = 0.5", xlabel="x₁", ylabel="x₂")

# %% Fields | learned.png | slow | A learned score beside the exact one, after two thousand training steps; its error is largest where data are rare, and, relative to a score near zero, along the moons' ridges
target, process = sf.TwoMoons(), sf.VE(sigma_min=0.01, sigma_max=20.0)
model = sf.Denoiser(sf.MLP(dim=2), process, sigma_data=1.6)
sf.fit(model, target, sf.DSM(sf.LogNormal(), sf.edm_weight(1.6)), steps=2000, learning_rate=3e-3)
t = process.time(torch.tensor(0.5))
plotting.score_panels(out, model, sf.Exact(target, process), t, Square(half=5.0))

# %% Fields | song_ermon_2.png | slow | Song & Ermon (2019), figure 2: where there are no data, a learned score is wrong
target, process = sf.GaussianMixture.song2019(), sf.VE(sigma_min=0.1, sigma_max=20.0)
model = sf.ScoreNet(sf.MLP(dim=2), process)
sf.fit(model, target, sf.SSM(ratio=0.1), steps=1500, batch_size=128)
plotting.score_panels(out, model, sf.Exact(target, process), torch.tensor(0.0), Square(half=8.0))

# %% Fields | tweedie.png | slow | The mean of the data given a noisy point, E[x₀ ∣ x]: what a denoiser answers
exact, panels = sf.Exact(sf.TwoMoons(), sf.EDM()), plt.figure(figsize=(10, 3.7)).subplots(1, 3)
for ax, sigma in zip(panels, (0.2, 0.7, 2.0), strict=True):
    at = Square(half=4.0).points(14)
    shade(ax, sf.TwoMoons(), half=4.0)
    ax.quiver(
        *at.T, *(exact.denoise(at, torch.tensor(sigma)) - at).T, angles="xy", scale_units="xy", scale=1, color="C1"
    )
    ax.set_title(f"from noise σ = {sigma:g}")

# %% Noise levels | densities.png | One number, noised more and more: from two sharp peaks to one bell
line, x = sf.GaussianMixture([[-1.5], [1.0]], [0.04, 0.01], [0.4, 0.6]), torch.linspace(-5, 5, 500)[:, None]
ax = plt.figure(figsize=(7, 3.6)).subplots()
for sigma in (0.05, 0.3, 1.0, 2.0):
    ax.plot(x, line.diffuse(torch.tensor(1.0), torch.tensor(sigma)).log_prob(x).exp(), label=f"σ = {sigma:g}")
ax.set(xlabel="x", ylabel="density")
ax.legend(frameon=False)

# %% Noise levels | digits.png | What a network is trained on: digits, each row with more noise than the one above
clean = digits().scaled(slice(0, 10))
z = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
rows = [sf.EDM().perturb(clean, torch.tensor(sigma), z) for sigma in (0.0, 0.1, 0.3, 0.6, 1.0)]
plotting.save_grid(out, torch.cat(rows), columns=10)

# %% Noise levels | processes.png | Signal α and noise σ of the processes: VP shrinks the data, VE hides it in noise
panels = plt.figure(figsize=(10, 3.4)).subplots(1, 3)
for ax, process in zip(panels, (sf.VP(), sf.SubVP(), sf.VE(0.01, 50.0)), strict=True):
    t = torch.linspace(process.t_min, process.t_max, 200)
    ax.plot(t, torch.stack(process.alpha_sigma(t), dim=1), label=["signal α", "noise σ"])
    ax.set(title=type(process).__name__, xlabel="time t", yscale="log" if ax is panels[2] else "linear")
panels[0].legend(frameon=False)

# %% Noise levels | grids.png | Where 16 transitions stop on the way from noise to data (VP), by three grids
ax, process = plt.figure(figsize=(8, 2.6)).subplots(), sf.VP()
grids = {"Uniform": sf.Uniform(16), "LogSNR": sf.LogSNR(16), "Karras": sf.Karras(16)}
for row, grid in enumerate(grids.values()):
    ratios = process.ratio(grid.times(process))
    ax.plot(ratios, torch.full_like(ratios, row), "|", markersize=22, markeredgewidth=2)
ax.set(xscale="log", xlabel="noise over signal σ/α", yticks=range(3), yticklabels=grids, ylim=(-0.6, 2.6))

# %% Samplers | side_by_side.png | Four samplers with eleven evaluations of the exact score each: what differs is the error of their steps
exact, few = sf.Exact(sf.GaussianMixture.ring(), sf.VE(0.01, 20.0)), sf.Karras(10)
samplers = {"Heun": sf.Heun(), "Euler": sf.Euler(), "DPM++ 2M": sf.DPMpp2M(), "DDIM(1)": sf.DDIM(1.0)}
made = {
    name: sf.sample(exact, it, (1000, 2), grid=sf.Karras(5) if name == "Heun" else few) for name, it in samplers.items()
}
plotting.sample_panels(out, {"exact score": made}, Terrain.of(exact.density, Square(half=6.0)), width=11.0)

# %% Samplers | ways.png | slow | The ways six samples take: smooth by the ODE, shaken by the SDE, in one place by Langevin dynamics
exact = sf.Exact(sf.GaussianMixture.ring(), sf.VE(0.01, 8.0))
ways = {
    "ODE (Heun)": (sf.Heun(), sf.Karras(60)),
    "SDE (Euler-Maruyama)": (sf.EulerMaruyama(), sf.LogSNR(300)),
    "Langevin": (sf.Langevin(0.02), sf.Constant(0.0, 300)),
}
made = {
    name: sf.sample(exact, sampler, (6, 2), grid=grid, frames=61).trajectory for name, (sampler, grid) in ways.items()
}
plotting.trajectory_panels(out, made, Terrain.of(exact.density, Square(half=9.0)))

# %% Samplers | on_their_way.mp4 | slow | Samples on their way from noise to eight modes, over the exact distribution of each noise level
exact = sf.Exact(sf.GaussianMixture.ring(), sf.VE(0.01, 20.0))
made = sf.sample(exact, sf.Heun(), (500, 2), grid=sf.Karras(30), frames=31)
plotting.save_path_film(out, made.trajectory, made.times, exact, Square(half=6.0))

# %% Samplers | song_ermon_3.png | slow | Song & Ermon (2019), figure 3: Langevin dynamics weighs far modes wrongly, annealed Langevin rightly
target = sf.GaussianMixture.song2019()
exact, start = (
    sf.Exact(target, sf.VE(0.01, 20.0)),
    8 * (2 * torch.rand(1280, 2, generator=torch.Generator().manual_seed(0)) - 1),
)
made = {"draws of the mixture": Samples(target.sample(1280, torch.Generator().manual_seed(1)), 0, torch.zeros(1), None)}
made["Langevin"] = sf.sample(exact, sf.Langevin(0.1), grid=sf.Constant(0.0, 1000), init=start)
ladder, chain = sf.Ladder(sf.geometric(20.0, 0.01, 10)), sf.AnnealedLangevin(0.1 * 0.01**2, repeats=100)
made["annealed Langevin"] = sf.sample(exact, chain, grid=ladder, init=start)
plotting.sample_panels(out, {"exact score": made}, Terrain.of(target, Square(half=9.0)))

# %% Samplers | weights.png | The same in numbers: one mode should hold a fifth of the samples
target = sf.GaussianMixture.song2019()
exact, start = (
    sf.Exact(target, sf.VE(0.01, 20.0)),
    8 * (2 * torch.rand(1280, 2, generator=torch.Generator().manual_seed(0)) - 1),
)
plain = sf.sample(exact, sf.Langevin(0.1), grid=sf.Constant(0.0, 1000), init=start)
ode = sf.sample(exact, sf.Heun(), (1280, 2), grid=sf.Karras(30))
plotting.weight_bars(
    out, {"exact score": {"Langevin": sf.mode_weights(plain.x, target), "ODE": sf.mode_weights(ode.x, target)}}
)

# %% Samplers | budget.png | slow | What a budget of evaluations buys when the score is exact; below the dotted line distances are chance
ring, x = sf.GaussianMixture.ring(), sf.GaussianMixture.ring().sample(2000, torch.Generator().manual_seed(1))
exact, ax, budget = sf.Exact(ring, sf.VE(0.01, 20.0)), plt.figure(figsize=(7, 4)).subplots(), [4, 8, 16, 32, 64]
for sampler in (sf.Euler(), sf.Heun(), sf.DPMpp2M(), sf.EulerMaruyama()):
    grids = [sf.Karras(max(1, int((n - 1) / sampler.evaluations))) for n in budget]
    distances = [sf.energy_distance(sf.sample(exact, sampler, (2000, 2), grid=grid).x, x) for grid in grids]
    ax.loglog(budget, [max(d.value, 3e-3) for d in distances], "o-", label=type(sampler).__name__)
ax.axhline(5e-3, color="0.5", linestyle=":")
ax.set(xlabel="evaluations per sample", ylabel="energy distance to the truth", xticks=budget, xticklabels=budget)
ax.minorticks_off()
ax.legend(frameon=False)

# %% Digits | eight_by_eight.png | slow | Digits of eight by eight pixels, drawn by a model that comes with the package
model = sf.load_model("digits")
plotting.save_grid(out, model.sample(40, seed=0).x, columns=10)

# %% Digits | emerging.mp4 | slow | The same digits emerge from noise
model = sf.load_model("digits")
made = model.sample(36, seed=0, frames=25)
plotting.save_film(out, made.trajectory, fps=8)

# %% Digits | mnist.png | slow | MNIST digits by the shipped model, the first of seed 0
model = sf.load_model("mnist")
plotting.save_grid(out, model.sample(24, seed=0, steps=10).x, columns=12)

# %% Digits | classes.png | slow | The ten digits, asked for by their class, twice
model = sf.load_model("mnist-class")
plotting.save_grid(out, model.sample(20, seed=0, labels=torch.arange(10).repeat(2), weight=0.5).x, columns=10)

# %% Digits | neighbours.png | slow | Samples beside their nearest training digits: alike, and not copies
x, train = sf.load_model("digits").sample(6, seed=0).x, digits()
near = sf.metrics.nearest_neighbours(x, train.scaled(slice(None)), k=3)[1]
plotting.neighbour_strip(
    out, x, train.scaled(near.flatten()).unflatten(0, near.shape), "samples, and the three nearest training digits"
)

# %% Restoring | hidden_half.png | slow | The right half hidden, and restored nine times
model, truth = sf.load_model("digits"), digits(train=False).scaled(slice(0, 1))
hidden = sf.guidance.hidden_part("right", 8, 8)
guided = sf.Inpaint(model.model, truth, ~hidden)
drawn = sf.sample(guided, sf.RePaint(sf.Ancestral(), resample=3), (9, 1, 8, 8), grid=sf.LogSNR(20)).x
grids = {"truth": truth, "seen": plotting.veil(truth, hidden), "restored": drawn}
plotting.sampler_comparison(out, grids)

# %% Restoring | super_resolution.png | slow | Four by four pixels, made eight by eight
model, truth = sf.load_model("digits"), digits(train=False).scaled(slice(0, 6))
A = sf.Downsample(2)
guided = sf.PiGDM(model.model, A, A.apply(truth), noise=0.02, sigma_data=0.3)
drawn = sf.sample(guided, sf.Heun(), tuple(truth.shape), grid=sf.Karras(20)).x
plotting.sampler_comparison(out, {"truth": truth, "measured": A.apply(truth), "restored": drawn})

# %% Restoring | slice_of_a_banana.png | slow | Conditioned on one coordinate of a banana: samples beside the exact conditional density
banana, x1 = sf.Exact(sf.Banana(), sf.VE(0.01, 20.0)), torch.linspace(-6, 6, 400, dtype=torch.float64)
problem = sf.PiGDM(banana, sf.Mask(torch.tensor([False, True])), torch.tensor([[1.0]]), noise=0.1, sigma_data=2.0)
drawn = sf.sample(problem, sf.Particles(16), (300, 2), grid=sf.LogSNR(60)).x[:, 0]
curve = sf.Banana().log_prob(torch.stack([x1, torch.ones_like(x1)], dim=1)).exp()
ax = plt.figure(figsize=(7, 3.6)).subplots()
ax.hist(drawn, bins=60, range=(-6, 6), density=True, alpha=0.5, label="particles")
ax.plot(x1, curve / torch.trapezoid(curve, x1), color="black", label="exact, x₂ = 1")
ax.set(xlabel="x₁", ylabel="density given x₂")
ax.legend(frameon=False)

# %% Restoring | one_side.png | A classifier of noisy states steers samples to the right half; at scale 3, beyond the data
exact = sf.Exact(sf.GaussianMixture.ring(), sf.VE(0.01, 20.0))


def side(x, t):
    return torch.stack([x[:, 0], -x[:, 0]], dim=1).log_softmax(dim=1)


models = {
    "unguided": exact,
    "scale 1": sf.ClassifierGuided(exact, side, 0, 1.0),
    "scale 3": sf.ClassifierGuided(exact, side, 0, 3.0),
}
made = {name: sf.sample(model, sf.Heun(), (500, 2), grid=sf.Karras(30)) for name, model in models.items()}
plotting.sample_panels(out, {"exact score": made}, Terrain.of(exact.density, Square(half=8.0)))

# %% Likelihood | moons.png | slow | The log-density of two moons by the probability-flow ODE, against the exact one
exact, x = sf.Exact(sf.TwoMoons(std=0.2), sf.VE(0.05, 20.0)), Square(half=3.5).points(40)
found = sf.log_likelihood(exact, x, rtol=1e-3, atol=1e-3, terminal=exact.marginal(torch.tensor(1.0))).log_prob
ax, true = plt.figure(figsize=(4.6, 4.4)).subplots(), exact.marginal(torch.tensor(0.0)).log_prob(x)
ax.plot(true[true > -40], found[true > -40], ".", markersize=3)
ax.plot([-40, 0], [-40, 0], color="black", linewidth=0.8)
ax.set(xlabel="exact log-density", ylabel="by the ODE", title="1600 points of a square")

# %% Likelihood | there_and_back.png | slow | Digits encoded as noise by the ODE and decoded again, above and below; between them, what lies between the two codes
model, x = sf.load_model("digits").model, digits(train=False).scaled(slice(0, 10))
latent = sf.encode(model, x, rtol=1e-3, atol=1e-3)
way = sf.likelihood.interpolate(latent[:5], latent[5:], steps=7).flatten(0, 1)
plotting.save_grid(out, sf.decode(model, way, rtol=1e-3, atol=1e-3), columns=5)

# %% Your own data | table.png | slow | A table: age, income and debt in their own units, learned and drawn without preparation
generator = torch.Generator().manual_seed(0)
age = 20 + 60 * torch.rand(4000, generator=generator)
table = torch.stack(
    [
        age,
        900 * age * torch.exp(0.3 * torch.randn(4000, generator=generator)),
        1e5 * torch.rand(4000, generator=generator) ** 3,
    ],
    dim=1,
)
model = sf.Denoiser(sf.MLP(dim=3), sf.EDM(), sigma_data=0.5).in_units(sf.Units.of(table))
sf.fit(model, table, sf.DSM(sf.LogNormal(), sf.edm_weight(0.5)), steps=1500)
drawn, panels = (
    sf.sample(model, sf.Heun(), (4000, 3), grid=sf.Karras(30)).x,
    plt.figure(figsize=(10, 3.2)).subplots(1, 3),
)
for ax, real, new, name in zip(panels, table.T, drawn.T, ("age in years", "income", "debt"), strict=True):
    ax.hist(
        [real, new],
        bins=30,
        range=(real.min().item(), real.quantile(0.995).item()),
        histtype="step",
        label=["data", "drawn"],
        linewidth=1.6,
    )
    ax.set(xlabel=name, yticks=[])
    ax.locator_params(axis="x", nbins=4)
panels[0].legend(frameon=False)

# %% Your own data | series.png | slow | Series of 32 numbers: waves of any phase, six of the data and six that a U-Net drew
phase, place = 6.283 * torch.rand(2000, 1, 1, generator=torch.Generator().manual_seed(0)), torch.linspace(0, 12.57, 32)
waves = torch.sin(place + phase)
model = sf.Denoiser(sf.UNet(channels=1, size=(32,), width=32), sf.EDM(), sigma_data=0.7)
sf.fit(model, waves, sf.DSM(sf.LogNormal(), sf.edm_weight(0.7)), steps=800, batch_size=64)
drawn, panels = (
    sf.sample(model, sf.Heun(), (6, 1, 32), grid=sf.Karras(15)).x,
    plt.figure(figsize=(9, 3.2)).subplots(1, 2, sharey=True),
)
for ax, title, shown in zip(panels, ("data", "drawn"), (waves[:6], drawn), strict=True):
    ax.plot(shown[:, 0].T, alpha=0.8)
    ax.set(title=title, xlabel="place in the series")
panels[0].set_ylabel("value")

# %% Your own data | photographs.png | slow | Patches of a photograph, and patches drawn from the Gaussian with their mean and covariance: colours and smoothness, no objects
from sklearn.datasets import load_sample_image

photo = torch.from_numpy(load_sample_image("china.jpg").astype("float32")).permute(2, 0, 1)[:, ::2, ::2] / 255
patches = photo.unfold(1, 12, 4).unfold(2, 12, 4).permute(1, 2, 0, 3, 4).flatten(0, 1)
patches = patches[torch.randperm(len(patches), generator=torch.Generator().manual_seed(0))]
flat = patches.flatten(1).double()
density = sf.Gaussian(flat.mean(0), flat.T.cov() + 1e-5 * torch.eye(432, dtype=torch.float64))
drawn = sf.sample(sf.Exact(density, sf.VE(0.002, 50.0)), sf.Heun(), (36, 432), grid=sf.Karras(20)).x.unflatten(
    1, (3, 12, 12)
)
plotting.sampler_comparison(out, {"patches": patches[:36], "drawn": drawn})

# %% Your own data | few_examples.png | slow | The exact score of six examples: every sampler returns those six
few = torch.randn(6, 2, generator=torch.Generator().manual_seed(3)) * 2
exact = sf.Exact(sf.Empirical(few), sf.VE(0.05, 20.0))
made = {
    "Heun": sf.sample(exact, sf.Heun(), (300, 2), grid=sf.Karras(30)),
    "SDE": sf.sample(exact, sf.EulerMaruyama(), (300, 2), grid=sf.LogSNR(200)),
}
plotting.sample_panels(
    out, {"score of six points": made}, Terrain.of(exact.marginal(torch.tensor(0.0)), Square(half=3.5))
)

# %% Your own data | song_ermon_1.png | slow | Song & Ermon (2019), figure 1: data on a thin manifold, where the loss without noise is unbounded below
x, panels = digits().scaled(slice(None)).flatten(1), plt.figure(figsize=(9, 3.4)).subplots(1, 2)
for ax, ratio in zip(panels, (None, 0.1), strict=True):
    torch.manual_seed(0)
    model = sf.ScoreNet(sf.MLP(dim=64), sf.VE(0.01, 10.0))
    loss = [record.loss for record in sf.fit(model, x, sf.SSM(ratio=ratio), steps=800, batch_size=128)]
    ax.plot(loss, linewidth=0.7)
    ax.set(
        title="no noise" if ratio is None else f"noise σ = {ratio:g}", xlabel="optimiser step", ylabel="loss of a batch"
    )
