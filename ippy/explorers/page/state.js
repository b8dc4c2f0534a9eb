// The parameters of an explorer: what Python, the controls and the page's address agree on.

// The value that a text from outside stands for, or undefined if it is none that is allowed.
function parse(parameter, text) {
  const inRange = (value) => value >= parameter.low && value <= parameter.high;
  const one = (part) => (/^-?\d{1,16}(\.\d{1,16})?(e-?\d{1,2})?$/.test(part) ? Number(part) : NaN);
  switch (parameter.kind) {
    case "number":
      return inRange(one(text)) ? one(text) : undefined;
    case "whole":
      return inRange(one(text)) && Number.isInteger(one(text)) ? one(text) : undefined;
    case "flag":
      return ["0", "1"].includes(text) ? text === "1" : undefined;
    case "choice":
      return parameter.choices.find(([value]) => String(value) === text)?.[0];
    case "numbers": {
      const values = text === "" ? [] : text.split(",", parameter.length + 1).map(one);
      return values.length <= parameter.length && values.every(inRange) ? values : undefined;
    }
  }
}

function print(parameter, value) {
  if (parameter.kind === "flag") return value ? "1" : "0";
  if (parameter.kind === "numbers") return value.map((v) => Number(v.toPrecision(6))).join(",");
  return String(value);
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// What an address says about the explorer `id`: "#id:angle=45&padding=circular". An address is
// written by anyone, so that only known keys with allowed values are taken.
function readAddress(id, parameters, hash = location.hash) {
  const found = {};
  if (hash.length > 4000 || !hash.startsWith(`#${id}:`)) return found;
  for (const part of hash.slice(id.length + 2).split("&")) {
    const [key, text = ""] = part.split("=", 2);
    if (!Object.hasOwn(parameters, key)) continue;
    try {
      const value = parse(parameters[key], decodeURIComponent(text));
      if (value !== undefined) found[key] = value;
    } catch {
      // Not a well-formed address: as if the key were not there.
    }
  }
  return found;
}

function writeAddress(id, parameters, values) {
  const parts = Object.entries(parameters)
    .filter(([key, { initial }]) => !same(values[key], initial))
    .map(([key, parameter]) => `${key}=${encodeURIComponent(print(parameter, values[key]))}`);
  return `#${id}:${parts.join("&")}`;
}

// The model of a page without Python: it keeps values and tells who listens, as anywidget's does.
function createModel(values) {
  const listeners = new Map();
  return {
    get: (key) => values[key],
    set(key, value) {
      if (same(values[key], value)) return;
      values[key] = value;
      for (const listener of [...(listeners.get(`change:${key}`) ?? [])]) listener();
    },
    on(event, listener) {
      if (!listeners.has(event)) listeners.set(event, new Set());
      listeners.get(event).add(listener);
    },
    off(event, listener) {
      listeners.get(event)?.delete(listener);
    },
    save_changes() {},
  };
}

// The state of one view: reads and writes the model, and calls back after changes from anywhere.
function createState(model, parameters, signal) {
  const keys = Object.keys(parameters);
  const listeners = new Map(keys.map((key) => [key, new Set()]));
  for (const key of keys) {
    const changed = () => listeners.get(key).forEach((listener) => listener(model.get(key)));
    model.on(`change:${key}`, changed);
    signal.addEventListener("abort", () => model.off(`change:${key}`, changed));
  }
  return {
    get: (key) => model.get(key),
    all: () => Object.fromEntries(keys.map((key) => [key, model.get(key)])),
    set(changes) {
      for (const [key, value] of Object.entries(changes)) {
        if (!listeners.has(key)) throw new Error(`no parameter is called ${key}`);
        if (!same(model.get(key), value)) model.set(key, value);
      }
      model.save_changes();
    },
    on(key, listener) {
      if (!listeners.has(key)) throw new Error(`no parameter is called ${key}`);
      listeners.get(key).add(listener);
    },
    initial: () => Object.fromEntries(keys.map((key) => [key, parameters[key].initial])),
  };
}

Object.assign(ippy, { readAddress, writeAddress });
