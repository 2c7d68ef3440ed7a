/* Controls: the kind of distribution and its settings, the samplers' budget, the noise level. */
(() => {
  "use strict";

  const { plane } = globalThis;
  const { $, HIGH, LOW, state } = plane;

  const slider = (key, label, min, max, step) => ({ key, label, min, max, step });
  const KINDS = {
    modes: {
      label: "Modes",
      hint: "Drag a mode, or its small circle to widen it.",
      sliders: [slider("weight", "Weight", 0.05, 1, 0.05), slider("std", "Spread", 0.15, 2, 0.05)],
    },
    ring: { label: "Ring", hint: "", sliders: [slider("radius", "Radius", 1.5, 5, 0.1), slider("std", "Thickness", 0.1, 0.35, 0.05)] },
    banana: {
      label: "Banana",
      hint: "",
      sliders: [
        slider("spread", "Length", 0.5, 2.5, 0.1),
        slider("curvature", "Bend", -0.6, 0.6, 0.05),
        slider("std", "Thickness", 0.2, 1, 0.05),
      ],
    },
    moons: { label: "Moons", hint: "", sliders: [slider("radius", "Radius", 1, 4, 0.1), slider("std", "Thickness", 0.1, 0.8, 0.05)] },
    empirical: { label: "Draw", hint: "Draw on the field: each stroke is a part of your data.", sliders: [] },
  };
  const RUN = [slider("budget", "Evaluations", 8, 400, 4), slider("speed", "Per second", 4, 120, 4), slider("count", "Particles", 20, 400, 20)];

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

  function makeChoice(name, value, text, act) {
    const choice = document.createElement("label");
    choice.innerHTML = `<input type="radio" name="${name}" value="${value}">${text}`;
    choice.firstChild.checked = value === state[name];
    choice.firstChild.addEventListener("change", act);
    return choice;
  }

  // ---- the distribution --------------------------------------------------------------------------------------------
  plane.showShape = () => {
    const { sliders } = KINDS[state.kind];
    const target = () => (state.kind === "modes" ? state.settings.modes[state.selected] : state.settings[state.kind]);
    const write = (key) => (value) => plane.edit(() => (target()[key] = value));
    $("shape").replaceChildren(...sliders.map((spec) => makeSlider(spec, () => target()[spec.key], write(spec.key))), shapeButtons());
    $("hint").textContent = [KINDS[state.kind].hint, state.kind === "empirical" ? "" : "Click the field to drop particles there."].filter(Boolean).join(" ");
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
      return { x: 0.42 * angle * Math.cos(angle), y: 0.42 * angle * Math.sin(angle), part: Math.floor(k / 15) };
    });
  }

  plane.choose = (kind) => {
    plane.glide = null;
    plane.play(false);
    state.kind = kind;
    if (kind === "empirical" && state.settings.empirical.length === 0) spiral();
    $("sources").hidden = kind !== "modes"; // which the network was trained on
    plane.rebuild();
    plane.setSource("exact");
    plane.showSigma(plane.stageSigma());
    plane.showShape();
  };

  // ---- the score that is followed, the noise level, the run --------------------------------------------------------
  /** Let samplers follow the exact or the learned score, from their start. */
  plane.setSource = (key) => {
    state.source = key;
    $("learned").hidden = key !== "learned";
    document.querySelector(`input[name="source"][value="${key}"]`).checked = true;
    plane.play(false);
    plane.restart();
  };

  plane.setSigma = (sigma) => {
    state.sigma = sigma;
    plane.showSigma(sigma);
    if (plane.lanes.length) plane.restart();
  };

  plane.showSigma = (sigma) => {
    const input = $("sigma");
    input.value = Math.log(sigma / LOW) / Math.log(HIGH / LOW);
    input.setAttribute("aria-valuetext", `σ = ${sigma.toFixed(2)}`);
    $("sigma-value").textContent = sigma.toFixed(2);
  };

  function makeRun() {
    for (const spec of RUN) {
      const write = (value) => ((state.run[spec.key] = value), spec.key === "speed" || (plane.play(false), plane.restart()));
      $("run").append(makeSlider(spec, () => state.run[spec.key], write));
    }
    const seed = document.createElement("div");
    seed.className = "slider";
    seed.innerHTML = '<label for="seed">Seed</label><input id="seed" type="number" min="0" max="999999" step="1" value="0">';
    seed.lastChild.addEventListener("input", (event) => {
      state.run.seed = Math.max(0, Math.floor(Number(event.target.value) || 0));
      plane.play(false);
      plane.restart();
    });
    $("run").append(seed);
  }

  plane.makeControls = () => {
    for (const [key, { label }] of Object.entries(KINDS)) $("kinds").append(makeChoice("kind", key, label, () => plane.choose(key)));
    for (const key of ["exact", "learned"]) {
      $("sources").append(makeChoice("source", key, `${key[0].toUpperCase()}${key.slice(1)} score`, () => plane.setSource(key)));
    }
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
