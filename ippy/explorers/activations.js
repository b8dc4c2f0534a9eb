// Five ways to end the same network, side by side on one measurement, and how each of them learned.

// The definitions of chapter 5: air is where the true slice is nearly black all around; a head is shut
// where its slope lets hardly anything of the error through; a run that ends no better than a
// black picture has failed.
const AIR = 0.02;
const SHUT = 0.05;
const slopes = {
  none: () => 1,
  relu: (z) => (z > 0 ? 1 : 0),
  sigmoid: (z) => Math.exp(-Math.abs(z)) / (1 + Math.exp(-Math.abs(z))) ** 2,
  tanh: (z) => 1 - Math.tanh(z) ** 2,
};
const percent = (share) => {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  const rounded = share > 0 && share < 0.095 ? ippy.number(100 * share, 1) : ippy.number(100 * share, 0);
  return `${rounded} %`;
};

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// The values of an image where `where` is 1, as a flat image.
function among(picture, where) {
  const data = picture.data.filter((_, n) => where[n]);
  return ippy.image(1, data.length, data);
}

// 1 where the mean of the 9×9 pixels around is below AIR, else 0. Beyond the border it is black. (Not
// by the pixel itself: then its noise would choose, and the chosen would be too dark.)
function airOf({ width, height, data }) {
  const sums = (values, length, step, other, otherStep) => {
    const out = new Float64Array(values.length);
    for (let line = 0; line < other; line++)
      for (let n = 0; n < length; n++)
        for (let m = Math.max(0, n - 4); m <= Math.min(length - 1, n + 4); m++)
          out[line * otherStep + n * step] += values[line * otherStep + m * step];
    return out;
  };
  const rows = sums(data, width, 1, height, width);
  return sums(rows, height, width, width, 1).map((sum) => (sum / 81 < AIR ? 1 : 0));
}

// What is measured of one head: z before it, its answer, and the slice that should come out.
function judge({ final_activation }, z, x_hat, x, air) {
  const slope = slopes[final_activation ?? "none"];
  const body = air.map((is) => 1 - is);
  const shut = (where) => mean(among(z, where).data.map((value) => (slope(value) < SHUT ? 1 : 0)));
  const error = among(ippy.core.subtract(x_hat, x), air);
  const psnr = ippy.core.psnr(x_hat, x);
  const black = ippy.core.psnr(ippy.image(x.height, x.width), x);
  return {
    psnr, failed: psnr < black + 1, shutInAir: shut(air), shutInBody: shut(body),
    error: Math.sqrt(mean(error.data.map((value) => value ** 2))), veil: mean(error.data),
    outside: mean(x_hat.data.map((value) => (value < 0 || value > 1 ? 1 : 0))),
    zInAir: among(z, air), zInBody: among(z, body), inAir: among(x_hat, air),
  };
}

// A small chart without a scale of its own at the side: filled areas, lines over them.
function sketch(label) {
  const { h } = ippy;
  const svg = h("svg", { viewBox: "0 0 150 104", role: "img", "aria-label": label });
  const caption = h("figcaption", {}, label);
  const [left, right, top, bottom] = [4, 146, 4, 88];
  return {
    element: h("figure", { class: "sketch" }, caption, svg),
    draw({ xRange, yRange, areas = [], lines = [], ticks, levels = [], digits = 0, alt }) {
      const x = (value) => left + ((value - xRange[0]) / (xRange[1] - xRange[0])) * (right - left);
      const y = (value) => {
        const inside = Math.min(yRange[1], Math.max(yRange[0], value));
        return bottom + ((inside - yRange[0]) / (yRange[1] - yRange[0])) * (top - bottom);
      };
      const path = (points) => points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" ");
      const marks = ticks.flatMap((value) => [
        h("line", { class: "faint", x1: x(value), x2: x(value), y1: top, y2: bottom }),
        h("text", { x: x(value), y: bottom + 12, "text-anchor": "middle" }, ippy.number(value, digits)),
      ]);
      const heights = levels.flatMap((value) => [
        h("line", { class: "faint", x1: left, x2: right, y1: y(value), y2: y(value) }),
        h("text", { x: left, y: y(value) - 2 }, ippy.number(value, 0)),
      ]);
      svg.replaceChildren(...marks, ...heights,
        h("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }),
        ...areas.map(({ heights, name }) => {
          const width = (xRange[1] - xRange[0]) / heights.length;
          const steps = Array.from(heights).flatMap((height, n) =>
            [0, 1].map((end) => [xRange[0] + (n + end) * width, height]));
          const outline = [[xRange[0], yRange[0]], ...steps, [xRange[1], yRange[0]]];
          return h("polyline", { class: name, points: path(outline) });
        }),
        ...lines.map(({ points, name }) => h("polyline", { class: name, points: path(points) })));
      svg.setAttribute("aria-label", `${label}: ${alt}`);
    },
  };
}

