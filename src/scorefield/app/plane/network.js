/* A learned score: the library's Denoiser around an MLP, whose weights lie one after another in one array. */
(() => {
  "use strict";

  const { normal } = globalThis.scorefield;
  const FREQUENCIES = Array.from({ length: 8 }, (_, k) => 0.5 * 32 ** (k / 7)); // of the features of the noise

  /** Where the layers lie: layer l has weights of (out, in) from `w`, row by row, and biases from `b`. */
  function layout(sizes) {
    let end = 0;
    return sizes.slice(1).map((out, l) => {
      const layer = { in: sizes[l], out, w: end, b: end + out * sizes[l] };
      end = layer.b + out;
      return layer;
    });
  }

  function assemble(sizes, sigma, mean, frequencies) {
    const layers = layout(sizes);
    const { b, out } = layers.at(-1);
    return { sigma, mean, frequencies, layers, theta: new Float64Array(b + out) };
  }

  /** An untrained network: weights of variance 2/in, biases of 0, as in the library. sigma and mean are those of the data. */
  function untrained({ width, depth, sigma, mean, seed }) {
    const net = assemble([18, ...new Array(depth).fill(width), 2], sigma, mean, FREQUENCIES);
    net.layers.forEach((layer, l) => {
      const z = normal("page", seed, l, Math.ceil((layer.b - layer.w) / 2));
      for (let k = layer.w; k < layer.b; k++) net.theta[k] = Math.sqrt(2 / layer.in) * z[k - layer.w];
    });
    return net;
  }

  /** A network from its file: weights and biases of every layer in turn, as nested lists. */
  function load({ sigma, mean, frequencies, layers }) {
    const biases = layers.filter((_, k) => k % 2 === 1);
    const net = assemble([layers[0][0].length, ...biases.map((b) => b.length)], sigma, mean, frequencies);
    net.theta.set(layers.flat(2));
    return net;
  }

  /** What `load` reads. */
  function store({ sigma, mean, frequencies, layers, theta }) {
    const row = (from, n) => [...theta.slice(from, from + n)];
    const nested = layers.flatMap((l) => [Array.from({ length: l.out }, (_, j) => row(l.w + j * l.in, l.in)), row(l.b, l.out)]);
    return { sigma, mean, frequencies, layers: nested };
  }

  /** cos and sin of ¼ ln σ at every frequency. */
  function features(net, sigma, out, from = 0) {
    const n = net.frequencies.length;
    for (let k = 0; k < n; k++) {
      const angle = (net.frequencies[k] * Math.log(sigma)) / 4;
      out[from + k] = Math.cos(angle);
      out[from + n + k] = Math.sin(angle);
    }
  }

  /** values = W below + bias. Two sums at a time: one addition would wait for the other. */
  function multiply(theta, { in: n, out, w, b }, below, values) {
    for (let j = 0; j < out; j++) {
      let [even, odd] = [theta[b + j], 0];
      for (let k = 0, at = w + j * n; k < n; k += 2) {
        even += theta[at + k] * below[k];
        odd += theta[at + k + 1] * below[k + 1];
      }
      values[j] = even + odd;
    }
  }

  const silu = (v) => v / (1 + Math.exp(-v));

  /** The score (D − x)/σ² with D = m + c_skip y + c_out F(c_in y, ¼ ln σ), y = x − m. It knows no density. */
  function network(net) {
    const { layers, theta, mean } = net;
    const values = layers.map(({ out }) => new Float64Array(out));
    const [first, last] = [layers[0], values.at(-1)];

    function at(sigma) {
      const norm = Math.hypot(sigma, net.sigma);
      const [skip, scale] = [(net.sigma / norm) ** 2, (sigma * net.sigma) / norm];
      const input = new Float64Array(first.in);
      features(net, sigma, input, 2);
      const start = new Float64Array(first.out); // what the noise adds to the first layer is the same for all x
      multiply(theta, first, input, start);
      return (x, y, out) => {
        const [u, v] = [x - mean, y - mean];
        for (let j = 0, w = first.w; j < first.out; j++, w += first.in) {
          values[0][j] = silu(start[j] + (theta[w] * u + theta[w + 1] * v) / norm);
        }
        for (let l = 1; l < layers.length; l++) {
          multiply(theta, layers[l], values[l - 1], values[l]);
          if (l < layers.length - 1) for (let j = 0; j < values[l].length; j++) values[l][j] = silu(values[l][j]);
        }
        out[0] = NaN;
        out[1] = ((skip - 1) * u + scale * last[0]) / sigma ** 2;
        out[2] = ((skip - 1) * v + scale * last[1]) / sigma ** 2;
      };
    }
    return { at };
  }

  Object.assign(globalThis.scorefield, { untrained, load, store, features, multiply, network });
})();
