/* The guided tour, told step by step: the text beside the stage, and the scene on it. */
(() => {
  "use strict";

  const { plane } = globalThis;
  const { $, state } = plane;
  const STORY = globalThis.story({ glide, scene, still, points, show: (key) => plane.setShown(key) });
  let chapter = 0;
  plane.glide = null; // a slow change of the noise level that the story asks for

  // ---- scenes ------------------------------------------------------------------------------------------------------
  function glide(stops, seconds) {
    plane.dropFrom(null);
    if (plane.calm.matches) plane.setSigma(stops.at(-1));
    else plane.glide = { stops, seconds, at: 0 };
  }

  plane.advanceGlide = (seconds) => {
    const glide = plane.glide;
    glide.at += seconds / glide.seconds;
    const u = Math.min(1, glide.at) * (glide.stops.length - 1);
    const k = Math.min(glide.stops.length - 2, Math.floor(u));
    const eased = 0.5 - 0.5 * Math.cos(Math.PI * (u - k));
    plane.setSigma(glide.stops[k] * (glide.stops[k + 1] / glide.stops[k]) ** eased);
    if (glide.at >= 1) plane.glide = null;
  };

  function still(sigma) {
    plane.dropFrom(null);
    plane.setSigma(sigma);
  }

  /** Set particles going, or ready to go where motion is not wanted. */
  function scene(start, key, sigma) {
    plane.setSigma(sigma);
    plane.follow(key);
    plane.dropFrom(start);
    if (!plane.calm.matches) plane.play(true);
  }

  function points() {
    plane.choose("empirical");
    scene("noise", "ode", 0.1);
  }

  // ---- telling -----------------------------------------------------------------------------------------------------
  function tell(k) {
    chapter = k;
    plane.glide = null;
    plane.play(false);
    const { title, text, why, tryThis, theory, set } = STORY[k];
    if (state.kind !== "modes") plane.choose("modes");
    plane.setSource("exact");
    plane.setShown("score");
    $("story-title").textContent = title;
    $("story-text").innerHTML = `<p>${text}</p><p class="why"><b>Why?</b> ${why}</p><p class="try"><b>Try:</b> ${tryThis}</p>`;
    const [page, said, part] = theory;
    const href = plane.app ? `../theory.html#${part}` : `../theory/${page}.html`; // the app has its own, in short
    Object.assign($("story-theory"), { href, target: plane.app ? "_blank" : "", textContent: `Theory: ${said}` });
    $("story-back").disabled = k === 0;
    $("story-next").disabled = k === STORY.length - 1;
    [...$("story-dots").querySelectorAll("button")].forEach((dot, i) => {
      if (i === k) dot.setAttribute("aria-current", "step");
      else dot.removeAttribute("aria-current");
    });
    set();
  }

  /** Tell a step that was asked for; its address is kept for a reload, and for the way back from another page. */
  function go(k) {
    tell(k);
    history.replaceState(null, "", `#${k + 1}`);
  }

  plane.makeTour = () => {
    STORY.forEach(({ title }, k) => {
      const item = document.createElement("li");
      item.append(plane.button("", () => go(k)));
      item.firstChild.setAttribute("aria-label", `Step ${k + 1}: ${title}`);
      $("story-dots").append(item);
    });
    $("story-back").addEventListener("click", () => go(chapter - 1));
    $("story-next").addEventListener("click", () => go(chapter + 1));
    const asked = Number(location.hash.slice(1)); // index.html#4 opens the fourth step
    tell(STORY[asked - 1] ? asked - 1 : 0);
  };
})();
