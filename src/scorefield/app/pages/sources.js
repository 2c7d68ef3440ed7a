/* Where a picture comes from, each as something to be drawn on a canvas: the test set, the model, a file. */

import { asked, fetched, posted } from "./asking.js";
import { drawn, make, picture } from "./common.js";

const LARGEST = 4.4e6; // bytes of a file: what the app takes, before it is packed for the way

export const test = async (model, k) => drawn(picture((await fetched(`test?name=${encodeURIComponent(model.name)}&number=${k}`)).image));

export async function sample(model, seed) {
  const answer = await asked("draw", { model: model.name, n: 1, seed, steps: Math.min(12, model.steps[model.sampler]) });
  const sheet = await drawn(picture(answer.sprite));
  const [frames, , , height, width] = answer.shape;
  const last = make("canvas", { width, height });
  last.getContext("2d").drawImage(sheet, 0, (1 - frames) * height);
  return last;
}

export async function upload(model, file) {
  if (file.size > LARGEST) throw new Error(`this file has ${(file.size / 1e6).toFixed(1)} MB; choose a picture below ${LARGEST / 1e6} MB`);
  const url = await new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => fail(new Error("the file cannot be read"));
    reader.readAsDataURL(file);
  });
  return drawn(picture((await posted("picture", { model: model.name, image: url.split(",")[1] })).image));
}
