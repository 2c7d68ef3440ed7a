/* The page: what is chosen (state), what follows from it (density, lanes), and the story that sets both. */
(() => {
  "use strict";

  const { DISTRIBUTIONS, SAMPLERS, advance, learned, network, normal, prior, shares } = globalThis.scorefield;
  const { VIEW, prepare, shading, errorMap, shade, arrows, dots, dark } = globalThis.drawing;
  const $ = (id) => document.getElementById(id);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const [LOW, HIGH] = [0.05, 8]; // noise levels that samplers run between
  const LANE_REACH = 1.45 * VIEW;
  const DROP = 0.35; // standard deviation of a handful of particles

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

  const state = {
    kind: "modes",
    settings: {
      modes: structuredClone(learned.modes),
      ring: { radius: 3, std: 0.25 },
      banana: { spread: 1.8, curvature: 0.45, std: 0.4 },
      moons: { radius: 2.6, std: 0.25 },
      empirical: [],
    },
    selected: 0,
    source: "exact", // whose score the samplers follow
    sigma: 0.3,
    start: null, // null: no particles; "noise"; or the place { x, y } of a drop
    run: { budget: 120, speed: 40, count: 300, seed: 0 },
    followed: "langevin",
    playing: false,
  };
  const trained = network(learned);
  let density;
  let shades; // of lanes, by noise level
  let lanes = [];

  // ---- what follows from what is chosen ----------------------------------------------------------------------------
  function rebuild() {
    const settings = state.settings[state.kind];
    const drawn = state.kind !== "empirical" || settings.length > 0;
    density = drawn ? DISTRIBUTIONS[state.kind](settings) : null;
    shades = new Map();
    for (const lane of lanes) lane.dirty = true;
    dirty = true;
  }

  function plan() {
    const options = { budget: state.run.budget, sigma: state.sigma, narrowest: density?.narrowest ?? 0, high: HIGH, low: LOW };
    for (const lane of lanes) lane.moves = SAMPLERS[lane.key].moves(options);
  }

  function restart() {
    const x = starts(state.run.count, state.run.seed);
    plan();
    for (const lane of lanes) Object.assign(lane, { next: 0, spent: 0, x: x.slice(), sigma: lane.moves[0].from, dirty: true });
    clock = 0;
    dirty = true;
  }

  function starts(count, seed) {
    if (!density || state.start === null) return new Float64Array(0);
    if (state.start === "noise") return prior(density, HIGH, count, seed);
    const { x, y } = state.start;
    return normal(seed, -1, count).map((z, i) => (i % 2 ? y : x) + DROP * z);
  }

  const source = () => (state.source === "learned" ? trained : density);
  const followed = () => lanes.find((lane) => lane.key === state.followed);
  const finished = () => lanes.every((lane) => lane.next >= lane.moves.length);

  /** Give every sampler the evaluations that the clock has reached; the denoising at the end comes free of the clock. */
  function spendUntil(total) {
    for (const lane of lanes) {
      while (lane.next < lane.moves.length) {
        const move = lane.moves[lane.next];
        if (move.rule === "denoise" ? lane.spent > total : lane.spent + move.cost > total) break;
        advance(move, source(), lane.x, normal(state.run.seed, lane.next, lane.x.length / 2));
        lane.next += 1;
        lane.spent += move.cost;
        lane.sigma = move.to;
        lane.dirty = true;
      }
    }
    dirty = true;
    if (finished()) {
      play(false);
      $("news").textContent = lanes.map((lane) => `${SAMPLERS[lane.key].name}: ${verdict(shares(density, lane.x))}.`).join(" ");
    }
  }

  // ---- drawing -----------------------------------------------------------------------------------------------------
  let dirty = true;
  let clock = 0;
  let glide = null; // a slow change of the noise level that the story asks for
  let before = performance.now();

  function frame(now) {
    const seconds = Math.min(0.1, (now - before) / 1000);
    before = now;
    if (glide) advanceGlide(seconds);
    if (state.playing) {
      clock += seconds * state.run.speed;
      spendUntil(clock);
      if (followed().next > 0) showSigma(followed().sigma);
    }
    if (dirty) drawField();
    for (const lane of lanes) if (lane.dirty) drawLane(lane);
    requestAnimationFrame(frame);
  }

  function advanceGlide(seconds) {
    glide.at += seconds / glide.seconds;
    const u = Math.min(1, glide.at) * (glide.stops.length - 1);
    const k = Math.min(glide.stops.length - 2, Math.floor(u));
    const eased = 0.5 - 0.5 * Math.cos(Math.PI * (u - k));
    setSigma(glide.stops[k] * (glide.stops[k + 1] / glide.stops[k]) ** eased);
    if (glide.at >= 1) glide = null;
  }

  /** The noise level of the field on the stage: that of the sampler that is followed, once it runs. */
  const stageSigma = () => (lanes.length && followed().next > 0 ? followed().sigma : state.sigma);

  function drawField() {
    dirty = false;
    const view = prepare($("canvas"));
    const sigma = stageSigma();
    if (density) {
      const field = density.at(sigma);
      shade(view, shading(field, 72, VIEW, sigma));
      arrows(view, field, 23, Math.sqrt(sigma ** 2 + density.narrowest), followed().x.length ? 0.5 : 0.75);
    }
    if (state.kind === "empirical") drawPoints(view);
    dots(view, followed().x, 2.4);
    if (state.source === "learned") drawLearned(sigma);
  }

  function drawLearned(sigma) {
    const [exact, guess] = [density.at(sigma), trained.at(sigma)];
    arrows(prepare($("learned-field")), guess, 13, Math.sqrt(sigma ** 2 + density.narrowest), 0.75);
    const { picture, typical } = errorMap(exact, guess, sigma, 28, VIEW);
    shade(prepare($("learned-error")), picture);
    $("error-value").textContent = `${typical.toFixed(2)}/σ on data`;
  }

  function drawPoints({ context, px, py }) {
    context.fillStyle = getComputedStyle($("stage")).color;
    for (const p of state.settings.empirical) context.fillRect(px(p.x) - 2, py(p.y) - 2, 4, 4);
  }

  function drawLane(lane) {
    lane.dirty = false;
    const view = prepare(lane.canvas);
    if (density) shade(view, laneShading(lane.sigma));
    dots(view, lane.x, 1.5);
    lane.cost.textContent = `${lane.spent} evaluations`;
    const found = lane.x.length ? shares(density, lane.x) : null;
    lane.result.textContent = found ? verdict(found) : "";
    drawBars(lane.bars, found);
  }

  /** Shadings at 24 levels are enough for lanes; each is computed when first needed. */
  function laneShading(sigma) {
    const level = Math.round((24 * Math.log(sigma / LOW)) / Math.log(HIGH / LOW));
    const rounded = LOW * (HIGH / LOW) ** (level / 24);
    if (!shades.has(level)) shades.set(level, shading(density.at(rounded), 56, LANE_REACH, rounded));
    return shades.get(level);
  }

  /** A bar per part: the share of particles, and a mark at the true weight. */
  function drawBars(bars, found) {
    const truth = density?.parts ?? [];
    while (bars.childElementCount < truth.length) {
      const bar = document.createElement("span");
      bar.append(document.createElement("i"), document.createElement("b"));
      bars.append(bar);
    }
    while (bars.childElementCount > truth.length) bars.lastChild.remove();
    const full = 1.35 * Math.max(...truth, 0.35);
    [...bars.children].forEach((bar, k) => {
      const share = found?.[k] ?? 0;
      bar.firstChild.style.height = `${Math.min(1, share / full) * 100}%`;
      bar.lastChild.style.bottom = `calc(${(truth[k] / full) * 100}% - 1px)`;
      bar.title = `part ${k + 1}: ${percent(share)}, should be ${percent(truth[k])}`;
    });
  }

  const percent = (share) => `${Math.round(100 * share)} %`;

  /** Half the sum of differences: the share of particles that would have to change place. */
  function verdict(found) {
    return `${percent(density.parts.reduce((sum, w, k) => sum + 0.5 * Math.abs(w - found[k]), 0))} misplaced`;
  }

  // ---- controls ----------------------------------------------------------------------------------------------------
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

  function button(text, act) {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", textContent: text });
    made.addEventListener("click", act);
    return made;
  }

  function showShape() {
    const { sliders } = KINDS[state.kind];
    const target = () => (state.kind === "modes" ? state.settings.modes[state.selected] : state.settings[state.kind]);
    const rows = sliders.map((spec) => makeSlider(spec, () => target()[spec.key], (value) => edit(() => (target()[spec.key] = value))));
    $("shape").replaceChildren(...rows, shapeButtons());
    $("hint").textContent = [KINDS[state.kind].hint, state.kind === "empirical" ? "" : "Click the field to drop particles there."].filter(Boolean).join(" ");
    $("canvas").classList.toggle("drawn-on", state.kind === "empirical");
    showHandles();
  }

  function shapeButtons() {
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

  /** Change the distribution: particles in flight stay where they are and follow the new one. */
  function edit(change, reshape = false) {
    const had = density !== null;
    change();
    rebuild();
    if (!density) play(false);
    if (!had || !density || lanes.every((lane) => lane.next === 0)) restart();
    else plan(); // a narrower mode bears smaller steps only
    if (reshape) showShape();
    else placeHandles();
  }

  function setSigma(sigma) {
    state.sigma = sigma;
    showSigma(sigma);
    if (lanes.length) restart();
  }

  function showSigma(sigma) {
    const input = $("sigma");
    input.value = Math.log(sigma / LOW) / Math.log(HIGH / LOW);
    input.setAttribute("aria-valuetext", `σ = ${sigma.toFixed(2)}`);
    $("sigma-value").textContent = sigma.toFixed(2);
  }

  function play(on) {
    if (on && (!density || state.start === null)) dropFrom("noise");
    if (on && finished()) restart();
    state.playing = on && density !== null;
    $("play").textContent = state.playing ? "Pause" : "Play";
  }

  function stepOnce() {
    play(false);
    if (!density) return;
    if (state.start === null) dropFrom("noise");
    clock = Math.floor(clock / 2) * 2 + 2; // two evaluations: one transition of the slowest
    spendUntil(clock);
    showSigma(stageSigma());
  }

  function dropFrom(start) {
    state.start = start;
    restart();
    showSigma(stageSigma());
  }

  function follow(key) {
    state.followed = key;
    for (const lane of lanes) lane.element.setAttribute("aria-pressed", lane.key === key);
    showSigma(stageSigma());
    dirty = true;
  }

  // ---- handles of modes --------------------------------------------------------------------------------------------
  function showHandles() {
    const list = state.kind === "modes" ? state.settings.modes : [];
    $("handles").replaceChildren(...list.flatMap((_, k) => [makeHandle("mode", k), makeHandle("spread", k)]));
    placeHandles();
  }

  function makeHandle(role, k) {
    const made = button("", () => {});
    made.className = role;
    made.addEventListener("pointerdown", (event) => {
      made.setPointerCapture(event.pointerId);
      select(k);
    });
    made.addEventListener("pointermove", (event) => {
      if (!made.hasPointerCapture(event.pointerId)) return;
      const [x, y] = place(event);
      edit(() => (role === "mode" ? moveTo(k, x, y) : widen(k, Math.hypot(x - mode(k).x, y - mode(k).y) / 2)));
    });
    made.addEventListener("focus", () => select(k));
    made.addEventListener("keydown", (event) => {
      const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
      if (dx === undefined) return;
      event.preventDefault();
      const by = event.shiftKey ? 0.5 : 0.1;
      edit(() => (role === "mode" ? moveTo(k, mode(k).x + by * dx, mode(k).y + by * dy) : widen(k, mode(k).std + 0.5 * by * (dx + dy))));
    });
    return made;
  }

  const mode = (k) => state.settings.modes[k];
  const within = (value, low, high) => Math.min(high, Math.max(low, value));
  const moveTo = (k, x, y) => Object.assign(mode(k), { x: within(x, -VIEW, VIEW), y: within(y, -VIEW, VIEW) });
  const widen = (k, std) => (mode(k).std = within(std, 0.15, 2));

  function select(k) {
    if (state.selected === k) return;
    state.selected = k;
    const { sliders } = KINDS.modes;
    sliders.forEach(({ key }) => showValue(key, mode(k)[key]));
    placeHandles();
  }

  function showValue(key, value) {
    const input = $(`s-${key}`);
    input.value = value;
    input.nextElementSibling.textContent = Number(value.toFixed(2));
  }

  /** Circles of two standard deviations, with a small one on their edge. */
  function placeHandles() {
    if (state.kind !== "modes") return;
    const percentOf = (v) => `${(50 * (v + VIEW)) / VIEW}%`;
    [...$("handles").children].forEach((handle, i) => {
      const [k, m] = [i >> 1, mode(i >> 1)];
      const edge = i % 2 === 1;
      handle.style.left = percentOf(m.x + (edge ? 2 * m.std : 0));
      handle.style.top = percentOf(-m.y);
      if (edge) handle.hidden = k !== state.selected;
      else handle.style.width = handle.style.height = `max(1.75rem, ${(100 * 2 * m.std) / VIEW}%)`;
      handle.setAttribute("aria-pressed", k === state.selected);
      const what = edge ? `Spread of mode ${k + 1}: ${m.std.toFixed(2)}` : `Mode ${k + 1} at ${m.x.toFixed(1)}, ${m.y.toFixed(1)}`;
      handle.setAttribute("aria-label", `${what}. Arrow keys change it.`);
    });
    showValue("std", mode(state.selected).std);
  }

  function place(event) {
    const { left, top, width, height } = $("canvas").getBoundingClientRect();
    return [((2 * (event.clientX - left)) / width - 1) * VIEW, (1 - (2 * (event.clientY - top)) / height) * VIEW];
  }

  // ---- the field as a place to click and to draw -------------------------------------------------------------------
  let stroke = null;

  function drawPoint(event) {
    const [x, y] = place(event);
    const points = state.settings.empirical;
    const last = points.at(-1);
    if (points.length >= 300 || (stroke.begun && last && Math.hypot(last.x - x, last.y - y) < 0.25)) return;
    stroke.begun = true;
    edit(() => points.push({ x, y, part: stroke.part }));
  }

  function listenToField() {
    const canvas = $("canvas");
    canvas.addEventListener("pointerdown", (event) => {
      if (state.kind !== "empirical") return;
      canvas.setPointerCapture(event.pointerId);
      stroke = { part: Math.min(7, 1 + (state.settings.empirical.at(-1)?.part ?? -1)), begun: false };
      drawPoint(event);
    });
    canvas.addEventListener("pointermove", (event) => stroke && drawPoint(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (stroke = null));
    canvas.addEventListener("click", (event) => {
      if (state.kind === "empirical") return;
      const [x, y] = place(event);
      dropFrom({ x, y });
      play(true);
    });
  }

  // ---- the story ---------------------------------------------------------------------------------------------------
  const STORY = globalThis.story({ glide: glideTo, scene, firstModes });
  let chapter = 0;

  function firstModes() {
    edit(() => Object.assign(state, { settings: { ...state.settings, modes: structuredClone(learned.modes) }, selected: 0 }), true);
  }

  function glideTo(stops, seconds) {
    dropFrom(null);
    if (calm.matches) setSigma(stops.at(-1));
    else glide = { stops, seconds, at: 0 };
  }

  /** Set particles going, or ready to go where motion is not wanted. */
  function scene(start, key, sigma, whose = "exact") {
    setSource(whose);
    setSigma(sigma);
    follow(key);
    dropFrom(start);
    if (!calm.matches) play(true);
  }

  function tell(k) {
    chapter = k;
    glide = null;
    play(false);
    const { title, text, set } = STORY[k];
    if (state.kind !== "modes") $("kinds").querySelector("input").click();
    setSource("exact");
    $("story-title").textContent = title;
    $("story-text").innerHTML = `<p>${text[0]}</p><p class="why">${text[1]}</p>`;
    $("story-back").disabled = k === 0;
    $("story-next").disabled = k === STORY.length - 1;
    [...$("story-dots").querySelectorAll("button")].forEach((dot, i) => (i === k ? dot.setAttribute("aria-current", "step") : dot.removeAttribute("aria-current")));
    set();
  }

  // ---- putting it together -----------------------------------------------------------------------------------------
  function makeLane(key) {
    const element = button("", () => follow(key));
    element.className = "lane";
    element.innerHTML = `<strong>${SAMPLERS[key].name}</strong><canvas></canvas><span class="bars"></span><span class="numbers"><span></span><span></span></span>`;
    const [, canvas, bars, numbers] = element.children;
    $("race").append(element);
    return { key, element, canvas, bars, cost: numbers.firstChild, result: numbers.lastChild };
  }

  function makeChoice(name, value, text, act) {
    const choice = document.createElement("label");
    choice.innerHTML = `<input type="radio" name="${name}" value="${value}">${text}`;
    choice.firstChild.checked = value === state[name];
    choice.firstChild.addEventListener("change", act);
    return choice;
  }

  function makeChoices() {
    for (const [key, { label }] of Object.entries(KINDS)) $("kinds").append(makeChoice("kind", key, label, () => choose(key)));
    for (const key of ["exact", "learned"]) $("sources").append(makeChoice("source", key, `${key[0].toUpperCase()}${key.slice(1)} score`, () => setSource(key)));
  }

  /** Let samplers follow the exact or the learned score, from their start. */
  function setSource(key) {
    state.source = key;
    $("learned").hidden = key !== "learned";
    document.querySelector(`input[name="source"][value="${key}"]`).checked = true;
    play(false);
    restart();
  }

  function choose(kind) {
    glide = null;
    play(false);
    state.kind = kind;
    if (kind === "empirical" && state.settings.empirical.length === 0) spiral();
    $("sources").hidden = kind !== "modes"; // which the network was trained on
    rebuild();
    setSource("exact");
    showSigma(stageSigma());
    showShape();
  }

  function makeRun() {
    for (const spec of RUN) {
      const write = (value) => ((state.run[spec.key] = value), spec.key === "speed" || (play(false), restart()));
      $("run").append(makeSlider(spec, () => state.run[spec.key], write));
    }
    const seed = document.createElement("div");
    seed.className = "slider";
    seed.innerHTML = '<label for="seed">Seed</label><input id="seed" type="number" min="0" max="999999" step="1" value="0">';
    seed.lastChild.addEventListener("input", (event) => {
      state.run.seed = Math.max(0, Math.floor(Number(event.target.value) || 0));
      play(false);
      restart();
    });
    $("run").append(seed);
  }

  function listen() {
    $("sigma").addEventListener("input", (event) => {
      glide = null;
      play(false);
      setSigma(LOW * (HIGH / LOW) ** Number(event.target.value));
    });
    $("play").addEventListener("click", () => play(!state.playing));
    $("step").addEventListener("click", stepOnce);
    $("reset").addEventListener("click", () => (play(false), restart(), showSigma(stageSigma())));
    $("from-noise").addEventListener("click", () => (dropFrom("noise"), play(true)));
    $("from-centre").addEventListener("click", () => (dropFrom({ x: 0, y: 0 }), play(true)));
    $("story-back").addEventListener("click", () => tell(chapter - 1));
    $("story-next").addEventListener("click", () => tell(chapter + 1));
    const redraw = () => ((dirty = true), lanes.forEach((lane) => (lane.dirty = true)));
    new ResizeObserver(redraw).observe($("canvas"));
    addEventListener("resize", redraw);
    dark.addEventListener("change", rebuild);
    listenToField();
  }

  rebuild();
  lanes = Object.keys(SAMPLERS).map(makeLane);
  restart();
  makeChoices();
  makeRun();
  showShape();
  follow(state.followed);
  STORY.forEach(({ title }, k) => {
    const item = document.createElement("li");
    item.append(button("", () => tell(k)));
    item.firstChild.setAttribute("aria-label", `Step ${k + 1}: ${title}`);
    $("story-dots").append(item);
  });
  listen();
  tell(0);
  requestAnimationFrame(frame);

  globalThis.plane = { state, lanes }; // for whoever looks in from the console, and for tests
})();
