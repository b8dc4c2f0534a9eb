// A convolution on a slice: the kernel, chosen or painted; its picture; and the border.

const CUT = 64; // side of the cut-out in pixels
const PADDINGS = ["zeros", "circular", "reflect", "replicate"];
const FIXED = { // Sobel's and Laplace's kernels, 3×3
  sobel: [1, 0, -1, 2, 0, -2, 1, 0, -1].map((tap) => tap / 8),
  laplacian: [0, 1, 0, 1, -4, 1, 0, 1, 0],
};
const USES = { // the controls that a kernel needs
  identity: [], shift: ["kernel_size"], box: ["kernel_size"], gaussian: ["kernel_size", "variance"],
  motion: ["kernel_size", "angle"], fading: ["kernel_size"], sobel: [], laplacian: [],
  painted: ["kernel_size", "brush", "normalised"],
};
const SAYS = {
  identity: "One weight of 1 in the middle: nothing happens.",
  shift: "One weight of 1 at the right: a convolution moves the picture to the right, a cross-correlation to the left.",
  box: "The mean of a square.",
  gaussian: "A bell: near neighbours count more.",
  motion: "A point that moves evenly on a straight line. A half turn leaves it as it is.",
  fading: "A streak that fades to the right. It has a direction: the half turn matters.",
  sobel: "Right neighbours less left ones: upright edges. The sum is 0, so that even grey becomes zero.",
  laplacian: "The neighbours less four times the pixel: edges and points in every direction.",
  painted: "Your kernel.",
};

// A square kernel of any size, cut or framed with zeros about its middle.
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

// The kernel that the controls describe, as written: an image.
function kernelOf(state) {
  const { kernel_type: type, kernel_size: size } = state;
  const { core } = ippy;
  if (size % 2 === 0) throw new core.Problem(`The size of a kernel must be odd here, not ${size}.`);
  const r = size >> 1;
  const image = (side, taps) => core.image(side, side, Float32Array.from(taps));
  if (FIXED[type]) return image(3, FIXED[type]);
  if (type === "motion") return core.motionKernel(size, state.angle);
  if (type === "gaussian") return core.gaussianKernel(size, state.variance);
  if (type === "painted") {
    const taps = resized(state.taps, size);
    const total = taps.reduce((sum, tap) => sum + tap, 0);
    return image(size, state.normalised && Math.abs(total) > 1e-6 ? taps.map((tap) => tap / total) : taps);
  }
  const fading = Array.from({ length: r + 1 }, (_, t) => 0.6 ** t);
  const total = fading.reduce((sum, tap) => sum + tap, 0);
  const tap = {
    identity: (i, j) => Number(i === r && j === r),
    shift: (i, j) => Number(i === r && j === size - 1),
    box: () => 1 / (size * size),
    fading: (i, j) => (i === r && j >= r ? fading[j - r] / total : 0),
  }[type];
  return image(size, Array.from({ length: size * size }, (_, n) => tap(Math.floor(n / size), n % size)));
}

// The part of an image that begins at (top, left).
function cutOut(x, top, left) {
  const part = ippy.core.image(CUT, CUT);
  for (let i = 0; i < CUT; i++) {
    const from = (top + i) * x.width + left;
    part.data.set(x.data.subarray(from, from + CUT), i * CUT);
  }
  return part;
}

// The error of a cut-out: largest and RMS within r pixels of its border, the largest further in,
// and how far from the border errors are found.
function border(error, r) {
  const found = { worst: 0, rms: 0, inside: 0, width: 0 };
  let count = 0;
  error.data.forEach((value, n) => {
    const [i, j] = [Math.floor(n / CUT), n % CUT];
    const depth = Math.min(i, j, CUT - 1 - i, CUT - 1 - j);
    const size = Math.abs(value);
    if (size > 1e-5) found.width = Math.max(found.width, depth + 1);
    if (depth >= r) found.inside = Math.max(found.inside, size);
    else {
      found.worst = Math.max(found.worst, size);
      found.rms += size * size;
      count += 1;
    }
  });
  found.rms = Math.sqrt(found.rms / Math.max(1, count));
  return found;
}

const small = (value) => (value <= 1e-5 ? "rounding" : ippy.number(value, 4));

