// Pictures and weights from the reader's own disk. A file may be anything: each step asks whether
// it is what it says, and what is wrong is told in a sentence. No file leaves the page.

const { Problem } = core;
const SIDE = 256;
const LARGEST_FILE = 64 * 2 ** 20;
const LARGEST_PICTURE = 64e6; // pixels
const PADDINGS = ["zeros", "circular", "reflect", "replicate"];

const ascii = (view, from, count) =>
  String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + from, count));

// Width and height of a picture as its first bytes tell them, before anything is decoded: a small
// file can unfold into more pixels than there is memory.
function pictureSize(buffer) {
  const view = new DataView(buffer);
  try {
    if (ascii(view, 1, 3) === "PNG") return [view.getUint32(16), view.getUint32(20)];
    if (ascii(view, 0, 3) === "GIF") return [view.getUint16(6, true), view.getUint16(8, true)];
    if (ascii(view, 0, 2) === "BM")
      return [Math.abs(view.getInt32(18, true)), Math.abs(view.getInt32(22, true))];
    if (ascii(view, 0, 4) === "RIFF" && ascii(view, 8, 4) === "WEBP") return webpSize(view);
    if (view.getUint16(0) === 0xffd8) return jpegSize(view);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return null;
}

function webpSize(view) {
  const kind = ascii(view, 12, 4);
  if (kind === "VP8 ") return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff];
  const bits = view.getUint32(21, true);
  if (kind === "VP8L") return [(bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1];
  const three = (at) => view.getUint16(at, true) + (view.getUint8(at + 2) << 16) + 1;
  return kind === "VP8X" ? [three(24), three(27)] : null;
}

function jpegSize(view) {
  for (let at = 2; ; at += 2 + view.getUint16(at + 2)) {
    const marker = view.getUint16(at);
    if (marker < 0xff01) return null;
    const isFrame = marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker);
    if (isFrame) return [view.getUint16(at + 7), view.getUint16(at + 5)];
  }
}

// The grey values of a picture, a square from its middle made side×side, as `ippy.data.load_image`;
// `original` keeps the height and the width that the file has.
async function readPicture(file, side = SIDE) {
  const name = file.name || "The file";
  if (file.size > LARGEST_FILE)
    throw new Problem(`${name} has ${Math.round(file.size / 2 ** 20)} MB; the limit is 64 MB.`);
  const size = pictureSize(await file.arrayBuffer());
  if (!size) throw new Problem(`${name} is no picture that can be read here: use PNG, JPEG or WebP.`);
  const [width, height] = size;
  if (width < 1 || height < 1) throw new Problem(`${name} is damaged: its size is ${width}×${height}.`);
  if (width * height > LARGEST_PICTURE)
    throw new Problem(`${name} has ${width}×${height} pixels; the limit is 64 million pixels.`);
  const options = { colorSpaceConversion: "none" };
  const picture = await createImageBitmap(file, options).catch(() => null);
  if (!picture) throw new Problem(`${name} is damaged: this browser cannot decode it.`);
  const shorter = Math.min(picture.width, picture.height);
  // Beyond this the browser makes it smaller while it draws; a canvas has a limit of its own.
  const drawn = Math.min(shorter, 4096);
  const canvas = h("canvas", { width: drawn, height: drawn });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const [left, top] = [(picture.width - shorter) >> 1, (picture.height - shorter) >> 1];
  context.drawImage(picture, left, top, shorter, shorter, 0, 0, drawn, drawn);
  picture.close();
  const x = grey(context.getImageData(0, 0, drawn, drawn));
  const fits = drawn === side ? x : ippy.engine.clamp(await ippy.engine.resize(x, side, side), 0, 1);
  return { ...(await fits), original: [height, width] };
}

// L = 0.299 R + 0.587 G + 0.114 B in whole numbers, as Pillow computes it, over 255.
function grey({ data, width, height }) {
  const x = core.image(height, width);
  for (let n = 0; n < x.data.length; n++) {
    const [r, g, b] = [data[4 * n], data[4 * n + 1], data[4 * n + 2]];
    x.data[n] = ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) / 255;
  }
  return x;
}

// An embedded slice, sent as the address of a PNG with its data inside.
async function decodeSlice(address) {
  const blob = new Blob([bytes(address.slice(address.indexOf(",") + 1))], { type: "image/png" });
  const picture = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const canvas = h("canvas", { width: picture.width, height: picture.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  return grey(context.getImageData(0, 0, picture.width, picture.height));
}

// The tensors of a .safetensors file: eight bytes with the length of a JSON header, the header,
// then the numbers. Answers with a Map from names to {shape, data} and the header's metadata.
function readSafetensors(buffer) {
  const broken = (why) => new Problem(`The file is no intact .safetensors file: ${why}.`);
  if (buffer.byteLength > LARGEST_FILE) throw broken("it is larger than 64 MB");
  if (buffer.byteLength < 10) throw broken("it is too short");
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  if (length > Math.min(2 ** 20, buffer.byteLength - 8)) throw broken("its header does not fit");
  let header;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(buffer, 8, length));
    header = JSON.parse(text);
  } catch {
    throw broken("its header is not JSON");
  }
  if (!header || typeof header !== "object" || Array.isArray(header))
    throw broken("its header does not name tensors");
  const start = 8 + length;
  const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
  const tensors = new Map();
  const metadata = new Map(Object.entries(header.__metadata__ ?? {}));
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets: offsets } = entry ?? {};
    const short = name.slice(0, 40);
    if (dtype !== "F32") throw new Problem(`${short} must hold float32 numbers (F32), not ${String(dtype).slice(0, 10)}: write the file with ippy export.`);
    if (!Array.isArray(shape) || shape.length > 8 || !shape.every(isCount)) throw broken(`${short} has no shape`);
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) throw broken(`${short} has no place`);
    const [from, to] = offsets;
    const count = shape.reduce((product, side) => product * side, 1);
    if (to < from || to - from !== 4 * count || start + to > buffer.byteLength)
      throw broken(`${short} does not lie inside it; was it cut short?`);
    const data = new Float32Array(buffer.slice(start + from, start + to));
    tensors.set(name, { shape, data });
  }
  return { tensors, metadata };
}

