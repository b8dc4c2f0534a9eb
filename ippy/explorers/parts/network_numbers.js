// Squares of numbers in colours, and maps as small pictures.

// Blue below zero, orange above: the colour of value / range, and the ink that is legible on it.
function colours(value, range) {
  const share = Math.min(1, Math.abs(value) / (range || 1));
  const end = value < 0 ? [33, 102, 172] : [179, 88, 6];
  return paint(end.map((part) => Math.round(247 + share * (part - 247))));
}

function greys(value) {
  const grey = Math.round(255 * Math.min(1, Math.max(0, value)));
  return paint([grey, grey, grey]);
}

function paint(rgb) {
  const linear = rgb.map((part) => (part / 255 <= 0.04045 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return `background:rgb(${rgb});color:${luminance > 0.179 ? "#000" : "#fff"}`;
}

// A square of numbers in coloured cells; undefined cells lie outside the picture. With `onmove` it
// has a cursor, which arrow keys and the pointer move.
function numbers({ label, onmove }) {
  const { h } = ippy;
  const table = h("table", { class: "numbers", "aria-label": label });
  const caption = h("figcaption", {});
  const element = h("figure", {}, caption, table);
  let side = 0;
  let at = 0;
  const cells = () => table.querySelectorAll("td");
  if (onmove) {
    table.setAttribute("role", "grid");
    table.tabIndex = 0;
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    table.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const inside = (value) => Math.min(side - 1, Math.max(0, value));
      onmove(inside(Math.floor(at / side) + step[0]) * side + inside((at % side) + step[1]));
    });
    table.addEventListener("pointerover", ({ target }) => {
      const cell = target.closest("td");
      if (cell) onmove([...cells()].indexOf(cell));
    });
  }
  return {
    element,
    show(values, { digits = 2, colour = "signed", text, most = 7 } = {}) {
      side = Math.sqrt(values.length);
      const range = Math.max(...values.map((value) => Math.abs(value ?? 0)));
      table.classList.toggle("dense", side > most);
      const cell = (value) =>
        value === undefined
          ? h("td", { class: "outside", id: ippy.newId() }, "outside")
          : h("td", { style: colour === "grey" ? greys(value) : colours(value, range), id: ippy.newId(),
            "data-value": value }, ippy.number(value, digits));
      const rows = Array.from({ length: side }, (_, i) =>
        h("tr", {}, values.slice(i * side, (i + 1) * side).map(cell)));
      table.replaceChildren(h("tbody", {}, rows));
      table.querySelectorAll("td.outside").forEach((td) => (td.style.fontSize = "0"));
      if (text) caption.textContent = text;
    },
    point(index) {
      at = index;
      cells().forEach((cell, n) => cell.classList.toggle("at", n === index));
      table.setAttribute("aria-activedescendant", cells()[index]?.id ?? "");
    },
  };
}

// A map at half its size in a small canvas, from black at zero to white at its largest value.
function thumbnail(canvas, map) {
  const [height, width] = [map.height >> 1, map.width >> 1];
  [canvas.height, canvas.width] = [height, width];
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  const scale = 255 / (largest(map) || 1);
  for (let i = 0; i < height; i++)
    for (let j = 0; j < width; j++) {
      const n = 2 * i * map.width + 2 * j;
      const four = map.data[n] + map.data[n + 1] + map.data[n + map.width] + map.data[n + map.width + 1];
      picture.data.fill((scale * four) / 4, 4 * (i * width + j), 4 * (i * width + j) + 3);
      picture.data[4 * (i * width + j) + 3] = 255;
    }
  context.putImageData(picture, 0, 0);
}