ippy.explorer("convolution", async (ctx) => {
  const { h } = ippy;
  const whole = ctx.picture({
    label: "Slice x", zoom: "slice",
    onpick: (row, column) => {
      const within = (value) => Math.min(256 - CUT, Math.max(0, value - CUT / 2));
      ctx.state.set({ top: within(row), left: within(column) });
    },
  });
  const result = ctx.picture({ label: "k ∗ x", zoom: "slice" });
  const framed = ctx.picture({ label: "Cut-out", zoom: "cut" });
  const truth = ctx.picture({ label: "Truth", zoom: "cut" });
  const errors = ctx.picture({ label: "Error", map: "error", zoom: "cut" });
  const says = h("p", { class: "quiet" });
  const checks = ctx.readout({ sum: "Sum", mass: "Centre of mass", turn: "Half turn" });
  const verdict = h("p", {});
  const caution = h("p", { class: "quiet" });
  const rows = h("tbody");
  const controls = Object.fromEntries(["kernel_size", "angle", "variance", "brush", "normalised"]
    .map((key) => [key, ctx.control(key)]));
  // On a phone the controls stand above the kernel, which must stay where it is under a finger.
  const offer = () => {
    if (paint.isPainting()) return;
    const needed = USES[ctx.state.get("kernel_type")];
    for (const [key, element] of Object.entries(controls)) element.hidden = !needed.includes(key);
  };
  const paint = createKernelGrid(ctx, () => offer());

  ctx.body.append(
    h("p", { class: "try" }, h("strong", {}, "Predict first: "), "the cut-out is blurred without its neighbours. How wide ",
      "is the ring of errors along its border? Then turn the motion upright: where will it be?"),
    h("div", { class: "first" },
      h("div", {}, ctx.control("slice"), ctx.control("kernel_type"), Object.values(controls),
        ctx.control("operation", { kind: "radio" })),
      h("div", {}, paint.element, says, checks.element),
      h("div", { class: "pictures" }, whole.element, result.element)),
    h("p", { class: "heading" }, "At the border of the cut-out"),
    h("p", {}, "Click into the slice, or go there with the arrow keys, to move the cut-out. The truth is cut out of the ",
      "blurred slice, with its real neighbours; the other one knows only the padding."),
    h("div", { class: "controls" }, ctx.control("padding", { kind: "radio" })),
    h("div", { class: "edges" },
      h("div", { class: "pictures" }, framed.element, truth.element, errors.element),
      h("div", {}, verdict, caution),
      h("table", {}, h("caption", {}, "Which padding is less wrong here?"),
        h("thead", {}, h("tr", {}, ["Padding", "RMS in the ring", "Worst", "Further in"].map((name) =>
          h("th", { scope: "col" }, name)))), rows)),
    ctx.toolbar());

  const kernelKeys = ["kernel_type", "kernel_size", "angle", "variance", "taps", "normalised"];
  ctx.update([...kernelKeys, "brush"], (state) => {
    const kernel = kernelOf(state);
    offer();
    says.textContent = SAYS[state.kernel_type];
    paint.show(kernel);
    const total = kernel.data.reduce((sum, tap) => sum + tap, 0);
    const r = kernel.height >> 1;
    const mean = (place) => kernel.data.reduce((sum, tap, n) => sum + tap * place(n), 0) / total;
    const mass = [(n) => Math.floor(n / kernel.width) - r, (n) => (n % kernel.width) - r].map(mean);
    const turned = kernel.data.slice().reverse();
    checks.show({
      sum: ippy.number(total, 2),
      mass: Math.abs(total) < 1e-6 ? "none" : `(${mass.map((value) => ippy.number(value, 1)).join(", ")})`,
      turn: kernel.data.every((tap, n) => Math.abs(tap - turned[n]) < 1e-6) ? "leaves it" : "changes it",
    });
  });

  ctx.update([...kernelKeys, "slice", "operation", "padding", "top", "left"], async (state, engine) => {
    const x = await ctx.slice(state.slice);
    const kernel = kernelOf(state);
    const r = kernel.height >> 1;
    const flip = state.operation === "convolution";
    const { top, left } = state;
    const blurred = await engine.convolve(x, kernel, { flip });
    const real = cutOut(blurred, top, left);
    const part = cutOut(x, top, left);
    const parts = {};
    for (const padding of PADDINGS) parts[padding] = await engine.convolve(part, kernel, { padding, flip });

    const total = kernel.data.reduce((sum, tap) => sum + tap, 0);
    // What sums to zero has answers of both signs: middle grey is zero.
    const largest = Math.max(...blurred.data.map(Math.abs));
    const range = Math.abs(total) < 1e-3 ? [-largest, largest] : [0, 1];
    const caption = Math.abs(total) < 1e-3 ? "middle grey is zero" : "";
    const box = { top, left, height: CUT, width: CUT };
    whole.show(x);
    whole.mark(box);
    whole.select(top + CUT / 2, left + CUT / 2); // from here the arrow keys go on
    result.show(blurred, { range, caption, label: flip ? "k ∗ x" : "k ⋆ x" });
    result.mark(box);
    framed.show(parts[state.padding], { range, caption: state.padding });
    truth.show(real, { range, caption: "" });
    const found = Object.fromEntries(PADDINGS.map((padding) =>
      [padding, border(ippy.core.subtract(parts[padding], real), r)]));
    const here = found[state.padding];
    errors.show(ippy.core.subtract(parts[state.padding], real), {
      range: here.worst > 1e-5 ? [0, here.worst] : [0, 1], caption: `worst ${small(here.worst)}`,
    });
    errors.mark(r ? { top: r, left: r, height: CUT - 2 * r, width: CUT - 2 * r } : null);
    rows.replaceChildren(...PADDINGS.map((padding) => h("tr", { "aria-current": padding === state.padding ? "true" : null },
      h("th", { scope: "row" }, padding), ["rms", "worst", "inside"].map((key) =>
        h("td", { "data-value": String(found[padding][key]) }, small(found[padding][key]))))));
    const size = here.width === 1 ? "1 pixel" : `${here.width} pixels`;
    const sentence = here.width
      ? `The errors reach ${size} into the cut-out; the kernel's radius is ${r}. The worst is ${small(here.worst)}.`
      : "No errors here: this kernel does not look beyond the border, or what it finds there is right.";
    verdict.textContent = sentence;
    const touches = Math.min(top, left, 256 - CUT - top, 256 - CUT - left) < r;
    caution.textContent = touches
      ? "A side of this cut-out is a side of the slice itself: what is called the truth there is made with zeros, too."
      : "";
    ctx.announce(sentence);
  });
});

