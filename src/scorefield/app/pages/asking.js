/* Asking the server, and showing how far it is. */

import { $, counted, make } from "./common.js";

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

export const queued = (place) => `${place} before you in the queue.`;

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

  /** Ask, and show the answer; tell whether it was shown. */
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
      return true;
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
    if (place) this.say(queued(place));
    else this.say(total ? `Step ${done} of ${total}.` : done ? `${counted(done, "evaluation")}.` : "Beginning …");
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
