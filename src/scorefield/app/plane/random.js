/* Noise that depends on a seed alone. */
(() => {
  "use strict";

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

  Object.assign(globalThis.scorefield, { normal, prior });
})();
