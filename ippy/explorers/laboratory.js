// The chapter's experiment, live: slice x → K → y → + e → y_delta → network and Wiener filter.

const { h, number } = ippy;
const VIEWS = { x: "Slice x", y: "Measurement", wiener: "Wiener filter", network: "Network" };
const SHORT = { y: "Measured", wiener: "Wiener" };
const ERRORS = { y: "the measurement", wiener: "the filter", network: "the network" };
const percent = (level) => `${number(100 * level, level > 0 && level < 0.01 ? 1 : 0)} %`;

// A blur in words, and whether two are the same: a half turn of a motion changes nothing.
const inWords = (b) =>
  b.kernel_type === "gaussian"
    ? `a Gaussian blur of variance ${number(b.kernel_variance, 1)}`
    : `a motion of ${b.kernel_size} pixels at ${number(halfTurn(b.motion_angle), 0)}°`;
const halfTurn = (angle) => ((angle % 180) + 180) % 180;
const sameBlur = (a, b) =>
  a.kernel_type === b.kernel_type && a.kernel_size === b.kernel_size &&
  (a.kernel_type === "gaussian"
    ? Math.abs(a.kernel_variance - b.kernel_variance) < 1e-9
    : Math.abs(halfTurn(a.motion_angle) - halfTurn(b.motion_angle)) < 1e-9);

// K as the sliders describe it: what the Wiener filter believes.
const assumedBlur = (s) => ({
  kernel_type: s.kernel_type, kernel_size: 2 * (s.length >> 1) + 1, motion_angle: s.angle,
  kernel_variance: s.variance, padding: s.padding,
});

// What really measures. Only a "wrong" world has a blur of its own.
function trueBlur(s) {
  const K = assumedBlur(s);
  if (s.world !== "wrong") return K;
  return {
    ...K,
    kernel_size: Math.max(1, K.kernel_size + 2 * Math.trunc(s.length_off / 2)),
    motion_angle: s.angle + s.angle_off,
    kernel_variance: Math.max(0.1, s.variance + s.variance_off),
  };
}

// The same blur on pixels half the size: a path of n − 1 pixels becomes one of 2(n − 1).
const finer = (K) => ({
  ...K, kernel_size: 2 * K.kernel_size - 1, kernel_variance: 4 * K.kernel_variance,
});

// Each pixel the mean of 2×2 finer ones.
function halve(x) {
  const y = ippy.image(x.height / 2, x.width / 2);
  for (let i = 0; i < y.height; i++)
    for (let j = 0; j < y.width; j++) {
      const n = 2 * i * x.width + 2 * j;
      y.data[i * y.width + j] =
        (x.data[n] + x.data[n + 1] + x.data[n + x.width] + x.data[n + x.width + 1]) / 4;
    }
  return y;
}

const scaled = (x, factor) =>
  factor === 1 ? x : ippy.image(x.height, x.width, x.data.map((value) => factor * value));

// The grey value that the given share of the pixels does not exceed.
function quantile(x, share) {
  const sorted = x.data.slice().sort();
  return sorted[Math.floor(share * (sorted.length - 1))];
}

// What has been computed once from the same things is not computed again: who moves the Wiener
// filter's slider waits for the Wiener filter only.
function createMemory() {
  const kept = new Map();
  return async (name, given, make) => {
    const before = kept.get(name);
    if (before && before.given.every((value, n) => Object.is(value, given[n]))) return before.value;
    const value = await make();
    kept.set(name, { given, value });
    return value;
  };
}

// The truth and its measurement, in the world that is chosen.
async function measure(s, object, engine, once) {
  const K = trueBlur(s);
  const blur = Object.values(K);
  const fine = s.world === "finer";
  const x = await once("x", [object, s.brightness, fine], () =>
    scaled(fine ? halve(object) : object, s.brightness));
  const y = await once("y", [x, fine, ...blur], async () =>
    fine
      ? halve(await engine.blur(scaled(object, s.brightness), finer(K)))
      : engine.blur(x, K));
  const y_delta = await once("y_delta", [y, s.noise_level, s.seed], async () =>
    ippy.core.add(y, await engine.gaussianNoise(y, s.noise_level, s.seed)));
  return { x, y: y_delta };
}

