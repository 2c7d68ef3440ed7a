/* The pages: which one is shown, and with which model. Each opens a model when it is first looked at. */

import { fetched, sentence } from "./asking.js";
import { $, make } from "./common.js";
import { Digits } from "./digits.js";
import { Restore } from "./restore.js";
import { Understand } from "./understand.js";

const pages = { digits: new Digits(), restore: new Restore(), understand: new Understand() };
const opened = {};
let model = null;
let wanted = sessionStorage.getItem("model"); // kept while the window is open: by a reload, and from the plane and back

async function show() {
  const name = location.hash.slice(1) in pages ? location.hash.slice(1) : "digits";
  for (const key of Object.keys(pages)) {
    Object.assign($(key), { hidden: key !== name, inert: model === null });
    const link = document.querySelector(`nav a[href="#${key}"]`);
    if (key !== name) link.removeAttribute("aria-current");
    else {
      link.setAttribute("aria-current", "page");
      document.title = `${link.textContent}: scorefield`;
    }
  }
  if (!model || opened[name] === model) return;
  const chosen = (opened[name] = model);
  const shown = await pages[name].open(chosen);
  if (shown === false && opened[name] === chosen) delete opened[name]; // whoever comes again finds it tried again
}

/** Take another model; of two wishes the later one counts, whichever is answered first. */
async function choose(name) {
  wanted = name;
  tell(`Opening ${name} …`);
  try {
    const found = await fetched(`model?name=${encodeURIComponent(name)}`);
    if (wanted !== name) return;
    model = found;
    document.body.style.setProperty("--shape", `${model.shape[2]} / ${model.shape[1]}`);
    sessionStorage.setItem("model", name);
    tell("");
    await show();
  } catch (error) {
    if (wanted === name) complain(error);
  }
}

function tell(text, wrong = false) {
  $("opening").textContent = text;
  $("opening").classList.toggle("wrong", wrong);
}

function complain(error) {
  tell(sentence(error.message), true);
  if (model) $("model").value = model.name;
}

async function begin() {
  const names = await fetched("models");
  $("model").replaceChildren(...names.map((name) => make("option", { value: name, textContent: name })));
  if (names.includes(wanted)) $("model").value = wanted;
  await choose($("model").value);
}

addEventListener("hashchange", () => (scrollTo(0, 0), show()));
$("model").addEventListener("change", () => choose($("model").value));
show();
begin().catch(complain);
