// node plane.cjs FOLDER: answers the questions on standard input with the mathematics of the page in that folder.
const [{ readFileSync }, { resolve }] = [require("node:fs"), require("node:path")];
const page = readFileSync(resolve(process.argv[2], "index.html"), "utf8");
const scripts = [...page.matchAll(/<script src="(.+?)">/g)].map(([, name]) => name);
for (const name of scripts.slice(0, 1 + scripts.indexOf("learned.js"))) require(resolve(process.argv[2], name));
const { DISTRIBUTIONS, SAMPLERS, advance, learned, network, normal } = globalThis.scorefield;
const asked = JSON.parse(readFileSync(0, "utf8"));
const make = ({ kind, settings }) => (kind === "learned" ? network(learned) : DISTRIBUTIONS[kind](settings));

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
  const x = normal(seed, -1, n).map((z) => std * z);
  for (let k = 0; k < steps; k++) {
    advance({ rule: "langevin", from: 0, to: 0, alpha }, density, x, normal(seed, k, n));
  }
  const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
  return { mean, variance: x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length };
}

const answers = {
  fields: asked.fields.map(field),
  trajectories: asked.trajectories.map(trajectory),
  langevin: langevin(asked.langevin),
  counts: Object.fromEntries(
    Object.entries(SAMPLERS).map(([name, { moves }]) => [
      name,
      moves({ budget: 120, sigma: 0.3, narrowest: 0.1, high: 8, low: 0.05 }).reduce((sum, move) => sum + move.cost, 0),
    ]),
  ),
  alone: [normal(3, 5, 2), normal(3, 5, 9)].map((z) => [...z.slice(0, 4)]),
};
process.stdout.write(JSON.stringify(answers));
