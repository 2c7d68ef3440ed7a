/* Random numbers by counting, those of the library's sf.Noise(seeds, (2,), stream=…, dtype=torch.float64, generator="philox"):
   the same seed, the same particles, here and in Python.

   Philox-4x32-10 (Salmon et al. 2011) makes four random words of a counter: of particle i its (element 0, draw, i, seed), so that the
   library's seed of the particle is 2³² seed + i. */
(() => {
  "use strict";

  const [M0, M1, W0, W1] = [0xd2511f53, 0xcd9e8d57, 0x9e3779b9, 0xbb67ae85];
  // The key of each stream, lower half first: scorefield._noise.derive_seed("philox", name).
  const KEYS = {
    seeds: [0x9c57a925, 0x21540142], // of sf.sample(…, seeds=…)
    start: [0xc5abe318, 0x3d3f3925],
    page: [0x44428760, 0x7f21ea94],
    uniform: [0x3447e449, 0x2ede9110],
  };

  /** The upper 32 bits of a product whose lower ones are known: exact, since what rounding loses of a × b is less than 2¹⁰. */
  const upper = (a, b, low) => Math.round((a * b - low) * 2 ** -32);

  /** Write the random words of a counter into it. */
  function philox(words, k0, k1) {
    let [c0, c1, c2, c3] = words;
    for (let round = 0; round < 10; round++) {
      const a = Math.imul(M0, c0) >>> 0;
      const b = Math.imul(M1, c2) >>> 0;
      const mixed = (upper(M1, c2, b) ^ c1 ^ k0) >>> 0;
      c2 = (upper(M0, c0, a) ^ c3 ^ k1) >>> 0;
      [c0, c1, c3] = [mixed, b, a];
      k0 = (k0 + W0) >>> 0;
      k1 = (k1 + W1) >>> 0;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
  }

  /** Two numbers from U(0, 1), of 64 bits, for each of n particles: those of particle i depend on stream, seed, draw and i alone. */
  function uniform(stream, seed, draw, n) {
    const [words, u] = [new Uint32Array(4), new Float64Array(2 * n)];
    for (let i = 0; i < n; i++) {
      words[0] = 0;
      words[1] = draw;
      words[2] = i;
      words[3] = seed;
      philox(words, ...KEYS[stream]);
      u[2 * i] = words[0] * 2 ** -32 + (words[1] * 2 ** -64 + 2 ** -65);
      u[2 * i + 1] = words[2] * 2 ** -32 + (words[3] * 2 ** -64 + 2 ** -65);
    }
    return u;
  }

  /** Standard normal noise for n particles (Box–Muller). */
  function normal(stream, seed, draw, n) {
    const z = uniform(stream, seed, draw, n);
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
    const [u, z] = [uniform("uniform", seed, draw, n), normal("page", seed, draw, n)];
    const x = new Float64Array(2 * n);
    for (let i = 0; i < x.length; i += 2) [x[i], x[i + 1]] = density.draw(u[i], u[i + 1], z[i], z[i + 1]);
    return x;
  }

  const DROP = 0.35; // standard deviation of a handful of particles

  /** Where particles begin: in noise of level `high`, N(mean, variance + σ²) coordinate by coordinate, or around a place. */
  function starts(density, { start, high, count, seed }) {
    const [mean, variance] = start === "noise" ? density.moments : [[start.x, start.y], null];
    const std = [0, 1].map((c) => (variance ? Math.sqrt(variance[c] + high * high) : DROP));
    return normal("start", seed, 0, count).map((z, i) => mean[i % 2] + std[i % 2] * z);
  }

  Object.assign(globalThis.scorefield, { draws, normal, philox, starts, uniform });
})();