// The constant with the highest PSNR, found by trying: steps of half a decade, then finer ones
// around the best. Only who knows x can do this.
async function bestConstant(y, kernel, x, [low, high], tried) {
  const { engine } = ippy;
  const [first, last] = [Math.log10(low), Math.log10(high)];
  let best = { exponent: first, psnr: -Infinity };
  const attempt = async (exponent) => {
    if (exponent < first - 1e-9 || exponent > last + 1e-9) return;
    const psnr = await engine.psnr(await engine.wiener(y, kernel, 10 ** exponent), x);
    tried(10 ** exponent, psnr);
    if (psnr > best.psnr) best = { exponent, psnr };
  };
  for (let exponent = first; exponent <= last + 1e-9; exponent += 0.5) await attempt(exponent);
  for (const step of [0.25, 0.125, 0.0625]) {
    const { exponent } = best;
    await attempt(exponent - step);
    await attempt(exponent + step);
  }
  return Number((10 ** best.exponent).toPrecision(3));
}

// What the reader should know about the weights, in plain sentences: what they were trained for,
// and where this measurement is something else.
function aboutNetwork(s, training, isOwnPicture) {
  if (!training)
    return ["Nothing says for which blur and noise this network was trained."];
  const K = trueBlur(s);
  const told = `The network was trained for ${inWords(training.blur)}, ${
    training.noise_level > 0 ? `with ${percent(training.noise_level)} noise` : "without noise"}.`;
  const sentences = [told];
  if (!sameBlur(training.blur, K))
    sentences.push(`You measure with ${inWords(K)}. The network cannot know, and undoes the blur it was trained for.`);
  if (s.noise_level > 2 * training.noise_level)
    sentences.push(`You add ${percent(s.noise_level)} noise, more than it has ever seen.`);
  if (isOwnPicture) sentences.push("It has seen slices of bodies only, never a picture like yours.");
  if (s.brightness < 1)
    sentences.push("It has learnt at full brightness which grey values there are.");
  return sentences;
}

function aboutWorld(s) {
  const K = inWords(assumedBlur(s));
  if (s.world === "finer")
    return "Measured on pixels half the size, then averaged: for every method K is now only a model.";
  if (s.world === "wrong")
    return sameBlur(assumedBlur(s), trueBlur(s))
      ? "The offsets are zero: the true blur is the one that the Wiener filter inverts."
      : `The true blur is ${inWords(trueBlur(s))}; the Wiener filter believes the sliders, ${K}.`;
  const border = s.padding === "circular" ? "border included" : "all but the border, which it takes to repeat";
  return `The Wiener filter inverts exactly the K that measured (${border}): the inverse crime.`;
}

// The three rows of numbers, each with its full precision in data-value.
function createTable() {
  const rows = {};
  const cell = () => h("td", {}, "–");
  for (const key of ["y", "wiener", "network"])
    rows[key] = { psnr: cell(), ssim: cell(), gain: cell() };
  const line = (key) =>
    h("tr", { "data-row": key }, h("th", { scope: "row" }, VIEWS[key]), Object.values(rows[key]));
  const heads = ["", "PSNR [dB]", "SSIM", "gain [dB]"].map((text, n) =>
    n ? h("th", { scope: "col" }, text) : h("td"));
  const element = h("table", {},
    h("caption", { class: "ippy-unseen" }, "How close each picture is to the slice x"),
    h("thead", {}, h("tr", {}, heads)), h("tbody", {}, Object.keys(rows).map(line)));
  return {
    element,
    show(scores) {
      for (const [key, cells] of Object.entries(rows)) {
        const { psnr, ssim } = scores[key];
        const gain = psnr - scores.y.psnr;
        const isWorse = gain < -0.05;
        cells.psnr.textContent = number(psnr, 1);
        cells.ssim.textContent = number(ssim, 3);
        cells.gain.textContent = key === "y" ? "" : `${gain > 0 ? "+" : ""}${number(gain, 1)}${isWorse ? ", worse" : ""}`;
        cells.gain.className = key === "y" ? "" : isWorse ? "bad" : "good";
        cells.psnr.dataset.value = psnr;
        cells.ssim.dataset.value = ssim;
      }
    },
  };
}

