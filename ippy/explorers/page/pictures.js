// Pictures on canvases: zoomed together, picked from with mouse, finger or keys, compared by a curtain.

// The part of the pictures that the pictures of a group show: a square `1 / factor` as wide.
function createZoom() {
  const views = new Set();
  const zoom = {
    factor: 1, row: 0.5, column: 0.5, // the middle of the part, in units of the picture
    views,
    to(changes) {
      Object.assign(zoom, changes);
      zoom.factor = Math.min(16, Math.max(1, zoom.factor));
      const half = 0.5 / zoom.factor;
      for (const axis of ["row", "column"]) zoom[axis] = Math.min(1 - half, Math.max(half, zoom[axis]));
      views.forEach((draw) => draw());
    },
  };
  return zoom;
}

// A canvas that shows layers, each painted by `draw(context, part, side)`, with the zoom's gestures.
function createStage(zoom, { role = "img", label = "", signal }) {
  const canvas = h("canvas", { role, "aria-label": label, width: 512, height: 512 });
  const view = { canvas, height: 1, width: 1, draw: () => {} };

  // What is visible, in pixels of the picture.
  view.part = () => {
    const { factor, row, column } = zoom;
    const [height, width] = [view.height / factor, view.width / factor];
    const [top, left] = [row * view.height - height / 2, column * view.width - width / 2];
    return { top, left, height, width };
  };
  view.pixelAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const { top, left, height, width } = view.part();
    const row = Math.floor(top + ((event.clientY - box.top) / box.height) * height);
    const column = Math.floor(left + ((event.clientX - box.left) / box.width) * width);
    return [
      Math.min(view.height - 1, Math.max(0, row)),
      Math.min(view.width - 1, Math.max(0, column)),
    ];
  };
  view.resize = (height, width) => {
    Object.assign(view, { height, width });
    canvas.style.aspectRatio = `${width} / ${height}`;
    fit();
  };
  // As many dots as the screen has there, so that thin marks are neither lost nor blurred.
  function fit() {
    const dots = Math.min(1024, Math.round(canvas.clientWidth * devicePixelRatio)) || 512;
    const sides = { height: Math.round((dots * view.height) / view.width), width: dots };
    if (canvas.width === sides.width && canvas.height === sides.height) return;
    Object.assign(canvas, sides);
    view.draw();
  }
  const observer = new ResizeObserver(fit);
  observer.observe(canvas);
  signal.addEventListener("abort", () => observer.disconnect());
  view.layer = (painted) => {
    const context = canvas.getContext("2d");
    const { top, left, height, width } = view.part();
    // Pixels are to be seen as squares once they are large enough.
    context.imageSmoothingEnabled = canvas.width < 3 * width;
    context.imageSmoothingQuality = "high";
    context.drawImage(painted, left, top, width, height, 0, 0, canvas.width, canvas.height);
  };

  const draw = () => view.draw();
  zoom.views.add(draw);
  signal.addEventListener("abort", () => zoom.views.delete(draw));
  return view;
}

