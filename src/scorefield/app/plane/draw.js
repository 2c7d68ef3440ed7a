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
    const out = [0, 0, 0];
    const logs = sweep(cells, reach, (x, y) => (field(x, y, out), out[0]));
    const top = logs.reduce((a, b) => Math.max(a, b));
    const darkest = 190 / Math.sqrt(1 + 0.5 * sigma);
    return picture(logs.map((l) => darkest * Math.exp(0.6 * (l - top))), colours.shade, cells, reach);
  }

  /** Where a learned field differs from the exact one, as a picture of σ‖Δs‖, full colour at ½; and its root mean square under p. */
  function errorMap(exact, learned, sigma, cells, reach) {
    const [s, l] = [[0, 0, 0], [0, 0, 0]];
    let [mass, square] = [0, 0];
    const opacity = sweep(cells, reach, (x, y) => {
      exact(x, y, s);
      learned(x, y, l);
      const error = sigma * Math.hypot(s[1] - l[1], s[2] - l[2]);
      mass += Math.exp(s[0]);
      square += Math.exp(s[0]) * error * error;
      return 230 * Math.min(1, 2 * error);
    });
    return { picture: picture(opacity, colours.accent, cells, reach), typical: Math.sqrt(square / mass) };
  }

  /** The values of a function at the centres of cells × cells pixels, row by row from the top. */
  function sweep(cells, reach, value) {
    return Float64Array.from({ length: cells * cells }, (_, k) => {
      const [x, y] = [(k % cells) + 0.5, Math.floor(k / cells) + 0.5];
      return value(((2 * x) / cells - 1) * reach, (1 - (2 * y) / cells) * reach);
    });
  }

  /** One colour at the opacities given, 0 to 255. */
  function picture(opacity, colour, cells, reach) {
    const image = new ImageData(cells, cells);
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
    opacity.forEach((a, k) => image.data.set([r, g, b, a], 4 * k));
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

  return { VIEW, prepare, shading, errorMap, shade, arrows, dots, dark };
})();
