/* A learned score. */
(() => {
  "use strict";

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

  Object.assign(globalThis.scorefield, { network });
})();
