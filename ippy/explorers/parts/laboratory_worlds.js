// What measures in the laboratory, and what the page has to say about it.

const BEYOND = {
  zeros: "black", circular: "the picture again", reflect: "its mirror image", replicate: "its last pixels",
};

// A blur in words, and whether two are the same: a half turn of a motion changes nothing.
const inWords = (b) =>
  b.kernel
    ? `a kernel of its own, ${b.kernel.length}×${b.kernel[0].length} pixels`
    : b.kernel_type === "gaussian"
    ? `a Gaussian blur of variance ${number(b.kernel_variance, 1)} in ${b.kernel_size}×${b.kernel_size} pixels`
    : `a motion of ${b.kernel_size} pixels at ${number(halfTurn(b.motion_angle), 0)}°`;
const halfTurn = (angle) => ((angle % 180) + 180) % 180;
const sameBlur = (...both) => {
  const [a, b] = both.map((description) => ippy.core.kernel(description));
  return a.height === b.height && a.width === b.width &&
    a.data.every((tap, n) => Math.abs(tap - b.data[n]) < 1e-6);
};

// K as the sliders describe it: what the Wiener filter believes.
const assumedBlur = (s) => ({
  kernel_type: s.kernel_type, kernel_size: 2 * (s.length >> 1) + 1, motion_angle: s.angle,
  kernel_variance: s.variance, padding: s.padding,
});

// What really measures. Only a "wrong" world has a blur of its own.
function trueBlur(s) {
  const K = assumedBlur(s);
  if (s.world !== "wrong") return K;
  return {
    ...K,
    kernel_size: Math.max(1, K.kernel_size + 2 * Math.trunc(s.length_off / 2)),
    motion_angle: s.angle + s.angle_off,
    kernel_variance: Math.max(0.1, s.variance + s.variance_off),
  };
}

// The same blur on pixels half the size: a path of n − 1 pixels becomes one of 2(n − 1).
const finer = (K) => ({
  ...K, kernel_size: 2 * K.kernel_size - 1, kernel_variance: 4 * K.kernel_variance,
});

// Each pixel the mean of 2×2 finer ones.
function halve(x) {
  const y = ippy.image(x.height / 2, x.width / 2);
  for (let i = 0; i < y.height; i++)
    for (let j = 0; j < y.width; j++) {
      const n = 2 * i * x.width + 2 * j;
      y.data[i * y.width + j] =
        (x.data[n] + x.data[n + 1] + x.data[n + x.width] + x.data[n + x.width + 1]) / 4;
    }
  return y;
}

const scaled = (x, factor) =>
  factor === 1 ? x : ippy.image(x.height, x.width, x.data.map((value) => factor * value));

// The grey value that the given share of the pixels does not exceed.
function quantile(x, share) {
  const sorted = x.data.slice().sort();
  return sorted[Math.floor(share * (sorted.length - 1))];
}

// What has been computed once from the same things is not computed again: who moves the Wiener
// filter's slider waits for the Wiener filter only.
function createMemory() {
  const kept = new Map();
  return async (name, given, make) => {
    const before = kept.get(name);
    if (before && before.given.every((value, n) => Object.is(value, given[n]))) return before.value;
    const value = await make();
    kept.set(name, { given, value });
    return value;
  };
}

// The truth and its measurement, in the world that is chosen.
async function measure(s, object, engine, once) {
  const K = trueBlur(s);
  const blur = Object.values(K);
  const fine = s.world === "finer";
  const x = await once("x", [object, s.brightness, fine], () =>
    scaled(fine ? halve(object) : object, s.brightness));
  const y = await once("y", [x, fine, ...blur], async () =>
    fine
      ? halve(await engine.blur(scaled(object, s.brightness), finer(K)))
      : engine.blur(x, K));
  const y_delta = await once("y_delta", [y, s.noise_level, s.seed], async () =>
    ippy.core.add(y, await engine.gaussianNoise(y, s.noise_level, s.seed)));
  return { x, y_delta };
}

// The constant with the highest PSNR, found by trying: steps of half a decade, then finer ones
// around the best. Only who knows x can do this.
async function bestConstant(y_delta, kernel, x, [low, high], tried) {
  const { engine } = ippy;
  const [first, last] = [Math.log10(low), Math.log10(high)];
  let best = { exponent: first, psnr: -Infinity };
  const attempt = async (exponent) => {
    if (exponent < first - 1e-9 || exponent > last + 1e-9) return;
    const psnr = await engine.psnr(await engine.wiener(y_delta, kernel, 10 ** exponent), x);
    tried(10 ** exponent, psnr);
    if (psnr > best.psnr) best = { exponent, psnr };
  };
  for (let exponent = first; exponent <= last + 1e-9; exponent += 0.5) await attempt(exponent);
  for (const step of [0.25, 0.125, 0.0625]) {
    const { exponent } = best;
    await attempt(exponent - step);
    await attempt(exponent + step);
  }
  return Number((10 ** best.exponent).toPrecision(3));
}

// What the reader should know about the weights, in plain sentences: what they were trained for,
// and where this measurement is something else.
function aboutNetwork(s, training, isOwnPicture) {
  if (!training)
    return ["Nothing says for which blur and noise this network was trained."];
  const K = trueBlur(s);
  const told = `The network was trained for ${inWords(training.blur)}, ${
    training.noise_level > 0 ? `with ${percent(training.noise_level)} noise` : "without noise"}.`;
  const sentences = [told];
  if (!sameBlur(training.blur, K))
    sentences.push(`You measure with ${inWords(K)}. The network cannot know, and undoes the blur it was trained for.`);
  const border = training.blur.padding ?? "zeros";
  if (border !== s.padding)
    sentences.push(`Beyond the border it has learnt ${BEYOND[border]}; you measure with ${BEYOND[s.padding]}.`);
  if (s.noise_level > 2 * training.noise_level)
    sentences.push(`You add ${percent(s.noise_level)} noise, more than it has ever seen.`);
  if (isOwnPicture) sentences.push("It has seen slices of bodies only, never a picture like yours.");
  if (s.brightness < 1)
    sentences.push("It has learnt at full brightness which grey values there are.");
  return sentences;
}

// What has been made of a picture of the reader's own, a square of `side` pixels.
function aboutPicture(name, [height, width], side) {
  const shorter = Math.min(height, width);
  const part = height === width ? `${name} is shown` : `The middle of ${name} is shown, a square`;
  if (shorter >= side) return `${part}, at ${side}×${side} pixels. `;
  return `${part}. It has only ${shorter}×${shorter} pixels and was enlarged to ${side}×${side}: ` +
    "there is no detail to lose, so that every method looks better than it is. ";
}

function aboutWorld(s) {
  const K = inWords(assumedBlur(s));
  if (s.world === "finer")
    return "Measured on pixels half the size, then averaged: for every method K is now only a model.";
  if (s.world === "wrong")
    return sameBlur(assumedBlur(s), trueBlur(s))
      ? "The offsets are zero: the true blur is the one that the Wiener filter inverts."
      : `The true blur is ${inWords(trueBlur(s))}; the Wiener filter believes the sliders, ${K}.`;
  const border = s.padding === "circular" ? "border included" : "all but the border, which it takes to repeat";
  return `The Wiener filter inverts exactly the K that measured (${border}): the inverse crime.`;
}
