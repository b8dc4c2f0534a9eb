// Convolutional layers in WebAssembly, or in JavaScript where a browser has none, and the blur.

// Memory that WebAssembly and JavaScript share; without WebAssembly, an ordinary array. One
// calculation takes what it needs from the front, the next one begins at the front again.
const heap = { floats: new Float32Array(0), wasm: null, start: 0, used: 0, kind: "js" };

function allocate(size) {
  const at = heap.used;
  heap.used += (size + 3) & ~3;
  if (heap.used > heap.floats.length) {
    if (heap.wasm) {
      const missing = heap.used * 4 - heap.wasm.memory.buffer.byteLength;
      heap.wasm.memory.grow(Math.ceil(missing / 65536));
      heap.floats = new Float32Array(heap.wasm.memory.buffer);
    } else {
      const larger = new Float32Array(heap.used * 1.5);
      larger.set(heap.floats);
      heap.floats = larger;
    }
  }
  return at;
}

// Take the best of the compiled versions that this browser can run: `wasm` maps "relaxed" and
// "simd" to their bytes. The answer says which it is, "js" if none.
async function start(wasm = {}) {
  for (const kind of ["relaxed", "simd"]) {
    if (!wasm[kind] || typeof WebAssembly !== "object") continue;
    try {
      if (!WebAssembly.validate(wasm[kind])) continue;
      const { instance } = await WebAssembly.instantiate(wasm[kind], {});
      heap.wasm = instance.exports;
      heap.floats = new Float32Array(heap.wasm.memory.buffer);
      heap.start = (heap.wasm.__heap_base?.value ?? 65536) >> 2;
      heap.kind = kind;
      break;
    } catch {
      // A page may forbid WebAssembly; JavaScript does the same, more slowly.
    }
  }
  return heap.kind;
}

// Room for `channels` padded pictures. Vectors write up to 31 numbers past the end of a row and
// read 80 past that of the last; a tile may write three rows more than there are.
function planes(channels, height, width, kh, kw) {
  const top = (kh - 1) >> 1;
  const left = (kw - 1) >> 1;
  const stride = left + Math.max(Math.ceil(width / 32) * 32, width + (kw >> 1));
  const plane = stride * (Math.ceil(height / 4) * 4 + kh);
  const at = allocate(channels * plane + 4 * stride + 128);
  return { channels, height, width, kh, kw, top, left, stride, plane, at };
}

// Where the pixel (c, i, j) of planes is in the heap; the padding has negative or large i, j.
const place = (p, c, i, j) => p.at + c * p.plane + (i + p.top) * p.stride + p.left + j;

function write(p, maps) {
  for (let c = 0; c < p.channels; c++)
    for (let i = 0; i < p.height; i++) {
      const from = (c * p.height + i) * p.width;
      heap.floats.set(maps.data.subarray(from, from + p.width), place(p, c, i, 0));
    }
}

function read(p) {
  const data = new Float32Array(p.channels * p.height * p.width);
  for (let c = 0; c < p.channels; c++)
    for (let i = 0; i < p.height; i++) {
      const from = place(p, c, i, 0);
      data.set(heap.floats.subarray(from, from + p.width), (c * p.height + i) * p.width);
    }
  return { channels: p.channels, height: p.height, width: p.width, data };
}

// Fill what lies outside the pictures.
function pad(p, padding) {
  const { floats } = heap;
  const { height, width } = p;
  const columns = [];
  for (let j = -p.left; j < width + (p.kw >> 1); j++)
    if (j < 0 || j >= width) columns.push([j, source(j, width, padding)]);
  for (let c = 0; c < p.channels; c++) {
    for (let i = 0; i < height; i++) {
      const row = place(p, c, i, 0);
      for (const [j, from] of columns) floats[row + j] = from < 0 ? 0 : floats[row + from];
    }
    for (let i = -p.top; i < height + (p.kh >> 1); i++) {
      if (i >= 0 && i < height) continue;
      const row = place(p, c, i, -p.left);
      const from = source(i, height, padding);
      if (from < 0) floats.fill(0, row, row + p.stride);
      else floats.copyWithin(row, place(p, c, from, -p.left), place(p, c, from + 1, -p.left));
    }
  }
}

// A layer's weights (out, in, kh, kw) as core.c wants them: four output channels side by side.
function blocks(weight, out, count) {
  const packed = new Float32Array(weight.length);
  const whole = out - (out % 4);
  for (let o = 0; o < whole; o++)
    for (let n = 0; n < count; n++)
      packed[((o >> 2) * count + n) * 4 + (o & 3)] = weight[o * count + n];
  packed.set(weight.subarray(whole * count), whole * count);
  return packed;
}