// The kernel as cells to paint: by mouse and finger, or with arrow keys and Space; Delete clears.
function createKernelGrid(ctx, onlift) {
  const { h } = ippy;
  const grid = h("div", { class: "kernel", role: "grid", "aria-label": "Kernel; arrow keys move, Space paints, Delete clears" });
  const told = h("p", { class: "quiet" });
  let [cells, kernel, at, stroke] = [[], null, 0, null];

  const describe = (n) =>
    `row ${Math.floor(n / kernel.width)}, column ${n % kernel.width}: ${ippy.number(kernel.data[n], 3)}`;
  const focusOn = (n) => {
    cells[at]?.setAttribute("tabindex", -1);
    at = n;
    cells[at].setAttribute("tabindex", 0);
    told.textContent = describe(at);
  };

  // The first touch of a chosen kernel makes it a painted one, of the same effect: its largest
  // weight becomes 1 and the division by the sum takes that back.
  function set(n, value) {
    const { state } = ctx;
    const size = kernel.width;
    let taps = resized(state.get("taps"), size);
    let normalised = state.get("normalised");
    if (state.get("kernel_type") !== "painted") {
      const total = kernel.data.reduce((sum, tap) => sum + tap, 0);
      normalised = Math.abs(total - 1) < 1e-3;
      const largest = normalised ? Math.max(...kernel.data.map(Math.abs)) : 1;
      taps = Array.from(kernel.data, (tap) => Number((tap / largest).toPrecision(5)));
    }
    taps[n] = value;
    ctx.state.set({ kernel_type: "painted", kernel_size: size, taps, normalised });
  }
  const isPainted = (n) => ctx.state.get("kernel_type") === "painted"
    && resized(ctx.state.get("taps"), kernel.width)[n] === ctx.state.get("brush");
  const cellAt = (event) => cells.indexOf(document.elementFromPoint(event.clientX, event.clientY));

  grid.addEventListener("pointerdown", (event) => {
    const n = cellAt(event);
    if (n < 0 || event.button) return;
    event.preventDefault();
    focusOn(n);
    cells[n].focus({ preventScroll: true });
    stroke = isPainted(n) ? 0 : ctx.state.get("brush");
    set(n, stroke);
  });
  grid.addEventListener("pointermove", (event) => {
    if (stroke === null || !event.buttons) return;
    const n = cellAt(event);
    if (n < 0 || n === at) return;
    focusOn(n);
    set(n, stroke);
  });
  for (const end of ["pointerup", "pointercancel"])
    document.addEventListener(end, () => {
      if (stroke === null) return;
      stroke = null;
      onlift();
    }, { signal: ctx.signal });
  grid.addEventListener("keydown", (event) => {
    const width = kernel.width;
    const [row, column] = [Math.floor(at / width), at % width];
    const moves = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
    };
    if (moves[event.key]) {
      const [i, j] = moves[event.key].map((value) => Math.min(width - 1, Math.max(0, value)));
      focusOn(i * width + j);
      cells[at].focus();
    } else if (event.key === " " || event.key === "Enter")
      set(at, isPainted(at) ? 0 : ctx.state.get("brush"));
    else if (event.key === "Delete" || event.key === "Backspace") set(at, 0);
    else return;
    event.preventDefault();
  });

  return {
    element: h("div", {}, grid, told),
    isPainting: () => stroke !== null,
    show(newKernel) {
      const hadFocus = grid.contains(document.activeElement);
      const isNewSize = kernel?.width !== newKernel.width;
      kernel = newKernel;
      if (isNewSize) {
        cells = Array.from(kernel.data, () => h("div", { role: "gridcell", tabindex: -1 }));
        const { width } = kernel;
        grid.replaceChildren(...Array.from({ length: width }, (_, i) =>
          h("div", { role: "row" }, cells.slice(i * width, (i + 1) * width))));
        cells[cells.length >> 1].classList.add("middle");
        focusOn(cells.length >> 1);
        if (hadFocus) cells[at].focus();
      }
      const largest = Math.max(...kernel.data.map(Math.abs)) || 1;
      cells.forEach((cell, n) => {
        cell.style.setProperty("--size", Math.sqrt(Math.abs(kernel.data[n]) / largest).toFixed(3));
        cell.classList.toggle("negative", kernel.data[n] < 0);
        cell.setAttribute("aria-label", describe(n));
      });
      told.textContent = describe(at);
    },
  };
}
