/* What all pages share: asking the server, showing how far it is, and a result with its downloads and its recipe. */

export const $ = (id) => document.getElementById(id);

/** Make an element: make("p", { className: "hint" }, "text", child). */
export function make(tag, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
}

export const picture = (base64) => `data:image/png;base64,${base64}`;
export const drawn = (source) =>
  new Promise((done, fail) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => fail(new Error("this picture cannot be shown"));
    image.src = source;
  });

const GONE = "the app does not answer; is scorefield demo still running in its terminal?";

/** Wait for what the network brings; a browser says "Failed to fetch" where nobody answers. */
const reached = (promise) =>
  promise.catch((error) => {
    throw error instanceof TypeError ? new Error(GONE) : error;
  });

async function checked(response) {
  if (response.ok) return response;
  const told = await response.json().catch(() => ({ error: "the app does not answer as it should" }));
  throw new Error(told.error);
}

export const fetched = async (path) => (await checked(await reached(fetch(`api/${path}`)))).json();

const post = async (path, body, signal) =>
  checked(
    await reached(fetch(`api/${path}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal })),
  );

export const posted = async (path, body) => (await post(path, body)).json();

/** Ask for work; `news` is told how far it is. Aborting `signal` cancels the work. */
export async function asked(path, body, signal, news = () => {}) {
  const reader = (await post(path, body, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ; ) {
    const { value, done } = await reached(reader.read());
    if (done) throw new Error(GONE);
    const lines = (text + value).split("\n");
    text = lines.pop();
    for (const line of lines.map((each) => JSON.parse(each))) {
      if (line.error) throw new Error(line.error);
      if (line.answer) return line.answer;
      news(line);
    }
  }
}

/** Progress, a way to cancel, and what went wrong, at the foot of a form. One piece of work at a time: a new one ends the old. */
export class Work {
  constructor(place, buttons) {
    this.buttons = buttons;
    this.bar = make("progress", { ariaLabel: "Progress", hidden: true });
    this.stop = make("button", { type: "button", textContent: "Cancel", hidden: true, onclick: () => this.cancel() });
    this.said = make("span", { className: "said" });
    this.said.setAttribute("role", "status");
    place.append(this.bar, this.stop, this.said);
  }

  cancel() {
    this.control?.abort();
  }

  say(text, wrong = false) {
    this.said.textContent = text;
    this.said.classList.toggle("wrong", wrong);
  }

  async run(path, body, show) {
    this.cancel();
    const control = (this.control = new AbortController());
    this.busy(true);
    this.say("Asking …");
    try {
      const answer = await asked(path, body, control.signal, (news) => this.progress(news));
      if (control.signal.aborted) return;
      await show(answer);
      this.say("Done.");
    } catch (error) {
      if (this.control !== control) return;
      const cancelled = control.signal.aborted;
      this.say(cancelled ? "Cancelled." : sentence(error.message), !cancelled);
    } finally {
      if (this.control === control) this.busy(false);
    }
  }

  progress({ place, done, total }) {
    if (total) Object.assign(this.bar, { max: total, value: done });
    else this.bar.removeAttribute("value");
    if (place) this.say(`${place} before you in the queue.`);
    else this.say(total ? `Step ${done} of ${total}.` : done ? `${done} evaluations.` : "Beginning …");
  }

  busy(on) {
    this.bar.hidden = this.stop.hidden = !on;
    this.bar.removeAttribute("value");
    if (!on && document.activeElement === this.stop) this.buttons[0]?.focus();
  }
}

/** A message as a sentence; one that begins with a model's name keeps it as it is. */
export function sentence(text) {
  const named = [...$("model").options].some(({ value }) => text.startsWith(value));
  return (named ? text[0] : text[0].toUpperCase()) + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
}

const TYPES = { png: "image/png", gif: "image/gif", npz: "application/zip" };

/** Links that save the files of an answer. */
export function downloads(files) {
  const links = Object.entries(files).map(([name, base64]) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const href = URL.createObjectURL(new Blob([bytes], { type: TYPES[name.split(".").pop()] }));
    return make("a", { href, download: name, className: "download", textContent: name });
  });
  return make("p", { className: "downloads" }, "Save ", ...links);
}

/** How to get the answer again. */
export function recipe({ python, command }) {
  const box = make("details", { className: "recipe" }, make("summary", { textContent: `The same from Python${command ? " or a shell" : " (no command looks at one noise level)"}` }));
  for (const [title, text] of [["Python", python], ["Shell", command]]) {
    if (!text) continue;
    const copy = make("button", { type: "button", textContent: "Copy", ariaLabel: `Copy the ${title} lines` });
    copy.addEventListener("click", async () => {
      await navigator.clipboard?.writeText(text);
      copy.textContent = "Copied";
    });
    box.append(make("div", { className: "code" }, make("strong", { textContent: title }), copy, make("pre", { tabIndex: 0, textContent: text.trim() })));
  }
  return box;
}

/** Free the files of a result that is taken away. */
export function cleared(place) {
  place.querySelectorAll("a.download").forEach((link) => URL.revokeObjectURL(link.href));
  place.replaceChildren();
}

/** Put a label and its number beside a slider, and say the number in words. */
export function slider(id, words = (value) => `${value}`, act = () => {}) {
  const input = $(id);
  const box = make("div", { className: "slider", id: `${id}-field` });
  const output = make("output", { htmlFor: id });
  input.replaceWith(box);
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
  return () => Math.max(0, Math.min(999999, Math.floor(Number(input.value) || 0)));
}

/** A map as shading over nothing, or over a picture. */
export function heat(map, label, behind = null) {
  const made = make("div", { className: behind ? "heat veiled" : "heat", ariaLabel: label });
  made.setAttribute("role", "img");
  made.style.setProperty("--map", `url(${picture(map)})`);
  if (behind) made.style.backgroundImage = `url(${picture(behind)})`;
  return made;
}
