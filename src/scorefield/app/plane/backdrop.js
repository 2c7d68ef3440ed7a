/* The density as shading, at every noise level, wide enough for all canvases. A picture costs 6000 densities, some of them integrals: so
   pictures are kept by noise level, and painted row by row in what a frame can spare; until then the nearest one there is stands in. */
(() => {
  "use strict";

  const { plane, drawing } = globalThis;
  const { HIGH, LOW } = plane;
  const { VIEW } = drawing;
  const [COLUMNS, ROWS, LEVELS] = [96, 60, 32];
  const REACH = (VIEW * COLUMNS) / ROWS;

  let pictures = new Map(); // by level
  let old = null; // what the distribution looked like before it changed
  let wanted = new Set();
  let job = null;

  plane.forgetShades = () => {
    old = nearest(levelOf(plane.stageSigma())) ?? old;
    pictures = new Map();
    wanted = new Set(); // the job goes on: while a hand drags, no picture would ever be done
  };

  const levelOf = (sigma) => Math.round((LEVELS * Math.log(sigma / LOW)) / Math.log(HIGH / LOW));

  function nearest(level) {
    const known = [...pictures.keys()].sort((a, b) => Math.abs(a - level) - Math.abs(b - level));
    return pictures.get(known[0]);
  }

  /** The picture of a noise level, or the nearest one there is by now. */
  plane.shading = (sigma) => {
    const level = levelOf(sigma);
    if (!pictures.has(level)) wanted.add(level);
    return pictures.get(level) ?? nearest(level) ?? old;
  };

  plane.shade = (view, sigma, smoothing) => {
    const found = plane.shading(sigma);
    if (found) drawing.shade(view, found, REACH, smoothing);
  };

  /** Paint for some milliseconds; whoever is drawn after it has what is done by then. */
  plane.paint = (milliseconds) => {
    const end = performance.now() + milliseconds;
    while (plane.density && (job || wanted.size)) {
      job ??= begin([...wanted][0]);
      while (job.row < ROWS) {
        if (performance.now() > end) return;
        paintRow();
      }
      finish();
    }
  };

  function begin(level) {
    const sigma = LOW * (HIGH / LOW) ** (level / LEVELS);
    return { level, sigma, version: plane.version, field: plane.density.at(sigma), row: 0, logs: new Float64Array(ROWS * COLUMNS) };
  }

  function paintRow() {
    const out = [0, 0, 0];
    const y = (1 - (2 * job.row + 1) / ROWS) * VIEW;
    for (let k = 0; k < COLUMNS; k++) {
      job.field(((2 * k + 1) / COLUMNS - 1) * REACH, y, out);
      job.logs[job.row * COLUMNS + k] = out[0];
    }
    job.row += 1;
  }

  /** p/max p, to the power that shows tails; the wider the noise, the fainter. */
  function finish() {
    const top = job.logs.reduce((a, b) => Math.max(a, b));
    const darkest = 190 / Math.sqrt(1 + 0.5 * job.sigma);
    const opacity = job.logs.map((l) => darkest * Math.exp(0.6 * (l - top)));
    const picture = drawing.picture(opacity, drawing.colour("shade"), { columns: COLUMNS, rows: ROWS });
    if (job.version === plane.version) pictures.set(job.level, picture);
    else old = picture;
    wanted.delete(job.level);
    job = null;
    plane.redraw();
  }
})();
