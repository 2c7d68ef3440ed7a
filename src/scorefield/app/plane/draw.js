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

  // Sizes are read once and then observed: asking for them in every frame would lay the page out anew in every frame.
  const sizes = new WeakMap();
  let resized = () => {};
  const observer = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) sizes.set(target, contentRect);
    resized();
  });
  const onResize = (act) => (resized = act);

  function sizeOf(canvas) {
    if (!sizes.has(canvas)) {
      sizes.set(canvas, canvas.getBoundingClientRect());
      observer.observe(canvas);
    }
    return sizes.get(canvas);
  }

  /** A canvas at the screen's resolution, with its context in units of CSS pixels. */
  function prepare(canvas) {
    const { width, height } = sizeOf(canvas);
    const ratio = Math.min(devicePixelRatio || 1, 2);
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return view(context, width, height);
  }

  /** What is drawn on: a context, its size, and where a place of the plane lies on it. */
  function view(context, width, height) {
    const scale = height / (2 * VIEW);
    const [px, py] = [(x) => width / 2 + x * scale, (y) => height / 2 - y * scale];
    return { context, width, height, scale, px, py, path: () => new Path2D() };
  }

  /** Where a learned field differs from the exact one, as a picture of σ‖Δs‖, full colour at 1; and its root mean square under p. */
  function errorMap(exact, learned, sigma, cells, reach) {
    const [s, l] = [[0, 0, 0], [0, 0, 0]];
    let [mass, square] = [0, 0];
    const opacity = sweep(cells, reach, (x, y) => {
      exact(x, y, s);
      learned(x, y, l);
      const error = sigma * Math.hypot(s[1] - l[1], s[2] - l[2]);
      mass += Math.exp(s[0]);
      square += Math.exp(s[0]) * error * error;
      return 230 * Math.min(1, error);
    });
    return { picture: picture(opacity, colours.accent, { columns: cells, rows: cells }), typical: Math.sqrt(square / mass) };
  }

  /** The values of a function at the centres of cells × cells pixels, row by row from the top. */
  function sweep(cells, reach, value) {
    return Float64Array.from({ length: cells * cells }, (_, k) => {
      const [x, y] = [(k % cells) + 0.5, Math.floor(k / cells) + 0.5];
      return value(((2 * x) / cells - 1) * reach, (1 - (2 * y) / cells) * reach);
    });
  }

  /** One colour at the opacities given, 0 to 255, row by row from the top. */
  function picture(opacity, colour, { columns, rows }) {
    const image = new ImageData(columns, rows);
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
    opacity.forEach((a, k) => image.data.set([r, g, b, a], 4 * k));
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: columns, height: rows });
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  /** Lay a picture over [−reach, reach] × [−VIEW, VIEW]. */
  function shade({ context, px, py }, canvas, reach = VIEW, smoothing = "high") {
    context.imageSmoothingQuality = smoothing;
    context.drawImage(canvas, px(-reach), py(VIEW), px(reach) - px(-reach), py(-VIEW) - py(VIEW));
  }

  /** Arrows on a lattice, as paths. Lengths are those of the score in units of 1/typical, compressed so that none leaves its cell. */
  function arrowPaths({ width, height, scale, path }, field, lattice, typical) {
    const cell = height / lattice;
    const [lines, heads] = [path(), path()];
    const s = [0, 0, 0];
    for (let a = cell / 2; a < width; a += cell) {
      for (let b = cell / 2; b < height; b += cell) {
        field((a - width / 2) / scale, (height / 2 - b) / scale, s);
        const size = Math.hypot(s[1], s[2]);
        const length = 0.86 * cell * Math.tanh((size * typical) / 2.5);
        if (!(length > 1.2)) continue;
        const [ux, uy] = [s[1] / size, -s[2] / size];
        arrow(lines, heads, a - (ux * length) / 2, b - (uy * length) / 2, a + (ux * length) / 2, b + (uy * length) / 2);
      }
    }
    return { lines, heads };
  }

  /** From (a, b) to (c, d), in pixels. */
  function arrow(lines, heads, a, b, c, d) {
    const length = Math.hypot(c - a, d - b);
    const [ux, uy] = [(c - a) / length, (d - b) / length];
    const head = Math.min(5, 0.4 * length);
    const [nx, ny] = [c - ux * head, d - uy * head];
    lines.moveTo(a, b);
    lines.lineTo(nx, ny);
    heads.moveTo(c, d);
    heads.lineTo(nx - 0.5 * uy * head, ny + 0.5 * ux * head);
    heads.lineTo(nx + 0.5 * uy * head, ny - 0.5 * ux * head);
  }

  function arrows({ context }, { lines, heads }, opacity) {
    context.globalAlpha = opacity;
    context.strokeStyle = context.fillStyle = colours.arrow;
    context.lineWidth = 1.1;
    context.stroke(lines);
    context.fill(heads);
    context.globalAlpha = 1;
  }

  /** From every noisy point of x an arrow to its guess; both are dots. */
  function guesses(view, x, guess) {
    dots(view, x, 1.8, "arrow");
    const [lines, heads] = [view.path(), view.path()];
    for (let i = 0; i < x.length; i += 2) {
      const [a, b, c, d] = [view.px(x[i]), view.py(x[i + 1]), view.px(guess[i]), view.py(guess[i + 1])];
      if (Math.hypot(c - a, d - b) > 1) arrow(lines, heads, a, b, c, d);
    }
    arrows(view, { lines, heads }, 0.6);
    dots(view, guess, 3);
  }

  /** A falling curve on a logarithmic scale, over the share of the way from 0 to 1, and a dashed line at its floor. */
  function curve({ context, width, height }, points, floor) {
    const [top, bottom] = [Math.log(Math.max(1.3 * floor, ...points.map(([, v]) => v))), Math.log(0.93 * floor)];
    const y = (v) => 4 + (height - 8) * ((top - Math.log(v)) / (top - bottom));
    context.lineWidth = 1.5;
    context.strokeStyle = colours.arrow;
    context.setLineDash([4, 4]);
    context.stroke(new Path2D(`M0 ${y(floor)} H${width}`));
    context.setLineDash([]);
    context.strokeStyle = colours.accent;
    context.lineWidth = 2;
    context.stroke(new Path2D(points.map(([at, v], k) => `${k ? "L" : "M"}${at * width} ${y(v)}`).join(" ")));
  }

  /** Dots, all in one path: two thousand of them cost a millisecond. */
  function dots({ context, width, height, px, py, path: begin }, x, radius, colour = "accent") {
    const path = begin();
    for (let i = 0; i < x.length; i += 2) {
      const [a, b] = [px(x[i]), py(x[i + 1])];
      if (a < -radius || b < -radius || a > width + radius || b > height + radius) continue;
      path.moveTo(a + radius, b);
      path.arc(a, b, radius, 0, 2 * Math.PI);
    }
    context.globalAlpha = 0.75;
    context.fillStyle = colours[colour];
    context.fill(path);
    context.globalAlpha = 1;
  }

  /** Squares as large as dots of that radius: so small, they look the same, and cost a quarter. */
  function specks({ context, px, py }, x, radius) {
    const side = Math.sqrt(Math.PI) * radius;
    context.globalAlpha = 0.75;
    context.fillStyle = colours.accent;
    for (let i = 0; i < x.length; i += 2) context.fillRect(px(x[i]) - side / 2, py(x[i + 1]) - side / 2, side, side);
    context.globalAlpha = 1;
  }

  return { VIEW, colour: (name) => colours[name], dark, onResize, prepare, view, picture, shade, errorMap, arrowPaths, arrows, guesses, curve, dots, specks };
})();
