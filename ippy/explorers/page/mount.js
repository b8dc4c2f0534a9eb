// How an explorer comes to life: on a host of a static page, or as the view of a live widget.

const explorers = new Map(); // name: {setup, title, parameters, course}
const SLOW = 150; // milliseconds after which a job that has become stale is given up

// NAME.js calls this with its name; the build has written title and parameters beside it. In a
// static page, whose scripts run when all hosts are there, they come to life at once.
function explorer(name, setup) {
  explorers.set(name, { ...ippy.defaults[name], setup });
  if (ippy.course) mountAll();
}

// What a static page loads when it is asked for: scripts beside this one, as fetch does not work
// on a page opened from a file. Each of them calls `deliver`.
const base = document.currentScript?.src?.replace(/[^/]*$/, "") ?? "";
const assets = new Map();
const deliveries = new Map();

function loadAsset(name) {
  if (!assets.has(name))
    assets.set(name, new Promise((resolve, reject) => {
      deliveries.set(name, resolve);
      const missing = () => {
        assets.delete(name);
        reject(new core.Problem(`A file of this page is missing: ${name}.js.`));
      };
      const version = ippy.versions[name];
      if (!version) return missing();
      document.head.append(h("script", { src: `${base}${name}.js?v=${version}`, onerror: missing }));
    }));
  return assets.get(name);
}

// In a live notebook Python is asked instead, and says when something has changed.
function askPython(model, signal) {
  const answers = new Map();
  const asked = new Map();
  const listen = ({ type, name, value, problem }) => {
    if (type === "changed") answers.delete(name);
    if (type !== "asset" || !asked.has(name)) return;
    const { resolve, reject } = asked.get(name);
    asked.delete(name);
    if (problem) answers.delete(name);
    if (problem) reject(new core.Problem(problem));
    else resolve(value);
  };
  model.on("msg:custom", listen);
  signal.addEventListener("abort", () => model.off("msg:custom", listen));
  return (name) => {
    if (!answers.has(name))
      answers.set(name, new Promise((resolve, reject) => {
        asked.set(name, { resolve, reject });
        model.send({ type: "asset", name });
      }));
    return answers.get(name);
  };
}

// Run `job` now and after each change of a key: one run at a time, and of changes that come during
// a run only the newest state gets another. An explorer is shown when the first run of each has
// ended, except of those that may come `later`.
function createUpdate({ state, signal, host, problem, drawn }) {
  return (keys, job, { later = false } = {}) => {
    let changed = true;
    let running = false;
    const run = async () => {
      if (running) return;
      running = true;
      host.dataset.busy = Number(host.dataset.busy) + 1;
      await Promise.resolve(); // several changes at once are one
      while (changed && !signal.aborted) {
        changed = false;
        const began = performance.now();
        const isStale = () => signal.aborted || (changed && performance.now() - began > SLOW);
        try {
          await job(state.all(), ippy.engine.until(isStale));
          problem(null);
        } catch (error) {
          if (error instanceof Stale) continue;
          problem(error.message);
          if (error.name !== "Problem") console.error(error);
        }
      }
      running = false;
      host.dataset.busy = Number(host.dataset.busy) - 1;
    };
    const again = () => {
      changed = true;
      return run();
    };
    keys.forEach((key) => state.on(key, again));
    const first = run();
    if (!later) drawn.push(first);
    return again;
  };
}

// The view itself: everything that NAME.js gets as `ctx`.
async function mount({ name, id, host, model, parameters, asset, isLive, signal }) {
  const { setup, title } = explorers.get(name);
  const body = h("div", { class: "ippy-body" });
  const line = h("p", { class: "ippy-problem", role: "alert", hidden: true });
  const voice = h("div", { class: "ippy-unseen", "aria-live": "polite" });
  host.append(body, line, voice);
  host.classList.add("ippy-alive");
  host.setAttribute("role", "group");
  host.setAttribute("aria-label", title);
  // JupyterLab's command mode would take the arrow keys.
  host.dataset.lmSuppressShortcuts = "true";
  host.addEventListener("keydown", (event) => isLive && event.stopPropagation());
  Object.assign(host.dataset, { busy: 1, theme: isDark() ? "dark" : "light" });
  style("explorers", SETUP.css);

  const redraws = new Set();
  watchTheme(() => {
    const theme = isDark() ? "dark" : "light";
    if (host.dataset.theme === theme) return;
    host.dataset.theme = theme;
    redraws.forEach((redraw) => redraw());
  }, signal);

  const zooms = new Map();
  const zoomOf = (group) => {
    if (!group) return createZoom();
    if (!zooms.has(group)) zooms.set(group, createZoom());
    return zooms.get(group);
  };
  const state = createState(model, parameters, signal);
  const problem = (sentence) => {
    line.hidden = !sentence;
    line.textContent = sentence ?? "";
  };
  let timer = 0;
  const announce = (text) => {
    clearTimeout(timer);
    timer = setTimeout(() => (voice.textContent = text), 500);
  };
  const once = (make) => {
    const made = new Map();
    return (key) => {
      if (!made.has(key)) made.set(key, make(key));
      made.get(key).catch?.(() => made.delete(key));
      return made.get(key);
    };
  };
  const networkOf = (found) => readNetwork(bytes(found.safetensors).buffer);
  const tools = { zoomOf, redraws, signal };
  const drawn = []; // the first runs of its updates

  const ctx = {
    name, body, host, parameters, state, asset, signal, isLive, problem, announce,
    course: await asset("course"),
    on: state.on,
    slice: once(async (index) => decodeSlice((await asset(`slice/${index}`)).png)),
    network: async (key) => networkOf(await asset(`weights/${key}`)),
    update: createUpdate({ state, signal, host, problem, drawn }),
    control: (key, options) => createControl(key, parameters, state, options),
    button: createButton,
    fileInput: (options) => createFileInput(options, body, signal),
    readout: createReadout,
    picture: (options) => createPicture(options, tools),
    curtain: (options) => createCurtain(options, tools),
    plot: createPlot,
    zoomControl: (group) => createZoomControl(zoomOf(group)),
    toolbar: (...more) => createToolbar({ id, name, state, parameters, isLive, announce }, more),
    // A problem outside of `update`, such as in a listener, is told in the same line.
    attempt: async (job) => {
      host.dataset.busy = Number(host.dataset.busy) + 1;
      try {
        await job();
        problem(null);
      } catch (error) {
        problem(error.message);
        if (error.name !== "Problem") console.error(error);
      }
      host.dataset.busy = Number(host.dataset.busy) - 1;
    },
  };
  try {
    await setup(ctx);
    await Promise.all(drawn);
  } catch (error) {
    problem(error.message);
    if (error.name !== "Problem") console.error(error);
  }
  host.dataset.busy = Number(host.dataset.busy) - 1;
  return ctx;
}

