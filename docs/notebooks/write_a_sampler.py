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
# # Write your own sampler in ten lines, and test it against exact answers
#
# A sampler is one transition from time t to s < t. The function `sample` brings the loop, the noise, the counting of evaluations and
# the trajectory. What the class declares, its order and its cost, is what gets tested; and a test counts only if a broken sampler fails
# it.

# %%
import math
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy import stats

import scorefield as sf

FAST = os.environ.get("SCOREFIELD_FAST") == "1"  # the built pages show it in full
DRAWS = 4_000 if FAST else 40_000


# %% [markdown]
# ## Ten lines
#
# In y = x/α and ρ = σ/α the probability flow of every process is dy/dρ = ẑ(x, t). A midpoint rule: half a step to the geometric mean of
# the two ratios, then the whole step with the slope found there.


# %%
class Midpoint(sf.Sampler):
    order = 2
    evaluations = 2

    def step(self, model, x, step, memory, noise):
        rho_m = math.sqrt(step.rho_t * step.rho_s)
        middle = step.starting_at(model.process, rho_m)
        y = x / step.alpha_t
        half = y + (rho_m - step.rho_t) * model.noise(x, step.t)
        slope = model.noise(middle.alpha_t * half, middle.t)
        return step.alpha_s * (y + (step.rho_s - step.rho_t) * slope), None


# %% [markdown]
# It runs, on an exact score as on a network:

# %%
ring = sf.GaussianMixture.ring()
exact = sf.Exact(ring, sf.VE(sigma_min=0.01, sigma_max=20.0))
drawn = sf.sample(exact, Midpoint(), (DRAWS, 2), grid=sf.Karras(31))
print(f"{drawn.evaluations:.0f} evaluations; energy distance:", sf.energy_distance(drawn.x[:3000], ring.sample(3000)))

# %% [markdown]
# ## Test 1: the order it declares
#
# On Gaussian data the flow is known in closed form: a state keeps its number of standard deviations. So the error of a path is a
# number, and its decay with the number of steps a slope. No samples, no statistics.

# %%
mean, variance = torch.tensor([1.0, -0.5]).double(), torch.tensor([0.3, 1.5]).double()
gaussian = sf.Gaussian(mean, variance)


def path_error(sampler, process, steps):
    model, times = sf.Exact(gaussian, process), sf.Karras(steps).times(process)
    z = torch.randn(16, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (a, s), (b, r) = (process.alpha_sigma(t) for t in (times[0], times[-1]))
    begin, end = (u * mean + (u**2 * variance + v**2).sqrt() * z for u, v in ((a, s), (b, r)))
    return (sf.sample(model, sampler, grid=times, init=begin, denoise=False).x - end).abs().max().item()


def fitted_order(sampler, process, counts=(64, 128, 256)):
    errors = [path_error(sampler, process, n) for n in counts]
    return -np.polyfit(np.log(counts), np.log(errors), 1)[0]


for process in (sf.VE(sigma_min=0.3, sigma_max=2.0), sf.VP()):
    order = fitted_order(Midpoint(), process)
    print(f"{process}: declared {Midpoint.order}, fitted {order:.2f}")
    assert abs(order - Midpoint.order) < 0.1

# %% [markdown]
# ## Test 2: it reaches the distribution, at a stated significance level
#
# Begin with the exact distribution at t_max, end with the exact one at t_min: Kolmogorov–Smirnov tests along both
# axes. With level 10⁻³ for both together, a correct sampler fails one time in a thousand.

# %%
LEVEL = 1e-3


def p_values(sampler, process, steps=32, seed=1):
    model = sf.Exact(gaussian, process)
    begin = model.marginal(process.t_max).sample(DRAWS, torch.Generator().manual_seed(seed))
    x = sf.sample(model, sampler, init=begin, grid=sf.LogSNR(steps), denoise=False).x.double().numpy()
    alpha, sigma = (v.item() for v in process.alpha_sigma(torch.tensor(process.t_min).double()))
    std = (alpha**2 * variance + sigma**2).sqrt().numpy()
    return [float(stats.kstest(x[:, i], stats.norm(alpha * mean[i].item(), std[i]).cdf).pvalue) for i in (0, 1)]


found = p_values(Midpoint(), sf.VP())
print("p-values:", *(f"{p:.2g}" for p in found))
assert min(found) > LEVEL / 2

# %% [markdown]
# ## A broken sampler must fail
#
# A test that nothing can fail is worth nothing. Break the rule as one would by mistake: both tests notice.


# %%
class Broken(Midpoint):
    def step(self, model, x, step, memory, noise):
        x, memory = super().step(model, x, step, memory, noise)
        return x + 0.05 * min(step.rho_t - step.rho_s, 1.0) * x, memory


print(
    f"fitted order: {fitted_order(Broken(), sf.VP()):.2f}",
    "  p-values:",
    *(f"{p:.2g}" for p in p_values(Broken(), sf.VP())),
)
assert abs(fitted_order(Broken(), sf.VP()) - 2) > 0.1
assert min(p_values(Broken(), sf.VP())) < LEVEL / 2

# %% [markdown]
# ## Is it any good?
#
# Beside Heun, at equal numbers of evaluations:

# %%
process, counts = sf.VE(sigma_min=0.05, sigma_max=20.0), [8, 16, 32, 64, 128]
plt.figure(figsize=(5, 3.2))
for sampler in (Midpoint(), sf.Heun()):
    errors = [path_error(sampler, process, n) for n in counts]
    plt.loglog([2 * n for n in counts], errors, "o-", label=type(sampler).__name__)
plt.xticks([2 * n for n in counts], [2 * n for n in counts])
plt.minorticks_off()
plt.xlabel("evaluations")
plt.ylabel("error of a path")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# Here `Midpoint` is known to this notebook alone. `sf.register("sampler", midpoint=Midpoint)`, in a file of yours, makes it known to the
# command line: [a name for it](../howto/extend.md).
#
# In the repository these tests exist already. They run on every public sampler, on every target and process, and on a broken version
# of it that they must reject; `CONTRIBUTING.md` lists the four files that make a sampler public.
