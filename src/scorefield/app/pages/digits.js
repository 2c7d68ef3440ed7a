/* Draw: samples of a model, on their way from noise. */

import { $, Work, cleared, downloads, make, number, recipe, slider } from "./common.js";
import { film } from "./film.js";

export const NAMES = {
  heun: "Heun",
  euler: "Euler",
  dpmpp2m: "DPM-Solver++ (2M)",
  multistep: "UniPC",
  ddim: "DDIM",
  em: "Euler-Maruyama",
  reverse_diffusion: "Reverse diffusion",
  ancestral: "Ancestral (DDPM)",
  pc: "Predictor-corrector",
  ald: "Annealed Langevin",
};
export const named = (kind) => NAMES[kind] ?? kind;

export class Digits {
  constructor() {
    this.work = new Work($("digits").querySelector(".work"), [$("digits-go")]);
    this.steps = slider("digits-steps");
    this.n = slider("digits-n");
    this.weight = slider("digits-weight", (value) => value.toFixed(1));
    this.guide = slider("digits-guide", (value) => value.toFixed(2));
    $("digits-sampler").addEventListener("change", () => this.suggest());
    $("digits-label").addEventListener("change", () => this.weigh());
    $("digits-again").addEventListener("click", () => (($("digits-seed").value = Math.floor(Math.random() * 1e6)), this.draw()));
    $("digits-other").addEventListener("click", () => this.compare());
    $("digits").querySelector("form").addEventListener("submit", (event) => (event.preventDefault(), this.draw()));
  }

  async open(model) {
    this.model = model;
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
    this.steps.set(Math.min(this.model.steps[$("digits-sampler").value], 100));
  }

  weigh() {
    $("digits-weight-field").hidden = this.model.classes === null || $("digits-label").value === "";
  }

  request() {
    const label = $("digits-label").value;
    const sampler = $("digits-sampler").value;
    const asked = { model: this.model.name, n: this.n.get(), seed: number("digits-seed"), sampler, steps: this.steps.get() };
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
    const count = `${asked.n} picture${asked.n > 1 ? "s" : ""}`;
    const card = make("article", { className: "card" }, make("h3", { textContent: named(asked.sampler) }));
    card.dataset.sampler = asked.sampler;
    const told = `${asked.steps} steps, ${Math.round(answer.evaluations)} evaluations per picture, ${answer.seconds.toFixed(1)} s`;
    card.append(await film(answer, `${count} by ${this.model.name} and ${named(asked.sampler)}`), make("p", { className: "numbers", textContent: told }));
    card.append(downloads(answer.files), recipe(answer));
    $("digits-results").append(card);
    $("digits-other").disabled = false;
  }
}
