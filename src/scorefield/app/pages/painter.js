/* A picture of the model's size: taken from the test set, uploaded, made by the model, or drawn; and a mask painted over it. */

import { sentence } from "./asking.js";
import { make } from "./common.js";
import { sample, test, upload } from "./sources.js";

const button = (text, act) => make("button", { type: "button", textContent: text, onclick: act });
const INK = 1.35; // radius of the pen in pixels of 28

export class Painter {
  /** `changed` hears of a new picture or stroke; what is painted is the picture, or with `masks` what is hidden of it. */
  constructor(place, changed, masks = false) {
    this.place = place;
    Object.assign(this, { changed, masks });
    this.canvas = make("canvas", { tabIndex: 0 });
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", "The picture. Arrow keys move the pen, space paints.");
    this.said = make("span", { className: "said" });
    this.said.setAttribute("role", "status");
    this.sources = make("div", { className: "row" });
    this.tools = make("div", { className: "choices" });
    this.parts = make("div", { className: "row parts" });
    place.append(this.sources, make("div", { className: "sheet" }, this.canvas), this.tools, this.parts, this.said);
    this.listen();
  }

  /** Begin with a model's size and what it offers; tell whether a picture came. */
  async open(model) {
    this.model = model;
    const [, height, width] = model.shape;
    this.layers = Object.fromEntries(["image", "mask"].map((name) => [name, make("canvas", { width, height })]));
    this.pen = { x: Math.floor(width / 2) + 0.5, y: Math.floor(height / 2) + 0.5, shown: false };
    this.zoom = Math.max(1, Math.round(280 / width));
    Object.assign(this.canvas, { width: width * this.zoom, height: height * this.zoom });
    this.offer();
    this.hide("right");
    this.cover(this.masks);
    return this.take(() => (model.test ? test(model, 0) : sample(model, 0)));
  }

  offer() {
    const number = make("input", { type: "number", min: 0, max: Math.max(0, this.model.test - 1), value: 0, ariaLabel: "Number of the test picture" });
    const file = make("input", { type: "file", accept: "image/*", hidden: true, ariaLabel: "Picture to upload" });
    const tested = () => this.take(() => test(this.model, number.value));
    number.addEventListener("change", tested);
    file.addEventListener("change", () => {
      const [chosen] = file.files;
      file.value = ""; // so that the same file can be chosen again
      if (chosen) this.take(() => upload(this.model, chosen));
    });
    const random = () => ((number.value = Math.floor(Math.random() * this.model.test)), tested());
    const some = () => this.take(() => sample(this.model, Math.floor(Math.random() * 1e5)));
    const made = [button("From the model", some), button("Upload", () => file.click()), file, button("Empty", () => this.take(async () => null))];
    this.sources.replaceChildren(...(this.model.test ? [button("Test picture", random), number] : []), ...made);
  }

  /** Let the mask be painted and shown, or the picture alone. */
  cover(masks) {
    this.masks = masks;
    if (!this.layers) return; // before there is a model
    this.tool = masks ? "mask" : "image";
    const tool = (value, text) => {
      const input = make("input", { type: "radio", name: `tool-${this.place.parentElement.parentElement.id}`, value, checked: value === this.tool });
      input.addEventListener("change", () => (this.tool = value));
      return make("label", {}, input, text);
    };
    this.tools.replaceChildren(...(masks ? [tool("mask", "Hide"), tool("erase", "Uncover"), tool("image", "Draw")] : [tool("image", "Draw"), tool("erase", "Erase")]));
    const named = { right: "Right", left: "Left", bottom: "Bottom", top: "Top", center: "Centre", none: "Nothing" };
    this.parts.hidden = !masks;
    this.parts.replaceChildren("Or hide ", ...Object.entries(named).map(([key, text]) => button(text, () => (this.hide(key), this.show(), this.changed()))));
    this.show();
  }

  /** Show a picture that comes from somewhere; tell whether it came. Who needs the picture awaits `taken`. */
  take(source) {
    return (this.taken = this.fetch(source));
  }

  async fetch(source) {
    const asked = (this.asked = source);
    this.said.textContent = "Fetching a picture …";
    try {
      const found = await source();
      if (asked !== this.asked) return; // another was asked for since, and an answer that comes late is not it
      const context = this.layers.image.getContext("2d");
      context.fillStyle = "black";
      context.fillRect(0, 0, this.layers.image.width, this.layers.image.height);
      if (found) context.drawImage(found, 0, 0);
      this.said.textContent = "";
      this.show();
      this.changed();
      return true;
    } catch (error) {
      if (asked !== this.asked) return;
      this.said.textContent = sentence(error.message);
      return false;
    }
  }

