// The chapter's experiment, live: slice x → K → y → + e → y_delta → network and Wiener filter.

const { h, number } = ippy;
const VIEWS = { x: "Slice x", y_delta: "Measurement", wiener: "Wiener filter", network: "Network" };
const SHORT = { y_delta: "Measured", wiener: "Wiener" };
const ERRORS = { y_delta: "the measurement", wiener: "the filter", network: "the network" };
// Levels go up in tenths of a per cent: 1 %, 2.5 %.
const percent = (level) => `${number(100 * level, Math.round(1000 * level) % 10 ? 1 : 0)} %`;

ippy.explorer("laboratory", async (ctx) => {
  const { state, parameters } = ctx;
  const once = createMemory();
  const zoom = "laboratory";
  const files = { picture: null, network: null }; // what the reader has brought along
  let now = null; // what is shown, for the button that looks for the best constant

  const curtain = ctx.curtain({ left: VIEWS.y_delta, right: VIEWS.network, label: "Move the curtain", zoom });
  const table = createTable();
  const networkNote = h("p", { class: "lab-note" });
  const worldNote = h("p", { class: "lab-note" });
  const pictures = Object.fromEntries(Object.entries(VIEWS).map(([key, label]) =>
    [key, ctx.picture({ label: SHORT[key] ?? label, zoom })]));
  const errors = Object.fromEntries(["y_delta", "wiener", "network"].map((key) =>
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
  // Weights of the reader's own may say themselves what they were trained for.
  const trainingOf = ({ weights }, net) => {
    const known = ctx.course.networks[weights];
    if (!known) return net.training;
    return { blur: known.blur ?? ctx.course.blur, noise_level: known.noise_level };
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
    const { x, y_delta } = await measure(s, await objectOf(s), engine, once);
    const net = await networkOf(s);
    const kernel = await once("kernel", Object.values(assumedBlur(s)), () => engine.kernel(assumedBlur(s)));
    const network = await once("network", [net, y_delta], async () => (await engine.network(net, y_delta)).x_hat);
    const wiener = await once("wiener", [y_delta, kernel, s.constant], () =>
      engine.wiener(y_delta, kernel, s.constant));
    const shown = { x, y_delta, wiener, network };
    const scores = {};
    for (const key of ["y_delta", "wiener", "network"])
      scores[key] = await once(`scores ${key}`, [shown[key], x], async () => ({
        psnr: await engine.psnr(shown[key], x), ssim: await engine.ssim(shown[key], x),
      }));
    now = { ...shown, kernel };
    draw(s, shown, scores, kernel, net);
  });

  function draw(s, shown, scores, kernel, net) {
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
    const sentences = aboutNetwork(s, trainingOf(s, net), Boolean(files.picture));
    networkNote.textContent = sentences.join(" ");
    networkNote.classList.toggle("differs", sentences.length > 1);
    worldNote.textContent = aboutWorld(s);
    ctx.announce(["y_delta", "wiener", "network"].map((key) =>
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
    if (!files.picture) return;
    const { name, coarse } = files.picture;
    const side = s.world === "finer" ? 512 : 256;
    ownPicture.firstChild.textContent = aboutPicture(name, coarse.original, side);
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
    const { y_delta, kernel, x } = now;
    const constant = await bestConstant(y_delta, kernel, x, [low, high], (tried, psnr) => {
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
  const list = h("ol", { class: "lab-tasks" }, tasks(noNoise, ctx.course.blur).map((task) => h("li", {},
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
      ["y_delta", "wiener", "network"].map((key) => pair(pictures[key], errors[key]))),
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
