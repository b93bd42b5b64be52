// What is picked, where it is written (the end of the address, so that a view can be shared), and what it means in the data.
const FACTORS = ["dataset", "network", "objective", "strength"];
const picked = {
  a: { dataset: "", network: "", objective: "", strength: "", seed: "all" }, b: { dataset: "", network: "", objective: "", strength: "", seed: "all" },
  measure: "", reference: "final", reading: "raw", control: "", against: "end", codes: "mean", step: 0, both: false, cell: null,
};
const measureOf = (name) => page.measures.find((m) => m.name === name);
const partOf = (layer) => page.layers.find((l) => l.name === layer)?.part;
const layerAt = (name) => page.layers.findIndex((l) => l.name === name);
const title = (list, name) => list.find((o) => o.name === name)?.title ?? name;

/** The setting and the run that a side shows: {setting, run (null: all seeds), label}. */
function unit(side) {
  const at = picked[side];
  const setting = page.settings.findIndex((s) => FACTORS.every((f) => s[f] === at[f]));
  const run = at.seed === "all" ? null : page.settings[setting]?.runs.find((r) => String(page.runs[r].seed) === at.seed) ?? null;
  const label = run === null ? `${page.settings[setting]?.label ?? ""}, ${many(page.settings[setting]?.runs.length ?? 0, "seed")}` : page.runs[run].label;
  return { setting, run, label };
}
const many = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

function options(select, choices, chosen) {
  const key = JSON.stringify(choices);
  if (select.dataset.key !== key) {
    select.replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
    select.dataset.key = key;
  }
  select.value = chosen;
}

/** What may be picked for one factor, given those before it. */
const choices = (at, factor) => [...new Set(page.settings.filter((s) => FACTORS.slice(0, FACTORS.indexOf(factor)).every((f) => s[f] === at[f])).map((s) => s[factor]))];

/** Make what is picked possible: what is not there becomes the first that is. */
function settle() {
  for (const side of ["a", "b"]) {
    const at = picked[side];
    for (const factor of FACTORS) {
      const there = choices(at, factor);
      if (!there.includes(at[factor])) at[factor] = there[0] ?? "";
    }
    const { setting } = unit(side);
    const seeds = (page.settings[setting]?.runs ?? []).map((r) => String(page.runs[r].seed));
    if (!seeds.includes(at.seed)) at.seed = "all";
  }
  const first = (list, name) => (list.some((o) => o.name === name) ? name : list[0]?.name ?? "");
  picked.measure = first(page.measures, picked.measure || page.study.main);
  picked.reference = first(page.references, picked.reference);
  picked.reading = first(page.readings, picked.reading);
  picked.control = first(page.controls, picked.control);
  if (picked.against === "other" && !picked.both) picked.against = "end";
  picked.step = Math.max(0, Math.min(page.steps.length - 1, picked.step));
}

function showPicked() {
  for (const side of ["a", "b"]) {
    const of = (name) => $(side === "a" ? `pick-${name}` : `pick-b-${name}`);
    for (const factor of FACTORS) {
      const there = choices(picked[side], factor);
      options(of(factor), there.map((v) => [v, v || "none"]), picked[side][factor]);
      of(factor).parentElement.hidden = factor === "network" && there.length < 2 && new Set(page.settings.map((s) => s.network)).size < 2;
    }
    const runs = page.settings[unit(side).setting]?.runs ?? [];
    options(of("seed"), [["all", runs.length > 1 ? `all ${runs.length}, with interval` : "all"], ...runs.map((r) => [String(page.runs[r].seed), `seed ${page.runs[r].seed}`])], picked[side].seed);
  }
  for (const [name, list] of [["measure", page.measures], ["reference", page.references], ["reading", page.readings], ["control", page.controls]]) {
    options($(`pick-${name}`), list.map((o) => [o.name, o.title]), picked[name]);
  }
  $("pick-control").parentElement.hidden = page.controls.length < 2;
  const against = [["end", "the end of training"], ["same", "the same step"]];
  if (picked.both) against.push(["other", "the second run, same step"]);
  options($("pick-against"), against, picked.against);
  $("pick-both").checked = picked.both;
  $("second").hidden = !picked.both;
  const slider = $("pick-step");
  slider.max = String(Math.max(page.steps.length - 1, 0));
  slider.disabled = page.steps.length < 2;
  slider.value = String(picked.step);
  const text = page.steps.length ? `step ${count(page.steps[picked.step])}` : "no snapshot";
  slider.setAttribute("aria-valuetext", text);
  $("pick-step-out").textContent = text;
}

