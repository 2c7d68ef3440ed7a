/* Five samplers from the same start, on the same budget of evaluations: their particles, their clock, how they fare. */
(() => {
  "use strict";

  const { SAMPLERS, shares, starts, take } = globalThis.scorefield;
  const { plane, drawing } = globalThis;
  const { $, HIGH, LOW, state } = plane;
  let clock = 0; // evaluations that every sampler may have spent by now
  let told = 0; // when numbers were written last

  const finished = () => plane.lanes.every((lane) => lane.next >= lane.moves.length);
  plane.followed = () => plane.lanes.find((lane) => lane.key === state.followed);

  // ---- particles ---------------------------------------------------------------------------------------------------
  plane.plan = () => {
    const narrowest = plane.density?.narrowest ?? 0;
    const options = { budget: state.run.budget, sigma: state.sigma, narrowest, high: HIGH, low: LOW };
    for (const lane of plane.lanes) lane.moves = SAMPLERS[lane.key].moves(options);
  };

  plane.restart = () => {
    const x = plane.starts();
    plane.plan();
    for (const lane of plane.lanes) Object.assign(lane, { next: 0, spent: 0, x: x.slice(), sigma: lane.moves[0].from });
    clock = 0;
    state.changed = false;
    plane.redraw();
  };

  plane.starts = () => {
    if (!plane.density || state.start === null) return new Float64Array(0);
    return starts(plane.density, { start: state.start, high: HIGH, ...state.run });
  };

  plane.dropFrom = (start) => {
    state.start = start;
    plane.restart();
    plane.showSigma(plane.stageSigma());
  };

  // ---- time --------------------------------------------------------------------------------------------------------
  plane.play = (on) => {
    if (on && (!plane.density || state.start === null)) plane.dropFrom("noise");
    if (on && finished()) plane.restart();
    state.playing = on && plane.density !== null;
    $("play").textContent = state.playing ? "Pause" : "Play";
  };

  plane.run = (seconds) => {
    clock += seconds * state.run.speed;
    spendUntil(clock);
  };

  plane.stepOnce = () => {
    plane.play(false);
    if (!plane.density) return;
    if (state.start === null) plane.dropFrom("noise");
    clock = Math.floor(clock / 2) * 2 + 2; // two evaluations: one transition of the slowest
    spendUntil(clock);
    plane.showSigma(plane.stageSigma());
  };

  /** How many particles steps too long have thrown out. */
  plane.lost = ({ x }) => x.reduce((sum, v, i) => sum + (i % 2 && !Number.isFinite(v + x[i - 1])), 0);

  /** Give every sampler the evaluations that the clock has reached; the denoising at the end comes free of the clock. */
  function spendUntil(total) {
    for (const lane of plane.lanes) {
      while (lane.next < lane.moves.length) {
        const move = lane.moves[lane.next];
        if (move.rule === "denoise" ? lane.spent > total : lane.spent + move.cost > total) break;
        take(lane.moves, lane.next, plane.source(), lane.x, state.run.seed);
        lane.next += 1;
        lane.spent += move.cost;
        lane.sigma = move.to;
        lane.dirty = plane.dirty = true;
      }
    }
    if (finished()) {
      plane.play(false);
      const results = plane.lanes.map((lane) => `${SAMPLERS[lane.key].name}: ${verdict(shares(plane.density, lane.x))}.`);
      $("news").textContent = results.join(" ");
    }
  }

  // ---- lanes -------------------------------------------------------------------------------------------------------
  function makeLane(key) {
    const element = plane.button("", () => plane.follow(key));
    element.className = "lane";
    element.innerHTML =
      `<strong>${SAMPLERS[key].name}</strong><canvas></canvas><span class="bars"></span>` +
      '<span class="numbers"><span></span><span></span><span></span></span>';
    const [, canvas, bars, numbers] = element.children;
    $("race").append(element);
    const [cost, level, result] = numbers.children;
    return { key, element, canvas, bars, cost, level, result };
  }

  plane.makeLanes = () => (plane.lanes = Object.keys(SAMPLERS).map(makeLane));

  plane.follow = (key) => {
    state.followed = key;
    for (const lane of plane.lanes) lane.element.setAttribute("aria-pressed", lane.key === key);
    plane.showSigma(plane.stageSigma());
    plane.dirty = true;
  };

  plane.drawLane = (lane) => {
    lane.dirty = false;
    lane.untold = true;
    const view = drawing.prepare(lane.canvas);
    if (plane.density) plane.shade(view, lane.sigma, "low");
    drawing.specks(view, lane.x, 1.5);
  };

  /** Say in numbers and bars what is drawn. They move what lies around them, so while particles run it is said ten times a second. */
  plane.tell = (now) => {
    if (state.playing && now - told < 100) return;
    told = now;
    if (plane.followed().untold) plane.showSigma(plane.stageSigma());
    for (const lane of plane.lanes) if (lane.untold) tellLane(lane);
  };

  function tellLane(lane) {
    lane.untold = false;
    lane.cost.textContent = `${lane.spent} evaluations`;
    lane.level.textContent = `σ = ${lane.sigma.toFixed(2)}`;
    const found = lane.x.length ? shares(plane.density, lane.x) : null;
    const lost = plane.lost(lane);
    lane.result.textContent = (found ? verdict(found) : "") + (lost ? `, ${lost} diverged` : "");
    drawBars(lane.bars, found);
  }

  /** A bar per part: the share of particles, and a mark at the true weight. */
  function drawBars(bars, found) {
    const truth = plane.density?.parts ?? [];
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
    return `${percent(plane.density.parts.reduce((sum, w, k) => sum + 0.5 * Math.abs(w - found[k]), 0))} misplaced`;
  }
})();
