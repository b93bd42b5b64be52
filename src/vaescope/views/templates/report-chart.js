// Line charts: steps on a logarithmic axis, bands for intervals, names at the ends of the lines, points to hover or to walk by arrow keys.
const SHAPES = {
  circle: "M-3,0A3,3 0 1 0 3,0A3,3 0 1 0 -3,0", square: "M-2.7,-2.7H2.7V2.7H-2.7Z", up: "M0,-3.6L3.4,2.6H-3.4Z", diamond: "M0,-3.9L3.9,0L0,3.9L-3.9,0Z",
  cross: "M-1.1,-3.3H1.1V-1.1H3.3V1.1H1.1V3.3H-1.1V1.1H-3.3V-1.1H-1.1Z", down: "M0,3.6L3.4,-2.6H-3.4Z", left: "M-3.6,0L2.6,-3.4V3.4Z",
};
const MARKS = Object.keys(SHAPES);
const DASHES = { encoder: null, latent: "2 3", decoder: "7 3", other: null, passive: "2 3", mixed: "7 3" };

const logged = (step) => Math.log1p(Math.max(step, 0));
/** 0, the last step and powers of ten between them that stand apart on an axis of some pixels. */
function stepTicks(last, room) {
  if (!(last > 0)) return [0];
  const kept = [0, last];
  const at = (v) => (logged(v) / logged(last)) * room;
  for (let k = 10 ** Math.floor(Math.log10(last)); k >= 1; k /= 10) if (kept.every((t) => Math.abs(at(t) - at(k)) > 36)) kept.push(k);
  return kept.sort((p, q) => p - q);
}
/** 1, 2 and 5 times powers of ten within a range. */
function logTicks(low, high) {
  const made = [];
  if (!(low > 0 && Number.isFinite(high))) return made;
  for (let k = Math.floor(Math.log10(low)); 10 ** k <= high; k += 1) for (const m of [1, 2, 5]) if (m * 10 ** k >= low && m * 10 ** k <= high) made.push(m * 10 ** k);
  const tens = made.filter((v) => Number.isInteger(Math.log10(v)));
  return made.length > 5 && tens.length > 1 ? tens : made;
}
function roundTicks(low, high, wanted) {
  const rough = (high - low) / Math.max(wanted, 1);
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  const size = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) ?? power;
  const ticks = [];
  for (let k = Math.ceil(low / size - 1e-9); k * size <= high + 1e-9 * size; k += 1) ticks.push(k * size);
  return ticks;
}

/** Lay names of one height under each other, as near to their places as they can be. */
function spreadOut(places, gap, low, high) {
  const order = places.map((at, i) => ({ at, i })).sort((a, b) => a.at - b.at);
  order.forEach((p, k) => { p.at = Math.max(p.at, k ? order[k - 1].at + gap : low); });
  for (let k = order.length - 1; k >= 0; k -= 1) order[k].at = Math.min(order[k].at, k === order.length - 1 ? high : order[k + 1].at - gap);
  const made = [];
  for (const { at, i } of order) made[i] = at;
  return made;
}

const extent = (values) => values.filter(known).reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
function path(xs, ys) {
  let made = "";
  let pen = "M";
  for (let i = 0; i < xs.length; i += 1) {
    if (!known(ys[i])) { pen = "M"; continue; }
    made += `${pen}${xs[i].toFixed(1)},${ys[i].toFixed(1)}`;
    pen = "L";
  }
  return made;
}
function band(xs, lows, highs) {
  const at = xs.map((_, i) => i).filter((i) => known(lows[i]) && known(highs[i]));
  if (at.length < 2) return "";
  const corner = (i, ys) => `${xs[i].toFixed(1)},${ys[i].toFixed(1)}`;
  return `M${at.map((i) => corner(i, highs)).join("L")}L${at.reverse().map((i) => corner(i, lows)).join("L")}Z`;
}

/**
 * Draw a line chart into a place, as wide as it is.
 *
 * spec: label (read aloud), x {title, log, domain}, y {title, domain, log, digits}, height, cursor (an x), rules [{y, text}],
 * series [{name, part, colour, dash, mark, faint, x, y, low, high, notes}], pick(series, i).
 */
function lineChart(place, spec) {
  fitted(place, () => drawLines(place, spec));
}

