/* The stage: the field of the noise level that is looked at, the particles of the sampler that is followed; a place to click and to draw. */
(() => {
  "use strict";

  const { advance, draws, normal } = globalThis.scorefield;
  const { plane, drawing } = globalThis;
  const { $, state } = plane;
  const { VIEW, arrowPaths, arrows, dots, guesses, prepare } = drawing;
  const [LATTICE, GUESSES] = [23, 120];
  const ground = document.createElement("canvas"); // what lies under the particles
  let drawn = []; // what it shows
  let stroke = null;

  /** The noise level of the field on the stage: that of the sampler that is followed, once it runs. */
  plane.stageSigma = () => (plane.lanes.length && plane.followed().next > 0 ? plane.followed().sigma : state.sigma);

  /** The length in units of which arrows are drawn. */
  plane.typical = (sigma) => Math.sqrt(sigma ** 2 + plane.density.narrowest);

  plane.drawField = () => {
    plane.dirty = false;
    const view = prepare($("canvas"));
    if (!$("canvas").width || !$("canvas").height) return; // not shown; a canvas that gets a size is drawn again
    drawAgain(view);
    view.context.drawImage(ground, 0, 0, view.width, view.height);
    drawParticles(view, plane.followed().x);
  };

  /** Draw the stage on paper of its own, for a picture: of particles at a noise level, those on the page or others. */
  plane.drawOn = (view, sigma = plane.stageSigma(), x = plane.followed().x) => {
    view.context.fillStyle = getComputedStyle($("stage")).backgroundColor;
    view.context.fillRect(0, 0, view.width, view.height);
    drawGround(view, sigma);
    drawParticles(view, x);
  };

  /** Draw the ground where it has changed: to shade it and to stroke its arrows costs more than all else in a frame. */
  function drawAgain(view) {
    const { width, height } = $("canvas");
    const sigma = plane.stageSigma();
    const wanted = [plane.version, state.source, state.show, state.run.seed, sigma, plane.shading(sigma), opacity(), width, height];
    if (wanted.every((value, k) => value === drawn[k])) return;
    drawn = wanted;
    Object.assign(ground, { width, height }); // which clears it
    const context = ground.getContext("2d");
    context.setTransform(view.context.getTransform());
    drawGround({ ...view, context }, sigma);
  }

  function drawGround(view, sigma) {
    if (plane.density) {
      plane.shade(view, sigma);
      if (state.show === "denoiser") drawGuesses(view, sigma);
      else drawArrows(view, sigma);
    }
    if (state.kind === "empirical") drawPoints(view);
  }

  const drawParticles = (view, x) => dots(view, x, 2.4);
  const drawArrows = (view, sigma) => arrows(view, arrowPaths(view, plane.source().at(sigma), LATTICE, plane.typical(sigma)), opacity());
  const opacity = () => (plane.followed().x.length ? 0.5 : 0.75);

  /** Noisy data x = x_0 + σz, and for each the mean of what may have been there, D(x) = x + σ² s(x). */
  function drawGuesses(view, sigma) {
    const z = normal("page", state.run.seed, 1, GUESSES);
    const x = draws(plane.density, GUESSES, state.run.seed, 0).map((clean, i) => clean + sigma * z[i]);
    const guess = x.slice();
    advance({ rule: "denoise", from: sigma }, plane.source(), guess, null);
    guesses(view, x, guess);
  }

  function drawPoints({ context, px, py }) {
    context.fillStyle = drawing.colour("arrow");
    for (const p of state.settings.empirical) context.fillRect(px(p.x) - 2, py(p.y) - 2, 4, 4);
  }

  /** Where on the plane a pointer is. */
  plane.place = (event) => {
    const { left, top, width, height } = $("canvas").getBoundingClientRect();
    return [((2 * (event.clientX - left)) / width - 1) * VIEW, (1 - (2 * (event.clientY - top)) / height) * VIEW];
  };

  /** Say what density and score are under the pointer. */
  function tellHere(event) {
    const [x, y] = plane.place(event);
    const out = [0, 0, 0];
    plane.density?.at(plane.stageSigma())(x, y, out);
    const [logP, sx, sy] = out.map((v) => v.toFixed(1).replace("-", "−"));
    $("here").textContent = plane.density ? `log p = ${logP}, ∇ log p = (${sx}, ${sy})` : "";
  }

  function drawPoint(event) {
    const [x, y] = plane.place(event).map(plane.tidy);
    const points = state.settings.empirical;
    const last = points.at(-1);
    if (points.length >= 300 || (stroke.begun && last && Math.hypot(last.x - x, last.y - y) < 0.25)) return;
    stroke.begun = true;
    plane.edit(() => points.push({ x, y, part: stroke.part }));
  }

  plane.listenToField = () => {
    const canvas = $("canvas");
    canvas.addEventListener("pointerdown", (event) => {
      if (state.kind !== "empirical") return;
      canvas.setPointerCapture(event.pointerId);
      stroke = { part: Math.min(7, 1 + (state.settings.empirical.at(-1)?.part ?? -1)), begun: false };
      drawPoint(event);
    });
    canvas.addEventListener("pointermove", (event) => (stroke ? drawPoint(event) : tellHere(event)));
    canvas.addEventListener("pointerleave", () => ($("here").textContent = ""));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (stroke = null));
    canvas.addEventListener("click", (event) => {
      if (state.kind === "empirical") return;
      const [x, y] = plane.place(event).map(plane.tidy);
      plane.dropFrom({ x, y });
      plane.play(true);
    });
  };
})();
