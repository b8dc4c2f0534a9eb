// One output pixel of a convolution, number by number: the window, the products, the sum.

// A whole number as such, any other with at most two digits after the point.
const plain = (value) => ippy.number(value, Math.abs(value - Math.round(value)) < 5e-3 ? 0 : 2);
const inBrackets = (value) => (value < 0 ? `(${plain(value)})` : plain(value));

// Where padding finds the pixel i of a line of n; -1: there is a zero.
function source(i, n, mode) {
  if (i >= 0 && i < n) return i;
  if (mode === "circular") return ((i % n) + n) % n;
  if (mode === "replicate") return i < 0 ? 0 : n - 1;
  if (mode === "reflect") return i < 0 ? -i : 2 * (n - 1) - i;
  return -1;
}

// A square kernel of any size, cut or framed with zeros about its element (m >> 1, m >> 1).
function resized(taps, size) {
  const given = Math.sqrt(taps.length);
  if (!Number.isInteger(given) || given < 1)
    throw new ippy.core.Problem(`A kernel of ${taps.length} numbers is not a square.`);
  const before = (size >> 1) - (given >> 1);
  return Array.from({ length: size * size }, (_, n) => {
    const [i, j] = [Math.floor(n / size) - before, (n % size) - before];
    return i >= 0 && j >= 0 && i < given && j < given ? taps[i * given + j] : 0;
  });
}

// Everything there is to say about a setting: output size, weights as they meet the pixels, result.
function solve(state, picture) {
  const { kernel_size: m, padding: p, stride: s, dilation: d, padding_mode: mode } = state;
  const n = picture.length;
  const room = n + 2 * p - d * (m - 1) - 1;
  const size = Math.floor(room / s) + 1;
  const kernel = resized(state.taps, m);
  const weights = state.operation === "convolution" ? kernel.slice().reverse() : kernel;
  const pixel = (i, j, how = mode) => {
    const [row, column] = [source(i, n, how), source(j, n, how)];
    return row < 0 || column < 0 ? 0 : picture[row][column];
  };
  // The pixels under the window of (row, column), as places in the picture; those outside it too.
  const window = (row, column) => weights.map((_, k) => [
    row * s + Math.floor(k / m) * d - p, column * s + (k % m) * d - p,
  ]);
  const sum = (row, column, w = weights, how = mode) =>
    window(row, column).reduce((total, [i, j], k) => total + w[k] * pixel(i, j, how), 0);
  const result = Array.from({ length: Math.max(0, size) }, (_, i) =>
    Array.from({ length: size }, (_, j) => sum(i, j)));
  const read = new Set(result.flatMap((line, i) => line.flatMap((_, j) => window(i, j).map(String))));
  return { n, room, size, kernel, weights, pixel, window, sum, result, read };
}

// Which mistake leads to this number? Null if none that is known.
function mistake(answer, right, solved, state, row, column) {
  const close = (value) => Math.abs(value - answer) < 0.006;
  const backwards = solved.weights.slice().reverse();
  const products = solved.window(row, column).map(([i, j], k) => solved.weights[k] * solved.pixel(i, j));
  if (close(solved.sum(row, column, backwards)))
    return state.operation === "convolution"
      ? "That is the cross-correlation: give the kernel half a turn first."
      : "That is the convolution: a cross-correlation leaves the kernel as it is.";
  if (close(products.reduce((sum, value) => sum + Math.abs(value), 0)))
    return "Mind the signs: one of the products is negative.";
  if (state.padding_mode !== "zeros" && close(solved.sum(row, column, solved.weights, "zeros")))
    return `That is the sum with zeros beyond the border; here it is ${state.padding_mode}.`;
  for (const [i, j] of [[-1, 0], [1, 0], [0, -1], [0, 1], [-1, -1], [1, 1], [-1, 1], [1, -1]])
    if (solved.result[row + i]?.[column + j] !== undefined && close(solved.result[row + i][column + j]))
      return `That belongs to row ${row + i}, column ${column + j}: look where the window lies.`;
  if (close(-right)) return "The other sign.";
  return null;
}

