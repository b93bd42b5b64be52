// The linked views: heatmap, the chosen cell, curves. Every one is drawn from what is picked, and from nothing else.
const PALETTES = {
  encoder: ["#1a9bc0", "#2b7bdc", "#5a62e0", "#7f4fd0", "#0f7f8c", "#3f8fb5", "#6d7bb8"],
  other: ["#7c7f86", "#a06a9a", "#6b8a5a", "#9b7562", "#5f8296", "#8a6fb0", "#8f8340"],
  latent: ["#17976a", "#6f9a1e", "#0c8f8f"],
  decoder: ["#b98a00", "#d97a0b", "#e0592f", "#cc3f5d", "#a8642a", "#c76a86", "#9c7a3c"],
  input: ["#7a828c"],
};
const sides = () => (picked.both ? ["a", "b"] : ["a"]);
const on = (side, id) => $(side === "a" ? id : `${id}-b`);
const parts = () => ["encoder", "latent", "decoder", "other"].map((part) => [part, page.layers.filter((l) => l.part === part)]).filter(([, l]) => l.length);
const colourOf = (layer) => {
  const part = partOf(layer);
  const mine = page.layers.filter((l) => l.part === part).findIndex((l) => l.name === layer);
  return PALETTES[part][mine % PALETTES[part].length];
};
const corrected = (score, floor) => (known(floor) && floor < 0.95 ? (score - floor) / (1 - floor) : NaN);

/** The scores of a map as the reading asks for them: {value(k, i, j), half(k, i, j), note}. */
function readMap(side, against) {
  const map = mapOf(side, against);
  const size = page.layers.length;
  const blocks = new Map();
  const block = (k) => { if (!blocks.has(k)) blocks.set(k, map.at(k)); return blocks.get(k); };
  const raw = (k, i, j) => block(k)?.[i * size + j] ?? NaN;
  const start = map.steps.findIndex((s) => page.steps[s] === 0);
  const halves = (k, i, j) => map.half(k)?.[i * size + j] ?? NaN;
  const similar = measureOf(picked.measure)?.similarity;
  if (picked.reading === "corrected" && similar) {
    const value = (k, i, j) => (start < 0 ? NaN : corrected(raw(k, i, j), raw(start, i, j)));
    const half = (k, i, j) => halves(k, i, j) / (1 - raw(start, i, j));
    return { ...map, raw, value, half: start < 0 ? () => NaN : half, note: `${map.note}${start < 0 ? " There is no snapshot at step 0, so no floor." : ""}` };
  }
  if (picked.reading === "calibrated") {
    const who = unit(side);
    const entry = page.drill.find((d) => d.measure === picked.measure);
    const value = (k, i, j) => (i === j && against === "end" ? drilled(entry, who, i).calibrated?.[map.steps[k]] ?? NaN : NaN);
    return { ...map, raw, value, half: () => NaN, note: `${map.note} Nulls are drawn for a layer with itself at the end: the diagonal.` };
  }
  return { ...map, raw, value: raw, half: halves };
}
function drilled(entry, who, layer) {
  const from = who.run !== null && entry?.runs ? [entry.runs, who.run] : [entry?.settings, who.setting];
  return Object.fromEntries(["null_mean", "null_sd", "p", "calibrated"].map((name) => [name, slice(from[0]?.[name], from[1], layer)]));
}

// ---------------------------------------------------------------- heatmap
/** The layers that a map has, as rows and as columns: other networks of the study have others. */
function layersOf(map, k) {
  const all = page.layers.map((_, i) => i);
  const there = (some) => { const found = all.filter(some); return found.length ? found : all; };
  return [there((i) => all.some((j) => known(map.raw(k, i, j)))), there((j) => all.some((i) => known(map.raw(k, i, j))))];
}