// The values of each 3×3 kernel at the points 0, ±a, ±b, ∞ of core.c, along rows and columns, over
// the constant factors that its inputs' values have.
function winogradWeights(weight, out, inputs) {
  const [a, b] = [0.75, 1.5];
  const [n0, na, nb] = [(a * b) ** 2, 2 * a * a * (a * a - b * b), 2 * b * b * (b * b - a * a)];
  const values = (g0, g1, g2) => [
    g0 / n0,
    (g0 + a * g1 + a * a * g2) / na, (g0 - a * g1 + a * a * g2) / na,
    (g0 + b * g1 + b * b * g2) / nb, (g0 - b * g1 + b * b * g2) / nb,
    g2,
  ];
  const packed = new Float32Array(36 * out * inputs);
  for (let o = 0; o < out; o++)
    for (let c = 0; c < inputs; c++) {
      const g = weight.subarray((o * inputs + c) * 9, (o * inputs + c + 1) * 9);
      const columns = [0, 1, 2].map((j) => values(g[j], g[3 + j], g[6 + j]));
      for (let i = 0; i < 6; i++)
        values(columns[0][i], columns[1][i], columns[2][i]).forEach((number, j) => {
          const block = ((6 * i + j) * (out >> 2) + (o >> 2)) * inputs + c;
          packed[block * 4 + (o & 3)] = number;
        });
    }
  return packed;
}

function put(array) {
  const at = allocate(array.length);
  heap.floats.set(array, at);
  return at;
}

// y[o] = bias[o] + Σ_c weight[o, c] ⋆ x[c], a convolutional layer of stride 1, from padded planes
// x into planes y (whose own padding is left to `pad`).
function convolutionalLayer(x, weight, bias, y, relu) {
  const inputs = x.channels;
  const out = y.channels;
  const winograd = heap.wasm && x.kh === 3 && x.kw === 3 && out % 4 === 0 && inputs >= 4;
  if (!heap.wasm) return plainLayer(x, weight, bias, y, relu);
  const packed = winograd
    ? winogradWeights(weight, out, inputs)
    : blocks(weight, out, inputs * x.kh * x.kw);
  const from = [4 * x.at, inputs, x.stride, x.plane, 4 * put(packed), 4 * put(bias)];
  const to = [4 * place(y, 0, 0, 0), out, y.stride, y.plane, x.height, x.width];
  if (winograd) {
    const scratch = allocate(36 * (16 * (inputs + out) + 32)); // as core.c says
    heap.wasm.convolve3(...from, ...to, relu ? 1 : 0, 4 * scratch);
  } else heap.wasm.convolve(...from, ...to, x.kh, x.kw, relu ? 1 : 0);
}

// The same without WebAssembly: a row of sums at a time, tap by tap.
function plainLayer(x, weight, bias, y, relu) {
  const { floats } = heap;
  const { channels, height, width, kh, kw, stride } = x;
  const sums = [0, 1, 2, 3].map(() => new Float32Array(width));
  const row = new Float32Array(width);
  const count = channels * kh * kw;
  for (let o = 0; o < y.channels; o += 4) {
    const together = Math.min(4, y.channels - o);
    const [a, b, c, d] = sums;
    for (let i = 0; i < height; i++) {
      for (let q = 0; q < together; q++) sums[q].fill(bias[o + q]);
      let n = o * count;
      for (let m = 0; m < channels; m++)
        for (let s = 0; s < kh; s++) {
          const at = x.at + m * x.plane + (i + s) * stride;
          for (let t = 0; t < kw; t++, n++) {
            row.set(floats.subarray(at + t, at + t + width));
            const wa = weight[n];
            if (together < 4) {
              for (let q = 0; q < together; q++) {
                const w = weight[n + q * count];
                const sum = sums[q];
                for (let j = 0; j < width; j++) sum[j] += w * row[j];
              }
              continue;
            }
            const wb = weight[n + count];
            const wc = weight[n + 2 * count];
            const wd = weight[n + 3 * count];
            for (let j = 0; j < width; j++) {
              const value = row[j];
              a[j] += wa * value;
              b[j] += wb * value;
              c[j] += wc * value;
              d[j] += wd * value;
            }
          }
        }
      for (let q = 0; q < together; q++) {
        if (relu) for (let j = 0; j < width; j++) if (sums[q][j] < 0) sums[q][j] = 0;
        floats.set(sums[q], place(y, o + q, i, 0));
      }
    }
  }
}