// One head: its reconstruction, where its pixels lie on its curve, its air, and its numbers.
function card(ctx, head) {
  const { h, core } = ippy;
  const activation = head.final_activation ?? "none";
  const picture = ctx.picture({ label: `x_hat, ${head.name}`, zoom: "main" });
  const curve = sketch("a(z) and a'(z)");
  const histogram = sketch("Air of x_hat");
  const numbers = h("dl");
  const name = h("p", { class: "title" }, head.name);
  const element = h("section", { class: "head", "data-head": head.name }, name, picture.element,
    curve.element, histogram.element, numbers);
  const zs = Array.from({ length: 121 }, (_, n) => -6 + n / 10);
  const a = core.head(ippy.image(1, zs.length, Float32Array.from(zs)), head.final_activation);
  // Two bins more than are shown take in what lies outside.
  const shares = (image, low, high, bins) => {
    const width = (high - low) / bins;
    const counts = core.histogram(image, low - width, high + width, bins + 2);
    return Array.from(counts.slice(1, -1), (count) => count / image.data.length);
  };

  function show(x_hat, found, typical, dark) {
    element.classList.toggle("failed", found.failed);
    name.textContent = found.failed ? `${head.name}: failed` : head.name;
    picture.show(x_hat, { range: dark ? [0, 0.06] : [0, 1], label: "x_hat", caption: `${ippy.number(found.psnr, 1)} dB`,
      alt: `Reconstruction with head ${head.name}, ${ippy.number(found.psnr, 1)} dB` });
    const hill = (values) => {
      const heights = shares(values, -6, 6, 48);
      const top = Math.max(...heights) || 1;
      return heights.map((height) => -1 + (0.95 * height) / top);
    };
    curve.draw({
      xRange: [-6, 6], yRange: [-1, 1.2], ticks: [-4, 0, 4], levels: [0, 1],
      areas: [{ name: "tissue", heights: hill(found.zInBody) }, { name: "air", heights: hill(found.zInAir) }],
      lines: [
        { name: "curve", points: zs.map((z, n) => [z, a.data[n]]).filter(([, v]) => v <= 1.2 && v >= -1) },
        { name: "slope", points: zs.map((z) => [z, slopes[activation](z)]) },
      ],
      alt: `the air lies around z = ${ippy.number(mean(found.zInAir.data), 2)}, where the slope is ` +
        ippy.number(slopes[activation](mean(found.zInAir.data)), 3),
    });
    const log = (share) => Math.log10(Math.max(1e-4, share));
    histogram.draw({
      xRange: [-0.02, 0.04], yRange: [-4, 0], ticks: [0, 0.02], digits: 2,
      areas: [{ name: "air", heights: shares(found.inAir, -0.02, 0.04, 60).map(log) }],
      lines: [{ name: "typical", points: [[typical, -4], [typical, 0]] }],
      alt: `mean error ${ippy.number(1000 * found.veil, 1)} thousandths`,
    });
    const rows = {
      PSNR: [found.psnr, `${ippy.number(found.psnr, 2)} dB`],
      "Air shut": [found.shutInAir, percent(found.shutInAir)],
      "Body shut": [found.shutInBody, percent(found.shutInBody)],
      "Air error": [found.error, ippy.number(1000 * found.error, 1)],
      "Air veil": [found.veil, (found.veil < 0 ? "" : "+") + ippy.number(1000 * found.veil, 1)],
      "Off range": [found.outside, percent(found.outside)],
    };
    numbers.replaceChildren(...Object.entries(rows).flatMap(([key, [value, text]]) =>
      [h("dt", {}, key), h("dd", { "data-value": value }, text)]));
  }
  return { element, show };
}

// The loss of all runs over the steps. Dead runs are dashed and end in a cross.
function drawHistories(plot, heads, { run: seed, shown }) {
  const { h } = ippy;
  const runs = heads.flatMap((head, n) => head.runs.map((run) => ({ ...run, head: head.name, colour: n + 1 })));
  const { x, y } = plot.lines(
    runs.map((run) => ({ name: "", x: run.steps, y: run.loss })),
    { xlabel: "step", ylabel: "training loss", log: true,
      alt: `${runs.length} runs; failed: ${runs.filter((run) => run.failed).map((run) => `${run.head} ${run.seed}`).join(", ") || "none"}` });
  plot.svg.querySelectorAll("polyline").forEach((line) => line.remove());
  const isFaded = (run) => shown !== "all" && run.head !== shown;
  for (const run of [...runs].sort((a, b) => isFaded(b) - isFaded(a))) {
    const colour = `series-${run.colour}`;
    const faded = isFaded(run) ? " faded" : "";
    const chosen = run.seed === seed ? " chosen" : "";
    const points = run.steps.map((step, n) => `${x(step).toFixed(1)},${y(run.loss[n]).toFixed(1)}`).join(" ");
    plot.svg.append(h("polyline", { class: `run ${colour}${chosen}${faded}`, points, "stroke-dasharray": run.failed && "5 4" }));
    if (!run.failed) continue;
    const [right, height] = [x(run.steps.at(-1)), y(run.loss.at(-1))];
    const cross = `M${right - 9},${height - 4}l8,8m0,-8l-8,8`;
    plot.svg.append(h("path", { class: `run chosen ${colour}${faded}`, d: cross }));
  }
}

