// Images, and what is done to them pixel by pixel. An image is {height, width, data}, data a
// Float32Array by rows; a stack of maps is {channels, height, width, data}, one plane after another.

// An error whose message is a sentence for the reader.
class Problem extends Error {
  name = "Problem";
}

function image(height, width, data = new Float32Array(height * width)) {
  return { height, width, data };
}

const like = (x, data) => image(x.height, x.width, data);

// One channel of a stack of maps, without copying it.
function channel(maps, index) {
  const size = maps.height * maps.width;
  return image(maps.height, maps.width, maps.data.subarray(index * size, (index + 1) * size));
}

// Where padding finds the pixel i of a line of n pixels, when 0 <= i < n is not sure; -1: nowhere.
function source(i, n, padding) {
  if (i >= 0 && i < n) return i;
  if (padding === "circular") return ((i % n) + n) % n;
  if (padding === "replicate") return i < 0 ? 0 : n - 1;
  if (padding === "reflect") return i < 0 ? -i : 2 * (n - 1) - i;
  return -1;
}

function checkPadding(padding, sides, kernel) {
  if (!["zeros", "circular", "reflect", "replicate"].includes(padding))
    throw new Problem(`The padding must be zeros, circular, reflect or replicate, not ${padding}.`);
  if (padding === "zeros" || padding === "replicate") return;
  sides.forEach((n, axis) => {
    if (kernel[axis] >> 1 > (padding === "reflect" ? n - 1 : n))
      throw new Problem(`A kernel of ${kernel.join("×")} reaches too far for ${padding} padding of
        a picture of ${sides.join("×")}.`.replace(/\s+/g, " "));
  });
}

const dot = (a, b) => a.data.reduce((sum, value, n) => sum + value * b.data[n], 0);
const norm = (a) => Math.sqrt(dot(a, a));
const add = (a, b) => like(a, a.data.map((value, n) => value + b.data[n]));
const subtract = (a, b) => like(a, a.data.map((value, n) => value - b.data[n]));
const clamp = (a, low, high) =>
  like(a, a.data.map((value) => Math.min(high, Math.max(low, value))));
const relativeError = (x_hat, x) => norm(subtract(x_hat, x)) / norm(x);

// T_v x, v = (rows, columns): what leaves on one side comes back on the other, or is lost.
function shift(x, rows, columns, { circular = true } = {}) {
  const y = image(x.height, x.width);
  const padding = circular ? "circular" : "zeros";
  for (let i = 0; i < x.height; i++)
    for (let j = 0; j < x.width; j++) {
      const [row, column] = [source(i - rows, x.height, padding), source(j - columns, x.width, padding)];
      if (row >= 0 && column >= 0) y.data[i * x.width + j] = x.data[row * x.width + column];
    }
  return y;
}

// To another size, with a triangular window as wide as a new pixel, as `ippy.data.load_image`.
function resize(x, height, width) {
  const taps = (from, to) => {
    const scale = from / to;
    const support = Math.max(1, scale);
    return Array.from({ length: to }, (_, n) => {
      const centre = scale * (n + 0.5);
      const first = Math.max(0, Math.floor(centre - support + 0.5));
      const last = Math.min(from, Math.floor(centre + support + 0.5));
      const weights = [];
      for (let i = first; i < last; i++)
        weights.push(Math.max(0, 1 - Math.abs((i - centre + 0.5) / support)));
      const total = weights.reduce((sum, value) => sum + value, 0);
      return { first, weights: weights.map((value) => value / total) };
    });
  };
  const half = image(x.height, width);
  taps(x.width, width).forEach(({ first, weights }, j) => {
    for (let i = 0; i < x.height; i++) {
      let sum = 0;
      for (let n = 0; n < weights.length; n++) sum += weights[n] * x.data[i * x.width + first + n];
      half.data[i * width + j] = sum;
    }
  });
  const y = image(height, width);
  taps(x.height, height).forEach(({ first, weights }, i) => {
    for (let j = 0; j < width; j++) {
      let sum = 0;
      for (let n = 0; n < weights.length; n++) sum += weights[n] * half.data[(first + n) * width + j];
      y.data[i * width + j] = sum;
    }
  });
  return y;
}

// How many pixels fall into each of `bins` equal parts of [low, high]; the rest into the ends.
function histogram(x, low, high, bins) {
  const counts = new Float64Array(bins);
  for (const value of x.data) {
    const bin = Math.floor(((value - low) / (high - low)) * bins);
    counts[Math.min(bins - 1, Math.max(0, bin))] += 1;
  }
  return counts;
}

Object.assign(core, {
  Problem, image, channel, add, subtract, clamp, dot, norm, relativeError, shift, resize,
  histogram,
});
