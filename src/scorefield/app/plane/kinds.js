/* The kinds of distribution: their settings with limits, and their handles on the stage.

   A handle is { role, key, at, drag, along }: where it is, as [x, y], and what dragging it to a place does to the settings s. Arrow keys move
   it freely, or, where there is one direction `along` which it grows, along that. `key` is the setting that is limited, shown and read out. */
globalThis.plane.KINDS = (() => {
  "use strict";

  const slider = (key, label, min, max, step) => ({ key, label, min, max, step });
  const thickness = (min, max) => slider("std", "Thickness", min, max, 0.05);
  const drop = "Click the field to drop particles there.";
  const diagonal = [Math.SQRT1_2, Math.SQRT1_2];
  const along = ([x, y], length) => [x * length, y * length];

  const spread = {
    role: "spread",
    key: "std",
    along: [1, 0],
    at: (s) => [s.x + 2 * s.std, s.y],
    drag: (s, x, y) => (s.std = Math.hypot(x - s.x, y - s.y) / 2),
  };

  return {
    modes: {
      label: "Modes",
      hint: `Drag a mode, or its small circle to widen it. ${drop}`,
      sliders: [slider("weight", "Weight", 0.05, 1, 0.05), slider("std", "Spread", 0.15, 2, 0.05)],
      handles: [spread],
    },
    ring: {
      label: "Ring",
      hint: `Drag the circles on it. ${drop}`,
      sliders: [slider("radius", "Radius", 1.5, 5, 0.1), thickness(0.1, 0.35)],
      handles: [
        { key: "radius", along: [1, 0], at: (s) => [s.radius, 0], drag: (s, x, y) => (s.radius = Math.hypot(x, y)) },
        {
          key: "std",
          along: diagonal,
          at: (s) => along(diagonal, s.radius + 2 * s.std),
          drag: (s, x, y) => (s.std = (Math.hypot(x, y) - s.radius) / 2),
        },
      ],
    },
    banana: {
      label: "Banana",
      hint: `Drag its end, its belly, or its edge. ${drop}`,
      sliders: [slider("spread", "Length", 0.5, 2.5, 0.1), slider("curvature", "Bend", -0.6, 0.6, 0.05), thickness(0.2, 1)],
      handles: [
        { key: "spread", along: [1, 0], at: (s) => [s.spread, 0], drag: (s, x) => (s.spread = x) },
        { key: "curvature", at: (s) => [0, -s.curvature * s.spread ** 2], drag: (s, x, y) => (s.curvature = -y / s.spread ** 2) },
        { key: "std", along: [0, 1], at: (s) => [-s.spread, 2 * s.std], drag: (s, x, y) => (s.std = y / 2) },
      ],
    },
    moons: {
      label: "Moons",
      hint: `Drag the circles on them. ${drop}`,
      sliders: [slider("radius", "Radius", 1, 4, 0.1), thickness(0.1, 0.8)],
      handles: [
        {
          key: "radius",
          along: [0, 1],
          at: (s) => [-0.5 * s.radius, 0.75 * s.radius],
          drag: (s, x, y) => (s.radius = (-0.5 * x + 0.75 * y) / (0.5 ** 2 + 0.75 ** 2)),
        },
        {
          key: "std",
          along: [0, -1],
          at: (s) => [0.5 * s.radius, -0.75 * s.radius - 2 * s.std],
          drag: (s, x, y) => (s.std = -(y + 0.75 * s.radius) / 2),
        },
      ],
    },
    checkerboard: {
      label: "Checkerboard",
      hint: `Drag its corner. ${drop}`,
      sliders: [slider("side", "Squares", 2, 6, 2), slider("size", "Size", 3, 11, 0.5)],
      handles: [
        {
          key: "size",
          along: diagonal,
          at: (s) => [s.size / 2, s.size / 2],
          drag: (s, x, y) => (s.size = 2 * Math.max(x, y)),
        },
      ],
    },
    empirical: {
      label: "Draw",
      hint: "Draw on the field with mouse or finger: each stroke is a part of your data.",
      sliders: [],
      handles: [],
    },
  };
})();