function heatmap(side) {
  const place = on(side, "heat-table");
  if (!place) return;
  const map = readMap(side, picked.against);
  let k = map.steps.length ? upTo(map.steps, picked.step) : -1;
  const size = page.layers.length ** 2;
  while (k > 0 && !Array.from({ length: size }, (_, c) => c).some((c) => known(map.raw(k, Math.floor(c / page.layers.length), c % page.layers.length)))) k -= 1; // recorded runs look at steps of their own
  const at = k < 0 ? "" : count(page.steps[map.steps[k]]);
  const where = { end: "at the end of training", same: "at the same step", other: "of the second run at the same step" }[picked.against];
  const measure = measureOf(picked.measure);
  const who = unit(side);
  const [down, along] = layersOf(map, k);
  const chosen = picked.cell && [down.indexOf(layerAt(picked.cell[0])), along.indexOf(layerAt(picked.cell[1]))];
  const named = (i) => ({ name: page.layers[i].name, part: page.layers[i].part });
  const value = (i, j) => (k < 0 ? NaN : map.value(k, down[i], along[j]));
  const numbers = down.flatMap((_, i) => along.map((__, j) => value(i, j)));
  const high = highest(numbers);
  $("heat-high").textContent = plain(high);
  heatGrid(place, {
    caption: `${who.label}: rows are layers at step ${at}, columns layers ${where}.`, rows: down.map(named), columns: along.map(named), chosen, high, value,
    half: (i, j) => (k < 0 ? NaN : map.half(k, down[i], along[j])),
    notes: (i, j) => [["step", at], ...(down[i] === along[j] && picked.against === "end" ? flagsOf(who.setting, down[i], map.steps[k]).map(([word]) => ["flag", word]) : [])],
    pick: (i, j) => { picked.cell = [page.layers[down[i]].name, page.layers[along[j]].name]; changed(); },
  });
  const missing = numbers.filter((v) => !known(v)).length;
  const behind = k >= 0 && map.steps[k] !== picked.step ? ` This map has step ${at}, the last before step ${count(page.steps[picked.step])}.` : "";
  on(side, "heat-status").textContent = `${measure?.title ?? ""}, ${title(page.readings, picked.reading).toLowerCase()}. ${map.note}${behind}${missing ? ` ${count(missing)} of ${count(numbers.length)} cells not computed (·).` : ""}`;
}
/** The score of the last colour: 1 of a similarity, the largest there is of a distance. */
const highest = (values) => (measureOf(picked.measure)?.similarity === false ? Math.max(1, extent(Array.from(values))[1]) || 1 : 1);

// ---------------------------------------------------------------- flags and the chosen cell
function flagsOf(setting, layer, step) {
  const flags = page.flags;
  if (!flags) return [];
  return flags.settings.filter((f) => f.measure === "" || f.measure === picked.measure).flatMap((f) => {
    const mask = code(f.mask, setting, layer, step);
    const told = flags.reasons[`${f.measure},${setting},${layer},${step}`] ?? [];
    return flags.words.flatMap((word, bit) => {
      if (mask === 255 || !(mask & (1 << bit))) return [];
      const reason = told.find(([w]) => w === word);
      return [[word, reason ? reason[1] : flags.meaning[word]]];
    });
  });
}

