/* Mixtures with known scores: of modes, of drawn points, of the nodes of two moons.

   Noising is variance exploding, x_σ = x_0 + σ z, and the noise level σ stands for the time of the library's VE process.
   Every distribution here has p_σ in closed form or as a one-dimensional integral, exactly as in scorefield.densities. */
(() => {
  "use strict";

  const { LOG_2PI, legendre } = globalThis.scorefield;

  // A distribution is { parts, moments, narrowest, at, partOf, draw }:
  //   parts      the true weight of each part (mode, moon, arc …) whose share of particles is watched
  //   moments    mean [x, y] and variances [x, y]
  //   narrowest  the smallest variance, which bounds stable step sizes
  //   at(sigma)  the field of p_σ: (x, y, out) writes out = [log p_σ, ∂x log p_σ, ∂y log p_σ]
  //   partOf(x, y)  the part that a clean point belongs to
  //   draw(u, v, z, w)  a clean point from two uniform and two normal numbers

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
      const precision = Float64Array.from(components, (c) => 1 / (c.variance + sigma * sigma));
      const logs = Float64Array.from(weights, (w, k) => Math.log(w * precision[k]) - LOG_2PI);
      const exponent = new Float64Array(n);
      return (x, y, out) => {
        let top = -Infinity;
        for (let k = 0; k < n; k++) {
          const dx = mx[k] - x;
          const dy = my[k] - y;
          const e = logs[k] - 0.5 * precision[k] * (dx * dx + dy * dy);
          exponent[k] = e;
          if (e > top) top = e;
        }
        let mass = 0;
        let sx = 0;
        let sy = 0;
        for (let k = 0; k < n; k++) {
          if (exponent[k] < top - 24) continue; // e⁻²⁴: below the last digit that is asked for
          const w = Math.exp(exponent[k] - top);
          const pull = w * precision[k];
          mass += w;
          sx += pull * (mx[k] - x);
          sy += pull * (my[k] - y);
        }
        out[0] = top + Math.log(mass);
        out[1] = sx / mass;
        out[2] = sy / mass;
      };
    }

    const sharpness = Float64Array.from(components, (c) => 1 / Math.max(c.variance, 1e-4));
    const heights = Float64Array.from(weights, (w, k) => Math.log(w * sharpness[k]));
    function partOf(x, y) {
      let best = 0;
      let top = -Infinity;
      for (let k = 0; k < n; k++) {
        const e = heights[k] - 0.5 * sharpness[k] * ((mx[k] - x) ** 2 + (my[k] - y) ** 2);
        if (e > top) {
          top = e;
          best = k;
        }
      }
      return part[best];
    }

    /** The component in which u lies, blurred. */
    function draw(u, _, z, w) {
      let k = 0;
      for (let left = u - weights[0]; left > 0 && k < n - 1; left -= weights[k]) k += 1;
      const std = Math.sqrt(components[k].variance);
      return [mx[k] + std * z, my[k] + std * w];
    }

    const mean = [mx, my].map((m) => weights.reduce((sum, w, k) => sum + w * m[k], 0));
    const spread = [mx, my].map((m, i) =>
      weights.reduce((sum, w, k) => sum + w * (components[k].variance + (m[k] - mean[i]) ** 2), 0),
    );
    const narrowest = Math.min(...components.map((c) => c.variance));
    return { parts, moments: [mean, spread], narrowest, at, partOf, draw };
  }

  /** The modes of a mixture, from { x, y, std, weight }. */
  const modes = (list) => mixture(list.map((m) => ({ ...m, variance: m.std ** 2 })));

  /** The distribution of drawn points { x, y, part }: a mixture without any width but the noise. */
  const empirical = (points) => mixture(points.map((p) => ({ ...p, variance: 0, weight: 1 })));

  const MOST = 192;

  /** Two half circles, blurred: each arc by Gauss–Legendre nodes, of which the library has MOST; fewer are enough where noise is wide. */
  function moons({ radius, std }) {
    const whole = arcs(radius, std, MOST);
    const made = new Map([[MOST, whole]]);
    const nodes = (n) => (made.has(n) || made.set(n, arcs(radius, std, n)), made.get(n));

    /** Seen from a distance ρ, an arc is a bump of width ∝ √(R/ρ): the farther, the more nodes. */
    function at(sigma) {
      const fields = new Map();
      const perWidth = (0.27 * radius) / Math.hypot(std, sigma);
      return (x, y, out) => {
        const farther = Math.sqrt(Math.max(1, Math.hypot(x, y) / radius + 0.56));
        const n = Math.min(MOST, 16 * Math.ceil(perWidth * farther + 0.5));
        if (!fields.has(n)) fields.set(n, nodes(n).at(sigma));
        fields.get(n)(x, y, out);
      };
    }

    /** u chooses the moon, v the angle on it. */
    function draw(u, v, z, w) {
      const sign = u < 0.5 ? 1 : -1;
      const angle = Math.PI * v;
      return [sign * radius * (Math.cos(angle) - 0.5) + std * z, sign * radius * (Math.sin(angle) - 0.25) + std * w];
    }
    return { ...whole, at, draw };
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

  Object.assign(globalThis.scorefield, { DISTRIBUTIONS: { modes, empirical, moons } });
})();