ippy.explorer("activations", async (ctx) => {
  const { h, core } = ippy;
  const { heads } = await ctx.asset("activations/histories");
  const cards = heads.map((head) => card(ctx, head));
  const slice = ctx.picture({ label: "Slice x", zoom: "main" });
  const measurement = ctx.picture({ label: "Measurement y_delta", zoom: "main" });
  const plot = ctx.plot({ label: "Training histories, three seeds of each head", width: 400, height: 240 });
  const table = h("table", { class: "runs" });
  const line = (name, text) =>
    h("li", {}, h("svg", { viewBox: "0 0 22 12", "aria-hidden": "true" },
      ["air", "tissue"].includes(name)
        ? h("rect", { class: name, width: 22, height: 12 })
        : h("line", { class: name, x1: 0, x2: 22, y1: 6, y2: 6 })), text);
  const colourKey = h("ul", { class: "legend" }, heads.map((head, n) =>
    h("li", {}, h("svg", { viewBox: "0 0 22 12", "aria-hidden": "true" },
      h("line", { class: `run chosen series-${n + 1}`, x1: 0, x2: 22, y1: 6, y2: 6 })), head.name)));

  ctx.body.append(
    h("p", { class: "try" }, h("strong", {}, "Predict first: "),
      "at which z does each head put the black air, and how far open is its slope there? ",
      "Then choose the other seeds: does every head survive all three?"),
    h("div", { class: "controls" }, ctx.control("run", { kind: "radio" }), ctx.control("slice"),
      ctx.control("noise_level"), ctx.control("scale", { kind: "radio" }),
      ctx.button("New noise", () => ctx.state.set({ seed: (ctx.state.get("seed") + 1) % 1000 }))),
    h("ul", { class: "legend" }, line("curve", "head a(z)"), line("slope", "its slope a'(z)"),
      line("air", "pixels of the air (dark all around)"), line("tissue", "pixels of the body"),
      line("typical", "typical grey value of the true air")),
    h("div", { class: "heads" }, cards.map(({ element }) => element)),
    h("p", { class: "note" }, "Shut: the slope at z is below 0.05, a saturated sigmoid or tanh, a silent ReLU. Error (root mean square) and ",
      "veil (mean error) of the air in thousandths of the grey scale. Off range: outside [0, 1]. The histogram of the ",
      "air has a logarithmic height."),
    h("div", { class: "columns" },
      h("div", {}, ctx.control("shown"), plot.element, colourKey,
        h("p", { class: "note" }, "Thick: the chosen seed. Dashed with a cross: a run that failed.")),
      h("div", {}, table,
        h("div", { class: "pictures" }, slice.element, measurement.element))),
    ctx.toolbar());

  ctx.update(["run", "slice", "noise_level", "seed", "scale"], async (state, engine) => {
    const x = await ctx.slice(state.slice);
    const blurred = await engine.blur(x, ctx.course.blur);
    const y = core.add(blurred, await engine.gaussianNoise(blurred, state.noise_level, state.seed));
    const air = airOf(x);
    const answers = [];
    for (const head of heads) {
      const run = head.runs.find(({ seed }) => seed === state.run);
      if (!run) throw new ippy.Problem(`There are no weights of the head ${head.name} for seed ${state.run}.`);
      const net = await ctx.network(run.name);
      // Without its head the network answers z, from which the rest is quickly made.
      const bare = { ...net, architecture: { ...net.architecture, final_activation: null, residual: false } };
      const { x_hat: z } = await engine.network(bare, y);
      const answer = core.head(z, head.final_activation);
      const x_hat = head.residual ? core.add(y, answer) : answer;
      answers.push({ x_hat, found: judge(head, z, x_hat, x, air) });
    }
    const greys = Array.from(among(x, air).data).sort((a, b) => a - b);
    const typical = greys[(greys.length - 1) >> 1] ?? 0;
    answers.forEach(({ x_hat, found }, n) => cards[n].show(x_hat, found, typical, state.scale === "air"));
    const range = state.scale === "air" ? [0, 0.06] : [0, 1];
    slice.show(x, { range });
    measurement.show(y, { range, caption: `${ippy.number(core.psnr(y, x), 1)} dB` });
    ctx.announce(heads.map((head, n) => `${head.name} ${answers[n].found.failed ? "failed" : `${ippy.number(answers[n].found.psnr, 1)} dB`}`).join(", "));
  });

  ctx.update(["run", "shown"], async (state) => {
    drawHistories(plot, heads, state);
    const seeds = heads[0].runs.map(({ seed }) => seed);
    const mark = (seed) => (seed === state.run ? "chosen" : null);
    table.replaceChildren(
      h("caption", {}, "PSNR on the held-out slices after training, in dB"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Head"),
        seeds.map((seed) => h("th", { scope: "col", class: mark(seed) }, `seed ${seed}`)))),
      h("tbody", {}, heads.map((head) => h("tr", {}, h("th", { scope: "row" }, head.name),
        head.runs.map((run) => h("td", { class: `${run.failed ? "dead " : ""}${mark(run.seed) ?? ""}` },
          run.failed ? `✕ ${ippy.number(run.psnr, 1)}` : ippy.number(run.psnr, 1)))))));
  });
});
