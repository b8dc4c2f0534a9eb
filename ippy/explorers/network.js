// Inside a trained network: its maps, its filters, and what a pixel of its output is made of.

const decibel = (value) => `${ippy.number(value, 1)} dB`;
const signed = (value, digits) => {
  const text = ippy.number(value, digits);
  return Number(text) === 0 ? `±${text}` : value > 0 ? `+${text}` : text;
};

// The last answer of f, kept for as long as it is asked the same again.
function remember(f) {
  let asked;
  let answer;
  return (...question) => {
    const key = JSON.stringify(question);
    if (key !== asked) [asked, answer] = [key, f(...question)];
    return answer;
  };
}

const largest = (map) => map.data.reduce((most, value) => Math.max(most, value), 0);
const kernelOf = ({ weight, in: inputs, size }, out, input) =>
  [...weight.subarray((out * inputs + input) * size ** 2, (out * inputs + input + 1) * size ** 2)];

// The energy of a 3×3 kernel in three parts: its mean, its two slopes, and everything finer.
function energies(kernel) {
  const [flat, slope] = [[1, 1, 1], [1, 0, -1]];
  const part = (rows, columns) => {
    const pattern = rows.flatMap((a) => columns.map((b) => a * b));
    const product = kernel.reduce((sum, value, n) => sum + value * pattern[n], 0);
    return product ** 2 / pattern.reduce((sum, value) => sum + value ** 2, 0);
  };
  const all = kernel.reduce((sum, value) => sum + value ** 2, 0);
  const [average, edge] = [part(flat, flat), part(flat, slope) + part(slope, flat)];
  return [average, edge, all - average - edge].map((energy) => (all ? energy / all : 0));
}