// A layer of stride 1 that keeps the size, from one stack of maps to another.
function layer(maps, weight, bias, out, [kh, kw], padding) {
  checkPadding(padding, [maps.height, maps.width], [kh, kw]);
  heap.used = heap.start;
  const inputs = maps.channels ?? 1;
  const x = planes(inputs, maps.height, maps.width, kh, kw);
  write(x, maps);
  pad(x, padding);
  const y = planes(out, maps.height, maps.width, 1, 1);
  convolutionalLayer(x, weight, bias, y, false);
  return read(y);
}

// y = k ∗ x, of x's size, as `ippy.Blurring`: y[i, j] = Σ k[s, t] x[i + kh//2 − s, j + kw//2 − t].
// With flip = false the kernel stays as it is: y[i, j] = Σ k[s, t] x[i + s − (kh−1)//2, …].
function convolve(x, kernel, { padding = "zeros", flip = true } = {}) {
  const weight = flip ? kernel.data.slice().reverse() : kernel.data;
  const size = [kernel.height, kernel.width];
  return like(x, layer(x, weight, new Float32Array(1), 1, size, padding).data);
}

// As torch's conv2d: no flip, any stride, the same size (if the stride is 1) or "valid".
function correlate(x, kernel, { padding = "zeros", stride = 1, valid = false } = {}) {
  const [kh, kw] = [kernel.height, kernel.width];
  const [top, left] = valid ? [0, 0] : [(kh - 1) >> 1, (kw - 1) >> 1];
  const along = (n, k) => Math.floor((n - (valid ? k : 1)) / stride) + 1;
  if (along(x.height, kh) < 1 || along(x.width, kw) < 1)
    throw new Problem(`The kernel of ${kh}×${kw} is larger than the picture.`);
  if (!valid) checkPadding(padding, [x.height, x.width], [kh, kw]);
  const y = image(along(x.height, kh), along(x.width, kw));
  for (let i = 0; i < y.height; i++)
    for (let j = 0; j < y.width; j++) {
      let sum = 0;
      for (let s = 0; s < kh; s++)
        for (let t = 0; t < kw; t++) {
          const row = source(i * stride + s - top, x.height, padding);
          const column = source(j * stride + t - left, x.width, padding);
          if (row >= 0 && column >= 0)
            sum += kernel.data[s * kw + t] * x.data[row * x.width + column];
        }
      y.data[i * y.width + j] = sum;
    }
  return y;
}

function normalised(size, weight) {
  const total = weight.reduce((sum, value) => sum + value, 0);
  return image(size, size, Float32Array.from(weight, (value) => value / total));
}

// k[p] ∝ max(0, 1 − d(p)): see `ippy.operators.motion_kernel`.
function motionKernel(size, angle) {
  const radius = size >> 1;
  const turned = ((angle % 180) + 180) % 180;
  const quarter = turned >= 90;
  const rest = ((turned - (quarter ? 90 : 0)) * Math.PI) / 180;
  const [cos, sin] = [Math.cos(rest), Math.sin(rest)];
  const weight = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) {
      const [right, up] = [j - radius, radius - i];
      const along = Math.max(0, Math.abs(right * cos + up * sin) - radius);
      const across = up * cos - right * sin;
      // A quarter turn moves the array, so that it is exact: as numpy's rot90.
      const to = quarter ? (size - 1 - j) * size + i : i * size + j;
      weight[to] = Math.max(0, 1 - Math.hypot(along, across));
    }
  return normalised(size, weight);
}

// k[i, j] ∝ exp(−(i² + j²) / (2 · variance)).
function gaussianKernel(size, variance) {
  const radius = size >> 1;
  const weight = Float64Array.from({ length: size * size }, (_, n) => {
    const [i, j] = [Math.floor(n / size) - radius, (n % size) - radius];
    return Math.exp(-(i * i + j * j) / (2 * variance));
  });
  return normalised(size, weight);
}

// The kernel and the blur of a description with the keywords of `ippy.Blurring`.
function kernel({ kernel_type, kernel_size = 3, motion_angle = 0, kernel_variance = 1, kernel: rows }) {
  if (rows) return image(rows.length, rows[0].length, Float32Array.from(rows.flat()));
  if (kernel_type === "gaussian") return gaussianKernel(kernel_size, kernel_variance);
  return motionKernel(kernel_size, motion_angle);
}

function blur(x, description) {
  return convolve(x, kernel(description), { padding: description.padding ?? "zeros" });
}

Object.assign(core, {
  start, kind: () => heap.kind, memory: () => heap.floats.length,
  convolve, correlate, motionKernel, gaussianKernel, kernel,
  blur,
});
