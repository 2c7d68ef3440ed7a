/* Random numbers that depend on a seed alone: the same seed, the same picture. */
(() => {
  "use strict";

  /** Mix the bits of a 32-bit number (the finaliser of MurmurHash3). */
  function mix(h) {
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  }

  const LARGEST = 2 ** 32;
  const streamOf = (seed, draw) => mix(mix(seed + 0x9e3779b9) ^ (draw + 0x7f4a7c15));

  /** Write two numbers, uniform on (0, 1), for each of n particles: those of particle i depend on the stream and i alone. */
  function uniforms(stream, n) {
    const u = new Float64Array(2 * n);
    for (let i = 0; i < n; i++) {
      const h = mix(stream ^ mix(i + 0x1b873593));
      u[2 * i] = (h + 0.5) / LARGEST;
      u[2 * i + 1] = mix(h ^ 0x5bd1e995 ^ stream) / LARGEST;
    }
    return u;
  }

  /** Two uniform numbers for each of n particles; `normal` of the same seed and draw is independent of them. */
  const uniform = (seed, draw, n) => uniforms(mix(streamOf(seed, draw) ^ 0x2545f491), n);

  /** Standard normal noise for n particles (Box–Muller). */
  function normal(seed, draw, n) {
    const z = uniforms(streamOf(seed, draw), n);
    for (let i = 0; i < z.length; i += 2) {
      const radius = Math.sqrt(-2 * Math.log(z[i]));
      const angle = 2 * Math.PI * z[i + 1];
      z[i] = radius * Math.cos(angle);
      z[i + 1] = radius * Math.sin(angle);
    }
    return z;
  }

  /** n clean points of a distribution. */
  function draws(density, n, seed, draw) {
    const [u, z] = [uniform(seed, draw, n), normal(seed, draw, n)];
    const x = new Float64Array(2 * n);
    for (let i = 0; i < x.length; i += 2) [x[i], x[i + 1]] = density.draw(u[i], u[i + 1], z[i], z[i + 1]);
    return x;
  }

  /** n starts in noise of level sigma: N(mean, variance + σ²), coordinate by coordinate. */
  function prior(density, sigma, n, seed) {
    const [mean, variance] = density.moments;
    return normal(seed, -1, n).map((z, i) => mean[i % 2] + Math.sqrt(variance[i % 2] + sigma * sigma) * z);
  }

  Object.assign(globalThis.scorefield, { draws, normal, prior, uniform });
})();
