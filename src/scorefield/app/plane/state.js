/* What is chosen (state), and what follows from it: the density. The scripts of the page share one object, `plane`. */
globalThis.plane = (() => {
  "use strict";

  const { DISTRIBUTIONS, learned, load, network } = globalThis.scorefield;
  const [LOW, HIGH] = [0.05, 8]; // noise levels that samplers run between

  const state = {
    kind: "modes",
    settings: {
      modes: structuredClone(learned.modes),
      ring: { radius: 3, std: 0.25 },
      banana: { spread: 1.8, curvature: 0.45, std: 0.4 },
      moons: { radius: 2.6, std: 0.25 },
      checkerboard: { side: 4, size: 8 },
      empirical: [],
    },
    selected: 0, // which mode
    source: "exact", // whose score the arrows show and the samplers follow
    show: "score", // or "denoiser": arrows from noisy points to what they may have been
    sigma: 0.3,
    start: null, // null: no particles; "noise"; or the place { x, y } of a drop
    run: { budget: 120, speed: 40, count: 300, seed: 0 },
    followed: "langevin",
    playing: false,
    changed: false, // the distribution, while particles were on their way
  };

  const shipped = load(learned);
  const plane = {
    LOW,
    HIGH,
    state,
    app: location.search === "?app", // beside the other pages of the app, and not in the docs
    calm: matchMedia("(prefers-reduced-motion: reduce)"),
    density: null,
    version: 0, // of the density and of the learned score
    networks: { modes: { net: shipped, field: network(shipped) } }, // by the kind of distribution that they learned
    lanes: [],
    dirty: true, // the stage has to be drawn again
    $: (id) => document.getElementById(id),
    tidy: (value) => Math.round(1000 * value) / 1000,
    learned: () => plane.networks[state.kind],
    source: () => (state.source === "learned" ? plane.learned().field : plane.density),
    settings: () => (state.kind === "modes" ? state.settings.modes[state.selected] : state.settings[state.kind]),
  };

  plane.rebuild = () => {
    const settings = state.settings[state.kind];
    const drawn = state.kind !== "empirical" || settings.length > 0;
    plane.density = drawn ? DISTRIBUTIONS[state.kind](settings) : null;
    plane.version += 1;
    plane.forgetShades();
    plane.redraw();
  };

  plane.redraw = () => {
    for (const lane of plane.lanes) lane.dirty = true;
    plane.dirty = plane.panelDirty = true;
  };

  /** Change the distribution: particles in flight stay where they are and follow the new one. */
  plane.edit = (change, reshape = false) => {
    const had = plane.density !== null;
    change();
    plane.rebuild();
    if (!plane.density) plane.play(false);
    if (!had || !plane.density || plane.lanes.every((lane) => lane.next === 0)) plane.restart();
    else {
      plane.plan(); // a narrower mode bears smaller steps only
      state.changed = true;
    }
    if (reshape) plane.showShape();
    else plane.placeHandles();
  };

  return plane;
})();