function drawLines(place, spec) {
  const wide = Math.max(place.clientWidth, 160);
  const named = spec.series.filter((s) => s.name && !s.faint);
  const longest = Math.max(0, ...named.map((s) => s.name.length));
  const ends = named.length > 0 && named.length < 13 && wide > 250;
  const right = ends ? Math.min(16 + longest * 6.4, wide * 0.36) : 14;
  const [left, top, bottom] = [spec.y.title ? (spec.y.log ? 62 : 52) : 36, 10, spec.x.title === "" ? 22 : 40];
  const high = spec.height ?? Math.round(Math.min(320, Math.max(210, wide * 0.55)));
  const [width, height] = [wide - left - right, high - top - bottom];
  const all = (key) => spec.series.flatMap((s) => Array.from(s[key] ?? []));
  const xs = spec.x.domain ?? extent(all("x"));
  let [low, top_] = spec.y.domain ?? extent([...all("y"), ...all("low"), ...all("high")]);
  if (!Number.isFinite(low)) [low, top_] = [0, 1];
  if (top_ - low < 1e-9) top_ = low + 1;
  if (!spec.y.domain && !spec.y.log) { const room = (top_ - low) * 0.05; low = low >= 0 && low < room * 6 ? 0 : low - room; top_ += room; }
  const sx = spec.x.log ? logged : (v) => v;
  const sy = spec.y.log ? (v) => Math.log10(Math.max(v, 1e-9)) : (v) => v;
  const x = (v) => left + ((sx(v) - sx(xs[0])) / (sx(xs[1]) - sx(xs[0]) || 1)) * width;
  const y = (v) => (known(v) ? top + height - (Math.max(0, Math.min(1, (sy(v) - sy(low)) / (sy(top_) - sy(low))))) * height : NaN);
  const bands = spec.series.filter((s) => s.low).length;
  const root = svg("svg", { class: bands > 2 && spec.series.length === bands ? "many" : "", width: wide, height: high, viewBox: `0 0 ${wide} ${high}`, "aria-hidden": "true", focusable: "false" });

  const axis = svg("g", { class: "axis" });
  const ticks = spec.x.ticks ?? (spec.x.log ? stepTicks(xs[1], width) : roundTicks(xs[0], xs[1], width / 70));
  for (const tick of ticks) {
    axis.append(svg("path", { class: "tick", d: `M${x(tick)},${top + height}v5` }));
    axis.append(svg("text", { x: x(tick), y: top + height + 17, "text-anchor": "middle" }, spec.x.text?.(tick) ?? short(tick)));
  }
  const lines = spec.y.log ? logTicks(low, top_) : roundTicks(low, top_, height / 42);
  for (const tick of lines) {
    axis.append(svg("path", { class: "grid", d: `M${left},${y(tick)}h${width}` }));
    axis.append(svg("text", { x: left - 8, y: y(tick) + 3.8, "text-anchor": "end" }, (spec.y.log ? short : plain)(tick)));
  }
  if (spec.x.title !== "") axis.append(svg("text", { class: "title", x: left + width / 2, y: high - 5, "text-anchor": "middle" }, spec.x.title ?? "training step"));
  if (spec.y.title) axis.append(svg("text", { class: "title", transform: `translate(12,${top + height / 2}) rotate(-90)`, "text-anchor": "middle" }, spec.y.title));
  root.append(axis);
  for (const rule of spec.rules ?? []) {
    root.append(svg("path", { class: "rule", d: `M${left},${y(rule.y)}h${width}` }));
    if (rule.text) root.append(svg("text", { class: "note", x: left + 3, y: y(rule.y) - 4 }, rule.text));
  }
  if (known(spec.cursor) && spec.cursor >= xs[0] && spec.cursor <= xs[1]) root.append(svg("path", { class: "cursor", d: `M${x(spec.cursor)},${top}v${height}` }));

  const points = [];
  const many = spec.series.length * (spec.series[0]?.x.length ?? 0) > 900;
  const drawn = spec.series.map((s, k) => {
    const px = Array.from(s.x, x);
    const py = Array.from(s.y, y);
    const look = { class: `series ${s.faint ? "faint" : ""}`, "stroke-dasharray": s.dash ?? DASHES[s.part] ?? null };
    const group = svg("g", { class: `line ${s.part ?? ""}` });
    if (s.colour) group.style.color = s.colour;
    const hull = s.low && s.high ? band(px, Array.from(s.low, y), Array.from(s.high, y)) : "";
    if (hull) group.append(svg("path", { class: "band", d: hull }));
    group.append(svg("path", { ...look, d: path(px, py), fill: "none" }));
    if (s.faint) return group;
    const mark = s.mark ? SHAPES[s.mark] : null;
    px.forEach((at, i) => {
      if (!known(py[i])) return;
      points.push({ k, i, x: at, y: py[i] });
      if (mark && !many) group.append(svg("path", { class: "mark", d: mark, transform: `translate(${at.toFixed(1)},${py[i].toFixed(1)})` }));
    });
    return group;
  });
  root.append(...drawn);
  if (ends) {
    const lasts = named.map((s) => y(Array.from(s.y).findLast(known)));
    const at = spreadOut(lasts.map((v) => (known(v) ? v : top + height)), 12.5, top + 4, top + height - 3);
    named.forEach((s, i) => {
      if (!known(lasts[i])) return;
      const text = s.name.length * 6.4 > right - 12 ? `${s.name.slice(0, Math.floor((right - 16) / 6.4))}…` : s.name;
      if (Math.abs(at[i] - lasts[i]) > 3) root.append(svg("path", { class: "leader", d: `M${left + width + 3},${lasts[i]}L${left + width + 9},${at[i]}` }));
      const name = svg("text", { class: `name ${s.part ?? ""}`, x: left + width + 11, y: at[i] + 3.8 }, text);
      if (s.colour) name.style.fill = `color-mix(in oklab, ${s.colour} 62%, var(--ink))`;
      root.append(name);
    });
  }
  const ring = svg("circle", { class: "ring", r: 6.5, visibility: "hidden" });
  root.append(ring);
  const stage = element("div", { class: "stage", tabindex: 0, role: "application", "aria-roledescription": "chart", "aria-label": `${spec.label}. Arrow keys go from point to point.` }, root);
  const told = (p) => {
    const s = spec.series[p.k];
    const digits = spec.y.digits ?? 3;
    return [[s.name, ""], ["", s.name], [spec.x.name ?? "step", count(s.x[p.i])], [spec.y.name ?? "value", shown(s.y[p.i], digits)],
      ["interval", between(s.low?.[p.i], s.high?.[p.i], digits)], ...(s.notes?.(p.i) ?? [])];
  };
  let here = null;
  const show = (p, aloud) => {
    here = p;
    ring.setAttribute("cx", p.x); ring.setAttribute("cy", p.y); ring.setAttribute("visibility", "visible");
    drawn.forEach((group, k) => { group.classList.toggle("behind", k !== p.k); group.classList.toggle("fore", k === p.k); });
    const box = root.getBoundingClientRect();
    const lines_ = told(p);
    tip(lines_, box.left + p.x, box.top + p.y);
    if (aloud) say(lines_.filter(([, text]) => text).map((line) => line.join(" ").trim()).join(", "));
  };
  const hide = () => { ring.setAttribute("visibility", "hidden"); drawn.forEach((group) => group.classList.remove("behind", "fore")); tip(null); };
  stage.addEventListener("pointermove", (event) => {
    const box = root.getBoundingClientRect();
    const [mx, my] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    let least = 40 ** 2;
    for (const p of points) { const d = (p.x - mx) ** 2 + (p.y - my) ** 2; if (d < least) { least = d; best = p; } }
    if (best) show(best, false); else hide();
  });
  stage.addEventListener("pointerleave", hide);
  stage.addEventListener("blur", hide);
  stage.addEventListener("click", () => here && spec.pick?.(spec.series[here.k], here.i));
  stage.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { hide(); return; }
    if (event.key === "Enter" && here) { spec.pick?.(spec.series[here.k], here.i); return; }
    const turn = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (!turn || !points.length) return;
    event.preventDefault();
    const able = [...new Set(points.map((p) => p.k))];
    const mine = (k) => points.filter((p) => p.k === k);
    if (!here || !points.includes(here)) { show(points[0], true); return; }
    const k = able[(able.indexOf(here.k) + turn[0] + able.length) % able.length];
    const row = mine(k);
    const at = turn[0] ? row.reduce((a, p) => (Math.abs(p.x - here.x) < Math.abs(a.x - here.x) ? p : a)) : row[Math.max(0, Math.min(row.length - 1, row.indexOf(here) + turn[1]))];
    show(at, true);
  });
  const focused = place.contains(document.activeElement);
  place.replaceChildren(stage);
  if (focused) stage.focus({ preventScroll: true });
}
