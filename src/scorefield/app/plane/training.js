/* Training on the spot: denoising score matching, its gradient by hand, and Adam.

   The objective is the library's DSM() on its VE process: ½ ‖D(x_0 + σz, σ) − x_0‖²/σ², σ drawn log-uniformly between the ends. */
(() => {
  "use strict";

  const { draws, features, multiply, network, normal, uniform, untrained } = globalThis.scorefield;

  /** The loss of each example under a field, which may be an exact one: ½ ‖σ s(x_0 + σz, σ) + z‖², the same number. */
  function losses(at, { x0, sigma, z }) {
    const out = [0, 0, 0];
    return sigma.map((s, i) => {
      at(s)(x0[2 * i] + s * z[2 * i], x0[2 * i + 1] + s * z[2 * i + 1], out);
      return 0.5 * ((s * out[1] + z[2 * i]) ** 2 + (s * out[2] + z[2 * i + 1]) ** 2);
    });
  }

  /** A function that returns the mean loss of a batch { x0, sigma, z } and leaves its gradient by the weights in `gradient`. */
  function backpropagation(net, gradient) {
    const { layers, theta, mean } = net;
    const input = new Float64Array(layers[0].in);
    const before = layers.map(({ out }) => new Float64Array(out)); // W h + b
    const after = layers.map(({ out }) => new Float64Array(out)); // SiLU of it
    const slopes = layers.map(({ out }) => new Float64Array(out)); // of the loss, by what is in `before`
    const top = layers.length - 1;

    function forward() {
      for (let l = 0; l <= top; l++) {
        multiply(theta, layers[l], l ? after[l - 1] : input, before[l]);
        if (l < top) for (let j = 0; j < before[l].length; j++) after[l][j] = before[l][j] / (1 + Math.exp(-before[l][j]));
      }
    }

    function backward() {
      for (let l = top; l >= 0; l--) {
        const layer = layers[l];
        const below = l ? after[l - 1] : input;
        for (let j = 0, w = layer.w; j < layer.out; j++) {
          const slope = slopes[l][j];
          gradient[layer.b + j] += slope;
          for (let k = 0; k < layer.in; k++, w++) gradient[w] += slope * below[k];
        }
        if (!l) return;
        const down = slopes[l - 1].fill(0);
        for (let j = 0, w = layer.w; j < layer.out; j++) {
          for (let k = 0; k < layer.in; k++, w++) down[k] += slopes[l][j] * theta[w];
        }
        for (let k = 0; k < down.length; k++) down[k] *= siluSlope(before[l - 1][k]);
      }
    }

    return ({ x0, sigma, z }) => {
      const n = sigma.length;
      let total = 0;
      gradient.fill(0);
      for (let i = 0; i < n; i++) {
        const s = sigma[i];
        const norm = Math.hypot(s, net.sigma);
        const [skip, scale] = [(net.sigma / norm) ** 2, (s * net.sigma) / norm];
        const y = [0, 1].map((c) => x0[2 * i + c] + s * z[2 * i + c] - mean);
        [input[0], input[1]] = [y[0] / norm, y[1] / norm];
        features(net, s, input, 2);
        forward();
        for (let c = 0; c < 2; c++) {
          const error = mean + skip * y[c] + scale * before[top][c] - x0[2 * i + c]; // D − x_0
          total += (0.5 * error * error) / (s * s * n);
          slopes[top][c] = (error * scale) / (s * s * n);
        }
        backward();
      }
      return total;
    };
  }

  function siluSlope(v) {
    const s = 1 / (1 + Math.exp(-v));
    return s * (1 + v * (1 - s));
  }

  /** Adam (Kingma & Ba 2015, Algorithm 1): a function of the gradient and the rate that moves the weights. */
  function adam(theta, [b1, b2] = [0.9, 0.999]) {
    const [m, v] = [new Float64Array(theta.length), new Float64Array(theta.length)];
    let t = 0;
    return (gradient, rate) => {
      t += 1;
      const [first, second] = [1 - b1 ** t, 1 - b2 ** t];
      for (let k = 0; k < theta.length; k++) {
        m[k] = b1 * m[k] + (1 - b1) * gradient[k];
        v[k] = b2 * v[k] + (1 - b2) * gradient[k] ** 2;
        theta[k] -= (rate * (m[k] / first)) / (Math.sqrt(v[k] / second) + 1e-8);
      }
    };
  }

  /** What the library's `fit` has: a warm-up, then half a cosine to 0. */
  function rate(step, { steps, learningRate, warmup }) {
    const progress = Math.max(0, step - warmup) / Math.max(1, steps - warmup);
    return learningRate * Math.min(1, (step + 1) / warmup) * 0.5 * (1 + Math.cos(Math.PI * progress));
  }

  /** A network that learns a distribution. `step()` takes one optimiser step; `measure()` is its loss on 512 examples that stay the same,
      and `floor` what the exact score pays there: what cannot be known of x_0, and no network comes below it but by luck. */
  function trainer(density, settings) {
    const { low, high, width, depth, batch, seed, steps } = settings;
    const [mean, variance] = density.moments;
    const middle = (mean[0] + mean[1]) / 2;
    const sigma = Math.sqrt([0, 1].reduce((sum, c) => sum + 0.5 * (variance[c] + (mean[c] - middle) ** 2), 0));
    const net = untrained({ width, depth, sigma, mean: middle, seed });
    const gradient = new Float64Array(net.theta.length);
    const [propagate, move] = [backpropagation(net, gradient), adam(net.theta)];
    const examples = (n, k) => {
      const sigmas = uniform("uniform", seed, -2 - k, Math.ceil(n / 2)).slice(0, n);
      return { x0: draws(density, n, seed, k), sigma: sigmas.map((u) => low * (high / low) ** u), z: normal("page", seed, -2 - k, n) };
    };
    const [held, field] = [examples(512, 1e6), network(net)];
    const average = (at) => losses(at, held).reduce((sum, loss) => sum + loss / 512, 0);
    const made = { net, field, settings, steps, done: 0, step, measure: () => average(field.at), floor: average(density.at) };

    function step() {
      propagate(examples(batch, made.done));
      move(gradient, rate(made.done, settings));
      made.done += 1;
    }
    return made;
  }

  Object.assign(globalThis.scorefield, { losses, backpropagation, adam, trainer });
})();
