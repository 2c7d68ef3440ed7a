/* The story: what is said, and the scene that is set by `act` = { glide, scene, firstModes } of the page. */
globalThis.story = (act) => [
  {
    title: "A score is an arrow",
    text: [
      "The shading is a distribution: the stronger it is, the likelier are data there. At every place an arrow " +
        "shows the <b>score</b>, the direction in which the density grows fastest: ∇ log p.",
      "Drag a mode, and the arrows follow.",
    ],
    set: () => act.glide([2.5, 0.3], 1.6),
  },
  {
    title: "Noise makes it reach further",
    text: [
      "Far from the data there is nothing to learn a score from. So blur the data with noise of size σ: the " +
        "modes melt into one hill, and arrows point home from everywhere.",
      "Move σ. Small: sharp, but each mode attracts only what is near. Large: one smooth slope, but no detail.",
    ],
    set: () => act.glide([0.3, 4, 0.6], 5),
  },
  {
    title: "Follow the arrows",
    text: [
      "Langevin dynamics takes small steps along the arrows, and adds a little noise at each. Particles dropped" +
        " in one place find the modes nearby, and stay.",
      "The bars count the particles in each mode, and the marks say how many there should be. Misplaced are " +
        "those that would have to move.",
    ],
    set: () => act.scene({ x: -0.4, y: 3.6 }, "langevin", 0.1),
  },
  {
    title: "Begin in noise, lower it slowly",
    text: [
      "Annealed Langevin begins where σ is so large that there is one hill only, and lowers σ level by level. " +
        "Particles settle into modes while they can still choose.",
      "Watch σ move by itself while the field sharpens.",
    ],
    set: () => act.scene("noise", "annealed", 0.1),
  },
  {
    title: "Five ways down",
    text: [
      "All five samplers start from the same particles and spend the same number of evaluations of the score. " +
        "The reverse SDE lowers σ at every step; predictor–corrector adds a Langevin step to each; the ODE uses " +
        "no noise at all.",
      "Choose one below to see it large. Then give them fewer evaluations, or drop particles yourself.",
    ],
    set: () => act.scene("noise", "ode", 0.1),
  },
  {
    title: "Nobody knows the score of faces",
    text: [
      "A network can learn it: shown noisy data, it guesses the clean ones, and the step from the one to the " +
        "other, over σ², is the score. The small pictures show a network that was trained on these three modes, " +
        "and where it errs. The samplers now follow it.",
      "Drag a mode: the exact score follows, and the network does not know.",
    ],
    set: () => (act.firstModes(), act.scene("noise", "ode", 0.1, "learned")),
  },
];
