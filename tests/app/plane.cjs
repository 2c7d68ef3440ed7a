// node plane.cjs FOLDER: answers the questions on standard input with the mathematics of the page in that folder.
const [{ readFileSync }, { resolve }] = [require("node:fs"), require("node:path")];
const page = readFileSync(resolve(process.argv[2], "index.html"), "utf8");
const scripts = [...page.matchAll(/<script src="(.+?)">/g)].map(([, name]) => name);
for (const name of scripts.slice(0, 1 + scripts.indexOf("learned.js"))) require(resolve(process.argv[2], name));
const { DISTRIBUTIONS, SAMPLERS, adam, advance, backpropagation, draws, learned, load, losses, network, normal, philox, python, store, take, trainer } =
  globalThis.scorefield;
const asked = JSON.parse(readFileSync(0, "utf8"));
const make = ({ kind, settings }) => (kind === "learned" ? network(load(learned)) : DISTRIBUTIONS[kind](settings));

function field(row) {
  const at = make(row).at(row.sigma);
  const found = { log_prob: [], score: [] };
  for (let i = 0, out = []; i < row.x.length; i += 2) {
    at(row.x[i], row.x[i + 1], out);
    if (row.log_prob) found.log_prob.push(out[0]);
    found.score.push(out[1], out[2]);
  }
  return found;
}

/** The state after every move; the library's noise is handed out in the order in which it was drawn. */
function trajectory(row) {
  const density = make(row);
  const x = Float64Array.from(row.x);
  const noise = row.noise.map((z) => Float64Array.from(z));
  return SAMPLERS[row.sampler].moves(row.options).map((move) => {
    advance(move, density, x, ["langevin", "reverse"].includes(move.rule) ? noise.shift() : null);
    return [...x];
  });
}

/** Mean and variance of all coordinates after a long Langevin chain on N(0, std²). */
function langevin({ std, alpha, steps, n, seed }) {
  const density = DISTRIBUTIONS.modes([{ x: 0, y: 0, std, weight: 1 }]);
  const x = normal("start", seed, 0, n).map((z) => std * z);
  const moves = new Array(steps).fill({ rule: "langevin", from: 0, to: 0, alpha });
  for (let k = 0; k < steps; k++) take(moves, k, density, x, seed);
  const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
  return { mean, variance: x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length };
}

/** Loss, gradient by hand and by differences, the loss of the exact score, and the weights after three steps of Adam. */
function training(row) {
  const net = load(row.net);
  const gradient = new Float64Array(net.theta.length);
  const propagate = backpropagation(net, gradient);
  const mean = propagate(row);
  const first = [...gradient];
  const found = { mean, loss: losses(network(net).at, row), exact: losses(make(row).at, row), gradient: first };
  found.differences = first.map((_, k) => {
    const [here, by] = [net.theta[k], 1e-5];
    const [up, down] = [here + by, here - by].map((value) => ((net.theta[k] = value), propagate(row)));
    net.theta[k] = here;
    return (up - down) / (2 * by);
  });
  found.same = JSON.stringify(store(net)) === JSON.stringify(row.net);
  const move = adam(net.theta);
  for (let k = 0; k < 3; k++) (propagate(row), move(gradient, row.rate));
  return { ...found, after: [...net.theta] };
}

/** How far below its start, and above the exact score's, the loss of a network is that trains for a moment. */
function learning(row) {
  const options = { low: 0.05, high: 8, width: 16, depth: 2, batch: 64, seed: 0, steps: 250, learningRate: 1e-2, warmup: 20 };
  const made = trainer(make(row), options);
  const start = made.measure();
  while (made.done < made.steps) made.step();
  return { start, end: made.measure(), floor: made.floor };
}

/** Mean and variances of many draws, and the share of each part. */
function moments(row) {
  const [density, n] = [make(row), 20000];
  const x = draws(density, n, 3, 0);
  const mean = [0, 1].map((c) => x.reduce((sum, v, i) => sum + (i % 2 === c ? v / n : 0), 0));
  const variance = [0, 1].map((c) => x.reduce((sum, v, i) => sum + (i % 2 === c ? (v - mean[c]) ** 2 / n : 0), 0));
  return { kind: row.kind, mean, variance, shares: globalThis.scorefield.shares(density, x), truth: density.parts, moments: density.moments };
}

/** The lines of Python for a state of the page, and what the page itself computes there. */
function lines(chosen) {
  const density = make(chosen);
  const field = chosen.net ? network(load(learned)) : density;
  const score = [];
  for (let i = 0, out = []; i < chosen.x.length; i += 2) (field.at(chosen.shown)(chosen.x[i], chosen.x[i + 1], out), score.push(out[1], out[2]));
  const { narrowest } = density;
  const start = globalThis.scorefield.starts(density, chosen);
  const x = start.slice();
  let evaluations = 0;
  SAMPLERS[chosen.sampler].moves({ ...chosen, narrowest }).forEach(({ cost }, k, moves) => {
    take(moves, k, field, x, chosen.seed);
    evaluations += cost;
  });
  return { lines: python({ ...chosen, narrowest }), score, start: [...start], x: [...x], evaluations };
}

const kinds = [...new Map(asked.fields.filter(({ kind }) => kind !== "learned").map((row) => [row.kind, row])).values()];
const answers = {
  training: training(asked.training),
  learning: asked.learn ? learning(asked.training) : null,
  moments: kinds.map(moments),
  python: asked.chosen.map(lines),
  fields: asked.fields.map(field),
  trajectories: asked.trajectories.map(trajectory),
  langevin: langevin(asked.langevin),
  counts: Object.fromEntries(
    Object.entries(SAMPLERS).map(([name, { moves }]) => [
      name,
      moves({ budget: 120, sigma: 0.3, narrowest: 0.1, high: 8, low: 0.05 }).reduce((sum, move) => sum + move.cost, 0),
    ]),
  ),
  alone: [2, 9].map((n) => [...normal("seeds", 3, 5, n).slice(0, 4)]),
  words: asked.counters.map(([c, k]) => (philox((c = Uint32Array.from(c)), ...k), [...c])),
};
process.stdout.write(JSON.stringify(answers));
