// Move first, or answer first? A picture to drag, both ways, and where they differ.

const floats = ({ shape, float32 }) => {
  const bytes = Uint8Array.from(atob(float32), (letter) => letter.charCodeAt(0));
  return { shape, data: new Float32Array(bytes.buffer) };
};

// The layers of the random networks of chapter 4, for `sequential`.
function randomLayers(kind, padding, { kernels, bell }) {
  const [k1, k2, k3] = kernels.map(floats);
  const conv = (weight, groups = 1) => ({ op: "conv", weight, padding, groups });
  const smooth = kind === "smoothed" ? [conv(floats(bell), 8)] : [];
  const down = kind === "pooling" ? { op: "maxpool", size: 2 } : { op: "every", step: 2 };
  return [conv(k1), { op: "relu" }, ...smooth, down, conv(k2), { op: "relu" },
    { op: "upsample", factor: 2 }, ...smooth, conv(k3)];
}

// The MLP: its weights are whole numbers of 8 bits times a step.
function denseLayers({ dense, y_delta }) {
  const [height, width] = y_delta.shape;
  const [first, second] = dense.map(({ shape, scale, int8, bias }) => {
    const numbers = new Int8Array(Uint8Array.from(atob(int8), (letter) => letter.charCodeAt(0)).buffer);
    const step = Math.fround(scale);
    const data = Float32Array.from(numbers, (number) => number * step);
    return { op: "linear", weight: { shape, data }, bias: floats(bias).data };
  });
  return [first, { op: "relu" }, second, { op: "reshape", channels: 1, height, width }];
}

// How far each pixel, and the one it comes from, lie from the border: the smaller of the two. A
// pixel that entered as a zero comes from nowhere, and is less than 0 inside.
function depths(height, width, [down, right], circular) {
  const along = (n, step) => Array.from({ length: n }, (_, i) => {
    const from = circular ? (((i - step) % n) + n) % n : i - step;
    return Math.min(i, n - 1 - i, from, n - 1 - from);
  });
  const [rows, columns] = [along(height, down), along(width, right)];
  return Float32Array.from({ length: height * width }, (_, n) =>
    Math.min(rows[Math.floor(n / width)], columns[n % width]));
}

// What is to be told about a difference: where the theorem promises agreement, and elsewhere.
function compare(difference, depth, r, isPromised) {
  const part = () => ({ count: 0, largest: 0, norm: 0 });
  const found = { promised: part(), elsewhere: part(), differing: 0, ring: 0 };
  difference.data.forEach((value, n) => {
    const size = Math.abs(value);
    const where = isPromised && depth[n] >= r ? found.promised : found.elsewhere;
    where.count += 1;
    where.largest = Math.max(where.largest, size);
    where.norm += size * size;
    if (size <= 1e-5) return;
    found.differing += 1;
    found.ring = Math.max(found.ring, depth[n] + 1);
  });
  for (const where of [found.promised, found.elsewhere]) where.norm = Math.sqrt(where.norm);
  return found;
}

const SAYS = {
  CNN: "z = y_delta, the blurred slice with 1 % noise; three layers of 3×3, r = 3",
  blur: "z = x, a slice; f(x) = Kx, the book's blur of 9×9, r = 4",
  both: "z = x, a slice; f(x) is what the network makes of Kx, r = 3 + 4 = 7",
  stride: "z = x; three random layers, every second pixel is kept after the first and repeated before the last",
  pooling: "z = x; the same random layers, but the largest of four pixels is kept",
  smoothed: "z = x; as with stride 2, but with a 5×5 mean before pixels are left out, and again after they were repeated",
  mlp: "z: a blurred picture of 16×16 pixels. 256 → 64 → 256 dense units, trained for 500 steps on boxes that " +
    "always lay in the left half. One pixel is 16 of the sliders' pixels",
};

const size = (value) => {
  if (value === 0) return "0";
  if (value >= 1e-3) return ippy.number(value, value >= 10 ? 1 : 4);
  const power = Math.floor(Math.log10(value));
  return `${ippy.number(value / 10 ** power, 1)}·10${[...String(power)].map((c) =>
    "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("")}`;
};
const percent = (share) => `${ippy.number(100 * share, 1)}\u00a0%`;

