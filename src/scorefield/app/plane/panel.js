/* The learned score: a network that is trained here, step by step between frames, its loss, its field, its error. */
(() => {
  "use strict";

  const { trainer } = globalThis.scorefield;
  const { plane, drawing } = globalThis;
  const { $, HIGH, LOW, state } = plane;
  const { VIEW, arrowPaths, arrows, curve, errorMap, prepare, shade } = drawing;

  /** About ten seconds on a laptop; the same seed makes the same network. */
  const SETTINGS = { low: LOW, high: HIGH, width: 32, depth: 3, batch: 128, steps: 3000, learningRate: 1e-2, warmup: 100 };
  const [SHARE, EVERY, REST] = [10, 25, 150]; // milliseconds of a frame; steps between points of the curve; milliseconds between drawings
  plane.training = null;
  let drawn = 0;

  function begin() {
    plane.glide = null;
    plane.play(false);
    const made = trainer(plane.density, { ...SETTINGS, seed: state.run.seed });
    plane.training = plane.networks[state.kind] = Object.assign(made, { kind: state.kind, curve: [[0, made.measure()]] });
    plane.showTraining();
  }

  /** Stop, by itself or by hand; what was learned until then stays. */
  function end() {
    plane.training = null;
    plane.showTraining();
    $("news").textContent = `Trained: ${$("learned-state").textContent}`;
    plane.setSource("learned");
    plane.follow("ode");
    plane.dropFrom("noise");
    plane.play(!plane.calm.matches);
  }

  /** Train for some milliseconds. */
  plane.train = () => {
    const [made, until] = [plane.training, performance.now() + SHARE];
    if (made.kind !== state.kind) return void ((plane.training = null), plane.showTraining());
    while (performance.now() < until && made.done < made.steps) {
      made.step();
      if (made.done % EVERY === 0) made.curve.push([made.done / made.steps, made.measure()]);
    }
    plane.version += 1;
    plane.panelDirty = true;
    plane.dirty ||= state.source === "learned";
    $("learned-state").textContent = describe(made);
    if (made.done === made.steps) end();
  };

  function describe(made) {
    if (!made) return "No network knows this distribution yet.";
    if (!made.curve) return "A network that was trained on the first three modes.";
    const loss = made.curve.at(-1)[1];
    return `Step ${made.done} of ${made.steps}: loss ${loss.toFixed(2)}; the exact score has ${made.floor.toFixed(2)}.`;
  }

  /** Show what there is of a learned score for the kind of distribution that is chosen. */
  plane.showTraining = () => {
    const made = plane.learned();
    const busy = plane.training !== null;
    $("train").textContent = busy ? "Stop" : "Train a network";
    $("learned-state").textContent = describe(made);
    $("learned").hidden = !made;
    $("sources").hidden = !made;
    plane.panelDirty = true;
  };

  plane.drawPanel = (now) => {
    const made = plane.learned();
    if (!made || !plane.density || now - drawn < REST) return;
    drawn = now;
    plane.panelDirty = false;
    const sigma = plane.stageSigma();
    const [exact, guess] = [plane.density.at(sigma), made.field.at(sigma)];
    const view = prepare($("learned-field"));
    arrows(view, arrowPaths(view, guess, 13, plane.typical(sigma)), 0.75);
    const { picture, typical } = errorMap(exact, guess, sigma, 24, VIEW);
    shade(prepare($("learned-error")), picture);
    $("error-value").textContent = `${typical.toFixed(2)}/σ`;
    $("learned-loss").parentElement.hidden = !made.curve;
    if (made.curve) curve(prepare($("learned-loss")), made.curve, made.floor);
  };

  plane.makePanel = () => {
    $("train").addEventListener("click", () => (plane.training ? end() : plane.density && begin()));
    plane.showTraining();
  };
})();
