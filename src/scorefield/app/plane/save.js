/* What can be taken away: picture, film, particles, network, and the lines of Python that do the same. */
(() => {
  "use strict";

  const { python, store, take } = globalThis.scorefield;
  const { plane, drawing, gif, npz, vector } = globalThis;
  const { $, HIGH, LOW, state } = plane;
  const [SIDE, FRAMES] = [320, 40]; // of a film

  /** What the page shows, in the words of `python`. */
  function chosen() {
    const { kind, settings, sigma, start, followed, run, changed } = state;
    const lost = plane.lost(plane.followed());
    const made = state.source === "learned" ? plane.learned() : null;
    const { layers } = made?.net ?? {};
    const net = made && { width: layers[0].out, depth: layers.length - 1, training: made.settings };
    const rest = { shown: plane.stageSigma(), narrowest: plane.density.narrowest, high: HIGH, low: LOW, net };
    return { kind, settings: settings[kind], sigma, start, sampler: followed, changed, lost, ...run, ...rest };
  }

  plane.python = () => (plane.density ? python(chosen()) : "# Draw a few points first.\n");

  function save(name, blob) {
    const link = document.createElement("a");
    Object.assign(link, { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  /** A canvas that is not on the page, and the view of it. */
  function sheet(width, height, ratio = 1) {
    const canvas = Object.assign(document.createElement("canvas"), { width: width * ratio, height: height * ratio });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.scale(ratio, ratio);
    return { canvas, view: drawing.view(context, width, height) };
  }

  function savePicture() {
    const { width, height } = $("canvas").getBoundingClientRect();
    const { canvas, view } = sheet(width, height, $("canvas").width / width);
    plane.drawOn(view);
    canvas.toBlob((blob) => save("score.png", blob));
  }

  /** The same with lines and dots as such. */
  function saveDrawing() {
    const { width, height } = $("canvas").getBoundingClientRect();
    const view = vector.view(drawing.view(null, width, height));
    plane.drawOn(view);
    save("score.svg", new Blob([view.text()], { type: "image/svg+xml" }));
  }

  /** The run of the sampler that is followed, from its start to its end, however far the page has come. */
  function saveFilm() {
    const { view } = sheet(SIDE, SIDE);
    const { moves } = plane.followed();
    const [x, images] = [begun(), []];
    const keep = (sigma) => {
      plane.shading(sigma);
      plane.paint(Infinity);
      plane.drawOn(view, sigma, x);
      images.push(view.context.getImageData(0, 0, SIDE, SIDE));
    };
    const frame = (k) => Math.floor((FRAMES * k) / moves.length);
    keep(moves[0].from);
    moves.forEach(({ to }, k) => {
      take(moves, k, plane.source(), x, state.run.seed);
      if (frame(k + 1) > frame(k)) keep(to);
    });
    save("score.gif", gif(images, images.map((_, k) => (k < images.length - 1 ? 8 : 150))));
  }

  /** Where particles began; from noise, where there were none. */
  function begun() {
    if (state.start === null) plane.dropFrom("noise");
    return plane.starts();
  }

  /** Particles where all began, and of every sampler where they are now. */
  const particles = () => npz({ start: begun(), ...Object.fromEntries(plane.lanes.map(({ key, x }) => [key, x])) });

  /** Copy the lines, or, where a browser does not let a page do that, open and select them. */
  async function copy() {
    try {
      await navigator.clipboard.writeText(plane.python());
      $("news").textContent = $("copied").textContent = "Copied.";
      setTimeout(() => ($("copied").textContent = ""), 2000);
    } catch {
      $("python").open = true;
      plane.showPython();
      getSelection().selectAllChildren($("lines"));
    }
  }

  plane.makeSave = () => {
    $("save-picture").addEventListener("click", savePicture);
    $("save-drawing").addEventListener("click", saveDrawing);
    $("save-film").addEventListener("click", () => plane.density && saveFilm());
    $("save-particles").addEventListener("click", () => plane.density && save("particles.npz", particles()));
    $("save-network").addEventListener("click", () => plane.learned() && save("network.json", new Blob([JSON.stringify(store(plane.learned().net))])));
    $("save-lines").addEventListener("click", () => save("plane.py", new Blob([plane.python()])));
    $("copy").addEventListener("click", copy);
    $("python").addEventListener("toggle", plane.showPython);
  };

  /** The lines are written anew when what they say changes, if anybody looks. */
  let written = "";
  plane.showPython = () => {
    if (!$("python").open) return;
    const lines = plane.python();
    if (lines !== written) $("lines").textContent = written = lines;
  };
})();
