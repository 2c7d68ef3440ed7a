/* Drawing: a density as shading, its score as arrows, particles as dots. Canvases show the square [−VIEW, VIEW]² whole,
   or what of it fits a wider canvas. */
globalThis.drawing = (() => {
  "use strict";

  const VIEW = 6;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let colours = readColours();
  dark.addEventListener("change", () => (colours = readColours()));

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    return { shade: read("shade"), arrow: read("arrow"), accent: read("accent") };
  }

  /** A canvas at the screen's resolution, with its context in units of CSS pixels. */
  function prepare(canvas) {
    const { width, height } = canvas.getBoundingClientRect();
    const ratio = Math.min(devicePixelRatio || 1, 2);
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const scale = height / (2 * VIEW);
    return { context, width, height, scale, px: (x) => width / 2 + x * scale, py: (y) => height / 2 - y * scale };
  }

  /** The density of a field as an image of cells × cells pixels over [−reach, reach]²: p/max p, to the power that shows tails.
      The wider the noise, the fainter. */
  function shading(field, cells, reach, sigma) {
    const image = new ImageData(cells, cells);
    const logs = new Float64Array(cells * cells);
    const out = [0, 0, 0];
    let top = -Infinity;
    for (let k = 0; k < logs.length; k++) {
      const x = ((k % cells) + 0.5) / cells;
      const y = (Math.floor(k / cells) + 0.5) / cells;
      field((2 * x - 1) * reach, (1 - 2 * y) * reach, out);
      logs[k] = out[0];
      if (out[0] > top) top = out[0];
    }
    const darkest = 190 / Math.sqrt(1 + 0.5 * sigma);
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(colours.shade.slice(i, i + 2), 16));
    for (let k = 0; k < logs.length; k++) image.data.set([r, g, b, darkest * Math.exp(0.6 * (logs[k] - top))], 4 * k);
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = cells;
    canvas.getContext("2d").putImageData(image, 0, 0);
    return { canvas, reach };
  }

  function shade({ context, px, py }, { canvas, reach }) {
    context.imageSmoothingQuality = "high";
    context.drawImage(canvas, px(-reach), py(reach), px(reach) - px(-reach), py(-reach) - py(reach));
  }

  /** Arrows on a lattice. Lengths are those of the score in units of 1/width, compressed so that none leaves its cell. */
  function arrows({ context, width, height, scale }, field, lattice, typical, opacity) {
    const cell = height / lattice;
    const lines = new Path2D();
    const heads = new Path2D();
    const s = [0, 0, 0];
    for (let a = cell / 2; a < width; a += cell) {
      for (let b = cell / 2; b < height; b += cell) {
        field((a - width / 2) / scale, (height / 2 - b) / scale, s);
        const size = Math.hypot(s[1], s[2]);
        const length = 0.86 * cell * Math.tanh((size * typical) / 2.5);
        if (!(length > 1.2)) continue;
        const [ux, uy] = [s[1] / size, -s[2] / size];
        const head = Math.min(5, 0.4 * length);
        const [ex, ey] = [a + (ux * length) / 2, b + (uy * length) / 2];
        const [nx, ny] = [ex - ux * head, ey - uy * head];
        lines.moveTo(a - (ux * length) / 2, b - (uy * length) / 2);
        lines.lineTo(nx, ny);
        heads.moveTo(ex, ey);
        heads.lineTo(nx - 0.5 * uy * head, ny + 0.5 * ux * head);
        heads.lineTo(nx + 0.5 * uy * head, ny - 0.5 * ux * head);
      }
    }
    context.globalAlpha = opacity;
    context.strokeStyle = context.fillStyle = colours.arrow;
    context.lineWidth = 1.1;
    context.stroke(lines);
    context.fill(heads);
    context.globalAlpha = 1;
  }

  /** Dots, all in one path: two thousand of them cost a millisecond. */
  function dots({ context, width, height, px, py }, x, radius) {
    const path = new Path2D();
    for (let i = 0; i < x.length; i += 2) {
      const [a, b] = [px(x[i]), py(x[i + 1])];
      if (a < -radius || b < -radius || a > width + radius || b > height + radius) continue;
      path.moveTo(a + radius, b);
      path.arc(a, b, radius, 0, 2 * Math.PI);
    }
    context.globalAlpha = 0.75;
    context.fillStyle = colours.accent;
    context.fill(path);
    context.globalAlpha = 1;
  }

  return { VIEW, prepare, shading, shade, arrows, dots, dark };
})();