// Ctrl and wheel (or a pinch), the keys + − 0, and a drag while zoomed move all pictures of a group.
function addZoomGestures(view, zoom) {
  const { canvas } = view;
  const fingers = new Map();
  // What lies under the wheel, or between two fingers, stays there.
  const zoomAbout = (place, by) => {
    const [row, column] = view.pixelAt(place);
    const factor = Math.min(16, Math.max(1, zoom.factor * by));
    const towards = (middle, there) => there + (middle - there) * (zoom.factor / factor);
    zoom.to({
      factor,
      row: towards(zoom.row, row / view.height),
      column: towards(zoom.column, column / view.width),
    });
  };
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoomAbout(event, Math.exp(-event.deltaY / 200));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const change = { "+": 1.5, "=": 1.5, "-": 1 / 1.5 }[event.key];
    if (change) zoom.to({ factor: zoom.factor * change });
    else if (event.key === "0") zoom.to({ factor: 1 });
    else return;
    event.preventDefault();
  });
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  };
  const between = () => {
    const [a, b] = [...fingers.values()];
    return { clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 };
  };
  canvas.addEventListener("pointerdown", (event) => fingers.set(event.pointerId, event));
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const width = fingers.size === 2 && spread();
    fingers.set(event.pointerId, event);
    if (width) zoomAbout(between(), spread() / width);
    else if (zoom.factor > 1 && !view.busyWithDrag) {
      const scale = zoom.factor * canvas.getBoundingClientRect().width;
      zoom.to({
        row: zoom.row - (event.clientY - before.clientY) / scale,
        column: zoom.column - (event.clientX - before.clientX) / scale,
      });
    }
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"])
    canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
  // One finger scrolls the page, unless there is more of the picture to be seen. The browser asks
  // when a finger comes down, so that it has to be known before.
  zoom.views.add(() => {
    if (!view.busyWithDrag) canvas.style.touchAction = zoom.factor > 1 ? "none" : "";
  });
}

// A pixel chosen by click or by keys: arrows move the mark, ten pixels with Shift, Enter picks.
function addPicking(view, onpick, redraw) {
  const { canvas } = view;
  canvas.tabIndex = 0;
  let down = null;
  canvas.addEventListener("pointerdown", (event) => (down = [event.clientX, event.clientY]));
  canvas.addEventListener("pointerup", (event) => {
    if (!down || Math.hypot(event.clientX - down[0], event.clientY - down[1]) > 6) return;
    view.selected = view.pixelAt(event);
    redraw();
    onpick(...view.selected);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 10 : 1;
    const moves = { ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step] };
    const move = moves[event.key];
    if (!move && event.key !== "Enter") return;
    event.preventDefault();
    const [row, column] = view.selected ?? [view.height >> 1, view.width >> 1];
    const within = (value, size) => Math.min(size - 1, Math.max(0, value));
    view.selected = [
      within(row + (move?.[0] ?? 0), view.height),
      within(column + (move?.[1] ?? 0), view.width),
    ];
    redraw();
    onpick(...view.selected);
  });
}

// The picture itself taken along, by pointer or arrow keys: ondrag(rows, columns) in its pixels.
function addDragging(view, ondrag) {
  const { canvas } = view;
  canvas.tabIndex = 0;
  canvas.style.touchAction = "none";
  canvas.classList.add("draggable");
  view.busyWithDrag = true;
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = [event.clientY, event.clientX];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) return;
    const box = canvas.getBoundingClientRect();
    const { height, width } = view.part();
    const rows = Math.round(((event.clientY - from[0]) / box.height) * height);
    const columns = Math.round(((event.clientX - from[1]) / box.width) * width);
    if (rows === 0 && columns === 0) return;
    from = [from[0] + (rows / height) * box.height, from[1] + (columns / width) * box.width];
    ondrag(rows, columns);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (from = null));
  canvas.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 10 : 1;
    const moves = { ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step] };
    if (!moves[event.key]) return;
    event.preventDefault();
    ondrag(...moves[event.key]);
  });
}

// Marks are drawn twice, dark and light, so that they show on any picture.
function outline(view, { top, left, height, width }, thick = 2) {
  const { canvas } = view;
  const part = view.part();
  const scale = canvas.width / part.width;
  const box = [(left - part.left) * scale, (top - part.top) * scale, width * scale, height * scale];
  const context = canvas.getContext("2d");
  for (const [colour, extra] of [["#000", 2], ["#ffd54a", 0]]) {
    context.strokeStyle = colour;
    context.lineWidth = thick + extra;
    context.strokeRect(...box);
  }
}