ippy.explorer("window", async (ctx) => {
  const { h } = ippy;
  const pictures = await ctx.asset("window/pictures");
  const formula = h("p", { class: "formula" });
  const warning = h("p", { class: "warning", role: "status" });
  const sum = h("p", { class: "sum" });
  const places = Object.fromEntries(["image", "taps", "turned", "products", "result"]
    .map((name) => [name, h("div", {})]));
  const answers = new Set(); // places that the reader has found
  let asked = ""; // the settings to which they belong
  let latest = null;

  const table = (place, caption, lines, cell, attributes = {}) => {
    const size = lines.length ? lines[0].length : 0;
    const rows = lines.map((line, i) => h("tr", {}, line.map((value, j) => cell(value, i, j))));
    const kind = [attributes.class, size > 8 ? "wide" : null].filter(Boolean).join(" ");
    place.replaceChildren(h("div", { class: "name", "aria-hidden": "true" }, caption),
      h("table", { "aria-label": caption, ...attributes, class: kind || null }, h("tbody", {}, rows)));
  };
  const square = (values) => {
    const size = Math.sqrt(values.length);
    return Array.from({ length: size }, (_, i) => values.slice(i * size, (i + 1) * size));
  };

  const go = (row, column) => {
    const last = latest.size - 1;
    const within = (value) => Math.min(last, Math.max(0, value));
    ctx.state.set({ row: within(row), column: within(column) });
  };
  const stepBy = (step) => {
    const { size, row, column } = latest;
    const next = (row * size + column + step + size * size) % (size * size);
    go(Math.floor(next / size), next % size);
  };

  // The kernel as written is changed by typing; its inputs are made anew only for another size.
  let inputs = [];
  function showTaps(kernel, size) {
    if (inputs.length !== kernel.length) {
      inputs = kernel.map((_, k) => h("input", {
        type: "number", step: "any", min: -99, max: 99,
        "aria-label": `Kernel as written, row ${Math.floor(k / size)}, column ${k % size}`,
        onchange: (event) => {
          const value = Math.min(99, Math.max(-99, Number(event.target.value) || 0));
          event.target.value = value;
          ctx.state.set({ taps: latest.kernel.map((tap, at) => (at === k ? value : tap)) });
        },
      }));
      table(places.taps, "kernel, written", square(inputs), (input) => h("td", {}, input), { class: "taps" });
    }
    kernel.forEach((value, k) => {
      if (document.activeElement !== inputs[k]) inputs[k].value = Number(value.toPrecision(4));
    });
  }

  const isHidden = (i, j) => latest.state.predict && !answers.has(`${i},${j}`);

  function showResult() {
    const { result, row, column } = latest;
    const hadFocus = places.result.contains(document.activeElement);
    table(places.result, `result, ${result.length}×${result.length}`, result, (value, i, j) => {
      const text = isHidden(i, j) ? "?" : plain(value);
      const here = i === row && j === column;
      return h("td", {
        class: here ? "here" : null, tabindex: here ? 0 : -1, "aria-selected": String(here),
        "aria-label": `row ${i}, column ${j}: ${isHidden(i, j) ? "hidden" : text}`,
        "data-value": isHidden(i, j) ? null : String(value),
        onclick: () => (places.result.querySelector(".here")?.focus(), go(i, j)),
      }, text);
    }, { role: "grid", "aria-label": "Result; arrow keys move the window" });
    if (hadFocus) places.result.querySelector(".here")?.focus();
  }
  places.result.addEventListener("keydown", (event) => {
    const { row, column, size } = latest;
    const moves = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1], Home: [row, 0], End: [row, size - 1],
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    go(...moves[event.key]);
  });

  function showImage() {
    const { state, n, pixel, window, row, column, read } = latest;
    const p = state.padding;
    const under = new Set(window(row, column).map(String));
    const lines = Array.from({ length: n + 2 * p }, (_, i) =>
      Array.from({ length: n + 2 * p }, (_, j) => [i - p, j - p]));
    const span = state.dilation * (state.kernel_size - 1);
    const beneath = (i) => Math.round((i + p - span / 2) / state.stride);
    table(places.image, p ? "image and padding" : "image", lines, ([i, j]) => {
      const inside = i >= 0 && j >= 0 && i < n && j < n;
      const kind = [inside ? "image" : "padding", under.has(`${i},${j}`) ? "under" : null,
        read.has(`${i},${j}`) ? null : "unread"].filter(Boolean).join(" ");
      return h("td", { class: kind, onclick: () => go(beneath(i), beneath(j)) }, plain(pixel(i, j)));
    });
  }

  function showFormula() {
    const { state, n, room, size, read } = latest;
    const { kernel_size: m, padding: p, stride: s, dilation: d } = state;
    formula.replaceChildren("Output size: ⌊(n + 2p − d(m − 1) − 1) / s⌋ + 1 = ",
      `⌊(${n} + 2·${p} − ${d}·(${m} − 1) − 1) / ${s}⌋ + 1 = `, `⌊${room}/${s}⌋ + 1 = `, h("b", {}, size));
    const rest = room % s;
    let unread = 0;
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (!read.has(`${i},${j}`)) unread += 1;
    const lines = rest === 1 ? "row and column" : `${rest} rows and columns`;
    const lost = unread
      ? `${unread} of the ${n * n} pixels of the image are never read (struck out): change them, and nothing happens.`
      : "Here that is only padding.";
    warning.textContent = rest
      ? `The stride does not fit: ${room} is no multiple of ${s}, and the last ${lines} are left out. ${lost}`
      : unread ? `The window jumps over pixels: ${lost}` : "";
  }

  function showSum() {
    const { state, pixel, window, weights, row, column, result } = latest;
    const pixels = window(row, column).map(([i, j]) => pixel(i, j));
    const products = pixels.map((value, k) => value * weights[k]);
    const turned = state.operation === "convolution";
    const hidden = isHidden(row, column);
    table(places.turned, turned ? "half-turned" : "as it is", square(weights),
      (value) => h("td", {}, hidden ? "?" : plain(value)), { class: "turned" });
    table(places.products, "products", square(products),
      (value) => h("td", {}, hidden ? "?" : plain(value)), { class: "products" });
    const terms = pixels.map((value, k) => `${plain(value)}·${hidden ? "?" : inBrackets(weights[k])}`);
    const total = plain(result[row][column]);
    sum.replaceChildren(h("span", {}, `Row ${row}, column ${column}: ${terms.join(" + ")} = `),
      h("b", {}, hidden ? "?" : total));
    ctx.announce(`Row ${row}, column ${column}: ${hidden ? "predict the sum" : `sum ${total}`}`);
  }

  const guess = h("input", { type: "number", step: "any", id: ippy.newId() });
  const verdict = h("p", { role: "status" });
  const reveal = () => {
    answers.add(`${latest.row},${latest.column}`);
    showSum();
    showResult();
  };
  const answer = h("form", {
    class: "answer", hidden: true,
    onsubmit: (event) => {
      event.preventDefault();
      if (guess.value === "") return;
      const { row, column, result, state } = latest;
      const right = result[row][column];
      if (Math.abs(Number(guess.value) - right) < 0.006) {
        verdict.textContent = `${plain(right)} is right.`;
        reveal();
        return;
      }
      verdict.textContent = mistake(Number(guess.value), right, latest, state, row, column)
        ?? `Not ${plain(Number(guess.value))}. Multiply each number in the window with its weight and add up.`;
    },
  }, h("div", { class: "control" }, h("label", { for: guess.id }, "Your sum"), guess),
  h("button", { type: "submit" }, "Check"), ctx.button("Show it", () => (reveal(), (verdict.textContent = ""))), verdict);

  const task = h("span");
  ctx.body.append(
    h("p", { class: "try" }, h("strong", {}, "Predict first: "), task),
    h("div", { class: "controls" }, ctx.control("picture"), ctx.control("operation"), ctx.control("kernel_size"),
      ctx.control("padding"), ctx.control("padding_mode"), ctx.control("stride"), ctx.control("dilation")),
    h("div", { class: "board" }, places.taps, places.turned, places.image, places.products, places.result),
    sum, h("div", { class: "toolbar" }, ctx.button("◀ Back", () => stepBy(-1)), ctx.button("Step ▶", () => stepBy(1)),
      ctx.control("predict")),
    answer, formula, warning, ctx.toolbar());

  ctx.update(Object.keys(ctx.parameters), (state) => {
    task.textContent = state.stride > 1
      ? "which pixels of the image does no window ever read? Then look for a padding that makes the stride fit."
      : "set the image to one bright pixel. What will the result be? And what if the kernel is not turned?";
    const solved = solve(state, pictures[state.picture]);
    if (solved.room < 0)
      throw new ippy.core.Problem(`The kernel spans ${state.dilation * (state.kernel_size - 1) + 1} pixels, and
        there are only ${solved.n + 2 * state.padding}: add padding, or make it smaller.`.replace(/\s+/g, " "));
    const within = (value) => Math.min(solved.size - 1, value);
    const settings = JSON.stringify({ ...state, row: 0, column: 0, predict: true });
    const [row, column] = [within(state.row), within(state.column)];
    if (settings !== asked || !state.predict) answers.clear();
    if (settings !== asked || latest?.row !== row || latest?.column !== column) {
      guess.value = "";
      verdict.textContent = "";
    }
    asked = settings;
    latest = { ...solved, state, row, column };
    answer.hidden = !state.predict;
    showTaps(solved.kernel, state.kernel_size);
    showImage();
    showSum();
    showResult();
    showFormula();
  });
});
