// Small things that everything else on the page uses.

// An element with attributes, listeners (onclick: f) and children. Text stays text: nothing that
// comes from a file or an address is ever parsed as HTML.
function h(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "line", "rect", "circle", "text", "g", "polyline", "title"];
  const element = svg.includes(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

let ids = 0;
const newId = () => `ippy-${++ids}`;

// A number for people: a true minus, no "-0.0", ∞ spelled as such.
function number(value, digits = 2) {
  if (Number.isNaN(value)) return "undefined";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

// A style sheet goes into the page once, however many explorers there are.
const styles = new Set();
function style(name, css) {
  if (styles.has(name)) return;
  styles.add(name);
  document.head.append(h("style", { "data-ippy": name }, css));
}

// Whether the page is dark: the book's theme, JupyterLab's, VS Code's, else the reader's system.
function isDark() {
  const { documentElement: root, body } = document;
  const theme = root.dataset.theme;
  if (theme === "dark" || theme === "light") return theme === "dark";
  const jupyter = body.dataset.jpThemeLight;
  if (jupyter) return jupyter === "false";
  if (body.classList.contains("vscode-dark")) return true;
  if (body.classList.contains("vscode-light")) return false;
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

// Call `changed` when the page becomes dark or light, until the signal is aborted.
function watchTheme(changed, signal) {
  const observer = new MutationObserver(changed);
  const attributeFilter = ["data-theme", "data-jp-theme-light", "class"];
  for (const element of [document.documentElement, document.body])
    observer.observe(element, { attributes: true, attributeFilter });
  signal.addEventListener("abort", () => observer.disconnect());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed, { signal });
}

Object.assign(ippy, { h, newId, number, style, isDark });
