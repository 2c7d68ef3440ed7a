/* What can be taken away: the picture, the particles, the network, and the lines of Python that do the same. */
(() => {
  "use strict";

  const { SAMPLERS, python, shares, store } = globalThis.scorefield;
  const { plane } = globalThis;
  const { $, HIGH, LOW, state } = plane;

  /** What the page shows, in the words of `python`. */
  function chosen() {
    const { kind, settings, sigma, start, followed, run } = state;
    const made = state.source === "learned" ? plane.learned() : null;
    const { layers } = made?.net ?? {};
    const net = made && { width: layers[0].out, depth: layers.length - 1, training: made.settings };
    const rest = { shown: plane.stageSigma(), narrowest: plane.density.narrowest, high: HIGH, low: LOW, net };
    return { kind, settings: settings[kind], sigma, start, sampler: followed, ...run, ...rest };
  }

  plane.python = () => (plane.density ? python(chosen()) : "# Draw a few points first.\n");

  const pairs = (x) => Array.from({ length: x.length / 2 }, (_, i) => [x[2 * i], x[2 * i + 1]]);

  /** Particles of every sampler where they are now, and where all began. */
  plane.particles = () => {
    const samplers = plane.lanes.map(({ key, spent, sigma, x }) => [
      key,
      { name: SAMPLERS[key].name, evaluations: spent, sigma, shares: x.length ? shares(plane.density, x) : [], x: pairs(x) },
    ]);
    return { ...chosen(), truth: plane.density.parts, start: pairs(plane.starts()), samplers: Object.fromEntries(samplers) };
  };

  function save(name, blob) {
    const link = document.createElement("a");
    Object.assign(link, { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  const asJson = (value) => new Blob([JSON.stringify(value)], { type: "application/json" });

  /** The stage on paper of its own: without it, a picture of the dark page would be see-through. */
  function savePicture() {
    const stage = $("canvas");
    const sheet = Object.assign(document.createElement("canvas"), { width: stage.width, height: stage.height });
    const context = sheet.getContext("2d");
    context.fillStyle = getComputedStyle($("stage")).backgroundColor;
    context.fillRect(0, 0, sheet.width, sheet.height);
    context.drawImage(stage, 0, 0);
    sheet.toBlob((blob) => save("score.png", blob));
  }

  /** The same with lines and dots as such. */
  function saveDrawing() {
    const view = globalThis.vector.view(globalThis.drawing.prepare($("canvas")));
    view.context.fillStyle = getComputedStyle($("stage")).backgroundColor;
    view.context.fillRect(0, 0, view.width, view.height);
    plane.drawOn(view);
    plane.dirty = true; // the canvas was cleared for its size
    save("score.svg", new Blob([view.text()], { type: "image/svg+xml" }));
  }

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
    $("save-particles").addEventListener("click", () => plane.density && save("particles.json", asJson(plane.particles())));
    $("save-network").addEventListener("click", () => plane.learned() && save("network.json", asJson(store(plane.learned().net))));
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