function createZoomControl(zoom) {
  const id = newId();
  const input = h("input", { type: "range", id, min: 0, max: 4, step: 0.05, value: 0 });
  const output = h("output", { for: id });
  const show = () => {
    input.value = Math.log2(zoom.factor);
    output.textContent = `${number(zoom.factor, 1)}×`;
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => zoom.to({ factor: 2 ** Number(input.value) }));
  zoom.views.add(show);
  show();
  return h("div", { class: "control" }, h("label", { for: id }, "Zoom"), output, input);
}

// Link to this view, reset, and what the explorer itself adds.
function createToolbar({ id, name, state, parameters, isLive, announce }, more) {
  const reset = createButton("Reset", () => {
    state.set(state.initial());
    announce("Reset");
  });
  if (isLive) return h("div", { class: "toolbar" }, more, reset);
  const link = createButton("Link to this view", async () => {
    const hash = writeAddress(id, parameters, state.all());
    history.replaceState(null, "", hash);
    try {
      await navigator.clipboard.writeText(location.href);
      link.textContent = "Link copied";
    } catch {
      link.textContent = "Link is in the address bar";
    }
    announce(link.textContent);
    setTimeout(() => (link.textContent = "Link to this view"), 3000);
  });
  const isOwnPage = document.documentElement.dataset.ippyPage === name;
  const own = isOwnPage ? null : h("a", {
    href: `${base}../../explorers/${name}.html`,
    onclick: (event) => (event.currentTarget.hash = writeAddress(name, parameters, state.all())),
  }, "Fill the window");
  return h("div", { class: "toolbar" }, more, link, reset, own);
}

// A host of a static page: its state is JSON inside it, else what the build gave as defaults.
const taken = new Set();
async function mountHost(host) {
  const name = host.dataset.explorer;
  if (host.dataset.busy !== undefined || !explorers.has(name)) return;
  Object.assign(host.dataset, { busy: "1", waiting: "" });
  const written = host.querySelector("script.ippy-state");
  const given = written ? JSON.parse(written.textContent) : {};
  const parameters = given.parameters ?? explorers.get(name).parameters;
  let id = name;
  for (let n = 2; taken.has(id); n++) id = `${name}-${n}`;
  taken.add(id);
  const values = Object.fromEntries(Object.entries(parameters).map(([key, { initial }]) => [key, initial]));
  const asset = async (key) => given.assets?.[key] ?? (key === "course" ? ippy.course : loadAsset(key));
  const model = createModel({ ...values, ...readAddress(id, parameters) });
  const { signal } = new AbortController();
  if (location.hash.startsWith(`#${id}:`)) host.scrollIntoView();
  const ctx = await mount({ name, id, host, model, parameters, asset, isLive: false, signal });
  host.removeAttribute("style"); // the space that was kept free; now its own height holds
  delete host.dataset.waiting;
  window.addEventListener("hashchange", () => {
    const changes = readAddress(id, parameters);
    if (location.hash.startsWith(`#${id}:`)) ctx.state.set({ ...values, ...changes });
  });
}

function mountAll() {
  document.querySelectorAll(".ippy-explorer[data-explorer]").forEach((host) => mountHost(host));
}

// What anywidget asks a module for.
function widget(name) {
  return {
    async render({ model, el }) {
      const controller = new AbortController();
      const { signal } = controller;
      const host = h("div", { class: "ippy-explorer", "data-explorer": name });
      el.append(host);
      const parameters = model.get("_parameters");
      const asset = askPython(model, signal);
      await mount({ name, id: name, host, model, parameters, asset, isLive: true, signal });
      return () => controller.abort();
    },
  };
}

Object.assign(ippy, {
  explorer, widget, mountAll, style, defaults: {},
  deliver: (name, value) => deliveries.get(name)?.(value),
});
