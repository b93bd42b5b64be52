// What every part of the page stands on. All report-*.js and then report.js are joined into one module. Names are text, never markup.
const $ = (id) => document.getElementById(id);
const page = JSON.parse($("data").textContent);
const SVG = "http://www.w3.org/2000/svg";

function dress(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}
const element = (tag, attributes, ...children) => dress(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => dress(document.createElementNS(SVG, tag), attributes, children);

// ---------------------------------------------------------------- numbers
const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
const minus = (text) => text.replace("-", "−");
const shown = (value, digits = 2) => (known(value) ? minus(value.toFixed(digits)) : "·");
const count = (value) => (known(value) ? value.toLocaleString("en") : "–");
const short = (value) => (value >= 1e6 ? `${+(value / 1e6).toPrecision(3)}M` : value >= 10000 ? `${+(value / 1000).toPrecision(3)}k` : count(+value.toPrecision(4)));
/** A number with as many decimals as its size asks for. */
const plain = (value) => (known(value) ? minus(String(Number(value.toPrecision(3)))) : "–");
const between = (low, high, digits = 2) => (known(low) && known(high) ? `${shown(low, digits)} to ${shown(high, digits)}` : "");

// ---------------------------------------------------------------- packed arrays
let bytes = null;
/** Inflate the packed arrays of the page; nothing is decoded before it is asked for. */
async function inflate() {
  const text = $("arrays")?.textContent.trim();
  if (!text) return;
  const raw = atob(text);
  const packed = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) packed[i] = raw.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  bytes = await new Response(stream).arrayBuffer();
}
const TYPES = { u1: [Uint8Array, 255], u2: [Uint16Array, 65535], f4: [Float32Array, NaN] };

/** The numbers of an array below some indices, flat: slice(a, 3, 1) of a 4-axis array is its 2-axis part. None where there is no array. */
function slice(handle, ...indices) {
  if (!handle || !bytes) return null;
  const [Type, none] = TYPES[handle.type];
  const whole = handle.shape;
  const size = whole.slice(indices.length).reduce((p, n) => p * n, 1);
  let at = 0;
  indices.forEach((index, i) => { at += index * whole.slice(i + 1).reduce((p, n) => p * n, 1); });
  const codes = new Type(bytes, handle.at + at * Type.BYTES_PER_ELEMENT, size);
  if (handle.type === "f4") return codes;
  const made = new Float64Array(size);
  const gap = (handle.high - handle.low) / (none - 1);
  for (let i = 0; i < size; i += 1) made[i] = codes[i] === none ? NaN : handle.low + codes[i] * gap;
  return handle.scale === "asinh" ? made.map(Math.sinh) : made;
}
/** The codes themselves, of one cell. */
function code(handle, ...indices) {
  if (!handle || !bytes) return 0;
  let at = 0;
  handle.shape.forEach((_, i) => { at += indices[i] * handle.shape.slice(i + 1).reduce((p, n) => p * n, 1); });
  return new TYPES[handle.type][0](bytes, handle.at + at * TYPES[handle.type][0].BYTES_PER_ELEMENT, 1)[0];
}
/** Columns {a: [...], b: [...]} as rows [{a, b}, ...]. */
function rows(table) {
  const names = Object.keys(table ?? {});
  return names.length ? table[names[0]].map((_, i) => Object.fromEntries(names.map((n) => [n, table[n][i]]))) : [];
}

// ---------------------------------------------------------------- what is pointed at
/** Show lines [[name, text], ...] beside a point of the window; without lines, nothing. */
function tip(lines, x, y) {
  const box = $("tip");
  if (!lines) { box.hidden = true; return; }
  box.replaceChildren(element("dl", null, lines.filter(([, text]) => text).map(([name, text]) => [element("dt", null, name), element("dd", null, text)])));
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  box.style.left = `${Math.max(4, x + 16 + width > innerWidth ? x - width - 12 : x + 16)}px`;
  box.style.top = `${Math.max(4, y + 16 + height > innerHeight ? y - height - 12 : y + 16)}px`;
}
let saying;
/** Read a text to those who do not see the page; the last of several in a row. */
function say(text) {
  clearTimeout(saying);
  saying = setTimeout(() => { $("said").textContent = text; }, 150);
}

// ---------------------------------------------------------------- only what is seen is drawn
const waiting = new Map();
const near = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) { near.delete(target); continue; }
    near.add(target);
    const draw = waiting.get(target);
    waiting.delete(target);
    draw?.();
  }
}, { rootMargin: "400px" });
/** Draw now where the place is near the window, else when it comes near; of several asked for before that, the last. */
function soon(place, draw) {
  if (!place) return;
  if (near.has(place)) { draw(); return; }
  waiting.set(place, draw);
  watcher.observe(place);
}
/** Draw all that waits, before printing. */
function drawAll() {
  for (const [place, draw] of [...waiting]) { waiting.delete(place); draw(); }
}

const widths = new WeakMap();
const resized = new ResizeObserver((entries) => requestAnimationFrame(() => {
  for (const { target } of entries) {
    const entry = widths.get(target);
    if (entry && target.clientWidth && Math.abs(entry.width - target.clientWidth) > 2) { entry.width = target.clientWidth; entry.draw(); }
  }
}));
/** Draw now and again whenever the place is of another width. */
function fitted(place, draw) {
  if (!widths.has(place)) resized.observe(place);
  widths.set(place, { width: place.clientWidth, draw });
  draw();
}

// ---------------------------------------------------------------- tables
/** A table of texts: a caption, names of columns, lines [name, ...texts]; at most `most` lines. */
function fillTable(table, caption, columns, lines, most = 400) {
  const head = element("thead", null, element("tr", null, columns.map((name) => element("th", { scope: "col" }, name))));
  const body = lines.slice(0, most).map(([name, ...texts]) =>
    element("tr", null, element("th", { scope: "row" }, name), texts.map((text) => element("td", null, text))));
  const left = lines.length > most ? ` The first ${most} of ${count(lines.length)} lines; all are in the study's folder.` : "";
  table.replaceChildren(element("caption", null, caption + left), head, element("tbody", null, body));
}