// Questions to answer before looking. Each sets the laboratory up; the answer is folded away.
const tasks = (noNoise) => [
  {
    question: "The motion turns to 110°, the weights stay those for 20°. Is the network’s picture better or worse than the measurement?",
    set: { angle: 110 },
    answer: "Worse: the network undoes a motion that did not happen, and draws edges that are not there. The Wiener filter is told the new angle and keeps up.",
  },
  {
    question: "The same slice at half its brightness. Who gains, who loses?",
    set: { brightness: 0.5 },
    answer: "Half the picture, half the error: the measurement and the Wiener filter gain exactly 6.0 dB. The network falls below the measurement: it has learnt which greys there are.",
  },
  ...(noNoise ? [{
    question: "A network that has never seen noise gets a measurement with 5 %. Is its picture better or worse than the measurement?",
    set: { weights: noNoise, noise_level: 0.05 },
    answer: "Without noise in training nothing forbids to amplify: the noise comes out larger than it went in. Choose the other weights and compare.",
  }] : []),
  {
    question: "The perfect crime: no noise, the same K, no brake (constant 1e−8), a picture that repeats beyond its border. How many decibels does the Wiener filter reach?",
    set: { noise_level: 0, constant: 1e-8, padding: "circular" },
    answer: "About 60 dB, better than anything in the book. Now turn the dial to finer pixels, with the same slice: it ends below the measurement. The brilliant number was a fact about the simulation.",
    next: { label: "Turn the dial", set: { world: "finer" } },
  },
  {
    question: "A photograph, a page of text, a screenshot. Drop one onto this laboratory. Does the network still beat the Wiener filter?",
    answer: "Seldom. It has learnt slices, not pictures; a method that was not trained has nothing to unlearn.",
  },
];

const LAB = ".ippy-explorer[data-explorer=laboratory]";
ippy.style("laboratory", `
${LAB} .lab-top { display: grid; gap: 1rem; align-items: start; grid-template-areas: "curtain" "side" "panels"; grid-template-columns: minmax(0, 1fr); }
${LAB} .lab-curtain { grid-area: curtain; min-width: 0; }
${LAB} .lab-side { grid-area: side; display: flex; flex-direction: column; gap: 0.6rem; }
${LAB} .lab-panels { grid-area: panels; display: grid; gap: 0.7rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 200px), 1fr)); }
${LAB} .curtain { display: flex; flex-direction: column; gap: 0.2rem; }
${LAB} .curtain .bar-numbers { order: -1; font-size: 1rem; font-weight: 600; color: var(--ippy-ink); }
${LAB} .curtain figcaption { order: 1; font-weight: 400; min-height: 0; color: var(--ippy-quiet); font-size: 0.85rem; }
${LAB} .curtain input { order: 0; }
${LAB} table { display: table; width: 100%; margin: 0; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: inherit; }
${LAB} :is(td, th) { padding: 0.25rem 0.3rem; text-align: right; border: 0; background: none; color: var(--ippy-ink); }
${LAB} th[scope=row] { text-align: left; }
${LAB} thead :is(td, th) { font-weight: 400; font-size: 0.85rem; color: var(--ippy-quiet); }
${LAB} tbody tr { border-top: 1px solid var(--ippy-faint); }
${LAB} tbody td:nth-child(2) { font-size: 1.15rem; }
${LAB} td.good { color: var(--ippy-good); font-weight: 600; }
${LAB} td.bad { color: var(--ippy-bad); font-weight: 600; }
${LAB} .lab-note { margin: 0; padding-left: 0.7rem; border-left: 4px solid var(--ippy-faint); }
${LAB} .lab-note.differs { border-color: var(--ippy-bad); }
${LAB} .lab-panel { border: 1px solid var(--ippy-faint); border-radius: 6px; padding: 0.2rem 0.6rem 0.6rem; margin: 0; min-width: 0; display: flex; flex-direction: column; gap: 0.4rem; }
${LAB} .lab-panel > legend { font-weight: 600; padding: 0 0.3rem; width: auto; float: none; }
${LAB} .lab-panel .control > :is(label, legend) { font-weight: 400; }
${LAB} .lab-panel p { margin: 0; font-size: 0.85rem; color: var(--ippy-quiet); overflow-wrap: anywhere; }
${LAB} .lab-gallery { display: grid; gap: 0.8rem; grid-template-columns: repeat(2, minmax(0, 1fr)); }
${LAB} .lab-gallery figcaption * { font-size: 0.85rem; }
${LAB} .lab-gallery .caption { white-space: nowrap; }
${LAB} .lab-pair { display: grid; gap: 0.5rem; align-content: start; }
${LAB} details > summary { cursor: pointer; }
${LAB} .lab-tasks { margin: 0.6rem 0 0; padding-left: 1.4rem; display: grid; gap: 0.9rem 2.2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); }
${LAB} .lab-tasks :is(.toolbar, details) { margin-top: 0.3rem; }
${LAB} .lab-tasks p { margin: 0; }
${LAB} [hidden] { display: none !important; }
@container (min-width: 600px) {
  ${LAB} .lab-top { grid-template-areas: "curtain side" "panels panels"; grid-template-columns: minmax(0, 1.2fr) minmax(230px, 1fr); }
  ${LAB} .lab-gallery { grid-template-columns: repeat(4, minmax(0, 1fr)); }
}
@container (min-width: 1000px) {
  ${LAB} .lab-top { grid-template-areas: "curtain side" "curtain panels"; grid-template-columns: minmax(0, 1fr) minmax(0, 1.1fr); grid-template-rows: auto 1fr; }
  ${LAB} .lab-gallery figcaption * { font-size: 0.85rem; }
${LAB} .lab-gallery .caption { white-space: nowrap; }
${LAB} .lab-pair { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
`);