function createPicture(options, { zoomOf, redraws, signal }) {
  const { label, map = "grey", log = false, bar = map !== "grey", onpick, ondrag } = options;
  const zoom = zoomOf(options.zoom);
  const role = onpick || ondrag ? "application" : "img";
  const view = createStage(zoom, { role, label, signal });
  const caption = h("span", { class: "caption" });
  const title = h("span", {}, label);
  const colours = bar ? colourBar(map, log) : null;
  const element = h("figure", { class: "picture" },
    h("figcaption", {}, title, " ", caption), view.canvas, colours?.element);
  let shown = null;
  let painted = null;
  let marked = null;

  view.draw = () => {
    if (!painted) return;
    view.canvas.getContext("2d").clearRect(0, 0, view.canvas.width, view.canvas.height);
    view.layer(painted);
    if (marked) outline(view, marked);
    if (view.selected) {
      const [top, left] = view.selected;
      outline(view, { top, left, height: 1, width: 1 });
    }
  };
  function repaint() {
    if (!shown) return;
    const range = shown.range ?? rangeOf(map, shown.image);
    painted = paint(shown.image, map, range, log);
    view.resize(shown.image.height, shown.image.width);
    colours?.show(range);
    view.draw();
  }
  redraws.add(repaint);
  if (options.zoom) addZoomGestures(view, zoom);
  if (options.zoom) view.canvas.tabIndex = 0;
  if (onpick) addPicking(view, onpick, () => view.draw());
  if (ondrag) addDragging(view, ondrag);

  return {
    element,
    canvas: view.canvas,
    show(image, { range, label: newLabel, caption: text, alt } = {}) {
      shown = { image, range: range ?? options.range };
      if (newLabel !== undefined) title.textContent = newLabel;
      if (text !== undefined) caption.textContent = text;
      view.canvas.setAttribute("aria-label", alt ?? `${title.textContent} ${caption.textContent}`.trim());
      repaint();
    },
    mark(box) {
      marked = box;
      view.draw();
    },
    select(row, column) {
      view.selected = row === undefined ? null : [row, column];
      view.draw();
    },
  };
}

// Two pictures on one another; a range input, or a drag, says how much of the first is seen.
function createCurtain(options, { zoomOf, redraws, signal }) {
  const { left, right, label = "Before and after" } = options;
  const zoom = zoomOf(options.zoom);
  const view = createStage(zoom, { label: `${left}; ${right}`, signal });
  const id = newId();
  const slider = h("input", { type: "range", id, min: 0, max: 100, value: 50, oninput: () => view.draw() });
  const names = [h("span", {}, left), h("span", {}, right)];
  const element = h("figure", { class: "picture curtain" },
    h("figcaption", {}, h("label", { for: id }, label)), view.canvas,
    h("div", {}, slider, h("div", { class: "bar-numbers", "aria-hidden": "true" }, names)));
  let shown = null;
  let painted = null;
  view.draw = () => {
    if (!painted) return;
    const context = view.canvas.getContext("2d");
    const { width, height } = view.canvas;
    const edge = (width * Number(slider.value)) / 100;
    context.clearRect(0, 0, width, height);
    view.layer(painted[1]);
    context.save();
    context.beginPath();
    context.rect(0, 0, edge, height);
    context.clip();
    view.layer(painted[0]);
    context.restore();
    context.fillStyle = "#ffd54a";
    context.fillRect(edge - 1, 0, 2, height);
  };
  view.canvas.addEventListener("pointermove", (event) => {
    if (event.buttons !== 1 || zoom.factor > 1) return;
    const box = view.canvas.getBoundingClientRect();
    slider.value = (100 * (event.clientX - box.left)) / box.width;
    view.draw();
  });
  function repaint() {
    if (!shown) return;
    painted = shown.images.map((image) => paint(image, "grey", shown.range));
    view.resize(shown.images[0].height, shown.images[0].width);
    view.draw();
  }
  redraws.add(repaint);
  if (options.zoom) addZoomGestures(view, zoom);
  return {
    element,
    canvas: view.canvas,
    show(first, second, { range = [0, 1], labels } = {}) {
      shown = { images: [first, second], range };
      labels?.forEach((text, n) => (names[n].textContent = text));
      view.canvas.setAttribute("aria-label", names.map((name) => name.textContent).join("; "));
      repaint();
    },
  };
}
