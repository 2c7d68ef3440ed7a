/* Samplers: lists of moves, and the rule by which each move carries particles. */
(() => {
  "use strict";

  const { normal } = globalThis.scorefield;

  // ---- grids -------------------------------------------------------------------------------------------------------
  /** count noise levels from high to low with a constant quotient. */
  const geometric = (high, low, count) =>
    Array.from({ length: count }, (_, k) => high * (low / high) ** (count > 1 ? k / (count - 1) : 0));

  /** steps + 1 noise levels of Karras et al. (2022), Eq. 5: equally spaced in σ^{1/7}. */
  function karras(high, low, steps) {
    const [a, b] = [high ** (1 / 7), low ** (1 / 7)];
    return Array.from({ length: steps + 1 }, (_, k) => (a + (k / steps) * (b - a)) ** 7);
  }

  // ---- samplers ----------------------------------------------------------------------------------------------------
  // A move takes every particle from noise level `from` to `to` and costs `cost` evaluations of the score. x and z are
  // flat arrays x₀ y₀ x₁ y₁ …, z standard normal.
  const RULES = {
    /** x ← x + (α/2) s + √α z (Song & Ermon 2019, Eq. 4). */
    langevin(density, x, z, { from, alpha }) {
      each(density.at(from), x, (i, s) => {
        x[i] += 0.5 * alpha * s[1] + Math.sqrt(alpha) * z[i];
        x[i + 1] += 0.5 * alpha * s[2] + Math.sqrt(alpha) * z[i + 1];
      });
    },
    /** Euler–Maruyama on the reverse SDE: x ← x + g²h s + g√h z; for VE g²h = 2σ² ln(σ_t/σ_s) (Song et al. 2021, Eq. 6). */
    reverse(density, x, z, { from, to }) {
      const variance = 2 * from * from * Math.log(from / to);
      each(density.at(from), x, (i, s) => {
        x[i] += variance * s[1] + Math.sqrt(variance) * z[i];
        x[i + 1] += variance * s[2] + Math.sqrt(variance) * z[i + 1];
      });
    },
    /** Heun's method on dx/dσ = −σ s, the probability-flow ODE (Karras et al. 2022, Algorithm 1). */
    heun(density, x, z, { from, to }) {
      const h = to - from;
      const there = density.at(to);
      const second = [0, 0, 0];
      each(density.at(from), x, (i, s) => {
        const [dx, dy] = [-from * s[1], -from * s[2]];
        there(x[i] + h * dx, x[i + 1] + h * dy, second);
        x[i] += 0.5 * h * (dx - to * second[1]);
        x[i + 1] += 0.5 * h * (dy - to * second[2]);
      });
    },
    /** x ← E[x₀ | x] = x + σ² s (Tweedie's formula). */
    denoise(density, x, z, { from }) {
      each(density.at(from), x, (i, s) => {
        x[i] += from * from * s[1];
        x[i + 1] += from * from * s[2];
      });
    },
  };

  function each(field, x, use) {
    const s = [0, 0, 0];
    for (let i = 0; i < x.length; i += 2) {
      field(x[i], x[i + 1], s);
      use(i, s);
    }
  }

  /** Carry all particles of x through one move, in place. */
  const advance = (move, density, x, z) => RULES[move.rule](density, x, z, move);

  /** Take the k-th of a sampler's moves: with the noise of the library's k-th draw, where the move has any. */
  function take(moves, k, density, x, seed) {
    const noisy = moves[k].rule === "langevin" || moves[k].rule === "reverse";
    advance(moves[k], density, x, noisy ? normal("seeds", seed, k, x.length / 2) : null);
  }

  // A sampler is a list of moves that spends `budget` evaluations, and one more where it ends by denoising.
  const SAMPLERS = {
    langevin: {
      name: "Langevin",
      moves: ({ budget, sigma, narrowest }) =>
        repeat(budget, { rule: "langevin", from: sigma, to: sigma, alpha: 0.5 * (sigma ** 2 + narrowest), cost: 1 }),
    },
    annealed: {
      name: "Annealed Langevin",
      moves: ({ budget, high, low, repeats = 4, relative = 0.5 }) =>
        geometric(high, low, Math.ceil(budget / repeats))
          .flatMap((s) => repeat(repeats, { rule: "langevin", from: s, to: s, alpha: relative * s * s, cost: 1 }))
          .slice(0, budget)
          .concat(denoising(low)),
    },
    reverse: {
      name: "Reverse SDE",
      moves: ({ budget, high, low }) =>
        pairs(geometric(high, low, budget + 1))
          .map(([from, to]) => ({ rule: "reverse", from, to, cost: 1 }))
          .concat(denoising(low)),
    },
    corrected: {
      name: "Predictor–corrector",
      moves: ({ budget, high, low, snr = 0.16 }) =>
        pairs(geometric(high, low, Math.floor(budget / 2) + 1))
          .flatMap(([from, to]) => [
            { rule: "langevin", from, to: from, alpha: 4 * (snr * from) ** 2, cost: 1 },
            { rule: "reverse", from, to, cost: 1 },
          ])
          .concat(denoising(low)),
    },
    ode: {
      name: "Probability-flow ODE",
      moves: ({ budget, high, low }) =>
        pairs(karras(high, low, Math.max(1, Math.floor(budget / 2))))
          .map(([from, to]) => ({ rule: "heun", from, to, cost: 2 }))
          .concat(denoising(low)),
    },
  };
  const repeat = (count, move) => new Array(count).fill(move);
  const pairs = (levels) => levels.slice(1).map((to, k) => [levels[k], to]);
  const denoising = (sigma) => [{ rule: "denoise", from: sigma, to: sigma, cost: 1 }];

  /** The share of particles in each part; those that diverged are in none. */
  function shares(density, x) {
    const counts = density.parts.map(() => 0);
    for (let i = 0; i < x.length; i += 2) if (Number.isFinite(x[i] + x[i + 1])) counts[density.partOf(x[i], x[i + 1])]++;
    return counts.map((c) => (2 * c) / x.length);
  }

  Object.assign(globalThis.scorefield, { SAMPLERS, advance, shares, take });
})();