ippy.explorer("laboratory", async (ctx) => {
  const { state, parameters } = ctx;
  const once = createMemory();
  const zoom = "laboratory";
  const files = { picture: null, network: null }; // what the reader has brought along
  let now = null; // what is shown, for the button that looks for the best constant

  const curtain = ctx.curtain({ left: VIEWS.y, right: VIEWS.network, label: "Move the curtain", zoom });
  const table = createTable();
  const networkNote = h("p", { class: "lab-note" });
  const worldNote = h("p", { class: "lab-note" });
  const pictures = Object.fromEntries(Object.entries(VIEWS).map(([key, label]) =>
    [key, ctx.picture({ label: SHORT[key] ?? label, zoom })]));
  const errors = Object.fromEntries(["y", "wiener", "network"].map((key) =>
    [key, ctx.picture({ label: "Its error", map: "error", zoom })]));
  const kernelPicture = ctx.picture({ label: "Kernel k", pixelated: true });

  // What the reader brings along: a picture, weights.
  const ownPicture = h("p", { hidden: true });
  const bringPicture = ctx.fileInput({
    label: "A picture of your own", accept: "image/png,image/jpeg,image/webp,image/gif,image/bmp",
    drops: (file) => !/\.(safetensors|pth|pt)$/i.test(file.name),
    onfile: (file) => ctx.attempt(async () => {
      const [coarse, fine] = [await ippy.readPicture(file), await ippy.readPicture(file, 512)];
      files.picture = { coarse, fine, name: file.name };
      again();
    }),
  });
  const bringNetwork = ctx.fileInput({
    label: "Weights of your own (.safetensors)", accept: ".safetensors",
    drops: (file) => /\.(safetensors|pth|pt)$/i.test(file.name),
    onfile: (file) => ctx.attempt(async () => {
      if (/\.(pth|pt)$/i.test(file.name))
        throw new ippy.Problem(`${file.name} is a PyTorch file, which a page cannot read safely: run ippy export ${file.name} my.safetensors and load that.`);
      if (file.size > 64 * 2 ** 20)
        throw new ippy.Problem(`${file.name} has ${Math.round(file.size / 2 ** 20)} MB; the limit is 64 MB.`);
      files.network = ippy.readNetwork(await file.arrayBuffer());
      if (state.get("weights") === "file") again();
      else state.set({ weights: "file" });
    }),
  });

  const networkOf = async (s) => {
    if (s.weights !== "file") {
      const asset = await ctx.asset(`weights/${s.weights}`);
      return once("weights", [asset], () => ctx.network(s.weights));
    }
    if (!files.network)
      throw new ippy.Problem("No weight file is loaded yet: choose one under “Weights of your own”.");
    return files.network;
  };
  // Weights of the reader's own do not say what they were trained for.
  const trainingOf = ({ weights }) => {
    const known = ctx.course.networks[weights];
    return known && { blur: known.blur ?? ctx.course.blur, noise_level: known.noise_level };
  };
  const objectOf = async (s) => {
    const fine = s.world === "finer";
    if (files.picture) return fine ? files.picture.fine : files.picture.coarse;
    if (!fine) return ctx.slice(s.slice);
    return once("fine slice", [s.slice], async () =>
      ippy.decodeSlice((await ctx.asset(`laboratory/fine-${s.slice}`)).png));
  };

  const keys = Object.keys(parameters).filter((key) => key !== "compact");
  const again = ctx.update(keys, async (s, engine) => {
    arrange(s);
    const { x, y } = await measure(s, await objectOf(s), engine, once);
    const net = await networkOf(s);
    const kernel = await once("kernel", Object.values(assumedBlur(s)), () => engine.kernel(assumedBlur(s)));
    const network = await once("network", [net, y], async () => (await engine.network(net, y)).x_hat);
    const wiener = await once("wiener", [y, kernel, s.constant], () => engine.wiener(y, kernel, s.constant));
    const shown = { x, y, wiener, network };
    const scores = {};
    for (const key of ["y", "wiener", "network"])
      scores[key] = await once(`scores ${key}`, [shown[key], x], async () => ({
        psnr: await engine.psnr(shown[key], x), ssim: await engine.ssim(shown[key], x),
      }));
    now = { ...shown, kernel };
    draw(s, shown, scores, kernel);
  });

  function draw(s, shown, scores, kernel) {
    const range = [0, Math.max(0.05, quantile(shown.x, 0.997) / s.brightness)];
    curtain.show(shown[s.left], shown[s.right], { range, labels: [VIEWS[s.left], VIEWS[s.right]] });
    for (const [key, picture] of Object.entries(pictures))
      picture.show(shown[key], {
        range, caption: scores[key] ? `${number(scores[key].psnr, 1)} dB` : "",
      });
    pictures.x.show(shown.x, { range, label: files.picture ? "Your picture x" : VIEWS.x });
    for (const [key, picture] of Object.entries(errors))
      picture.show(ippy.core.subtract(shown[key], shown.x), {
        range: [0, range[1] / 4], alt: `Error of ${ERRORS[key]}`,
      });
    kernelPicture.show(kernel, { range: [0, Math.max(...kernel.data)] });
    table.show(scores);
    const sentences = aboutNetwork(s, trainingOf(s), Boolean(files.picture));
    networkNote.textContent = sentences.join(" ");
    networkNote.classList.toggle("differs", sentences.length > 1);
    worldNote.textContent = aboutWorld(s);
    ctx.announce(["y", "wiener", "network"].map((key) =>
      `${VIEWS[key]} ${number(scores[key].psnr, 1)} decibel`).join(", "));
  }

  // The kernel's own controls, the offsets of a wrong world, the words about a brought picture.
  const only = [];
  const when = (isShown, ...elements) => {
    only.push([isShown, elements]);
    return elements;
  };
  function arrange(s) {
    only.forEach(([isShown, elements]) => elements.forEach((element) => (element.hidden = !isShown(s))));
    ownPicture.hidden = !files.picture;
    if (files.picture) ownPicture.firstChild.textContent = `${files.picture.name} is shown. `;
  }
  const isMotion = (s) => s.kernel_type === "motion";
  const isWrong = (s) => s.world === "wrong";

  const backToSlices = () => {
    if (!files.picture) return;
    files.picture = null;
    again();
  };
  ownPicture.append("", ctx.button("Back to the slices", backToSlices));
  state.on("slice", backToSlices);

  const newNoise = () => ctx.button("New noise", () => state.set({ seed: (state.get("seed") + 1) % 2 ** 31 }));
  const best = ctx.button("Find the best constant", () => ctx.attempt(async () => {
    if (!now) return;
    const { low, high } = parameters.constant;
    best.disabled = true;
    const { y, kernel, x } = now;
    const constant = await bestConstant(y, kernel, x, [low, high], (tried, psnr) => {
      bestNote.textContent = `${Number(tried.toPrecision(2))}: ${number(psnr, 1)} dB`;
    }).finally(() => (best.disabled = false));
    bestNote.textContent = `Best for this picture: ${Number(constant.toPrecision(2))}. Only who knows x can find it.`;
    state.set({ constant });
  }));
  const bestNote = h("p", { "aria-live": "off" }, "It weighs noise against detail.");

  const panel = (title, ...children) =>
    h("fieldset", { class: "lab-panel" }, h("legend", {}, title), ...children.flat());
  const panels = h("div", { class: "lab-panels" },
    panel("Slice x", ctx.control("slice"), ctx.control("brightness"), bringPicture,
      h("p", {}, "Choose or drop one anywhere here. It never leaves this page."), ownPicture),
    panel("Blur K", ctx.control("kernel_type", { kind: "radio" }), ctx.control("length"),
      when(isMotion, ctx.control("angle")), when((s) => !isMotion(s), ctx.control("variance")),
      ctx.control("padding")),
    panel("Noise e", ctx.control("noise_level"), newNoise()),
    panel("Network", ctx.control("weights"), bringNetwork,
      h("p", {}, "ippy export my.pth my.safetensors makes such a file.")),
    panel("Wiener filter", ctx.control("constant"), best, bestNote),
    panel("Inverse-crime dial", ctx.control("world", { kind: "radio" }),
      when((s) => isWrong(s) && isMotion(s), ctx.control("angle_off")),
      when(isWrong, ctx.control("length_off")),
      when((s) => isWrong(s) && !isMotion(s), ctx.control("variance_off"))));

  const noNoise = Object.entries(ctx.course.networks).find(([name, network]) =>
    network.noise_level === 0 && parameters.weights.choices.some(([value]) => value === name))?.[0];
  const setUp = (set) => state.set({ ...state.initial(), slice: state.get("slice"), ...set });
  const list = h("ol", { class: "lab-tasks" }, tasks(noNoise).map((task) => h("li", {},
    h("p", {}, task.question),
    h("div", { class: "toolbar" },
      task.set && ctx.button("Set it up", () => setUp(task.set)),
      task.next && ctx.button(task.next.label, () => setUp({ ...task.set, ...task.next.set }))),
    h("details", {}, h("summary", {}, "What you should have seen"), h("p", {}, task.answer)))));

  const quick = h("div", { class: "controls" },
    ctx.control("angle"), ctx.control("noise_level"), newNoise());
  const pair = (...both) => h("div", { class: "lab-pair" }, both.map(({ element }) => element));
  const isWide = matchMedia("(min-width: 620px)").matches;
  const more = [
    h("div", { class: "lab-gallery" }, pair(pictures.x, kernelPicture),
      ["y", "wiener", "network"].map((key) => pair(pictures[key], errors[key]))),
    h("details", { open: isWide },
      h("summary", {}, h("strong", {}, "What to try"), " (predict first, then look)"), list),
  ];
  const sides = h("div", { class: "controls" },
    ctx.control("left"), ctx.control("right"), ctx.zoomControl(zoom));
  const toolbar = ctx.toolbar();
  // A reset also puts away what the reader has brought along.
  toolbar.addEventListener("click", ({ target }) => target.textContent === "Reset" && backToSlices());
  ctx.body.append(
    h("div", { class: "lab-top" },
      h("div", { class: "lab-curtain" }, curtain.element),
      h("div", { class: "lab-side" }, table.element, networkNote, worldNote, sides, quick),
      panels),
    ...more, toolbar);

  const shape = () => {
    // A page written by hand asks for it with an attribute of the host: data-compact.
    const compact = state.get("compact") || "compact" in ctx.host.dataset;
    quick.hidden = !compact;
    [panels, sides, worldNote, ...more].forEach((element) => (element.hidden = compact));
  };
  ctx.on("compact", shape);
  shape();
});
