/* Handles of the distribution on the stage: what can be dragged, or moved with the arrow keys. */
(() => {
  "use strict";

  const { plane } = globalThis;
  const { $, state } = plane;
  const { VIEW } = globalThis.drawing;

  const mode = (k) => state.settings.modes[k];
  const within = (value, low, high) => Math.min(high, Math.max(low, value));
  const moveTo = (k, x, y) => Object.assign(mode(k), { x: within(x, -VIEW, VIEW), y: within(y, -VIEW, VIEW) });
  const widen = (k, std) => (mode(k).std = within(std, 0.15, 2));

  plane.showHandles = () => {
    const list = state.kind === "modes" ? state.settings.modes : [];
    $("handles").replaceChildren(...list.flatMap((_, k) => [makeHandle("mode", k), makeHandle("spread", k)]));
    plane.placeHandles();
  };

  function makeHandle(role, k) {
    const made = plane.button("", () => {});
    made.className = role;
    made.addEventListener("pointerdown", (event) => {
      made.setPointerCapture(event.pointerId);
      select(k);
    });
    made.addEventListener("pointermove", (event) => {
      if (!made.hasPointerCapture(event.pointerId)) return;
      const [x, y] = plane.place(event);
      plane.edit(() => (role === "mode" ? moveTo(k, x, y) : widen(k, Math.hypot(x - mode(k).x, y - mode(k).y) / 2)));
    });
    made.addEventListener("focus", () => select(k));
    made.addEventListener("keydown", (event) => {
      const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
      if (dx === undefined) return;
      event.preventDefault();
      const by = event.shiftKey ? 0.5 : 0.1;
      plane.edit(() => (role === "mode" ? moveTo(k, mode(k).x + by * dx, mode(k).y + by * dy) : widen(k, mode(k).std + 0.5 * by * (dx + dy))));
    });
    return made;
  }

  function select(k) {
    if (state.selected === k) return;
    state.selected = k;
    for (const key of ["weight", "std"]) plane.showValue(key, mode(k)[key]);
    plane.placeHandles();
  }

  /** Circles of two standard deviations, with a small one on their edge. */
  plane.placeHandles = () => {
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
    plane.showValue("std", mode(state.selected).std);
  };
})();
