// SimpleCNN, what its pixels are made of, and small networks of any other make.

const HEADS = {
  relu: (value) => Math.max(0, value),
  sigmoid: (value) => 1 / (1 + Math.exp(-value)),
  tanh: Math.tanh,
};

function head(pre, name) {
  return { ...pre, data: HEADS[name] ? pre.data.map(HEADS[name]) : pre.data.slice() };
}

// x_hat = a(c3(relu(c2(relu(c1(y)))))), or y + a(…): `ippy.SimpleCNN` with one channel in and out.
// `without` lists filters [layer 1 or 2, number] that are switched off. With `maps`, also what
// the layers answer: both stacks of maps after the ReLU, and the image before the head.
function network(net, y, { maps = false, without = [] } = {}) {
  const { kernel_size: k, padding_mode: padding, final_activation, residual } = net.architecture;
  const { height, width } = y;
  checkPadding(padding, [height, width], [k, k]);
  heap.used = heap.start;
  const answers = [];
  let x = planes(1, height, width, k, k);
  write(x, y);
  net.weights.forEach(({ weight, bias, out }, index) => {
    pad(x, padding);
    const last = index === net.weights.length - 1;
    const next = last ? planes(out, height, width, 1, 1) : planes(out, height, width, k, k);
    convolutionalLayer(x, weight, bias, next, !last);
    for (const [layerNumber, filter] of without)
      if (layerNumber === index + 1 && !last)
        for (let i = 0; i < height; i++) {
          const row = place(next, filter, i, 0);
          heap.floats.fill(0, row, row + width);
        }
    if (maps || last) answers.push(read(next));
    x = next;
  });
  const pre = like(y, answers.at(-1).data);
  const x_hat = head(pre, final_activation);
  if (residual) for (let n = 0; n < x_hat.data.length; n++) x_hat.data[n] += y.data[n];
  return maps ? { x_hat, maps: [...answers.slice(0, -1), pre] } : { x_hat };
}

// How one output pixel, before the head, comes about. A network with ReLUs is linear as long as
// no ReLU switches: value = Σ gradient · y + constant. The gradient is zero outside the window
// of `size` pixels at (top, left), except where padding copies pixels from afar.
function contributions(net, y, row, column, { without = [] } = {}) {
  const { kernel_size: k, padding_mode: padding } = net.architecture;
  const { height, width } = y;
  const { maps } = network(net, y, { maps: true, without });
  let slopes = new Map([[row * width + column, Float64Array.of(1)]]);
  for (let index = net.weights.length - 1; index >= 0; index--) {
    const { weight, in: inputs } = net.weights[index];
    const below = new Map();
    for (const [at, slope] of slopes)
      for (let s = 0; s < k; s++)
        for (let t = 0; t < k; t++) {
          const i = source(Math.floor(at / width) + s - ((k - 1) >> 1), height, padding);
          const j = source((at % width) + t - ((k - 1) >> 1), width, padding);
          if (i < 0 || j < 0) continue;
          const to = i * width + j;
          if (!below.has(to)) below.set(to, new Float64Array(inputs));
          const sums = below.get(to);
          slope.forEach((value, o) => {
            if (value === 0) return;
            for (let c = 0; c < inputs; c++)
              if (index === 0 || maps[index - 1].data[c * height * width + to] > 0)
                sums[c] += value * weight[((o * inputs + c) * k + s) * k + t];
          });
        }
    slopes = below;
  }
  const gradient = image(height, width);
  for (const [at, slope] of slopes) gradient.data[at] = slope[0];
  const contribution = like(y, gradient.data.map((slope, n) => slope * y.data[n]));
  const value = maps.at(-1).data[row * width + column];
  const constant = value - contribution.data.reduce((sum, part) => sum + part, 0);
  const reach = net.weights.length * ((k - 1) >> 1);
  const size = net.weights.length * (k - 1) + 1;
  const [top, left] = [row - reach, column - reach];
  return { size, top, left, gradient, contribution, constant, value };
}

// Small networks of any make, layer by layer; the README of each layer is its line below.
function sequential(layers, x) {
  let maps = { channels: 1, ...x };
  const grid = (height, width, from) => {
    const data = new Float32Array(maps.channels * height * width);
    for (let c = 0, n = 0; c < maps.channels; c++)
      for (let i = 0; i < height; i++)
        for (let j = 0; j < width; j++, n++) data[n] = from(channel(maps, c), i, j);
    return { ...maps, height, width, data };
  };
  for (const { op, ...step } of layers) {
    const { height, width } = maps;
    if (HEADS[op]) maps = head(maps, op);
    else if (op === "conv") maps = convolutions(maps, step);
    else if (op === "every" || op === "maxpool") {
      const n = step.step ?? step.size;
      const rest = op === "every" ? n - 1 : 0;
      const [rows, columns] = [Math.floor((height + rest) / n), Math.floor((width + rest) / n)];
      maps = grid(rows, columns, (m, i, j) => {
        if (op === "every") return m.data[i * n * width + j * n];
        let largest = -Infinity;
        for (let s = 0; s < n; s++)
          for (let t = 0; t < n; t++)
            largest = Math.max(largest, m.data[(i * n + s) * width + j * n + t]);
        return largest;
      });
    } else if (op === "upsample") {
      const n = step.factor;
      const nearest = (m, i, j) => m.data[Math.floor(i / n) * width + Math.floor(j / n)];
      maps = grid(height * n, width * n, nearest);
    } else if (op === "linear") {
      const [out, count] = step.weight.shape;
      if (count !== maps.data.length)
        throw new Problem(`A dense layer of ${count} inputs got ${maps.data.length} numbers.`);
      const data = Float32Array.from({ length: out }, (_, o) => {
        let sum = step.bias?.[o] ?? 0;
        for (let n = 0; n < count; n++) sum += step.weight.data[o * count + n] * maps.data[n];
        return sum;
      });
      maps = { channels: out, height: 1, width: 1, data };
    } else if (op === "reshape") maps = { ...step, data: maps.data };
    else throw new Problem(`There is no layer called ${op}.`);
  }
  return maps;
}

function convolutions(maps, { weight, bias, padding = "zeros", stride = 1, groups = 1 }) {
  const [out, inputs, kh, kw] = weight.shape;
  const each = out / groups;
  const size = maps.height * maps.width;
  const data = new Float32Array(out * size);
  for (let g = 0; g < groups; g++) {
    const part = maps.data.subarray(g * inputs * size, (g + 1) * inputs * size);
    const w = weight.data.subarray(g * each * inputs * kh * kw, (g + 1) * each * inputs * kh * kw);
    const b = bias ? bias.subarray(g * each, (g + 1) * each) : new Float32Array(each);
    const from = { ...maps, channels: inputs, data: part };
    data.set(layer(from, w, b, each, [kh, kw], padding).data, g * each * size);
  }
  const answer = { channels: out, height: maps.height, width: maps.width, data };
  return stride === 1 ? answer : sequential([{ op: "every", step: stride }], answer);
}

Object.assign(core, { head, network, contributions, sequential });
