/* The pages: which one is shown, and with which model. Each opens a model when it is first looked at. */

import { $, fetched, make } from "./common.js";
import { Digits } from "./digits.js";
import { Restore } from "./restore.js";
import { Understand } from "./understand.js";

const pages = { digits: new Digits(), restore: new Restore(), understand: new Understand() };
const opened = {};
let model = null;

async function show() {
  const name = location.hash.slice(1) in pages ? location.hash.slice(1) : "digits";
  for (const key of Object.keys(pages)) {
    $(key).hidden = key !== name;
    const link = document.querySelector(`nav a[href="#${key}"]`);
    if (key === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!model || opened[name] === model) return;
  opened[name] = model;
  await pages[name].open(model);
}

async function choose() {
  try {
    model = await fetched(`model?name=${encodeURIComponent($("model").value)}`);
    await show();
  } catch (error) {
    pages.digits.work.say(error.message, true);
  }
}

addEventListener("hashchange", show);
$("model").addEventListener("change", choose);
const names = await fetched("models");
$("model").replaceChildren(...names.map((name) => make("option", { value: name, textContent: name })));
show();
choose();