// The architectures that a page runs: `SimpleCNN` with one channel in and out.
function readArchitecture(text) {
  let given = {};
  try {
    given = JSON.parse(text ?? "{}");
  } catch {
    throw new Problem("The architecture in the file's metadata is not JSON.");
  }
  const { final_activation = null, padding_mode = "zeros", residual = false } = given ?? {};
  const heads = [null, "relu", "sigmoid", "tanh"];
  if (!heads.includes(final_activation))
    throw new Problem("The final activation must be none, relu, sigmoid or tanh.");
  if (!PADDINGS.includes(padding_mode))
    throw new Problem("The padding mode must be zeros, circular, reflect or replicate.");
  if (typeof residual !== "boolean") throw new Problem("residual must be true or false.");
  return { final_activation, padding_mode, residual };
}

// What a network was trained for, {blur, noise_level}, or null if the file does not say.
function readTraining(text) {
  if (text === undefined) return null;
  const damaged = new Problem("What the file says of its training is damaged: write it again with ippy export.");
  const isIn = (value, low, high) => Number.isFinite(value) && value >= low && value <= high;
  try {
    const { blur, noise_level } = JSON.parse(text);
    const { padding = "zeros", kernel, kernel_type, kernel_size = 3, motion_angle = 0, kernel_variance = 1 } = blur;
    if (!isIn(noise_level, 0, 100) || !PADDINGS.includes(padding)) throw damaged;
    if (kernel !== undefined) {
      const isRow = (row) => row.length === kernel[0].length && row.every((tap) => isIn(tap, -1e6, 1e6));
      if (!isIn(kernel.length, 1, 255) || !isIn(kernel[0].length, 1, 255) || !kernel.every(isRow)) throw damaged;
      return { blur: { kernel, padding }, noise_level };
    }
    const isOdd = isIn(kernel_size, 1, 255) && kernel_size % 2 === 1;
    const isKnown = ["motion", "gaussian"].includes(kernel_type) && isOdd;
    if (!isKnown || !isIn(motion_angle, -1e6, 1e6) || !isIn(kernel_variance, 1e-6, 1e6)) throw damaged;
    return { blur: { kernel_type, kernel_size, motion_angle, kernel_variance, padding }, noise_level };
  } catch {
    throw damaged;
  }
}

// A network from a .safetensors file, such as `ippy export` writes.
function readNetwork(buffer) {
  const { tensors, metadata } = readSafetensors(buffer);
  const architecture = readArchitecture(metadata.get("architecture"));
  const weights = [1, 2, 3].map((n) => {
    const weight = tensors.get(`conv${n}.weight`);
    const bias = tensors.get(`conv${n}.bias`);
    if (!weight || !bias || weight.shape.length !== 4)
      throw new Problem(`The file holds no SimpleCNN: conv${n}.weight and conv${n}.bias are needed.`);
    const [out, inputs, size, other] = weight.shape;
    if (size !== other || size < 1 || size > 15)
      throw new Problem(`Kernels must be square, 1 to 15 pixels wide; conv${n} has ${size}×${other}.`);
    if (out < 1 || inputs < 1) throw new Problem(`conv${n} has no filters.`);
    if (bias.data.length !== out) throw new Problem(`conv${n}.bias must have ${out} numbers.`);
    if (![...weight.data, ...bias.data].every(Number.isFinite))
      throw new Problem(`conv${n} holds numbers that are not finite; train again.`);
    return { weight: weight.data, bias: bias.data, out, in: inputs, size };
  });
  if (tensors.size !== 6) throw new Problem("The file holds more than the three layers of a SimpleCNN.");
  const [first, middle, last] = weights;
  const fits = first.out === middle.in && middle.out === last.in;
  const one = first.size === middle.size && middle.size === last.size;
  if (!fits || !one) throw new Problem("The three layers of the file do not fit together.");
  if (first.in !== 1 || last.out !== 1)
    throw new Problem(`A network here reads and writes grey pictures: 1 channel, not ${first.in} and ${last.out}.`);
  if (middle.out > 256 || middle.in > 256)
    throw new Problem(`A network may have up to 256 filters here, not ${Math.max(middle.in, middle.out)}.`);
  const shape = { in_ch: 1, out_ch: 1, n_filters: first.out, kernel_size: first.size };
  const training = readTraining(metadata.get("trained_for"));
  return { architecture: { ...shape, ...architecture }, weights, training };
}

Object.assign(ippy, { readPicture, decodeSlice, readSafetensors, readNetwork });
