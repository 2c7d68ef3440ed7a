/* What all pages share: elements, sliders, and a result with its downloads and its recipe. */

export const $ = (id) => document.getElementById(id);

/** Make an element: make("p", { className: "hint" }, "text", child). */
export function make(tag, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
}

/** A number of things, in words: "1 step", "2 steps". */
export const counted = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;
export const seconds = (value) => `${value.toFixed(1)}\u00a0s`;
export const calm = matchMedia("(prefers-reduced-motion: reduce)");

export const picture = (base64) => `data:image/png;base64,${base64}`;
export const drawn = (source) =>
  new Promise((done, fail) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => fail(new Error("this picture cannot be shown"));
    image.src = source;
  });

const TYPES = { png: "image/png", svg: "image/svg+xml", gif: "image/gif", npz: "application/zip", py: "text/x-python" };

/** A picture as SVG, in which pixels stay squares at any size. */
function scalable(png, base64) {
  const head = new DataView(png.buffer);
  const size = `width="${head.getUint32(16)}" height="${head.getUint32(20)}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}><image ${size} style="image-rendering: pixelated" href="${picture(base64)}"/></svg>`;
}

/** Links that save the files of an answer, the first picture as SVG, too. */
export function downloads(files) {
  const link = (name, content) => {
    const href = URL.createObjectURL(new Blob([content], { type: TYPES[name.split(".").pop()] }));
    return make("a", { href, download: name, className: "download", textContent: name });
  };
  const links = Object.entries(files).flatMap(([name, base64], k) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    return [link(name, bytes), ...(k === 0 ? [link(name.replace(/png$/, "svg"), scalable(bytes, base64))] : [])];
  });
  return make("p", { className: "downloads" }, "Save ", ...links);
}

/** How to get the answer again. */
export function recipe({ python, command }) {
  const box = make("details", { className: "recipe" }, make("summary", { textContent: "The same from Python or a shell" }));
  for (const [title, text] of [["Python", python], ["Shell", command]]) {
    const lines = make("pre", { tabIndex: 0, textContent: text.trim() });
    const button = make("button", { type: "button", textContent: "Copy", ariaLabel: `Copy the ${title} lines`, onclick: () => copy(lines, button) });
    box.append(make("div", { className: "code" }, make("strong", { textContent: title }), button, lines));
  }
  return box;
}

/** Copy lines, or, where a browser does not let a page do that (over plain HTTP from another machine), select them. */
async function copy(lines, button) {
  try {
    await navigator.clipboard.writeText(lines.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  } catch {
    getSelection().selectAllChildren(lines);
  }
}

/** Bring the result of a press into sight where little of it is, as on a phone. */
export async function reveal(work, place) {
  if (!(await work)) return;
  const result = place.lastElementChild;
  if (result.getBoundingClientRect().top > 0.75 * innerHeight) result.scrollIntoView({ behavior: calm.matches ? "auto" : "smooth" });
}

/** Free the files of a result that is taken away. */
export function cleared(place) {
  place.querySelectorAll("a.download").forEach((link) => URL.revokeObjectURL(link.href));
  place.replaceChildren();
}

/** Put a label and its number beside a slider, and say the number in words. */
export function slider(id, words = (value) => `${value}`, act = () => {}) {
  const input = $(id);
  const box = make("div", { className: "slider", id: `${id}-field`, hidden: input.hidden });
  const output = make("output", { htmlFor: id });
  input.replaceWith(box);
  input.hidden = false;
  box.append(make("label", { htmlFor: id, textContent: input.dataset.label }), input, output);
  const show = () => {
    const text = words(Number(input.value));
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  input.addEventListener("input", () => (show(), act()));
  show();
  return { get: () => Number(input.value), set: (value) => ((input.value = value), show()), show, input };
}

/** Let an input ask for a seed, with what else is put beside it; return how it is read. */
export function seed(id, ...beside) {
  const input = $(id);
  const box = make("div", { className: "field" });
  input.replaceWith(box);
  Object.assign(input, { type: "number", min: 0, max: 999999, step: 1, value: 0, required: true });
  box.append(make("label", { htmlFor: id, textContent: input.dataset.label }), make("span", { className: "pair" }, input, ...beside));
  return () => input.valueAsNumber;
}

/** A map as shading over nothing, or over a picture. */
export function heat(map, label, behind = null) {
  const made = make("div", { className: behind ? "heat veiled" : "heat", ariaLabel: label });
  made.setAttribute("role", "img");
  made.style.setProperty("--map", `url(${picture(map)})`);
  if (behind) made.style.backgroundImage = `url(${picture(behind)})`;
  return made;
}