// ---------------------------------------------------------------- the address
function written() {
  const kept = new URLSearchParams();
  for (const factor of [...FACTORS, "seed"]) kept.set(factor, picked.a[factor]);
  if (picked.both) for (const factor of [...FACTORS, "seed"]) kept.set(`b-${factor}`, picked.b[factor]);
  for (const name of ["measure", "reference", "reading", "against", "control"]) if (picked[name]) kept.set(name, picked[name]);
  if (page.steps.length) kept.set("step", page.steps[picked.step]);
  if (picked.cell) for (const [i, name] of ["row", "column"].entries()) kept.set(name, picked.cell[i]);
  return `#explore&${kept}`;
}
let writing;
/** Write what is picked into the address: soon, since a slider picks many times a second. */
function write() {
  clearTimeout(writing);
  writing = setTimeout(writeNow, 120);
}
function writeNow() {
  try { history.replaceState(null, "", written()); } catch { /* in a frame without an address of its own there is nothing to share */ }
}
/** Read what an address says; whatever of it does not exist here is passed over. */
function read(fragment) {
  const [, ...rest] = fragment.replace(/^#/, "").split("&");
  const kept = new URLSearchParams(rest.join("&"));
  for (const [key, value] of kept) {
    const [side, factor] = key.startsWith("b-") ? ["b", key.slice(2)] : ["a", key];
    if ([...FACTORS, "seed"].includes(factor)) picked[side][factor] = value;
    else if (["measure", "reference", "reading", "against", "control"].includes(key)) picked[key] = value;
  }
  picked.both = [...kept.keys()].some((key) => key.startsWith("b-"));
  const step = kept.has("step") ? page.steps.indexOf(Number(kept.get("step"))) : -1;
  if (step >= 0) picked.step = step;
  const cell = [kept.get("row"), kept.get("column")];
  picked.cell = cell.every((name) => layerAt(name) >= 0) ? cell : null;
  return rest.length > 0;
}

// ---------------------------------------------------------------- what it means in the data
/** Values over steps of a family with settings {mean, low, high} and runs: {y, low, high, alone (a run's own)}. */
function over(entry, who, ...indices) {
  const own = who.run !== null ? slice(entry?.runs, who.run, ...indices) : null;
  if (own) return { y: own, alone: true };
  const of = (name) => slice(entry?.settings?.[name], who.setting, ...indices);
  return { y: of("mean"), low: of("low"), high: of("high"), alone: false };
}
const curveEntry = (measure, reference, reading, control) =>
  page.curves.find((c) => c.measure === measure && c.reference === reference && c.reading === reading && (c.control ?? "") === control);

/** The last of ascending values that is not above one; the first where all are. */
const upTo = (ascending, value) => Math.max(0, ascending.findLastIndex((v) => v <= value));

/**
 * A layer-by-layer map of a side: {steps (indices into page.steps), at(k) -> flat scores or null, half(k), note}, k a place in steps.
 */
function mapOf(side, against) {
  const who = unit(side);
  const left = "left out of this page for its size; it is in similarity.parquet beside it";
  if (who.run !== null || against === "other") {
    const other = against === "other" ? unit("b") : who;
    const one = (u) => u.run ?? page.settings[u.setting]?.runs[0];
    const [a, b] = against === "other" ? [one(unit("a")), one(other)] : [who.run, who.run];
    const flip = a > b;
    for (const entry of page.maps.runs.filter((m) => m.measure === picked.measure)) {
      const pair = entry.pairs.findIndex(([p, q]) => p === Math.min(a, b) && q === Math.max(a, b));
      if (pair < 0) continue;
      const n = entry.steps.length;
      const block = (k, m) => {
        const found = slice(entry.scores, pair, flip ? m : k, flip ? k : m);
        if (!flip) return found;
        const size = page.layers.length;
        return found.map((_, c) => found[(c % size) * size + Math.floor(c / size)]);
      };
      const end = Math.max(0, page.steps.length ? entry.steps.indexOf(page.runs[b].steps.at(-1)) : 0);
      const to = (k) => (against === "end" ? (end < 0 ? n - 1 : end) : k);
      const note = against === "other" && (unit("a").run === null || other.run === null) ? `Rows: ${page.runs[a].label}; columns: ${page.runs[b].label}.` : "";
      return { steps: entry.steps, at: (k) => block(k, to(k)), half: () => null, note };
    }
    if (against === "other") return { steps: [], at: () => null, half: () => null, note: `The scores of these two runs are ${left}.` };
  }
  const entry = page.maps.settings.find((m) => m.measure === picked.measure && m.against === against);
  const note = who.run !== null ? `The map of this run alone is ${left}: this is the mean over the seeds.` : "";
  if (!entry) return { steps: [], at: () => null, half: () => null, note: "Nothing was computed for this." };
  return { steps: entry.steps, at: (k) => slice(entry.mean, who.setting, k), half: (k) => slice(entry.half, who.setting, k), note };
}
