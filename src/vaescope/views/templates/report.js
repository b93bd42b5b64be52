// The report's controls: each picker feeds new rows to a chart by name. Every name is text, never markup.
const $ = (id) => document.getElementById(id);
const page = JSON.parse($("data").textContent);
const views = {};

/** Columns {a: [...], b: [...]} as rows [{a, b}, ...]. */
function rows(table) {
  const names = Object.keys(table);
  return names.length ? table[names[0]].map((_, i) => Object.fromEntries(names.map((n) => [n, table[n][i]]))) : [];
}

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// ---------------------------------------------------------------- charts
function tooltip(_handler, event, _item, value) {
  const tip = $("tip");
  if (value === null || value === undefined || value === "") { tip.hidden = true; return; }
  const list = element("dl");
  for (const [name, text] of Object.entries(value)) list.append(element("dt", name), element("dd", String(text)));
  tip.replaceChildren(list);
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = event.clientX + 14 + box.width > innerWidth ? event.clientX - box.width - 10 : event.clientX + 14;
  const top = event.clientY + 14 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 14;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

/** Give a chart its rows: the first time it is drawn, later only the rows change. */
async function feed(id, spec, name, data) {
  if (!spec || !$(id)) return;
  if (views[id]) {
    await (await views[id]).data(name, data).runAsync();
    return;
  }
  const options = { ast: true, actions: false, renderer: "svg", tooltip, defaultStyle: false };
  const whole = { ...spec, datasets: { ...spec.datasets, [name]: data } };
  views[id] = vegaEmbed($(id), whole, options).then((made) => made.view);
  await views[id];
}


async function save(id) {
  const svg = await (await views[id]).toSVG();
  element("a", "", { download: `${id}.svg`, href: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}` }).click();
}

// ---------------------------------------------------------------- pickers
function fill(id, choices, chosen = 0) {
  const select = $(id);
  if (!select) return;
  select.replaceChildren(...choices.map((text, i) => element("option", text, { value: String(i) })));
  select.value = String(Math.min(chosen, choices.length - 1));
}

/** Fit a step slider to the snapshots of a run and return the step it points at. */
function stepOf(id, steps, position) {
  const slider = $(id);
  slider.max = String(Math.max(steps.length - 1, 0));
  slider.disabled = steps.length < 2;
  if (position !== undefined) slider.value = String(position);
  const step = steps[Number(slider.value)];
  const text = step === undefined ? "no snapshot" : `step ${step.toLocaleString("en")}`;
  $(`${id}-out`).textContent = text;
  slider.setAttribute("aria-valuetext", text);
  return step;
}

/** Update when one of the controls changes; the page says by data-ready when what it shows is what they say. */
function on(ids, update) {
  const root = document.documentElement;
  let pending = 0;
  const updated = async () => {
    pending += 1;
    root.dataset.ready = "no";
    await update();
    pending -= 1;
    if (!pending) root.dataset.ready = "yes";
  };
  for (const id of ids) $(id)?.addEventListener("input", updated);
}

// ---------------------------------------------------------------- layer by layer
const decoded = new Map();

function block(measure, i, j) {
  const key = `${measure}:${i},${j}`;
  if (!decoded.has(key)) {
    const text = page.scores[measure].blocks[`${i},${j}`];
    const bytes = text === undefined ? null : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    decoded.set(key, bytes && new DataView(bytes.buffer));
  }
  return decoded.get(key);
}

/** Scores of every layer of one snapshot with every layer of another: [{layer_a, layer_b, score}, ...]. */
function cells(measure, runA, stepA, runB, stepB) {
  const packed = page.scores[measure];
  const [a, b] = [packed.runs.indexOf(runA), packed.runs.indexOf(runB)];
  if (a < 0 || b < 0) return [];
  const at = (run, step) => packed.rows[run].map(([s, l], i) => [s, l, i]).filter(([s]) => s === step);
  const flip = a > b;
  const view = flip ? block(measure, b, a) : block(measure, a, b);
  const wide = packed.rows[flip ? a : b].length;
  const found = [];
  for (const [, la, i] of at(a, stepA)) {
    for (const [, lb, j] of at(b, stepB)) {
      const raw = view ? view.getInt16(2 * (flip ? j * wide + i : i * wide + j), true) : -32768;
      const score = raw === -32768 ? null : raw / packed.scale;
      found.push({ layer_a: packed.layers[la], step_a: stepA, layer_b: packed.layers[lb], step_b: stepB, score });
    }
  }
  const known = page.layers;
  return found.sort((p, q) => known.indexOf(p.layer_a) - known.indexOf(q.layer_a) || known.indexOf(p.layer_b) - known.indexOf(q.layer_b));
}

const shown = (score) => (score === null ? "·" : score.toFixed(2).replace("-", "−"));

/** Numbers as a table: names of columns, and rows of [name, ...texts]. */
function numbers(id, caption, columns, lines) {
  const head = element("tr");
  head.append(...columns.map((name) => element("th", name, { scope: "col" })));
  const body = lines.map(([name, ...texts]) => {
    const line = element("tr");
    line.append(element("th", name, { scope: "row" }), ...texts.map((text) => element("td", text)));
    return line;
  });
  $(id).replaceChildren(element("caption", caption), head, ...body);
}

function cellTable(data) {
  const columns = [...new Set(data.map((c) => c.layer_b))];
  const lines = [...new Set(data.map((c) => c.layer_a))].map((name, i) => [
    name, ...data.slice(i * columns.length, (i + 1) * columns.length).map((c) => shown(c.score)),
  ]);
  numbers("heat-table", "Rows: layers of snapshot A; columns: layers of snapshot B; · not computed", ["A \\ B", ...columns], lines);
}

function heatmap() {
  const measure = page.measures[Number($("heat-measure").value)];
  const [a, b] = ["a", "b"].map((side) => page.runs[Number($(`heat-run-${side}`).value)]);
  const [stepA, stepB] = [stepOf("heat-step-a", a.steps), stepOf("heat-step-b", b.steps)];
  const data = cells(measure.name, a.id, stepA, b.id, stepB);
  const known = data.filter((c) => c.score !== null);
  const packed = page.scores[measure.name];
  const pair = [packed.runs.indexOf(a.id), packed.runs.indexOf(b.id)].sort((p, q) => p - q).join(",");
  const best = known.reduce((top, c) => (top === null || c.score > top.score ? c : top), null);
  const at = (step) => (step === undefined ? "no snapshot here" : `step ${step}`);
  const told = [`A: ${a.label}, ${at(stepA)}. B: ${b.label}, ${at(stepB)}.`];
  if (packed.leftOut.includes(pair)) told.push("The scores of these two runs are in the study's folder but do not fit this page.");
  else if (!known.length) told.push("Nothing was computed for these two snapshots.");
  else told.push(`${known.length} of ${data.length} pairs computed; highest ${shown(best.score)}, ${best.layer_a} with ${best.layer_b}.`);
  $("heat-status").textContent = told.join(" ");
  $("heat-missing").hidden = known.length === data.length;
  cellTable(data);
  return feed("heat", page.specs.heatmap, "cells", data).then(fitHeat);
}

/** Keep the cells square whatever the width of the page. */
async function fitHeat() {
  const view = await views.heat;
  const drawn = $("heat").querySelector("svg");
  if (!view || !drawn) return;
  const around = Number(drawn.getAttribute("width")) - view.width();
  const side = Math.max(120, Math.min(600, Math.floor($("heat").clientWidth - around)));
  if (side !== view.width()) await view.width(side).height(side).runAsync();
}

// ---------------------------------------------------------------- curves
const tables = Object.fromEntries(["curves", "settling", "losses", "latents"].map((n) => [n, rows(page.tables[n])]));
const count = (value) => value.toLocaleString("en");
const step = (value) => (value === null ? "never" : count(Number(value.toFixed(value < 10 ? 1 : 0))));

function curves() {
  const measure = page.measures[Number($("curve-measure").value)].name;
  const run = page.runs[Number($("curve-run").value)];
  const corrected = $("curve-corrected").checked;
  const mine = tables.curves.filter((r) => r.measure === measure && r.run === run.id);
  const body = tables.settling.filter((r) => r.measure === measure && r.run === run.id).map((r) => {
    const line = element("tr");
    line.append(element("th", r.layer, { scope: "row", class: "text" }), element("td", r.part, { class: "word" }), element("td", r.floor === null ? "–" : r.floor.toFixed(3)));
    line.append(element("td", step(r.raw)), element("td", r.floor === null ? "–" : step(r.corrected)));
    return line;
  });
  $("curve-rows").replaceChildren(...body);
  const steps = [...new Set(mine.map((r) => r.step))];
  const lines = [...new Set(mine.map((r) => r.layer))].map((layer) => [
    layer, ...mine.filter((r) => r.layer === layer).map((r) => shown(corrected ? r.corrected : r.score)),
  ]);
  numbers("curve-table", `${run.label}, ${corrected ? "floor-corrected" : "raw"}, by step`, ["layer", ...steps.map(count)], lines);
  const without = corrected && mine.every((r) => r.floor === null);
  $("curve-status").textContent = mine.length ? without ? "There is no snapshot at step 0, so no floor and no corrected reading." : "" : `No curves of ${run.label}: it has no final snapshot (${run.state}), or ${measure} was not computed for it.`;
  return Promise.all(["encoder", "latent", "decoder"].map((part) => {
    const data = mine.filter((r) => r.part === part).map((r) => ({ ...r, value: corrected ? r.corrected : r.score }));
    return feed(`curves-${part}`, page.specs.curves[part], "curves", data.filter((r) => r.value !== null));
  }));
}

function settling() {
  const measure = page.measures[Number($("curve-measure").value)].name;
  const labels = Object.fromEntries(page.runs.map((r) => [r.id, r.label]));
  const data = tables.settling.filter((r) => r.measure === measure).flatMap((r) => [
    { ...r, run: labels[r.run], kind: "raw", step: r.raw },
    { ...r, run: labels[r.run], kind: "floor-corrected", step: r.corrected },
  ]);
  return feed("settling", page.specs.settling, "settling", data.filter((r) => r.step !== null));
}

function lossesOf() {
  const run = page.runs[Number($("loss-run").value)];
  const labels = Object.fromEntries(page.runs.map((r) => [r.id, r.label]));
  const data = tables.losses.map((r) => ({ ...r, label: labels[r.run], chosen: r.run === run.id }));
  const mine = tables.latents.filter((r) => r.run === run.id);
  const end = data.filter((r) => r.chosen).at(-1);
  $("loss-status").textContent = end
    ? `${run.label} at step ${step(end.step)}: loss ${end.loss.toFixed(1)}, reconstruction ${end.reconstruction.toFixed(1)}, KL ${end.kl.toFixed(2)} nats.`
    : `${run.label}: no losses logged yet.`;
  const steps = [...new Set(mine.map((r) => r.step))];
  const at = (name) => steps.map((s) => data.find((r) => r.chosen && r.step === s)?.[name].toFixed(2) ?? "·");
  const used = [...new Set(mine.map((r) => r.latent))].map((z) => [`latent ${z}`, ...mine.filter((r) => r.latent === z).map((r) => r.kl.toFixed(3))]);
  const lines = [["loss", ...at("loss")], ["reconstruction", ...at("reconstruction")], ["KL", ...at("kl")], ...used];
  numbers("loss-table", `${run.label}, in nats, by step`, ["nats", ...steps.map(count)], lines);
  return Promise.all([...["loss", "reconstruction", "kl"].map((c) => feed(`losses-${c}`, page.specs.losses[c], "losses", data)), feed("latents", page.specs.latents, "latents", mine)]);
}

// ---------------------------------------------------------------- pictures
function pictures() {
  const run = page.runs[Number($("picture-run").value)];
  const kept = page.pictures[run.id] ?? {};
  const steps = Object.keys(kept).map(Number).sort((p, q) => p - q);
  const at = stepOf("picture-step", steps);
  const found = kept[at];
  $("picture-figures").hidden = !found;
  if (!found) return;
  for (const [id, what, text] of [["picture-pairs", "pairs", "Originals above, reconstructions below"], ["picture-walk", "walk", "Latent traversals, one row a latent"]]) {
    $(id).src = found[what];
    $(id).alt = `${text}: ${run.label}, step ${at}`;
  }
  const kl = tables.latents.filter((r) => r.run === run.id && r.step === at);
  $("picture-kl").replaceChildren(...kl.map((r) => element("li", `${r.latent}: ${r.kl.toFixed(1)}`)));
}

/** When a run is picked, its slider goes to the last snapshot. */
function toLast(select, slider, count) {
  $(select)?.addEventListener("input", () => { $(slider).max = String(count(Number($(select).value)) - 1); $(slider).value = $(slider).max; });
}

async function start() {
  document.documentElement.classList.replace("no-js", "js");
  const labels = page.runs.map((r) => r.label);
  const titles = page.measures.map((m) => m.title);
  for (const id of ["heat-measure", "curve-measure"]) fill(id, titles);
  for (const id of ["heat-run-a", "heat-run-b", "curve-run", "loss-run", "picture-run"]) fill(id, labels);
  for (const button of document.querySelectorAll("button[data-save]")) button.addEventListener("click", () => save(button.dataset.save));
  if (page.specs.heatmap) {
    const last = page.runs[0].steps.length - 1;
    stepOf("heat-step-a", page.runs[0].steps, 0);
    stepOf("heat-step-b", page.runs[0].steps, last);
    for (const side of ["a", "b"]) toLast(`heat-run-${side}`, `heat-step-${side}`, (i) => page.runs[i].steps.length);
    on(["heat-measure", "heat-run-a", "heat-run-b", "heat-step-a", "heat-step-b"], heatmap);
    await heatmap();
    new ResizeObserver(() => requestAnimationFrame(fitHeat)).observe($("heat"));
  }
  if (page.specs.settling) {
    on(["curve-measure", "curve-run", "curve-raw", "curve-corrected"], curves);
    on(["curve-measure"], settling);
    await Promise.all([curves(), settling()]);
  }
  if (page.specs.losses) {
    on(["loss-run"], lossesOf);
    await lossesOf();
  }
  if (Object.keys(page.pictures).length) {
    $("picture-step").max = "100000";
    stepOf("picture-step", Object.keys(page.pictures[page.runs[0].id] ?? {}), 100000);
    toLast("picture-run", "picture-step", (i) => Object.keys(page.pictures[page.runs[i].id] ?? {}).length);
    on(["picture-run", "picture-step"], pictures);
    pictures();
  }
  document.documentElement.dataset.ready = "yes";
}

start();
