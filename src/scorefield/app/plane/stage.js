/* The stage: the field of the noise level that is looked at, the particles of the sampler that is followed; a place to click and to draw. */
(() => {
  "use strict";

  const { plane, drawing } = globalThis;
  const { $, HIGH, LOW, state } = plane;
  const { VIEW, arrows, dots, errorMap, prepare, shade, shading } = drawing;
  const LANE_REACH = 1.45 * VIEW;
  let shades = new Map(); // of lanes, by noise level
  let stroke = null;

  /** The noise level of the field on the stage: that of the sampler that is followed, once it runs. */
  plane.stageSigma = () => (plane.lanes.length && plane.followed().next > 0 ? plane.followed().sigma : state.sigma);

  plane.forgetShades = () => (shades = new Map());

  /** Shadings at 24 levels are enough for lanes; each is computed when first needed. */
  plane.laneShading = (sigma) => {
    const level = Math.round((24 * Math.log(sigma / LOW)) / Math.log(HIGH / LOW));
    const rounded = LOW * (HIGH / LOW) ** (level / 24);
    if (!shades.has(level)) shades.set(level, shading(plane.density.at(rounded), 56, LANE_REACH, rounded));
    return shades.get(level);
  };

  plane.drawField = () => {
    plane.dirty = false;
    const view = prepare($("canvas"));
    const sigma = plane.stageSigma();
    if (plane.density) {
      const field = plane.density.at(sigma);
      shade(view, shading(field, 72, VIEW, sigma));
      arrows(view, field, 23, Math.sqrt(sigma ** 2 + plane.density.narrowest), plane.followed().x.length ? 0.5 : 0.75);
    }
    if (state.kind === "empirical") drawPoints(view);
    dots(view, plane.followed().x, 2.4);
    if (state.source === "learned") drawLearned(sigma);
  };

  function drawLearned(sigma) {
    const [exact, guess] = [plane.density.at(sigma), plane.trained.at(sigma)];
    arrows(prepare($("learned-field")), guess, 13, Math.sqrt(sigma ** 2 + plane.density.narrowest), 0.75);
    const { picture, typical } = errorMap(exact, guess, sigma, 28, VIEW);
    shade(prepare($("learned-error")), picture);
    $("error-value").textContent = `${typical.toFixed(2)}/σ on data`;
  }

  function drawPoints({ context, px, py }) {
    context.fillStyle = getComputedStyle($("stage")).color;
    for (const p of state.settings.empirical) context.fillRect(px(p.x) - 2, py(p.y) - 2, 4, 4);
  }

  /** Where on the plane a pointer is. */
  plane.place = (event) => {
    const { left, top, width, height } = $("canvas").getBoundingClientRect();
    return [((2 * (event.clientX - left)) / width - 1) * VIEW, (1 - (2 * (event.clientY - top)) / height) * VIEW];
  };

  function drawPoint(event) {
    const [x, y] = plane.place(event);
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
    canvas.addEventListener("pointermove", (event) => stroke && drawPoint(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (stroke = null));
    canvas.addEventListener("click", (event) => {
      if (state.kind === "empirical") return;
      const [x, y] = plane.place(event);
      plane.dropFrom({ x, y });
      plane.play(true);
    });
  };
})();
