/* The mathematics of the plane: distributions with known scores, their noising, samplers, seeded noise.

   Noising is variance exploding, x_σ = x_0 + σ z, and the noise level σ stands for the time of the library's VE process.
   Every distribution here has p_σ in closed form or as a one-dimensional integral, exactly as in scorefield.densities.

   A classic script that leaves one global, not an ES module: browsers refuse to load modules of a page that is opened
   as a file. In node: require("./model.js"), then globalThis.scorefield. */
globalThis.scorefield = (() => {
  "use strict";

  const LOG_2PI = Math.log(2 * Math.PI);

  // ---- distributions -----------------------------------------------------------------------------------------------
  // A distribution is { parts, moments, narrowest, at, partOf }:
  //   parts      the true weight of each part (mode, moon, arc …) whose share of particles is watched
  //   moments    mean [x, y] and variances [x, y]
  //   narrowest  the smallest variance, which bounds stable step sizes
  //   at(sigma)  the field of p_σ: (x, y, out) writes out = [log p_σ, ∂x log p_σ, ∂y log p_σ]
  //   partOf(x, y)  the part that a clean point belongs to

  /** Σ_k w_k N(μ_k, v_k I), from components { x, y, variance, weight, part }. Noised: v_k + σ². */
  function mixture(components) {
    const total = components.reduce((sum, c) => sum + c.weight, 0);
    const n = components.length;
    const mx = Float64Array.from(components, (c) => c.x);
    const my = Float64Array.from(components, (c) => c.y);
    const weights = components.map((c) => c.weight / total);
    const part = components.map((c, k) => c.part ?? k);
    const parts = new Array(Math.max(...part) + 1).fill(0);
    weights.forEach((w, k) => (parts[part[k]] += w));

    function at(sigma) {
      const v = Float64Array.from(components, (c) => c.variance + sigma * sigma);
      const logs = Float64Array.from(weights, (w, k) => Math.log(w) - LOG_2PI - Math.log(v[k]));
      const exponent = new Float64Array(n);
      return (x, y, out) => {
        let top = -Infinity;
        for (let k = 0; k < n; k++) {
          const dx = mx[k] - x;
          const dy = my[k] - y;
          exponent[k] = logs[k] - (dx * dx + dy * dy) / (2 * v[k]);
          if (exponent[k] > top) top = exponent[k];
        }
        let mass = 0;
        let sx = 0;
        let sy = 0;
        for (let k = 0; k < n; k++) {
          if (exponent[k] < top - 40) continue; // below the last digit of the sum
          const w = Math.exp(exponent[k] - top);
          mass += w;
          sx += (w * (mx[k] - x)) / v[k];
          sy += (w * (my[k] - y)) / v[k];
        }
        out[0] = top + Math.log(mass);
        out[1] = sx / mass;
        out[2] = sy / mass;
      };
    }

    const precision = Float64Array.from(components, (c) => 1 / Math.max(c.variance, 1e-4));
    const heights = Float64Array.from(weights, (w, k) => Math.log(w * precision[k]));
    function partOf(x, y) {
      let best = 0;
      let top = -Infinity;
      for (let k = 0; k < n; k++) {
        const e = heights[k] - 0.5 * precision[k] * ((mx[k] - x) ** 2 + (my[k] - y) ** 2);
        if (e > top) {
          top = e;
          best = k;
        }
      }
      return part[best];
    }

    const mean = [mx, my].map((m) => weights.reduce((sum, w, k) => sum + w * m[k], 0));
    const spread = [mx, my].map((m, i) =>
      weights.reduce((sum, w, k) => sum + w * (components[k].variance + (m[k] - mean[i]) ** 2), 0),
    );
    const narrowest = Math.min(...components.map((c) => c.variance));
    return { parts, moments: [mean, spread], narrowest, at, partOf };
  }

  /** The modes of a mixture, from { x, y, std, weight }. */
  const modes = (list) => mixture(list.map((m) => ({ ...m, variance: m.std ** 2 })));

  /** The distribution of drawn points { x, y, part }: a mixture without any width but the noise. */
  const empirical = (points) => mixture(points.map((p) => ({ ...p, variance: 0, weight: 1 })));

  /** Two half circles, blurred: each arc by Gauss–Legendre nodes, of which the library has 192; fewer are enough where noise is wide. */
  function moons({ radius, std }) {
    const whole = arcs(radius, std, 192);
    const made = new Map([[192, whole]]);

    function at(sigma) {
      const n = Math.min(192, 16 * Math.ceil((1.2 * radius) / Math.hypot(std, sigma) + 0.5));
      if (!made.has(n)) made.set(n, arcs(radius, std, n));
      return made.get(n).at(sigma);
    }
    return { ...whole, at };
  }

  function arcs(radius, std, count) {
    const { nodes, weights } = legendre(count);
    const components = [1, -1].flatMap((sign, part) =>
      nodes.map((z, k) => {
        const angle = 0.5 * Math.PI * (z + 1);
        const x = sign * radius * (Math.cos(angle) - 0.5);
        const y = sign * radius * (Math.sin(angle) - 0.25);
        return { x, y, variance: std ** 2, weight: weights[k], part };
      }),
    );
    return mixture(components);
  }

  /* Where y sees a latent number u through a Gaussian factor, E[h(u)] is a sum over nodes of the Gaussian posterior of u.
     The trapezoid rule on a Gaussian errs by e^{−2π²/h²}: e^{−79} at a step of half a standard deviation. */
  function gaussNodes(step, reach) {
    const z = [];
    for (let k = -reach / step; k <= reach / step; k++) z.push(k * step);
    return { z, log: z.map((v) => Math.log(step) - 0.5 * v * v - 0.5 * LOG_2PI) };
  }
  const logNormal = (d, variance) => -0.5 * ((d * d) / variance + LOG_2PI + Math.log(variance));

  /** r (cos θ, sin θ) with r ~ N(R, s²):  p_σ = E_r[e^{−(ρ² + r²)/2σ²} I₀(rρ/σ²)] / 2πσ², ρ the distance from the centre. */
  function ring({ radius, std }) {
    const { z, log } = gaussNodes(0.5, 6);
    const bessel = [0, 0];

    function at(sigma) {
      const s2 = sigma * sigma;
      const total = std * std + s2;
      const width = (std * sigma) / Math.sqrt(total);
      const exponent = new Float64Array(z.length);
      const slope = new Float64Array(z.length);
      return (x, y, out) => {
        const rho = Math.hypot(x, y) || 1e-12;
        const centre = (radius * s2 + std * std * rho) / total;
        let top = -Infinity;
        for (let k = 0; k < z.length; k++) {
          const r = centre + width * z[k];
          const u = (r * rho) / s2;
          scaledBessel(Math.abs(u), bessel);
          exponent[k] = log[k] + Math.log(bessel[0]) + Math.abs(u) - u;
          slope[k] = -rho / s2 + ((r * Math.sign(u)) / s2) * (bessel[1] / bessel[0]);
          if (exponent[k] > top) top = exponent[k];
        }
        let mass = 0;
        let radial = 0;
        for (let k = 0; k < z.length; k++) {
          const w = Math.exp(exponent[k] - top);
          mass += w;
          radial += w * slope[k];
        }
        out[0] = top + Math.log(mass) + logNormal(rho - radius, total) - 0.5 * (LOG_2PI + Math.log(s2));
        out[1] = ((radial / mass) * x) / rho;
        out[2] = ((radial / mass) * y) / rho;
      };
    }

    const partOf = (x, y) => Math.floor(((Math.atan2(y, x) / (2 * Math.PI) + 1) % 1) * 4) % 4;
    const variance = (radius ** 2 + std ** 2) / 2;
    return { parts: [0.25, 0.25, 0.25, 0.25], moments: [[0, 0], [variance, variance]], narrowest: std ** 2, at, partOf };
  }

  /** u ~ N(0, a²), (u, κ(u² − a²) + c z). Far from the curve y moves the posterior of u by many widths: hence the reach. */
  function banana({ spread, curvature, std }) {
    const { z, log } = gaussNodes(0.25, 20);

    function at(sigma) {
      const s2 = sigma * sigma;
      const total = spread ** 2 + s2;
      const across = std ** 2 + s2;
      const width = (spread * sigma) / Math.sqrt(total);
      const exponent = new Float64Array(z.length);
      return (x, y, out) => {
        const centre = (spread ** 2 * x) / total;
        let top = -Infinity;
        for (let k = 0; k < z.length; k++) {
          const u = centre + width * z[k];
          exponent[k] = log[k] - (y - curvature * (u * u - spread ** 2)) ** 2 / (2 * across);
          if (exponent[k] > top) top = exponent[k];
        }
        let mass = 0;
        let sx = 0;
        let sy = 0;
        for (let k = 0; k < z.length; k++) {
          if (exponent[k] < top - 40) continue;
          const u = centre + width * z[k];
          const w = Math.exp(exponent[k] - top);
          mass += w;
          sx += (w * (u - x)) / s2;
          sy -= (w * (y - curvature * (u * u - spread ** 2))) / across;
        }
        out[0] = top + Math.log(mass) + logNormal(x, total) - 0.5 * (LOG_2PI + Math.log(across));
        out[1] = sx / mass;
        out[2] = sy / mass;
      };
    }

    const variances = [spread ** 2, 2 * curvature ** 2 * spread ** 4 + std ** 2];
    return { parts: [0.5, 0.5], moments: [[0, 0], variances], narrowest: std ** 2, at, partOf: (x) => (x < 0 ? 0 : 1) };
  }

  const DISTRIBUTIONS = { modes, ring, banana, moons, empirical };

  // ---- a learned score ---------------------------------------------------------------------------------------------
  /** The score (D − x)/σ² of a Denoiser around an MLP, D = m + c_skip y + c_out F(c_in y, ¼ ln σ), y = x − m; it knows no density. */
  function network({ sigma: data, mean, frequencies, layers }) {
    const weights = layers.filter((_, k) => k % 2 === 0);
    const biases = layers.filter((_, k) => k % 2 === 1);

    function at(sigma) {
      const norm = Math.hypot(sigma, data);
      const angles = frequencies.map((f) => (f * Math.log(sigma)) / 4);
      const features = [...angles.map(Math.cos), ...angles.map(Math.sin)];
      // What the noise adds to the first layer is the same for all x.
      const first = weights[0].map((row, j) => features.reduce((sum, f, k) => sum + row[2 + k] * f, biases[0][j]));
      return (x, y, out) => {
        const [u, v] = [x - mean, y - mean];
        let h = first.map((bias, j) => silu(bias + (weights[0][j][0] * u + weights[0][j][1] * v) / norm));
        for (let l = 1; l < weights.length; l++) {
          const below = h;
          h = weights[l].map((row, j) => {
            let sum = biases[l][j];
            for (let k = 0; k < row.length; k++) sum += row[k] * below[k];
            return l < weights.length - 1 ? silu(sum) : sum;
          });
        }
        const [skip, scale] = [(data / norm) ** 2, (sigma * data) / norm];
        out[0] = NaN;
        out[1] = ((skip - 1) * u + scale * h[0]) / sigma ** 2;
        out[2] = ((skip - 1) * v + scale * h[1]) / sigma ** 2;
      };
    }
    return { at };
  }
  const silu = (v) => v / (1 + Math.exp(-v));

  // ---- special functions -------------------------------------------------------------------------------------------
  /** Nodes and weights of Gauss–Legendre on [−1, 1]: Newton's method on the three-term recurrence. */
  function legendre(n) {
    const nodes = [];
    const weights = [];
    for (let k = n; k >= 1; k--) {
      let x = Math.cos((Math.PI * (k - 0.25)) / (n + 0.5));
      let slope = 1;
      for (let pass = 0; pass < 8; pass++) {
        let [before, value] = [1, x];
        for (let j = 2; j <= n; j++) [before, value] = [value, ((2 * j - 1) * x * value - (j - 1) * before) / j];
        slope = (n * (x * value - before)) / (x * x - 1);
        x -= value / slope;
      }
      nodes.push(x);
      weights.push(2 / ((1 - x * x) * slope * slope));
    }
    return { nodes, weights };
  }

  /** Write e^{−u} I₀(u) and e^{−u} I₁(u), u ≥ 0: the power series below 15, the asymptotic one (error e^{−2u}) above. */
  function scaledBessel(u, out) {
    let zero = 1;
    let one = 1;
    if (u < 15) {
      const q = 0.25 * u * u;
      for (let k = 1, a = 1, b = 1; a > 1e-17 * zero; k++) {
        a *= q / (k * k);
        b *= q / (k * (k + 1));
        zero += a;
        one += b;
      }
      const scale = Math.exp(-u);
      out[0] = scale * zero;
      out[1] = 0.5 * u * scale * one;
      return;
    }
    for (let k = 1, a = 1, b = 1; k <= 20 && Math.abs(a) > 1e-17; k++) {
      const odd = (2 * k - 1) ** 2;
      a *= odd / (8 * k * u);
      b *= (odd - 4) / (8 * k * u);
      zero += a;
      one += b;
    }
    const scale = 1 / Math.sqrt(2 * Math.PI * u);
    out[0] = scale * zero;
    out[1] = scale * one;
  }

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

  // ---- noise -------------------------------------------------------------------------------------------------------
  /** Mix the bits of a 32-bit number (the finaliser of MurmurHash3). */
  function mix(h) {
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  }

  /** Standard normal noise for n particles: that of particle i depends on the seed, the draw and i alone (Box–Muller). */
  function normal(seed, draw, n) {
    const z = new Float64Array(2 * n);
    const stream = mix(mix(seed + 0x9e3779b9) ^ (draw + 0x7f4a7c15));
    for (let i = 0; i < n; i++) {
      const h = mix(stream ^ mix(i + 0x1b873593));
      const radius = Math.sqrt(-2 * Math.log((h + 0.5) / 2 ** 32));
      const angle = (2 * Math.PI * mix(h ^ 0x5bd1e995 ^ stream)) / 2 ** 32;
      z[2 * i] = radius * Math.cos(angle);
      z[2 * i + 1] = radius * Math.sin(angle);
    }
    return z;
  }

  /** n starts in noise of level sigma: N(mean, variance + σ²), coordinate by coordinate. */
  function prior(density, sigma, n, seed) {
    const [mean, variance] = density.moments;
    return normal(seed, -1, n).map((z, i) => mean[i % 2] + Math.sqrt(variance[i % 2] + sigma * sigma) * z);
  }

  /** The share of particles in each part. */
  function shares(density, x) {
    const counts = density.parts.map(() => 0);
    for (let i = 0; i < x.length; i += 2) counts[density.partOf(x[i], x[i + 1])]++;
    return counts.map((c) => (2 * c) / x.length);
  }

  return { DISTRIBUTIONS, SAMPLERS, advance, network, normal, prior, shares };
})();
