// Native, labelled inputs, each bound to one parameter of the state.

// A value with its unit; a share, unit "%", is shown as per cent.
const describe = (parameter, value) => {
  if (parameter.kind !== "number" && parameter.kind !== "whole") return String(value);
  const factor = parameter.unit === "%" ? 100 : 1;
  const step = factor * (parameter.kind === "whole" ? 1 : parameter.step ?? 0.01);
  const digits = Math.min(4, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  const unit = parameter.unit ? `${parameter.unit === "°" ? "" : " "}${parameter.unit}` : "";
  return `${number(factor * value, digits)}${unit}`;
};

// A slider, with its value beside it. For a "log" scale the slider runs over the exponent.
function slider(key, parameter, label, state) {
  const id = newId();
  const log = parameter.scale === "log";
  const [to, from] = log ? [Math.log10, (v) => 10 ** v] : [(v) => v, (v) => v];
  const input = h("input", {
    type: "range", id, min: to(parameter.low), max: to(parameter.high),
    step: log ? (to(parameter.high) - to(parameter.low)) / 200 : parameter.step ?? "any",
  });
  const output = h("output", { for: id });
  const value = () => {
    const raw = from(Number(input.value));
    const round = log ? Number(raw.toPrecision(3)) : Number(raw.toPrecision(12));
    return Math.min(parameter.high, Math.max(parameter.low, round));
  };
  const show = () => {
    const current = state.get(key);
    if (document.activeElement !== input || value() !== current) input.value = to(current);
    output.textContent = log ? Number(current.toPrecision(2)).toString() : describe(parameter, current);
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => state.set({ [key]: value() }));
  state.on(key, show);
  show();
  return h("div", { class: "control" }, h("label", { for: id }, label), output, input);
}

function numberInput(key, parameter, label, state) {
  const id = newId();
  const step = parameter.kind === "whole" ? 1 : parameter.step ?? "any";
  const input = h("input", { type: "number", id, min: parameter.low, max: parameter.high, step });
  const show = () => {
    if (document.activeElement !== input) input.value = state.get(key);
  };
  input.addEventListener("change", () => {
    const value = parse(parameter, input.value);
    if (value !== undefined) state.set({ [key]: value });
    else input.value = state.get(key);
  });
  state.on(key, () => (input.value = state.get(key)));
  show();
  return h("div", { class: "control" }, h("label", { for: id }, label), input);
}

function select(key, parameter, label, state) {
  const id = newId();
  const options = parameter.choices.map(([value, text], n) => h("option", { value: n }, text));
  const index = () => parameter.choices.findIndex(([value]) => value === state.get(key));
  const input = h("select", { id }, options);
  input.addEventListener("change", () => state.set({ [key]: parameter.choices[input.value][0] }));
  const show = () => (input.value = index());
  state.on(key, show);
  show();
  return h("div", { class: "control" }, h("label", { for: id }, label), input);
}

function radios(key, parameter, label, state) {
  const name = newId();
  const inputs = parameter.choices.map(([value, text]) => {
    const input = h("input", { type: "radio", name, onchange: () => state.set({ [key]: value }) });
    return { value, input, element: h("label", {}, input, " ", text) };
  });
  const show = () => inputs.forEach(({ value, input }) => (input.checked = value === state.get(key)));
  state.on(key, show);
  show();
  return h("fieldset", { class: "control radios" }, h("legend", {}, label), inputs.map(({ element }) => element));
}

function checkbox(key, parameter, label, state) {
  const input = h("input", { type: "checkbox", onchange: () => state.set({ [key]: input.checked }) });
  const show = () => (input.checked = state.get(key));
  state.on(key, show);
  show();
  return h("div", { class: "control" }, h("label", { class: "check" }, input, " ", label));
}

const CONTROLS = { slider, number: numberInput, select, radio: radios, checkbox };
const USUAL = { number: "slider", whole: "slider", choice: "select", flag: "checkbox" };

function createControl(key, parameters, state, { label, kind } = {}) {
  const parameter = parameters[key];
  if (!parameter) throw new Error(`no parameter is called ${key}`);
  const make = CONTROLS[kind ?? USUAL[parameter.kind]];
  const element = make(key, parameter, label ?? parameter.label ?? key, state);
  element.dataset.key = key;
  return element;
}

function createButton(label, onclick, { pressed } = {}) {
  const button = h("button", { type: "button", onclick }, label);
  if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
  return button;
}

// A file from the reader's disk, chosen or dropped on the explorer.
function createFileInput({ label, accept, onfile, drops = true }, body, signal) {
  const id = newId();
  const input = h("input", { type: "file", id, accept });
  const take = (file) => file && onfile(file);
  input.addEventListener("change", () => {
    take(input.files[0]);
    input.value = "";
  });
  const isWanted = (file) => drops === true || drops(file);
  body.addEventListener("dragover", (event) => {
    event.preventDefault();
    body.classList.add("dropping");
  }, { signal });
  body.addEventListener("dragleave", () => body.classList.remove("dropping"), { signal });
  body.addEventListener("drop", (event) => {
    event.preventDefault();
    body.classList.remove("dropping");
    const file = event.dataTransfer?.files?.[0];
    if (file && drops && isWanted(file)) take(file);
  }, { signal });
  return h("div", { class: "control file" }, h("label", { for: id }, label), input);
}

// Named numbers in a row, such as PSNR and SSIM.
function createReadout(names) {
  const values = Object.fromEntries(Object.keys(names).map((key) => [key, h("dd", {}, "–")]));
  const pairs = Object.entries(names).map(([key, name]) => h("div", {}, h("dt", {}, name), values[key]));
  return {
    element: h("dl", { class: "readout" }, pairs),
    show(texts) {
      for (const [key, text] of Object.entries(texts)) values[key].textContent = text;
    },
  };
}