ippy.explorer("equivariance", async (ctx) => {
  const { h, core } = ippy;
  const drag = (down, right) => {
    const { rows, columns } = ctx.state.all();
    const scale = ctx.state.get("function") === "mlp" ? 16 : 1;
    // What is moved over the edge comes in again on the other side, as the picture does.
    const around = (value) => ((((value + 128) % 256) + 256) % 256) - 128;
    ctx.state.set({ rows: around(rows + scale * down), columns: around(columns + scale * right) });
  };
  const moved = ctx.picture({ label: "T z", ondrag: drag });
  const first = ctx.picture({ label: "f(T z)", zoom: "ways" });
  const second = ctx.picture({ label: "T f(z)", zoom: "ways" });
  const difference = ctx.picture({ label: "|f(T z) − T f(z)|", map: "error", zoom: "ways", log: true });
  const promise = ctx.picture({ label: "Equal by theory", map: "grey", zoom: "ways" });
  const says = h("p", { class: "quiet" });
  const verdict = h("p", { class: "verdict" });
  const body = h("tbody");
  const readout = ctx.readout({ v: "v", ring: "Ring", differing: "Pixels differing by > 1e−5", gap: "‖difference‖ / ‖f(z)‖" });

  ctx.body.append(
    h("p", { class: "try" }, h("strong", {}, "Predict first: "),
      "restore and then move, or move and then restore: where will the two differ? Drag the first picture (or use the ",
      "arrow keys), then try circular padding, and a network with stride 2 moved by one pixel and by two."),
    h("div", { class: "controls" }, ctx.control("function"), ctx.control("padding", { kind: "radio" }),
      ctx.control("entering", { kind: "radio" }), ctx.control("slice")),
    says,
    h("div", { class: "pictures" }, moved.element, first.element, second.element),
    h("div", { class: "controls" }, ctx.control("rows"), ctx.control("columns")),
    verdict,
    h("div", { class: "columns" },
      h("div", { class: "pictures two" }, difference.element, promise.element),
      h("div", { class: "numbers" },
        h("table", {}, h("thead", {}, h("tr", {}, ["Difference", "pixels", "largest", "norm"].map((name) =>
          h("th", { scope: "col" }, name)))), body), readout.element)),
    ctx.toolbar());

  // f as a function of images, with all that the page tells about it.
  async function mapOf(state, engine) {
    const { radius, ...random } = await ctx.asset("equivariance/random");
    const kind = state.function;
    if (kind === "mlp") {
      const dense = await ctx.asset("equivariance/mlp");
      const layers = denseLayers(dense);
      const [x, z] = [dense.x, dense.y_delta].map(floats).map(({ shape, data }) => core.image(...shape, data));
      return { f: (picture) => engine.sequential(layers, picture), x, z, r: 0, stride: Infinity };
    }
    const x = await ctx.slice(state.slice);
    if (radius[kind] && random.kernels && ["stride", "pooling", "smoothed"].includes(kind)) {
      const layers = randomLayers(kind, state.padding, random);
      return { f: (picture) => engine.sequential(layers, picture), z: x, r: radius[kind], stride: 2 };
    }
    const blur = (picture, padding) => engine.blur(picture, { ...ctx.course.blur, padding });
    const answer = { r: radius[kind], stride: 1 };
    if (kind === "blur") return { ...answer, f: (picture) => blur(picture, state.padding), z: x };
    const shipped = await ctx.network("CNN");
    const net = { ...shipped, architecture: { ...shipped.architecture, padding_mode: state.padding } };
    const restore = async (picture) => (await engine.network(net, picture)).x_hat;
    if (kind === "both") return { ...answer, f: async (p) => restore(await blur(p, state.padding)), x, z: x };
    const y = await blur(x, "zeros");
    const z = core.add(y, await engine.gaussianNoise(y, ctx.course.noise_level, 0));
    return { ...answer, f: restore, x, z };
  }

  // f(z) stays as it is while a picture is dragged.
  let kept = null;
  async function mapAndAnswer(state, engine) {
    const key = [state.function, state.padding, state.slice].join();
    if (kept?.key !== key) {
      const map = await mapOf(state, engine);
      kept = { key, z: map.z, fz: await map.f(map.z) };
      return { ...map, ...kept };
    }
    return { ...(await mapOf(state, engine)), ...kept };
  }

  ctx.update(["slice", "function", "rows", "columns", "padding", "entering"], async (state, engine) => {
    const { f, x, z, fz, r, stride } = await mapAndAnswer(state, engine);
    const scale = state.function === "mlp" ? 16 : 1;
    const v = [state.rows, state.columns].map((step) => Math.floor(step / scale + 0.5));
    const circular = state.entering === "circular";
    const shift = (picture) => core.shift(picture, ...v, { circular });
    const [Tz, Tfz] = [shift(z), shift(fz)];
    const fTz = await f(Tz);

    const apart = core.subtract(fTz, Tfz);
    const depth = depths(z.height, z.width, v, circular);
    const still = v[0] === 0 && v[1] === 0;
    const fits = still || v.every((step) => step % stride === 0);
    // Where nothing has a border, or nothing moves, no ring is to be expected.
    const radius = still || (circular && state.padding === "circular") ? -Infinity : r;
    const found = compare(apart, depth, radius, fits);
    const isRestored = x !== undefined;
    const decibel = (picture) => (isRestored ? `${ippy.number(core.psnr(picture, shift(x)), 1)} dB` : "");
    const range = isRestored || state.function === "blur" ? [0, 1] : rangeOf(fz);

    moved.show(Tz, { label: state.function === "CNN" || state.function === "mlp" ? "T y_delta" : "T x", caption: "drag me" });
    first.show(fTz, { range, caption: decibel(fTz) });
    second.show(Tfz, { range, caption: decibel(Tfz) });
    difference.show(apart, { range: [1e-6, Math.max(found.elsewhere.largest, found.promised.largest, 1e-3)] });
    const mask = core.image(z.height, z.width, depth.map((d) => (fits && d >= radius ? 1 : 0.35)));
    promise.show(mask, { range: [0, 1], caption: "where white" });

    const pixels = z.height * z.width;
    const line = (name, { count, largest, norm }) => h("tr", {}, h("th", { scope: "row" }, name),
      h("td", { "data-value": count }, percent(count / pixels)),
      [largest, norm].map((value) => h("td", { "data-value": String(value) }, count ? size(value) : "–")));
    body.replaceChildren(line("equal by theory", found.promised), line("elsewhere", found.elsewhere));
    const everywhere = found.ring > z.height / 8;
    readout.show({
      v: `(${v.map((step) => ippy.number(step, 0)).join(", ")})`,
      ring: everywhere ? "none explains it" : `${ippy.number(found.ring, 0)} pixels; by theory ${Number.isFinite(radius) && fits ? `at most ${r}` : fits ? 0 : "any"}`,
      differing: percent(found.differing / pixels),
      gap: size(core.norm(apart) / core.norm(fz)),
    });
    const sentence = conclude({ still, fits, everywhere, found, state, circular });
    verdict.textContent = sentence;
    verdict.className = `verdict ${found.differing ? "differ" : "equal"}`;
    says.textContent = `${SAYS[state.function]}.${state.function === "mlp" ? " It has no padding." : ""}`;
    ctx.announce(sentence);
  });
});