ippy.explorer("network", async (ctx) => {
  const { h, core } = ippy;
  const filtersOf = (net) => net.architecture.n_filters;
  const chosen = (state, net) => Math.min(state.filter, filtersOf(net) - 1);
  const without = (state, net) =>
    [1, 2].flatMap((layer) => state[`without_${layer}`].filter((f) => f < filtersOf(net)).map((f) => [layer, f]));

  // What all views look at. Asked again with the same settings, it is not computed again.
  const scene = remember(async (weights, slice, seed) => {
    const [net, x] = await Promise.all([ctx.network(weights), ctx.slice(slice)]);
    const blurred = await ippy.engine.blur(x, ctx.course.blur);
    const e = await ippy.engine.gaussianNoise(blurred, ctx.course.noise_level, seed);
    const y = core.add(blurred, e);
    const { x_hat } = await ippy.engine.network(net, y);
    return { net, x, y, whole: core.psnr(x_hat, x), measured: core.psnr(y, x) };
  });
  const answer = remember(async (weights, slice, seed, off) => {
    const { net, x, y } = await scene(weights, slice, seed);
    const { x_hat, maps } = await ippy.engine.network(net, y, { maps: true, without: off });
    return { x_hat, maps, psnr: core.psnr(x_hat, x) };
  });
  async function look(state) {
    const given = await scene(state.weights, state.slice, state.seed);
    const off = without(state, given.net);
    return { ...given, off, ...(await answer(state.weights, state.slice, state.seed, off)) };
  }

  const measurement = ctx.picture({ label: "Measurement y_delta", zoom: "main" });
  const reconstruction = ctx.picture({
    label: "Reconstruction x_hat", zoom: "main",
    onpick: (row, column) => ctx.state.set({ row, column }),
  });
  const damaged = ctx.picture({ label: "Without the chosen filter", zoom: "main" });

  // The filters, one native radio button each, with the map that the filter makes.
  const group = ippy.newId();
  const grid = h("fieldset", { class: "maps" }, h("legend", { class: "ippy-unseen" }, "Filter"));
  const ranking = h("p", { class: "ranking" });
  let tiles = [];
  function makeTiles(count) {
    tiles = Array.from({ length: count }, (_, filter) => {
      const input = h("input", { type: "radio", name: group, value: filter, "aria-label": `Filter ${filter}`,
        onchange: () => ctx.state.set({ filter }) });
      const [canvas, loss] = [h("canvas", { "aria-hidden": "true" }), h("span", {}, "…")];
      const bar = h("i", { class: "bar", style: "width:0" });
      const element = h("label", { class: "map" }, input, canvas, h("span", {}, `${filter}`), loss, bar);
      return { filter, input, canvas, loss, bar, element };
    });
    grid.replaceChildren(grid.firstChild, ...tiles.map((tile) => tile.element));
  }
  // Left and right are the radio buttons' own; up and down go by rows, Delete is the switch.
  grid.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Delete") return toggle();
    const rows = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!rows) return;
    event.preventDefault();
    const inputs = [...grid.querySelectorAll("input")];
    const heights = inputs.map((input) => input.parentElement.offsetTop);
    const columns = heights.filter((height) => height === heights[0]).length;
    const next = inputs[inputs.indexOf(event.target) + rows * columns];
    next?.focus();
    next?.click();
  });

  const on = h("input", { type: "checkbox", onchange: () => toggle() });
  const onLabel = h("span", {});
  const name = h("p", { class: "title" });
  const story = h("p", {});
  const map = ctx.picture({ label: "Map of the chosen filter", zoom: "main" });
  const slabs = h("div", { class: "slabs" });
  const restore = ctx.button("Switch all on", () => ctx.state.set({ without_1: [], without_2: [] }));
  function toggle() {
    const { layer, filter } = ctx.state.all();
    const key = `without_${layer}`;
    const at = Math.min(filter, tiles.length - 1);
    const list = ctx.state.get(key);
    ctx.state.set({ [key]: list.includes(at) ? list.filter((f) => f !== at) : [...list, at] });
  }

  // The window of one output pixel: three squares that share a cursor.
  let windows = null;
  const readout = h("p", { class: "sum" });
  const sum = h("p", { class: "sum" });
  const move = (index) => {
    if (!windows || index < 0) return;
    const { values, top, left, size } = windows;
    const [i, j] = [top + Math.floor(index / size), left + (index % size)];
    [grey, gradient, contribution].forEach((square) => square.point(index));
    const [value, slope, part] = values.map((list) => list[index]);
    readout.textContent = value === undefined
      ? `Pixel [${i}, ${j}] lies outside the picture: zero padding, no contribution.`
      : `y_delta[${i}, ${j}] = ${ippy.number(value, 3)}, times gradient ${ippy.number(slope, 3)}, ` +
        `contributes ${signed(part, 4)}.`;
    ctx.announce(readout.textContent);
  };
  const grey = numbers({ label: "Pixels of the measurement in the window", onmove: move });
  const gradient = numbers({ label: "Gradient of the output pixel", onmove: move });
  const contribution = numbers({ label: "Contribution of each pixel", onmove: move });

  ctx.body.append(
    h("p", { class: "try" }, h("strong", {}, "Predict first: "),
      "which maps could go without any loss, the brightest or the black ones? Is the most important filter ",
      "an edge detector? Then go through the maps and read what the picture loses without each."),
    h("div", { class: "controls" }, ctx.control("weights"), ctx.control("slice"),
      ctx.button("New noise", () => ctx.state.set({ seed: (ctx.state.get("seed") + 1) % 1000 }))),
    h("div", { class: "pictures" }, measurement.element, reconstruction.element, damaged.element),
    h("div", { class: "controls" }, ctx.control("layer"), ctx.control("order"), restore),
    ranking, grid,
    h("div", { class: "filter" }, map.element,
      h("div", {}, name, h("label", { class: "switch" }, on, " ", onLabel), story, slabs)),
    h("p", { class: "title" }, "What one pixel is made of"),
    h("p", {}, "Click a pixel of x_hat, or go there with the arrow keys. ", h("strong", {}, "Predict first: "),
      "is the gradient the same in flat tissue and at an edge?"),
    h("div", { class: "controls" }, ctx.control("row"), ctx.control("column")),
    sum,
    h("div", { class: "windows" }, grey.element, gradient.element, contribution.element, readout),
    ctx.toolbar());

  const everything = ["weights", "slice", "seed", "without_1", "without_2"];

  ctx.update([...everything, "layer", "filter"], async (state, engine) => {
    const now = await look(state);
    const { net, x, y, off } = now;
    const filter = chosen(state, net);
    const isOff = off.some(([layer, f]) => layer === state.layer && f === filter);
    const less = isOff ? now : await engine.network(net, y, { without: [...off, [state.layer, filter]] });
    const inputs = state.layer === 2 ? await strongest(net, filter, now.maps[0], engine) : [];
    const lost = now.psnr - core.psnr(less.x_hat, x);

    measurement.show(y, { caption: decibel(now.measured) });
    const gone = off.length ? `, ${off.length} off: ${decibel(now.whole - now.psnr)} lost` : "";
    reconstruction.show(now.x_hat, { caption: decibel(now.psnr) + gone });
    damaged.show(less.x_hat, {
      label: `Without filter ${filter}`,
      caption: isOff ? "it is off already" : `${decibel(now.psnr - lost)}, ${signed(-lost, 1)} dB`,
    });
    if (tiles.length !== filtersOf(net)) makeTiles(filtersOf(net));
    for (const tile of tiles) {
      const answer = core.channel(now.maps[state.layer - 1], tile.filter);
      thumbnail(tile.canvas, answer);
      tile.input.checked = tile.filter === filter;
      const switched = off.some(([layer, f]) => layer === state.layer && f === tile.filter);
      tile.element.classList.toggle("off", switched);
    }
    restore.disabled = off.length === 0;
    on.checked = !isOff;
    onLabel.textContent = `Filter ${filter} is switched on`;
    name.textContent = `Filter ${filter} of layer ${state.layer}`;
    const mine = core.channel(now.maps[state.layer - 1], filter);
    const top = largest(mine);
    map.show(mine, { range: [0, top || 1], label: `Map of filter ${filter}, layer ${state.layer}`,
      caption: top ? `0 to ${ippy.number(top, 3)}` : "black" });
    describe(net, state.layer, filter, top, isOff, inputs, now.maps[0]);
    ctx.announce(`Filter ${filter}: ${isOff ? "off" : `${decibel(lost)} lost without it`}`);
  });

  // Which maps of the first layer a filter of the second listens to most: the root mean square of
  // what each slab answers to its map.
  async function strongest(net, filter, below, engine) {
    const { in: inputs, size, weight } = net.weights[1];
    const data = weight.slice(filter * inputs * size ** 2, (filter + 1) * inputs * size ** 2);
    const slab = { op: "conv", weight: { shape: [inputs, 1, size, size], data }, groups: inputs,
      padding: net.architecture.padding_mode };
    const answers = await engine.sequential([slab], below);
    const strength = (input) => core.norm(core.channel(answers, input)) / Math.sqrt(below.height * below.width);
    return Array.from({ length: inputs }, (_, input) => ({ input, rms: strength(input) }))
      .sort((a, b) => b.rms - a.rms).slice(0, 4);
  }

  function describe(net, layer, filter, top, isOff, inputs, below) {
    const { bias, size } = net.weights[layer - 1];
    const square = (text, values, most = 3) => {
      const table = numbers({ label: text });
      table.show(values, { text, most });
      return table.element;
    };
    const parts = [`Bias ${ippy.number(bias[filter], 3)}.`];
    if (isOff) parts.unshift("Switched off: its map is zero.");
    else if (top === 0) parts.unshift("Its map is black: the filter is dead on this measurement.");
    if (layer === 1) {
      const kernel = kernelOf(net.weights[0], filter, 0);
      if (size === 3) {
        const [average, edge, finer] = energies(kernel).map((share) => `${Math.round(100 * share)}\u00a0%`);
        parts.push(`Energy of its kernel: average ${average}, edge ${edge}, finer detail ${finer}.`);
      }
      const weights = square(`Weights ${size} × ${size}`, kernel, 7);
      weights.classList.toggle("wide", size > 3);
      slabs.replaceChildren(weights);
    } else {
      parts.push("It reads all maps of layer 1; below, the four it listens to most, by the root mean square ",
        "of what their slab answers. Layer 3 reads its map with the last kernel.");
      slabs.replaceChildren(
        ...inputs.map(({ input, rms }) => {
          const text = `from map ${input}, ${ippy.number(rms, 3)}`;
          const slab = square(text, kernelOf(net.weights[1], filter, input));
          Object.assign(slab.dataset, { input, rms });
          slab.append(ctx.button(`Go to ${input}`, () => ctx.state.set({ layer: 1, filter: input })));
          return slab;
        }),
        square("in layer 3", kernelOf(net.weights[2], 0, filter)));
    }
    story.textContent = parts.join(" ");
  }

  // Each filter of the layer is switched off in turn, and what the picture loses stands at its map.
  ctx.update([...everything, "layer"], async (state, engine) => {
    const { net, x, y, off, psnr, maps } = await look(state);
    if (tiles.length !== filtersOf(net)) makeTiles(filtersOf(net));
    const losses = new Map();
    tiles.forEach(({ loss, bar }) => {
      loss.textContent = "…";
      bar.style.width = "0";
    });
    for (const { filter, loss } of tiles) {
      const isOff = off.some(([layer, f]) => layer === state.layer && f === filter);
      if (isOff) loss.textContent = "off";
      else if (largest(core.channel(maps[state.layer - 1], filter)) === 0) {
        losses.set(filter, 0); // a black map is not missed
        loss.textContent = "black";
      } else {
        const { x_hat } = await engine.network(net, y, { without: [...off, [state.layer, filter]] });
        losses.set(filter, psnr - core.psnr(x_hat, x));
        loss.textContent = decibel(losses.get(filter));
      }
      ranking.textContent = `Switching off one filter after the other: ${filter + 1} of ${tiles.length} …`;
    }
    const order = [...losses].sort((a, b) => b[1] - a[1]);
    const worst = order[0]?.[1] ?? 1;
    for (const { filter, bar } of tiles) {
      bar.style.width = `${Math.max(0, (100 * (losses.get(filter) ?? 0)) / worst)}%`;
      bar.dataset.value = losses.get(filter) ?? "";
    }
    const spare = order.filter(([, lost]) => lost < 0.1).length;
    const first = order.slice(0, 3).map(([filter, lost]) => `${filter} (${decibel(lost)})`);
    ranking.textContent = `PSNR lost when one filter of layer ${state.layer} is switched off. ` +
      `Most important: ${first.join(", ")}. ${spare} of ${order.length} cost less than 0.1 dB.`;
    ranked = new Map(order.map(([filter], place) => [filter, place]));
    arrange();
  }, { later: true });

  let ranked = new Map();
  function arrange() {
    const focused = grid.contains(document.activeElement) ? document.activeElement : null;
    const place = ({ filter }) =>
      ctx.state.get("order") === "loss" ? (ranked.get(filter) ?? tiles.length) : filter;
    const sorted = [...tiles].sort((a, b) => place(a) - place(b) || a.filter - b.filter);
    grid.append(...sorted.map((tile) => tile.element));
    focused?.focus();
  }
  ctx.on("order", arrange);

  ctx.update([...everything, "row", "column"], async (state, engine) => {
    const { net, y, x_hat, off } = await look(state);
    const { row, column } = state;
    const { kernel_size: k, padding_mode, final_activation, residual } = net.architecture;
    const reach = net.weights.length * ((k - 1) >> 1);
    const size = 2 * reach + 1;
    const [top, left] = [row - reach, column - reach];
    const inside = top >= 0 && left >= 0 && row + reach < y.height && column + reach < y.width;
    const part = inside || padding_mode === "zeros" ? cut(y, top, left, size) : { top: 0, left: 0, y };
    const found = await engine.contributions(net, part.y, row - part.top, column - part.left, { without: off });
    const at = (picture) => Array.from({ length: size ** 2 }, (_, n) => {
      const [i, j] = [top + Math.floor(n / size) - part.top, left + (n % size) - part.left];
      if (i < 0 || j < 0 || i >= picture.height || j >= picture.width) return undefined;
      return picture.data[i * picture.width + j];
    });
    const values = [part.y, found.gradient, found.contribution].map(at);
    windows = { values, top, left, size };
    grey.show(values[0], { colour: "grey", text: `Measurement, ${size} × ${size} pixels` });
    gradient.show(values[1], { text: `Gradient ∂x_hat[${row}, ${column}] / ∂y_delta` });
    contribution.show(values[2], { text: "Contribution: gradient × measurement" });
    const total = found.value - found.constant;
    const steps = [`Sum of ${values[2].filter((v) => v !== undefined).length} contributions ` +
      `${ippy.number(total, 4)} + constant ${ippy.number(found.constant, 4)} = ${ippy.number(found.value, 4)}`];
    if (final_activation) steps.push(`${final_activation}: ${ippy.number(core.head(core.image(1, 1, Float32Array.of(found.value)), final_activation).data[0], 4)}`);
    if (residual) steps.push(`plus y_delta[${row}, ${column}] = ${ippy.number(y.data[row * y.width + column], 4)}`);
    const shown = x_hat.data[row * y.width + column];
    Object.assign(sum.dataset, { constant: found.constant, value: found.value });
    sum.textContent = `${steps.join("; ")}. The network answers x_hat[${row}, ${column}] = ${ippy.number(shown, 4)}.`;
    readout.textContent = "Point at a cell, or go through a square with the arrow keys.";
    reconstruction.select(row, column);
    measurement.mark({ top, left, height: size, width: size });
    ctx.announce(sum.textContent);
  });
});

// The window of a pixel, as far as it lies in the picture. The pixel sees nothing else, so that
// the network's answer there is the same.
function cut(y, top, left, size) {
  const [first, start] = [Math.max(0, top), Math.max(0, left)];
  const [height, width] = [Math.min(y.height, top + size) - first, Math.min(y.width, left + size) - start];
  const part = ippy.image(height, width);
  for (let i = 0; i < height; i++)
    part.data.set(y.data.subarray((first + i) * y.width + start, (first + i) * y.width + start + width), i * width);
  return { top: first, left: start, y: part };
}
