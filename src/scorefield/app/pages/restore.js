/* Restore: several pictures that agree with what was measured of one. */

import { Work } from "./asking.js";
import { $, cleared, counted, downloads, heat, make, picture, recipe, reveal, seconds, seed, slider } from "./common.js";
import { film } from "./film.js";
import { Painter } from "./painter.js";

const METHODS = {
  replace: ["Replacement", "Puts the known pixels back at every step: quick, but the rest is decided before it can fit them."],
  repaint: ["RePaint", "Takes each step four times, so that known and unknown agree."],
  pigdm: ["ΠGDM", "Pulls each guess towards the measurement, as far as it is uncertain."],
  dps: ["DPS", "Pulls by the gradient of the distance to the measurement."],
};
const OFFERED = { mask: ["replace", "repaint", "pigdm", "dps"], blur: ["pigdm", "dps"], downsample: ["pigdm", "dps"] };
const STEPS = { replace: 10, repaint: 10, pigdm: 40, dps: 60 };

export class Restore {
  constructor() {
    this.work = new Work($("restore").querySelector(".work"), [$("restore-go")]);
    this.painter = new Painter($("restore").querySelector(".painter"), () => {}, true);
    this.steps = slider("restore-steps");
    this.n = slider("restore-n");
    this.seed = seed("restore-seed");
    this.size = slider("restore-size", () => this.sizes?.[$("restore-size").value]?.text ?? "");
    for (const input of document.querySelectorAll('input[name="problem"]')) input.addEventListener("change", () => this.choose());
    $("restore-method").addEventListener("change", () => this.method());
    $("restore").querySelector("form").addEventListener("submit", (event) => (event.preventDefault(), reveal(this.restore(), $("restore-results"))));
  }

  async open(model) {
    this.model = model;
    this.work.cancel(); // it restores what another model drew
    cleared($("restore-results"));
    this.offer(model.shape);
    this.choose();
    const shown = await this.painter.open(model);
    if (shown) this.restore();
    return shown;
  }

  /** Offer what pictures of a size can lose: a blur reaches three of its widths to either side, and blocks have to tile them. */
  offer([, ...sides]) {
    const least = Math.min(...sides);
    const blurs = [0.5, 1, 1.5, 2, 3].filter((width) => 3 * width <= Math.floor((least - 1) / 2));
    const blocks = [2, 4, 7, 8, 14, 16].filter((k) => k < least && sides.every((side) => side % k === 0));
    this.offered = {
      mask: [],
      blur: blurs.map((value) => ({ value, text: `${value} px` })),
      downsample: blocks.map((value) => ({ value, text: `${value} × ${value}` })),
    };
    const [mask, ...others] = document.querySelectorAll('input[name="problem"]');
    for (const input of others) {
      input.disabled = this.offered[input.value].length === 0;
      if (input.disabled && input.checked) mask.checked = true;
    }
  }

  get problem() {
    return document.querySelector('input[name="problem"]:checked').value;
  }

  choose() {
    const { problem } = this;
    this.sizes = this.offered[problem];
    $("restore-size-field").hidden = problem === "mask";
    $("restore-size").max = Math.max(0, this.sizes.length - 1);
    this.size.set(1);
    this.painter.cover(problem === "mask");
    $("restore-method").replaceChildren(...OFFERED[problem].map((value) => make("option", { value, textContent: METHODS[value][0] })));
    this.method();
  }

  method() {
    const { value } = $("restore-method");
    this.steps.set(STEPS[value]);
    $("restore-about").textContent = METHODS[value][1];
  }

  async restore() {
    await this.painter.taken; // its number may just have been typed
    const { problem } = this;
    const asked = { model: this.model.name, image: this.painter.image(), problem, method: $("restore-method").value };
    Object.assign(asked, { n: this.n.get(), seed: this.seed(), steps: this.steps.get() });
    if (problem === "mask") asked.mask = this.painter.mask();
    else asked.size = this.sizes[this.size.get()].value;
    return this.work.run("restore", asked, (answer) => this.show(asked, answer));
  }

  async show(asked, answer) {
    const place = $("restore-results");
    const tile = (shown, text) => make("figure", {}, shown, make("figcaption", { textContent: text }));
    const image = (source, alt) => make("img", { src: picture(source), alt });
    const masked = asked.problem === "mask";
    const known = masked ? "What is known" : "What was measured";
    const { compared } = answer;
    const error = compared.masked_mse_mean ?? compared.mse_mean;
    const told = [`${counted(Math.round(answer.evaluations), "evaluation")} of the network each, ${seconds(answer.seconds)}`];
    told.push(`mean squared error ${error.toFixed(4)}${masked ? " where it is hidden" : ""}`);
    if (compared.agreement !== null) told.push(`a classifier reads ${Math.round(compared.agreement * asked.n)} of ${asked.n} as it reads the truth`);
    const tiles = make("div", { className: "tiles" });
    tiles.append(tile(image(answer.files["image.png"], "Truth"), "Truth"));
    tiles.append(tile(masked ? heat(answer.files["mask.png"], known, answer.measured) : image(answer.measured, known), known));
    tiles.append(tile(heat(answer.spread, "Where the restorations differ"), `Where they differ: ±\u00a0${answer.widest.toFixed(2)} at most`));
    const columns = asked.n > 4 ? Math.ceil(asked.n / 2) : asked.n;
    const pictures = await film(answer, counted(asked.n, "restoration"), Math.min(6, columns));
    const card = make("article", { className: "card" }, tiles, make("h3", { textContent: "What it could have been" }), pictures);
    card.append(make("p", { className: "numbers", textContent: `${told.join("; ")}.` }));
    if (answer.read) card.append(bars(answer.read));
    card.append(downloads(answer.files), recipe(answer));
    cleared(place);
    place.append(card);
  }
}

/** What a classifier reads, before and after, as bars in pairs. */
function bars({ before, after, true: truth }) {
  const digit = truth.indexOf(Math.max(...truth));
  const body = make("tbody");
  before.forEach((share, k) => {
    const cell = (value, name) => {
      const bar = make("i");
      bar.style.height = `${Math.round(100 * value)}%`;
      return make("td", { className: name, title: `${k}: ${(100 * value).toFixed(0)} %` }, bar, make("span", { className: "unseen", textContent: `${(100 * value).toFixed(0)} %` }));
    };
    const head = make("th", { scope: "row", textContent: k });
    if (k === digit) head.className = "truth";
    body.append(make("tr", {}, head, cell(share, "before"), cell(after[k], "after")));
  });
  const head = make("thead", { className: "unseen" }, make("tr", {}, ...["digit", "before", "after"].map((text) => make("th", { scope: "col", textContent: text }))));
  const caption = make("caption", {}, "A classifier reads: ", make("span", { className: "before key", textContent: "before" }), " ", make("span", { className: "after key", textContent: "after" }));
  return make("table", { className: "reads" }, caption, head, body);
}
