/* Understand: one picture at every noise level, and how likely it is. */

import { Work, asked, queued, sentence } from "./asking.js";
import { $, cleared, counted, downloads, make, picture, recipe, seconds, seed, slider } from "./common.js";
import { Painter } from "./painter.js";

export class Understand {
  constructor() {
    this.work = new Work($("understand").querySelector(".work"), [$("understand-go")]);
    this.level = slider("understand-level", (value) => `σ = ${this.noise(value).toPrecision(2)}`, () => this.explore());
    this.painter = new Painter($("understand").querySelector(".painter"), () => this.changed());
    this.seed = seed("understand-seed");
    $("understand-seed").addEventListener("input", () => this.explore());
    $("understand-go").addEventListener("click", () => this.likelihood());
    $("understand").querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  }

  async open(model) {
    this.model = model;
    this.level.show();
    this.clear();
    this.forget();
    return this.painter.open(model);
  }

  noise(value) {
    const [low, high] = this.model?.noise ?? [0.002, 40];
    const [from, to] = [Math.max(low, 0.02), high];
    return Math.min(high, from * (to / from) ** value);
  }

  changed() {
    this.forget();
    this.explore();
  }

  /** Take away the likelihood of another picture, or by another model. */
  forget() {
    this.work.cancel();
    cleared($("understand-likelihood"));
  }

  /** Look at the level of the slider; while one look is under way, only the latest wish is kept. */
  async explore() {
    this.wanted = { model: this.model.name, image: this.painter.image(), noise: this.noise(this.level.get()), seed: this.seed() };
    if (this.looking) return;
    this.looking = true;
    while (this.wanted) {
      const wish = this.wanted;
      this.wanted = null;
      const waits = ({ place }) => place && this.tell(queued(place));
      const shown = await asked("explore", wish, null, waits).then((answer) => () => this.show(wish, answer), (error) => () => this.clear(sentence(error.message)));
      if (wish.model === this.model.name) shown();
    }
    this.looking = false;
  }

  tell(text, wrong = false) {
    $("understand-numbers").textContent = text;
    $("understand-numbers").classList.toggle("wrong", wrong);
  }

  /** Take away what is shown; say why, where something went wrong. */
  clear(trouble = "") {
    $("understand-tiles").hidden = true;
    cleared($("understand-recipe"));
    this.tell(trouble, trouble !== "");
  }

  show(wish, answer) {
    const open = $("understand-recipe").querySelector("details")?.open ?? false;
    this.clear();
    $("understand-tiles").hidden = false;
    $("understand-noisy").src = picture(answer.noisy);
    $("understand-denoised").src = picture(answer.denoised);
    $("understand-score").style.setProperty("--map", `url(${picture(answer.score)})`);
    this.tell(
      `At σ = ${wish.noise.toPrecision(2)}: the score has length ${answer.length.toPrecision(3)}, at most ${answer.longest.toPrecision(3)} in one ` +
      `pixel; the guess differs from the picture by ${answer.error.toFixed(3)} (root mean square).`,
    );
    $("understand-recipe").append(downloads(answer.files), Object.assign(recipe(answer), { open }));
    $("understand-noisy").dataset.noise = wish.noise;
  }

  async likelihood() {
    await this.painter.taken;
    const wish = { model: this.model.name, image: this.painter.image(), seed: this.seed() };
    return this.work.run("likelihood", wish, (answer) => {
      const place = $("understand-likelihood");
      cleared(place);
      const text = `${answer.bits.toFixed(2)} bits per pixel (±\u00a0${answer.error.toFixed(2)})`;
      const more = `log p = ${answer.nats.toFixed(0).replace("-", "−")} nats for the whole picture; ${counted(answer.evaluations, "evaluation")} of the network, each of four noisy copies, ${seconds(answer.seconds)}. The fewer bits, the likelier; stored as it is, a pixel takes 8.`;
      place.append(make("p", { className: "big", textContent: text }), make("p", { className: "numbers", textContent: more }), downloads(answer.files), recipe(answer));
    });
  }
}
