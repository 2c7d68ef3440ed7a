/* The lines of Python that compute with the library what the page shows. */
(() => {
  "use strict";

  const real = (value) => (Number.isInteger(value) ? `${value}.0` : `${value}`);
  const rows = (points) => `[${points.map(({ x, y }, k) => `${k && k % 8 === 0 ? "\n    " : ""}[${real(x)}, ${real(y)}]`).join(", ")}]`;
  const list = (values) => `[${values.map(real).join(", ")}]`;

  const TARGETS = {
    modes: (list_) =>
      [
        "target = sf.GaussianMixture(",
        `    means=torch.tensor(${rows(list_)}),`,
        `    covariances=torch.tensor(${list(list_.map((m) => m.std))}) ** 2,`,
        `    weights=torch.tensor(${list(list_.map((m) => m.weight))}),`,
        ")",
      ].join("\n"),
    ring: ({ radius, std }) => `target = sf.Ring(radius=${real(radius)}, std=${real(std)})`,
    banana: ({ spread, curvature, std }) => `target = sf.Banana(spread=${real(spread)}, curvature=${real(curvature)}, std=${real(std)})`,
    moons: ({ radius, std }) => `target = sf.TwoMoons(radius=${real(radius)}, std=${real(std)})`,
    checkerboard: ({ side, size }) => `target = sf.Checkerboard(side=${side}, size=${real(size)})`,
    empirical: (points) => `target = sf.Empirical(torch.tensor(${rows(points)}))`,
  };

  const SAMPLERS = {
    langevin: ({ budget, sigma, narrowest }) => [
      `sf.Langevin(step_size=${0.5 * (sigma ** 2 + narrowest)})`,
      `sf.Constant(t=process.time(torch.tensor(${real(sigma)})).item(), steps=${budget})`,
    ],
    annealed: ({ budget, high, low }) => [
      "sf.AnnealedLangevin(repeats=4, relative_step=0.5)",
      `sf.Ladder(sf.geometric(${real(high)}, ${real(low)}, ${Math.ceil(budget / 4)}))`,
    ],
    reverse: ({ budget }) => ["sf.EulerMaruyama()", `sf.LogSNR(${budget})`],
    corrected: ({ budget }) => ["sf.PredictorCorrector(sf.EulerMaruyama(), sf.LangevinCorrector(0.16))", `sf.LogSNR(${budget / 2})`],
    ode: ({ budget }) => ["sf.Heun()", `sf.Karras(${budget / 2})`],
  };

  function learnedModel({ width, depth, training }) {
    const trained = training
      ? `# Its like is trained by sf.fit(model, target, sf.DSM(), steps=${training.steps}, batch_size=${training.batch}, learning_rate=${training.learningRate})\n`
      : "";
    return `stored = json.loads(Path("network.json").read_text())  # "Save network" writes it
net = sf.MLP(dim=2, width=${width}, depth=${depth})
for parameter, values in zip(net.parameters(), stored["layers"]):
    parameter.data = torch.tensor(values)
model = sf.Denoiser(net, process, stored["sigma"], stored["mean"])
${trained}`;
  }

  const BEGIN = `z = sf.Noise(seeds, (2,), stream="start", dtype=torch.float64, generator="philox").normal()\n`;
  const FROM_NOISE = `${BEGIN}prior = sf.Exact(target, process).prior(process.t_max)\nstart = prior.mean + prior.std * z`;
  const CHANGED = "# The distribution was changed on the way: press Reset, then Play, and the page comes to what these lines give.\n";

  const lostOf = (lost) => `# ${lost} particles diverge, where the library stops with an error: start from the centre, or choose another sampler.\n`;

  /** chosen is { kind, settings, sigma, shown, start, count, sampler, budget, narrowest, high, low, seed, net, changed, lost }: sigma the
      noise level that is chosen, shown the one that the sampler has come to; net null for the exact score. */
  function python(chosen) {
    const { kind, settings, shown, start, count, sampler, high, low, seed, net, changed, lost } = chosen;
    const [made, grid] = SAMPLERS[sampler](chosen);
    const dropped = ({ x, y }) => `${BEGIN}start = torch.tensor([${real(x)}, ${real(y)}]) + 0.35 * z`;
    return `${net ? "import json\nfrom pathlib import Path\n\n" : ""}import numpy as np
import torch

import scorefield as sf

torch.set_default_dtype(torch.float64)
${TARGETS[kind](settings)}
process = sf.VE(sigma_min=${real(low)}, sigma_max=${real(high)})
${net ? learnedModel(net) : "model = sf.Exact(target, process)\n"}
# The arrows: the score at this noise level, here at one place; and the guess of what was there.
x = torch.tensor([[1.0, 0.5]])
t = process.time(torch.tensor(${real(shown)}))
score, guess = model.score(x, t), model.denoise(x, t)

# The particles at the end of the run: the same start and noise as on the page.
${changed ? CHANGED : ""}${lost ? lostOf(lost) : ""}first = ${seed} << 32
seeds = range(first, first + ${count})
${typeof start === "object" && start ? dropped(start) : FROM_NOISE}
drawn = sf.sample(
    model,
    ${made},
    init=start,
    seeds=seeds,
    grid=${grid},${sampler === "langevin" ? "\n    denoise=False," : ""}
    generator="philox",
)
np.savez("plane.npz", start=start, ${sampler}=drawn.x)
print(score, guess, drawn.evaluations, drawn.x.mean(dim=0))
`;
  }

  Object.assign(globalThis.scorefield, { python });
})();
