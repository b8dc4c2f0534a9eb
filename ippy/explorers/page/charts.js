// Small charts in SVG: lines and bars, with axes, readable on light and dark.

// Round numbers that cover [low, high], about `count` of them.
function ticks(low, high, count, log) {
  if (log) {
    const [from, to] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
    const powers = Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => 10 ** (from + n));
    return powers.length > 1 ? powers : [low, high];
  }
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const found = Array.from({ length: 50 }, (_, n) => (first + n) * step);
  return found.filter((value) => value <= high + step * 1e-9);
}

const shortNumber = (value) =>
  Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential(0).replace("e+", "e").replace(/-/g, "−")
    : String(Number(value.toPrecision(4))).replace("-", "−");

function createPlot({ label, width = 380, height = 230 }) {
  const svg = h("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const key = h("ul", { class: "key" });
  const element = h("figure", { class: "plot" }, h("figcaption", {}, label), svg, key);
  const box = { left: 48, right: width - 10, top: 8, bottom: height - 38 };

  // Axes for the given ranges; answers with the functions that place a number on them.
  function axes({ xRange, yRange, xlabel = "", ylabel = "", xlog = false, log = false, xticks }) {
    svg.replaceChildren();
    const place = ([low, high], from, to, isLog) => {
      const scale = isLog ? Math.log10 : (v) => v;
      const span = scale(high) - scale(low) || 1;
      return (value) => from + ((scale(value) - scale(low)) / span) * (to - from);
    };
    const x = place(xRange, box.left, box.right, xlog);
    const y = place(yRange, box.bottom, box.top, log);
    const lines = [];
    for (const value of ticks(...yRange, 4, log)) {
      lines.push(h("line", { class: "grid", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }));
      lines.push(h("text", { x: box.left - 5, y: y(value) + 4, "text-anchor": "end" }, shortNumber(value)));
    }
    for (const value of xticks ?? ticks(...xRange, 5, xlog))
      lines.push(h("text", { x: x(value), y: box.bottom + 15, "text-anchor": "middle" }, shortNumber(value)));
    const middle = (box.top + box.bottom) / 2;
    svg.append(...lines,
      h("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }),
      h("text", { x: (box.left + box.right) / 2, y: height - 6, "text-anchor": "middle" }, xlabel),
      h("text", { transform: `translate(11 ${middle}) rotate(-90)`, "text-anchor": "middle" }, ylabel));
    return { x, y };
  }

  const spread = (values, log) => {
    const usable = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
    if (!usable.length) return log ? [0.1, 1] : [0, 1];
    const [low, high] = [Math.min(...usable), Math.max(...usable)];
    return low < high ? [low, high] : log ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
  };

  // Series of {name, x, y, dashed?}, in the colours --ippy-1 … --ippy-6 in turn.
  function lines(series, options = {}) {
    const all = (axis) => series.flatMap((one) => Array.from(one[axis]));
    const xRange = options.xRange ?? spread(all("x"), options.xlog);
    const yRange = options.yRange ?? spread(all("y"), options.log);
    const { x, y } = axes({ ...options, xRange, yRange });
    series.forEach(({ x: xs, y: ys, dashed }, n) => {
      const inside = (value) => Math.min(yRange[1], Math.max(yRange[0], value));
      const points = Array.from(xs, (value, i) => [value, ys[i]])
        .filter(([, value]) => Number.isFinite(value))
        .map(([a, b]) => `${x(a).toFixed(1)},${y(inside(b)).toFixed(1)}`);
      const colour = `series series-${(n % 6) + 1}`;
      svg.append(h("polyline", { class: colour, points: points.join(" "), "stroke-dasharray": dashed && "5 4" }));
    });
    if (options.at !== undefined)
      svg.append(h("line", { class: "here", x1: x(options.at), x2: x(options.at), y1: box.top, y2: box.bottom }));
    legend(series, options.alt);
    return { x, y };
  }

  // Bars of the given heights between `low` and `high`.
  function bars(heights, { low = 0, high = heights.length, alt, ...options } = {}) {
    const yRange = options.yRange ?? [options.log ? 0.5 : 0, Math.max(1e-9, ...heights)];
    const { x, y } = axes({ ...options, xRange: [low, high], yRange });
    const width = (box.right - box.left) / heights.length;
    Array.from(heights).forEach((value, n) => {
      if (value <= yRange[0]) return;
      const top = y(Math.min(value, yRange[1]));
      const at = x(low + ((high - low) * n) / heights.length);
      svg.append(h("rect", { class: "bar-of-chart", x: at, y: top, width: Math.max(0.5, width - 0.5), height: box.bottom - top }));
    });
    legend([], alt);
  }

  function legend(series, alt) {
    const entries = series.filter(({ name }) => name);
    key.replaceChildren(...entries.map(({ name }) =>
      h("li", {}, h("span", { class: `swatch series-${(series.findIndex((one) => one.name === name) % 6) + 1}` }), name)));
    svg.setAttribute("aria-label", alt ? `${label}: ${alt}` : label);
  }

  return { element, svg, lines, bars };
}
