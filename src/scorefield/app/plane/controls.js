/* Controls: the kind of distribution and its settings, whose arrows, the samplers' budget, the noise level. */
(() => {
  "use strict";

  const { plane } = globalThis;
  const { $, HIGH, KINDS, LOW, state } = plane;

  const RUN = [
    { key: "budget", label: "Evaluations", min: 8, max: 400, step: 4 },
    { key: "speed", label: "Per second", min: 4, max: 120, step: 4 },
    { key: "count", label: "Particles", min: 20, max: 400, step: 20 },
  ];
  const SOURCES = { exact: "Exact score", learned: "Learned score" };
  const SHOWN = { score: "Score", denoiser: "Denoiser" };

  // ---- pieces ------------------------------------------------------------------------------------------------------
  function makeSlider(spec, read, write) {
    const row = document.createElement("div");
    row.className = "slider";
    row.innerHTML = `<label for="s-${spec.key}">${spec.label}</label><input id="s-${spec.key}" type="range"><output for="s-${spec.key}"></output>`;
    const [, input, output] = row.children;
    Object.assign(input, { min: spec.min, max: spec.max, step: spec.step, value: read() });
    output.textContent = read();
    input.addEventListener("input", () => {
      write(Number(input.value));
      output.textContent = input.value;
    });
    return row;
  }

  plane.showValue = (key, value) => {
    const input = $(`s-${key}`);
    input.value = value;
    input.nextElementSibling.textContent = Number(value.toFixed(2));
  };

  plane.button = (text, act) => {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", textContent: text });
    made.addEventListener("click", act);
    return made;
  };

  function makeChoices(id, name, options, act) {
    for (const [value, text] of Object.entries(options)) {
      const choice = document.createElement("label");
      choice.innerHTML = `<input type="radio" name="${name}" value="${value}">${text}`;
      choice.firstChild.checked = value === state[name];
      choice.firstChild.addEventListener("change", () => act(value));
      $(id).append(choice);
    }
  }

  const check = (name, value) => (document.querySelector(`input[name="${name}"][value="${value}"]`).checked = true);

  // ---- the distribution --------------------------------------------------------------------------------------------
  plane.showShape = () => {
    const { sliders, hint } = KINDS[state.kind];
    const write = (key) => (value) => plane.edit(() => (plane.settings()[key] = value));
    const made = sliders.map((spec) => makeSlider(spec, () => plane.settings()[spec.key], write(spec.key)));
    $("shape").replaceChildren(...made, shapeButtons());
    $("hint").textContent = hint;
    $("canvas").classList.toggle("drawn-on", state.kind === "empirical");
    plane.showHandles();
  };

  function shapeButtons() {
    const { edit, button } = plane;
    const row = document.createElement("div");
    row.className = "row";
    if (state.kind === "modes") {
      const list = state.settings.modes;
      const add = button("Add a mode", () => edit(() => (state.selected = list.push({ x: 0, y: 0, std: 0.5, weight: 0.3 }) - 1), true));
      const remove = button("Remove this one", () => edit(() => (list.splice(state.selected, 1), (state.selected = 0)), true));
      add.disabled = list.length >= 8;
      remove.disabled = list.length <= 1;
      row.append(add, remove);
    }
    if (state.kind === "empirical") row.append(button("Clear", () => edit(() => (state.settings.empirical = []))), button("Spiral", () => edit(spiral)));
    return row;
  }

  function spiral() {
    state.settings.empirical = Array.from({ length: 60 }, (_, k) => {
      const angle = 0.6 + k / 6.5;
      const [x, y] = [Math.cos, Math.sin].map((f) => plane.tidy(0.42 * angle * f(angle)));
      return { x, y, part: Math.floor(k / 15) };
    });
  }

  plane.choose = (kind) => {
    plane.glide = null;
    plane.play(false);
    check("kind", (state.kind = kind));
    if (kind === "empirical" && state.settings.empirical.length === 0) spiral();
    plane.rebuild();
    plane.setSource("exact");
    plane.showSigma(plane.stageSigma());
    plane.showShape();
    plane.showTraining();
  };

  // ---- the arrows, the noise level, the run ------------------------------------------------------------------------
  /** Let arrows show and samplers follow the exact or the learned score, from their start. */
  plane.setSource = (key) => {
    check("source", (state.source = key));
    plane.play(false);
    plane.restart();
  };

  plane.setShown = (key) => {
    check("show", (state.show = key));
    plane.dirty = true;
  };

  plane.setSigma = (sigma) => {
    state.sigma = plane.tidy(sigma);
    plane.showSigma(state.sigma);
    plane.restart();
  };

  plane.showSigma = (sigma) => {
    const input = $("sigma");
    input.value = Math.log(sigma / LOW) / Math.log(HIGH / LOW);
    input.setAttribute("aria-valuetext", `σ = ${sigma.toFixed(2)}`);
    $("sigma-value").textContent = sigma.toFixed(2);
    plane.panelDirty = true; // it shows the learned score at this level
  };

  function makeRun() {
    for (const spec of RUN) {
      const write = (value) => ((state.run[spec.key] = value), spec.key === "speed" || (plane.play(false), plane.restart()));
      $("run").append(makeSlider(spec, () => state.run[spec.key], write));
    }
    const seed = document.createElement("div");
    seed.className = "slider";
    seed.innerHTML = '<label for="seed">Seed</label><input id="seed" type="number" min="0" max="999999" step="1" value="0" required>';
    seed.lastChild.addEventListener("input", (event) => {
      if (!event.target.reportValidity()) return;
      state.run.seed = event.target.valueAsNumber;
      plane.play(false);
      plane.restart();
    });
    $("run").append(seed);
  }

  plane.makeControls = () => {
    makeChoices("kinds", "kind", Object.fromEntries(Object.entries(KINDS).map(([key, { label }]) => [key, label])), plane.choose);
    makeChoices("sources", "source", SOURCES, plane.setSource);
    makeChoices("shown", "show", SHOWN, plane.setShown);
    makeRun();
    $("sigma").addEventListener("input", (event) => {
      plane.glide = null;
      plane.play(false);
      plane.setSigma(LOW * (HIGH / LOW) ** Number(event.target.value));
    });
    $("play").addEventListener("click", () => plane.play(!state.playing));
    $("step").addEventListener("click", plane.stepOnce);
    $("reset").addEventListener("click", () => (plane.play(false), plane.restart(), plane.showSigma(plane.stageSigma())));
    $("from-noise").addEventListener("click", () => (plane.dropFrom("noise"), plane.play(true)));
    $("from-centre").addEventListener("click", () => (plane.dropFrom({ x: 0, y: 0 }), plane.play(true)));
  };
})();
