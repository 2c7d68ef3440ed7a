/* Pictures on their way from noise: a sprite with a row per frame, played on a canvas, with a slider along the way. */

import { calm, drawn, make, picture } from "./common.js";

const SECONDS = 2.4;

/** Return a figure that plays { sprite, shape, noise }; `label` says what it shows. */
export async function film({ sprite, shape, noise }, label, columns) {
  const [frames, n, , height, width] = shape;
  const image = await drawn(picture(sprite));
  const across = columns ?? Math.ceil(Math.sqrt(n));
  const zoom = Math.max(1, Math.round(56 / height));
  const cell = { x: width * zoom + 2, y: height * zoom + 2 };
  const canvas = make("canvas", { className: "film", width: across * cell.x - 2, height: Math.ceil(n / across) * cell.y - 2 });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  const along = make("input", { type: "range", min: 0, max: frames - 1, step: 1, ariaLabel: "Along the way from noise" });
  const level = make("output", {});
  const button = make("button", { type: "button", className: "play" });
  let began = null;

  function show(frame) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < n; i += 1) {
      const place = [(i % across) * cell.x, Math.floor(i / across) * cell.y];
      context.drawImage(image, i * width, frame * height, width, height, ...place, width * zoom, height * zoom);
    }
    along.value = frame;
    canvas.dataset.frame = frame;
    level.textContent = noise[frame] ? `σ = ${noise[frame].toPrecision(2)}` : "done";
    along.setAttribute("aria-valuetext", `noise level ${level.textContent}`);
  }

  function play(on) {
    began = on ? performance.now() : null;
    button.textContent = on ? "Pause" : "Play";
    if (on) requestAnimationFrame(move);
  }

  function move(now) {
    if (began === null || !canvas.isConnected) return;
    const frame = Math.min(frames - 1, Math.max(0, Math.floor(((now - began) / 1000 / SECONDS) * frames)));
    show(frame);
    if (frame < frames - 1) requestAnimationFrame(move);
    else play(false);
  }

  button.addEventListener("click", () => play(began === null));
  along.addEventListener("input", () => (play(false), show(Number(along.value))));
  show(calm.matches ? frames - 1 : 0);
  const figure = make("figure", {}, canvas, make("div", { className: "transport" }, button, along, level));
  figure.style.setProperty("--ratio", canvas.width / canvas.height);
  requestAnimationFrame(() => play(!calm.matches));
  return figure;
}
