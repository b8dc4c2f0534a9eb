// How numbers become colours: grey for pictures, one scale for sizes of errors, one for signs.

// Points of viridis (S. van der Walt, N. Smith, E. Firing; CC0): evenly brighter to the eye.
const VIRIDIS = [
  [68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137],
  [53, 183, 121], [109, 205, 89], [180, 222, 44], [253, 231, 37],
];
// Negative, zero, positive; zero is the colour of the page, so that nothing is shown as nothing.
const SIGNED = {
  light: [[8, 69, 148], [66, 146, 198], [247, 247, 247], [230, 120, 30], [140, 45, 4]],
  dark: [[130, 200, 255], [40, 110, 180], [24, 26, 31], [200, 95, 20], [255, 180, 100]],
};
const GREY = [[0, 0, 0], [255, 255, 255]];

// 256 colours, four bytes each, between the given points.
function palette(points) {
  const table = new Uint8ClampedArray(1024);
  for (let n = 0; n < 256; n++) {
    const at = (n / 255) * (points.length - 1);
    const from = Math.min(points.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++)
      table[4 * n + c] = points[from][c] + (at - from) * (points[from + 1][c] - points[from][c]);
    table[4 * n + 3] = 255;
  }
  return table;
}

const PALETTES = {
  grey: palette(GREY),
  error: palette(VIRIDIS),
  signedLight: palette(SIGNED.light),
  signedDark: palette(SIGNED.dark),
};
const paletteOf = (map) => PALETTES[map === "signed" ? (isDark() ? "signedDark" : "signedLight") : map];

// The range that a map shows if none is given.
function rangeOf(map, image) {
  if (map === "grey") return [0, 1];
  let largest = 0;
  for (const value of image.data) largest = Math.max(largest, Math.abs(value));
  return map === "signed" ? [-largest || -1, largest || 1] : [0, largest || 1];
}

// An image as a small canvas, one pixel a pixel. With `log` the colours follow the exponent, so
// that an error map tells rounding from a small error; then 0 < low < high.
function paint(image, map, [low, high], log = false) {
  const canvas = h("canvas", { width: image.width, height: image.height });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(image.width, image.height);
  const table = new Uint32Array(paletteOf(map).buffer);
  const to = new Uint32Array(pixels.data.buffer);
  const place = log ? (value) => Math.log(Math.max(value, low) / low) : (value) => value - low;
  const scale = 255 / (place(high) || 1);
  for (let n = 0; n < to.length; n++) {
    const value = map === "error" ? Math.abs(image.data[n]) : image.data[n];
    to[n] = table[Math.min(255, Math.max(0, Math.round(place(value) * scale))) || 0];
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// A bar that says which colour is which number.
function colourBar(map, log = false) {
  const canvas = h("canvas", { class: "bar-colours", "aria-hidden": "true", width: 256, height: 1 });
  const ends = [h("span"), h("span"), h("span")];
  const element = h("div", { class: "bar" }, canvas, h("div", { class: "bar-numbers" }, ends));
  return {
    element,
    show([low, high]) {
      const line = core.image(1, 256);
      for (let n = 0; n < 256; n++) line.data[n] = low + ((high - low) * n) / 255;
      canvas.getContext("2d").drawImage(paint(line, map, [low, high]), 0, 0);
      const digits = Math.max(high, -low) >= 1 ? 1 : Math.max(high, -low) >= 0.1 ? 2 : 3;
      const middle = log ? Math.sqrt(low * high) : (low + high) / 2;
      [low, middle, high].forEach((value, n) => {
        const text = log ? value.toExponential(0).replace("-", "−") : number(value, digits);
        ends[n].textContent = text;
      });
    },
  };
}
