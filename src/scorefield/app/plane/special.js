/* Special functions and quadrature. The first of the scripts, which all leave what they define in one global: classic scripts, not ES
   modules, since browsers refuse to load modules of a page that is opened as a file. In node: require them in the order of index.html. */
(() => {
  "use strict";

  const LOG_2PI = Math.log(2 * Math.PI);
  const logNormal = (d, variance) => -0.5 * ((d * d) / variance + LOG_2PI + Math.log(variance));

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
      for (let k = 1, a = 1, b = 1; a > 1e-9 * zero; k++) {
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
    for (let k = 1, a = 1, b = 1; k <= 20 && Math.abs(a) > 1e-9; k++) {
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

  /* Where y sees a latent number u through a Gaussian factor, E[h(u)] is a sum over nodes of the Gaussian posterior of u.
     The trapezoid rule on a Gaussian errs by e^{−2π²/h²}: e^{−20} at a step of one standard deviation. */
  function gaussNodes(step, reach) {
    const z = [];
    for (let k = -reach / step; k <= reach / step; k++) z.push(k * step);
    return { z, log: z.map((v) => Math.log(step) - 0.5 * v * v - 0.5 * LOG_2PI) };
  }

  // erfc(v) = τ exp(−v² + a Chebyshev series in 4τ − 2), τ = 2/(2 + v), v ≥ 0 (Press et al. 2007, section 6.2.2);
  // of its 28 coefficients the 17 that an error of 1e-9 asks for.
  const ERFC = [
    -1.3026537197817094, 6.4196979235649026e-1, 1.9476473204185836e-2, -9.561514786808631e-3, -9.46595344482036e-4,
    3.66839497852761e-4, 4.2523324806907e-5, -2.0278578112534e-5, -1.624290004647e-6, 1.30365583558e-6, 1.5626441722e-8,
    -8.5238095915e-8, 6.529054439e-9, 5.059343495e-9, -9.91364156e-10, -2.27365122e-10, 9.6467911e-11,
  ];

  /** log Φ(−u), u ≥ 0, Φ the normal distribution function: accurate to 1e-9 however far out. */
  function logTail(u) {
    const v = u * Math.SQRT1_2;
    const t = 2 / (2 + v);
    const y = 4 * t - 2;
    let [d, after] = [0, 0];
    for (let k = ERFC.length - 1; k > 0; k--) [d, after] = [y * d - after + ERFC[k], d];
    return Math.log(0.5 * t) - v * v + 0.5 * (ERFC[0] + y * d) - after;
  }

  globalThis.scorefield = { LOG_2PI, logNormal, legendre, scaledBessel, gaussNodes, logTail };
})();