  /** Hide a named part, as `scorefield.guidance.hidden_part` does. */
  hide(part) {
    const { width: w, height: h } = this.layers.mask;
    const [x, y] = [Math.floor(w / 4), Math.floor(h / 4)];
    const boxes = {
      right: [w - Math.floor(w / 2), 0, w, h],
      left: [0, 0, Math.floor(w / 2), h],
      bottom: [0, h - Math.floor(h / 2), w, h],
      top: [0, 0, w, Math.floor(h / 2)],
      center: [x, y, w - 2 * x, h - 2 * y],
    };
    const context = this.layers.mask.getContext("2d");
    context.clearRect(0, 0, w, h);
    context.fillStyle = "white";
    if (boxes[part]) context.fillRect(...boxes[part]);
  }

  /** The image, and the mask, as base64 of PNGs. */
  image = () => this.layers.image.toDataURL().split(",")[1];

  mask() {
    const { width, height } = this.layers.mask;
    const sheet = make("canvas", { width, height });
    const context = sheet.getContext("2d");
    context.fillStyle = "black";
    context.fillRect(0, 0, width, height);
    context.drawImage(this.layers.mask, 0, 0);
    return sheet.toDataURL().split(",")[1];
  }

  show() {
    const context = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.layers.image, 0, 0, width, height);
    if (this.masks) {
      const veil = make("canvas", { width: this.layers.mask.width, height: this.layers.mask.height });
      const over = veil.getContext("2d");
      over.drawImage(this.layers.mask, 0, 0);
      over.globalCompositeOperation = "source-in";
      over.fillStyle = getComputedStyle(this.canvas).getPropertyValue("--veil");
      over.fillRect(0, 0, veil.width, veil.height);
      context.drawImage(veil, 0, 0, width, height);
    }
    if (this.pen.shown) {
      context.strokeStyle = "#ff8a4c";
      context.lineWidth = 2;
      context.strokeRect(Math.floor(this.pen.x) * this.zoom, Math.floor(this.pen.y) * this.zoom, this.zoom, this.zoom);
    }
  }

  /** Paint whole pixels of the mask, or soft ink, around a place. */
  paint(x, y) {
    const { width, height } = this.layers.image;
    const radius = Math.max(0.75, (INK * width) / 28);
    const [context, over] = [this.layers.image.getContext("2d"), this.layers.mask.getContext("2d")];
    for (let i = Math.max(0, Math.floor(x - radius - 1)); i < Math.min(width, x + radius + 1); i += 1) {
      for (let j = Math.max(0, Math.floor(y - radius - 1)); j < Math.min(height, y + radius + 1); j += 1) {
        const ink = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(i + 0.5 - x, j + 0.5 - y)));
        if (ink === 0) continue;
        if (this.tool === "image") {
          context.fillStyle = `rgba(255, 255, 255, ${ink})`;
          context.fillRect(i, j, 1, 1);
        } else if (this.tool === "mask" && ink > 0.4) {
          over.fillStyle = "white";
          over.fillRect(i, j, 1, 1);
        } else if (this.tool === "erase" && ink > 0.4) {
          if (this.masks) over.clearRect(i, j, 1, 1);
          else (context.fillStyle = "black"), context.fillRect(i, j, 1, 1);
        }
      }
    }
    this.show();
  }

  listen() {
    const { canvas } = this;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * this.layers.image.width, ((event.clientY - box.top) / box.height) * this.layers.image.height];
    };
    let last = null;
    const stroke = (event) => {
      const [x, y] = at(event);
      const [a, b] = last ?? [x, y];
      const pieces = Math.max(1, Math.ceil(2 * Math.hypot(x - a, y - b)));
      for (let k = 1; k <= pieces; k += 1) this.paint(a + ((x - a) * k) / pieces, b + ((y - b) * k) / pieces);
      last = [x, y];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return; // the menu of the right one is not a stroke
      canvas.setPointerCapture(event.pointerId);
      this.pen.shown = false;
      stroke(event);
    });
    canvas.addEventListener("pointermove", (event) => last && stroke(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => last && ((last = null), this.changed()));
    canvas.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const move = moves[event.key];
      if (!move && event.key !== " ") return;
      event.preventDefault();
      this.pen.shown = true;
      if (move) {
        this.pen.x = Math.min(this.layers.image.width - 0.5, Math.max(0.5, Math.floor(this.pen.x) + 0.5 + move[0]));
        this.pen.y = Math.min(this.layers.image.height - 0.5, Math.max(0.5, Math.floor(this.pen.y) + 0.5 + move[1]));
        this.show();
      } else {
        this.paint(this.pen.x, this.pen.y);
        this.changed();
      }
    });
    canvas.addEventListener("blur", () => ((this.pen.shown = false), this.show()));
  }
}
