/* The page put together, and its clock. */
(() => {
  "use strict";

  const { plane, drawing } = globalThis;
  const { $ } = plane;
  const PAINT = 2.5; // milliseconds of a frame for shadings that are not done yet
  let before = performance.now();

  function frame(now) {
    const began = performance.now();
    // The first frame may have begun before this script. Where frames come slowly the clock slows down with them: to catch up would
    // make the next one slower still.
    const seconds = Math.min(1 / 30, Math.max(0, now - before) / 1000);
    before = now;
    if (plane.glide) plane.advanceGlide(seconds);
    if (plane.state.playing) plane.run(seconds);
    if (plane.training) plane.train();
    plane.paint(PAINT);
    if (plane.dirty) plane.drawField();
    for (const lane of plane.lanes) if (lane.dirty) plane.drawLane(lane);
    plane.tell(now);
    if (plane.panelDirty) plane.drawPanel(now);
    plane.showPython();
    plane.work = performance.now() - began; // milliseconds that this frame took: for whoever measures
    requestAnimationFrame(frame);
  }

  document.documentElement.classList.toggle("app", plane.app);
  plane.makeLanes();
  plane.rebuild();
  plane.restart();
  plane.makeControls();
  plane.showShape();
  plane.follow(plane.state.followed);
  plane.listenToField();
  plane.makePanel();
  plane.makeSave();
  drawing.onResize(plane.redraw);
  drawing.dark.addEventListener("change", plane.rebuild);
  plane.makeTour();
  requestAnimationFrame(frame);
})();