function chosenCell(side) {
  const place = on(side, "cell");
  if (!place) return;
  const [one, other] = picked.cell ?? [];
  const [i, j] = [layerAt(one), layerAt(other)];
  on(side, "cell-title").textContent = i < 0 ? "A cell of the map" : one === other ? one : `${one} with ${other}`;
  on(side, "cell-none").hidden = i >= 0;
  on(side, "cell-facts").hidden = i < 0;
  if (i < 0) { place.replaceChildren(); on(side, "cell-facts").replaceChildren(); return; }
  const who = unit(side);
  const map = readMap(side, picked.against);
  const steps = map.steps.map((s) => page.steps[s]);
  const y = map.steps.map((_, k) => map.value(k, i, j));
  const half = map.steps.map((_, k) => map.half(k, i, j));
  const entry = page.drill.find((d) => d.measure === picked.measure);
  const self = i === j && picked.against === "end";
  const drill = self ? drilled(entry, who, i) : {};
  const series = [{ name: one === other ? one : "this cell", part: partOf(one), colour: colourOf(one), mark: "circle", x: steps, y, low: y.map((v, k) => v - half[k]), high: y.map((v, k) => v + half[k]) }];
  if (drill.null_mean && picked.reading === "raw") {
    const sd = drill.null_sd;
    const of = (d) => Array.from(drill.null_mean, (m, s) => m + d * (sd?.[s] ?? NaN));
    const there = page.steps.map((_, s) => s).filter((s) => known(drill.null_mean[s]));
    const keep = (values) => there.map((s) => values[s]);
    series.push({ name: "by chance", part: "null", colour: "currentColor", dash: "1 3", x: keep(page.steps), y: keep(drill.null_mean), low: keep(of(-2)), high: keep(of(2)) });
  }
  lineChart(place, {
    label: `Score of ${one} with ${other} over steps`, x: { log: true, domain: [0, page.steps.at(-1)] }, y: { title: measureOf(picked.measure)?.title, domain: domain(y) }, series, height: 230,
    cursor: page.steps[picked.step], pick: (s, k) => toStep(s.x[k]),
  });
  const k = upTo(map.steps, picked.step);
  const step = map.steps[k];
  const shape = (name) => { const from = who.run !== null && page.shapes?.runs ? [page.shapes.runs, who.run] : [page.shapes?.settings, who.setting]; return slice(from[0]?.[name], from[1], i)?.[step]; };
  const facts = [["At step", count(page.steps[step])], ["Score", `${shown(y[k], 3)}${known(half[k]) ? ` (${between(y[k] - half[k], y[k] + half[k], 3)})` : ""}`]];
  if (self) {
    const at = (name) => drill[name]?.[step];
    facts.push(["By chance", known(at("null_mean")) ? `${shown(at("null_mean"), 3)} ± ${shown(at("null_sd"), 3)}, n = ${entry.n}` : "not drawn"]);
    facts.push(["Calibrated", known(at("calibrated")) ? `${shown(at("calibrated"), 3)}, p ${at("p") < 0.001 ? "< 0.001" : `= ${plain(at("p"))}`}` : "–"]);
  }
  if (page.shapes) {
    const [pr, top, dead] = ["participation", "top_share", "dead"].map(shape);
    facts.push([`Participation ratio of ${one}`, known(pr) ? `${plain(pr)} of ${count(page.layers[i].features)} features` : "–"]);
    facts.push(["Norm in the heaviest 1 % of examples", known(top) ? `${shown(top * 100, 1)} %` : "–"]);
    if (dead > 0) facts.push(["Dead", who.run === null ? `in ${shown(dead * 100, 0)} % of runs` : "yes"]);
  }
  const flags = flagsOf(who.setting, i, step);
  const told = flags.map(([word, reason]) => element("li", null, element("strong", null, word), `: ${reason}`));
  on(side, "cell-facts").replaceChildren(
    element("dl", { class: "facts" }, facts.map(([name, text]) => [element("dt", null, name), element("dd", null, text)])),
    page.flags ? flags.length ? element("ul", { class: "flags", "aria-label": "Flags" }, told) : element("p", { class: "hint" }, "No flags here.") : element("p", { class: "hint" }, "Flags need the study's examinations."),
  );
}
/** 0 to 1 for what lies there, so that charts can be compared; wider where it must be. */
const domain = (values) => {
  const [low, high] = extent(Array.from(values));
  return [Math.min(0, Math.max(low, -0.5)) || 0, Math.max(1, Math.min(Number.isFinite(high) ? high : 1, highest(values)))];
};
function toStep(step) {
  picked.step = upTo(page.steps, step);
  changed();
}

