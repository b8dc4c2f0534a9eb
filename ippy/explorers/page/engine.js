// The one worker of a page, in which all computing happens, so that the page never freezes.

// What a job's next calculation throws when the job has become pointless.
class Stale extends Error {}

const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

// The worker's own script. It knows nothing but `ippyCore` and does one thing after the other.
function workerMain(makeCore) {
  const core = makeCore();
  let ready = null;
  const buffers = (value, found = new Set()) => {
    if (ArrayBuffer.isView(value)) found.add(value.buffer);
    else if (value && typeof value === "object") Object.values(value).forEach((v) => buffers(v, found));
    return [...found];
  };
  onmessage = async ({ data: { id, name, args } }) => {
    try {
      if (name === "start") {
        ready = core.start(...args);
        return postMessage({ id, answer: await ready });
      }
      await ready;
      if (!Object.hasOwn(core, name)) throw new Error(`no calculation is called ${name}`);
      const answer = core[name](...args);
      postMessage({ id, answer }, buffers(answer));
    } catch (error) {
      postMessage({ id, error: { name: error.name, message: error.message } });
    }
  };
}

// An object whose methods are those of `ippyCore`, each answering with a promise. `kinds` are the
// compiled versions it may use; without any, and without workers, it works all the same.
function createEngine(kinds = ["relaxed", "simd"]) {
  const compiled = Object.fromEntries(kinds.map((kind) => [kind, bytes(SETUP.wasm[kind])]));
  const waiting = new Map();
  let worker = null;
  let inPage = null;
  let calls = 0;

  function startWorker() {
    const source = `"use strict"; (${workerMain})(${ippyCore});`;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    worker = new Worker(url);
    worker.onmessage = ({ data: { id, answer, error } }) => {
      const { resolve, reject } = waiting.get(id);
      waiting.delete(id);
      if (!error) return resolve(answer);
      reject(error.name === "Problem" ? new core.Problem(error.message) : new Error(error.message));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      fallBack();
    };
  }

  // A page that forbids workers: everything is computed between two frames, in the page itself.
  function fallBack() {
    worker = null;
    inPage = ippyCore();
    const ready = inPage.start(compiled);
    for (const { name, args, resolve, reject } of waiting.values())
      ready.then((kind) => resolve(name === "start" ? kind : inPage[name](...args))).catch(reject);
    waiting.clear();
  }

  function call(name, args) {
    if (!worker && !inPage) {
      try {
        startWorker();
        engine.kind = call("start", [compiled]);
      } catch {
        fallBack();
        engine.kind = Promise.resolve(inPage.kind());
      }
    }
    if (inPage) {
      const later = new Promise((resolve) => setTimeout(resolve));
      return later.then(() => inPage[name](...args));
    }
    return new Promise((resolve, reject) => {
      const id = ++calls;
      waiting.set(id, { name, args, resolve, reject });
      worker.postMessage({ id, name, args });
    });
  }

  const engine = { kind: null };
  for (const name of Object.keys(core))
    if (!["Problem", "start"].includes(name) && typeof core[name] === "function")
      if (name !== "kind") engine[name] = (...args) => call(name, args);

  // The same engine for one job: what it computes after `isStale()` has become true, it throws.
  engine.until = (isStale) =>
    new Proxy(engine, {
      get: (target, name) =>
        typeof target[name] !== "function"
          ? target[name]
          : async (...args) => {
              if (isStale()) throw new Stale();
              const answer = await target[name](...args);
              if (isStale()) throw new Stale();
              return answer;
            },
    });
  return engine;
}

const core = ippyCore();

Object.assign(ippy, {
  core, Problem: core.Problem, image: core.image, channel: core.channel, createEngine,
  engine: createEngine(), // its worker starts with the first calculation
});
