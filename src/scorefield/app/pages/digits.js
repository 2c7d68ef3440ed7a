/* Draw: samples of a model, on their way from noise. */

import { Work } from "./asking.js";
import { $, cleared, counted, downloads, make, recipe, reveal, seconds, seed, slider } from "./common.js";
import { film } from "./film.js";

/** What samplers are called, and what they do. */
const SAMPLERS = {
  heun: ["Heun", "Follows the probability-flow ODE, and evaluates the network twice in each step."],
  euler: ["Euler", "Follows the probability-flow ODE in straight steps."],
  dpmpp2m: ["DPM-Solver++ (2M)", "Follows the ODE and also uses the guess of the step before: good in few steps."],
  multistep: ["UniPC", "Follows the ODE and also uses the guesses of several steps before."],
  ddim: ["DDIM", "Goes back step by step without new noise."],
  em: ["Euler-Maruyama", "Follows the reverse SDE: takes noise away, and adds a little at each step."],
  reverse_diffusion: ["Reverse diffusion", "Follows the reverse SDE in the steps in which noise was added."],
  ancestral: ["Ancestral (DDPM)", "Goes back step by step, with new noise at each."],
  pc: ["Predictor-corrector", "Corrects each step of the reverse SDE by one of Langevin dynamics."],
  ode: ["Adaptive ODE", "Follows the probability-flow ODE in steps that it chooses by itself."],
  sde: ["Adaptive SDE", "Follows the reverse SDE in steps that it chooses by itself."],
  ald: ["Annealed Langevin", "Langevin dynamics at one noise level after the other."],
};
const named = (kind) => SAMPLERS[kind]?.[0] ?? kind;

export class Digits {
  constructor() {
    this.work = new Work($("digits").querySelector(".work"), [$("digits-go")]);
    this.steps = slider("digits-steps");
    this.n = slider("digits-n");
    this.weight = slider("digits-weight", (value) => value.toFixed(1));
    this.guide = slider("digits-guide", (value) => value.toFixed(2));
    $("digits-sampler").addEventListener("change", () => this.suggest());
    $("digits-label").addEventListener("change", () => this.weigh());
    const press = (work) => reveal(work, $("digits-results"));
    const again = () => (($("digits-seed").value = Math.floor(Math.random() * 1e6)), press(this.draw()));
    this.seed = seed("digits-seed", make("button", { type: "button", textContent: "New seed", onclick: again }));
    $("digits-other").addEventListener("click", () => press(this.compare()));
    $("digits").querySelector("form").addEventListener("submit", (event) => (event.preventDefault(), press(this.draw())));
  }

  async open(model) {
    this.model = model;
    cleared($("digits-results"));
    $("digits-other").disabled = true; // until there is what it is put beside
    const option = (value, text) => make("option", { value, textContent: text });
    $("digits-sampler").replaceChildren(...Object.keys(model.steps).map((kind) => option(kind, named(kind))));
    $("digits-sampler").value = model.sampler === "heun" && !model.distilled ? "dpmpp2m" : model.sampler; // as good in half the evaluations
    $("digits-classes").hidden = model.classes === null;
    const classes = Array.from({ length: model.classes ?? 0 }, (_, k) => option(k, `${k}`));
    $("digits-label").replaceChildren(option("all", "All in turn"), option("", "Whatever comes"), ...classes);
    $("digits-guide-field").hidden = model.guide === null;
    this.steps.input.disabled = model.distilled;
    $("digits-other").hidden = model.distilled;
    this.guide.set(model.guide ?? 0);
    this.weight.set(0);
    this.weigh();
    this.suggest();
    await this.draw();
  }

  suggest() {
    const { value } = $("digits-sampler");
    this.steps.set(Math.min(this.model.steps[value], 100));
    $("digits-about").textContent = this.model.distilled ? "This model was distilled: it draws in its own few steps alone." : (SAMPLERS[value]?.[1] ?? "");
  }

  weigh() {
    const weighed = this.model.classes !== null && $("digits-label").value !== "";
    $("digits-weight-field").hidden = !weighed;
    const said = weighed ? "Guidance insists on the class" : this.model.guide !== null && "Guidance moves away from what a weaker network would draw";
    $("digits-guided").replaceChildren(...(said ? [`${said}; at 0 there is none. `, make("a", { href: "theory.html#guidance", target: "_blank", textContent: "Why" })] : []));
  }

  request() {
    const label = $("digits-label").value;
    const sampler = $("digits-sampler").value;
    const asked = { model: this.model.name, n: this.n.get(), seed: this.seed(), sampler, steps: this.steps.get() };
    if (this.model.classes !== null && label !== "") Object.assign(asked, { label: label === "all" ? label : Number(label), weight: this.weight.get() });
    if (this.model.guide !== null) asked.guide = this.guide.get();
    return asked;
  }

  draw() {
    const asked = this.request();
    return this.work.run("draw", asked, async (answer) => {
      cleared($("digits-results"));
      await this.add(asked, answer);
    });
  }

  /** Put the next sampler's pictures beside those that stand first. */
  compare() {
    const kinds = Object.keys(this.model.steps);
    const shown = $("digits-results").children;
    const last = shown[shown.length - 1]?.dataset.sampler ?? this.model.sampler;
    const sampler = kinds[(kinds.indexOf(last) + 1) % kinds.length];
    const asked = { ...this.first, sampler, steps: Math.min(this.model.steps[sampler], 50) };
    return this.work.run("draw", asked, async (answer) => {
      const second = $("digits-results").children[1];
      if (second) cleared(second), second.remove();
      await this.add(asked, answer);
    });
  }

  async add(asked, answer) {
    if ($("digits-results").children.length === 0) this.first = asked;
    const card = make("article", { className: "card" }, make("h3", { textContent: named(asked.sampler) }));
    card.dataset.sampler = asked.sampler;
    const told = `${counted(asked.steps, "step")}, ${counted(Math.round(answer.evaluations), "evaluation")} of the network per picture, ${seconds(answer.seconds)}`;
    card.append(await film(answer, `${counted(asked.n, "picture")} by ${this.model.name} and ${named(asked.sampler)}`), make("p", { className: "numbers", textContent: told }));
    card.append(downloads(answer.files), recipe(answer));
    $("digits-results").append(card);
    $("digits-other").disabled = false;
  }
}
