/* Curved distributions with known scores, by quadrature over their one latent number. */
(() => {
  "use strict";

  const { DISTRIBUTIONS, LOG_2PI, gaussNodes, logNormal, scaledBessel } = globalThis.scorefield;

  /** r (cos θ, sin θ) with r ~ N(R, s²):  p_σ = E_r[e^{−(ρ² + r²)/2σ²} I₀(rρ/σ²)] / 2πσ², ρ the distance from the centre. */
  function ring({ radius, std }) {
    const { z, log } = gaussNodes(1, 6);
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
    const draw = (u, _, z) => [0, 0.5 * Math.PI].map((shift) => (radius + std * z) * Math.cos(2 * Math.PI * u - shift));
    const variance = (radius ** 2 + std ** 2) / 2;
    return { parts: [0.25, 0.25, 0.25, 0.25], moments: [[0, 0], [variance, variance]], narrowest: std ** 2, at, partOf, draw };
  }

  /** u ~ N(0, a²), (u, κ(u² − a²) + c z). Far from the curve y moves the posterior of u by many widths: hence the reach. */
  function banana({ spread, curvature, std }) {
    const { z, log } = gaussNodes(0.25, 20);

    function at(sigma) {
      const s2 = sigma * sigma;
      const total = spread ** 2 + s2;
      const across = std ** 2 + s2;
      const precision = 1 / (2 * across);
      const width = (spread * sigma) / Math.sqrt(total);
      const exponent = new Float64Array(z.length);
      return (x, y, out) => {
        const centre = (spread ** 2 * x) / total;
        let top = -Infinity;
        for (let k = 0; k < z.length; k++) {
          const u = centre + width * z[k];
          const v = y - curvature * (u * u - spread ** 2);
          exponent[k] = log[k] - precision * v * v;
          if (exponent[k] > top) top = exponent[k];
        }
        let mass = 0;
        let sx = 0;
        let sy = 0;
        for (let k = 0; k < z.length; k++) {
          if (exponent[k] < top - 24) continue;
          const u = centre + width * z[k];
          const w = Math.exp(exponent[k] - top);
          mass += w;
          sx += w * (u - x);
          sy -= w * (y - curvature * (u * u - spread ** 2));
        }
        out[0] = top + Math.log(mass) + logNormal(x, total) - 0.5 * (LOG_2PI + Math.log(across));
        out[1] = sx / (mass * s2);
        out[2] = sy / (mass * across);
      };
    }

    const draw = (_, __, z, w) => [spread * z, curvature * spread ** 2 * (z * z - 1) + std * w];
    const variances = [spread ** 2, 2 * curvature ** 2 * spread ** 4 + std ** 2];
    return { parts: [0.5, 0.5], moments: [[0, 0], variances], narrowest: std ** 2, at, partOf: (x) => (x < 0 ? 0 : 1), draw };
  }

  Object.assign(DISTRIBUTIONS, { ring, banana });
})();