function rangeOf(image) {
  const sorted = Float32Array.from(image.data).sort();
  return [sorted[Math.floor(0.005 * sorted.length)], sorted[Math.floor(0.995 * sorted.length)]];
}

// The lesson in a sentence.
function conclude({ still, fits, everywhere, found, state, circular }) {
  const largest = size(found.elsewhere.largest);
  if (still) return "Nothing has been moved, so that the two ways are one. Drag the picture.";
  if (state.function === "mlp")
    return `The two ways differ everywhere, by up to ${largest}: dense layers do not know which pixels are neighbours, and ` +
      "this MLP has only ever seen boxes on the left.";
  if (!fits)
    return `The shift is no multiple of the stride 2, and the two ways differ everywhere, by up to ${largest}` +
      (state.function === "smoothed" ? ": little, since smoothing mends most of it." : ". Try an even shift.");
  if (!found.differing)
    return "The two ways agree at every pixel, to rounding: nothing here has a border.";
  if (everywhere)
    return `The two ways differ by up to ${largest} also far from the rings.`;
  const ring = found.ring === 1 ? "1 pixel" : `${ippy.number(found.ring, 0)} pixels`;
  return circular
    ? `They agree to rounding, except in two rings of ${ring}: one stands along the border, one has moved along. Largest difference ${largest}.`
    : `They agree to rounding wherever the picture was seen whole. They differ within ${ring} of the border, standing and moved, and where zeros came in. Largest difference ${largest}.`;
}