// ---------------------------------------------------------------- curves
function curves(side) {
  if (!on(side, "curve-status")) return;
  const who = unit(side);
  const similar = measureOf(picked.measure)?.similarity;
  const entry = curveEntry(picked.measure, picked.reference, picked.reading, picked.control);
  let alone = true;
  const lines = new Map();
  for (const layer of page.layers) {
    const found = entry ? over(entry, who, layerAt(layer.name)) : {};
    if (!found.y) continue;
    alone = alone && found.alone;
    const at = page.steps.map((_, s) => s).filter((s) => known(found.y[s]));
    const keep = (values) => (values ? at.map((s) => values[s]) : null);
    lines.set(layer.name, { x: keep(page.steps), y: keep(found.y), low: keep(found.low), high: keep(found.high) });
  }
  const all = [...lines.values()];
  const some = all.some((l) => l.y.length);
  for (const part of ["encoder", "latent", "decoder", "other"]) {
    const place = on(side, `curves-${part}`);
    if (!place) continue;
    const layers = page.layers.filter((l) => l.part === part && lines.has(l.name));
    const series = layers.map((l, i) => ({ ...lines.get(l.name), name: l.name, part, colour: colourOf(l.name), mark: MARKS[i % MARKS.length] }));
    if (picked.cell) series.forEach((s) => { s.mark = s.name === picked.cell[0] ? "circle" : s.mark; });
    lineChart(place, {
      label: `Similarity of ${part} layers over steps`, x: { log: true, domain: [0, page.steps.at(-1) ?? 1] }, y: { title: part === "encoder" ? measureOf(picked.measure)?.title : "", domain: domain(all.flatMap((l) => l.y)) }, series,
      cursor: page.steps[picked.step], rules: similar && picked.reference === "final" ? [{ y: 0.9, text: "0.9" }] : [], pick: (s, i) => { picked.cell = [s.name, s.name]; toStep(s.x[i]); },
    });
  }
  const told = [];
  if (!some) told.push(nothing());
  else if (who.run !== null && !alone) told.push("The curves of this run alone are left out of this page: these are the mean over the seeds.");
  on(side, "curve-status").textContent = `${who.label}: ${title(page.references, picked.reference)}, ${title(page.readings, picked.reading).toLowerCase()}${picked.control ? `, ${title(page.controls, picked.control).toLowerCase()}` : ""}. ${told.join(" ")}`;
  const at = page.steps.map((_, s) => s).filter((s) => all.some((l) => l.x.includes(page.steps[s])));
  const cell = (l, s) => { const i = l.x.indexOf(page.steps[s]); return i < 0 ? "·" : shown(l.y[i]); };
  laterTable(on(side, "curve-table"), () => [`${who.label}, by step`, ["layer", ...at.map((s) => count(page.steps[s]))], [...lines].map(([name, l]) => [name, ...at.map((s) => cell(l, s))])]);
  const settled = page.settling?.find((s) => s.measure === picked.measure);
  const own = (name, layer) => (who.run !== null ? [slice(settled?.[name], who.run)?.[layer]] : (page.settings[who.setting]?.runs ?? []).map((r) => slice(settled?.[name], r)?.[layer]));
  const step = (values) => { const there = values.filter(known).sort((a, b) => a - b); return there.length ? `${plain(there[Math.floor((there.length - 1) / 2)])}${there.length < values.length ? ` (${values.length - there.length} never)` : ""}` : "never"; };
  laterTable(on(side, "settle-table"), () => ["Step at which 0.9 is reached; the median where there are several seeds", ["layer", "raw", "floor-corrected"],
    page.layers.flatMap((l, i) => (l.part === "input" ? [] : [[l.name, step(own("raw", i)), step(own("corrected", i))]]))]);
}
/** Why there are no curves. */
function nothing() {
  const there = page.curves.filter((c) => c.measure === picked.measure);
  const way = (c) => `${title(page.references, c.reference)}, ${title(page.readings, c.reading).toLowerCase()}${c.control ? `, ${title(page.controls, c.control).toLowerCase()}` : ""}`;
  return there.length ? `Nothing was computed for this; there is: ${[...new Set(there.map(way))].slice(0, 8).join("; ")}.` : "No curves yet: they need a finished run and its similarities.";
}
/** Fill a table when its details are open, and then whenever something is picked. */
function laterTable(table, make) {
  if (!table) return;
  const details = table.closest("details");
  const fill = () => details.open && fillTable(table, ...make());
  details.ontoggle = fill;
  fill();
}
