/* Handles of the distribution on the stage: what can be dragged, or moved with the arrow keys. */
(() => {
  "use strict";

  const { plane } = globalThis;
  const { $, KINDS, state } = plane;
  const { VIEW } = globalThis.drawing;
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  const within = (value, low, high) => plane.tidy(Math.min(high, Math.max(low, value)));

  const body = {
    role: "mode",
    at: (s) => [s.x, s.y],
    drag: (s, x, y) => Object.assign(s, { x: within(x, -VIEW, VIEW), y: within(y, -VIEW, VIEW) }),
  };

  /** One button per handle; a mode has two, its centre and its spread. */
  plane.showHandles = () => {
    const { handles } = KINDS[state.kind];
    const of = (k) => [body, ...handles].map((handle) => makeHandle(handle, k));
    const made = state.kind === "modes" ? state.settings.modes.flatMap((_, k) => of(k)) : handles.map((h) => makeHandle(h, 0));
    $("handles").replaceChildren(...made);
    plane.placeHandles();
  };

  function makeHandle(handle, k) {
    const made = plane.button("", () => {});
    made.className = handle.role ?? "spread";
    Object.assign(made, { handle, k });
    made.addEventListener("pointerdown", (event) => {
      made.setPointerCapture(event.pointerId);
      select(k);
    });
    made.addEventListener("pointermove", (event) => {
      if (made.hasPointerCapture(event.pointerId)) drag(made, ...plane.place(event));
    });
    made.addEventListener("focus", () => select(k));
    made.addEventListener("keydown", (event) => {
      const arrow = ARROWS[event.key];
      if (!arrow) return;
      event.preventDefault();
      const by = event.shiftKey ? 0.5 : 0.1;
      const [dx, dy] = handle.along ? handle.along.map((c) => c * (arrow[0] + arrow[1])) : arrow;
      const [x, y] = handle.at(settingsOf(made));
      drag(made, x + by * dx, y + by * dy);
    });
    return made;
  }

  const settingsOf = ({ k }) => (state.kind === "modes" ? state.settings.modes[k] : state.settings[state.kind]);
  const sliderOf = (key) => KINDS[state.kind].sliders.find((spec) => spec.key === key);

  function drag(made, x, y) {
    const [settings, { key }] = [settingsOf(made), made.handle];
    plane.edit(() => {
      made.handle.drag(settings, x, y);
      if (key) settings[key] = within(settings[key], sliderOf(key).min, sliderOf(key).max);
    });
  }

  function select(k) {
    if (state.kind !== "modes" || state.selected === k) return;
    state.selected = k;
    plane.placeHandles();
  }

  /** Put handles where the settings say, modes as circles of two standard deviations; and let sliders show the same. */
  plane.placeHandles = () => {
    const percent = (v) => `${(50 * (v + VIEW)) / VIEW}%`;
    for (const made of $("handles").children) {
      const { handle, k } = made;
      const s = settingsOf(made);
      const [x, y] = handle.at(s);
      Object.assign(made.style, { left: percent(x), top: percent(-y) });
      made.setAttribute("aria-label", `${name(made, s)}. Arrow keys change it.`);
      if (state.kind !== "modes") continue;
      if (handle === body) made.style.width = made.style.height = `max(1.75rem, ${(100 * 2 * s.std) / VIEW}%)`;
      else made.hidden = k !== state.selected;
      made.setAttribute("aria-pressed", k === state.selected);
    }
    for (const { key } of KINDS[state.kind].sliders) plane.showValue(key, plane.settings()[key]);
  };

  function name({ handle, k }, s) {
    if (handle === body) return `Mode ${k + 1} at ${s.x.toFixed(1)}, ${s.y.toFixed(1)}`;
    const { label } = sliderOf(handle.key);
    return `${label}${state.kind === "modes" ? ` of mode ${k + 1}` : ""}: ${s[handle.key].toFixed(2)}`;
  }
})();
