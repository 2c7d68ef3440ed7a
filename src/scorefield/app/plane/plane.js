/* The page put together, and its clock. */
(() => {
  "use strict";

  const { plane, drawing } = globalThis;
  let before = performance.now();

  function frame(now) {
    const seconds = Math.min(0.1, (now - before) / 1000);
    before = now;
    if (plane.glide) plane.advanceGlide(seconds);
    if (plane.state.playing) plane.run(seconds);
    if (plane.dirty) plane.drawField();
    for (const lane of plane.lanes) if (lane.dirty) plane.drawLane(lane);
    requestAnimationFrame(frame);
  }

  plane.rebuild();
  plane.makeLanes();
  plane.restart();
  plane.makeControls();
  plane.showShape();
  plane.follow(plane.state.followed);
  plane.listenToField();
  new ResizeObserver(plane.redraw).observe(plane.$("canvas"));
  addEventListener("resize", plane.redraw);
  drawing.dark.addEventListener("change", plane.rebuild);
  plane.makeTour();
  requestAnimationFrame(frame);
})();
